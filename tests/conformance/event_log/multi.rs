//! Rules of writing several streams at once, for logs that can.

use super::records::{record, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{
    APPEND_RECORDS_MAX, Appended, Direction, EventLog, Expected, LogError, Position, Revision, StreamAppend,
};

fn part(name: &str, expected: Expected, numbers: std::ops::Range<u64>) -> StreamAppend {
    StreamAppend { stream: stream(name), expected, records: numbers.map(record).collect() }
}

fn place(first: u64, last: u64, revision: u64) -> Appended {
    Appended { first: Position(first), last: Position(last), revision: Revision(revision), repeated: false }
}

fn at(revision: u64) -> Expected {
    Expected::Exactly(Revision(revision))
}

pub async fn several_streams_are_written_together_or_not_at_all(log: Arc<dyn EventLog>) {
    let Some(multi) = log.multi_stream() else {
        return;
    };
    let answers = multi
        .append_many(vec![part("a-1", Expected::NoStream, 0..2), part("b-1", Expected::Any, 2..5)])
        .await
        .unwrap();
    assert_eq!(answers, [place(1, 2, 1), place(3, 5, 2)]);
    let refused = multi
        .append_many(vec![part("a-1", at(1), 10..12), part("b-1", at(1), 12..13), part("c-1", at(4), 13..14)])
        .await;
    let Err(LogError::Conflict { stream: named, expected, actual }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((named, expected, actual), (stream("b-1"), at(1), Some(Revision(2))));
    assert_eq!(log.head().await.unwrap(), Position(5));
    let read = log.read_stream(&stream("a-1"), Revision(0), Direction::Forward, 10).await.unwrap();
    assert_eq!(read.len(), 2);
}

pub async fn a_check_is_answered_and_not_written(log: Arc<dyn EventLog>) {
    let Some(multi) = log.multi_stream() else {
        return;
    };
    log.append(&stream("a-1"), Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    let answers = multi
        .append_many(vec![
            part("a-1", at(1), 0..0),
            part("b-1", Expected::NoStream, 5..6),
            part("none-1", Expected::NoStream, 0..0),
        ])
        .await
        .unwrap();
    assert_eq!(answers, [place(3, 3, 1), place(3, 3, 0), place(3, 3, 0)]);
    let only_checks = multi.append_many(vec![part("a-1", Expected::Exists, 0..0)]).await.unwrap();
    assert_eq!(only_checks, [place(3, 3, 1)]);
    let refused = multi.append_many(vec![part("b-1", at(0), 7..8), part("a-1", at(0), 0..0)]).await;
    assert!(matches!(refused, Err(LogError::Conflict { .. })), "{refused:?}");
    assert_eq!(log.head().await.unwrap(), Position(3));
}

pub async fn the_same_multi_stream_append_gets_the_first_answer(log: Arc<dyn EventLog>) {
    let Some(multi) = log.multi_stream() else {
        return;
    };
    log.append(&stream("guard-1"), Expected::NoStream, vec![record(90)]).await.unwrap();
    let offer = || {
        vec![
            part("a-1", Expected::NoStream, 0..2),
            part("guard-1", at(0), 0..0),
            part("b-1", Expected::Any, 2..3),
        ]
    };
    let first = multi.append_many(offer()).await.unwrap();
    assert_eq!(first, [place(2, 3, 1), place(4, 4, 0), place(4, 4, 0)]);
    // The check held the first time; that the stream has moved on since changes nothing.
    log.append(&stream("guard-1"), at(0), vec![record(91)]).await.unwrap();
    let again = multi.append_many(offer()).await.unwrap();
    let repeated = |first: Appended| Appended { repeated: true, ..first };
    assert_eq!(again, [repeated(first[0]), place(5, 5, 1), repeated(first[2])]);
    assert_eq!(log.head().await.unwrap(), Position(5));
}

pub async fn a_part_that_somebody_else_wrote_is_a_conflict(log: Arc<dyn EventLog>) {
    let Some(multi) = log.multi_stream() else {
        return;
    };
    log.append(&stream("a-1"), Expected::NoStream, vec![record(1)]).await.unwrap();
    let exact = multi
        .append_many(vec![part("a-1", Expected::NoStream, 1..2), part("b-1", Expected::Any, 2..3)])
        .await;
    assert!(matches!(exact, Err(LogError::Conflict { .. })), "{exact:?}");
    assert_eq!(log.head().await.unwrap(), Position(1));
    // Where repeating is harmless, it is repeated.
    let any =
        multi.append_many(vec![part("a-1", Expected::Any, 1..2), part("b-1", Expected::Any, 2..3)]).await;
    assert_eq!(any.unwrap(), [place(2, 2, 1), place(3, 3, 0)]);
}

pub async fn nonsense_is_refused(log: Arc<dyn EventLog>) {
    let Some(multi) = log.multi_stream() else {
        return;
    };
    let count = u64::try_from(APPEND_RECORDS_MAX).unwrap();
    let half = count / 2 + 1;
    for (nth, offer) in [
        vec![],
        vec![part("a-1", Expected::Any, 0..1), part("a-1", Expected::Any, 1..2)],
        vec![part("a-1", Expected::Any, 0..half), part("b-1", Expected::Any, half..2 * half)],
        (0..=count).map(|nth| part(&format!("a-{nth}"), Expected::Any, 0..0)).collect(),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = multi.append_many(offer).await;
        assert!(matches!(refused, Err(LogError::Invalid(_))), "{nth}: {refused:?}");
    }
    assert_eq!(log.head().await.unwrap(), Position::START);
}
