//! A log that is damaged on its disk while the desk runs: both doors say that it does not pass by itself.

use crate::desk::{Desk, hand_clock};
use crate::prove::Owner;
use crate::served::{Served, codes, soon};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use stele_api::RateOptions;
use stele_api::client::ClientError;
use stele_api::dto::{self, FollowLine};
use stele_domain::access::Role;
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::service::event::Service;
use stele_event_log::{EmbeddedLog, Options};
use stele_proto::api::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

/// What the alert says, which nothing else in the log does.
const DETAIL: &str = "seven satoshi that nobody expected";

/// A desk over a log in files that keeps nothing in memory, with a raised alert.
async fn served(directory: &Path) -> Served {
    let options = Options::new(hand_clock()).with_cache_bytes(0);
    let log = Arc::new(EmbeddedLog::open(directory, options).unwrap().0);
    let owner = Arc::new(Owner(log.clone()));
    let served = Served::of(Desk::over(RateOptions::default(), hand_clock(), log, owner).await).await;
    served.desk.control.board.start(Service::Market, "0", "desk-1", &*served.desk.clock).await.unwrap();
    served.desk.raise(Kind::UnmatchedCredit, DETAIL).await;
    served
}

/// Flips one bit of what the log holds of the alert; a second time, it is as it was.
fn flip(directory: &Path) {
    let mut segments = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let place = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        // Not the first letter: that is the one that is flipped.
        let rest = DETAIL.get(1..).unwrap().as_bytes();
        bytes.windows(rest.len()).position(|window| window == rest).map(|at| at - 1)
    };
    let (path, at) = segments.find_map(|path| Some((path.clone(), place(&path)?))).unwrap();
    let at = u64::try_from(at).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// The status and the code of a no at the REST door, and whether it is worth asking again.
fn no<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String, bool) {
    let error = answer.unwrap_err();
    let transient = error.is_transient();
    let ClientError::Problem(problem) = error else { panic!("{error:?}") };
    assert!(problem.detail.contains("damaged") && problem.detail.contains("at byte"), "{}", problem.detail);
    let dto::Problem { status, code, .. } = *problem;
    (status, code, transient)
}

#[tokio::test]
async fn a_damaged_log_is_told_alike_by_both_doors_and_not_as_something_that_passes() {
    let directory = tempfile::tempdir().unwrap();
    let served = served(directory.path()).await;
    let damaged = || (500, "log-damaged".to_owned(), false);
    flip(directory.path());

    let asked = Uuid::now_v7();
    let clear = async || served.desk.client.clear_alert(asked, "unmatched_credit", "ours, seen").await;
    assert_eq!(no(clear().await), damaged());
    assert_eq!(no(clear().await), damaged(), "no answer of the kind is kept");
    assert_eq!(no(served.desk.client.alerts().await), damaged());

    let request = || pb::ClearAlertRequest {
        idempotency_key: asked.to_string(),
        reason: "ours, seen".to_owned(),
        kind: "unmatched_credit".to_owned(),
    };
    let mut control = served.control(Role::Operator).await;
    let status = control.clear_alert(request()).await.unwrap_err();
    // The id is another person's at the other door.
    assert_eq!(codes(&status), (Code::AlreadyExists, "idempotency-key-reused".to_owned()));
    let own = || pb::ClearAlertRequest { idempotency_key: Uuid::from_u128(5).to_string(), ..request() };
    let status = control.clear_alert(own()).await.unwrap_err();
    assert_eq!(codes(&status), (Code::DataLoss, "log-damaged".to_owned()));
    assert!(status.get_details_retry_info().is_none(), "{status:?}");
    assert!(status.message().contains("does not pass by itself"), "{}", status.message());

    let mut follow = served.desk.client.follow(Some(1), &[], &[]).await.unwrap();
    let failed = loop {
        if let FollowLine::Failed { code, .. } = soon(follow.next()).await.unwrap().expect("a last word") {
            break code;
        }
    };
    assert_eq!(failed, "log-damaged");

    // What does not rest on the damaged place goes on.
    served.desk.client.pause(Uuid::now_v7(), "market", "while we look").await.unwrap();

    flip(directory.path());
    let done = clear().await.unwrap();
    assert!(!done.replayed && done.answer.log_position.is_some(), "{:?}", done.answer);
    assert!(clear().await.unwrap().replayed);
}
