//! Wishes, from the first to their repetition at another door.

use crate::desk::Desk;
use crate::served::{Served, codes, visitor};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stele_domain::access::Role;
use stele_proto::api::v1 as pb;
use tonic::Code;
use tower::ServiceExt;
use uuid::Uuid;

fn arm(key: Uuid) -> pb::ArmRequest {
    pb::ArmRequest {
        idempotency_key: key.to_string(),
        reason: "opening".to_owned(),
        mode: pb::Mode::Full.into(),
        term: Some(pb::arm_request::Term::ForMs(600_000)),
        limits_version: None,
    }
}

fn kill(key: Uuid) -> pb::KillRequest {
    pb::KillRequest { idempotency_key: key.to_string(), reason: String::new() }
}

#[tokio::test]
async fn a_desk_is_armed_seen_killed_and_disarmed() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    let key = Uuid::now_v7();
    let armed = control.arm(arm(key)).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((armed.outcome(), armed.replayed), (pb::Outcome::Recorded, false));
    assert_eq!((armed.command_id, armed.log_position.is_some()), (key.to_string(), true));
    let account = control.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
    let (account, as_of) = (account.account.unwrap(), account.as_of.unwrap());
    assert_eq!(account.arming(), pb::Arming::Armed);
    assert!(as_of.position >= armed.log_position.unwrap() && as_of.head >= as_of.position);
    assert!(account.lease.is_some_and(|lease| !lease.lapsed));
    let killed = control.kill(kill(Uuid::now_v7())).await.unwrap().into_inner();
    assert!(killed.open_signatures.is_empty());
    assert_eq!(killed.receipt.unwrap().outcome(), pb::Outcome::Recorded);
    let again = control.kill(kill(Uuid::now_v7())).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((again.outcome(), again.log_position), (pb::Outcome::AlreadySo, None));
    let disarm = pb::DisarmRequest { idempotency_key: Uuid::now_v7().to_string(), reason: "seen".to_owned() };
    control.disarm(disarm).await.unwrap();
    let account = control.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(account.arming(), pb::Arming::Disarmed);
}

/// Arms at the REST door, as the same person.
async fn rest(served: &Served, key: Uuid, body: Value) -> (StatusCode, Value) {
    let request = Request::post("/v1/account/arm")
        .header("idempotency-key", key.to_string())
        .header("content-type", "application/json")
        .extension(visitor(Role::Operator))
        .body(Body::from(body.to_string()));
    let response = served.desk.router().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_wish_is_the_same_wish_at_either_door() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    let key = Uuid::now_v7();
    let first = control.arm(arm(key)).await.unwrap().into_inner().receipt.unwrap();
    let again = control.arm(arm(key)).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((again.log_position, again.replayed), (first.log_position, true));
    let body = json!({ "reason": "opening", "mode": "full", "for_ms": 600_000 });
    let (status, rest) = rest(&served, key, body).await;
    assert_eq!((status, rest["log_position"].as_u64()), (StatusCode::OK, first.log_position));
    let body = json!({ "reason": "something else", "mode": "full", "for_ms": 600_000 });
    let (status, refused) = self::rest(&served, key, body).await;
    assert_eq!(
        (status, refused["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("idempotency-key-reused"))
    );
    let mut other = arm(key);
    other.reason = "something else".to_owned();
    let other = control.arm(other).await.unwrap_err();
    assert_eq!(codes(&other), (Code::AlreadyExists, "idempotency-key-reused".to_owned()));
}

#[tokio::test]
async fn limits_are_stated_whole_and_come_back_as_they_were_stated() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    let stated = control.get_limits(pb::GetLimitsRequest {}).await.unwrap().into_inner().in_force.unwrap();
    let mut limits = stated.limits.unwrap();
    limits.edge_min_bps = Some(250);
    limits.floor.clear();
    let mut wish = pb::SetLimitsRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "a higher threshold".to_owned(),
        limits: Some(limits.clone()),
        limits_version: Some(stated.version),
        effective_from: None,
    };
    control.set_limits(wish.clone()).await.unwrap();
    let now = control.get_limits(pb::GetLimitsRequest {}).await.unwrap().into_inner().in_force.unwrap();
    assert_eq!((now.version, now.limits), (stated.version + 1, Some(limits.clone())));
    assert!(now.limits_hash.len() == 64 && now.limits_hash != stated.limits_hash);

    // Whoever was shown the version before undoes nothing unseen.
    wish.idempotency_key = Uuid::now_v7().to_string();
    let stale = control.set_limits(wish.clone()).await.unwrap_err();
    assert_eq!(stale.code(), Code::FailedPrecondition);
    wish.limits = Some(pb::Limits { notional_max: None, cooldown_ms: None, ..limits });
    let partial = control.set_limits(wish).await.unwrap_err();
    let named = tonic_types::StatusExt::get_details_bad_request(&partial).unwrap().field_violations;
    let named: Vec<&str> = named.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, ["limits.notional_max", "limits.cooldown_ms"], "everything that is missing, at once");
}

