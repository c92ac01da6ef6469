//! A desk as its operators meet it: started, watched, armed, killed, stopped.

use crate::support::{Desk, World};
use serde_json::Value;
use std::time::Duration;

/// What a supervisor may wait before it loses patience.
const DRAIN_MAX: Duration = Duration::from_secs(25);

fn arming(world: &World) -> Value {
    world.stele(&["status", "--json"]).exits(0).json()["account"]["arming"].clone()
}

fn stop(mut desk: Desk) {
    let (code, took) = desk.signalled("TERM");
    assert_eq!(code, 0, "{}", desk.said.join("\n"));
    assert!(took < DRAIN_MAX, "stopping took {took:?}");
    assert!(desk.said.iter().any(|line| line.contains("log.closed")), "{}", desk.said.join("\n"));
}

#[test]
fn a_fresh_desk_is_ready_disarmed_and_shows_everything_on_one_page() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    world.awake();
    let page = world.until(&["status"], |run| run.stdout.contains("50,000 EURe")).stdout;
    for words in
        ["DISARMED", "none: nothing is offered without them", "Price of btc-eure", "kraken", "near-intents"]
    {
        assert!(page.contains(words), "{words:?} is missing in\n{page}");
    }
    let status = world.stele(&["status", "--json"]).exits(0).json();
    assert_eq!(status["account"]["arming"], "disarmed");
    assert_eq!(status["instance"], "test");
    let services = status["services"].as_array().unwrap();
    assert_eq!(services.len(), 6);
    assert!(
        services.iter().all(|service| service["state"] == "running" && service["runs_here"] == true),
        "{services:?}"
    );
    stop(desk);
}

#[test]
fn a_quote_is_refused_while_disarmed_and_traded_while_armed_and_both_stories_are_told() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    world.set_limits();
    world.awake();
    let refused = world.taker_gives_btc(100_000);
    world.event("trading.Decided");
    world.stele(&["arm", "--reason", "first trade", "--for", "5m"]).exits(0);
    assert_eq!(arming(&world), "armed");
    let traded = world.taker_gives_btc(200_000);
    world.event("trading.SubmissionSettled");

    let told = world.until(&["trace", &refused], |run| run.stdout.contains("NO OFFER")).stdout;
    for words in [
        "A taker gave exactly 0.001 BTC",
        "NO OFFER (disarmed)",
        "no operator had allowed offers",
        "✗ armed by an operator",
    ] {
        assert!(told.contains(words), "{words:?} is missing in\n{told}");
    }
    let told = world.until(&["trace", &traded], |run| run.stdout.contains("coin is free again")).stdout;
    let mut rest = told.as_str();
    for words in [
        "A taker gave exactly 0.002 BTC",
        "1. ",
        "A quote request came in",
        "The reference price that the decision saw",
        "The balances that the decision saw",
        "What the desk would offer",
        "Decision: OFFER",
        "25 gates were asked, 0 of them not open",
        "The executor was told to make the offer",
        "The offer was fixed in the log, before anything was signed",
        "The relay took the offer into its auction",
        "SETTLED",
        "Proved by looking",
    ] {
        let at = rest.find(words).unwrap_or_else(|| panic!("{words:?} is missing, or too early, in\n{told}"));
        rest = &rest[at..];
    }
    // Any id of the story leads to it.
    let story = world.stele(&["trace", "--json", &traded]).json();
    for id in [
        &story["decisions"][0]["decision"]["decision_id"],
        &story["commands"][0]["result"]["command_id"],
        &story["commands"][0]["result"]["quote_hash"],
    ] {
        assert_eq!(
            world.stele(&["trace", "--json", id.as_str().unwrap()]).exits(0).json()["quote_id"],
            traded.as_str()
        );
    }
    stop(desk);
}

#[test]
fn a_kill_works_from_any_state_and_the_way_back_is_to_disarm() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    world.set_limits();
    world.stele(&["arm", "--reason", "a day's work", "--for", "5m"]).exits(0);
    let killed = world.stele(&["kill", "--json", "--reason", "something is wrong"]).exits(0).json();
    assert_eq!((&killed["fenced"], &killed["outcome"]), (&Value::from(true), &Value::from("recorded")));
    assert_eq!(arming(&world), "killed");
    world.stele(&["arm", "--reason", "too early", "--for", "1m"]).exits(3);
    world.awake();
    world.taker_gives_btc(100_000);
    let decided = world.event("trading.Decided");
    assert_eq!(decided["data"]["verdict"]["reason"], "killed");
    world.stele(&["kill"]).exits(0);
    world.stele(&["disarm", "--reason", "looked at it"]).exits(0);
    assert_eq!(arming(&world), "disarmed");
    stop(desk);
}

