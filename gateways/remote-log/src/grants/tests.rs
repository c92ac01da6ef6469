//! Every fact has a writer, and what keeps the desk safe has the fewest.

use super::Process;
use std::collections::BTreeSet;
use stele_domain::codec;
use stele_domain::port::event_log::StreamId;

/// Every stream that the desk writes, one of each kind.
const STREAMS: [&str; 18] = [
    "quote-btc-eure",
    "price-btc-eure",
    "inventory-desk.near",
    "account-desk.near",
    "strategy-btc-eure",
    "relay-near-intents",
    "filter-near-intents",
    "service-market",
    "service-ingest",
    "service-inventory",
    "service-strategy",
    "service-executor",
    "service-projections",
    "alert-relay_down",
    "audit-commands",
    "access-keys",
    "parking-projections",
    "tiering-partitions",
];

fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

/// Which roles may write the type anywhere.
fn writers(event_type: &str) -> Vec<&'static str> {
    let may = |process: &Process| STREAMS.iter().any(|name| process.may_append(&stream(name), event_type));
    Process::ALL.iter().filter(|process| may(process)).map(|process| process.name()).collect()
}

#[test]
fn every_fact_that_the_desk_can_state_has_a_writer() {
    let orphans: Vec<_> = codec::EVENT_TYPES.iter().filter(|name| writers(name).is_empty()).collect();
    assert!(orphans.is_empty(), "no role may append {orphans:?}");
}

#[test]
fn every_type_on_a_list_is_a_fact_of_the_desk() {
    let known: BTreeSet<&str> = codec::EVENT_TYPES.iter().copied().collect();
    let listed = Process::ALL.iter().flat_map(|process| process.grants()).flat_map(|grant| grant.types);
    let unknown: Vec<_> = listed.filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "no such facts: {unknown:?}");
}

#[test]
fn only_a_door_arms_and_only_the_executor_signs() {
    for name in ["trading.Armed", "trading.Killed", "trading.LimitsSet", "access.KeyCreated"] {
        assert_eq!(writers(name), ["api"], "{name}");
    }
    for name in ["trading.LeaseTaken", "trading.SubmissionStarted", "trading.ReservationReleased"] {
        assert_eq!(writers(name), ["executor"], "{name}");
    }
    assert_eq!(writers("trading.ReplyContradicted"), ["executor"]);
    assert_eq!(writers("intents.ReplyReported"), ["ingest", "executor"]);
    assert_eq!(writers("intents.SettlementReported"), ["ingest"]);
    assert_eq!(writers("trading.ExecutionCommanded"), ["strategy"]);
    assert_eq!(writers("treasury.BalancesObserved"), ["inventory"]);
    // Whoever keeps the tables says what they lack, and a person what becomes of it.
    assert_eq!(writers("operations.EventParked"), ["projections"]);
    assert_eq!(writers("operations.ParkedSkipped"), ["api"]);
    assert_eq!(writers("operations.ParkedRetried"), ["api"]);
}

#[test]
fn a_service_speaks_only_for_itself() {
    let started = "operations.ServiceStarted";
    assert!(Process::Market.may_append(&stream("service-market"), started));
    assert!(!Process::Market.may_append(&stream("service-strategy"), started));
    assert!(!Process::Market.may_append(&stream("service-market"), "operations.ServiceResumed"));
    assert!(Process::Api.may_append(&stream("service-market"), "operations.ServiceResumed"));
}

/// Whoever writes a state that others begin with could arm the desk: only the log's owner does, who needs no list.
#[test]
fn nobody_writes_snapshots_over_the_wire() {
    let types = codec::EVENT_TYPES.iter().chain(&["snapshot.StateKept"]);
    for (name, place) in types
        .flat_map(|name| ["snapshot-account-desk.near", "snapshot-price-btc-eure"].map(|place| (name, place)))
    {
        assert!(
            Process::ALL.iter().all(|process| !process.may_append(&stream(place), name)),
            "{name} in {place}"
        );
    }
}

#[test]
fn a_right_type_in_a_wrong_place_is_refused() {
    assert!(!Process::Strategy.may_append(&stream("account-desk.near"), "trading.Decided"));
    assert!(!Process::Api.may_append(&stream("strategy-btc-eure"), "trading.Armed"));
}
