//! The exit codes, each met by a user of the real binary. 4 and 6 need keys, and are met in `remote.rs`.

use crate::support::{World, stele};

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn answers_exit_with_0() {
    let directory = empty();
    for args in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["config", "print"],
        &["config", "print", "--origin"],
        &["config", "check"],
        &["keys", "roles"],
        &["db", "doctor"],
    ] {
        let run = stele(directory.path(), args).exits(0);
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{run:?}");
    }
}

#[test]
fn wrong_arguments_exit_with_2() {
    let directory = empty();
    for args in [
        &[][..],
        &["fly"],
        &["status", "--loud"],
        &["arm", "--for", "15m"],
        &["arm", "--reason", "x", "--for", "soon"],
        &["arm", "executor", "--reason", "no such thing to arm", "--for", "1m"],
        &["pause", "cooking", "--reason", "x"],
        &["limits", "set", "--reason", "nothing to set"],
        &["limits", "set", "notional_mx=5", "--reason", "a typo"],
        &["table", "decisions", "--where", "no-equals-sign"],
        &["log", "verify", "nowhere"],
        &["status", "--config", "nowhere.toml"],
        &["keys", "create", "--role", "king", "--owner", "me"],
        &["keys", "create", "--role", "viewer", "--owner", "me", "--scope", "fly"],
        &["keys", "revoke", "abc"],
        &["approve", "not-a-uuid"],
        &["db", "migrate"],
        &["demo", "--server", "http://127.0.0.1:1"],
        &["watch", "--from", "yesterday"],
        &["rebuild", "quotes", "--despite-difference"],
        &["rebuild", "quotes", "results"],
    ] {
        let run = stele(directory.path(), args).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{args:?}: {run:?}");
    }
}

#[test]
fn every_verb_is_completed_in_every_shell() {
    let directory = empty();
    let help = stele(directory.path(), &["--help"]).exits(0).stdout;
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Long descriptions go on further in.
    let verbs = verbs.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.contains(&"keys") && verbs.len() > 20, "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stele(directory.path(), &["completions", shell]).exits(0).stdout;
        for verb in &verbs {
            assert!(script.contains(verb), "{verb} is missing for {shell}");
        }
    }
}

#[test]
fn the_codes_are_the_same_in_the_help_and_in_the_readme() {
    let help = stele(empty().path(), &["--help"]).exits(0).stdout;
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| *line != "## Exit codes").filter_map(|line| {
        let (code, words) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((code.parse::<u8>().ok()?, words))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.iter().map(|(code, _)| *code).collect::<Vec<_>>(), (0..=14).collect::<Vec<_>>());
    for (code, words) in rows {
        assert!(help.contains(&format!("{code}  {words}")), "{code} {words:?} is missing in\n{help}");
    }
}

#[test]
fn a_desk_that_does_not_answer_exits_with_7_and_says_what_to_do() {
    let directory = empty();
    for args in [
        &["status"][..],
        &["kill"],
        &["trace", "some-id"],
        &["log", "stat"],
        &["log", "prove", "1"],
        &["table"],
        &["limits", "get"],
        &["whoami"],
        &["watch"],
        &["keys", "list"],
    ] {
        stele(directory.path(), args).exits(7).complains(&["no desk answers on", "stele serve", "--socket"]);
    }
}

#[test]
fn a_data_directory_that_is_not_there_exits_with_2_and_is_named() {
    let directory = empty();
    for args in [
        &["audit"][..],
        &["status"],
        &["table"],
        &["table", "decisions"],
        &["log", "tail"],
        &["log", "get", "1"],
        &["trace", "some-id"],
    ] {
        let args = [args, &["--data", "nope"]].concat();
        stele(directory.path(), &args).exits(2).complains(&["there is no directory nope", "--data"]);
    }
    assert!(!directory.path().join("nope").exists());
    // One that is there has no desk yet.
    std::fs::create_dir(directory.path().join("nope")).unwrap();
    stele(directory.path(), &["audit", "--data", "nope"]).exits(7).complains(&["no desk answers on"]);
}

