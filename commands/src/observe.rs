//! Everything this crate says out loud. Wording, labels and fields are reviewed here and nowhere else.

mod announce;

pub use announce::announce;

use crate::access::RATE_LIMITED;
use crate::control::Fault;
use std::collections::BTreeMap;
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::ids::{Actor, CommandId, CorrelationId};
use stele_domain::intents::relay::event::ReplyReported;
use stele_domain::money::BasisPoints;
use stele_domain::operations::alert::event::Kind;
use stele_domain::port::event_log::{LogError, Position, Revision, StreamId};
use stele_domain::port::venue::Submission;
use stele_domain::time::Timestamp;
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

/// A state was written down beside its stream.
pub(crate) fn snapshot_kept(stream: &StreamId, position: Position, bytes: usize) {
    metrics::counter!("snapshots_kept_total").increment(1);
    tracing::debug!(event = "snapshot.kept", %stream, %position, bytes, "state written down");
}

/// A snapshot is not used; the stream is read from its beginning, which takes longer.
pub(crate) fn snapshot_passed_over(stream: &StreamId, position: Position, why: &'static str) {
    metrics::counter!("snapshots_passed_over_total").increment(1);
    tracing::info!(event = "snapshot.passed_over", %stream, %position, why, "the whole stream is read");
}

/// The log did not take a state, or did not say what it leads to.
pub(crate) fn snapshot_not_kept(error: &LogError) {
    let (error, transient) = (with_causes(error), error.is_transient());
    tracing::warn!(event = "snapshot.not_kept", error, transient, "state not written down");
}

/// The log lets this process write no states down, and it stops trying.
pub(crate) fn snapshots_refused(error: &LogError) {
    tracing::warn!(event = "snapshot.refused", %error, "no states are written down by this process: whoever starts reads more");
}

/// The log does not let this process read a stream whose state it writes down and compares. It is not asked again.
pub(crate) fn snapshots_unread(stream: &StreamId, error: &LogError) {
    tracing::error!(event = "snapshot.unread", %stream, %error, "the stream may not be read: its state can't be written down, nor compared");
}

/// A state is too large to be written down.
pub(crate) fn snapshot_too_large(stream: &StreamId, bytes: usize) {
    tracing::warn!(event = "snapshot.too_large", %stream, bytes, "state not written down");
}

/// A snapshot says something else than its stream.
pub(crate) fn snapshot_differs(stream: &StreamId, last: Revision) {
    tracing::error!(event = "snapshot.differs", %stream, revision = last.0, "a snapshot is not what its stream leads to");
}

/// The log said no to a service, which tries again.
pub(crate) fn log_failed(service: &'static str, error: &LogError) {
    metrics::counter!("service_log_failures_total", "service" => service).increment(1);
    let (error, transient) = (with_causes(error), error.is_transient());
    tracing::error!(event = "service.log_failed", service, error, transient, "event log failed");
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
    if connected {
        tracing::info!(
            event = "relay.connected",
            venue = VENUE,
            topic = "raw.near_intents.quote",
            "relay connected"
        );
    } else {
        tracing::warn!(
            event = "relay.disconnected",
            venue = VENUE,
            topic = "raw.near_intents.quote",
            reason,
            "relay connection lost"
        );
    }
}

/// Where offers go.
const VENUE: &str = "near-intents";

/// How long one reason for skipping quotes is not named again.
const SKIP_SILENCE_MS: i64 = 60_000;

/// What was said of skipped quotes: a reason is named when it comes up, then once a minute with its count. A busy
/// relay would fill the log with lines otherwise; every single skip is a fact in the event log.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    said: BTreeMap<&'static str, (Timestamp, u64)>,
}

impl Skips {
    /// How many skips to name now, this one included; none when the reason was named a moment ago.
    fn naming(&mut self, reason: &'static str, at: Timestamp) -> Option<u64> {
        let (said_at, silent) = self.said.entry(reason).or_insert((Timestamp::from_micros(0), 0));
        *silent = silent.saturating_add(1);
        if at.millis_since(*said_at) < SKIP_SILENCE_MS {
            return None;
        }
        *said_at = at;
        Some(std::mem::take(silent))
    }
}

