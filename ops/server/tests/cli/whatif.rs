//! What-if, asked of a desk that runs, of its log when it doesn't, and of the log of a demo.

use crate::support::{World, stele};
use serde_json::{Value, json};
use std::path::Path;

fn count(report: &Value, pointer: &str) -> u64 {
    report
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("{pointer} is no count in {report:#}"))
}

/// A file in a directory.
fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_desk_and_its_log_give_the_same_answer_to_the_byte() {
    let world = World::quiet().with_key();
    let mut desk = world.serve();
    world.set_limits();
    world.stele(&["limits", "set", "edge_min_bps=40%", "--reason", "nothing is good enough"]).exits(0);
    world.awake();
    world.stele(&["arm", "--reason", "to see what is skipped", "--for", "5m"]).exits(0);
    world.taker_gives_btc(200_000);
    let decided = world.event("trading.Decided");
    assert_eq!(decided["data"]["verdict"]["reason"], "edge_too_small", "{decided:#}");
    let to = decided["position"].as_u64().unwrap().to_string();

    let history = world.stele(&["whatif", "--json"]).exits(0).json();
    assert_eq!(count(&history, "/decisions/identical"), count(&history, "/decisions/all"), "{history:#}");
    assert!(count(&history, "/decisions/all") >= 1);
    assert_eq!(history["before"], history["after"]);
    let ask = ["whatif", "edge_min_bps=1%", "--to", &to, "--json"];
    let running = world.stele(&ask).exits(0).json();
    assert_eq!(count(&running, "/decisions/added"), 1, "{running:#}");
    let first = &running["differences"][0];
    assert_eq!((&first["kind"], &first["before"]["reason"]), (&json!("added"), &json!("edge_too_small")));
    assert_eq!((&first["after"]["outcome"], &first["gates"][0]["gate"]), (&json!("offered"), &json!("edge")));
    // An auditor elsewhere asks with a key.
    let auditor = world.key("auditor", "eve");
    assert_eq!(desk.remote(&ask, Some(&auditor)).exits(0).json(), running);

    assert_eq!(desk.signalled("TERM").0, 0);
    let stopped = world.stele(&ask).exits(0);
    assert!(stopped.stderr.contains("no desk answers: told from the log in"), "{stopped:?}");
    assert_eq!(stopped.json(), running);

    // People see the same, and what was asked for.
    let told = world.stele(&["whatif", "edge_min_bps=1%", "--to", &to]).exits(0).stdout;
    for words in [
        "one offer differs",
        "40.00%",
        "1.00%",
        "edge_too_small",
        "estimate",
        running["result"].as_str().unwrap(),
    ] {
        assert!(told.contains(words), "{words:?} is missing in\n{told}");
    }
    let told = world.stele(&["whatif", "edge_min_bps=40%", "--from", &to]).exits(0).stdout;
    assert!(told.contains("no offer differs, in 1 decisions"), "{told}");
    // What is printed is what is kept, once.
    let kept = world.path().join("answer.json");
    let keep = [&ask[..], &["--report", kept.to_str().unwrap()]].concat();
    world.stele(&keep).exits(0);
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(&kept).unwrap()).unwrap(), running);
    world.stele(&keep).exits(2).complains(&["answer.json", "name a new file"]);
}

