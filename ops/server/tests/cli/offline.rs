//! What works on a data directory while no desk runs, and what it says then.

use crate::support::{World, stele};

/// Has a desk write a log, and ends it.
fn a_log() -> World {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    assert_eq!(desk.signalled("TERM").0, 0);
    world
}

#[test]
fn the_log_is_looked_at_without_a_desk_as_with_one() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let event = world.stele(&["log", "get", "1"]).exits(0).json();
    let limits = ["log", "tail", "-n", "1", "--type", "trading.LimitsSet", "--json"];
    let newest = world.stele(&limits).exits(0).json();
    assert_eq!(desk.signalled("TERM").0, 0);

    let again = world.stele(&["log", "get", "1"]).exits(0);
    assert_eq!(again.json(), event);
    assert!(again.stderr.contains("no desk answers: told from the log in"), "{again:?}");
    assert_eq!(world.stele(&limits).exits(0).json(), newest);
    let stat = world.stele(&["log", "stat", "--json"]).exits(0).json();
    assert!(stat["events"].as_u64().unwrap() >= newest["position"].as_u64().unwrap(), "{stat}");
    let first = world.stele(&["log", "tail", "-n", "3"]).exits(0).stdout;
    assert_eq!(first.lines().count(), 3, "{first}");
    world.stele(&["log", "get", "99999999"]).exits(1);
    // What is to come needs a desk.
    world.stele(&["log", "tail", "--follow"]).exits(7);
    // Looking changed nothing, and a desk starts on it as before.
    world.stele(&["log", "verify"]).exits(0);
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn a_proof_is_made_and_checked_with_and_without_a_desk() {
    let world = World::quiet();
    let mut desk = world.serve();
    let running = world.stele(&["log", "prove", "1"]).exits(0).stdout;
    assert!(running.contains("Event 1 is in the log"), "{running}");
    assert_eq!(desk.signalled("TERM").0, 0);
    let stopped = world.stele(&["log", "prove", "1"]).exits(0).stdout;
    assert!(stopped.contains("Event 1 is in the log"), "{stopped}");
    let proof = world.stele(&["log", "prove", "1", "--json"]).exits(0).json();
    assert_eq!((&proof["position"], &proof["first_position"]), (&1.into(), &1.into()), "{proof}");
    world.stele(&["log", "prove", "99999999"]).exits(1).complains(&["99999999"]);

    // Another log's key does not vouch for it.
    let other = a_log();
    let key = other.path().join("stele-data/log/key.pub");
    world.stele(&["log", "prove", "1", "--key", key.to_str().unwrap()]).exits(8);
}