/// The strategy has spoken.
pub(crate) fn decided(decided: &Decided, position: Option<Position>, skips: &mut Skips) {
    let (outcome, reason) = match decided.verdict {
        Verdict::Act => ("act", "act"),
        Verdict::Skip { reason } => ("skip", reason.code()),
    };
    metrics::counter!("decisions_total", "outcome" => outcome, "reason" => reason).increment(1);
    let waited = decided.decided_at.micros().saturating_sub(decided.received_at.micros());
    metrics::histogram!("quote_to_decision_seconds").record(seconds(waited));
    let count = match decided.verdict {
        Verdict::Act => Some(1),
        Verdict::Skip { reason } => skips.naming(reason.code(), decided.decided_at),
    };
    let Some(count) = count else { return };
    tracing::info!(
        event = "strategy.decided",
        venue = VENUE,
        topic = "decision.trade_decision",
        pair = %decided.pair,
        quote_id = %decided.quote_id,
        decision_id = %decided.decision_id,
        correlation_id = %CorrelationId::of_quote(&decided.quote_id).0,
        inventory_id = decided.inventory.as_ref().map(|seen| seen.event_id.to_string()),
        gross_edge_pct = decided.proposal.as_ref().map(|proposal| percent(proposal.gross_edge)),
        price_freshness_ms = decided.price.as_ref().map(|seen| seen.freshness_ms),
        position = position.map(|position| position.0),
        outcome,
        reason,
        count,
        "quote decided on"
    );
}

/// Decisions of one batch are on the log.
pub(crate) fn decisions_kept(count: usize, took: Duration) {
    metrics::histogram!("decision_seconds").record_many(took.as_secs_f64(), count);
}

/// Basis points in percent, as a text: `2.05`.
fn percent(edge: BasisPoints) -> String {
    let sign = if edge.0 < 0 { "-" } else { "" };
    let points = edge.0.unsigned_abs();
    format!("{sign}{}.{:02}", points / 100, points % 100)
}

/// An order was given.
pub(crate) fn commanded(order: &ExecutionCommanded, position: Option<Position>) {
    tracing::info!(
        event = "strategy.commanded",
        venue = VENUE,
        topic = "cmd.execute_trade",
        pair = %order.pair,
        quote_id = %order.quote_id,
        decision_id = %order.decision_id,
        command_id = %order.command_id,
        correlation_id = %CorrelationId::of_quote(&order.quote_id).0,
        position = position.map(|position| position.0),
        "execution commanded"
    );
}

/// An order was refused or came too late.
pub(crate) fn not_executed(event: &AccountEvent) {
    let (command_id, quote_id, code, detail) = match event {
        AccountEvent::ExecutionRefused(refused) => {
            (refused.command_id, &refused.quote_id, refused.code.code(), refused.detail.as_str())
        }
        AccountEvent::ExecutionExpired(expired) => (expired.command_id, &expired.quote_id, "expired", ""),
        AccountEvent::LeaseTaken(_)
        | AccountEvent::LeaseRenewed(_)
        | AccountEvent::LimitsSet(_)
        | AccountEvent::Armed(_)
        | AccountEvent::ArmRequested(_)
        | AccountEvent::ArmApproved(_)
        | AccountEvent::Disarmed(_)
        | AccountEvent::Killed(_)
        | AccountEvent::KillConfirmed(_)
        | AccountEvent::StandDownAsked(_)
        | AccountEvent::SubmissionStarted(_)
        | AccountEvent::SubmissionAbandoned(_)
        | AccountEvent::SubmissionAccepted(_)
        | AccountEvent::SubmissionRejected(_)
        | AccountEvent::SubmissionUncertain(_)
        | AccountEvent::ReplyContradicted(_)
        | AccountEvent::SubmissionSettled(_)
        | AccountEvent::SubmissionSettleFailed(_)
        | AccountEvent::SubmissionExpiredUnfilled(_)
        | AccountEvent::ReservationReleased(_) => return,
    };
    metrics::counter!("commands_total", "type" => "execute", "outcome" => code).increment(1);
    tracing::warn!(
        event = "executor.not_executed",
        venue = VENUE,
        topic = "exec.trade_result",
        %command_id,
        %quote_id,
        correlation_id = %CorrelationId::of_quote(quote_id).0,
        code,
        detail,
        "order not executed"
    );
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
    // What the venue took is a message; what it refused or never answered needs a look.
    if outcome == "accepted" {
        tracing::info!(
            event = "executor.submitted",
            venue = VENUE,
            topic = "exec.trade_result",
            pair = %started.pair,
            quote_id = %started.quote_id,
            decision_id = %started.decision_id,
            command_id = %started.command_id,
            execution_id = %started.prepared.quote_hash,
            quote_hash = %started.prepared.quote_hash,
            inventory_id = %started.inventory_event_id,
            correlation_id = %CorrelationId::of_quote(&started.quote_id).0,
            outcome,
            words,
            "offer submitted"
        );
    } else {
        tracing::warn!(
            event = "executor.submitted",
            venue = VENUE,
            topic = "exec.trade_result",
            pair = %started.pair,
            quote_id = %started.quote_id,
            decision_id = %started.decision_id,
            command_id = %started.command_id,
            execution_id = %started.prepared.quote_hash,
            quote_hash = %started.prepared.quote_hash,
            inventory_id = %started.inventory_event_id,
            correlation_id = %CorrelationId::of_quote(&started.quote_id).0,
            outcome,
            words,
            "offer not taken"
        );
    }
}

