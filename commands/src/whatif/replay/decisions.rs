//! Decisions: each recorded one is made again, as it was and as asked.

use super::{Replay, broken};
use crate::service::running;
use crate::strategy::{Known, Pending};
use crate::whatif::WhatIfError;
use crate::whatif::totals::Which;
use std::collections::VecDeque;
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::decider::Decider;
use stele_domain::event::Event as AnyEvent;
use stele_domain::ids::{CommandId, EventId};
use stele_domain::intents;
use stele_domain::intents::demand::Demand;
use stele_domain::port::event_log::{Position, StreamId};
use stele_domain::trading::account::State as AccountState;
use stele_domain::trading::strategy::command::Sight;
use stele_domain::trading::strategy::event::{Decided, ExecutionCommanded, Footing, Verdict};
use stele_domain::trading::strategy::{Command, Event, State, Strategy};

/// A recorded decision to act, until its order is read.
pub(super) struct Acting {
    command: CommandId,
    /// What the other strategy ordered.
    other: Ordered,
}

/// What the other strategy ordered.
enum Ordered {
    /// What the recorded one did: the question changes nothing for it, whatever this build makes of it.
    AsRecorded,
    /// This, or nothing.
    Own(Option<Box<ExecutionCommanded>>),
}

/// A decision, and the order that it gave.
struct Spoken {
    decided: Decided,
    order: Option<Box<ExecutionCommanded>>,
}

/// What a decision was about.
struct Asked {
    demand: Arc<Demand>,
    event: (EventId, Position),
    footing: Footing,
}

impl Replay {
    /// A decision: made again in both histories.
    pub(super) fn decided(
        &mut self,
        at: Position,
        stream: &StreamId,
        recorded: &Decided,
    ) -> Result<(), WhatIfError> {
        let asked = self.asked(at, stream, recorded)?;
        self.catch_up(&asked);
        if self.span.is_none() {
            return Ok(());
        }
        let Some(control) = self.again(at, stream, recorded, &asked, Which::Before)? else { return Ok(()) };
        let Some(other) = self.again(at, stream, recorded, &asked, Which::After)? else { return Ok(()) };
        let reproduced = control.decided == *recorded;
        // Where this build does not come to what was decided, only what the question changes is told from it.
        let as_recorded = !reproduced && alike(&control.decided, &other.decided);
        if !reproduced {
            self.totals.not_reproduced(at);
        }
        let after = if as_recorded { recorded } else { &other.decided };
        self.totals.decided(at, recorded, after)?;
        let command = CommandId::of_decision(recorded.decision_id);
        match (recorded.verdict, as_recorded) {
            (Verdict::Act, true) => {
                self.acting = Some(Acting { command, other: Ordered::AsRecorded });
            }
            (Verdict::Act, false) => {
                self.acting = Some(Acting { command, other: Ordered::Own(other.order) });
            }
            (Verdict::Skip { .. }, false) => {
                if let Some(order) = other.order {
                    self.order_that_was_not_given(at, *order)?;
                }
            }
            (Verdict::Skip { .. }, true) => {}
        }
        Ok(())
    }

    /// An order: a decision to act stands before it.
    pub(super) fn commanded(&mut self, at: Position, order: &ExecutionCommanded) {
        let acting = self.acting.take().filter(|acting| acting.command == order.command_id);
        if let Some(Acting { command, other }) = acting {
            let given = match other {
                Ordered::AsRecorded => Some(order.clone()),
                Ordered::Own(own) => own.map(|own| *own),
            };
            let same = given.as_ref() == Some(order);
            self.order_that_was_given(at, command, given, same);
        }
        if self.commanded.insert(order.command_id, order.clone()).is_none() {
            self.commanded_order.push_back(order.command_id);
        }
        while self.commanded_order.len() > super::COMMANDED_MAX {
            if let Some(oldest) = self.commanded_order.pop_front() {
                self.commanded.remove(&oldest);
                if let Some(other) = &mut self.other {
                    other.orders.remove(&oldest);
                }
            }
        }
    }

    /// The demand that a decision names. Those before it get none any more.
    fn asked(&mut self, at: Position, stream: &StreamId, recorded: &Decided) -> Result<Asked, WhatIfError> {
        let place = recorded.demand_position;
        let later = self.demands.split_off(&place.next());
        let earlier = std::mem::replace(&mut self.demands, later);
        let Some(record) = earlier.get(&place) else {
            return broken(at, stream, &format!("names a demand at {place}, where none stands"));
        };
        let read =
            codec::recorded(record).map_err(|source| WhatIfError::Unreadable { position: place, source })?;
        let AnyEvent::Intents(intents::event::Event::Intake(intents::intake::Event::DemandNormalised(
            demand,
        ))) = read.event
        else {
            return broken(at, stream, &format!("names a demand at {place}, where none stands"));
        };
        let footing = match &recorded.footing {
            Some(footing) => footing.clone(),
            None => self.supposed(recorded),
        };
        Ok(Asked { demand: Arc::new(demand), event: (read.event_id, place), footing })
    }