#[test]
fn services_are_paused_drained_and_resumed_one_by_one_and_together() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    let state = |service: &str| {
        let status = world.stele(&["status", "--json"]).exits(0).json();
        let services = status["services"].as_array().unwrap().clone();
        services.iter().find(|one| one["service"] == service).unwrap()["state"].clone()
    };
    world.stele(&["pause", "strategy", "--reason", "look first"]).exits(0);
    assert_eq!(state("strategy"), "paused");
    let again = world.stele(&["pause", "strategy", "--reason", "look first"]).exits(0);
    assert!(again.stdout.contains("already"), "{again:?}");
    world.stele(&["resume", "strategy", "--reason", "looked"]).exits(0);
    assert_eq!(state("strategy"), "running");
    world.stele(&["drain", "executor", "--reason", "maintenance"]).exits(0);
    world.until(&["status", "--json"], |_| state("executor") == "drained");
    // A service that can't be paused doesn't keep the others from it.
    let night = world.stele(&["pause", "all", "--reason", "night"]).exits(3);
    assert!(night.stderr.contains("executor: ") && night.stdout.contains("projections: paused"), "{night:?}");
    world.stele(&["resume", "all", "--reason", "morning"]).exits(0);
    assert_eq!(state("executor"), "running");
    world.stele(&["refresh", "all"]).exits(0);
    world.stele(&["refresh", "strategy"]).exits(3).complains(&["nothing_to_refresh"]);
    stop(desk);
}

#[test]
fn limits_and_filter_are_set_in_whole_tokens_and_shown_again() {
    let world = World::quiet();
    let desk = world.serve();
    world.set_limits();
    let shown = world.stele(&["limits", "get"]).exits(0).stdout;
    for words in ["version 1", "paper trading", "notional_max", "1000 EURe", "2.00%"] {
        assert!(shown.contains(words), "{words:?} is missing in\n{shown}");
    }
    world.stele(&["limits", "set", "edge_min_bps=3%", "--reason", "more edge"]).exits(0);
    let limits = world.stele(&["limits", "get", "--json"]).exits(0).json();
    assert_eq!(limits["in_force"]["limits"]["edge_min_bps"], 300);
    assert_eq!(limits["in_force"]["limits"]["notional_max"], "1000000000000000000000", "the others stay");
    std::fs::write(world.path().join("limits.json"), limits.to_string()).unwrap();
    world
        .stele(&["limits", "set", "--file", "limits.json", "cooldown_ms=1s", "--reason", "from a file"])
        .exits(0);
    world.stele(&["filter", "set", "btc-eure", "--reason", "only this"]).exits(0);
    assert!(world.stele(&["filter", "get"]).exits(0).stdout.contains("Only these"));
    world.stele(&["filter", "reset", "--reason", "all again"]).exits(0);
    assert!(world.stele(&["filter", "get"]).exits(0).stdout.contains("Every configured pair"));
    stop(desk);
}

#[test]
fn a_desk_that_was_killed_comes_back_disarmed_with_its_history() {
    let world = World::quiet().with_key();
    let mut desk = world.serve();
    world.set_limits();
    world.stele(&["arm", "--reason", "before the crash", "--for", "5m"]).exits(0);
    assert_eq!(desk.signalled("KILL").0, -1);
    let desk = world.serve();
    assert_eq!(arming(&world), "disarmed");
    let history =
        world.until(&["table", "arming_history", "--json"], |run| run.stdout.contains("before the crash"));
    assert!(history.stdout.contains("armed"), "{history:?}");
    stop(desk);
}

#[test]
fn every_log_line_has_the_fields_of_the_trade_loop_document_and_metrics_are_served() {
    let world = World::quiet().with_key();
    let mut desk = world.serve();
    world.awake();
    world.taker_gives_btc(100_000);
    world.event("trading.Decided");
    let metrics = world.get("/metrics");
    for name in ["decisions_total", "commands_events_recorded_total", "quote_to_decision_seconds_bucket"] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
    assert!(world.get("/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!(desk.signalled("TERM").0, 0);
    for line in &desk.said {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["ts", "level", "service", "component", "event", "namespace", "venue", "topic", "pair"] {
            assert!(line.get(field).is_some(), "{field} is missing in {line}");
        }
    }
}

#[test]
fn ctrl_c_ends_a_desk_in_good_order_too() {
    let world = World::quiet();
    let mut desk = world.serve();
    let (code, took) = desk.signalled("INT");
    assert_eq!(code, 0);
    assert!(took < DRAIN_MAX, "stopping took {took:?}");
    world.stele(&["log", "verify"]).exits(0);
    assert!(!world.path().join("stele-data/stele.sock").exists(), "the socket is left behind");
}

#[test]
fn a_desk_of_some_roles_runs_those_and_no_others() {
    let world = World::quiet();
    let mut serve = crate::support::command(world.path(), &["serve", "--roles", "market,projections,api"]);
    let mut desk = Desk::start({
        serve.env("STELE__DESK__INSTANCE", "prices-only");
        serve
    });
    desk.logged("desk.ready");
    world.event("market.ReferencePriced");
    let status = world.stele(&["status", "--json"]).exits(0).json();
    assert_eq!(status["instance"], "prices-only");
    let running: Vec<_> =
        status["services"].as_array().unwrap().iter().filter(|one| one["runs_here"] == true).collect();
    assert_eq!(running.len(), 2, "{running:?}");
    stop(desk);
}
