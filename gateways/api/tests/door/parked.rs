//! Events that tables lack, over the door: listed from the log, tried again and skipped by whoever steers, with a reason.

use crate::desk::Desk;
use crate::desk::lacking::{damaged, settled};
use stele_api::client::{ClientError, RowsQuery, new_key};
use stele_api::dto::{Outcome, ParkedState};
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
