//! The promises of the documents: tests that they name exist, files that they link to exist.

use std::collections::BTreeSet;
use std::path::PathBuf;
use stele_acceptance::{files, root, shown, text};

fn documents() -> Vec<PathBuf> {
    files(&root(), &[".md"])
}

/// Names of all test functions of the repository.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&root(), &[".rs"]) {
        for line in text(&path).lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            if let Some(rest) = line.strip_prefix("fn ") {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
        }
    }
    names
}

/// The texts between single backticks of a line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let architecture = text(&root().join("ARCHITECTURE.md"));
    let section = architecture.split("## Invariants").nth(1).expect("a section Invariants");
    let rows: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).collect();
    assert!(rows.len() > 15, "only {} invariants", rows.len());
    let tests = tests();
    for row in rows.iter().skip(1) {
        let held_by = row.split('|').nth(2).unwrap_or("");
        let names = quoted(held_by);
        assert!(!names.is_empty(), "no test holds: {row}");
        for name in names {
            assert!(tests.contains(name), "{name} is no test: {row}");
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let folder = document.parent().expect("a folder").to_path_buf();
        let text = text(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            assert!(folder.join(path).exists(), "{}: {target} leads nowhere", shown(&document));
        }
    }
}

#[test]
fn no_document_or_source_names_a_machine_or_a_registry_host() {
    let words = ["/ro".to_owned() + "ot/", "/wo".to_owned() + "rk/", "artifac".to_owned() + "tory"];
    let all = files(&root(), &[".rs", ".md", ".toml", ".sh", ".json", ".yaml", ".yml"]);
    for path in all {
        let text = text(&path);
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} names {word}", shown(&path));
        }
    }
}
