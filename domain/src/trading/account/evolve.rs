//! How the account remembers.

use super::event::{ArmRequested, Armed, Event, LimitsSet, SubmissionStarted};
use super::state::{Arming, Fate, OpenOffer, Phase, RECENT_MAX, REQUESTS_MAX, Request, State};
use crate::ids::{CommandId, QuoteHash, QuoteId};
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
            state.withdraw();
        }
        Event::LeaseRenewed(renewed) => {
            if let Some(lease) = state.lease.as_mut().filter(|lease| lease.epoch == renewed.epoch) {
                lease.until = renewed.until;
            }
        }
        Event::LimitsSet(set) => state.limits = limits_after(state.limits, set),
        Event::Armed(armed) => state.armed(armed),
        Event::ArmRequested(asked) => state.asked(asked),
        Event::ArmApproved(approved) => {
            state.approved = true;
            let decided = |request: &&mut Request| request.asked.request_id == approved.request_id;
            if let Some(request) = state.requests.iter_mut().find(decided) {
                request.fate = Fate::Approved;
            }
        }
        Event::Disarmed(_) => {
            state.arming = Arming::Disarmed;
            state.withdraw();
        }
        Event::Killed(killed) => {
            state.arming = Arming::Killed { at: killed.at };
            (state.kill_confirmed, state.stand_down) = (None, None);
            state.withdraw();
        }
        Event::KillConfirmed(confirmed) => state.kill_confirmed = Some(confirmed.epoch),
        Event::StandDownAsked(asked) => state.stand_down = Some(Arc::new((**asked).clone())),
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
        Event::ReplyContradicted(fact) => state.contradicted(fact.command_id),
        Event::SubmissionSettleFailed(failed) => state.phase(failed.command_id, Phase::SettleFailed),
        Event::SubmissionSettled(settled) => {
            state.last_settled_at = state.last_settled_at.max(Some(settled.at));
        }
        // Results; the coin moves with the release that stands beside them.
        Event::SubmissionAbandoned(_) | Event::SubmissionExpiredUnfilled(_) => {}
        Event::ReservationReleased(released) => {
            if let Some(offer) = state.open.remove(&released.command_id) {
                let started = &offer.started;
                state.closed(started.prepared.quote_hash.clone(), started.quote_id.clone());
                state.finish(released.command_id, Some(started.quote_id.clone()));
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
    /// What a second person approved stays bound to the limits that they saw, also when it is held shorter.
    fn armed(&mut self, armed: &Armed) {
        let still =
            matches!(&self.arming, Arming::Armed(known) if known.limits_version == armed.limits_version);
        self.bound = std::mem::take(&mut self.approved) || (self.bound && still);
        self.arming = Arming::Armed(armed.clone());
    }

    /// Only the newest request can be approved.
    fn asked(&mut self, asked: &ArmRequested) {
        self.decide_waiting(Fate::Superseded);
        self.requests.push_back(Request { asked: Arc::new(asked.clone()), fate: Fate::Waiting });
        while self.requests.len() > REQUESTS_MAX {
            self.requests.pop_front();
        }
    }

    /// What was asked before things changed must be asked anew.
    fn withdraw(&mut self) {
        self.decide_waiting(Fate::Withdrawn);
    }

    fn decide_waiting(&mut self, fate: Fate) {
        for request in self.requests.iter_mut().filter(|request| request.fate == Fate::Waiting) {
            request.fate = fate;
        }
    }

    fn passed(&mut self, command: Position) {
        self.last_command = self.last_command.max(command);
    }

    fn started(&mut self, started: &SubmissionStarted) {
        self.passed(started.command_position);
        self.quotes.insert(started.quote_id.clone());
        let offer =
            OpenOffer { started: Arc::new(started.clone()), phase: Phase::Started, contradicted: false };
        self.open.insert(started.command_id, offer);
    }

    fn phase(&mut self, command: CommandId, phase: Phase) {
        if let Some(offer) = self.open.get_mut(&command) {
            offer.phase = phase;
        }
    }

    fn contradicted(&mut self, command: CommandId) {
        if let Some(offer) = self.open.get_mut(&command) {
            (offer.phase, offer.contradicted) = (Phase::Uncertain, true);
        }
    }

    fn closed(&mut self, hash: QuoteHash, quote: QuoteId) {
        self.closed.push_back((hash, quote));
        while self.closed.len() > RECENT_MAX {
            self.closed.pop_front();
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
