//! Exports and backups by the real binary, with a desk and without one.

use crate::support::{World, stele};
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_log_is_exported_beside_its_desk_imported_and_the_same_but_for_its_name() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let lines = world.stele(&["log", "export"]).exits(0);
    assert!(lines.stderr.starts_with("exported "), "{}", lines.stderr);
    assert_eq!(desk.signalled("TERM").0, 0);
    let (file, new) = (world.path().join("log.ndjson"), world.path().join("new"));
    std::fs::write(&file, &lines.stdout).unwrap();
    let import = ["log", "import", text(&file), "--data-dir", text(&new), "--json"];
    let imported = world.stele(&import).exits(0).json();
    let header: serde_json::Value = serde_json::from_str(lines.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&imported["from"], &imported["events"]), (&header["export"]["log"], &header["export"]["to"]));
    assert_ne!(imported["log"], header["export"]["log"]);
    for position in ["1", "2", "3"] {
        let old = world.stele(&["log", "get", position]).exits(0).json();
        assert_eq!(stele(&new, &["log", "get", position, "--data", text(&new)]).exits(0).json(), old);
    }
    // Never over something; and of what is wrong nothing is kept.
    world.stele(&import).exits(5).complains(&["is there already"]);
    let cut = &lines.stdout[..lines.stdout.len() - 20];
    let changed = lines.stdout.replacen("\"revision\":0", "\"revision\":0 ", 1);
    let mut gap: Vec<&str> = lines.stdout.split_inclusive('\n').collect();
    gap.remove(2);
    let gap = gap.concat();
    for (lines, code, words) in
        [(cut, 12, "was cut"), (&changed, 8, "digest"), (&gap, 12, "position 2"), ("", 12, "was cut")]
    {
        std::fs::write(&file, lines).unwrap();
        let other = world.path().join("other");
        let import = ["log", "import", text(&file), "--data-dir", text(&other)];
        world.stele(&import).exits(code).complains(&[words]);
        assert!(!other.exists() && !world.path().join("other.unfinished").exists());
    }
}

#[test]
fn a_backup_of_a_running_desk_is_restored_and_serves() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let admin = world.key("admin", "ada");
    let (kept, restored) = (world.path().join("kept"), world.path().join("restored"));
    let made = world.stele(&["log", "backup", text(&kept), "--json"]).exits(0).json();
    assert_eq!(made["backed_up"], true, "{made}");
    let events = made["events"].as_u64().unwrap();
    // The desk goes on, and the backup stays what it is.
    world.stele(&["limits", "set", "cooldown_ms=1", "--reason", "after the backup"]).exits(0);
    let stat = world.stele(&["log", "stat", "--json"]).exits(0).json();
    assert!(
        stat["events"].as_u64().unwrap() > events && stat["rates"]["last_minute"]["events"].is_u64(),
        "{stat}"
    );
    world.stele(&["log", "backup", text(&kept)]).exits(5).complains(&["is there already"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    let made = world
        .stele(&["log", "restore", text(&kept), "--data-dir", text(&restored), "--json"])
        .exits(0)
        .json();
    assert_eq!((&made["restored"], made["events"].as_u64()), (&true.into(), Some(events)), "{made}");
    world
        .stele(&["log", "restore", text(&kept), "--data-dir", text(&restored)])
        .exits(5)
        .complains(&["is there already"]);
    // It is a data directory: the keys hold, and the desk starts on it.
    let mut desk = world.serve_on(&restored);
    desk.remote(&["whoami"], Some(&admin)).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);
    // A file that goes on and on is no checkpoint, and is not read to its end.
    let (long, other) = (world.path().join("long"), world.path().join("other"));
    std::fs::File::create(&long).unwrap().set_len(65 * 1024 * 1024).unwrap();
    world
        .stele(&["log", "restore", text(&kept), "--data-dir", text(&other), "--against", text(&long)])
        .exits(2)
        .complains(&["has more than 67108864 bytes"]);
    // A backup that is not what it was is not restored.
    let segment = kept.join("log/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    world
        .stele(&["log", "restore", text(&kept), "--data-dir", text(&other)])
        .exits(8)
        .complains(&["damaged"]);
    assert!(!other.exists());
}

#[test]
fn one_stream_is_shown_by_itself() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let stream = world.event("trading.LimitsSet")["stream"].as_str().unwrap().to_owned();
    let told = world.stele(&["log", "tail", "--stream", &stream, "--json"]).exits(0).stdout;
    assert_eq!(desk.signalled("TERM").0, 0);
    let streams: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!streams.is_empty() && streams.iter().all(|event| event["stream"] == stream.as_str()), "{told}");
    // The desk has given its lease back since.
    let after = world.stele(&["log", "tail", "--stream", &stream, "--json"]).exits(0).stdout;
    let last: Vec<serde_json::Value> = after
        .strip_prefix(told.as_str())
        .unwrap_or_else(|| panic!("{after} does not begin with {told}"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(last.len(), 1, "{after}");
    assert_eq!(last[0]["type"], "trading.LeaseRenewed");
    let (until, at) = (&last[0]["data"]["until"], &last[0]["metadata"]["occurred_at"]);
    assert!(until.as_str().unwrap() <= at.as_str().unwrap(), "it ends at once: {after}");
}
