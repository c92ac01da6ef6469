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

/// A state that is written down is read by builds with the same sources only: so all that make up what it means are among
/// them.
#[test]
fn whatever_makes_up_a_state_that_is_written_down_is_named_beside_it() {
    let mod_files = files(&root().join("domain/src"), &[".rs"]).into_iter();
    let written: Vec<_> = mod_files.filter(|path| text(path).contains("impl WrittenDown for")).collect();
    assert!(written.len() >= 4, "only {} found", written.len());
    for mod_file in written {
        let said = text(&mod_file);
        let (folder, name) = (mod_file.with_extension(""), mod_file.file_stem().expect("a name"));
        let elsewhere = ["command", "decide", "rejection", "tests", "policy"];
        for path in files(&folder, &[".rs"]) {
            let inside = path.strip_prefix(&folder).expect("it is in there");
            if elsewhere
                .iter()
                .any(|name| inside.starts_with(name) || inside.with_extension("").ends_with(name))
            {
                continue;
            }
            let named = format!("include_str!(\"{}/{}\")", name.display(), inside.display());
            assert!(said.contains(&named), "{} does not say {named}", shown(&mod_file));
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
