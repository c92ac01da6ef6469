//! Alerts for people.

use super::table;
use super::units::moment;
use stele_api::dto::{Alert, AlertsAnswer};

/// What needs a person now, and how each ends.
pub(crate) fn list(answer: &AlertsAnswer) -> String {
    if answer.alerts.is_empty() {
        return "Nothing needs a person now. What ever did: stele table alert_history".to_owned();
    }
    let mut table = table::framed(&["alert", "since", "what", "it ends"]);
    for alert in &answer.alerts {
        let since = alert.raised_at.map(moment).unwrap_or_default();
        table.add_row([alert.kind.clone(), since, alert.detail.clone(), ends(alert).to_owned()]);
    }
    table.to_string()
}

fn ends(alert: &Alert) -> &'static str {
    if alert.waits_for_person {
        "when a person has looked: stele alerts clear"
    } else {
        "by itself, as soon as it no longer holds"
    }
}