#[tokio::test]
async fn services_are_paused_and_resumed_and_the_filter_narrowed_and_reset() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    let (key, reason) = (|| Uuid::now_v7().to_string(), || "a quiet hour".to_owned());
    let service = pb::Service::Market.into();
    let paused = pb::PauseRequest { idempotency_key: key(), reason: reason(), service };
    assert_eq!(
        control.pause(paused).await.unwrap().into_inner().receipt.unwrap().outcome(),
        pb::Outcome::Recorded
    );
    let resumed = pb::ResumeRequest { idempotency_key: key(), reason: reason(), service };
    control.resume(resumed).await.unwrap();
    let drained =
        pb::DrainRequest { idempotency_key: key(), reason: reason(), service: pb::Service::Strategy.into() };
    control.drain(drained).await.unwrap();
    let refreshed = pb::RefreshRequest { idempotency_key: key(), reason: String::new(), service };
    assert_eq!(control.refresh(refreshed.clone()).await.unwrap().into_inner().service(), pb::Service::Market);
    let nothing =
        pb::RefreshRequest { service: pb::Service::Executor.into(), idempotency_key: key(), ..refreshed };
    assert_eq!(codes(&control.refresh(nothing).await.unwrap_err()).1, "nothing_to_refresh");

    let entries = vec!["btc-eure".to_owned()];
    let set = pb::SetPairFilterRequest { idempotency_key: key(), reason: reason(), entries: entries.clone() };
    control.set_pair_filter(set).await.unwrap();
    let filter = control.get_pair_filter(pb::GetPairFilterRequest {}).await.unwrap().into_inner();
    assert_eq!((filter.mode(), filter.entries), (pb::FilterMode::Only, entries));
    let reset = pb::ResetPairFilterRequest { idempotency_key: key(), reason: reason() };
    control.reset_pair_filter(reset).await.unwrap();
    let filter = control.get_pair_filter(pb::GetPairFilterRequest {}).await.unwrap().into_inner();
    assert_eq!((filter.mode(), filter.entries), (pb::FilterMode::Configured, vec![]));
}

#[tokio::test]
async fn arming_waits_for_a_second_person_where_the_limits_say_so() {
    let served = Served::ready().await;
    let mut asker = served.control(Role::Operator).await;
    let mut other = served.control(Role::Admin).await;
    let stated = asker.get_limits(pb::GetLimitsRequest {}).await.unwrap().into_inner().in_force.unwrap();
    let limits = pb::Limits { second_person: Some(true), ..stated.limits.unwrap() };
    let wish = pb::SetLimitsRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "four eyes from here on".to_owned(),
        limits: Some(limits),
        limits_version: None,
        effective_from: None,
    };
    asker.set_limits(wish).await.unwrap();
    let needs = asker.arm(arm(Uuid::now_v7())).await.unwrap().into_inner();
    assert_eq!(needs.receipt.unwrap().outcome(), pb::Outcome::ApprovalNeeded);
    let needed = needs.approval.unwrap();
    let shown = asker.get_limits(pb::GetLimitsRequest {}).await.unwrap().into_inner().in_force.unwrap();
    assert_eq!((&needed.limits_hash, needed.limits_version), (&shown.limits_hash, shown.version));
    let approve = || pb::ApproveRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "seen with the risk desk".to_owned(),
        request_id: needed.request_id.clone(),
        limits_hash: needed.limits_hash.clone(),
    };
    let same = asker.approve(approve()).await.unwrap_err();
    assert_eq!(codes(&same), (Code::FailedPrecondition, "same_person".to_owned()));
    let unseen = pb::ApproveRequest { limits_hash: "0".repeat(64), ..approve() };
    assert_eq!(codes(&other.approve(unseen).await.unwrap_err()).1, "limits_changed");
    other.approve(approve()).await.unwrap();
    let account = other.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(account.arming(), pb::Arming::Armed);
}

#[tokio::test]
async fn a_kill_is_carried_out_although_its_caller_has_gone() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    control.arm(arm(Uuid::now_v7())).await.unwrap();
    // A frame that is being written keeps the fence open until the permit is given back.
    let permit = served.desk.control.fence.permit().await;
    let mut call = tonic::Request::new(kill(Uuid::now_v7()));
    call.set_timeout(std::time::Duration::from_millis(50));
    let late = control.kill(call).await.unwrap_err();
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
    drop(permit);
    crate::served::soon(async {
        loop {
            let account = control.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
            if account.account.unwrap().arming() == pb::Arming::Killed {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_desk_without_limits_says_what_stands_against_arming() {
    let served = Served::of(Desk::open().await).await;
    let refused = served.control(Role::Operator).await.arm(arm(Uuid::now_v7())).await.unwrap_err();
    let (code, reason) = codes(&refused);
    assert_eq!(code, Code::FailedPrecondition, "{refused:?}");
    let violations = tonic_types::StatusExt::get_details_precondition_failure(&refused).unwrap().violations;
    assert_eq!(violations[0].r#type, reason);
}
