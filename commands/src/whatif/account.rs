//! A history as it stands, and as the strategy has seen it so far.
//!
//! The executor decides on the newest account; the strategy on what it had read when it decided, which lies some facts
//! behind. Both follow from one history, so the second state is the first with some facts still to come.

use super::WhatIfError;
use super::question::LimitChanges;
use std::collections::VecDeque;
use stele_domain::decider::Decider;
use stele_domain::port::event_log::Position;
use stele_domain::trading::account::{Account, Event, State};

/// Facts of one stream that no decision has seen.
const BEHIND_MAX: usize = 100_000;

/// One history of an aggregate.
pub(super) struct History<D: Decider> {
    /// What it leads to.
    pub(super) newest: D::State,
    /// What the strategy has seen of it.
    pub(super) seen: D::State,
    behind: VecDeque<(Position, D::Event)>,
}

impl<D: Decider> Default for History<D> {
    fn default() -> Self {
        Self { newest: D::State::default(), seen: D::State::default(), behind: VecDeque::new() }
    }
}

impl<D: Decider> History<D> {
    /// One more fact.
    pub(super) fn push(&mut self, at: Position, event: D::Event) -> Result<(), WhatIfError> {
        if self.behind.len() >= BEHIND_MAX {
            let what = "the facts that no decision has seen";
            return Err(WhatIfError::TooMuch { what, position: at, max: BEHIND_MAX });
        }
        self.newest = D::evolve(std::mem::take(&mut self.newest), &event);
        self.behind.push_back((at, event));
        Ok(())
    }

    /// The strategy has read as far as this place.
    pub(super) fn see_to(&mut self, to: Position) {
        while let Some((_, event)) = self.behind.pop_front_if(|(at, _)| *at <= to) {
            self.seen = D::evolve(std::mem::take(&mut self.seen), &event);
        }
    }
}

impl History<Account> {
    /// The same account under other limits, from now on.
    pub(super) fn under(&self, changes: &LimitChanges) -> Result<Self, WhatIfError> {
        let mut behind = VecDeque::with_capacity(self.behind.len());
        for (at, event) in &self.behind {
            behind.push_back((*at, changed(changes, event)?));
        }
        Ok(Self { newest: limited(&self.newest, changes)?, seen: limited(&self.seen, changes)?, behind })
    }
}

/// A fact under other limits: where limits are set, others are.
pub(super) fn changed(changes: &LimitChanges, event: &Event) -> Result<Event, WhatIfError> {
    if let Event::LimitsSet(set) = event {
        Ok(Event::LimitsSet(Box::new(changes.applied(set)?)))
    } else {
        Ok(event.clone())
    }
}

/// The limits that are known keep their versions and the moments from which they hold, and say something else: each takes
/// its own place again, and those after it follow.
fn limited(state: &State, changes: &LimitChanges) -> Result<State, WhatIfError> {
    let known: Vec<_> = state.limits().map(|set| changes.applied(set)).collect::<Result<_, _>>()?;
    let set_again = |state, set| Account::evolve(state, &Event::LimitsSet(Box::new(set)));
    Ok(known.into_iter().fold(state.clone(), set_again))
}
