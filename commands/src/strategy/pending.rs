//! Orders that were given and that the account has not spoken on yet: they count as open, so that a burst of demands
//! does not lead to orders that the account must refuse.
//!
//! It saves work and is no safety rule: that is the account's, which decides on each order by itself.

use crate::envelope::Outcome;
use crate::ledger::Answers;
use std::collections::BTreeMap;
use stele_domain::ids::CommandId;
use stele_domain::intents::demand::Demand;
use stele_domain::pair::Direction;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::{Event as AccountEvent, State as AccountState};
use stele_domain::trading::strategy::Strategy;
use stele_domain::trading::strategy::command::AccountView;
use stele_domain::trading::strategy::event::{Event, ExecutionCommanded};

/// How long an order counts without a word from the account, in milliseconds: an executor that is gone must not
/// keep the strategy from saying what it would do.
const COUNTS_MS_MAX: i64 = 5_000;
/// Most orders that are counted.
const PENDING_MAX: usize = 1_024;

/// Orders without a word from the account.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    orders: BTreeMap<CommandId, ExecutionCommanded>,
}

impl Pending {
    /// These orders, whoever gave them.
    pub(crate) fn of(orders: impl IntoIterator<Item = ExecutionCommanded>) -> Self {
        Self { orders: orders.into_iter().map(|order| (order.command_id, order)).collect() }
    }

    /// The orders that count as open at a moment.
    pub(crate) fn counting(&self, at: Timestamp) -> impl Iterator<Item = &ExecutionCommanded> {
        self.orders.values().filter(move |order| at.millis_since(order.commanded_at) <= COUNTS_MS_MAX)
    }

    /// Takes note of the orders that were given just now.
    pub(super) fn note(&mut self, answers: &Answers<Strategy>) {
        for event in answers.iter().flatten().flat_map(Outcome::events) {
            if let Event::ExecutionCommanded(order) = event
                && self.orders.len() < PENDING_MAX
            {
                self.orders.insert(order.command_id, (**order).clone());
            }
        }
        let newest = self.orders.values().map(|order| order.commanded_at).max();
        if let Some(newest) = newest {
            self.orders.retain(|_, order| newest.millis_since(order.commanded_at) <= COUNTS_MS_MAX);
        }
    }

    /// The account has spoken: the order is an open offer now, or none at all.
    pub(super) fn settle(&mut self, event: &AccountEvent) {
        if let AccountEvent::SubmissionStarted(started) = event {
            self.orders.remove(&started.command_id);
        } else if let AccountEvent::ExecutionRefused(refused) = event {
            self.orders.remove(&refused.command_id);
        } else if let AccountEvent::ExecutionExpired(expired) = event {
            self.orders.remove(&expired.command_id);
        }
    }

    /// The same for an account that was taken as it is now.
    pub(super) fn settle_all(&mut self, account: &AccountState) {
        self.orders.retain(|command_id, _| !account.knows(*command_id));
    }

    /// Counts the orders as if they were open offers.
    pub(crate) fn add_to(&self, account: &mut AccountView, demand: &Demand, at: Timestamp) {
        for order in self.counting(at) {
            account.open_offers = account.open_offers.saturating_add(1);
            if order.give.token == demand.token_out {
                account.reserved = account.reserved.plus(order.give.amount).unwrap_or(account.reserved);
            }
            if order.direction == demand.direction {
                let base = match order.direction {
                    Direction::BuyBase => order.receive.amount,
                    Direction::SellBase => order.give.amount,
                };
                account.open_base = account.open_base.plus(base).unwrap_or(account.open_base);
                account.open_notional =
                    account.open_notional.plus(order.notional).unwrap_or(account.open_notional);
            }
            if order.partner_id.is_some() && order.partner_id == demand.partner_id {
                account.partner_offers = account.partner_offers.saturating_add(1);
            }
        }
    }
}
