//! What passes by itself is told from what somebody has to mend: a person is asked to try again only where that helps.

use crate::desk::{Desk, HandClock, limits, start};
use crate::door::{Door, root, wish};
use crate::moody::Moody;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::control::{Done, Fault, Refused, Wish};
use stele_domain::ids::EventId;
use stele_domain::operations::service::event::Service;
use stele_domain::port::blob_store::BlobError;
use stele_domain::port::event_log::{Expected, LogError, NewRecord};
use uuid::Uuid;

/// How a log fails.
type Way = fn() -> LogError;

/// Every way in which a log can say no to what a desk writes, and what must be mended; none where it passes.
const WAYS: [(Way, Option<Fault>); 7] = [
    (|| LogError::Unreachable("gone".into()), None),
    (|| LogError::Full, None),
    (damaged, Some(Fault::Damaged)),
    (|| LogError::Lost("there is no object".into()), Some(Fault::Lost)),
    (|| LogError::Denied("write list".to_owned()), Some(Fault::Denied)),
    (stopped, Some(Fault::Stopped)),
    (|| LogError::Invalid("too long".to_owned()), Some(Fault::Stopped)),
];

fn damaged() -> LogError {
    LogError::Damaged { file: "1.log".to_owned(), offset: 4_096, what: "a sum".to_owned() }
}

fn stopped() -> LogError {
    LogError::Stopped("fsync: input/output error".to_owned())
}

/// What must be mended; none for what passes.
fn fault<T: std::fmt::Debug>(came: Result<T, Refused>) -> Option<Fault> {
    let refused = came.unwrap_err();
    if let Refused::Failed { fault, .. } = refused {
        return Some(fault);
    }
    assert!(matches!(refused, Refused::Unavailable(_)), "{refused:?}");
    None
}

fn moody() -> (Arc<Moody>, Door) {
    let clock = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    (log, door)
}

#[tokio::test]
async fn a_wish_is_called_unavailable_only_where_asking_again_may_help() {
    for (how, lasts) in WAYS {
        let (log, door) = moody();
        let words = how().to_string();
        log.breaks(Some(how));
        let asked = wish(root(), "limits");
        let came = door.control.set_limits(asked, limits(), None, None).await;
        assert!(came.as_ref().unwrap_err().to_string().contains(&words), "{words}: {came:?}");
        assert_eq!(fault(came), lasts, "{words}");
        assert_eq!(fault(door.control.limits().await), lasts, "reading, {words}");
        assert_eq!(fault(door.keys.list().await), lasts, "reading keys, {words}");
        assert_eq!(lasts.is_none(), how().is_transient(), "{words}");
    }
}

#[tokio::test]
async fn whoever_is_kept_out_of_the_archive_is_told_so_though_the_desk_asks_again() {
    let way = || {
        let said = BlobError::Denied { store: "s3://archive".to_owned(), source: "403 Forbidden".into() };
        LogError::Unreachable(Box::new(said))
    };
    let (log, door) = moody();
    log.breaks(Some(way));
    let came = door.control.set_limits(wish(root(), "limits"), limits(), None, None).await;
    assert_eq!(fault(came), Some(Fault::KeptOut));
    assert_eq!(fault(door.keys.list().await), Some(Fault::KeptOut));
    assert!(way().is_transient());
}

#[tokio::test]
async fn a_wish_that_failed_is_decided_when_it_comes_again_and_its_id_stays_its_own() {
    for (how, _) in WAYS {
        let (log, door) = moody();
        let asked = wish(root(), "limits");
        log.breaks(Some(how));
        door.control.set_limits(asked.clone(), limits(), None, None).await.unwrap_err();
        let other = Wish { digest: "another".to_owned(), ..asked.clone() };
        let other = door.control.reset_filter(other).await;
        assert!(matches!(other, Err(Refused::IdReused(_))), "{other:?}");
        log.breaks(None);
        let again = door.control.set_limits(asked.clone(), limits(), None, None).await;
        let Ok(Done::Recorded(at)) = again else { panic!("{again:?}") };
        assert_eq!(door.control.set_limits(asked, limits(), None, None).await, Ok(Done::Repeated(at)));
        assert_eq!(door.of_type("trading.LimitsSet").await.len(), 1);
        assert_eq!(door.of_type("operations.CommandRefused").await.len(), 0, "no rule said no");
    }
}

#[tokio::test]
async fn a_stream_that_can_t_be_read_as_events_stops_its_own_wishes_and_no_others() {
    for (event_type, data) in
        [("trading.LimitsSet", "{"), ("intents.FilterReset", "{}"), ("other.Thing", "{}")]
    {
        let door = Door::new();
        let record = NewRecord {
            event_id: EventId(Uuid::now_v7()),
            event_type: event_type.into(),
            data: data.as_bytes().into(),
            metadata: b"{}".as_slice().into(),
        };
        door.desk.log.append(&Desk::account_stream(), Expected::Any, vec![record]).await.unwrap();
        let came = door.control.set_limits(wish(root(), "limits"), limits(), None, None).await;
        assert_eq!(fault(came), Some(Fault::Unreadable), "{event_type}");
        assert_eq!(fault(door.control.account().await), Some(Fault::Unreadable), "{event_type}");
        assert_eq!(fault(door.control.kill(wish(root(), "smoke")).await), Some(Fault::Unreadable));
        door.desk.board.start(Service::Market, "0", "desk", &*door.desk.clock).await.unwrap();
        let paused = door.control.pause(wish(root(), "feed"), Service::Market).await;
        assert!(matches!(paused, Ok(Done::Recorded(_))), "{paused:?}");
    }
}

#[tokio::test]
async fn a_kill_on_a_log_that_is_broken_shuts_the_fence_and_says_what_to_do_about_the_others() {
    for how in [damaged as fn() -> LogError, stopped] {
        let (log, door) = moody();
        let running = door.desk.execute().await;
        door.desk.arm().await;
        log.breaks(Some(how));
        let refused = door.control.kill(wish(root(), "smoke")).await.unwrap_err();
        let said = refused.to_string();
        assert!(matches!(refused, Refused::Failed { .. }), "{refused:?}");
        for words in ["not on the log", "no frame leaves this process", "stop that process now"] {
            assert!(said.contains(words), "{words:?} is missing: {said}");
        }
        let leaves = tokio::time::timeout(Duration::from_millis(100), door.desk.fence.permit()).await;
        assert!(leaves.is_err(), "the kill was asked for");
        log.breaks(None);
        door.desk.until_type("trading.Killed").await;
        drop(running);
    }
}
