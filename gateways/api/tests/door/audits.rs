//! Audits at the door: one at a time, recorded, and remembered for a while.

use crate::desk::Desk;
use crate::raw::send_to;
use std::time::Duration;
use stele_api::client::{ClientError, new_key};
use stele_api::{AUDITS_KEPT, dto};
use stele_domain::access::Role;
use stele_domain::port::event_log::{Filter, Position};

fn problem<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (u16, String) {
    match outcome {
        Err(ClientError::Problem(problem)) => (problem.status, problem.code),
        other => panic!("{other:?}"),
    }
}

async fn ended(desk: &Desk, id: uuid::Uuid) -> dto::Audit {
    desk.audits.notify_one();
    loop {
        let audit = desk.client.audit(id).await.unwrap();
        if audit.state != dto::AuditState::Running {
            return audit;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_audit_is_begun_watched_and_ends_with_the_report_byte_for_byte() {
    let desk = Desk::open().await;
    let id = new_key();
    let begun = desk.client.start_audit(id, &dto::StartAudit::default()).await.unwrap().answer;
    assert_eq!((begun.id, begun.state, begun.verdict), (id, dto::AuditState::Running, None));
    let none = problem(desk.client.audit_report(id).await);
    assert_eq!(none, (409, "no-report".to_owned()));
    let audit = ended(&desk, id).await;
    assert_eq!((audit.state, audit.verdict.as_deref()), (dto::AuditState::Done, Some("agrees")));
    assert_eq!((audit.phase.as_str(), audit.done, audit.total), ("counting", 3, 7));
    let report = desk.client.audit_report(id).await.unwrap();
    assert!(report.starts_with("{\"by\":\"") && report.ends_with("}\n"), "{report}");
    assert!(audit.ended_at >= Some(audit.began_at));
}

#[tokio::test]
async fn of_two_audits_at_once_the_second_is_refused_and_the_same_wish_twice_is_one() {
    let desk = Desk::open().await;
    let (first, second) = (new_key(), new_key());
    let wanted = dto::StartAudit { reason: "end of the quarter".to_owned(), ..dto::StartAudit::default() };
    desk.client.start_audit(first, &wanted).await.unwrap();
    let refused = problem(desk.client.start_audit(second, &wanted).await);
    assert_eq!(refused, (409, "audit_running".to_owned()));
    assert_eq!(desk.client.start_audit(first, &wanted).await.unwrap().answer.id, first);
    ended(&desk, first).await;
    let third = new_key();
    desk.client.start_audit(third, &wanted).await.unwrap();
    ended(&desk, third).await;
    let unknown = problem(desk.client.audit(second).await);
    assert_eq!(unknown, (404, "unknown-audit".to_owned()));
}

#[tokio::test]
async fn an_audit_that_comes_to_nothing_says_why_and_the_next_one_can_begin() {
    let desk = Desk::open().await;
    let id = new_key();
    let wanted = dto::StartAudit { projection: Some("demands".to_owned()), ..dto::StartAudit::default() };
    desk.client.start_audit(id, &wanted).await.unwrap();
    let audit = ended(&desk, id).await;
    assert_eq!((audit.state, audit.why.as_deref()), (dto::AuditState::Failed, Some("the disk is gone")));
    assert_eq!(audit.exit_code, Some(10));
    assert_eq!(problem(desk.client.audit_report(id).await), (409, "no-report".to_owned()));
    let next = new_key();
    desk.client.start_audit(next, &dto::StartAudit::default()).await.unwrap();
    assert_eq!(ended(&desk, next).await.exit_code, None);
}

#[tokio::test]
async fn what_can_not_be_audited_is_refused_before_it_begins() {
    let desk = Desk::open().await;
    let of = |projection: Option<&str>, position| dto::StartAudit {
        projection: projection.map(str::to_owned),
        position,
        reason: String::new(),
    };
    let no = problem(desk.client.start_audit(new_key(), &of(Some("dreams"), None)).await);
    assert_eq!(no, (400, "bad-request".to_owned()));
    match desk.client.start_audit(new_key(), &of(None, Some(0))).await {
        Err(ClientError::Problem(no)) => {
            assert_eq!((no.status, no.code.as_str()), (400, "bad-request"));
            assert_eq!(no.errors[0].field, "position");
            assert!(no.detail.contains("positions begin at 1"), "{}", no.detail);
        }
        other => panic!("{other:?}"),
    }
    assert!(desk.client.audits().await.unwrap().audits.is_empty(), "nothing was begun");
    let head = desk.log.head().await.unwrap().0;
    let no = problem(desk.client.start_audit(new_key(), &of(None, Some(head + 1))).await);
    assert_eq!(no, (409, "position-beyond-head".to_owned()));
}

#[tokio::test]
async fn only_the_newest_audits_are_remembered() {
    let desk = Desk::open().await;
    let mut all = vec![];
    for _ in 0..=AUDITS_KEPT {
        let id = new_key();
        desk.client.start_audit(id, &dto::StartAudit::default()).await.unwrap();
        ended(&desk, id).await;
        all.push(id);
    }
    let gone: Result<dto::Audit, ClientError> = desk.client.audit(all[0]).await;
    assert_eq!(problem(gone), (404, "unknown-audit".to_owned()));
    let kept = desk.client.audits().await.unwrap().audits;
    let newest_first: Vec<_> = all.iter().rev().take(AUDITS_KEPT).copied().collect();
    assert_eq!(kept.iter().map(|audit| audit.id).collect::<Vec<_>>(), newest_first);
}

#[tokio::test]
async fn an_auditor_begins_one_in_their_name_and_the_log_keeps_that_it_was_asked_for() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    desk.audited(&net.stop);
    let (auditor, viewer) = (desk.key("una", Role::Auditor).await, desk.key("vic", Role::Viewer).await);
    let headers = ["content-type: application/json", &viewer.header()];
    let no = send_to(net.address, "POST", "/v1/audits", &headers, b"{}").await;
    no.problem(403, "forbidden");
    let headers = ["content-type: application/json", &auditor.header()];
    let begun =
        send_to(net.address, "POST", "/v1/audits", &headers, b"{\"reason\":\"end of the quarter\"}").await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let begun: dto::Audit = serde_json::from_str(&begun.body).unwrap();
    assert_eq!(begun.asked_by, "person:una");
    ended(&desk, begun.id).await;
    // They are written beside, in this order.
    let filter = Filter { categories: vec![], event_types: vec!["access.Attempted".to_owned()] };
    let mut follow = desk.log.follow(Position(1), filter);
    let mut told = vec![];
    while told.len() < 2 {
        for attempt in follow.next(100).await.unwrap().records {
            let data: serde_json::Value = serde_json::from_slice(&attempt.data).unwrap();
            let said = |name: &str| data[name].as_str().unwrap().to_owned();
            told.push((said("action"), said("code")));
        }
    }
    // The door turns away whoever may not prove, before it knows what for.
    let expected = [("prove", "forbidden"), ("audit", "done")];
    assert_eq!(told, expected.map(|(action, code)| (action.to_owned(), code.to_owned())));
}
