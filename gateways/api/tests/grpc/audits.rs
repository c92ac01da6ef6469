//! Audits: begun by a wish, watched to their end, and their reports byte for byte.

use crate::served::{Served, codes, soon};
use std::time::Duration;
use stele_domain::access::{Action, Role};
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::audit_service_client::AuditServiceClient;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

type Watch = Streaming<pb::WatchAuditResponse>;
type Auditors = AuditServiceClient<crate::served::Way>;

fn start(key: &str, projection: Option<&str>) -> pb::StartAuditRequest {
    pb::StartAuditRequest {
        idempotency_key: key.to_owned(),
        reason: "end of the quarter".to_owned(),
        projection: projection.map(str::to_owned),
        position: None,
    }
}

fn key() -> String {
    Uuid::now_v7().to_string()
}

async fn begun(audits: &mut Auditors, projection: Option<&str>) -> String {
    let audit = audits.start_audit(start(&key(), projection)).await.unwrap().into_inner().audit.unwrap();
    assert_eq!((audit.state(), audit.asked_by.as_str()), (pb::AuditState::Running, "person:auditor"));
    audit.id
}

async fn watch(audits: &mut Auditors, id: &str) -> Watch {
    audits.watch_audit(pb::WatchAuditRequest { id: id.to_owned() }).await.unwrap().into_inner()
}

/// The next that is told; `None` at the end.
async fn next(watch: &mut Watch) -> Option<pb::Audit> {
    Some(soon(watch.message()).await.unwrap()?.audit.expect("every message has the audit"))
}

/// How a stream ends that is cut off.
async fn cut(watch: &mut Watch) -> Status {
    soon(async {
        loop {
            match watch.message().await {
                Ok(message) => assert!(message.is_some(), "ended without a word"),
                Err(status) => break status,
            }
        }
    })
    .await
}

async fn report(audits: &mut Auditors, id: &str) -> Vec<u8> {
    let request = pb::GetAuditReportRequest { id: id.to_owned() };
    let mut parts = audits.get_audit_report(request).await.unwrap().into_inner();
    let mut report = vec![];
    while let Some(told) = soon(parts.message()).await.unwrap() {
        report.extend(told.part);
    }
    report
}

#[tokio::test]
async fn an_audit_is_begun_watched_and_ends_with_the_report_byte_for_byte() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let id = begun(&mut audits, None).await;
    let mut told = watch(&mut audits, &id).await;
    let running = next(&mut told).await.unwrap();
    assert_eq!((running.state(), running.verdict.as_deref()), (pb::AuditState::Running, None));
    let none = audits.get_audit_report(pb::GetAuditReportRequest { id: id.clone() }).await.unwrap_err();
    assert_eq!(codes(&none), (Code::FailedPrecondition, "no-report".to_owned()));
    served.desk.audits.notify_one();
    let mut last = running;
    while let Some(audit) = next(&mut told).await {
        last = audit;
    }
    assert_eq!((last.state(), last.verdict.as_deref()), (pb::AuditState::Done, Some("agrees")));
    assert_eq!((last.phase.as_str(), last.done, last.total), ("counting", 3, 7));
    assert!(last.ended_at.is_some() && last.began_at.is_some());
    let audit = audits.get_audit(pb::GetAuditRequest { id: id.clone() }).await.unwrap().into_inner().audit;
    assert_eq!(audit.as_ref(), Some(&last));
    let all = audits.list_audits(pb::ListAuditsRequest {}).await.unwrap().into_inner().audits;
    assert_eq!(all, [last]);
    let at_the_other_door = served.desk.client.audit_report(id.parse().unwrap()).await.unwrap();
    assert_eq!(report(&mut audits, &id).await, at_the_other_door.as_bytes());
}

/// Most clients take messages of 4 MiB at most.
#[tokio::test]
async fn a_report_that_is_larger_than_any_message_comes_whole() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let id = begun(&mut audits, Some("quotes")).await;
    served.desk.audits.notify_one();
    let mut told = watch(&mut audits, &id).await;
    while next(&mut told).await.is_some() {}
    let whole = served.desk.client.audit_report(id.parse().unwrap()).await.unwrap();
    assert!(whole.len() > 4 * 1024 * 1024, "{}", whole.len());
    assert!(report(&mut audits, &id).await == whole.as_bytes(), "other bytes");
}

#[tokio::test]
async fn an_audit_that_comes_to_nothing_says_why() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let id = begun(&mut audits, Some("demands")).await;
    let mut told = watch(&mut audits, &id).await;
    served.desk.audits.notify_one();
    let mut last = None;
    while let Some(audit) = next(&mut told).await {
        last = Some(audit);
    }
    let last = last.unwrap();
    assert_eq!((last.state(), last.why.as_deref()), (pb::AuditState::Failed, Some("the disk is gone")));
    assert_eq!(last.exit_code, Some(10));
    assert_eq!((last.projection.as_deref(), last.position), (Some("demands"), None));
}