#[test]
fn a_rule_that_says_no_exits_with_3_and_names_the_rule() {
    let world = World::quiet().with_key();
    let _desk = world.serve();
    let arm = world.stele(&["arm", "--reason", "too early", "--for", "1m"]).exits(3);
    arm.complains(&["no limits are in force", "(no_limits)"]);
    let wrong =
        ["limits", "set", "--from-config", "notional_max=0", "notional_min=0", "fallback_notional_max=0"];
    world
        .stele(&[&wrong[..], &["--reason", "nothing at all"]].concat())
        .exits(3)
        .complains(&["limits_invalid"]);
}

#[test]
fn what_the_desk_does_not_know_exits_with_1() {
    let world = World::quiet();
    let _desk = world.serve();
    world.stele(&["trace", "no-such-quote"]).exits(1).complains(&["no-such-quote"]);
    world.stele(&["log", "get", "99999999"]).exits(1).complains(&["99999999"]);
    let unknown = world.stele(&["table", "no_such_table"]).exits(1);
    assert!(!unknown.stderr.contains("/v1/"), "{unknown:?}");
    unknown.complains(&["no_such_table", "`stele table` lists them"]);
    // A column that is not there is a mistake of usage.
    world
        .stele(&["table", "decisions", "--columns", "colour"])
        .exits(2)
        .complains(&["colour", "decision_id"]);
    world.stele(&["table", "decisions", "--where", "colour=red"]).exits(2).complains(&["colour"]);
}

#[test]
fn a_second_desk_on_one_directory_exits_with_5_and_names_the_first() {
    let world = World::quiet();
    let mut first = world.serve();
    let second = world.stele(&["serve"]).exits(5);
    assert!(second.stderr.contains("belongs to another process"), "{}", second.stderr);
    assert!(second.stderr.contains("stop it, or use another directory"), "{}", second.stderr);
    world.stele(&["status", "--json"]).exits(0);
    assert_eq!(first.signalled("TERM").0, 0, "the first desk was not touched");
}

#[test]
fn a_socket_that_is_taken_exits_with_5() {
    let world = World::quiet();
    let _first = world.serve();
    let args = ["serve", "--data", "other-data", "--socket", "stele-data/stele.sock"];
    let second = world.stele(&args).exits(5);
    assert!(second.stderr.contains("another desk answers on"), "{}", second.stderr);
}

#[test]
fn a_changed_log_exits_with_8_and_is_left_as_it_is() {
    let world = World::quiet();
    let mut desk = world.serve();
    let checkpoint = world.stele(&["log", "checkpoint"]).exits(0).stdout;
    let kept = world.path().join("checkpoint.txt");
    std::fs::write(&kept, checkpoint).unwrap();
    desk.signalled("TERM");
    let verified = world.stele(&["log", "verify", "--json", "--against", "checkpoint.txt"]).exits(0).json();
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["unfinished_bytes"], 0);

    let largest = std::fs::read_dir(world.path().join("stele-data/log")).unwrap().map(|entry| entry.unwrap());
    let largest = largest.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 2] ^= 1;
    std::fs::write(&largest, &bytes).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    world.stele(&["log", "verify"]).exits(8).complains(&["damaged", name, "at byte"]);
    let serve = world.stele(&["serve"]).exits(8);
    assert!(serve.stderr.contains(name), "{}", serve.stderr);
    assert_eq!(std::fs::read(&largest).unwrap(), bytes, "damage is never repaired silently");
}

#[test]
fn a_checkpoint_of_another_log_exits_with_11_and_what_is_none_with_2() {
    let (one, other) = (World::quiet(), World::quiet());
    let (mut first, mut second) = (one.serve(), other.serve());
    let checkpoint = one.stele(&["log", "checkpoint"]).exits(0).stdout;
    std::fs::write(other.path().join("foreign.txt"), checkpoint).unwrap();
    first.signalled("TERM");
    second.signalled("TERM");
    other.stele(&["log", "verify", "--against", "foreign.txt"]).exits(11).complains(&["not one of this log"]);
    for text in ["{\"a\": 1}", "nothing of the kind\n", ""] {
        std::fs::write(other.path().join("none.txt"), text).unwrap();
        other.stele(&["log", "verify", "--against", "none.txt"]).exits(2).complains(&["not one of this log"]);
    }
}