    /// What a decision of an old build stood on: what it would have, had the strategy gone on without a break.
    fn supposed(&mut self, recorded: &Decided) -> Footing {
        let place = recorded.demand_position;
        self.recorded.see_to(place);
        self.strategy.see_to(place);
        let waiting = |command: &&CommandId| !self.recorded.seen.knows(**command);
        let pending = self.commanded_order.iter().rev().take(PENDING_LOOKED_AT).filter(waiting);
        Footing {
            start: self.strategy.seen.starts(),
            account_to: Position::START,
            service_to: Position::START,
            pending: pending.copied().collect(),
            pricing: self.desk.pricing,
            finality_lag_ms: self.desk.finality_lag_ms,
        }
    }

    /// Both accounts, as far as the strategy had read them.
    fn catch_up(&mut self, asked: &Asked) {
        let (_, place) = asked.event;
        let account_to = asked.footing.account_to.max(place);
        self.recorded.see_to(account_to);
        self.strategy.see_to(asked.footing.service_to.max(place));
        if let Some(other) = &mut self.other {
            other.account.see_to(account_to);
        }
    }

    /// The decision once more, in one of the histories.
    fn again(
        &self,
        at: Position,
        stream: &StreamId,
        recorded: &Decided,
        asked: &Asked,
        which: Which,
    ) -> Result<Option<Spoken>, WhatIfError> {
        let mut footing = asked.footing.clone();
        let (account, balances): (&AccountState, _) = match (which, &self.other) {
            (Which::After, Some(other)) => {
                footing.pricing = self.question.pricing.applied(footing.pricing);
                (&other.account.seen, &other.balances)
            }
            (Which::Before, _) | (Which::After, None) => (&self.recorded.seen, &self.balances),
        };
        // What is named and does not stand there is another matter than what was not known.
        let price = recorded.price.as_ref().map(|named| self.prices.at(named.position));
        let inventory = recorded.inventory.as_ref().map(|named| balances.at(named.position));
        if price.as_ref().is_some_and(Option::is_none) || inventory.as_ref().is_some_and(Option::is_none) {
            return broken(at, stream, "names a price or balances where none stand");
        }
        let (price, inventory) = (price.flatten(), inventory.flatten());
        let known = Known {
            pair: &self.desk.pair,
            decimals: self.decimals,
            account,
            pending: &self.pending(&footing, which),
            running: running(self.strategy.seen.phase()),
            price,
            inventory,
        };
        let sight = known.sight(footing, &asked.demand, asked.event, recorded.decided_at);
        Ok(spoken(sight, recorded.footing.is_some()))
    }

    /// The orders that counted as open, as they were given in that history.
    fn pending(&self, footing: &Footing, which: Which) -> Pending {
        let given = |command: &CommandId| match (which, &self.other) {
            (Which::After, Some(other)) => match other.orders.get(command) {
                Some(order) => order.given.clone(),
                None => self.commanded.get(command).cloned(),
            },
            (Which::Before, _) | (Which::After, None) => self.commanded.get(command).cloned(),
        };
        Pending::of(footing.pending.iter().filter_map(given))
    }
}

/// How many orders a decision of an old build may have counted as pending.
const PENDING_LOOKED_AT: usize = 1_024;

fn spoken(sight: Sight, with_footing: bool) -> Option<Spoken> {
    // A strategy that remembers nothing: that this demand was not spoken on before is what the log says.
    let Ok(events) = Strategy::decide(&State::default(), Command::Decide(Box::new(sight)));
    let mut events: VecDeque<Event> = events.into();
    let Some(Event::Decided(mut decided)) = events.pop_front() else { return None };
    if !with_footing {
        decided.footing = None;
    }
    let order = match events.pop_front() {
        Some(Event::ExecutionCommanded(order)) => Some(order),
        Some(Event::Decided(_)) | None => None,
    };
    Some(Spoken { decided: *decided, order })
}

/// Whether two decisions say the same, whatever their margins were meant to be.
fn alike(one: &Decided, other: &Decided) -> bool {
    one.verdict == other.verdict && one.proposal == other.proposal
}
