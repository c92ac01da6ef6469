//! What has happened so far, as the log tells it: a fold of the events that the desk shows to whoever follows.
//!
//! It is what the script waits on and what the view shows. The final numbers come from the desk's own tables and
//! from the simulator's journal, not from here.

use super::view::words;
use std::collections::{BTreeMap, VecDeque};
use stele_domain::event::Event;
use stele_domain::ids::{CommandId, QuoteId, TokenId};
use stele_domain::intents::demand::Demand;
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::intake::event::Event as Intake;
use stele_domain::market::event::Event as Market;
use stele_domain::market::reference::event::{
    Event as Reference, Fair, ReferencePriced, Verdict as PriceVerdict,
};
use stele_domain::money::{Decimals, Rounding, Share, Units};
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::{Event as Account, SubmissionStarted};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::gate::Reason;
use stele_domain::trading::strategy::event::{Decided, Event as Strategy, Verdict};
use stele_domain::treasury::event::Event as Treasury;
use stele_domain::treasury::inventory::event::Event as Inventory;
use stele_simulator::{BTC_LEGACY, EURE, NBTC};

/// Prices that are remembered for the sparkline.
const PRICES_MAX: usize = 120;

/// How far an offer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Fixed in the log, and perhaps on its way.
    Started,
    /// In the relay's auction.
    Accepted,
    /// The relay said no.
    Rejected,
    /// Nobody knows.
    Uncertain,
    /// Executed.
    Settled,
    /// Failed on chain.
    SettleFailed,
    /// Its time ran out.
    Expired,
    /// Never sent.
    Abandoned,
}

impl Fate {
    /// The name in tables and in the object for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Settled => "settled",
            Self::SettleFailed => "settle_failed",
            Self::Expired => "expired_unfilled",
            Self::Abandoned => "abandoned",
        }
    }

    /// The same for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Started => "on its way",
            Self::Accepted => "in the auction",
            Self::Rejected => "rejected",
            Self::Uncertain => "unknown",
            Self::Settled => "settled",
            Self::SettleFailed => "failed on chain",
            Self::Expired => "expired unfilled",
            Self::Abandoned => "never sent",
        }
    }
}

/// One offer.
#[derive(Debug, Clone)]
pub(crate) struct OfferSeen {
    pub terms: SubmissionStarted,
    pub fate: Fate,
    /// Whether its outcome was unknown at some time.
    pub was_uncertain: bool,
    /// Whether its coin is still reserved.
    pub open: bool,
}

/// What was decided on one quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Act,
    Skip(Reason),
}

/// Whether the account may make offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arming {
    Disarmed,
    Armed(Timestamp),
    Killed,
}

/// What the account holds of the pair's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub base: Units,
    pub quote: Units,
}

/// The balances by side.
pub(crate) fn held(credited: &BTreeMap<TokenId, Units>) -> Held {
    let of = |tokens: &[&str]| {
        let mine = credited.iter().filter(|(token, _)| tokens.contains(&token.as_str()));
        mine.fold(Units::ZERO, |sum, (_, units)| sum.plus(*units).unwrap_or(sum))
    };
    Held { base: of(&[NBTC, BTC_LEGACY]), quote: of(&[EURE]) }
}

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Story {
    pub position: Position,
    pub quotes: u64,
    pub decisions: u64,
    pub acted: u64,
    pub skipped: BTreeMap<Reason, u64>,
    pub decided: BTreeMap<QuoteId, Decision>,
    pub demands: BTreeMap<QuoteId, Demand>,
    pub offers: BTreeMap<CommandId, OfferSeen>,
    pub arming: Arming,
    pub limits_version: u64,
    pub epoch: u64,
    pub relay_connected: bool,
    pub price: Option<ReferencePriced>,
    /// Mid prices, newest last, in hundredths of the quote asset.
    pub mids: VecDeque<i128>,
    pub credited: BTreeMap<TokenId, Units>,
    /// What the first reading showed.
    pub began_with: Option<Held>,
    pub height: u64,
    /// From the socket to the decision, in microseconds, one per decision.
    pub decision_micros: Vec<u32>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            position: Position::START,
            quotes: 0,
            decisions: 0,
            acted: 0,
            skipped: BTreeMap::new(),
            decided: BTreeMap::new(),
            demands: BTreeMap::new(),
            offers: BTreeMap::new(),
            arming: Arming::Disarmed,
            limits_version: 0,
            epoch: 0,
            relay_connected: false,
            price: None,
            mids: VecDeque::new(),
            credited: BTreeMap::new(),
            began_with: None,
            height: 0,
            decision_micros: vec![],
        }
    }
}

