//! What needs a person, as the command line shows it, and what a person says to it.

use crate::support::{ACCOUNT, World};
use std::os::unix::fs::FileExt as _;
use stele_simulator::{Action, Balance, NBTC};

/// Flips one bit where the log's files hold this text; a second time, it is as it was.
fn flip(world: &World, text: &str) {
    let directory = std::fs::read_dir(world.path().join("stele-data/log")).unwrap();
    let rest = &text.as_bytes()[1..];
    let found = directory.map(|entry| entry.unwrap().path()).find_map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        Some((bytes.windows(rest.len()).position(|window| window == rest)?, path))
    });
    let (at, path) = found.unwrap();
    let at = u64::try_from(at).unwrap() - 1;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn a_log_that_is_damaged_under_a_running_desk_exits_with_8_and_says_what_to_do() {
    let world = World::quiet().with_key();
    let toml = world.path().join("stele.toml");
    // Nothing is told from memory.
    let text = std::fs::read_to_string(&toml).unwrap() + "[log]\ncache_bytes = 0\n";
    std::fs::write(&toml, text).unwrap();
    let mut desk = world.serve();
    world.awake();
    let more = vec![Balance::new(NBTC, 150_000_000)];
    world.handle().act(Action::SetBalances { account: ACCOUNT.to_owned(), balances: more }).unwrap();
    world.until(&["alerts"], |run| run.stdout.contains("unmatched_credit"));
    let listed = world.stele(&["alerts", "--json"]).exits(0).json();
    let raised = listed["alerts"].as_array().unwrap();
    let detail = raised.iter().find(|alert| alert["kind"] == "unmatched_credit").unwrap()["detail"].clone();

    let detail = detail.as_str().unwrap();
    let clear = ["alerts", "clear", "unmatched_credit", "--reason", "a deposit of our own"];
    // A service that reads what is damaged ends the desk, sooner or later. Where that was before the command came, all of it
    // is done again.
    let mut told = None;
    for _ in 0..10 {
        flip(&world, detail);
        let run = world.stele(&clear);
        if run.code != 7 {
            told = Some(run);
            break;
        }
        assert_ne!(desk.ended(), 0);
        flip(&world, detail);
        desk = world.serve();
        world.awake();
    }
    let told = told.unwrap().exits(8);
    told.complains(&["log-damaged", "at byte", "stele log verify", "--command-id"]);
    desk.signalled("KILL");
    world.stele(&["log", "verify"]).exits(8).complains(&["damaged", "at byte"]);
    flip(&world, detail);
    let mut again = world.serve();
    world.awake();
    world.stele(&clear).exits(0);
    assert_eq!(again.signalled("TERM").0, 0);
}

#[test]
fn an_alert_that_waits_for_a_person_is_listed_until_it_is_cleared_with_a_reason() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    world.awake();
    world.stele(&["alerts"]).exits(0);
    let more = vec![Balance::new(NBTC, 150_000_000)];
    world.handle().act(Action::SetBalances { account: ACCOUNT.to_owned(), balances: more }).unwrap();
    world.event("operations.AlertRaised");
    let listed = world.until(&["alerts"], |run| run.stdout.contains("unmatched_credit")).exits(0).stdout;
    assert!(listed.contains("stele alerts clear"), "{listed}");
    let page = world.stele(&["status"]).exits(0).stdout;
    assert!(page.contains("stele alerts clear KIND"), "{page}");
    let json = world.stele(&["alerts", "--json"]).exits(0).json();
    let raised = json["alerts"].as_array().unwrap();
    let credit = raised.iter().find(|alert| alert["kind"] == "unmatched_credit").unwrap();
    assert_eq!(credit["waits_for_person"], true, "{json}");

    // What is missing or wrong is said before anything is asked.
    world.stele(&["alerts", "clear", "unmatched_credit"]).exits(2).complains(&["--reason"]);
    let unknown = world.stele(&["alerts", "clear", "bad_weather", "--reason", "it rains"]).exits(2);
    unknown.complains(&["there is no such alert", "price_blocked", "unmatched_credit", "execution_blocked"]);
    let passing = world.stele(&["alerts", "clear", "price_blocked", "--reason", "looks fine"]).exits(3);
    passing.complains(&["clears_itself"]);
    let clear = ["alerts", "clear", "unmatched_credit", "--reason", "a deposit of our own"];
    let viewer = world.key("viewer", "eve");
    desk.remote(&clear, Some(&viewer)).exits(6).complains(&["steer"]);

    let cleared = world.stele(&clear).exits(0).stdout;
    assert!(cleared.contains("unmatched_credit is cleared [log "), "{cleared}");
    let told = world.event("operations.AlertCleared");
    assert_eq!(told["data"]["detail"], "a deposit of our own", "{told}");
    let listed = world.stele(&["alerts"]).exits(0).stdout;
    assert!(!listed.contains("unmatched_credit"), "{listed}");
    let again = world.stele(&clear).exits(0).stdout;
    assert!(again.contains("unmatched_credit is not raised; nothing was recorded"), "{again}");
}

