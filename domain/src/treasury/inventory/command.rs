//! What the inventory reader reports.

use crate::ids::{CommandId, TokenId};
use crate::money::Units;
use crate::port::venue::TokenAmount;
use crate::port::verifier::Snapshot;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// An offer whose coin is reserved, and what it does to our balances if it is executed: exactly this much less
/// and exactly this much more. The venue's fee is taken from the counterparty's side of our offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOffer {
    /// The command that wanted it.
    pub command_id: CommandId,
    /// What we give.
    pub give: TokenAmount,
    /// What we receive.
    pub receive: TokenAmount,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The verifier was read.
    Observe {
        /// What it said, all of it at one block.
        snapshot: Box<Snapshot>,
        /// The open offers whose nonces were asked about, in the order of the question. Every offer that was
        /// started before the snapshot's block must be among them: the settlement of one that was not asked
        /// about looks like a drift. A reader that finds such an offer afterwards drops the snapshot and reads
        /// again.
        asked: Vec<OpenOffer>,
        /// Deposits seen but not credited.
        pending_in: BTreeMap<TokenId, Units>,
        /// Withdrawals asked for but not debited.
        pending_out: BTreeMap<TokenId, Units>,
        /// Whether there is a usable signing key in this process.
        signing_key_present: bool,
        /// When the answer came in.
        observed_at: Timestamp,
    },
    /// The verifier could not be read.
    Unavailable {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
}
