//! Orders of the other history: what its executor is told, what its account says, and what becomes of its offers.

use super::question::{Desk, Fills};
use crate::executor::{balances_for, deadlines};
use std::collections::BTreeMap;
use stele_domain::decider::Decider;
use stele_domain::ids::{QuoteHash, TokenId};
use stele_domain::market::reference::event::ReferencePriced;
use stele_domain::money::Units;
use stele_domain::port::event_log::Position;
use stele_domain::port::venue::{ExactSide, PreparedOffer, TokenAmount};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::{Command, Execute, SeenPrice, WordedOffer};
use stele_domain::trading::account::event::{RefusalCode, SubmissionStarted};
use stele_domain::trading::account::{Account, Event, State};
use stele_domain::trading::strategy::command::Seen;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;

/// What the executor knew when it came to an order.
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) epoch: u64,
    pub(super) paused: bool,
    pub(super) clock_offset_ms: i64,
    pub(super) balances: Option<Seen<BalancesObserved>>,
    pub(super) price: Option<Seen<ReferencePriced>>,
    pub(super) words: Option<WordedOffer>,
}

impl Moment {
    /// What the account says of an order; none when it knows it already.
    pub(super) fn carry_out(
        &self,
        account: &State,
        desk: &Desk,
        order: &ExecutionCommanded,
        position: Position,
    ) -> Option<Event> {
        let seen = self.balances.as_ref();
        let execute = Execute {
            order: order.clone(),
            pair: desk.pair.clone(),
            command_position: position,
            epoch: self.epoch,
            paused: self.paused,
            balances: seen.map(|seen| balances_for(order, &desk.pair, seen.event_id, &seen.fact)),
            price: self
                .price
                .as_ref()
                .map(|seen| SeenPrice { event_id: seen.event_id, verdict: seen.fact.verdict.clone() }),
            clock_offset_ms: self.clock_offset_ms,
            offer: self.words.clone().map_or_else(|| words(desk, order, seen, self.at), Ok),
            at: self.at,
        };
        let events = Account::decide(account, Command::Execute(Box::new(execute)));
        events.ok()?.into_iter().next()
    }
}

/// Words for an offer that was never made. Nobody signs them; all that must hold of them is that no two are alike.
fn words(
    desk: &Desk,
    order: &ExecutionCommanded,
    balances: Option<&Seen<BalancesObserved>>,
    at: Timestamp,
) -> Result<WordedOffer, String> {
    let salt = balances.map(|seen| seen.fact.salt.clone()).ok_or("no balances are known")?;
    let name = format!("what-if {}", order.command_id);
    let quote_hash = QuoteHash::try_from(name.clone()).map_err(|error| error.to_string())?;
    let (offer_deadline, nonce_deadline) = deadlines(order, (desk.offer_margin_ms, desk.nonce_margin_ms), at);
    let prepared =
        PreparedOffer { message: String::new(), nonce: name, recipient: String::new(), quote_hash };
    Ok(WordedOffer { prepared, salt, offer_deadline, nonce_deadline })
}

/// The words of an offer that was made.
pub(super) fn words_of(started: &SubmissionStarted) -> WordedOffer {
    WordedOffer {
        prepared: started.prepared.clone(),
        salt: started.salt.clone(),
        offer_deadline: started.offer_deadline,
        nonce_deadline: started.nonce_deadline,
    }
}

/// Whether a refusal follows from what the account, its limits, prices and balances were, and so may be another under
/// others. The rest came from outside: another lease, a pause, a kill, a venue that would not have it.
pub(super) fn follows_from_limits(code: RefusalCode) -> bool {
    match code {
        RefusalCode::LimitsChanged
        | RefusalCode::InsufficientInventory
        | RefusalCode::InventoryStale
        | RefusalCode::NoRoom
        | RefusalCode::NotReducing
        | RefusalCode::CoolingDown
        | RefusalCode::TermsDisagree
        | RefusalCode::PriceDisagrees => true,
        RefusalCode::Disarmed
        | RefusalCode::Killed
        | RefusalCode::LeaseLost
        | RefusalCode::QuoteTaken
        | RefusalCode::VenueBlocked
        | RefusalCode::ClockSkew
        | RefusalCode::CannotOffer
        | RefusalCode::Paused => false,
    }
}

