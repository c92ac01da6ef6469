//! The limits for people.

use super::harmless::harmless;
use super::table;
use super::units::moment;
use crate::config::LIMIT_FIELDS;
use stele_api::dto::{ArmRequest, LimitsAnswer, LimitsVersion, Mode, StandDownRequest};
use stele_domain::pair::Pair;

/// The limits in force, and those that will be.
pub(crate) fn limits(answer: &LimitsAnswer, pair: &Pair) -> String {
    let mut parts = vec![match &answer.in_force {
        Some(version) => one("In force", version, pair),
        None => "No limits are in force: nothing is offered without them.\n\
                 Set them with: stele limits set --from-config --reason \"…\""
            .to_owned(),
    }];
    parts.extend(answer.upcoming.as_ref().map(|version| one("Set, and not in force yet", version, pair)));
    parts.join("\n\n")
}

fn one(title: &str, version: &LimitsVersion, pair: &Pair) -> String {
    let values = serde_json::to_value(&version.limits).unwrap_or_default();
    let mut table = table::framed(&["limit", "value", "meaning"]);
    for field in LIMIT_FIELDS {
        let value = values.get(field.name).map(|value| field.show(value, pair)).unwrap_or_default();
        table.add_row([field.name.to_owned(), value, field.words.to_owned()]);
    }
    format!(
        "{title}: version {}, from {}\nReason: {}\nHash: {}\n{table}",
        version.version,
        moment(version.effective_from),
        harmless(&version.reason),
        harmless(&version.hash)
    )
}

/// An arming that waits for a second person.
pub(crate) fn request(asked: &ArmRequest) -> String {
    let how = match asked.mode {
        Mode::Full => "both directions",
        Mode::Reducing => "towards the base target only",
    };
    table::facts([
        ("asked for by", asked.by.clone()),
        ("reason", asked.reason.clone()),
        ("would arm", format!("{how}, until {}", moment(asked.until))),
        ("under limits", format!("version {}, hash {}", asked.limits_version, asked.limits_hash)),
        ("can be approved until", moment(asked.expires_at)),
    ])
}

/// The way back after a kill that waits for a second person.
pub(crate) fn stand_down(asked: &StandDownRequest) -> String {
    table::facts([
        ("asked for by", asked.by.clone()),
        ("reason", asked.reason.clone()),
        ("would do", "stand the killed account down: it is disarmed then, and can be armed again".to_owned()),
        ("can be approved until", moment(asked.expires_at)),
    ])
}
