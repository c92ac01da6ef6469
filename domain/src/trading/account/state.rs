//! What the account remembers. Bounded: open offers by the limits, closed ones by [`RECENT_MAX`].

use super::event::{
    ArmRequested, Armed, LeaseTaken, LimitsSet, OpenSignature, StandDownAsked, SubmissionStarted,
};
use super::kept::Kept;
use crate::ids::{CommandId, QuoteHash, QuoteId, TokenId};
use crate::money::Units;
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How many finished commands are remembered by id, so that their redelivery changes nothing. Older ones are
/// recognised by their place in the log.
pub const RECENT_MAX: usize = 2_000;

/// Whether offers may be made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Arming {
    /// No.
    #[default]
    Disarmed,
    /// Yes, under these terms.
    Armed(Armed),
    /// No, and somebody must look.
    Killed {
        /// Since when.
        at: Timestamp,
    },
}

impl Arming {
    /// Whether somebody must look.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        match self {
            Self::Killed { .. } => true,
            Self::Disarmed | Self::Armed(_) => false,
        }
    }
}

/// How many requests to arm are remembered.
pub const REQUESTS_MAX: usize = 16;

/// A request to arm, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As it was asked.
    pub asked: Arc<ArmRequested>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Nothing yet.
    Waiting,
    /// Somebody approved.
    Approved,
    /// A later request took its place.
    Superseded,
    /// The account was disarmed, killed or given to a new executor meanwhile.
    Withdrawn,
}

impl Fate {
    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How far an open offer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Fixed; perhaps sent, perhaps not.
    Started,
    /// In the auction.
    Accepted,
    /// Refused by the relay; the signature is out all the same.
    Rejected,
    /// Nobody knows.
    Uncertain,
    /// The venue tried and failed.
    SettleFailed,
}

impl Phase {
    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::SettleFailed => "settle_failed",
        }
    }
}

/// An offer whose coin is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOffer {
    /// As it was fixed.
    pub started: Arc<SubmissionStarted>,
    /// How far it has come.
    pub phase: Phase,
    /// Whether the relay contradicted itself: then its replies prove nothing any more.
    pub contradicted: bool,
}

/// What the account remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct State {
    pub(super) lease: Option<LeaseTaken>,
    pub(super) arming: Arming,
    pub(super) requests: VecDeque<Request>,
    /// Somebody approved, and the arming is about to follow.
    pub(super) approved: bool,
    /// Whether the arming in force was approved by a second person, and so is bound to its limits.
    pub(super) bound: bool,
    /// The lease under which an executor said that the kill in force has taken effect.
    pub(super) kill_confirmed: Option<u64>,
    /// Who asked last to stand a killed account down, where it takes two.
    pub(super) stand_down: Option<Arc<StandDownAsked>>,
    pub(super) limits: Vec<Arc<LimitsSet>>,
    pub(super) open: BTreeMap<CommandId, OpenOffer>,
    pub(super) finished: BTreeSet<CommandId>,
    pub(super) quotes: BTreeSet<QuoteId>,
    pub(super) recent: VecDeque<(CommandId, Option<QuoteId>)>,
    /// The hashes of offers whose coin is free again, and the auctions that they answered; oldest first.
    pub(super) closed: VecDeque<(QuoteHash, QuoteId)>,
    pub(super) last_command: Position,
    pub(super) last_release_height: u64,
    pub(super) last_settled_at: Option<Timestamp>,
}

impl State {
    /// The lease in force, lapsed or not.
    #[must_use]
    pub fn lease(&self) -> Option<&LeaseTaken> {
        self.lease.as_ref()
    }

