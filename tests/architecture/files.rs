//! Sizes, openings and the places where some words may stand.

use std::path::{Path, PathBuf};
use stele_acceptance::{files, root, shown, text};

/// Longest source file.
const LINES_MAX: usize = 500;
/// Longest file of tests.
const TEST_LINES_MAX: usize = 800;

fn sources() -> Vec<PathBuf> {
    files(&root(), &[".rs"])
}

fn is_test(path: &Path) -> bool {
    let shown = shown(path);
    shown.starts_with("tests/") || shown.contains("/tests/") || shown.ends_with("tests.rs")
}

#[test]
fn every_file_says_first_what_it_is() {
    for path in sources() {
        assert!(text(&path).starts_with("//!"), "{} does not open with //!", shown(&path));
    }
}

#[test]
fn no_file_is_too_long() {
    for path in sources() {
        let lines = text(&path).lines().count();
        let most = if is_test(&path) { TEST_LINES_MAX } else { LINES_MAX };
        assert!(lines <= most, "{} has {lines} lines, at most {most}", shown(&path));
    }
}

#[test]
fn only_observe_files_speak() {
    for path in sources().into_iter().filter(|path| !is_test(path)) {
        if path.file_name().is_some_and(|name| name == "observe.rs") {
            continue;
        }
        for line in text(&path).lines() {
            for word in ["tracing::info!", "tracing::warn!", "tracing::error!", "metrics::counter!"] {
                assert!(!line.contains(word), "{} speaks outside observe.rs: {line}", shown(&path));
            }
        }
    }
}

#[test]
fn everything_that_is_said_has_a_name() {
    for path in sources().into_iter().filter(|path| path.ends_with("observe.rs")) {
        let source = text(&path);
        for (place, said) in source.match_indices("tracing::") {
            let call = source[place + said.len()..].split(';').next().unwrap_or("");
            if call.contains("!(") {
                assert!(call.contains("event = \""), "{}: no event name: {call}", shown(&path));
            }
        }
    }
}

#[test]
fn only_the_executor_knows_the_venue_and_only_one_file_sends() {
    for path in files(&root().join("commands/src"), &[".rs"]) {
        let shown = shown(&path);
        let source = text(&path);
        if source.contains("Venue>") || source.contains("Venue,") || source.contains("Venue}") {
            assert!(shown.contains("/executor/"), "{shown} names the venue");
        }
        if source.contains(".submit(") {
            assert_eq!(shown, "commands/src/executor/send.rs", "{shown} sends");
        }
    }
}

#[test]
fn nothing_is_ignored_skipped_or_left_for_later() {
    for path in sources().into_iter().filter(|path| !path.ends_with("architecture/files.rs")) {
        for line in text(&path).lines() {
            for word in ["#[ignore", "todo!(", "unimplemented!(", "dbg!(", "#[allow(", "FIXME", "XXX"] {
                assert!(!line.contains(word), "{}: {line}", shown(&path));
            }
        }
    }
}

#[test]
fn the_top_level_holds_the_eight_folders_and_no_other() {
    let known =
        ["domain", "commands", "projections", "gateways", "proto", "migrations", "ops", "tests", "target"];
    for entry in std::fs::read_dir(root()).expect("the root").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            assert!(known.contains(&name.as_str()), "{name} is no folder of the house");
        }
    }
}
