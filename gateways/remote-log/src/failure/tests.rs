//! Every no arrives as it was said; what nobody said leaves the outcome open.

use super::{Words, error, status};
use stele_domain::port::event_log::{Expected, LogError, Revision, StreamId};
use tonic::{Code, Status};

fn every_no() -> Vec<LogError> {
    let stream = StreamId::new("order-1").unwrap();
    let conflict = |expected, actual| LogError::Conflict { stream: stream.clone(), expected, actual };
    vec![
        conflict(Expected::NoStream, Some(Revision(0))),
        conflict(Expected::Exists, None),
        conflict(Expected::Exactly(Revision(u64::MAX)), Some(Revision(7))),
        LogError::Invalid("it has no records".to_owned()),
        LogError::Full,
        LogError::Stopped("fsync failed".to_owned()),
        LogError::Damaged { file: "0001.log".to_owned(), offset: 42, what: "a bit".to_owned() },
        LogError::Lost(Box::new(Words("archived segment 1.seg is missing: put it back".to_owned()))),
        LogError::Owned { directory: "/var/lib/stele".to_owned(), owner: "pid 7".to_owned() },
        LogError::Denied("market may not append account".to_owned()),
        LogError::Unreachable(Box::new(Words("the disk hangs".to_owned()))),
    ]
}

#[test]
fn every_no_of_the_log_arrives_as_it_was_said() {
    for said in every_no() {
        let heard = error(&status(&said));
        assert_eq!(format!("{heard:?}"), format!("{said:?}"));
        assert_eq!(heard.is_transient(), said.is_transient(), "{said:?}");
    }
}

#[test]
fn a_no_that_the_log_did_not_say_leaves_the_outcome_open() {
    for code in [Code::Aborted, Code::Internal, Code::Unavailable, Code::DeadlineExceeded, Code::Unknown] {
        let heard = error(&Status::new(code, "a proxy on the way"));
        assert!(matches!(heard, LogError::Unreachable(_)), "{code:?}: {heard:?}");
    }
}

#[test]
fn a_door_that_lets_nobody_in_is_no_reason_to_try_again() {
    for code in [Code::Unauthenticated, Code::PermissionDenied] {
        let heard = error(&Status::new(code, "no"));
        assert!(matches!(&heard, LogError::Denied(_)) && !heard.is_transient(), "{heard:?}");
    }
}
