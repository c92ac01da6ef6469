//! Every metric of this crate, shown from the start with its meaning. What moves them is in `observe.rs`.

use crate::access::{BAD_KEY, EXPIRED_KEY, FORBIDDEN, NO_CREDENTIAL, REVOKED_KEY};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use stele_domain::operations::service::event::Service;
use stele_domain::trading::account::event::RefusalCode;
use stele_domain::trading::gate::Reason;

/// What a person may ask for, as it stands in labels.
const ACTIONS: [&str; 9] =
    ["arm", "disarm", "kill", "set_limits", "set_filter", "reset_filter", "pause", "resume", "drain"];

/// Shows every metric of this crate from the start, and says what it means. A counter that appears with its first
/// event has no increase that an alert could see.
pub fn announce() {
    describe();
    for action in ACTIONS {
        for outcome in ["done", "refused"] {
            counter!("commands_total", "type" => action, "outcome" => outcome).increment(0);
        }
    }
    let refusals = RefusalCode::ALL.into_iter().map(RefusalCode::code);
    for outcome in refusals.chain(["expired", "accepted", "rejected", "abandoned", "uncertain"]) {
        counter!("commands_total", "type" => "execute", "outcome" => outcome).increment(0);
    }
    counter!("decisions_total", "outcome" => "act", "reason" => "act").increment(0);
    for reason in Reason::ALL {
        counter!("decisions_total", "outcome" => "skip", "reason" => reason.code()).increment(0);
    }
    for service in Service::ALL {
        for name in [
            "service_log_failures_total",
            "service_unreadable_events_total",
            "service_commands_refused_total",
        ] {
            counter!(name, "service" => service.name()).increment(0);
        }
    }
    counter!("service_unreadable_events_total", "service" => "alerts").increment(0);
    for code in [NO_CREDENTIAL, BAD_KEY, EXPIRED_KEY, REVOKED_KEY, FORBIDDEN] {
        counter!("auth_refusals_total", "code" => code).increment(0);
    }
    for name in [
        "commands_conflicts_total",
        "quotes_filtered_total",
        "quotes_lost_total",
        "inventory_read_again_total",
        "rate_limited_total",
        "access_attempts_unkept_total",
        "strict_pauses_total",
        "snapshots_kept_total",
        "snapshots_passed_over_total",
    ] {
        counter!(name).increment(0);
    }
    for name in ["decision_seconds", "quote_to_decision_seconds", "kill_to_confirmed_seconds"] {
        let _ = histogram!(name);
    }
}

fn describe() {
    describe_counter!("commands_events_recorded_total", "Facts that were recorded, by aggregate.");
    describe_counter!(
        "commands_conflicts_total",
        "Decisions that were made again because the stream had moved."
    );
    describe_counter!(
        "commands_total",
        "Commands of persons, and orders to the executor, by what came of them."
    );
    describe_counter!("service_log_failures_total", "Times the event log said no to a service.");
    describe_counter!(
        "service_unreadable_events_total",
        "Events that a service could not read and passed over."
    );
    describe_counter!("service_commands_refused_total", "A service's own commands that a rule refused.");
    describe_counter!("quotes_filtered_total", "Requests that the pair filter did not let through.");
    describe_counter!("quotes_lost_total", "Frames that were lost because the event log did not take them.");
    describe_counter!(
        "inventory_read_again_total",
        "Readings begun anew because an offer was fixed meanwhile."
    );
    describe_counter!("decisions_total", "Decisions, and why a quote was skipped.");
    describe_histogram!("decision_seconds", "Time from taking up a demand to its decision being on the log.");
    describe_histogram!(
        "quote_to_decision_seconds",
        "Time from the request's arrival to the decision on it."
    );
    describe_histogram!(
        "kill_to_confirmed_seconds",
        "Time from a kill to the proof that no frame can leave."
    );
    describe_counter!("auth_refusals_total", "Callers that got no further than the door, and why.");
    describe_counter!(
        "rate_limited_total",
        "Requests that were turned away because the caller asks too often."
    );
    describe_counter!("access_attempts_total", "Attempts that left no other fact, by action and code.");
    describe_counter!(
        "access_attempts_unkept_total",
        "Attempts that the log could not take in time; their number is kept."
    );
    describe_counter!(
        "strict_pauses_total",
        "Times the strategy was paused because the tables could not be kept."
    );
    describe_counter!("snapshots_kept_total", "States that were written down beside their streams.");
    describe_counter!(
        "snapshots_passed_over_total",
        "Snapshots that were not used, so that a whole stream was read instead."
    );
    describe_gauge!("executor_leads", "1 while this process's executor has the lease, 0 while it stands by.");
    describe_gauge!("alert_raised", "1 while the desk itself has an alert raised.");
}
