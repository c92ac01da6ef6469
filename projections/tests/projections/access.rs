//! Keys, attempts and requests to arm, as an auditor finds them.

use crate::support::{ALL, Act, act, command_id, empty_store, log_of};
use stele_domain::access::Role;
use stele_domain::port::read_store::ScanQuery;
use stele_projections::compare::fold_to;
use stele_projections::models::access_attempts::AccessAttemptRow;
use stele_projections::models::arm_requests::{ArmRequestRow, RequestState};
use stele_projections::models::keys::KeyRow;
use stele_projections::projection::TableRow;
use stele_projections::read::Reader;

async fn rows<R: TableRow>(acts: &[Act]) -> Vec<R> {
    let log = log_of(acts).await;
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    Reader::new(&*store).scan(&ScanQuery::newest(100)).await.unwrap()
}

#[tokio::test]
async fn a_key_is_listed_with_its_end_and_without_its_hash() {
    let types = ["access.KeyCreated", "access.KeyCreated", "access.KeyRevoked", "access.KeyRevoked"];
    let listed: Vec<KeyRow> = rows(&types.map(|event_type| act(event_type, 1))).await;
    let [key] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((key.key_id.as_str(), key.owner.as_str(), key.role), ("key1", "alice", Role::Trader));
    assert_eq!((key.position.0, key.last_position.0), (1, 4));
    assert_eq!(key.revoked_by.as_deref(), Some("operator:root"));
    assert!(KeyRow::TABLE.column("hash").is_none());
    assert!(!format!("{key:?}").contains("5f0f2a4d"), "{key:?}");
}

#[tokio::test]
async fn a_revocation_of_a_key_that_nobody_made_lists_nothing() {
    assert!(rows::<KeyRow>(&[act("access.KeyRevoked", 1)]).await.is_empty());
}

#[tokio::test]
async fn every_attempt_in_vain_says_who_with_which_key_and_from_where() {
    let types = [
        "operations.CommandRefused",
        "access.Attempted",
        "access.StrangersRefused",
        "access.AttemptsUnkept",
        "trading.Armed",
    ];
    let mut attempts: Vec<AccessAttemptRow> = rows(&types.map(|event_type| act(event_type, 0))).await;
    attempts.sort_by_key(|row| row.position);
    let told: Vec<_> = attempts
        .iter()
        .map(|row| {
            (row.actor.as_str(), row.action.as_str(), row.outcome.as_str(), row.code.as_str(), row.count)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("operator:alice", "arm", "refused", "no_limits", 1),
            ("operator:alice", "kill", "refused", "forbidden", 1),
            ("stranger", "authenticate", "refused", "bad-key", 412),
            ("operator:alice", "", "unkept", "already_so", 31),
        ]
    );
    let from: Vec<_> =
        attempts.iter().map(|row| (row.key_id.as_deref(), row.address.as_deref())).take(3).collect();
    let with_key = (Some("4f1d0c7a92be"), Some("192.0.2.7"));
    assert_eq!(from, [with_key, with_key, (None, Some("203.0.113.7"))]);
    assert_eq!(attempts[2].codes.as_ref().unwrap()["no-credential"], 2);
}

#[tokio::test]
async fn a_request_to_arm_says_who_asked_and_who_approved() {
    let story =
        [act("trading.ArmRequested", 0), act("trading.ArmRequested", 1), act("trading.ArmApproved", 1)];
    let mut requests: Vec<ArmRequestRow> = rows(&story).await;
    requests.sort_by_key(|row| row.position);
    let told: Vec<_> = requests
        .iter()
        .map(|row| (row.request_id, row.requested_by.as_str(), row.state, row.approved_by.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (command_id(0), "person:alice", RequestState::Superseded, None),
            (command_id(1), "person:alice", RequestState::Approved, Some("person:bob")),
        ]
    );
    assert_eq!(requests[1].last_position.0, 3);
}
