//! One quote's whole story, from any of its ids, and the desk at a glance.

use crate::support::{ALL, Act, act, command_id, decision_id, empty_store, log_of, quote_id, settled_story};
use std::sync::Arc;
use stele_domain::port::read_store::ReadStore;
use stele_projections::compare::fold_to;
use stele_projections::models::outcome::CommandState;
use stele_projections::models::results::Reservation;
use stele_projections::status::summary;
use stele_projections::trace::{FoundBy, Trace, trace};

async fn store_of(acts: &[Act]) -> Arc<dyn ReadStore> {
    let log = log_of(acts).await;
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    store
}

#[tokio::test]
async fn every_id_of_a_story_leads_to_all_of_it() {
    let mut acts = settled_story(0);
    acts.extend(settled_story(1));
    let store = store_of(&acts).await;
    let ids = [
        (quote_id(1).to_string(), FoundBy::Quote),
        (decision_id(1).to_string(), FoundBy::Decision),
        (command_id(1).to_string(), FoundBy::Command),
        ("hash1".to_owned(), FoundBy::QuoteHash),
        ("tx1".to_owned(), FoundBy::Transaction),
    ];
    for (id, found_by) in ids {
        let trace = trace(&*store, &id).await.unwrap().unwrap_or_else(|| panic!("{id} is unknown"));
        assert_eq!((&trace.asked, trace.found_by, &trace.quote_id), (&id, found_by, &quote_id(1)));
        assert_eq!((trace.requests.len(), trace.decisions.len(), trace.commands.len()), (1, 1, 1));
        assert!(trace.demand.is_some());
        let positions: Vec<u64> = trace.timeline.iter().map(|moment| moment.position.0).collect();
        assert!(positions.is_sorted(), "{positions:?}");
        let whats: Vec<&str> = trace.timeline.iter().map(|moment| moment.what.as_str()).collect();
        for what in [
            "request", "demand", "decision", "command", "started", "accepted", "notice", "settled",
            "released",
        ] {
            assert!(whats.contains(&what), "{what} is missing in {whats:?}");
        }
    }
    assert_eq!(trace(&*store, "nothing of ours").await.unwrap(), None);
}

#[tokio::test]
async fn a_trace_has_the_gates_the_result_and_the_coin() {
    let store = store_of(&settled_story(0)).await;
    let trace = trace(&*store, "quote-0").await.unwrap().unwrap();
    assert!(!trace.decisions[0].decision.gates.is_empty());
    let result = trace.commands[0].result.as_ref().unwrap();
    assert_eq!((result.state, result.reservation), (CommandState::Settled, Reservation::Released));
    assert_eq!(result.answer, Some(CommandState::Accepted));
    assert_eq!(result.tx_hash.as_deref(), Some("tx0"));
    assert_eq!(trace.commands[0].notices.len(), 1);
    let json = serde_json::to_string(&trace).unwrap();
    assert_eq!(
        serde_json::from_str::<Trace>(&json).unwrap(),
        trace,
        "it survives the way to the command line"
    );
}

#[tokio::test]
async fn a_trace_in_the_middle_of_things_tells_what_there_is() {
    let store = store_of(&settled_story(0)[..11]).await;
    let trace = trace(&*store, "hash0").await.unwrap().unwrap();
    let first = &trace.commands[0];
    let result = first.result.as_ref().unwrap();
    assert_eq!((result.state, result.reservation), (CommandState::Started, Reservation::Held));
    assert_eq!(first.command.as_ref().unwrap().status, CommandState::Started);
    assert_eq!(trace.as_of.0, 11);
}

#[tokio::test]
async fn a_refused_command_has_a_story_too() {
    let acts = [
        "intents.QuoteReceived",
        "trading.Decided",
        "trading.ExecutionCommanded",
        "trading.ExecutionRefused",
    ];
    let store = store_of(&acts.map(|event_type| act(event_type, 2))).await;
    let trace = trace(&*store, &command_id(2).to_string()).await.unwrap().unwrap();
    let result = trace.commands[0].result.as_ref().unwrap();
    assert_eq!((result.state, result.reservation), (CommandState::Refused, Reservation::None));
    assert_eq!(trace.timeline.last().unwrap().what, "refused");
}

#[tokio::test]
async fn a_late_state_overwrites_and_the_history_keeps_all() {
    let steps =
        ["SubmissionStarted", "SubmissionUncertain", "SubmissionSettleFailed", "SubmissionExpiredUnfilled"];
    let acts = steps.map(|step| act(&format!("trading.{step}"), 1));
    let store = store_of(&acts).await;
    let trace = trace(&*store, "quote-1").await.unwrap().unwrap();
    let result = trace.commands[0].result.as_ref().unwrap();
    assert_eq!((result.state, result.answer), (CommandState::ExpiredUnfilled, Some(CommandState::Uncertain)));
    let history: Vec<&str> = trace.commands[0].steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(history, ["started", "uncertain", "settle_failed", "expired_unfilled"]);
}

#[tokio::test]
async fn a_reply_that_contradicts_the_first_one_leaves_the_result_open_and_the_first_answer_in_place() {
    let steps = ["SubmissionStarted", "SubmissionRejected", "ReplyContradicted"];
    let acts = steps.map(|step| act(&format!("trading.{step}"), 1));
    let store = store_of(&acts).await;
    let trace = trace(&*store, "quote-1").await.unwrap().unwrap();
    let result = trace.commands[0].result.as_ref().unwrap();
    assert_eq!((result.state, result.answer), (CommandState::Uncertain, Some(CommandState::Rejected)));
    assert_eq!(result.reservation, Reservation::Held);
    let last = trace.commands[0].steps.last().unwrap();
    assert_eq!(last.step, "uncertain");
    assert!(last.detail.starts_with("the relay had said rejected, and then said: {"), "{}", last.detail);
}

#[tokio::test]
async fn the_summary_counts_what_happened() {
    let mut acts = settled_story(0);
    acts.extend(settled_story(1).into_iter().take(11));
    acts.push(act("operations.AlertRaised", 0));
    let store = store_of(&acts).await;
    let summary = summary(&*store).await.unwrap();
    assert_eq!((summary.quotes, summary.decisions, summary.commands, summary.submissions), (2, 2, 2, 2));
    assert_eq!((summary.results["settled"], summary.results["started"]), (1, 1));
    assert_eq!((summary.reservations.len(), summary.accounts[0].open_reservations), (1, 1));
    assert_eq!(summary.alerts.len(), 1);
    assert_eq!(summary.last_decision.as_ref().unwrap().quote_id, quote_id(1));
    assert!(summary.cut_tables.is_empty() && summary.parked.is_empty(), "{:?}", summary.parked);
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<stele_projections::status::Summary>(&json).unwrap(), summary);
}