    /// The epoch in force; zero before the first lease.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lease.as_ref().map_or(0, |lease| lease.epoch)
    }

    /// Whether offers may be made.
    #[must_use]
    pub fn arming(&self) -> &Arming {
        &self.arming
    }

    /// Why an arming is over at a moment, though no fact has said so yet; `None` while it holds.
    #[must_use]
    pub fn lapsed(&self, at: Timestamp) -> Option<String> {
        let Arming::Armed(armed) = &self.arming else { return None };
        if armed.until <= at {
            return Some(format!("armed until {}", armed.until));
        }
        let set = self.limits_at(at);
        let (known, in_force) = (armed.limits_version, set.map_or(0, |set| set.version));
        if in_force == known {
            return None;
        }
        if self.bound {
            return Some(format!(
                "two people armed under limits version {known}; version {in_force} is in force"
            ));
        }
        set.is_some_and(|set| set.limits.second_person).then(|| {
            format!("one person armed under limits version {known}; version {in_force} asks for a second one")
        })
    }

    /// The moment from which an arming that holds at `at` holds no more, as far as is known: its own end, or limits that
    /// end it when they take effect. `None` when none holds.
    #[must_use]
    pub fn armed_before(&self, at: Timestamp) -> Option<Timestamp> {
        let Arming::Armed(armed) = &self.arming else { return None };
        if self.lapsed(at).is_some() {
            return None;
        }
        let takes_effect = self.limits.iter().map(|set| set.effective_from);
        let ended_by_limits = takes_effect.filter(|from| *from > at && self.lapsed(*from).is_some()).min();
        Some(ended_by_limits.map_or(armed.until, |from| from.min(armed.until)))
    }

    /// The requests to arm that are remembered, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    /// The request of that id.
    #[must_use]
    pub fn request(&self, id: CommandId) -> Option<&Request> {
        self.requests.iter().find(|request| request.asked.request_id == id)
    }

    /// The request that somebody could still approve at a moment. There is one at most.
    #[must_use]
    pub fn waiting(&self, at: Timestamp) -> Option<&Request> {
        self.requests.iter().find(|request| request.fate == Fate::Waiting && at < request.asked.expires_at)
    }

    /// The request to stand a killed account down that another person could still join at a moment.
    #[must_use]
    pub fn standing_down(&self, at: Timestamp) -> Option<&StandDownAsked> {
        match self.arming {
            Arming::Killed { .. } => self.stand_down.as_deref().filter(|asked| at < asked.expires_at),
            Arming::Disarmed | Arming::Armed(_) => None,
        }
    }

    /// Whether the account is killed and the executor of this lease has said that no frame leaves it any more.
    #[must_use]
    pub fn kill_confirmed(&self) -> bool {
        matches!(self.arming, Arming::Killed { .. }) && self.kill_confirmed == Some(self.epoch())
    }

    /// The limits in force at a moment: the newest version that is effective by then.
    #[must_use]
    pub fn limits_at(&self, at: Timestamp) -> Option<&Arc<LimitsSet>> {
        self.limits.iter().rev().find(|set| set.effective_from <= at)
    }

    /// The newest limits, effective or not.
    #[must_use]
    pub fn newest_limits(&self) -> Option<&Arc<LimitsSet>> {
        self.limits.last()
    }

    /// The limits that are in force or will be, oldest first.
    pub fn limits(&self) -> impl Iterator<Item = &Arc<LimitsSet>> {
        self.limits.iter()
    }

    /// Every offer whose coin is reserved.
    #[must_use]
    pub fn open(&self) -> &BTreeMap<CommandId, OpenOffer> {
        &self.open
    }

    /// Whether an order was carried out, refused or expired before.
    #[must_use]
    pub fn knows(&self, command: CommandId) -> bool {
        self.open.contains_key(&command) || self.finished.contains(&command)
    }

    /// The last order that was carried out, refused or expired: the executor goes on after it.
    #[must_use]
    pub fn last_command(&self) -> Position {
        self.last_command
    }

    /// The newest block whose balances released coin. Older balances would count that coin twice.
    #[must_use]
    pub fn last_release_height(&self) -> u64 {
        self.last_release_height
    }

    /// When an offer was last settled.
    #[must_use]
    pub fn last_settled_at(&self) -> Option<Timestamp> {
        self.last_settled_at
    }

    /// Coin of a token that open offers hold.
    #[must_use]
    pub fn reserved(&self, token: &TokenId) -> Units {
        let of_token = self.open.values().filter(|offer| offer.started.give.token == *token);
        of_token.fold(Units::ZERO, |sum, offer| {
            // Offers fit 127 bits each, and their number is bounded: the sum fits 256.
            sum.plus(offer.started.give.amount).unwrap_or(sum)
        })
    }

    /// Notional of the open offers in one direction.
    #[must_use]
    pub fn open_notional(&self, direction: Direction) -> Units {
        let same_way = self.open.values().filter(|offer| offer.started.direction == direction);
        same_way.fold(Units::ZERO, |sum, offer| sum.plus(offer.started.notional).unwrap_or(sum))
    }

    /// Base that the open offers in one direction would move.
    #[must_use]
    pub fn open_base(&self, direction: Direction) -> Units {
        let same_way = self.open.values().filter(|offer| offer.started.direction == direction);
        same_way.fold(Units::ZERO, |sum, offer| {
            let base = match direction {
                Direction::BuyBase => offer.started.receive.amount,
                Direction::SellBase => offer.started.give.amount,
            };
            sum.plus(base).unwrap_or(sum)
        })
    }

    /// How many open offers answer takers of a partner.
    #[must_use]
    pub fn open_of_partner(&self, partner: &str) -> usize {
        self.open.values().filter(|offer| offer.started.partner_id.as_deref() == Some(partner)).count()
    }

    /// How many outcomes are unknown.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        self.open.values().filter(|offer| offer.phase == Phase::Uncertain).count()
    }

    /// The open offer with this hash.
    #[must_use]
    pub fn by_hash(&self, hash: &QuoteHash) -> Option<&OpenOffer> {
        self.open.values().find(|offer| offer.started.prepared.quote_hash == *hash)
    }

    /// The auction that one of our offers answered, while the offer is open or was closed lately: the relay may speak of
    /// it after a block has shown what became of it.
    #[must_use]
    pub fn answered_with(&self, hash: &QuoteHash) -> Option<&QuoteId> {
        let open = self.by_hash(hash).map(|offer| &offer.started.quote_id);
        open.or_else(|| self.closed.iter().rev().find(|(of, _)| of == hash).map(|(_, quote)| quote))
    }

    /// Every signature that could still be executed.
    #[must_use]
    pub fn open_signatures(&self) -> Vec<OpenSignature> {
        let signature = |(command_id, offer): (&CommandId, &OpenOffer)| OpenSignature {
            command_id: *command_id,
            quote_hash: offer.started.prepared.quote_hash.clone(),
            give: offer.started.give.clone(),
            offer_deadline: offer.started.offer_deadline,
        };
        self.open.iter().map(signature).collect()
    }
}