#[test]
fn whoever_only_reads_the_log_does_so_beside_the_process_that_holds_it() {
    let world = a_log();
    // A desk holds it, and does not answer where it is asked.
    let mut desk = world.serve();
    world.set_limits();
    let place = ["--data", "stele-data", "--socket", "nowhere.sock"];
    let beside = |args: &[&str]| world.stele(&[args, &place].concat());
    let event = beside(&["log", "get", "1"]).exits(0);
    assert!(event.stderr.contains("told from the log in"), "{event:?}");
    assert_eq!(event.json(), world.stele(&["log", "get", "1"]).exits(0).json());
    beside(&["trace", "no-such-quote"]).exits(1).complains(&["has the id \"no-such-quote\""]);
    // What an earlier run has signed proves it; nothing is signed for it.
    let checkpoints = world.path().join("stele-data/log/checkpoints");
    let before = std::fs::read_to_string(&checkpoints).unwrap();
    let proof = beside(&["log", "prove", "1", "--json"]).exits(0).json();
    assert!(before.contains(proof["checkpoint"].as_str().unwrap().trim_end()), "{proof}");
    let proved = beside(&["log", "prove", "1"]).exits(0).stdout;
    assert!(proved.contains("Event 1 is in the log"), "{proved}");
    // What came later needs a signature, and that is its owner's.
    let last = world.stele(&["log", "stat", "--json"]).exits(0).json()["head"].to_string();
    beside(&["log", "prove", &last]).exits(5).complains(&["belongs to another process"]);
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn the_first_key_is_made_where_no_desk_runs_and_is_taken_when_one_does() {
    let world = a_log();
    let admin = world.key("admin", "ada");
    let listed = world.stele(&["keys", "list", "--json"]).exits(0).json();
    assert_eq!(listed["keys"][0]["owner"], "ada", "{listed}");
    let mut desk = world.serve();
    let who = desk.remote(&["whoami", "--json"], Some(&admin)).exits(0).json();
    assert_eq!((&who["actor"], &who["role"]), (&"person:ada".into(), &"admin".into()), "{who}");
    assert_eq!(desk.signalled("TERM").0, 0);
    let id = who["key_id"].as_str().unwrap();
    // The desk's rules hold without the desk, too.
    let last = world.stele(&["keys", "revoke", id, "--reason", "lost"]).exits(3);
    assert!(last.stderr.contains("(last_admin)"), "{last:?}");
    world.key("admin", "bob");
    world.stele(&["keys", "revoke", id, "--reason", "lost"]).exits(0);
    let desk = world.serve();
    desk.remote(&["whoami"], Some(&admin)).exits(6).complains(&["revoked-key"]);
}

#[test]
fn the_first_key_is_made_before_the_desk_ever_ran() {
    let world = World::quiet();
    let admin = world.key("admin", "ada");
    let desk = world.serve();
    desk.remote(&["whoami"], Some(&admin)).exits(0);
}

#[test]
fn a_key_is_never_written_over_something() {
    let world = a_log();
    let precious = world.path().join("precious");
    std::fs::write(&precious, "x").unwrap();
    let out = precious.to_str().unwrap();
    let create = ["keys", "create", "--role", "viewer", "--owner", "eve", "--out", out];
    world.stele(&create).exits(2).complains(&["precious", "name a new file"]);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "x");
    // Nor is one made that nothing could be kept in, or an empty file left where none was made.
    let nowhere = world.path().join("nowhere/key");
    let create = |owner: &str, out: &str| {
        world.stele(&["keys", "create", "--role", "viewer", "--owner", owner, "--out", out])
    };
    create("eve", nowhere.to_str().unwrap()).exits(2);
    let refused = world.path().join("refused.key");
    create("NOT AN OWNER", refused.to_str().unwrap()).exits(3);
    assert!(!refused.exists());
    let listed = world.stele(&["keys", "list", "--json"]).exits(0).json();
    assert_eq!(listed["keys"], serde_json::json!([]), "no key was made that nobody has");
}

#[test]
fn a_key_is_shown_once_on_standard_output_and_nothing_else_is() {
    let world = a_log();
    let made =
        world.stele(&["keys", "create", "--role", "auditor", "--owner", "eve", "--expires", "90d"]).exits(0);
    let key = made.stdout.trim();
    assert!(key.starts_with("stele_") && !key.contains(char::is_whitespace), "{made:?}");
    assert!(made.stderr.contains("shown this once"), "{made:?}");
    let listed = world.stele(&["keys", "list"]).exits(0).stdout;
    assert!(listed.contains("eve") && !listed.contains(key.splitn(3, '_').nth(2).unwrap()), "{listed}");
}

#[test]
fn roles_are_printed_without_a_desk_or_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let matrix = stele(directory.path(), &["keys", "roles"]).exits(0).stdout;
    for word in ["viewer", "trader", "operator", "admin", "auditor", "service", "kill", "manage_keys"] {
        assert!(matrix.contains(word), "{word} is missing in\n{matrix}");
    }
    let json = stele(directory.path(), &["keys", "roles", "--json"]).exits(0).json();
    assert_eq!(json["viewer"], serde_json::json!(["read"]));
}

