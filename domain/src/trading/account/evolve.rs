//! How the account remembers.

use super::event::{Event, LimitsSet, SubmissionStarted};
use super::state::{Arming, OpenOffer, Phase, RECENT_MAX, State};
use crate::ids::{CommandId, QuoteId};
use crate::port::event_log::Position;
use std::sync::Arc;

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::LeaseTaken(taken) => {
            state.lease = Some(taken.clone());
            // A new executor starts disarmed; a killed account stays killed.
            if let Arming::Armed(_) = state.arming {
                state.arming = Arming::Disarmed;
            }
        }
        Event::LeaseRenewed(renewed) => {
            if let Some(lease) = state.lease.as_mut().filter(|lease| lease.epoch == renewed.epoch) {
                lease.until = renewed.until;
            }
        }
        Event::LimitsSet(set) => state.limits = limits_after(state.limits, set),
        Event::Armed(armed) => state.arming = Arming::Armed(armed.clone()),
        Event::Disarmed(_) => state.arming = Arming::Disarmed,
        Event::Killed(killed) => state.arming = Arming::Killed { at: killed.at },
        Event::ExecutionRefused(refused) => {
            state.passed(refused.command_position);
            state.finish(refused.command_id, None);
        }
        Event::ExecutionExpired(expired) => {
            state.passed(expired.command_position);
            state.finish(expired.command_id, None);
        }
        Event::SubmissionStarted(started) => state.started(started),
        Event::SubmissionAccepted(accepted) => state.phase(accepted.command_id, Phase::Accepted),
        Event::SubmissionRejected(rejected) => state.phase(rejected.command_id, Phase::Rejected),
        Event::SubmissionUncertain(uncertain) => state.phase(uncertain.command_id, Phase::Uncertain),
        Event::SubmissionSettleFailed(failed) => state.phase(failed.command_id, Phase::SettleFailed),
        Event::SubmissionSettled(settled) => {
            state.last_settled_at = state.last_settled_at.max(Some(settled.at));
        }
        // Results; the coin moves with the release that stands beside them.
        Event::SubmissionAbandoned(_) | Event::SubmissionExpiredUnfilled(_) => {}
        Event::ReservationReleased(released) => {
            if let Some(offer) = state.open.remove(&released.command_id) {
                state.finish(released.command_id, Some(offer.started.quote_id.clone()));
            }
            state.last_release_height = state.last_release_height.max(released.height.unwrap_or(0));
        }
    }
    state
}

/// Newer limits join the list; those that can never be in force again leave it.
fn limits_after(mut limits: Vec<Arc<LimitsSet>>, set: &LimitsSet) -> Vec<Arc<LimitsSet>> {
    limits.retain(|known| known.effective_from < set.effective_from);
    limits.push(Arc::new(set.clone()));
    let in_force = limits.iter().rposition(|known| known.effective_from <= set.at).unwrap_or(0);
    limits.split_off(in_force)
}

impl State {
    fn passed(&mut self, command: Position) {
        self.last_command = self.last_command.max(command);
    }

    fn started(&mut self, started: &SubmissionStarted) {
        self.passed(started.command_position);
        self.quotes.insert(started.quote_id.clone());
        let offer = OpenOffer { started: Arc::new(started.clone()), phase: Phase::Started };
        self.open.insert(started.command_id, offer);
    }

    fn phase(&mut self, command: CommandId, phase: Phase) {
        if let Some(offer) = self.open.get_mut(&command) {
            offer.phase = phase;
        }
    }

    fn finish(&mut self, command: CommandId, quote: Option<QuoteId>) {
        if !self.finished.insert(command) {
            return;
        }
        self.recent.push_back((command, quote));
        while self.recent.len() > RECENT_MAX {
            if let Some((command, quote)) = self.recent.pop_front() {
                self.finished.remove(&command);
                if let Some(quote) = quote {
                    self.quotes.remove(&quote);
                }
            }
        }
    }
}
