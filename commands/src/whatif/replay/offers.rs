//! Offers of the other history: recorded ones as far as they are the same, the rest by the account's own rules and a model
//! of what would have become of them.

use super::{Other, Replay};
use crate::service::running;
use crate::whatif::WhatIfError;
use crate::whatif::account::changed;
use crate::whatif::orders::{Hypothetical, Moment, Order, follows_from_limits, words_of};
use crate::whatif::report::Fate;
use crate::whatif::totals::Which;
use std::sync::Arc;
use stele_domain::decider::Decider;
use stele_domain::event::Recorded;
use stele_domain::ids::CommandId;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::{ApplyBalances, Command};
use stele_domain::trading::account::event::{ReleaseCause, ReservationReleased, SubmissionStarted};
use stele_domain::trading::account::{Account, Event};
use stele_domain::trading::strategy::command::Running;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::{BalancesObserved, NonceSeen};

impl Replay {
    /// An order that the other strategy alone gave: carried out as soon as those before it are.
    pub(super) fn order_that_was_not_given(
        &mut self,
        at: Position,
        order: ExecutionCommanded,
    ) -> Result<(), WhatIfError> {
        let (command, when) = (order.command_id, order.commanded_at);
        if let Some(other) = &mut self.other {
            let order = Order { position: at, given: Some(order), recorded: false, same: false, done: false };
            other.orders.insert(command, order);
            other.queue.push_back(command);
        }
        self.carry_out_what_waits(when)
    }

    /// An order that stands in the log; `given` is the other strategy's.
    pub(super) fn order_that_was_given(
        &mut self,
        at: Position,
        command: CommandId,
        given: Option<ExecutionCommanded>,
        same: bool,
    ) {
        if let Some(other) = &mut self.other {
            if given.is_some() {
                other.queue.push_back(command);
            }
            other.orders.insert(command, Order { position: at, given, recorded: true, same, done: false });
        }
    }

    /// A fact of the recorded account, before it is folded: what it means for the other one.
    pub(super) fn follow_account(&mut self, at: Position, event: &Event) -> Result<(), WhatIfError> {
        if self.other.is_none() {
            return Ok(());
        }
        match event {
            Event::SubmissionStarted(started) => self.executed(at, event, started.command_id, started.at),
            Event::ExecutionRefused(refused) => self.executed(at, event, refused.command_id, refused.at),
            Event::ExecutionExpired(expired) => self.executed(at, event, expired.command_id, expired.at),
            Event::SubmissionAbandoned(fact) => self.followed(at, event, fact.command_id),
            Event::SubmissionAccepted(fact) => self.followed(at, event, fact.command_id),
            Event::SubmissionRejected(fact) => self.followed(at, event, fact.command_id),
            Event::SubmissionUncertain(fact) => self.followed(at, event, fact.command_id),
            Event::ReplyContradicted(fact) => self.followed(at, event, fact.command_id),
            Event::SubmissionSettleFailed(fact) => self.followed(at, event, fact.command_id),
            Event::SubmissionSettled(fact) => {
                self.settled(fact.command_id);
                self.followed(at, event, fact.command_id)
            }
            Event::SubmissionExpiredUnfilled(fact) => self.followed(at, event, fact.command_id),
            Event::ReservationReleased(fact) => {
                if let Some(other) = &mut self.other {
                    other.counted.remove(&fact.command_id);
                }
                self.followed(at, event, fact.command_id)
            }
            // What persons did, and what ended by itself, happened in the other history too.
            Event::LeaseTaken(_)
            | Event::LeaseRenewed(_)
            | Event::LimitsSet(_)
            | Event::Armed(_)
            | Event::ArmRequested(_)
            | Event::ArmApproved(_)
            | Event::Disarmed(_)
            | Event::Killed(_)
            | Event::KillConfirmed(_)
            | Event::StandDownAsked(_) => {
                let event = changed(&self.question.limits, event)?;
                self.happens(at, event)
            }
        }
    }

    /// An order was carried out: what the other account says of its own, at the same moment.
    fn executed(
        &mut self,
        at: Position,
        event: &Event,
        command: CommandId,
        when: Timestamp,
    ) -> Result<(), WhatIfError> {
        let order = self.other.as_mut().and_then(|other| other.orders.get_mut(&command));
        let Some(order) = order.filter(|order| !order.done) else {
            // Given before the range began: the same in both.
            return self.happens(at, event.clone());
        };
        order.done = true;
        let (position, given, same) = (order.position, order.given.clone(), order.same);
        self.totals.executed(Which::Before, command, fate(event))?;
        if let Event::SubmissionStarted(started) = event {
            self.totals.offered(Which::Before, started);
        }
        let Some(given) = given else { return Ok(()) };
        if let Some(other) = &mut self.other {
            // Whatever stood before it was carried out when its turn came.
            other.queue.retain(|waiting| *waiting != command);
        }
        let answer = self.answer(event, (&given, position, same), when);
        if let Some(answer) = answer {
            let recorded =
                if let Event::SubmissionStarted(started) = event { Some(&**started) } else { None };
            self.begins(at, command, answer, recorded)?;
        }
        self.carry_out_what_waits(when)
    }

