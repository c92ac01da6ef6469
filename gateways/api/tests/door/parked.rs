//! Events that tables lack, over the door: listed from the log, tried again and skipped by whoever steers, with a reason.

use crate::desk::Desk;
use crate::desk::lacking::{damaged, settled};
use stele_api::client::{ClientError, RowsQuery, new_key};
use stele_api::dto::{Outcome, ParkedState};
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::parking::STREAM;
use stele_domain::operations::parking::event::{Event as Fact, EventParked};
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{Expected, Position, StreamId};
use stele_projections::models;

fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>, status: u16, code: &str) {
    let error = outcome.expect_err("a problem");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((problem.status, problem.code.as_str()), (status, code), "{}", problem.detail);
}

#[tokio::test]
async fn what_tables_lack_is_listed_and_decided_on() {
    let desk = Desk::ready().await;
    assert_eq!(desk.client.parked("all").await.unwrap().parked, []);
    let at = damaged(&desk).await;
    settled(&desk).await;
    let known = desk.client.parked("all").await.unwrap();
    assert_eq!(known.parked.len(), models::ALL.len());
    let of_quotes = desk.client.parked("quotes").await.unwrap().parked;
    assert_eq!((of_quotes.len(), of_quotes[0].position, of_quotes[0].state), (1, at.0, ParkedState::Parked));
    assert!(of_quotes[0].why.contains("can't be read"), "{}", of_quotes[0].why);

    let key = new_key();
    let skip = async |reason: &str| desk.client.skip_parked(key, ("quotes", at.0), reason).await;
    assert_eq!(skip("bytes of a test").await.unwrap().answer.outcome, Outcome::Recorded);
    assert!(skip("bytes of a test").await.unwrap().replayed);
    refused(skip("something else").await, 422, "idempotency-key-reused");
    let again = desk.client.skip_parked(new_key(), ("quotes", at.0), "once more").await.unwrap();
    assert_eq!(again.answer.outcome, Outcome::AlreadySo);
    let detail = desk.client.parked_event("quotes", at.0).await.unwrap();
    assert_eq!(detail.parked.state, ParkedState::Skipped);
    let told: Vec<_> =
        detail.steps.iter().map(|step| (step.state, step.reason.contains("bytes of a test"))).collect();
    assert_eq!(told, [(ParkedState::Parked, false), (ParkedState::Skipped, true)]);
    assert_eq!(detail.steps[0].by, "service:projections");

    let retried =
        desk.client.retry_parked(new_key(), ("quotes", at.0), "read by a newer build").await.unwrap();
    assert_eq!(retried.answer.outcome, Outcome::Recorded);
    refused(desk.client.skip_parked(new_key(), ("quotes", at.0), "or not").await, 409, "being_retried");
    refused(desk.client.retry_parked(new_key(), ("quotes", at.0), "").await, 422, "reason_missing");
    refused(desk.client.retry_parked(new_key(), ("quotes", 1), "nothing there").await, 409, "not_parked");
    refused(
        desk.client.retry_parked(new_key(), ("orders", 1), "no such table").await,
        404,
        "unknown-projection",
    );
    refused(desk.client.parked_event("quotes", 1).await, 404, "not-parked");

    settled(&desk).await;
    let rows = desk.current().await.rows("parkings", &RowsQuery::default()).await.unwrap();
    assert_eq!(rows.rows.len(), models::ALL.len());
}

/// What a build with another version of the quotes says of an event.
async fn parked_in(desk: &Desk, version: u32, position: Position) {
    let at = desk.clock.now();
    let fact = Fact::EventParked(EventParked {
        projection: "quotes".to_owned(),
        version,
        position,
        event_type: "intents.QuoteReceived".to_owned(),
        reason: "no room".to_owned(),
        attempt: 1,
        at,
    });
    let id = derived("test", &[&version.to_string(), &position.to_string()]);
    let meta = Meta {
        correlation_id: CorrelationId(id),
        causation_id: None,
        command: None,
        actor: Actor::try_from("service:projections".to_owned()).unwrap(),
        origin: None,
        occurred_at: at,
        schema: codec::SCHEMA_VERSION,
    };
    let record = codec::to_record(EventId(id), &Event::Operations(Operations::Parking(fact)), &meta).unwrap();
    desk.log.append(&StreamId::new(STREAM).unwrap(), Expected::Any, vec![record]).await.unwrap();
}

#[tokio::test]
async fn a_skip_says_which_version_tries_again_all_the_same_and_can_be_said_twice() {
    let desk = Desk::ready().await;
    let at = damaged(&desk).await;
    settled(&desk).await;
    let ours = models::ALL.iter().find(|projection| projection.name == "quotes").unwrap().version;
    let retried = desk.client.retry_parked(new_key(), ("quotes", at.0), "read by a newer build").await;
    assert_eq!(retried.unwrap().answer.remark, None);
    parked_in(&desk, ours - 1, at).await;
    let skip = async || desk.client.skip_parked(new_key(), ("quotes", at.0), "a test").await.unwrap().answer;
    let (first, again) = (skip().await, skip().await);
    assert_eq!((first.outcome, again.outcome), (Outcome::Recorded, Outcome::AlreadySo));
    for said in [first, again] {
        let remark = said.remark.unwrap();
        assert!(remark.contains(&format!("version {ours} of quotes tries the event again")), "{remark}");
    }
}

#[tokio::test]
async fn what_another_build_parked_is_not_listed_and_hides_nothing_and_a_wish_is_for_all() {
    let desk = Desk::ready().await;
    let at = damaged(&desk).await;
    settled(&desk).await;
    let ours = models::ALL.iter().find(|projection| projection.name == "quotes").unwrap().version;
    for position in [at, Position(1)] {
        parked_in(&desk, ours + 1, position).await;
    }
    let listed = desk.client.parked("quotes").await.unwrap().parked;
    let listed: Vec<_> = listed.iter().map(|one| (one.version, one.position, one.state)).collect();
    assert_eq!(listed, [(ours, at.0, ParkedState::Parked)]);
    refused(desk.client.parked_event("quotes", 1).await, 404, "not-parked");

    let skip = async |position: u64| desk.client.skip_parked(new_key(), ("quotes", position), "a test").await;
    assert_eq!(skip(at.0).await.unwrap().answer.outcome, Outcome::Recorded);
    assert_eq!(skip(at.0).await.unwrap().answer.outcome, Outcome::AlreadySo);
    let detail = desk.client.parked_event("quotes", at.0).await.unwrap();
    assert_eq!((detail.parked.version, detail.parked.state), (ours, ParkedState::Skipped));
    assert_eq!(detail.steps.len(), 2, "of this version: {:?}", detail.steps);
    assert_eq!(skip(1).await.unwrap().answer.outcome, Outcome::Recorded, "what only the other one lacks");
    assert_eq!(skip(1).await.unwrap().answer.outcome, Outcome::AlreadySo);
}