impl Story {
    /// Takes in the next event of the log.
    pub(crate) fn take(&mut self, position: Position, event: &Event) {
        self.position = position;
        match event {
            Event::Market(Market::Reference(Reference::ReferencePriced(priced))) => self.priced(priced),
            Event::Treasury(Treasury::Inventory(Inventory::BalancesObserved(seen))) => {
                self.credited.clone_from(&seen.credited);
                self.began_with.get_or_insert_with(|| held(&seen.credited));
                self.height = seen.height;
            }
            Event::Intents(Intents::Intake(intake)) => self.asked(intake),
            Event::Intents(Intents::Relay(relay)) => {
                use stele_domain::intents::relay::event::Event as Relay;
                match relay {
                    Relay::RelayConnected(_) => self.relay_connected = true,
                    Relay::RelayDisconnected(_) => self.relay_connected = false,
                    Relay::FrameRejected(_) | Relay::SettlementReported(_) | Relay::ReplyReported(_) => {}
                }
            }
            Event::Trading(Trading::Strategy(Strategy::Decided(decided))) => self.decided(decided),
            Event::Trading(Trading::Account(fact)) => self.account(fact),
            Event::Trading(Trading::Strategy(Strategy::ExecutionCommanded(_)))
            | Event::Market(_)
            | Event::Treasury(_)
            | Event::Intents(Intents::Filter(_))
            | Event::Operations(_)
            | Event::Access(_) => {}
        }
    }

    fn priced(&mut self, priced: &ReferencePriced) {
        if let Some(fair) = fair(priced) {
            let mut hundredths = fair.rate.decimal();
            hundredths.rescale(2);
            self.mids.push_back(hundredths.mantissa());
            if self.mids.len() > PRICES_MAX {
                self.mids.pop_front();
            }
        }
        self.price = Some(priced.clone());
    }

    fn asked(&mut self, fact: &Intake) {
        match fact {
            Intake::QuoteReceived(_) => self.quotes = self.quotes.saturating_add(1),
            Intake::DemandNormalised(demand) => {
                self.demands.insert(demand.quote_id.clone(), demand.clone());
            }
            Intake::RequestRejected(_) | Intake::DuplicateReceived(_) => {}
        }
    }

    fn decided(&mut self, decided: &Decided) {
        self.decisions = self.decisions.saturating_add(1);
        let decision = match decided.verdict {
            Verdict::Act => {
                self.acted = self.acted.saturating_add(1);
                Decision::Act
            }
            Verdict::Skip { reason } => {
                let count = self.skipped.entry(reason).or_default();
                *count = count.saturating_add(1);
                Decision::Skip(reason)
            }
        };
        self.decided.insert(decided.quote_id.clone(), decision);
        let micros = decided.decided_at.micros().saturating_sub(decided.received_at.micros());
        self.decision_micros.push(u32::try_from(micros.max(0)).unwrap_or(u32::MAX));
    }

