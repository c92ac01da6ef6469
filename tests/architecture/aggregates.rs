//! Every aggregate is one folder with the same files, so that the second one costs nothing to read.

use std::path::PathBuf;
use stele_acceptance::{files, root, shown, text};

const FILES: [&str; 7] =
    ["command.rs", "event.rs", "state.rs", "decide.rs", "evolve.rs", "rejection.rs", "tests.rs"];

/// The folders whose mod-file implements `Decider`.
fn aggregates() -> Vec<PathBuf> {
    let domain = root().join("domain/src");
    let mod_files =
        files(&domain, &[".rs"]).into_iter().filter(|path| text(path).contains("impl Decider for"));
    mod_files.map(|path| path.with_extension("")).filter(|folder| !folder.ends_with("decider")).collect()
}

#[test]
fn every_aggregate_has_the_same_files() {
    let aggregates = aggregates();
    assert!(aggregates.len() >= 9, "only {} aggregates found: {aggregates:?}", aggregates.len());
    for folder in aggregates {
        for name in FILES {
            let path = folder.join(name);
            assert!(path.is_file(), "{} is missing", shown(&path));
        }
    }
}

#[test]
fn every_aggregate_can_be_kept_in_a_stream() {
    let wrapped = text(&root().join("commands/src/aggregate.rs"));
    for folder in aggregates() {
        let path = shown(&folder).replace("domain/src/", "").replace('/', "::");
        assert!(wrapped.contains(&path), "commands/src/aggregate.rs says nothing of {path}");
    }
}