/// The relay spoke again of an offer, and the account took note; what only repeats the answer before is not told.
pub(crate) fn replied(command_id: CommandId, reply: &ReplyReported, events: &[AccountEvent]) {
    let Some(event) = events.first() else { return };
    let contradicted = matches!(event, AccountEvent::ReplyContradicted(_));
    let outcome = if contradicted { "contradicted" } else { reply.word.name() };
    tracing::warn!(
        event = "executor.replied",
        venue = VENUE,
        topic = "exec.trade_result",
        quote_id = %reply.quote_id,
        %command_id,
        quote_hash = %reply.quote_hash,
        correlation_id = %CorrelationId::of_quote(&reply.quote_id).0,
        outcome,
        words = reply.reply.as_str(),
        "the relay answered late, or otherwise than before"
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
fn seconds(micros: i64) -> f64 {
    micros.max(0) as f64 / 1_000_000.0
}

/// A person changed something.
pub(crate) fn controlled(action: &'static str, actor: &Actor, reason: &str) {
    metrics::counter!("commands_total", "type" => action, "outcome" => "done").increment(1);
    tracing::info!(event = "control.changed", action, %actor, reason, "control changed state");
}

/// A person's wish was refused.
pub(crate) fn refused(action: &'static str, code: &str, actor: &Actor) {
    metrics::counter!("commands_total", "type" => action, "outcome" => "refused").increment(1);
    tracing::warn!(event = "control.refused", action, code, %actor, "command refused");
}

/// A person's wish came to nothing for a reason that does not pass by itself: somebody has to mend it.
pub(crate) fn wish_failed(action: &'static str, fault: Fault, why: &str) {
    tracing::error!(event = "control.failed", action, ?fault, why, "the desk can't do what it was asked");
}

/// A refusal could not be recorded.
pub(crate) fn refusal_not_kept(why: &str) {
    tracing::error!(event = "control.refusal_not_kept", why, "refusal not recorded");
}

/// The desk was killed, and the proof of it is complete or not.
pub(crate) fn killed(open: usize, fenced: bool, took: Duration) {
    metrics::histogram!("kill_to_confirmed_seconds").record(took.as_secs_f64());
    tracing::warn!(event = "control.killed", open, fenced, took_ms = took.as_millis(), "killed");
}

/// The log did not take a kill. The fence stays closed, and the log is asked again.
pub(crate) fn kill_not_recorded(why: &str) {
    tracing::error!(
        event = "kill.not_recorded",
        why,
        "the log did not take the kill; the fence stays closed until it does"
    );
}

/// The log has taken a kill that it did not take at first.
pub(crate) fn kill_recorded_late() {
    tracing::warn!(event = "kill.recorded_late", "the log has taken the kill");
}

/// A key was taken back, and keys that were made with it are still taken.
pub(crate) fn keys_left(key_id: &str, left: &[String]) {
    tracing::warn!(
        event = "access.keys_left",
        key_id,
        left = left.join(" "),
        "keys that the revoked key made are still taken"
    );
}

/// Whether an alert is raised now, changed or not.
pub(crate) fn alert_stands(kind: Kind, raised: bool) {
    metrics::gauge!("alert_raised", "kind" => kind.name()).set(if raised { 1.0 } else { 0.0 });
}

/// An alert was raised or cleared.
pub(crate) fn alert(kind: Kind, raised: bool, detail: &str) {
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

/// This instance signs from now on.
pub(crate) fn leads(instance: &str, epoch: u64) {
    metrics::gauge!("executor_leads").set(1.0);
    tracing::info!(event = "lease.taken", instance, epoch, "the signing lease is taken; disarmed");
}

/// Another instance signs; this one waits for the end of its lease.
pub(crate) fn stands_by(instance: &str, holder: &str, until: Timestamp) {
    metrics::gauge!("executor_leads").set(0.0);
    tracing::info!(event = "lease.awaited", instance, holder, %until, "standby: another executor has the lease");
}

/// The lease was given back at a clean end.
pub(crate) fn lease_given_back(instance: &str, epoch: u64) {
    metrics::gauge!("executor_leads").set(0.0);
    tracing::info!(event = "lease.given_back", instance, epoch, "the signing lease is given back");
}

/// The lease was not given back at a clean end.
pub(crate) fn lease_kept(instance: &str, epoch: u64, why: &dyn std::fmt::Display) {
    tracing::warn!(event = "lease.kept", instance, epoch, %why, "the signing lease is kept, and runs out by itself");
}

/// Another instance has taken the lease.
pub(crate) fn lease_lost(epoch: u64, why: &str) {
    metrics::gauge!("executor_leads").set(0.0);
    tracing::error!(event = "lease.lost", epoch, why, "the signing lease is lost: nothing is sent any more");
}

/// No frame leaves any more, and the log says so.
pub(crate) fn kill_confirmed(epoch: u64) {
    tracing::warn!(event = "kill.confirmed", epoch, "no frame leaves any more");
}

/// A kill waits for a frame that is being written.
pub(crate) fn frame_stuck() {
    tracing::error!(
        event = "kill.waits",
        "a frame has been on its way out for too long; the kill waits for it"
    );
}

/// The tables can't be kept, and the strategy waits for them.
pub(crate) fn tables_away(why: &str) {
    metrics::counter!("strict_pauses_total").increment(1);
    tracing::error!(event = "tables.away", why, "the tables can't be kept: the strategy is paused");
}

/// The tables are kept again, and the strategy goes on.
pub(crate) fn tables_back() {
    tracing::info!(event = "tables.back", "the tables are kept again: the strategy goes on");
}

/// Somebody tried something that left no other fact.
pub(crate) fn attempted(action: &'static str, code: &'static str) {
    metrics::counter!("access_attempts_total", "action" => action, "code" => code).increment(1);
}

/// A caller got no further than the door.
pub(crate) fn turned_away(code: &'static str) {
    if code == RATE_LIMITED {
        metrics::counter!("rate_limited_total").increment(1);
    } else {
        metrics::counter!("auth_refusals_total", "code" => code).increment(1);
    }
}

/// The first stranger of an address within a minute.
pub(crate) fn stranger(address: &str, code: &'static str, key_id: Option<&str>) {
    tracing::warn!(
        event = "access.stranger",
        address,
        code,
        key_id,
        "request without a valid credential refused"
    );
}

/// Attempts that the log could not take in time; their number is kept.
pub(crate) fn attempts_unkept(code: &str, count: u64) {
    metrics::counter!("access_attempts_unkept_total").increment(count);
    tracing::error!(event = "access.attempts_unkept", code, count, "attempts not kept one by one");
}

/// The keys changed, and the doors of this process will know a moment later.
pub(crate) fn keys_not_loaded(why: &dyn std::fmt::Display) {
    tracing::error!(event = "access.keys_not_loaded", %why, "keys not read anew");
}
