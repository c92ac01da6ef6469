//! Everything this crate says out loud. Wording, labels and fields are reviewed here and nowhere else.

use stele_domain::ids::Actor;
use stele_domain::operations::alert::event::Kind;
use stele_domain::port::event_log::{LogError, Position, StreamId};
use stele_domain::port::venue::Submission;
use stele_domain::trading::account::event::{Event as AccountEvent, SubmissionStarted};
use stele_domain::trading::strategy::event::{Decided, ExecutionCommanded, Verdict};

/// Facts were recorded.
pub(crate) fn recorded(aggregate: &'static str, events: usize) {
    let count = u64::try_from(events).unwrap_or(u64::MAX);
    metrics::counter!("commands_events_recorded_total", "aggregate" => aggregate).increment(count);
}

/// Somebody wrote to the stream while we decided.
pub(crate) fn lost_the_race(stream: &StreamId) {
    metrics::counter!("commands_conflicts_total").increment(1);
    tracing::debug!(event = "commands.conflict", %stream, "history moved while deciding");
}

/// The log said no to a service, which tries again.
pub(crate) fn log_failed(service: &'static str, error: &LogError) {
    metrics::counter!("service_log_failures_total", "service" => service).increment(1);
    tracing::error!(event = "service.log_failed", service, %error, transient = error.is_transient(), "event log failed");
}

/// An event on the log can't be read by a reactor, which goes on after it.
pub(crate) fn unreadable(service: &'static str, position: Position, error: &dyn std::fmt::Display) {
    metrics::counter!("service_unreadable_events_total", "service" => service).increment(1);
    tracing::error!(event = "service.unreadable_event", service, %position, %error, "event skipped");
}

/// A rule said no to a service's own command.
pub(crate) fn rejected(service: &'static str, rejection: &dyn std::fmt::Debug) {
    metrics::counter!("service_commands_refused_total", "service" => service).increment(1);
    tracing::warn!(event = "service.command_refused", service, ?rejection, "command refused");
}

/// Requests that the pair filter did not let through.
pub(crate) fn filtered(count: u64) {
    metrics::counter!("quotes_filtered_total").increment(count);
}

/// Frames that were lost because the log did not take them.
pub(crate) fn frames_lost(count: u64) {
    metrics::counter!("quotes_lost_total").increment(count);
    tracing::error!(event = "ingest.frames_lost", count, "frames lost: the event log did not take them");
}

/// The relay connection changed.
pub(crate) fn relay_link(connected: bool, reason: &str) {
    metrics::gauge!("relay_connected").set(if connected { 1.0 } else { 0.0 });
    if connected {
        tracing::info!(event = "relay.connected", venue = "near-intents", "relay connected");
    } else {
        metrics::counter!("subscription_reconnects_total").increment(1);
        tracing::warn!(event = "relay.disconnected", venue = "near-intents", reason, "relay connection lost");
    }
}

/// The strategy has spoken.
pub(crate) fn decided(decided: &Decided) {
    let (outcome, reason) = match decided.verdict {
        Verdict::Act => ("act", "act"),
        Verdict::Skip { reason } => ("skip", reason.code()),
    };
    metrics::counter!("decisions_total", "outcome" => outcome, "reason" => reason).increment(1);
    let waited_ms = decided.decided_at.millis_since(decided.received_at);
    metrics::histogram!("quote_to_decision_seconds").record(seconds(waited_ms));
    if let Verdict::Skip { reason } = decided.verdict {
        tracing::debug!(
            event = "strategy.skipped",
            pair = %decided.pair,
            quote_id = %decided.quote_id,
            decision_id = %decided.decision_id,
            reason = reason.code(),
            "quote skipped"
        );
    }
}

/// An order was given.
pub(crate) fn commanded(order: &ExecutionCommanded) {
    tracing::info!(
        event = "strategy.commanded",
        pair = %order.pair,
        quote_id = %order.quote_id,
        decision_id = %order.decision_id,
        command_id = %order.command_id,
        "execution commanded"
    );
}