    fn account(&mut self, fact: &Account) {
        match fact {
            Account::LeaseTaken(lease) => {
                self.epoch = lease.epoch;
                // As the account itself has it: a new lease disarms, and a kill outlasts it.
                if self.arming != Arming::Killed {
                    self.arming = Arming::Disarmed;
                }
            }
            Account::LimitsSet(set) => self.limits_version = set.version,
            Account::Armed(armed) => self.arming = Arming::Armed(armed.until),
            Account::Disarmed(_) => self.arming = Arming::Disarmed,
            Account::Killed(_) => self.arming = Arming::Killed,
            Account::SubmissionStarted(started) => {
                let terms = (**started).clone();
                let seen = OfferSeen { terms, fate: Fate::Started, was_uncertain: false, open: true };
                self.offers.insert(started.command_id, seen);
            }
            Account::SubmissionAbandoned(fact) => self.fate(fact.command_id, Fate::Abandoned),
            Account::SubmissionAccepted(fact) => self.fate(fact.command_id, Fate::Accepted),
            Account::SubmissionRejected(fact) => self.fate(fact.command_id, Fate::Rejected),
            Account::SubmissionUncertain(fact) => self.doubt(fact.command_id),
            Account::ReplyContradicted(fact) => self.doubt(fact.command_id),
            Account::SubmissionSettled(fact) => self.fate(fact.command_id, Fate::Settled),
            Account::SubmissionSettleFailed(fact) => self.fate(fact.command_id, Fate::SettleFailed),
            Account::SubmissionExpiredUnfilled(fact) => self.fate(fact.command_id, Fate::Expired),
            Account::ReservationReleased(fact) => {
                if let Some(offer) = self.offers.get_mut(&fact.command_id) {
                    offer.open = false;
                }
            }
            Account::ArmRequested(_)
            | Account::ArmApproved(_)
            | Account::KillConfirmed(_)
            | Account::StandDownAsked(_)
            | Account::LeaseRenewed(_)
            | Account::ExecutionRefused(_)
            | Account::ExecutionExpired(_) => {}
        }
    }

    fn fate(&mut self, command_id: CommandId, fate: Fate) {
        if let Some(offer) = self.offers.get_mut(&command_id) {
            offer.fate = fate;
        }
    }

    /// Nobody knows what became of it.
    fn doubt(&mut self, command_id: CommandId) {
        self.fate(command_id, Fate::Uncertain);
        if let Some(offer) = self.offers.get_mut(&command_id) {
            offer.was_uncertain = true;
        }
    }

    /// The offer that was made on a quote.
    pub(crate) fn offer_on(&self, quote: &QuoteId) -> Option<&OfferSeen> {
        self.offers.values().find(|offer| offer.terms.quote_id == *quote)
    }

    /// How many offers ended, or stand, like this.
    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.offers.values().filter(|offer| offer.fate == fate).count()
    }

    /// How many offers hold coin.
    pub(crate) fn open(&self) -> usize {
        self.offers.values().filter(|offer| offer.open).count()
    }

    /// How many quotes were refused for a reason.
    pub(crate) fn refused_for(&self, reason: Reason) -> u64 {
        self.skipped.get(&reason).copied().unwrap_or_default()
    }

    /// What the trades came to: holdings at the first and the last reading, both at the last price.
    pub(crate) fn earned(&self) -> Option<String> {
        let rate = fair(self.price.as_ref()?)?.rate;
        let decimals = Decimals::new(words::BTC_DECIMALS, words::EURE_DECIMALS).ok()?;
        let worth = |held: &Held| {
            let base = rate.worth(held.base, decimals, Share::WHOLE, Rounding::Down)?;
            held.quote.plus(base)
        };
        let (first, last) = (self.began_with?, held(&self.credited));
        let (before, after) = (worth(&first)?, worth(&last)?);
        let gain = match after.minus(before) {
            Some(gain) => format!("+{}", words::euro(gain)),
            None => format!("−{}", words::euro(before.minus_or_zero(after))),
        };
        Some(format!(
            "The account began with {} and {}, and holds {} and {}: {gain} at the last price.",
            words::bitcoin(first.base),
            words::euro(first.quote),
            words::bitcoin(last.base),
            words::euro(last.quote),
        ))
    }

    /// Whether the desk knows everything that a decision needs.
    pub(crate) fn sees(&self) -> bool {
        self.relay_connected && !self.credited.is_empty() && self.price.as_ref().and_then(fair).is_some()
    }
}

/// The price that may be decided on.
pub(crate) fn fair(priced: &ReferencePriced) -> Option<&Fair> {
    match &priced.verdict {
        PriceVerdict::Primary { fair } | PriceVerdict::Fallback { fair } => Some(fair),
        PriceVerdict::Blocked { .. } => None,
    }
}
