//! Proofs that are handed over, and a log that is verified in parts and by a key that was kept.

use crate::support::{Run, World};
use serde_json::Value;

/// Keeps what a command says in a file of the world's directory.
fn kept(world: &World, name: &str, run: &Run) -> String {
    std::fs::write(world.path().join(name), &run.stdout).unwrap();
    name.to_owned()
}

fn changed(world: &World, file: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut proof = serde_json::from_slice(&std::fs::read(world.path().join(file)).unwrap()).unwrap();
    change(&mut proof);
    std::fs::write(world.path().join("changed.json"), proof.to_string()).unwrap();
    "changed.json".to_owned()
}

const KEY: &str = "stele-data/log/key.pub";

#[test]
fn a_proof_of_an_event_is_checked_by_whoever_has_the_key_and_nothing_else() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let proof = kept(&world, "event.json", &world.stele(&["log", "prove", "2", "--json"]).exits(0));
    let event = world.stele(&["log", "get", "2"]).exits(0).json();
    assert_eq!(desk.signalled("TERM").0, 0);
    let key = kept(
        &world,
        "kept.pub",
        &Run {
            stdout: std::fs::read_to_string(world.path().join(KEY)).unwrap(),
            code: 0,
            stderr: String::new(),
        },
    );
    std::fs::remove_dir_all(world.path().join("stele-data")).unwrap();

    let words = world.stele(&["log", "check", &proof, "--key", &key]).exits(0).stdout;
    assert!(words.contains("Event 2 is in the log"), "{words}");
    let told = world.stele(&["log", "check", &proof, "--key", &key, "--json"]).exits(0).json();
    assert_eq!((&told["believed"], &told["position"]), (&true.into(), &2.into()), "{told}");
    assert_eq!((&told["stream"], &told["type"]), (&event["stream"], &event["type"]), "{told}");
    // A right path for the wrong event, another payload, another root.
    let other = changed(&world, &proof, |proof| proof["position"] = 900.into());
    world.stele(&["log", "check", &other, "--key", &key]).exits(8).complains(&["does not have the event"]);
    let other = changed(&world, &proof, |proof| proof["first_position"] = 3.into());
    world.stele(&["log", "check", &other, "--key", &key]).exits(8).complains(&["another root"]);
    let other = changed(&world, &proof, |proof| {
        proof["checkpoint"] = proof["checkpoint"].as_str().unwrap().replacen('\n', "\n1", 1).into();
    });
    world.stele(&["log", "check", &other, "--key", &key]).exits(8).complains(&["signature"]);
    std::fs::write(world.path().join("no.json"), "{}").unwrap();
    world.stele(&["log", "check", "no.json", "--key", &key]).exits(2).complains(&["no.json is no proof"]);
    world.stele(&["log", "check", "nowhere.json", "--key", &key]).exits(2);
    world.stele(&["log", "check", &proof]).exits(2);
}

#[test]
fn the_log_is_proved_to_go_on_from_a_checkpoint_with_and_without_a_desk() {
    let world = World::quiet();
    let mut desk = world.serve();
    let old = kept(&world, "old.txt", &world.stele(&["log", "checkpoint"]).exits(0));
    world.set_limits();
    let running = world.stele(&["log", "prove", "--consistency", &old, "--json"]).exits(0);
    let proof = kept(&world, "running.json", &running);
    let newer = kept(&world, "newer.txt", &world.stele(&["log", "checkpoint"]).exits(0));
    assert_eq!(desk.signalled("TERM").0, 0);

    let told = world.stele(&["log", "check", &proof, "--key", KEY, "--json"]).exits(0).json();
    let (before, after) = (&told["old_commits"], &told["new_commits"]);
    assert!(before.as_u64().unwrap() < after.as_u64().unwrap(), "{told}");
    let words = world.stele(&["log", "prove", "--consistency", &old]).exits(0).stdout;
    assert!(words.contains("goes on from the older checkpoint"), "{words}");
    world.stele(&["log", "prove", "--consistency", &old, "--to", &newer]).exits(0);
    // A file to which checkpoints are added is held against the log as a whole.
    let both = [&old, &newer].map(|name| std::fs::read_to_string(world.path().join(name)).unwrap()).concat();
    std::fs::write(world.path().join("both.txt"), &both).unwrap();
    world.stele(&["log", "verify", "--against", "both.txt"]).exits(0);
    std::fs::write(world.path().join("both.txt"), both + "and more\n").unwrap();
    world.stele(&["log", "verify", "--against", "both.txt"]).exits(2);
    // An auditor has the report of an audit, and in it the checkpoint.
    let note = std::fs::read_to_string(world.path().join(&old)).unwrap();
    let report = serde_json::json!({ "report": { "log": { "checkpoint": note } }, "signature": "" });
    std::fs::write(world.path().join("report.json"), report.to_string()).unwrap();
    world.stele(&["log", "verify", "--against", "report.json"]).exits(0);
    world.stele(&["log", "prove", "--consistency", "report.json"]).exits(0);
    // The wrong way round it is a mistake, and with another path it is no proof.
    let swapped = ["log", "prove", "--consistency", &newer, "--to", &old];
    world.stele(&swapped).exits(2).complains(&["name one that was made later"]);
    let other = changed(&world, &proof, |proof| proof["path"] = serde_json::json!(["00".repeat(32)]));
    world
        .stele(&["log", "check", &other, "--key", KEY])
        .exits(8)
        .complains(&["the consistency proof is wrong"]);
    let other = changed(&world, &proof, |proof| proof["path"] = serde_json::json!(["zz"]));
    world.stele(&["log", "check", &other, "--key", KEY]).exits(8).complains(&["hexadecimal"]);
    world.stele(&["log", "prove", "1", "--consistency", &old]).exits(2);
    world.stele(&["log", "prove"]).exits(2);

    // A checkpoint of another log is not one of this.
    let stranger = World::quiet();
    let mut desk = stranger.serve();
    let foreign = kept(&world, "foreign.txt", &stranger.stele(&["log", "checkpoint"]).exits(0));
    assert_eq!(desk.signalled("TERM").0, 0);
    world.stele(&["log", "prove", "--consistency", &foreign]).exits(11);
    let key = stranger.path().join(KEY);
    world.stele(&["log", "check", &proof, "--key", key.to_str().unwrap()]).exits(8);
}