/// An order was refused or came too late.
pub(crate) fn not_executed(event: &AccountEvent) {
    let (command_id, code, detail) = match event {
        AccountEvent::ExecutionRefused(refused) => {
            (refused.command_id, refused.code.code(), refused.detail.as_str())
        }
        AccountEvent::ExecutionExpired(expired) => (expired.command_id, "expired", ""),
        AccountEvent::LeaseTaken(_)
        | AccountEvent::LeaseRenewed(_)
        | AccountEvent::LimitsSet(_)
        | AccountEvent::Armed(_)
        | AccountEvent::Disarmed(_)
        | AccountEvent::Killed(_)
        | AccountEvent::SubmissionStarted(_)
        | AccountEvent::SubmissionAbandoned(_)
        | AccountEvent::SubmissionAccepted(_)
        | AccountEvent::SubmissionRejected(_)
        | AccountEvent::SubmissionUncertain(_)
        | AccountEvent::SubmissionSettled(_)
        | AccountEvent::SubmissionSettleFailed(_)
        | AccountEvent::SubmissionExpiredUnfilled(_)
        | AccountEvent::ReservationReleased(_) => return,
    };
    metrics::counter!("commands_total", "type" => "execute", "outcome" => code).increment(1);
    tracing::warn!(event = "executor.not_executed", %command_id, code, detail, "order not executed");
}

/// An offer left the house, or did not.
pub(crate) fn submitted(started: &SubmissionStarted, submission: &Submission) {
    let (outcome, words) = match submission {
        Submission::Accepted { reply } => ("accepted", reply),
        Submission::Refused { reply, .. } => ("rejected", reply),
        Submission::NotSent { reason } => ("abandoned", reason),
        Submission::Unknown { reason } => ("uncertain", reason),
    };
    metrics::counter!("commands_total", "type" => "execute", "outcome" => outcome).increment(1);
    tracing::info!(
        event = "executor.submitted",
        venue = "near-intents",
        pair = %started.pair,
        quote_id = %started.quote_id,
        decision_id = %started.decision_id,
        command_id = %started.command_id,
        quote_hash = %started.prepared.quote_hash,
        outcome,
        words,
        "offer submitted"
    );
}

/// A stopping executor leaves replies unheard; the next one looks them up.
pub(crate) fn left_in_flight(count: usize) {
    tracing::warn!(event = "executor.left_in_flight", count, "stopped before all replies were in");
}

/// A result could not be recorded; the next start finds the offer without one and looks it up.
pub(crate) fn result_lost(failure: &dyn std::fmt::Display) {
    tracing::error!(event = "executor.result_lost", %failure, "result not recorded");
}

/// Metrics are the one place where time is a float.
#[expect(clippy::cast_precision_loss, reason = "a histogram bucket does not need 52 bits")]
fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1_000.0
}

/// A person changed something.
pub(crate) fn controlled(action: &'static str, actor: &Actor, reason: &str) {
    metrics::counter!("commands_total", "type" => action, "outcome" => "done").increment(1);
    tracing::info!(event = "control.changed", action, %actor, reason, "control changed state");
}

/// A person's wish was refused.
pub(crate) fn refused(action: &'static str, code: &'static str, actor: &Actor) {
    metrics::counter!("commands_total", "type" => action, "outcome" => "refused").increment(1);
    tracing::warn!(event = "control.refused", action, code, %actor, "command refused");
}

/// A refusal could not be recorded.
pub(crate) fn refusal_not_kept(why: &str) {
    tracing::error!(event = "control.refusal_not_kept", why, "refusal not recorded");
}

/// The desk was killed.
pub(crate) fn killed(open: usize, fenced: bool) {
    metrics::gauge!("arm_state").set(-1.0);
    tracing::warn!(event = "control.killed", open, fenced, "killed");
}

/// An alert was raised or cleared.
pub(crate) fn alert(kind: Kind, raised: bool, detail: &str) {
    metrics::gauge!("alert_raised", "kind" => kind.name()).set(if raised { 1.0 } else { 0.0 });
    if raised {
        tracing::warn!(event = "alert.raised", kind = kind.name(), detail, "alert raised");
    } else {
        tracing::info!(event = "alert.cleared", kind = kind.name(), detail, "alert cleared");
    }
}

/// An offer was fixed while the verifier was read; the reading is begun anew.
pub(crate) fn read_again(height: u64) {
    metrics::counter!("inventory_read_again_total").increment(1);
    tracing::debug!(event = "inventory.read_again", height, "an offer was fixed meanwhile");
}