#[test]
fn two_persons_stand_a_killed_account_down_where_the_limits_ask_for_it() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    let (ada, bob) = (world.key("operator", "ada"), world.key("operator", "bob"));
    let limits = ["limits", "set", "--from-config", "second_person=true", "--reason", "four eyes"];
    world.stele(&limits).exits(0);
    world.stele(&["kill", "--reason", "something is wrong"]).exits(0);
    let asked = desk.remote(&["disarm", "--reason", "ada has looked"], Some(&ada)).exits(4);
    let line = asked.stderr.lines().find(|line| line.contains("stele approve")).unwrap().to_owned();
    asked.complains(&["stays KILLED", "another person approves it"]);
    let page = desk.remote(&["status"], Some(&bob)).exits(0).stdout;
    for words in
        ["KILLED", "WAITS", "person:ada asks to stand the account down: ada has looked", "stele approve"]
    {
        assert!(page.contains(words), "{words:?} is missing in\n{page}");
    }

    let words: Vec<&str> = line.split_whitespace().collect();
    let approve = [&words[1..3], &["--reason", "bob has looked too"]].concat();
    let seen = desk.remote(&approve, Some(&bob)).exits(4);
    for shown in ["ada has looked", "stand the killed account down", "--limits-hash"] {
        assert!(seen.stderr.contains(shown), "{shown} is missing in {}", seen.stderr);
    }
    let hash = seen.stderr.split_whitespace().last().unwrap();
    let by_script = [&approve[..], &["--limits-hash", hash]].concat();
    desk.remote(&by_script, Some(&ada)).exits(3).complains(&["same_person"]);
    let done = desk.remote(&by_script, Some(&bob)).exits(0).stdout;
    assert!(done.contains("the account is stood down"), "{done}");
    let status = desk.remote(&["status", "--json"], Some(&bob)).exits(0).json();
    assert_eq!(status["account"]["arming"], "disarmed", "{status}");
    assert!(status["account"]["stand_down_request"].is_null(), "{status}");
}

#[test]
fn the_list_of_keys_says_with_which_key_each_was_made() {
    let world = World::quiet();
    let desk = world.serve();
    let root = world.key("admin", "ada");
    let made = ["keys", "create", "--role", "viewer", "--owner", "eve", "--json"];
    let made = desk.remote(&made, Some(&root)).exits(0).json();
    let keys = world.stele(&["keys", "list", "--json"]).exits(0).json();
    let of = |owner: &str| {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["owner"] == owner).unwrap().clone()
    };
    assert_eq!((&of("eve")["key_id"], &of("eve")["made_with"]), (&made["key_id"], &of("ada")["key_id"]));
    assert!(of("ada")["made_with"].is_null(), "{keys}");
}
