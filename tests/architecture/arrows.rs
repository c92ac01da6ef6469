//! Which crate may know which, read from `cargo metadata`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use stele_acceptance::root;

/// Our crates that each crate may use, besides tests. What is not listed may use none.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let domain = vec!["stele-domain"];
    BTreeMap::from([
        ("stele-domain", vec![]),
        ("stele-blob-store", domain.clone()),
        ("stele-commands", domain.clone()),
        ("stele-projections", domain.clone()),
        ("stele-event-log", domain.clone()),
        ("stele-eventstore", domain.clone()),
        ("stele-intents", domain.clone()),
        ("stele-lake", domain.clone()),
        ("stele-market", domain.clone()),
        ("stele-read-store", domain.clone()),
        ("stele-simulator", domain.clone()),
        ("stele-proto", domain),
        ("stele-kurrent", vec!["stele-domain", "stele-proto"]),
        ("stele-remote-log", vec!["stele-domain", "stele-proto"]),
        ("stele-bench-drive", vec!["stele-domain", "stele-event-log"]),
        ("stele-api", vec!["stele-domain", "stele-commands", "stele-projections", "stele-proto"]),
    ])
}

/// Crates of others that the domain may use.
const DOMAIN_CRATES: [&str; 8] =
    ["itoa", "ruint", "rust_decimal", "serde", "serde_json", "thiserror", "time", "uuid"];

/// Crates that wire, test or measure everything.
const HUBS: [&str; 3] = ["stele", "stele-acceptance", "stele-bench"];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Normal and build dependencies of each of our crates; what only tests use is left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a name").to_owned();
            let all = package["dependencies"].as_array().expect("dependencies");
            let used = all.iter().filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            let names = used.map(|dependency| dependency["name"].as_str().expect("a name").to_owned());
            (name, names.collect())
        })
        .collect()
}

#[test]
fn crates_only_know_the_crates_they_may_know() {
    let dependencies = dependencies();
    let ours: BTreeSet<&String> = dependencies.keys().collect();
    for (name, may_use) in allowed() {
        let used = dependencies.get(name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        for other in used.iter().filter(|other| ours.contains(other)) {
            assert!(may_use.contains(&other.as_str()), "{name} must not use {other}");
        }
    }
    // They may look at everything, so nobody may use them.
    for (name, used) in &dependencies {
        for hub in HUBS {
            assert!(!used.contains(hub), "{name} must not use {hub}");
        }
        let known = allowed().contains_key(name.as_str()) || HUBS.contains(&name.as_str());
        assert!(known, "{name} is a new crate: say here what it may use");
    }
}

#[test]
fn the_domain_uses_no_crate_that_could_do_anything() {
    let dependencies = dependencies();
    let used = dependencies.get("stele-domain").expect("the domain");
    for name in used {
        assert!(DOMAIN_CRATES.contains(&name.as_str()), "the domain must not use {name}");
    }
}
