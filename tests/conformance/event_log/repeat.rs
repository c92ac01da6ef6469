//! Rules of offering the same records again.

use super::records::{record, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{Appended, EventLog, Expected, LogError, NewRecord, Position, Revision};

fn records(numbers: std::ops::Range<u64>) -> Vec<NewRecord> {
    numbers.map(record).collect()
}

pub async fn the_same_records_at_the_same_revision_get_the_first_answer(log: Arc<dyn EventLog>) {
    let (target, other) = (stream("order-1"), stream("order-2"));
    let created = log.append(&target, Expected::NoStream, records(0..2)).await.unwrap();
    log.append(&other, Expected::NoStream, records(50..53)).await.unwrap();
    let at_one = Expected::Exactly(Revision(1));
    let then = log.append(&target, at_one, records(2..5)).await.unwrap();
    assert_eq!(
        then,
        Appended { first: Position(6), last: Position(8), revision: Revision(4), repeated: false }
    );
    log.append(&target, Expected::Exactly(Revision(4)), records(5..6)).await.unwrap();

    let again = |first: Appended| Appended { repeated: true, ..first };
    assert_eq!(log.append(&target, Expected::NoStream, records(0..2)).await.unwrap(), again(created));
    assert_eq!(log.append(&target, at_one, records(2..5)).await.unwrap(), again(then));
    // A part of what followed is there as well, and so is more than one append of it.
    let part = log.append(&target, at_one, records(2..4)).await.unwrap();
    assert_eq!(part, Appended { last: Position(7), revision: Revision(3), ..again(then) });
    let more = log.append(&target, Expected::NoStream, records(0..5)).await.unwrap();
    assert_eq!(
        more,
        Appended { first: Position(1), last: Position(8), revision: Revision(4), repeated: true }
    );
    assert_eq!(log.head().await.unwrap(), Position(9));
}

pub async fn other_records_at_a_taken_revision_are_a_conflict(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    log.append(&target, Expected::NoStream, records(0..4)).await.unwrap();
    let at_zero = Expected::Exactly(Revision(0));
    let offers = [
        (at_zero, records(9..10)),
        (at_zero, vec![record(1), record(9)]),
        (at_zero, vec![record(2), record(1)]),
        (at_zero, vec![record(2)]),
        (at_zero, records(1..5)),
        (Expected::NoStream, records(1..2)),
        (Expected::Exactly(Revision(7)), records(3..4)),
    ];
    for (expectation, offer) in offers {
        let ids: Vec<_> = offer.iter().map(|record| record.event_id).collect();
        let error = log.append(&target, expectation, offer).await;
        assert!(matches!(error, Err(LogError::Conflict { .. })), "{ids:?} at {expectation}: {error:?}");
    }
    assert_eq!(log.head().await.unwrap(), Position(4));
}

pub async fn a_repetition_anywhere_is_found_among_recent_records(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    let first = log.append(&target, Expected::Any, records(0..3)).await.unwrap();
    log.append(&target, Expected::Exists, records(3..6)).await.unwrap();
    for expectation in [Expected::Any, Expected::Exists] {
        let again = log.append(&target, expectation, records(0..3)).await.unwrap();
        assert_eq!(again, Appended { repeated: true, ..first });
        let across = log.append(&target, expectation, records(2..5)).await.unwrap();
        assert_eq!((across.first, across.last, across.repeated), (Position(3), Position(5), true));
    }
    assert_eq!(log.head().await.unwrap(), Position(6));
    // Not all of it is there: its writer said that repeating is harmless.
    let beyond = log.append(&target, Expected::Any, records(5..7)).await.unwrap();
    assert_eq!((beyond.first, beyond.repeated), (Position(7), false));
}

pub async fn the_same_id_in_another_stream_is_another_fact(log: Arc<dyn EventLog>) {
    for (nth, name) in ["order-1", "order-2", "order-3"].into_iter().enumerate() {
        let answer = log.append(&stream(name), Expected::Any, records(1..2)).await.unwrap();
        assert_eq!(answer.first, Position(u64::try_from(nth).unwrap() + 1));
        assert!(!answer.repeated);
    }
    let answer = log.append(&stream("order-2"), Expected::Any, records(1..2)).await.unwrap();
    assert_eq!((answer.first, answer.repeated), (Position(2), true));
}

pub async fn the_last_65536_records_are_recent(log: Arc<dyn EventLog>) {
    let (target, noise) = (stream("order-1"), stream("noise-1"));
    log.append(&target, Expected::NoStream, records(1..2)).await.unwrap();
    let mut next = 10;
    for _ in 0..16 {
        let count = if next == 10 { 4_095 } else { 4_096 };
        let quiet = |number| NewRecord { data: [].into(), metadata: [].into(), ..record(number) };
        log.append(&noise, Expected::Any, (next..next + count).map(quiet).collect()).await.unwrap();
        next += count;
    }
    assert_eq!(log.head().await.unwrap(), Position(65_536));
    let again = log.append(&target, Expected::Any, records(1..2)).await.unwrap();
    assert_eq!((again.first, again.repeated), (Position(1), true));
    // An exact place is remembered for ever.
    log.append(&noise, Expected::Any, records(next..next + 10)).await.unwrap();
    let again = log.append(&target, Expected::NoStream, records(1..2)).await.unwrap();
    assert_eq!((again.first, again.repeated), (Position(1), true));
    let other = log.append(&target, Expected::NoStream, records(5..6)).await;
    assert!(matches!(other, Err(LogError::Conflict { .. })), "{other:?}");
}

pub async fn the_same_append_twice_at_once_is_written_once(log: Arc<dyn EventLog>) {
    for expectation in [Expected::NoStream, Expected::Any] {
        let target = stream(&format!("twice-{expectation}"));
        let mut offers = vec![];
        for _ in 0..16 {
            let (log, target) = (Arc::clone(&log), target.clone());
            offers.push(tokio::spawn(async move {
                log.append(&target, expectation, records(1..4)).await.unwrap()
            }));
        }
        let mut answers = vec![];
        for offer in offers {
            answers.push(offer.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
        let places: std::collections::BTreeSet<_> =
            answers.iter().map(|a| (a.first, a.last, a.revision)).collect();
        assert_eq!(places.len(), 1, "{answers:?}");
    }
    assert_eq!(log.head().await.unwrap(), Position(6));
}
