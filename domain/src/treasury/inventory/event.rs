//! Facts about balances.

use crate::ids::{CommandId, TokenId};
use crate::money::Units;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fact on the stream `inventory-{account}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The verifier was read.
    BalancesObserved(BalancesObserved),
    /// A balance moved by something other than our own settlements.
    DriftDetected(DriftDetected),
    /// The verifier could not be read.
    InventoryUnavailable(InventoryUnavailable),
}

/// Whether an open offer's nonce was used at the block of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceSeen {
    /// The command whose offer carries the nonce.
    pub command_id: CommandId,
    /// Used: the offer was executed, or its nonce burnt.
    pub used: bool,
}

/// The verifier was read, all of it at one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancesObserved {
    /// Height of the block.
    pub height: u64,
    /// Its hash.
    pub block_hash: String,
    /// Its time.
    pub block_at: Timestamp,
    /// Credited balances. Only these can be spent.
    pub credited: BTreeMap<TokenId, Units>,
    /// Deposits seen but not credited. Never spendable.
    pub pending_in: BTreeMap<TokenId, Units>,
    /// Withdrawals asked for but not debited.
    pub pending_out: BTreeMap<TokenId, Units>,
    /// Current salt.
    pub salt: String,
    /// Protocol fee in millionths.
    pub fee_pips: u32,
    /// Why the venue would refuse our signature now; empty when it would not.
    pub blocked: Vec<VenueBlock>,
    /// The nonces of our open offers.
    pub nonces: Vec<NonceSeen>,
    /// How many providers agreed.
    pub providers: u32,
    /// When the answer came in.
    pub observed_at: Timestamp,
}

/// Why the venue would refuse our signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueBlock {
    /// We have no usable signing key.
    NoSigningKey,
    /// The account does not know our key.
    KeyNotRegistered,
    /// The account is locked.
    AccountLocked,
    /// Execution of intents is paused.
    ContractPaused,
}

impl VenueBlock {
    /// The stable name, as stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSigningKey => "no_signing_key",
            Self::KeyNotRegistered => "key_not_registered",
            Self::AccountLocked => "account_locked",
            Self::ContractPaused => "contract_paused",
        }
    }
}

/// Which way a balance moved unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// There is less than there should be. The desk is disarmed.
    Drop,
    /// There is more than there should be: a credit that we did not expect.
    Credit,
}

/// A balance moved by something other than our own settlements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftDetected {
    /// Which token.
    pub token: TokenId,
    /// Which way.
    pub drift: Drift,
    /// What we worked out.
    pub expected: Units,
    /// What the verifier said.
    pub observed: Units,
    /// At which block.
    pub height: u64,
    /// When it was noticed.
    pub at: Timestamp,
}

/// The verifier could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryUnavailable {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
