//! Facts about the account; those about arming in `arming.rs`.

mod arming;

pub use arming::{
    ArmApproved, ArmRequested, Armed, DisarmCause, Disarmed, KillConfirmed, Killed, Mode, OpenSignature,
    StandDownAsked,
};

use crate::ids::{Actor, CommandId, DecisionId, EventId, PairId, QuoteId};
use crate::money::Units;
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::port::feeds::ReplyWord;
use crate::port::venue::{ExactSide, PreparedOffer, TokenAmount};
use crate::time::Timestamp;
use crate::trading::limits::Limits;
use serde::{Deserialize, Serialize};

/// A fact on the stream `account-{account}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An instance may sign from now on; the account is disarmed by it.
    LeaseTaken(LeaseTaken),
    /// The lease lasts longer.
    LeaseRenewed(LeaseRenewed),
    /// These limits hold.
    LimitsSet(Box<LimitsSet>),
    /// Offers may be made.
    Armed(Armed),
    /// Somebody asks to arm, and another person must approve.
    ArmRequested(Box<ArmRequested>),
    /// Another person approved; the arming stands beside it.
    ArmApproved(Box<ArmApproved>),
    /// No offers may be made.
    Disarmed(Disarmed),
    /// No offers may be made, and somebody must look.
    Killed(Killed),
    /// The executor's fence is closed: no frame leaves any more.
    KillConfirmed(KillConfirmed),
    /// Somebody wants a killed account to be stood down, and another person must say the same.
    StandDownAsked(Box<StandDownAsked>),
    /// A command was not executed.
    ExecutionRefused(ExecutionRefused),
    /// A command came too late to be executed.
    ExecutionExpired(ExecutionExpired),
    /// An offer is fixed and its coin reserved; nothing has been sent.
    SubmissionStarted(Box<SubmissionStarted>),
    /// Nothing was sent, and nothing will be.
    SubmissionAbandoned(SubmissionAbandoned),
    /// The relay took the offer into its auction.
    SubmissionAccepted(SubmissionAccepted),
    /// The relay said no.
    SubmissionRejected(SubmissionRejected),
    /// The offer may be live; nobody knows.
    SubmissionUncertain(SubmissionUncertain),
    /// The relay said one thing of the offer, and then the other.
    ReplyContradicted(ReplyContradicted),
    /// The venue executed it.
    SubmissionSettled(SubmissionSettled),
    /// The venue tried and failed; the signature stays valid until its deadline.
    SubmissionSettleFailed(SubmissionSettleFailed),
    /// Its deadline passed without execution.
    SubmissionExpiredUnfilled(SubmissionExpiredUnfilled),
    /// Its coin is free again.
    ReservationReleased(ReservationReleased),
}

/// An instance may sign from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTaken {
    /// Rises by one with each lease.
    pub epoch: u64,
    /// The configured instance.
    pub holder: String,
    /// When it took it.
    pub at: Timestamp,
    /// Until when it holds unless renewed.
    pub until: Timestamp,
}

/// The lease lasts longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRenewed {
    /// Which lease.
    pub epoch: u64,
    /// Until when it holds now.
    pub until: Timestamp,
}

/// These limits hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsSet {
    /// Rises by one with each change.
    pub version: u64,
    /// All of them.
    pub limits: Limits,
    /// From when they hold.
    pub effective_from: Timestamp,
    /// Why.
    pub reason: String,
    /// Who set them, where they drop the second person: who does that can't arm alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_by: Option<Actor>,
    /// When.
    pub at: Timestamp,
}

/// Why a command was not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Not armed any more.
    Disarmed,
    /// Killed.
    Killed,
    /// Another instance holds the lease, or it has lapsed.
    LeaseLost,
    /// Other limits are in force than those it was decided under, or they forbid it.
    LimitsChanged,
    /// Credited coin does not cover it any more.
    InsufficientInventory,
    /// The balances are too old, or older than the last release.
    InventoryStale,
    /// Open offers leave no room any more.
    NoRoom,
    /// There is an offer for this quote already.
    QuoteTaken,
    /// The venue would refuse our signature.
    VenueBlocked,
    /// Our clock and the venue's differ.
    ClockSkew,
    /// The offer can't be worded or signed.
    CannotOffer,
    /// The executor is paused or draining.
    Paused,
    /// REDUCING, and with all that is open the offer would not reduce.
    NotReducing,
    /// The last settlement is too recent.
    CoolingDown,
    /// The order's own figures disagree: tokens of another pair or direction, or amounts that leave less than the
    /// least edge of its notional.
    TermsDisagree,
    /// The newest price does not bear it out: there is none that can be used, the offer would lose at it, or its notional
    /// is not what its base is worth.
    PriceDisagrees,
}

impl RefusalCode {
    /// All codes.
    pub const ALL: [Self; 16] = [
        Self::Disarmed,
        Self::Killed,
        Self::LeaseLost,
        Self::LimitsChanged,
        Self::InsufficientInventory,
        Self::InventoryStale,
        Self::NoRoom,
        Self::QuoteTaken,
        Self::VenueBlocked,
        Self::ClockSkew,
        Self::CannotOffer,
        Self::Paused,
        Self::NotReducing,
        Self::CoolingDown,
        Self::TermsDisagree,
        Self::PriceDisagrees,
    ];

