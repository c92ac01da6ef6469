//! The witness of a log by the real binary: a file, and a server on a socket. A log that is no longer what it was is not
//! served.

use crate::audit::{LOG_END, python, report_in};
use crate::outside::{Memory, Mood, TestWitness, key_text};
use crate::support::World;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const KEY: &str = "stele-data/log/key.pub";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Adds lines to the configuration.
fn configured(world: &World, lines: &str) {
    let path = world.path().join("stele.toml");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{before}[log]\n{lines}\n")).unwrap();
}

/// Why a report does not know whether the log's end is there.
fn unknown_end(report: &serde_json::Value) -> Option<String> {
    let mut all = report["not_looked_at"].as_array().unwrap().iter();
    let one = all.find(|one| one["what"] == LOG_END)?;
    one["why"].as_str().map(str::to_owned)
}

#[test]
fn a_log_that_was_put_back_from_an_older_backup_is_named_and_not_served() {
    let world = World::quiet();
    let witness = world.path().join("witness");
    configured(&world, &format!("witness = {:?}", text(&witness)));
    let mut desk = world.serve();
    world.set_limits();
    let (kept, restored) = (world.path().join("kept"), world.path().join("restored"));
    world.stele(&["log", "backup", text(&kept)]).exits(0);
    world.stele(&["limits", "set", "cooldown_ms=1", "--reason", "after the backup"]).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);
    let told = fs::read(&witness).unwrap();

    // The witness has what the log ended with.
    world.stele(&["log", "verify", "--against", "witness"]).exits(0);
    let last = fs::read_to_string(&witness).unwrap();
    let last = last.trim_end().rsplit("\n\n\n").next().unwrap().trim_start().to_owned() + "\n";
    fs::write(world.path().join("last.txt"), &last).unwrap();
    world.stele(&["log", "verify", "--against", "last.txt"]).exits(0);
    let commits = world.stele(&["log", "verify", "--json"]).exits(0).json()["commits"].to_string();
    assert_eq!(last.lines().nth(1), Some(commits.as_str()), "{last}");

    world.stele(&["log", "restore", text(&kept), "--data-dir", text(&restored)]).exits(0);
    let refused = world.stele(&["serve", "--data", text(&restored)]).exits(13);
    for words in ["was cut after an exported checkpoint", text(&witness), "runbooks/witness.md"] {
        assert!(refused.stderr.contains(words), "{words} is missing in {}", refused.stderr);
    }
    let log = restored.join("log");
    world.stele(&["log", "verify", text(&log), "--against", "witness"]).exits(13).complains(&["was cut"]);
    // Nor do an audit and a verification of it find that it is what was written.
    let at = ["--data", text(&restored)];
    let audit = [&["audit", "--report", "cut.json"][..], &at].concat();
    let words = ["was cut, or put back from an older copy", text(&witness), "runbooks/witness.md"];
    world.stele(&audit).exits(13).complains_of(&words);
    let report = report_in(&world, "cut.json");
    assert_eq!((&report["verdict"], &report["log"]["fault"]["kind"]), (&"differs".into(), &"cut".into()));
    let key = restored.join("log/key.pub");
    world.stele(&["audit", "check", "cut.json", "--key", text(&key)]).exits(0);
    assert_eq!(python(&key, &[world.path().join("cut.json")]).0, 0);
    world.stele(&[&["log", "verify"][..], &at].concat()).exits(13).complains(&words);
    // Nor is a checkpoint signed of it.
    world.stele(&["log", "checkpoint", "--data", text(&restored)]).exits(13);
    assert_eq!(fs::read(&witness).unwrap(), told, "nothing was added");

    // What the witness has seen is what was written.
    world.stele(&["audit", "--report", "whole.json"]).exits(0);
    assert_eq!(unknown_end(&report_in(&world, "whole.json")), None);
    world.stele(&["audit", "--against", "last.txt"]).exits(0);
    let verified = world.stele(&["log", "verify"]).exits(0).stdout;
    assert!(verified.contains("has seen of it") && verified.contains(text(&witness)), "{verified}");
    // Without a witness nobody knows, and that is said; a checkpoint that somebody kept is as good as one.
    let settings = fs::read_to_string(world.path().join("stele.toml")).unwrap();
    fs::write(world.path().join("stele.toml"), settings.split("[log]").next().unwrap()).unwrap();
    world.stele(&[&["audit", "--report", "alone.json"][..], &at].concat()).exits(0);
    let why = unknown_end(&report_in(&world, "alone.json"));
    assert!(why.is_some_and(|why| why.contains("no witness is configured")), "it is not said");
    let against = [&["audit", "--against", "last.txt"][..], &at].concat();
    world.stele(&against).exits(13).complains_of(&["was cut", "last.txt"]);
    fs::write(world.path().join("stele.toml"), settings).unwrap();

    // What the witness has seen is served, and a checkpoint without a desk is handed over too.
    let mut desk = world.serve();
    world
        .stele(&["audit", "--against", "last.txt"])
        .exits(2)
        .complains(&["a desk runs", "log verify --against"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    let signed = world.stele(&["log", "checkpoint"]).exits(0).stdout;
    assert!(fs::read_to_string(&witness).unwrap().contains(signed.trim_end()), "{signed}");
    world.stele(&["log", "verify", "--against", "witness"]).exits(0);
}

#[test]
fn what_is_not_known_of_the_end_of_a_log_is_said_by_whoever_verifies_it() {
    let world = World::quiet();
    let witness = world.path().join("witness");
    let alone = fs::read_to_string(world.path().join("stele.toml")).unwrap();
    configured(&world, &format!("witness = {:?}", text(&witness)));
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    let last = world.stele(&["log", "checkpoint"]).exits(0).stdout;
    fs::write(world.path().join("last.txt"), &last).unwrap();
    let commits = last.lines().nth(1).unwrap();

    let told = world.stele(&["log", "verify", "--json"]).exits(0).json();
    assert!(told["end_unknown"].is_null() && told["held_against"].as_str().unwrap().contains(text(&witness)));
    // A witness that is not there is said to be so, also where a checkpoint is named.
    fs::rename(&witness, world.path().join("away")).unwrap();
    let verified = world.stele(&["log", "verify"]).exits(0).stdout;
    assert!(verified.contains("NOT known") && verified.contains("is not there"), "{verified}");
    world.stele(&["audit", "--against", "last.txt", "--report", "away.json"]).exits(0);
    let why = unknown_end(&report_in(&world, "away.json"));
    assert!(why.is_some_and(|why| why.contains("is not there")), "it is not said");
    fs::rename(world.path().join("away"), &witness).unwrap();

    // Without one it is not known what comes after a checkpoint that somebody kept.
    fs::write(world.path().join("stele.toml"), alone).unwrap();
    world.stele(&["audit", "--against", "last.txt", "--report", "kept.json"]).exits(0);
    let why = unknown_end(&report_in(&world, "kept.json"));
    assert!(why.is_some_and(|why| why.contains(&format!("the first {commits} commits"))), "it is not said");
    let told = world.stele(&["log", "verify", "--json"]).exits(0).json();
    assert!(told["end_unknown"].as_str().unwrap().contains("no witness is configured"), "{told}");
    assert!(!world.stele(&["log", "verify"]).exits(0).stdout.contains("NOT known"));
}

#[test]
fn a_desk_that_runs_holds_its_log_against_its_witness_in_an_audit_too() {
    let world = World::quiet();
    let (witness, seen) = (world.path().join("witness"), world.path().join("seen"));
    let (kept, restored) = (world.path().join("kept"), world.path().join("restored"));
    configured(&world, &format!("witness = {:?}", text(&witness)));
    let mut desk = world.serve();
    world.set_limits();
    world.stele(&["log", "checkpoint"]).exits(0);
    world.stele(&["audit", "--report", "whole.json"]).exits(0);
    assert_eq!(unknown_end(&report_in(&world, "whole.json")), None);
    world.stele(&["log", "backup", text(&kept)]).exits(0);
    world.stele(&["limits", "set", "cooldown_ms=1", "--reason", "after the backup"]).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);

    // Put back from the backup, and served while nobody could see what the witness has.
    fs::rename(&witness, &seen).unwrap();
    world.stele(&["log", "restore", text(&kept), "--data-dir", text(&restored)]).exits(0);
    let mut desk = world.serve_on(&restored);
    fs::rename(&seen, &witness).unwrap();
    let at = ["--data", text(&restored)];
    let words = [text(&witness), "runbooks/witness.md"];
    for (args, file) in [(&["audit"][..], "cut.json"), (&["audit", "show"][..], "shown.json")] {
        world.stele(&[args, &["--report", file], &at].concat()).exits(13).complains_of(&words);
        let report = report_in(&world, file);
        let kind = report["log"]["fault"]["kind"].as_str().unwrap();
        // By now it may have grown again, in another way.
        assert!(report["verdict"] == "differs" && ["cut", "rewritten"].contains(&kind), "{report}");
    }
    let shows = |line: &str| World::get_from(&restored, "/metrics").lines().any(|shown| shown == line);
    assert!(shows("audit_differs 1"));
    // A witness that is away takes nothing back.
    fs::rename(&witness, &seen).unwrap();
    world.stele(&[&["audit", "--report", "away.json"][..], &at].concat()).exits(0);
    let why = unknown_end(&report_in(&world, "away.json"));
    assert!(why.is_some_and(|why| why.contains("is not there")), "it is not said");
    assert!(shows("audit_differs 1"));
    desk.signalled("TERM");
}

