//! Alerts, their pages, their tests and the metrics that they ask for.

use crate::catalogue::{asked_for, catalogue};
use crate::yaml::{documents, items, word};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};
use stele_acceptance::{files, root, shown, text};

/// Every alert by its name.
fn alerts() -> BTreeMap<String, Value> {
    let mut alerts = BTreeMap::new();
    for path in files(&root().join("ops/prometheus/rules"), &[".yml"]) {
        for document in documents(&path) {
            let rules = items(&document["groups"]).flat_map(|group| items(&group["rules"]));
            for rule in rules {
                let twice = alerts.insert(word(&rule["alert"]).to_owned(), rule.clone());
                assert!(twice.is_none(), "two alerts {}", word(&rule["alert"]));
            }
        }
    }
    assert!(alerts.len() > 30, "only {} alerts", alerts.len());
    alerts
}

#[test]
fn every_alert_says_what_it_means_how_urgent_it_is_and_where_its_page_is() {
    for (name, rule) in alerts() {
        let notes = &rule["annotations"];
        for note in ["summary", "description", "runbook"] {
            assert!(!word(&notes[note]).is_empty(), "{name} has no {note}");
        }
        let severity = word(&rule["labels"]["severity"]);
        assert!(["page", "ticket"].contains(&severity), "{name} is {severity:?}: wake somebody, or not?");
    }
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let mut named = BTreeSet::new();
    for (name, rule) in alerts() {
        let page = word(&rule["annotations"]["runbook"]).to_owned();
        let text = text(&root().join(&page));
        assert!(text.starts_with(&format!("# {name}\n")), "{page} is not about {name}");
        let mut at = 0;
        for section in ["## What it means", "## First look", "## Fix", "## It is over when"] {
            let found =
                text[at..].find(section).unwrap_or_else(|| panic!("{page} has no {section}, or late"));
            at += found;
        }
        assert!(text.contains("\nstele "), "{page} names no command for a first look");
        named.insert(page);
    }
    let pages: BTreeSet<String> =
        files(&root().join("ops/runbooks/alerts"), &[".md"]).iter().map(|path| shown(path)).collect();
    assert_eq!(named, pages);
}

#[test]
fn every_alert_is_tested_to_fire_and_to_be_quiet() {
    let (mut fires, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for path in files(&root().join("ops/prometheus/tests"), &[".yml"]) {
        for document in documents(&path) {
            for case in items(&document["tests"]).flat_map(|test| items(&test["alert_rule_test"])) {
                let name = word(&case["alertname"]).to_owned();
                if items(&case["exp_alerts"]).next().is_some() {
                    fires.insert(name)
                } else {
                    quiet.insert(name)
                };
            }
        }
    }
    let all: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(fires, all, "tested to fire");
    assert_eq!(quiet, all, "tested to be quiet");
}

#[test]
fn alerts_ask_for_metrics_of_the_catalogue_and_the_catalogue_names_those_alerts() {
    let catalogue = catalogue();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, rule) in alerts() {
        for metric in asked_for(word(&rule["expr"])) {
            assert!(
                catalogue.contains_key(&metric),
                "{name} asks for {metric}, which is not in the catalogue"
            );
            used.entry(metric).or_default().insert(name.clone());
        }
    }
    for (metric, entry) in catalogue {
        let by = used.remove(&metric).unwrap_or_default();
        assert_eq!(entry.alerts, by, "the alerts of {metric}");
    }
}