    /// The stable code, as stored.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Disarmed => "disarmed",
            Self::Killed => "killed",
            Self::LeaseLost => "lease_lost",
            Self::LimitsChanged => "limits_changed",
            Self::InsufficientInventory => "insufficient_inventory",
            Self::InventoryStale => "inventory_stale",
            Self::NoRoom => "no_room",
            Self::QuoteTaken => "quote_taken",
            Self::VenueBlocked => "venue_blocked",
            Self::ClockSkew => "clock_skew",
            Self::CannotOffer => "cannot_offer",
            Self::Paused => "paused",
            Self::NotReducing => "not_reducing",
            Self::CoolingDown => "cooling_down",
            Self::TermsDisagree => "terms_disagree",
            Self::PriceDisagrees => "price_disagrees",
        }
    }
}

/// A command was not executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionRefused {
    /// The command.
    pub command_id: CommandId,
    /// The auction.
    pub quote_id: QuoteId,
    /// Where the command stands; the executor goes on after it.
    pub command_position: Position,
    /// Why.
    pub code: RefusalCode,
    /// The facts, in a sentence.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// A command came too late to be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionExpired {
    /// The command.
    pub command_id: CommandId,
    /// The auction.
    pub quote_id: QuoteId,
    /// Where the command stands; the executor goes on after it.
    pub command_position: Position,
    /// How old it was, in milliseconds.
    pub age_ms: i64,
    /// When.
    pub at: Timestamp,
}

/// An offer is fixed and its coin reserved; nothing has been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionStarted {
    /// The command.
    pub command_id: CommandId,
    /// Where the command stands; the executor goes on after it.
    pub command_position: Position,
    /// The decision.
    pub decision_id: DecisionId,
    /// The auction.
    pub quote_id: QuoteId,
    /// The pair.
    pub pair: PairId,
    /// The lease under which it is signed.
    pub epoch: u64,
    /// What the desk does with the base asset.
    pub direction: Direction,
    /// What we receive.
    pub receive: TokenAmount,
    /// What we give; this much is reserved.
    pub give: TokenAmount,
    /// Which side the request fixed.
    pub exact: ExactSide,
    /// Worth in base units of the quote asset.
    pub notional: Units,
    /// Who brought the taker.
    pub partner_id: Option<String>,
    /// The words, the nonce and the hash.
    pub prepared: PreparedOffer,
    /// The salt in the nonce.
    pub salt: String,
    /// The offer can be executed until then.
    pub offer_deadline: Timestamp,
    /// The nonce can be asked about until then.
    pub nonce_deadline: Timestamp,
    /// When the auction closes: from then on it is not sent. Absent in facts of old builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// The balances that covered it.
    pub inventory_event_id: EventId,
    /// Their block.
    pub height: u64,
    /// The reference price that bore it out. Absent in facts of old builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_event_id: Option<EventId>,
    /// The limits in force.
    pub limits_version: u64,
    /// When.
    pub at: Timestamp,
}

/// Nothing was sent, and nothing will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionAbandoned {
    /// The command.
    pub command_id: CommandId,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// The relay took the offer into its auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionAccepted {
    /// The command.
    pub command_id: CommandId,
    /// The reply, verbatim.
    pub reply: String,
    /// When.
    pub at: Timestamp,
}

/// The relay said no. The signature has left the house all the same: the coin stays reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRejected {
    /// The command.
    pub command_id: CommandId,
    /// The reply, verbatim.
    pub reply: String,
    /// Whether the relay said that the auction was over.
    pub late: bool,
    /// When.
    pub at: Timestamp,
}

/// The offer may be live; nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionUncertain {
    /// The command.
    pub command_id: CommandId,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// The relay said one thing of the offer, and then the other. Which of them holds, a block will show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyContradicted {
    /// The command.
    pub command_id: CommandId,
    /// What it said first.
    pub before: ReplyWord,
    /// The later reply, verbatim.
    pub reply: String,
    /// When that came.
    pub at: Timestamp,
}

/// The venue executed it: its nonce is used at a block whose balances we have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionSettled {
    /// The command.
    pub command_id: CommandId,
    /// The balances that contain it.
    pub inventory_event_id: EventId,
    /// Their block.
    pub height: u64,
    /// The transaction, when the relay named it.
    pub tx_hash: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The venue tried and failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionSettleFailed {
    /// The command.
    pub command_id: CommandId,
    /// The transaction, when the relay named it.
    pub tx_hash: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Its deadline passed without execution, at a block later than the deadline and its margin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionExpiredUnfilled {
    /// The command.
    pub command_id: CommandId,
    /// The balances that prove it.
    pub inventory_event_id: EventId,
    /// Their block.
    pub height: u64,
    /// When.
    pub at: Timestamp,
}

/// Why coin is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// The settlement is in the balances now.
    Settled,
    /// The deadline and its margin have passed, and the nonce is unused.
    DeadlinePassed,
    /// Nothing was ever sent.
    NeverSent,
}

/// Its coin is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationReleased {
    /// The command.
    pub command_id: CommandId,
    /// Why.
    pub cause: ReleaseCause,
    /// The coin.
    pub amount: TokenAmount,
    /// The block whose balances no longer owe it; absent when nothing was ever sent.
    pub height: Option<u64>,
    /// When.
    pub at: Timestamp,
}
