//! Parked events and rebuilds, from what is wrong to its end.

use crate::desk::lacking::{damaged, settled};
use crate::served::{Served, codes, soon, visitor};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stele_domain::access::{Action, Role};
use stele_projections::models;
use stele_proto::api::v1 as pb;
use tonic::Code;
use tower::ServiceExt;
use uuid::Uuid;

fn key() -> String {
    Uuid::now_v7().to_string()
}

fn skip(key: &str, position: u64, reason: &str) -> pb::SkipParkedRequest {
    pb::SkipParkedRequest {
        idempotency_key: key.to_owned(),
        reason: reason.to_owned(),
        projection: "quotes".to_owned(),
        position,
    }
}

fn retry(projection: &str, position: u64, reason: &str) -> pb::RetryParkedRequest {
    pb::RetryParkedRequest {
        idempotency_key: key(),
        reason: reason.to_owned(),
        projection: projection.to_owned(),
        position,
    }
}

fn rebuild(projection: &str) -> pb::StartRebuildRequest {
    pb::StartRebuildRequest {
        idempotency_key: key(),
        reason: "a row looks wrong".to_owned(),
        projection: projection.to_owned(),
        ..Default::default()
    }
}

fn list(projection: &str) -> pb::ListParkedRequest {
    pb::ListParkedRequest { projection: projection.to_owned() }
}

#[tokio::test]
async fn what_tables_lack_is_listed_and_decided_on() {
    let served = Served::ready().await;
    let mut projections = served.projections(Role::Operator).await;
    assert_eq!(projections.list_parked(list("all")).await.unwrap().into_inner().parked, []);
    let at = damaged(&served.desk).await.0;
    settled(&served.desk).await;
    let known = projections.list_parked(list("all")).await.unwrap().into_inner();
    assert_eq!(known.parked.len(), models::ALL.len());
    assert!(known.as_of.is_some_and(|as_of| as_of.position > at));
    let of_quotes = projections.list_parked(list("quotes")).await.unwrap().into_inner().parked;
    assert_eq!((of_quotes.len(), of_quotes[0].position), (1, at));
    assert_eq!(of_quotes[0].state(), pb::ParkedState::Parked);
    assert!(of_quotes[0].why.contains("can't be read"), "{}", of_quotes[0].why);

    let key = key();
    let skipped = projections.skip_parked(skip(&key, at, "bytes of a test")).await.unwrap().into_inner();
    assert_eq!(skipped.receipt.unwrap().outcome(), pb::Outcome::Recorded);
    let again = projections.skip_parked(skip(&key, at, "bytes of a test")).await.unwrap().into_inner();
    assert!(again.receipt.unwrap().replayed);
    let other = projections.skip_parked(skip(&key, at, "something else")).await.unwrap_err();
    assert_eq!(codes(&other), (Code::AlreadyExists, "idempotency-key-reused".to_owned()));
    let request = pb::GetParkedRequest { projection: "quotes".to_owned(), position: at };
    let detail = projections.get_parked(request).await.unwrap().into_inner();
    assert_eq!(detail.parked.unwrap().state(), pb::ParkedState::Skipped);
    let told: Vec<_> = detail.steps.iter().map(|step| (step.state(), step.by.as_str())).collect();
    let expected =
        [(pb::ParkedState::Parked, "service:projections"), (pb::ParkedState::Skipped, "person:operator")];
    assert_eq!(told, expected);
    assert_eq!(detail.steps[1].reason, "bytes of a test");

    projections.retry_parked(retry("quotes", at, "read by a newer build")).await.unwrap();
    let later = projections.skip_parked(skip(&self::key(), at, "or not")).await.unwrap_err();
    assert_eq!(codes(&later), (Code::FailedPrecondition, "being_retried".to_owned()));
}