    /// What the other account says of its order, given what the recorded one said of its own.
    fn answer(
        &self,
        event: &Event,
        (given, position, same): (&ExecutionCommanded, Position, bool),
        when: Timestamp,
    ) -> Option<Event> {
        let other = self.other.as_ref()?;
        let mut moment = if let Event::SubmissionStarted(started) = event {
            self.moment_of(started)
        } else if let Event::ExecutionRefused(refused) = event {
            if !follows_from_limits(refused.code) {
                return Some(event.clone());
            }
            self.moment(refused.at)
        } else {
            self.moment(when)
        };
        if let Some(original) = self.commanded.get(&given.command_id) {
            let control = moment.carry_out(&self.recorded.newest, &self.desk, original, position);
            // Some of what the executor knew is not in the log: where that decided, its word stands for the same order.
            if same && !control.as_ref().is_some_and(|control| says_the_same(control, event)) {
                return Some(event.clone());
            }
        }
        moment.balances = match moment.balances {
            Some(seen) => other.balances.at(seen.position).or_else(|| other.balances.newest()),
            None => None,
        };
        let answer = moment.carry_out(&other.account.newest, &self.desk, given, position);
        // The same words for the same refusal: what they tell of amounts may lie outside what is known here.
        match answer {
            Some(answer) if same && says_the_same(&answer, event) => Some(event.clone()),
            answer => answer,
        }
    }

    /// What the executor knew when it fixed an offer, as far as that is recorded.
    fn moment_of(&self, started: &SubmissionStarted) -> Moment {
        let price = started.price_event_id.and_then(|id| self.prices.named(id));
        Moment {
            at: started.at,
            epoch: started.epoch,
            paused: false,
            // It agreed: the offer was fixed.
            clock_offset_ms: 0,
            balances: self.balances.named(started.inventory_event_id).or_else(|| self.balances.newest()),
            price: price.or_else(|| self.prices.newest()),
            words: Some(words_of(started)),
        }
    }

    /// What an executor would know at a moment.
    fn moment(&self, at: Timestamp) -> Moment {
        let balances = self.balances.newest();
        let offset_ms = |fact: &BalancesObserved| {
            fact.observed_at.millis_since(fact.block_at).saturating_sub(self.desk.finality_lag_ms)
        };
        Moment {
            at,
            epoch: self.recorded.newest.epoch(),
            paused: running(self.executor.phase()) != Running::Running,
            clock_offset_ms: balances.as_ref().map_or(0, |seen| offset_ms(&seen.fact)),
            balances,
            price: self.prices.newest(),
            words: None,
        }
    }

    /// Carries out the orders that the other strategy alone gave and that are next.
    fn carry_out_what_waits(&mut self, now: Timestamp) -> Result<(), WhatIfError> {
        loop {
            let next = self.other.as_ref().and_then(Other::next);
            let Some((command, given, position)) = next else { return Ok(()) };
            let mut moment = self.moment(given.commanded_at.max(now));
            if let Some(other) = &mut self.other {
                other.queue.pop_front();
                other.orders.remove(&command);
                moment.balances = other.balances.newest();
                let answer = moment.carry_out(&other.account.newest, &self.desk, &given, position);
                if let Some(answer) = answer {
                    self.begins(self.at, command, answer, None)?;
                }
            }
        }
    }

    /// The other account has spoken on an order.
    fn begins(
        &mut self,
        at: Position,
        command: CommandId,
        answer: Event,
        recorded: Option<&SubmissionStarted>,
    ) -> Result<(), WhatIfError> {
        self.totals.executed(Which::After, command, fate(&answer))?;
        if let Event::SubmissionStarted(started) = &answer {
            self.totals.offered(Which::After, started);
            if recorded != Some(&**started)
                && let Some(other) = &mut self.other
            {
                other.hypothetical.insert(command, Hypothetical::of(started, recorded));
            }
        }
        self.happens(at, answer)
    }

    /// A recorded fact about an offer.
    fn followed(&mut self, at: Position, event: &Event, command: CommandId) -> Result<(), WhatIfError> {
        let Some(other) = &mut self.other else { return Ok(()) };
        let Some(open) = other.account.newest.open().get(&command) else { return Ok(()) };
        if !other.hypothetical.contains_key(&command) {
            return self.happens(at, event.clone());
        }
        let give = open.started.give.clone();
        if let Event::ReservationReleased(fact) = event {
            if fact.cause != ReleaseCause::NeverSent {
                // When it ends is the model's, at the next balances.
                return Ok(());
            }
            other.hypothetical.remove(&command);
            let released = ReservationReleased { amount: give, ..fact.clone() };
            return self.happens(at, Event::ReservationReleased(released));
        }
        if matches!(event, Event::SubmissionSettled(_) | Event::SubmissionExpiredUnfilled(_)) {
            return Ok(());
        }
        // The relay and the executor would have done the same with other amounts.
        self.happens(at, event.clone())
    }