#[test]
fn a_directory_without_a_log_is_not_made_one_by_looking() {
    let directory = tempfile::tempdir().unwrap();
    stele(directory.path(), &["log", "stat"]).exits(7);
    std::fs::create_dir_all(directory.path().join("stele-data/log")).unwrap();
    stele(directory.path(), &["log", "stat"]).exits(7);
    assert_eq!(std::fs::read_dir(directory.path().join("stele-data/log")).unwrap().count(), 0);
    // What a file system puts into its first directory, or somebody else, is no log either.
    std::fs::create_dir(directory.path().join("stele-data/log/lost+found")).unwrap();
    std::fs::write(directory.path().join("stele-data/log/key.pub"), "of another").unwrap();
    for args in
        [&["log", "stat"][..], &["log", "get", "1"], &["log", "checkpoint"], &["log", "tail", "-n", "1"]]
    {
        stele(directory.path(), args).exits(7);
    }
    assert_eq!(std::fs::read_dir(directory.path().join("stele-data/log")).unwrap().count(), 2);
}

#[test]
fn the_log_at_hand_is_not_taken_for_that_of_another_desk() {
    let world = a_log();
    let head = |world: &World| world.stele(&["log", "stat", "--json"]).exits(0).json()["head"].clone();
    let before = head(&world);
    for args in [
        &["log", "tail", "-n", "1"][..],
        &["log", "get", "1"],
        &["log", "prove", "1"],
        &["log", "stat"],
        &["keys", "list"],
        &["keys", "create", "--role", "admin", "--owner", "ada"],
        &["keys", "revoke", "0123456789ab", "--reason", "lost"],
    ] {
        let other = [args, &["--socket", "other.sock"]].concat();
        world.stele(&other).exits(7).complains(&["no desk answers on other.sock"]);
    }
    assert_eq!(head(&world), before, "no key was made in the wrong log");
    // By its own name, or beside its own directory, it is the desk's.
    world.stele(&["log", "get", "1", "--socket", "stele-data/stele.sock"]).exits(0);
    world.stele(&["log", "get", "1", "--data", "stele-data", "--socket", "other.sock"]).exits(0);
    // Nor is it the log of a process that works on another's.
    let text = std::fs::read_to_string(world.path().join("stele.toml")).unwrap();
    std::fs::write(world.path().join("stele.toml"), format!("{text}[log]\nurl = \"http://127.0.0.1:9\"\n"))
        .unwrap();
    world.stele(&["log", "get", "1"]).exits(7).complains(&["no desk answers"]);
}

#[test]
fn whoever_looks_first_after_a_crash_is_told_what_was_cut() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    desk.signalled("KILL");
    let files = std::fs::read_dir(world.path().join("stele-data/log")).unwrap();
    let last = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"));
    let last = last.max().unwrap();
    // The machine went down in the middle of the last write.
    let written = std::fs::read(&last).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(u64::try_from(written).unwrap()).unwrap();
    let name = last.file_name().unwrap().to_str().unwrap();
    // Whoever only reads leaves even that as it is.
    let torn = std::fs::read(&last).unwrap();
    let tail = world.stele(&["log", "tail", "-n", "1"]).exits(0);
    assert_eq!(tail.stdout.lines().count(), 1);
    let read = [tail, world.stele(&["log", "get", "1"]).exits(0), world.stele(&["trace", "nobody"]).exits(1)];
    for run in read {
        assert!(run.stderr.contains("are passed over here"), "{}", run.stderr);
    }
    assert_eq!(std::fs::read(&last).unwrap(), torn);
    let looked = world.stele(&["log", "checkpoint"]).exits(0);
    for word in ["had not finished", name, "quarantine-", "never acknowledged"] {
        assert!(looked.stderr.contains(word), "{word:?} is missing: {}", looked.stderr);
    }
    let again = world.stele(&["log", "get", "1"]).exits(0);
    assert!(!again.stderr.contains("had not finished"), "{}", again.stderr);
    world.stele(&["log", "verify"]).exits(0);
}