/// Skips at the REST door, as the same person.
async fn rest(served: &Served, key: &str, position: u64) -> (bool, Value) {
    let request = Request::post(format!("/v1/projections/quotes/parked/{position}/skip"))
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .extension(visitor(Role::Operator))
        .body(Body::from(json!({ "reason": "bytes of a test" }).to_string()));
    let response = served.desk.router().oneshot(request.unwrap()).await.unwrap();
    let replayed = response.headers().contains_key("idempotent-replayed");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (replayed, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_skip_is_the_same_skip_at_either_door() {
    let served = Served::ready().await;
    let at = damaged(&served.desk).await.0;
    settled(&served.desk).await;
    let key = key();
    let mut projections = served.projections(Role::Operator).await;
    let first = projections.skip_parked(skip(&key, at, "bytes of a test")).await.unwrap().into_inner();
    let (replayed, told) = rest(&served, &key, at).await;
    assert_eq!((replayed, told["log_position"].as_u64()), (true, first.receipt.unwrap().log_position));
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name() {
    let served = Served::ready().await;
    let mut projections = served.projections(Role::Operator).await;
    let unknown = (Code::NotFound, "unknown-projection".to_owned());
    let no = projections.list_parked(list("orders")).await.unwrap_err();
    assert_eq!(codes(&no), unknown);
    let no = projections.retry_parked(retry("orders", 1, "no such table")).await.unwrap_err();
    assert_eq!(codes(&no), unknown);
    let no = projections.start_rebuild(rebuild("")).await.unwrap_err();
    assert_eq!(codes(&no), unknown);
    assert!(no.message().contains("event_counts"), "{no:?}");
    let watch = pb::WatchRebuildsRequest { projection: "orders".to_owned() };
    assert_eq!(codes(&projections.watch_rebuilds(watch).await.unwrap_err()), unknown);
    let no = projections.retry_parked(retry("all", 1, "all of them")).await.unwrap_err();
    assert_eq!(codes(&no), (Code::InvalidArgument, "bad-request".to_owned()));
    let no = projections.retry_parked(retry("quotes", 0, "before the first")).await.unwrap_err();
    assert_eq!(codes(&no), (Code::InvalidArgument, "bad-request".to_owned()));
    let no = projections.retry_parked(retry("quotes", 1, "nothing there")).await.unwrap_err();
    assert_eq!(codes(&no), (Code::FailedPrecondition, "not_parked".to_owned()));
    let no = projections.retry_parked(retry("quotes", 1, "")).await.unwrap_err();
    assert_eq!(codes(&no), (Code::InvalidArgument, "reason_missing".to_owned()));
    let request = pb::GetParkedRequest { projection: "quotes".to_owned(), position: 1 };
    let no = projections.get_parked(request).await.unwrap_err();
    assert_eq!(codes(&no), (Code::NotFound, "not-parked".to_owned()));
    let no = projections
        .start_rebuild(pb::StartRebuildRequest { idempotency_key: String::new(), ..rebuild("quotes") });
    assert_eq!(codes(&no.await.unwrap_err()), (Code::InvalidArgument, "bad-request".to_owned()));
}

#[tokio::test]
async fn who_reads_may_look_and_only_who_steers_may_decide_and_rebuild() {
    let served = Served::ready().await;
    for role in Role::ALL {
        let mut projections = served.projections(role).await;
        let forbidden =
            |status: &tonic::Status| codes(status) == (Code::PermissionDenied, "forbidden".to_owned());
        let looks = projections.list_parked(list("all")).await;
        assert_eq!(looks.is_ok(), role.permits(Action::Read), "{role}");
        let looks = projections.list_rebuilds(pb::ListRebuildsRequest { projection: "all".to_owned() }).await;
        assert_eq!(looks.is_ok(), role.permits(Action::Read), "{role}");
        let watch = pb::WatchRebuildsRequest { projection: "all".to_owned() };
        assert_eq!(projections.watch_rebuilds(watch).await.is_ok(), role.permits(Action::Read), "{role}");
        let decides = projections.retry_parked(retry("quotes", 1, "nothing there")).await.unwrap_err();
        assert_eq!(forbidden(&decides), !role.permits(Action::Steer), "{role}: {decides:?}");
        let rebuilds = projections.start_rebuild(rebuild("orders")).await.unwrap_err();
        assert_eq!(forbidden(&rebuilds), !role.permits(Action::Steer), "{role}: {rebuilds:?}");
        let dropped = pb::DropReplacedRequest {
            idempotency_key: key(),
            reason: "seen by both".to_owned(),
            projection: "orders".to_owned(),
        };
        let drops = projections.drop_replaced(dropped).await.unwrap_err();
        assert_eq!(forbidden(&drops), !role.permits(Action::Steer), "{role}: {drops:?}");
    }
}

#[tokio::test]
async fn a_rebuild_is_started_once_watched_to_its_end_and_cleaned_up_after() {
    let served = Served::ready().await;
    let mut projections = served.projections(Role::Operator).await;
    let wish = rebuild("all");
    let begun = projections.start_rebuild(wish.clone()).await.unwrap().into_inner();
    assert_eq!(begun.command_id, wish.idempotency_key);
    let names: Vec<&str> = models::ALL.iter().map(|projection| projection.name).collect();
    assert_eq!(begun.projections, names);
    let watch = pb::WatchRebuildsRequest { projection: "all".to_owned() };
    let mut watch = projections.watch_rebuilds(watch).await.unwrap().into_inner();
    let last = soon(async {
        let mut last = None;
        while let Some(told) = watch.message().await.unwrap() {
            last = Some(told);
        }
        last.expect("something was told")
    })
    .await;
    assert_eq!(last.rebuilds.len(), names.len());
    for rebuild in &last.rebuilds {
        assert_eq!(rebuild.phase(), pb::RebuildPhase::Swapped, "{rebuild:?}");
        assert_eq!((rebuild.by.as_str(), rebuild.remaining_s), ("person:operator on desk-1", None));
    }
    // The same wish again is the same rebuild.
    projections.start_rebuild(wish).await.unwrap();
    let request = pb::ListRebuildsRequest { projection: "quotes".to_owned() };
    let known = projections.list_rebuilds(request.clone()).await.unwrap().into_inner();
    let of_quotes = last.rebuilds.iter().find(|rebuild| rebuild.projection == "quotes").unwrap();
    assert_eq!(known.rebuilds, std::slice::from_ref(of_quotes));
    let drop = pb::DropReplacedRequest {
        idempotency_key: key(),
        reason: "seen by both".to_owned(),
        projection: "quotes".to_owned(),
    };
    let dropped = projections.drop_replaced(drop).await.unwrap().into_inner();
    assert_eq!(dropped.projections, ["quotes"]);
    let known = projections.list_rebuilds(request).await.unwrap().into_inner();
    assert_eq!(known.replaced, []);
}