/// The same note over more commits than any log here has.
fn larger(note: &str) -> String {
    let lines = note.split_inclusive('\n').enumerate();
    lines.map(|(nth, line)| if nth == 1 { "1000000\n" } else { line }).collect()
}

#[test]
fn a_checkpoint_that_says_nothing_of_the_log_ends_the_same_beside_a_desk_and_without() {
    let (world, stranger) = (World::quiet(), World::quiet());
    let (mut desk, mut other) = (world.serve(), stranger.serve());
    world.set_limits();
    let [own, foreign] = [&world, &stranger].map(|world| world.stele(&["log", "checkpoint"]).exits(0).stdout);
    assert_eq!(other.signalled("TERM").0, 0);
    let origin = own.lines().next().unwrap();
    let unsigned = own.replace(&format!("\u{2014} {origin} "), "\u{2014} somebody ");
    assert_ne!(unsigned, own);
    let all = [
        ("foreign.txt", foreign.clone(), 11),
        ("foreign-larger.txt", larger(&foreign), 11),
        ("unsigned.txt", unsigned.clone(), 11),
        ("unsigned-larger.txt", larger(&unsigned), 11),
        ("larger.txt", larger(&own), 8),
        ("none.txt", "no checkpoint\n".to_owned(), 2),
    ];
    let told = || {
        for (name, note, code) in &all {
            std::fs::write(world.path().join(name), note).unwrap();
            world.stele(&["log", "prove", "--consistency", name]).exits(*code);
        }
    };
    told();
    // Elsewhere nobody has the key: whose log it is the desk says, and what was signed is not known.
    let auditor = world.key("auditor", "una");
    let away = |name: &str| {
        let path = world.path().join(name);
        desk.remote(&["log", "prove", "--consistency", path.to_str().unwrap()], Some(&auditor))
    };
    away("foreign-larger.txt").exits(11).complains(&["and the desk has"]);
    away("larger.txt").exits(13).complains(&["the log was cut", "was not checked", "--key"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    told();
}

#[test]
fn a_log_is_verified_in_part_and_by_a_key_that_was_kept() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    assert_eq!(desk.signalled("TERM").0, 0);
    let whole = world.stele(&["log", "verify", "--json"]).exits(0).json();
    let part = world.stele(&["log", "verify", "--from", "1", "--to", "3", "--json"]).exits(0).json();
    assert_eq!(part["root"], whole["root"], "there is one segment, and it is verified as a whole");
    world.stele(&["log", "verify", "--from", "3", "--to", "1"]).exits(2).complains(&["--from 3"]);
    world.stele(&["log", "verify", "--from", "0"]).exits(2);
    world.stele(&["log", "verify", "--key", KEY]).exits(0);
    let stranger = World::quiet();
    let mut desk = stranger.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    let key = stranger.path().join(KEY);
    world.stele(&["log", "verify", "--key", key.to_str().unwrap()]).exits(8);
}
