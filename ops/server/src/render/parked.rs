//! Parked events for people.

use super::harmless::harmless;
use super::table;
use super::units::moment;
use stele_api::dto::{ParkedAnswer, ParkedDetail, ParkedEvent, ParkedState};

/// What projections could not take in.
pub(crate) fn list(answer: &ParkedAnswer) -> String {
    if answer.parked.is_empty() {
        return "Every projection has taken in every event.".to_owned();
    }
    let mut table = table::framed(&["projection", "position", "event", "state", "tries", "what was wrong"]);
    for one in &answer.parked {
        table.add_row(row(one));
    }
    table.to_string()
}

/// One of them, and what was said of it.
pub(crate) fn detail(detail: &ParkedDetail) -> String {
    let one = &detail.parked;
    let mut table = table::framed(&["log", "when", "who", "it is", "why"]);
    for step in &detail.steps {
        table.add_row([
            step.log_position.to_string(),
            moment(step.at),
            harmless(&step.by),
            word(step.state).to_owned(),
            harmless(&step.reason),
        ]);
    }
    format!(
        "{} (version {}) lacks {} at position {}: {}\n\n{table}\n\nThe event itself: stele log get {}",
        one.projection,
        one.version,
        harmless(&one.event_type),
        one.position,
        word(one.state),
        one.position
    )
}

fn row(one: &ParkedEvent) -> [String; 6] {
    [
        one.projection.clone(),
        one.position.to_string(),
        harmless(&one.event_type),
        word(one.state).to_owned(),
        one.attempt.to_string(),
        harmless(&one.why),
    ]
}

fn word(state: ParkedState) -> &'static str {
    match state {
        ParkedState::Parked => "PARKED",
        ParkedState::Retried => "to be tried again",
        ParkedState::Skipped => "skipped",
    }
}
