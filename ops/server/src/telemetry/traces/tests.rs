//! Stories as spans. What a whole desk sends over the wire is tested in `tests/operation`.

use super::story::{Span, Stories, trace_id};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{Actor, CommandId, CorrelationId, DecisionId, EventId, QuoteId};
use stele_domain::port::event_log::{Position, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::trading;
use stele_domain::trading::account::event::Event as AccountEvent;
use stele_domain::trading::strategy::event::{Decided, Event as StrategyEvent};

/// A golden event with some of its fields changed.
fn golden<T: DeserializeOwned>(event_type: &str, changes: &Value) -> T {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/events");
    let text = fs::read_to_string(format!("{folder}/{event_type}.v1.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn recorded(position: u64, event: trading::event::Event) -> Recorded {
    Recorded {
        position: Position(position),
        stream: StreamId::new("account-desk.near").unwrap(),
        revision: Revision(position),
        event_id: EventId(uuid::Uuid::nil()),
        meta: Meta {
            correlation_id: CorrelationId(uuid::Uuid::nil()),
            causation_id: None,
            command: None,
            actor: Actor::try_from("service:strategy".to_owned()).unwrap(),
            origin: None,
            occurred_at: Timestamp::from_micros(0),
            schema: 1,
        },
        recorded_at: Timestamp::from_micros(0),
        event: Event::Trading(event),
    }
}

fn decided(quote: &str, acts: bool) -> (Decided, CommandId) {
    let quote_id = QuoteId::try_from(quote.to_owned()).unwrap();
    let decision_id = DecisionId::of_quote("btc-eure", &quote_id);
    let verdict = if acts {
        json!({ "outcome": "act" })
    } else {
        json!({ "outcome": "skip", "reason": "cooling_down" })
    };
    let changes = json!({ "quote_id": quote, "decision_id": decision_id, "verdict": verdict });
    (golden("trading.Decided", &changes), CommandId::of_decision(decision_id))
}

fn strategy(stories: &mut Stories, position: u64, decided: Decided) -> Vec<Span> {
    let event = trading::event::Event::Strategy(StrategyEvent::Decided(Box::new(decided)));
    stories.see(&recorded(position, event))
}

fn account(stories: &mut Stories, position: u64, event: AccountEvent) -> Vec<Span> {
    stories.see(&recorded(position, trading::event::Event::Account(event)))
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name).collect()
}

#[test]
fn a_refused_order_ends_its_story_as_a_failure() {
    let mut stories = Stories::new(true);
    let (decision, command_id) = decided("q-1", true);
    assert_eq!(names(&strategy(&mut stories, 7, decision)), ["decide"]);
    let refused =
        golden("trading.ExecutionRefused", &json!({ "command_id": command_id, "detail": "too late" }));
    let spans = account(&mut stories, 8, AccountEvent::ExecutionRefused(refused));
    assert_eq!(names(&spans), ["fix", "quote"]);
    assert!(spans.iter().all(|span| span.failed.as_deref() == Some("too late")), "{spans:?}");
    assert_eq!(spans[1].parent, 0);
    assert_eq!((spans[0].parent, spans[0].trace), (spans[1].id, spans[1].trace));
}

#[test]
fn the_same_facts_give_the_same_spans_so_that_a_trace_sent_twice_is_one() {
    let told = || {
        let mut stories = Stories::new(true);
        let (decision, command_id) = decided("q-1", true);
        let mut spans = strategy(&mut stories, 7, decision);
        let started = golden("trading.SubmissionStarted", &json!({ "command_id": command_id }));
        spans.extend(account(&mut stories, 9, AccountEvent::SubmissionStarted(started)));
        spans
    };
    let spans = told();
    assert_eq!(spans, told());
    let quote = QuoteId::try_from("q-1".to_owned()).unwrap();
    assert!(spans.iter().all(|span| span.trace == trace_id(&quote) && span.id != 0), "{spans:?}");
    let mut ids: Vec<u64> = spans.iter().map(|span| span.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "two spans of one id");
}

#[test]
fn what_began_before_anybody_listened_is_no_story() {
    let mut stories = Stories::new(true);
    let accepted = golden("trading.SubmissionAccepted", &json!({}));
    assert_eq!(account(&mut stories, 9, AccountEvent::SubmissionAccepted(accepted)), []);
    let released = golden("trading.ReservationReleased", &json!({}));
    assert_eq!(account(&mut stories, 10, AccountEvent::ReservationReleased(released)), []);
}

#[test]
fn no_span_ends_before_it_begins_even_when_two_clocks_differ() {
    let mut stories = Stories::new(true);
    let (decision, command_id) = decided("q-1", true);
    strategy(&mut stories, 7, decision);
    // Long before the decision.
    let changes = json!({ "command_id": command_id, "at": "2020-01-01T00:00:00.000000Z" });
    let refused = golden("trading.ExecutionRefused", &changes);
    for span in account(&mut stories, 8, AccountEvent::ExecutionRefused(refused)) {
        assert!(span.end >= span.start, "{span:?}");
    }
}

#[test]
fn stories_that_never_end_are_forgotten_at_last_the_oldest_first() {
    let mut stories = Stories::new(true);
    let (_, oldest) = decided("q-0", true);
    let (_, newest) = decided("q-10000", true);
    for number in 0..=10_000 {
        let (decision, _) = decided(&format!("q-{number}"), true);
        strategy(&mut stories, number + 1, decision);
    }
    let end = |id: CommandId| golden("trading.ExecutionRefused", &json!({ "command_id": id }));
    assert_eq!(account(&mut stories, 20_000, AccountEvent::ExecutionRefused(end(oldest))), []);
    let spans = account(&mut stories, 20_001, AccountEvent::ExecutionRefused(end(newest)));
    assert_eq!(names(&spans), ["fix", "quote"]);
}

#[test]
fn a_skipped_quote_is_told_whole_or_not_at_all() {
    let (decision, _) = decided("q-1", false);
    let spans = strategy(&mut Stories::new(true), 7, decision.clone());
    assert_eq!(names(&spans), ["decide", "quote"]);
    assert!(spans[1].attributes.contains(&("result", "cooling_down".to_owned())), "{spans:?}");
    assert_eq!(strategy(&mut Stories::new(false), 7, decision), []);
}