    /// A recorded offer was executed.
    fn settled(&mut self, command: CommandId) {
        let Some(open) = self.recorded.newest.open().get(&command) else { return };
        self.totals.settled(Which::Before, &open.started, false);
        if let Some(other) = &self.other
            && other.account.newest.open().contains_key(&command)
            && !other.hypothetical.contains_key(&command)
        {
            self.totals.settled(Which::After, &open.started, false);
        }
    }

    /// New balances: what they show of recorded offers that the other history does not have, and what the model says of
    /// its own.
    pub(super) fn look_at_balances(
        &mut self,
        recorded: &Recorded,
        fact: &Arc<BalancesObserved>,
    ) -> Result<(), WhatIfError> {
        let Some(other) = &mut self.other else { return Ok(()) };
        for seen in fact.nonces.iter().filter(|seen| seen.used) {
            let Some(open) = self.recorded.newest.open().get(&seen.command_id) else { continue };
            let same = !other.hypothetical.contains_key(&seen.command_id)
                && other.account.newest.open().contains_key(&seen.command_id);
            if same || !other.counted.insert(seen.command_id) {
                continue;
            }
            other.moved.not_executed(&open.started.receive, &open.started.give);
            if let Some(hypothetical) = other.hypothetical.get_mut(&seen.command_id) {
                hypothetical.recorded_taken = true;
            }
        }
        let mut nonces = vec![];
        for (command_id, hypothetical) in &other.hypothetical {
            let used = hypothetical.taken(self.question.fills, fact.block_at);
            if used {
                other.moved.executed(&hypothetical.receive, &hypothetical.give);
            }
            nonces.push(NonceSeen { command_id: *command_id, used });
        }
        let held =
            if other.moved.is_nothing() { Arc::clone(fact) } else { Arc::new(other.moved.applied(fact)) };
        other.balances.push(recorded.position, recorded.event_id, held);
        if nonces.is_empty() {
            return Ok(());
        }
        self.apply(recorded, fact, nonces)
    }

    /// Brings the hypothetical offers up to a block, by the account's own rules.
    fn apply(
        &mut self,
        recorded: &Recorded,
        fact: &BalancesObserved,
        nonces: Vec<NonceSeen>,
    ) -> Result<(), WhatIfError> {
        let Some(other) = &mut self.other else { return Ok(()) };
        let apply = ApplyBalances {
            event_id: recorded.event_id,
            height: fact.height,
            block_at: fact.block_at,
            nonces,
            tx_hashes: std::collections::BTreeMap::new(),
            release_margin_ms: self.desk.release_margin_ms,
            at: fact.observed_at,
        };
        let events = Account::decide(&other.account.newest, Command::ApplyBalances(Box::new(apply)));
        for event in events.unwrap_or_default() {
            if let Event::SubmissionSettled(settled) = &event {
                self.taken(settled.command_id);
            } else if let Event::ReservationReleased(released) = &event {
                self.gone(released.command_id);
            }
            self.happens(recorded.position, event)?;
        }
        Ok(())
    }

    /// The model takes an offer to be executed.
    fn taken(&mut self, command: CommandId) {
        let Some(other) = &self.other else { return };
        if let Some(open) = other.account.newest.open().get(&command) {
            self.totals.settled(Which::After, &open.started, true);
        }
    }

    fn gone(&mut self, command: CommandId) {
        if let Some(other) = &mut self.other {
            other.hypothetical.remove(&command);
        }
    }

    /// A fact of the other account.
    fn happens(&mut self, at: Position, event: Event) -> Result<(), WhatIfError> {
        match &mut self.other {
            Some(other) => other.account.push(at, event),
            None => Ok(()),
        }
    }
}

impl Other {
    /// The next order, where nothing recorded is awaited before it.
    fn next(&self) -> Option<(CommandId, ExecutionCommanded, Position)> {
        let command = self.queue.front()?;
        let order = self.orders.get(command).filter(|order| !order.recorded)?;
        Some((*command, order.given.clone()?, order.position))
    }
}

/// Whether the account came to the same: the same offer, or the same kind of no.
fn says_the_same(one: &Event, other: &Event) -> bool {
    if let (Event::SubmissionStarted(one), Event::SubmissionStarted(other)) = (one, other) {
        return one == other;
    }
    fate(one) == fate(other) && fate(one) != Fate::Unanswered
}

fn fate(event: &Event) -> Fate {
    if let Event::SubmissionStarted(_) = event {
        Fate::Offered
    } else if let Event::ExecutionRefused(refused) = event {
        Fate::Refused { code: refused.code }
    } else if let Event::ExecutionExpired(_) = event {
        Fate::Expired
    } else {
        Fate::Unanswered
    }
}
