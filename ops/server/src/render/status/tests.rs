//! What the page says of services whose process is another one.

use super::page;
use serde_json::{Value, json};
use stele_domain::pair::Pair;

const AT: &str = "2026-11-20T12:00:00.000000Z";
const LATER: &str = "2026-11-20T12:00:30.000000Z";

fn pair() -> Pair {
    crate::config::Config::load(&crate::config::Sources::default()).unwrap().pair
}

/// A desk whose executor and strategy run in another process, and whose relay in a third.
fn status(lease: &Value) -> Value {
    let service = |name: &str, instance: &str| {
        json!({
            "service": name, "state": "running", "reason": "", "since": AT, "version": "", "instance": instance,
            "runs_here": false, "input": "", "reads": "unknown", "last_success_at": null, "blocked": null,
        })
    };
    json!({
        "at": LATER, "version": "", "instance": "",
        "account": {
            "stream": "", "arming": "disarmed", "armed": null, "killed_at": null, "lease": lease,
            "limits_version": 1, "limits_version_newest": 1, "open_offers": [], "uncertain_offers": 0,
            "reserved": [], "last_settled_at": null,
        },
        "services": [
            service("strategy", "desk-2"), service("executor", "desk-2"), service("ingest", "desk-3"),
        ],
        "prices": null, "inventory": null, "relays": null, "alerts": [], "counters": null,
        "log": { "head": 1, "reachable": true }, "tables_unavailable": null,
        "projections": { "state": "", "why": "", "heartbeat_at": null, "parked": 0, "projections": [] },
        "as_of": null, "head": 1,
    })
}

fn shown(lease: &Value) -> String {
    page(&serde_json::from_value(status(lease)).unwrap(), &pair())
}

/// How often each of these words stands there: a narrow terminal breaks what has several.
fn counted(page: &str) -> [usize; 3] {
    ["running", "HEARD", "started"].map(|word| page.matches(word).count())
}

#[test]
fn a_service_whose_process_let_its_lease_run_out_is_not_said_to_run() {
    let lapsed = json!({ "epoch": 3, "holder": "desk-2", "until": LATER, "lapsed": true });
    let page = shown(&lapsed);
    assert_eq!(counted(&page), [0, 2, 1], "{page}");
    let held = json!({ "epoch": 3, "holder": "desk-2", "until": LATER, "lapsed": false });
    let page = shown(&held);
    assert_eq!(counted(&page), [2, 0, 1], "{page}");
}

#[test]
fn where_some_tables_can_be_read_what_is_missing_is_named() {
    let mut status = status(&Value::Null);
    status["tables_unavailable"] = "table balances has a row that this build did not write: late".into();
    status["as_of"] = 1.into();
    status["prices"] = json!([]);
    status["relays"] = json!([]);
    let page = page(&serde_json::from_value(status).unwrap(), &pair());
    assert!(page.contains("Not every table can be read: table balances"), "{page}");
    assert!(page.contains("Missing here: balances, counts"), "{page}");
}
