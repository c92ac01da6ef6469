//! What others wrote stays inside its place, whichever renderer shows it.

use super::{harmless, harmless_json, harmless_lines};
use crate::render::{keys, limits, live, log, status, table};
use serde_json::{Value, json};
use stele_domain::pair::Pair;

/// Moves up, clears, forges a line, uses the eight-bit form of the same, and turns the order of letters.
const EVIL: &str = "late\u{1b}[2A\u{1b}[2J\r\nlimits: all is well\u{9b}2J\u{202e}";

fn pair() -> Pair {
    crate::config::Config::load(&crate::config::Sources::default()).unwrap().pair
}

/// Nothing in it steers, and nobody but us has ended a line.
#[track_caller]
fn is_harmless(shown: &str) {
    assert!(shown.contains("late"), "the words themselves are missing in {shown:?}");
    assert_eq!(harmless_lines(shown), shown, "{shown:?}");
    let forged = shown.lines().find(|line| line.trim_start().starts_with("limits: all is well"));
    assert_eq!(forged, None, "{shown}");
}

/// The same JSON with every empty text as somebody with bad intentions would fill it.
fn filled(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if text.is_empty() => *text = EVIL.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = filled(item.take())),
        Value::Object(fields) => fields.values_mut().for_each(|field| *field = filled(field.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    value
}

fn limits_answer() -> Value {
    let config = crate::config::Config::load(&crate::config::Sources::default()).unwrap();
    let limits = serde_json::to_value(stele_api::limits_outward(&config.limits)).unwrap();
    json!({
        "in_force": { "version": 1, "hash": "", "effective_from": AT, "set_at": AT, "reason": "", "limits": limits },
        "upcoming": null, "as_of": 1, "head": 1,
    })
}

const AT: &str = "2026-11-20T12:00:00.000000Z";
const ID: &str = "0192f0c1-2345-7890-abcd-ef0123456789";

#[test]
fn the_reason_of_limits_and_of_an_arming_stays_where_it_stands() {
    let answer = serde_json::from_value(filled(limits_answer())).unwrap();
    is_harmless(&limits::limits(&answer, &pair()));
    let asked = json!({
        "request_id": ID, "by": "", "reason": "", "mode": "full", "limits_version": 1, "limits_hash": "",
        "until": AT, "at": AT, "expires_at": AT,
    });
    is_harmless(&limits::request(&serde_json::from_value(filled(asked)).unwrap()));
}

#[test]
fn a_venue_s_words_in_live_events_and_in_the_log_stay_on_their_line() {
    for data in [json!({ "reason": "" }), json!({ "reply": "", "mode": "", "quote_id": "" })] {
        let event = json!({
            "position": 1, "event_id": ID, "type": "trading.Late", "stream": "account-late", "recorded_at": AT,
            "revision": 0, "occurred_at": AT, "correlation_id": ID, "actor": "", "metadata": {}, "data": filled(data),
        });
        let shown = live::line(&serde_json::from_value(event.clone()).unwrap(), &pair());
        assert_eq!(shown.lines().count(), 1, "{shown}");
        is_harmless(&shown);
    }
    let event = json!({
        "position": 1, "revision": 0, "event_id": ID, "type": "trading.Killed", "stream": "account-x",
        "recorded_at": AT, "metadata": {}, "data": { "reason": "late\u{9b}2J\u{202e}" },
    });
    let shown = log::line(&serde_json::from_value(event).unwrap());
    is_harmless(&shown);
}

#[test]
fn what_stands_in_a_table_does_not_leave_its_cell() {
    let row = serde_json::value::to_raw_value(&json!({ "why": EVIL })).unwrap();
    is_harmless(&table::rows(&["why".to_owned()], &[row]));
    is_harmless(&table::facts([("why", EVIL.to_owned())]));
    let key = json!({
        "key_id": "k", "owner": "", "role": "viewer", "actions": [], "processes": [""], "label": "",
        "standing": "valid", "created_at": AT, "created_by": "", "expires_at": null, "revoked_at": null,
    });
    let answer = json!({ "keys": [filled(key)], "as_of": 1, "head": 1 });
    is_harmless(&keys::list(&serde_json::from_value(answer).unwrap()));
}

#[test]
fn the_status_page_is_ours_whatever_reasons_alerts_and_replies_say() {
    let page = json!({
        "at": AT, "version": "", "instance": "",
        "account": {
            "stream": "", "arming": "armed", "armed": {
                "mode": "full", "limits_version": 1, "until": AT, "reason": "", "at": AT, "expired": false,
            },
            "killed_at": null, "lease": null, "limits_version": 1, "limits_version_newest": 1, "open_offers": [],
            "uncertain_offers": 0, "reserved": [], "last_settled_at": null,
        },
        "services": [{
            "service": "executor", "state": "paused", "reason": "", "since": null, "version": null, "instance": null,
            "runs_here": true, "input": "", "reads": "stale", "last_success_at": null, "blocked": "",
        }],
        "prices": [{
            "pair": "", "status": "", "block": "", "rate": null, "bid": null, "ask": null, "spread_bps": null,
            "disagreement_bps": null, "basis_mode": null, "basis_rate": null, "price_at": null, "age_ms": null,
            "priced_at": null, "sources": [{
                "source": "", "link": "", "healthy": false, "reason": "", "bid": null, "ask": null,
                "received_at": null, "age_ms": null,
            }],
        }],
        "inventory": { "balances": [], "height": null, "observed_at": null, "age_ms": null, "blocked": [""] },
        "relays": [{
            "venue": "", "connected": false, "since": null, "reason": "", "connects": 0, "frames_rejected": 0,
        }],
        "alerts": [{ "kind": "", "detail": "", "raised_at": null }],
        "counters": {
            "quotes": 0, "decisions": 0, "skipped": {}, "commands": 0, "submissions": 0, "results": {}, "events": {},
        },
        "log": { "head": 1, "reachable": true },
        "projections": { "state": "", "why": "", "heartbeat_at": null, "parked": 0, "projections": [] },
        "as_of": 1, "head": 1,
    });
    is_harmless(&status::page(&serde_json::from_value(filled(page)).unwrap(), &pair()));
}

#[test]
fn letters_of_every_language_stay_and_only_what_steers_is_shown() {
    assert_eq!(harmless("prêt à 25 °C, 日本, €, ✗"), "prêt à 25 °C, 日本, €, ✗");
    assert_eq!(harmless(EVIL), "late·[2A·[2J··limits: all is well·2J·");
    assert_eq!(harmless_lines("one\ttwo\n\u{1b}[m\r"), "one\ttwo\n·[m·");
}

#[test]
fn json_means_the_same_afterwards() {
    let value = json!({ "reason": EVIL, "\u{85}": ["\u{7f}", "plain"] });
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let shown = harmless_json(&pretty);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    assert!(
        !shown.chars().any(|letter| letter != '\n' && (letter.is_control() || letter == '\u{202e}')),
        "{shown}"
    );
    assert_eq!(harmless_json("{\r\n\"a\":1}"), "{ \n\"a\":1}");
}