#[tokio::test]
async fn of_two_audits_at_once_the_second_is_refused_and_the_same_wish_twice_is_one() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let (first, second) = (key(), key());
    audits.start_audit(start(&first, None)).await.unwrap();
    let refused = audits.start_audit(start(&second, None)).await.unwrap_err();
    assert_eq!(codes(&refused), (Code::FailedPrecondition, "audit_running".to_owned()));
    let again = audits.start_audit(start(&first, None)).await.unwrap().into_inner().audit.unwrap();
    assert_eq!(again.id, first);
    let all = audits.list_audits(pb::ListAuditsRequest {}).await.unwrap().into_inner().audits;
    assert_eq!(all.len(), 1);
    let other = audits.start_audit(start(&first, Some("quotes"))).await.unwrap_err();
    assert_eq!(codes(&other), (Code::AlreadyExists, "idempotency-key-reused".to_owned()));
}

#[tokio::test]
async fn what_can_not_be_audited_or_is_not_remembered_is_refused_by_name() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let no = audits.start_audit(start(&key(), Some("dreams"))).await.unwrap_err();
    assert_eq!(codes(&no), (Code::InvalidArgument, "bad-request".to_owned()));
    let nothing = pb::StartAuditRequest { position: Some(0), ..start(&key(), None) };
    let no = audits.start_audit(nothing).await.unwrap_err();
    assert_eq!(codes(&no), (Code::InvalidArgument, "bad-request".to_owned()));
    assert!(no.message().contains("positions begin at 1"), "{}", no.message());
    let head = served.desk.log.head().await.unwrap().0;
    let beyond = pb::StartAuditRequest { position: Some(head + 100), ..start(&key(), None) };
    let no = audits.start_audit(beyond).await.unwrap_err();
    assert_eq!(codes(&no), (Code::FailedPrecondition, "position-beyond-head".to_owned()));
    for (id, refused) in [
        (key(), (Code::NotFound, "unknown-audit".to_owned())),
        ("the last one".to_owned(), (Code::InvalidArgument, "bad-request".to_owned())),
    ] {
        let no = audits.get_audit(pb::GetAuditRequest { id: id.clone() }).await.unwrap_err();
        assert_eq!(codes(&no), refused);
        let no = audits.watch_audit(pb::WatchAuditRequest { id: id.clone() }).await.unwrap_err();
        assert_eq!(codes(&no), refused);
        let no = audits.get_audit_report(pb::GetAuditReportRequest { id }).await.unwrap_err();
        assert_eq!(codes(&no), refused);
    }
}

#[tokio::test]
async fn only_who_may_prove_begins_audits_and_hears_of_them() {
    let served = Served::ready().await;
    for role in Role::ALL {
        let mut audits = served.audits(role).await;
        let may = |status: &Status| codes(status) != (Code::PermissionDenied, "forbidden".to_owned());
        let listed = audits.list_audits(pb::ListAuditsRequest {}).await;
        assert_eq!(listed.is_ok(), role.permits(Action::Prove), "{role}");
        let begun = audits.start_audit(start(&key(), Some("dreams"))).await.unwrap_err();
        assert_eq!(may(&begun), role.permits(Action::Prove), "{role}: {begun:?}");
        let watched = audits.watch_audit(pb::WatchAuditRequest { id: key() }).await.unwrap_err();
        assert_eq!(may(&watched), role.permits(Action::Prove), "{role}: {watched:?}");
        let report = audits.get_audit_report(pb::GetAuditReportRequest { id: key() }).await.unwrap_err();
        assert_eq!(may(&report), role.permits(Action::Prove), "{role}: {report:?}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_deadline_and_when_the_desk_stops() {
    let served = Served::ready().await;
    let mut audits = served.audits(Role::Auditor).await;
    let id = begun(&mut audits, None).await;
    let mut call = tonic::Request::new(pb::WatchAuditRequest { id: id.clone() });
    call.set_timeout(Duration::from_millis(200));
    let mut bounded = audits.watch_audit(call).await.unwrap().into_inner();
    let ended = cut(&mut bounded).await;
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");
    let mut endless = watch(&mut audits, &id).await;
    assert!(next(&mut endless).await.is_some());
    served.stopper.stop();
    assert_eq!(codes(&cut(&mut endless).await), (Code::Unavailable, "closing".to_owned()));
}

/// Whoever was let in long ago is not forgotten.
#[tokio::test]
async fn a_watch_ends_when_the_key_that_opened_it_is_taken_back() {
    let served = Served::ready().await;
    let mut admin = served.access(Role::Admin).await;
    let create = pb::CreateKeyRequest {
        idempotency_key: key(),
        reason: "an audit of the quarter".to_owned(),
        owner: "una".to_owned(),
        role: pb::Role::Auditor.into(),
        scope: None,
        label: "auditors".to_owned(),
        term: None,
    };
    let made = admin.create_key(create).await.unwrap().into_inner();
    let id = begun(&mut served.audits(Role::Auditor).await, None).await;
    let mut call = tonic::Request::new(pb::WatchAuditRequest { id });
    call.metadata_mut().insert("authorization", format!("Bearer {}", made.secret).parse().unwrap());
    let mut audits = AuditServiceClient::new(served.channel().await);
    let mut watch = audits.watch_audit(call).await.unwrap().into_inner();
    assert!(next(&mut watch).await.is_some());
    let revoke = pb::RevokeKeyRequest {
        idempotency_key: key(),
        reason: "the quarter is over".to_owned(),
        key_id: made.key_id,
    };
    admin.revoke_key(revoke).await.unwrap();
    assert_eq!(codes(&cut(&mut watch).await), (Code::Unauthenticated, "revoked-key".to_owned()));
}