/// An order of the other history, or a recorded one whose outcome both histories wait for.
pub(super) struct Order {
    /// Where it stands.
    pub(super) position: Position,
    /// As the other strategy gave it; none when it would not have.
    pub(super) given: Option<ExecutionCommanded>,
    /// Whether it stands in the log: then its outcome is recorded, and comes at the moment that is recorded.
    pub(super) recorded: bool,
    /// Whether it is word for word the recorded one.
    pub(super) same: bool,
    /// Whether its outcome is known. A recorded one is kept a while longer: a decision may name it as pending.
    pub(super) done: bool,
}

/// An offer of the other history that is not word for word a recorded one: nobody knows what would have become of it.
pub(super) struct Hypothetical {
    pub(super) receive: TokenAmount,
    pub(super) give: TokenAmount,
    exact: ExactSide,
    closes_at: Timestamp,
    /// What was offered in the same auction.
    recorded: Option<(TokenAmount, TokenAmount)>,
    /// Whether a block has shown that the recorded one was taken.
    pub(super) recorded_taken: bool,
}

impl Hypothetical {
    pub(super) fn of(started: &SubmissionStarted, recorded: Option<&SubmissionStarted>) -> Self {
        Self {
            receive: started.receive.clone(),
            give: started.give.clone(),
            exact: started.exact,
            closes_at: started.closes_at.unwrap_or(started.offer_deadline),
            recorded: recorded.map(|made| (made.receive.clone(), made.give.clone())),
            recorded_taken: false,
        }
    }

    /// Whether the model takes it to be executed by a block.
    pub(super) fn taken(&self, model: Fills, block_at: Timestamp) -> bool {
        match model {
            Fills::None => false,
            Fills::All => block_at >= self.closes_at,
            Fills::Recorded => self.recorded_taken && self.is_no_worse(),
        }
    }

    /// Whether the taker gets as much, or pays as little, as of the recorded offer.
    fn is_no_worse(&self) -> bool {
        let Some((receive, give)) = &self.recorded else { return false };
        match self.exact {
            ExactSide::In => self.give.amount >= give.amount,
            ExactSide::Out => self.receive.amount <= receive.amount,
        }
    }
}

/// How far the balances of the other history are from the recorded ones.
#[derive(Debug, Default)]
pub(super) struct Moved {
    by_token: BTreeMap<TokenId, (Units, Units)>,
}

impl Moved {
    /// An offer was executed here and not there.
    pub(super) fn executed(&mut self, receive: &TokenAmount, give: &TokenAmount) {
        self.add(receive, give);
    }

    /// One was executed there and not here.
    pub(super) fn not_executed(&mut self, receive: &TokenAmount, give: &TokenAmount) {
        self.add(give, receive);
    }

    fn add(&mut self, more: &TokenAmount, less: &TokenAmount) {
        let of_more = self.by_token.entry(more.token.clone()).or_default();
        of_more.0 = of_more.0.plus(more.amount).unwrap_or(of_more.0);
        let of_less = self.by_token.entry(less.token.clone()).or_default();
        of_less.1 = of_less.1.plus(less.amount).unwrap_or(of_less.1);
    }

    /// The recorded balances as they would have been. Never below zero: what was withdrawn for real stays withdrawn.
    pub(super) fn applied(&self, fact: &BalancesObserved) -> BalancesObserved {
        let mut fact = fact.clone();
        for (token, (more, less)) in &self.by_token {
            if let Some(credited) = fact.credited.get_mut(token) {
                *credited = credited.plus(*more).unwrap_or(*credited).minus_or_zero(*less);
            }
        }
        fact
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.by_token.values().all(|(more, less)| more == less)
    }
}