#[test]
fn questions_that_make_no_sense_are_refused_with_what_to_do() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    assert_eq!(desk.signalled("TERM").0, 0);
    let refused = |args: &[&str], words: &[&str]| {
        let run = world.stele(&[&["whatif"], args].concat()).exits(2);
        for word in words {
            assert!(run.stderr.contains(word), "{word:?} is missing in {}", run.stderr);
        }
        assert_eq!(run.stdout, "", "there is no answer");
    };
    let of_file = |text: &str, words: &[&str]| {
        let name = file(world.path(), "limits.json", text);
        refused(&["--limits", &name], &[&["limits.json"], words].concat());
    };
    of_file("", &["it is empty", "stele limits get --json"]);
    of_file("{}", &["it names no limit"]);
    of_file("[1]", &["limits by name"]);
    of_file("{\"edge_min_bps\": 100", &["EOF"]);
    of_file("{\"edge_mn_bps\": 100}", &["edge_mn_bps", "did you mean `edge_min_bps`?"]);
    of_file("{\"edge_min_bps\": \"much\"}", &["edge_min_bps", "least gross edge"]);
    of_file("{\"edge_min_bps\": 9000}", &["edge_min"]);
    of_file("{\"notional_max\": \"1e3\"}", &["notional_max", "no amount"]);
    of_file("{\"open_offers_max\": -1}", &["open_offers_max"]);
    of_file("{\"pricing\": {\"base_bps\": 9000}}", &["pricing.base_bps", "50.00%"]);
    of_file("{\"pricing\": {\"margin\": 1}}", &["pricing.margin", "base_bps"]);
    of_file("{\"limits\": {\"edge_min_bps\": 100}, \"note\": 1}", &["`note`"]);
    refused(&["--limits", "nowhere.json"], &["nowhere.json"]);
    refused(&["edge_mn_bps=1%"], &["did you mean `edge_min_bps`?"]);
    refused(&["pricing.base_bps=much"], &["pricing.base_bps"]);
    refused(&["--from", "9", "--to", "4"], &["--from 9 lies after --to 4"]);
    refused(&["--from", "2026-11-21T00:00:00Z", "--to", "2026-11-20T00:00:00Z"], &["lies after"]);
    refused(&["--from", "0"], &["positions begin with 1"]);
    refused(&["--from", "yesterday"], &["yesterday", "2026-11-20T12:00:00Z"]);
    refused(&["--from", "99999999"], &["the log ends at"]);
    // What contradicts the limits that stay is told with their version.
    refused(&["notional_max=0.5"], &["version 1", "is above notional_max"]);
    // A moment before or after everything is a question about nothing.
    let nothing = world.stele(&["whatif", "--from", "2100-01-01T00:00:00Z"]).exits(0).stdout;
    assert!(nothing.contains("Nothing stands in that part of the log"), "{nothing}");
    // Whole answers of the desk are files of limits, too.
    let desk = world.serve();
    let whole = world.stele(&["limits", "get", "--json"]).exits(0).stdout;
    drop(desk);
    let name = file(world.path(), "today.json", &whole);
    let told = world.stele(&["whatif", "--limits", &name]).exits(0).stdout;
    assert!(told.contains("no offer differs") && told.contains("in force already"), "{told}");
}

#[test]
fn the_log_of_a_demo_is_history_under_todays_limits_and_more_under_a_lower_threshold() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("demo");
    let data = data.to_str().unwrap();
    let demo = stele(place.path(), &["demo", "--json", "--for", "5s", "--seed", "7", "--data", data])
        .exits(0)
        .json();
    let config = format!("{data}/stele.toml");
    let asked = |more: &[&str]| {
        stele(place.path(), &[&["whatif", "--config", &config, "--json"], more].concat()).exits(0).json()
    };
    let history = asked(&[]);
    assert_eq!(count(&history, "/decisions/all"), count(&demo, "/decisions"), "{history:#}");
    assert_eq!(count(&history, "/decisions/identical"), count(&demo, "/decisions"), "{history:#}");
    assert_eq!(
        count(&history, "/before/offered/buy_base/count"),
        count(&history, "/after/offered/buy_base/count")
    );
    // The limits that are in force at the end, as the log has them.
    let set = ["log", "tail", "-n", "1", "--type", "trading.LimitsSet", "--json", "--config", &config];
    let set = stele(place.path(), &set).exits(0).json();
    let today = [
        &format!("edge_min_bps={}", set["data"]["limits"]["edge_min"]),
        &format!("open_offers_max={}", set["data"]["limits"]["open_offers_max"]),
    ];
    let same = asked(&[today[0], today[1]]);
    assert_eq!(count(&same, "/decisions/identical"), count(&same, "/decisions/all"), "{same:#}");
    assert_eq!(same["differences"], json!([]));
    // The demo's market has probes, and auctions that are too short for its limits.
    let lower = asked(&["window_ms_min=0", "answer_probes=true"]);
    assert!(count(&lower, "/decisions/added") > 0, "{lower:#}");
    for difference in lower["differences"].as_array().unwrap() {
        assert_eq!(difference["kind"], "added", "{difference:#}");
    }
    assert_eq!(asked(&["edge_min_bps=0%"])["result"], asked(&["edge_min_bps=0%"])["result"]);
    // A wider margin offers less of the same.
    let wider = asked(&["pricing.base_bps=10%"]);
    assert!(count(&wider, "/decisions/changed") > 0, "{wider:#}");
    // Without its configuration the log itself says whose it is.
    let alone = stele(place.path(), &["whatif", "--data", data, "--json"]).exits(0).json();
    assert_eq!(count(&alone, "/decisions/identical"), count(&demo, "/decisions"));
}
