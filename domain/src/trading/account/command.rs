//! What can be asked of the account. Intents may be refused; reports of what happened may not.

use super::event::{DisarmCause, Mode};
use crate::ids::{Actor, CommandId, EventId, QuoteHash};
use crate::market::reference::event::Verdict;
use crate::money::Units;
use crate::pair::Pair;
use crate::port::event_log::Position;
use crate::port::feeds::SettlementWord;
use crate::port::venue::PreparedOffer;
use crate::time::Timestamp;
use crate::trading::limits::Limits;
use crate::trading::strategy::event::ExecutionCommanded;
use crate::treasury::inventory::event::{NonceSeen, VenueBlock};
use std::collections::{BTreeMap, BTreeSet};

/// A wish or a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Let this instance sign from now on.
    TakeLease {
        /// The configured instance.
        holder: String,
        /// How long it holds unless renewed, in milliseconds.
        ttl_ms: u64,
        /// Now.
        at: Timestamp,
    },
    /// Let the lease last longer.
    RenewLease {
        /// Which.
        epoch: u64,
        /// How long from now, in milliseconds.
        ttl_ms: u64,
        /// Now.
        at: Timestamp,
    },
    /// Let the lease end now: its holder ends in good order, and no frame of it leaves any more.
    ReturnLease {
        /// Which.
        epoch: u64,
        /// Now.
        at: Timestamp,
    },
    /// Let these limits hold.
    SetLimits {
        /// All of them.
        limits: Box<Limits>,
        /// The newest version that the person was shown, zero for none; `None` takes whatever there is.
        shown: Option<u64>,
        /// From when.
        effective_from: Timestamp,
        /// Why.
        reason: String,
        /// Who.
        by: Actor,
        /// Now.
        at: Timestamp,
    },
    /// Let offers be made; where a second person is needed, ask for it.
    Arm {
        /// How far.
        mode: Mode,
        /// The limits that the person was shown; `None` takes those in force.
        limits_version: Option<u64>,
        /// When it runs out.
        until: Timestamp,
        /// Why.
        reason: String,
        /// The start of the strategy that is to be armed.
        strategy_start: u64,
        /// Who asks, should another person have to approve.
        asker: Asker,
        /// Now.
        at: Timestamp,
    },
    /// Approve what another person asked for.
    Approve {
        /// The request.
        request_id: CommandId,
        /// The limits that the approver was shown.
        limits_hash: String,
        /// Why; may be empty.
        reason: String,
        /// Who approves.
        by: Actor,
        /// Who had a hand in the approver's key: made it, or the key of whoever made it.
        makers: BTreeSet<Actor>,
        /// Now.
        at: Timestamp,
    },
    /// Go back from KILLED to DISARMED; where a second person is needed, ask for it or join in. Of an account that is
    /// not killed, a person's disarming.
    StandDown {
        /// Names the request, should another person have to say the same.
        request_id: CommandId,
        /// Why.
        reason: String,
        /// Who.
        by: Actor,
        /// Who had a hand in their key.
        makers: BTreeSet<Actor>,
        /// Now.
        at: Timestamp,
    },
    /// Let no more offers be made.
    Disarm {
        /// What asks.
        cause: DisarmCause,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Disarm if the arming has run out, or holds for an earlier start of the strategy.
    ExpireArming {
        /// The number of the strategy's last start, as far as it is known.
        strategy_start: u64,
        /// Now.
        at: Timestamp,
    },
    /// Stop everything, from any state.
    Kill {
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Report that no frame leaves this executor any more.
    ConfirmKill {
        /// The lease under which it runs.
        epoch: u64,
        /// Now.
        at: Timestamp,
    },
    /// Make an offer, or record why not.
    Execute(Box<Execute>),
    /// Report that nothing was sent and nothing will be. Only the lease that started the offer can know that: a
    /// later one has to look.
    Abandon {
        /// The command.
        command_id: CommandId,
        /// Why.
        why: String,
        /// Now.
        at: Timestamp,
    },
    /// Report that the relay took it.
    RecordAccepted {
        /// The command.
        command_id: CommandId,
        /// The reply, verbatim.
        reply: String,
        /// Now.
        at: Timestamp,
    },
    /// Report that the relay refused it.
    RecordRejected {
        /// The command.
        command_id: CommandId,
        /// The reply, verbatim.
        reply: String,
        /// Whether the auction was over.
        late: bool,
        /// Now.
        at: Timestamp,
    },
    /// Report that nobody knows.
    RecordUncertain {
        /// The command.
        command_id: CommandId,
        /// Why.
        why: String,
        /// Now.
        at: Timestamp,
    },
    /// Report what the relay says of a settlement.
    RecordSettlementWord {
        /// Which offer.
        quote_hash: QuoteHash,
        /// What it says.
        word: SettlementWord,
        /// The transaction.
        tx_hash: Option<String>,
        /// Now.
        at: Timestamp,
    },
    /// Bring the open offers up to a snapshot of balances and nonces.
    ApplyBalances(Box<ApplyBalances>),
}

/// Who asks to arm, and under which limits as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The person.
    pub by: Actor,
    /// The id of the wish: the request's name.
    pub request_id: CommandId,
    /// The version of the limits that `limits_hash` is of; zero when there are none.
    pub limits_version: u64,
    /// SHA-256 of their canonical form, in hex.
    pub limits_hash: String,
}

/// An order to offer, with all that the executor knows when it carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The order.
    pub order: ExecutionCommanded,
    /// The pair that it must be about.
    pub pair: Pair,
    /// Where it stands in the log.
    pub command_position: Position,
    /// The lease under which the executor runs.
    pub epoch: u64,
    /// Whether the executor is paused or draining.
    pub paused: bool,
    /// The newest balances.
    pub balances: Option<Balances>,
    /// The newest reference price of the pair.
    pub price: Option<SeenPrice>,
    /// Our clock less the venue's, in milliseconds.
    pub clock_offset_ms: i64,
    /// The worded offer, or why there is none.
    pub offer: Result<WordedOffer, String>,
    /// Now.
    pub at: Timestamp,
}

/// A reference price, as the executor saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPrice {
    /// The event.
    pub event_id: EventId,
    /// What it says.
    pub verdict: Verdict,
}

/// An offer in its final words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordedOffer {
    /// The words, the nonce and the hash.
    pub prepared: PreparedOffer,
    /// The salt in the nonce.
    pub salt: String,
    /// The offer can be executed until then.
    pub offer_deadline: Timestamp,
    /// The nonce can be asked about until then.
    pub nonce_deadline: Timestamp,
}

/// The newest balances, as far as one order needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// The event.
    pub event_id: EventId,
    /// The block.
    pub height: u64,
    /// When they were read.
    pub observed_at: Timestamp,
    /// Credited coin of the token that we would give.
    pub credited: Units,
    /// Pending withdrawals of it.
    pub pending_out: Units,
    /// Credited base coin of the order's pair, all its tokens together. REDUCING is judged by it.
    pub base_held: Units,
    /// Why the venue would refuse our signature.
    pub blocked: Option<VenueBlock>,
}

/// A snapshot of balances and nonces, as far as open offers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyBalances {
    /// The event.
    pub event_id: EventId,
    /// The block.
    pub height: u64,
    /// The block's time.
    pub block_at: Timestamp,
    /// The nonces that were asked about at that block.
    pub nonces: Vec<NonceSeen>,
    /// Transactions that the relay named.
    pub tx_hashes: BTreeMap<QuoteHash, String>,
    /// How long after its deadline an offer counts as dead, in milliseconds of block time.
    pub release_margin_ms: u64,
    /// Now.
    pub at: Timestamp,
}