#[test]
fn a_desk_asks_a_server_for_cosignatures_and_whoever_has_its_key_wants_to_see_them() {
    let world = World::quiet();
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    let memory = Arc::new(Memory::default());
    let key = fs::read_to_string(world.path().join(KEY)).unwrap();
    let server = TestWitness::start("127.0.0.1:0", &[key], &memory);
    configured(&world, &format!("witness = {:?}\nwitness_keys = [{:?}]", server.url(), key_text()));
    fs::write(world.path().join("witness.key"), key_text() + "\n").unwrap();
    let commits = |note: &str| -> u64 { note.lines().nth(1).unwrap().parse().unwrap() };

    world.stele(&["log", "checkpoint", "--cosigned"]).exits(2).complains(&["no witness has cosigned"]);
    let mut desk = world.serve();
    let first = world.stele(&["log", "checkpoint", "--cosigned"]).exits(0).stdout;
    fs::write(world.path().join("first.txt"), &first).unwrap();
    world.set_limits();
    // Whoever asks for a checkpoint asks the witness too.
    let asked = commits(&world.stele(&["log", "checkpoint"]).exits(0).stdout);
    let cosigned = world
        .until(&["log", "checkpoint", "--cosigned"], |run| run.code == 0 && commits(&run.stdout) >= asked);
    fs::write(world.path().join("cosigned.txt"), &cosigned.stdout).unwrap();
    let proved = world
        .stele(&["log", "prove", "--consistency", "first.txt", "--to", "cosigned.txt", "--json"])
        .exits(0);
    fs::write(world.path().join("proof.json"), &proved.stdout).unwrap();
    let by_witness = ["log", "check", "proof.json", "--key", KEY, "--witness-key", "witness.key", "--json"];
    let told = world.stele(&by_witness).exits(0).json();
    assert_eq!(told["cosigned"][0]["witness"], "witness.example/w1", "{told}");
    // The witness is away for the end, and the desk ends all the same.
    memory.be(Mood::Silent);
    assert_eq!(desk.signalled("TERM").0, 0);
    memory.be(Mood::Well);

    let verify = ["log", "verify", "--against", "cosigned.txt", "--witness-key", "witness.key"];
    world.stele(&verify).exits(0);
    // One signature does not stand for two keys of one name.
    let other = "witness.example/w1+eb762cc2+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    fs::write(world.path().join("witness.key"), format!("{}\n{other}\n", key_text())).unwrap();
    world.stele(&verify).exits(8).complains(&["not by the key", other]);
    fs::write(world.path().join("witness.key"), key_text() + "\n").unwrap();
    let plain: String = cosigned.stdout.split_inclusive('\n').take(5).collect();
    fs::write(world.path().join("cosigned.txt"), plain).unwrap();
    world.stele(&["log", "verify", "--against", "cosigned.txt"]).exits(0);
    world.stele(&verify).exits(8).complains(&["witness.example/w1 has not signed it"]);
    world.stele(&["log", "verify", "--witness-key", "witness.key"]).exits(2);
    // The log's key is none of a witness.
    let wrong = ["log", "verify", "--against", "first.txt", "--witness-key", KEY];
    world.stele(&wrong).exits(2).complains(&["not the key of a witness"]);

    // What the log ends with is cosigned, and kept beside it before the directory is given up.
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    let ended = world.stele(&["log", "verify", "--json"]).exits(0).json()["commits"].as_u64().unwrap();
    assert_eq!(commits(&world.stele(&["log", "checkpoint", "--cosigned"]).exits(0).stdout), ended);

    // The server is not asked for that, and is not said to have been.
    let verified = world.stele(&["log", "verify"]).exits(0).stdout;
    for words in ["has cosigned, which lies beside the log", "NOT known", &server.url()] {
        assert!(verified.contains(words), "{words} is missing in {verified}");
    }
    assert!(!verified.contains("has seen of it"), "{verified}");

    // A server that has seen more than there is.
    memory.be(Mood::Ahead(1_000_000));
    let refused = world.stele(&["serve"]).exits(13);
    assert!(refused.stderr.contains("signs 1000000 commits"), "{}", refused.stderr);
    // One that is away holds nobody up.
    drop(server);
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn a_witness_that_could_not_witness_is_refused_with_what_to_do() {
    let world = World::quiet();
    let before = fs::read_to_string(world.path().join("stele.toml")).unwrap();
    let key = key_text();
    for (lines, words) in [
        ("witness = \"stele-data/witness\"".to_owned(), "goes the way of the log"),
        ("witness = \"https://witness.example/w1\"".to_owned(), "log.witness_keys"),
        (format!("witness = \"https://ann@witness.example\"\nwitness_keys = [{key:?}]"), "without user"),
        (format!("witness = \"http://w.example\"\nwitness_keys = [{key:?}]"), "log.witness_plain_http"),
        (format!("witness = \"ftp://witness.example\"\nwitness_keys = [{key:?}]"), "an address is expected"),
        (format!("witness = \"/elsewhere/witness\"\nwitness_keys = [{key:?}]"), "a file cosigns nothing"),
        (format!("witness_keys = [{key:?}]"), "there is nobody whose they are"),
        ("witness = \"https://w.example\"\nwitness_keys = [\"nonsense\"]".to_owned(), "signed-note form"),
        ("witness = \"/elsewhere/w\"\nwitness_every_ms = 10".to_owned(), "log.witness_every_ms"),
        ("witness = \"/elsewhere/w\"\nurl = \"http://127.0.0.1:1\"".to_owned(), "only the process that owns"),
    ] {
        fs::create_dir_all(world.path().join("stele-data")).unwrap();
        fs::write(world.path().join("stele.toml"), format!("{before}[log]\n{lines}\n")).unwrap();
        let refused = world.stele(&["config", "check"]).exits(2);
        assert!(refused.stderr.contains(words), "{lines}: {}", refused.stderr);
    }
}

#[test]
fn a_desk_that_lost_commits_is_told_apart_by_the_checkpoint_that_somebody_kept() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let (kept, restored) = (world.path().join("kept"), world.path().join("restored"));
    world.stele(&["log", "backup", text(&kept)]).exits(0);
    world.stele(&["limits", "set", "cooldown_ms=1", "--reason", "after the backup"]).exits(0);
    for _ in 0..20 {
        world.stele(&["limits", "set", "cooldown_ms=0", "--reason", "again"]).exits(0);
        world.stele(&["limits", "set", "cooldown_ms=1", "--reason", "and again"]).exits(0);
    }
    assert_eq!(desk.signalled("TERM").0, 0);
    let note = world.stele(&["log", "checkpoint"]).exits(0).stdout;
    fs::write(world.path().join("kept.txt"), &note).unwrap();
    world.stele(&["log", "restore", text(&kept), "--data-dir", text(&restored)]).exits(0);
    let mut desk = world.serve_on(&restored);
    let prove = ["log", "prove", "--consistency", "kept.txt", "--data", text(&restored)];
    // By now it may have grown again, in another way.
    world.stele(&prove).exits(13).complains(&["the log was ", "runbooks/witness.md"]);
    // Once it is as long as it was, only its commits tell it apart.
    let commits = |note: &str| -> u64 { note.lines().nth(1).unwrap().parse().unwrap() };
    let here = ["--data", text(&restored)];
    let signed = || world.stele(&[&["log", "checkpoint"][..], &here].concat()).exits(0).stdout;
    while commits(&signed()) <= commits(&note) {
        for cooldown in ["cooldown_ms=0", "cooldown_ms=1"] {
            let set = ["limits", "set", cooldown, "--reason", "in another way"];
            world.stele(&[&set[..], &here].concat()).exits(0);
        }
    }
    world.stele(&prove).exits(13).complains(&["the log was rewritten", "runbooks/witness.md"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    // Its files say the same.
    world.stele(&prove).exits(13).complains_of(&["the log was rewritten", "runbooks/witness.md"]);
}
