//! The dashboard: it can be read, and shows what there is.

use crate::catalogue::{asked_for, catalogue};
use crate::yaml::{documents, items, word};
use serde_json::Value;
use std::collections::BTreeSet;
use stele_acceptance::{root, text};

fn dashboard() -> Value {
    let text = text(&root().join("ops/grafana/dashboards/desk.json"));
    serde_json::from_str(&text).expect("the dashboard is JSON")
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().expect("panels").iter()
}

#[test]
fn every_expression_asks_for_metrics_of_the_catalogue() {
    let (dashboard, catalogue) = (dashboard(), catalogue());
    let mut shown = BTreeSet::new();
    for panel in panels(&dashboard).filter(|panel| panel["type"] != "row") {
        let targets =
            panel["targets"].as_array().unwrap_or_else(|| panic!("{} asks nothing", panel["title"]));
        for target in targets {
            let expression = target["expr"].as_str().expect("an expression");
            let asked = asked_for(expression);
            assert!(!asked.is_empty(), "{expression} asks for nothing");
            for metric in asked {
                assert!(catalogue.contains_key(&metric), "{}: no metric {metric}", panel["title"]);
                shown.insert(metric);
            }
        }
    }
    for vital in
        ["arm_state", "open_signatures", "price_age_seconds", "decision_seconds", "log_fsync_seconds"]
    {
        assert!(shown.contains(vital), "the dashboard does not show {vital}");
    }
}

#[test]
fn panels_have_places_of_their_own_and_names() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title} has the id of another");
        let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(place("x") + place("w") <= 24, "{title} stands out of the page");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} stands on another panel");
            }
        }
    }
}

#[test]
fn the_dashboards_source_is_the_one_that_is_provisioned() {
    let path = root().join("ops/grafana/provisioning/datasources/prometheus.yaml");
    let provisioned = documents(&path);
    let uids: Vec<&str> = items(&provisioned[0]["datasources"]).map(|source| word(&source["uid"])).collect();
    let dashboard = dashboard();
    for panel in panels(&dashboard).filter(|panel| panel["type"] != "row") {
        let uid = panel["datasource"]["uid"].as_str().expect("a source");
        assert!(uids.contains(&uid), "{} asks {uid}, which nobody provisions", panel["title"]);
    }
}
