//! Rules of expected revisions.

use super::records::{record, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{Appended, EventLog, Expected, LogError, Position, Revision};

pub async fn a_stream_that_is_not_where_it_was_believed_is_a_conflict(log: Arc<dyn EventLog>) {
    let (empty, two) = (stream("order-empty"), stream("order-two"));
    log.append(&two, Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    let at = |revision| Expected::Exactly(Revision(revision));
    let refused = [
        (&empty, Expected::Exists, None),
        (&empty, at(0), None),
        (&empty, at(u64::MAX), None),
        (&two, Expected::NoStream, Some(Revision(1))),
        (&two, at(0), Some(Revision(1))),
        (&two, at(2), Some(Revision(1))),
        (&two, at(u64::MAX), Some(Revision(1))),
    ];
    for (nth, (target, expectation, actually)) in refused.into_iter().enumerate() {
        let error = log.append(target, expectation, vec![record(100 + u64::try_from(nth).unwrap())]).await;
        let Err(LogError::Conflict { stream, expected, actual }) = error else {
            panic!("{expectation} on {target}: {error:?}");
        };
        assert_eq!((&stream, expected, actual), (target, expectation, actually));
    }
    assert_eq!(log.head().await.unwrap(), Position(2));
    for (expectation, revision) in [(at(1), 2), (Expected::Exists, 3), (Expected::Any, 4)] {
        let answer = log.append(&two, expectation, vec![record(200 + revision)]).await.unwrap();
        let position = Position(revision + 1);
        let expected =
            Appended { first: position, last: position, revision: Revision(revision), repeated: false };
        assert_eq!(answer, expected);
    }
}

pub async fn of_many_writers_at_one_revision_one_wins(log: Arc<dyn EventLog>) {
    let target = stream("race-1");
    for round in 0..10_u64 {
        let expectation =
            round.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
        let mut writers = vec![];
        for writer in 0..16_u64 {
            let (log, target) = (Arc::clone(&log), target.clone());
            let offer = vec![record(1 + round * 16 + writer)];
            writers.push(tokio::spawn(async move { log.append(&target, expectation, offer).await }));
        }
        let mut won = 0;
        for writer in writers {
            match writer.await.unwrap() {
                Ok(answer) => {
                    assert_eq!(answer.revision, Revision(round));
                    won += 1;
                }
                Err(LogError::Conflict { actual, .. }) => assert_eq!(actual, Some(Revision(round))),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1, "in round {round}");
    }
}
