//! The verifier contract's word on what we hold, read at one block.

use super::PortFuture;
use crate::ids::{AccountId, TokenId};
use crate::money::Units;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Most nonces that one snapshot may ask about.
pub const SNAPSHOT_NONCES_MAX: usize = 256;

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotQuery {
    /// Whose state.
    pub account: AccountId,
    /// Which balances.
    pub tokens: Vec<TokenId>,
    /// Whether this key may sign for the account; `None` when we have no key.
    pub public_key: Option<String>,
    /// Which nonces, base64, at most [`SNAPSHOT_NONCES_MAX`].
    pub nonces: Vec<String>,
}

/// The verifier's state for one account, all of it at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Height of the block.
    pub height: u64,
    /// Its hash, base58.
    pub block_hash: String,
    /// Its time.
    pub block_at: Timestamp,
    /// Credited balances of all tokens asked for.
    pub balances: BTreeMap<TokenId, Units>,
    /// Current salt, 8 hex digits.
    pub salt: String,
    /// Protocol fee in millionths.
    pub fee_pips: u32,
    /// Whether execution of intents is paused.
    pub contract_paused: bool,
    /// Whether the account is locked.
    pub account_locked: bool,
    /// Whether our key may sign; `None` when none was asked about.
    pub key_registered: Option<bool>,
    /// Whether each nonce asked about is used, in the order of the question.
    pub nonces_used: Vec<bool>,
    /// How many providers agreed.
    pub providers: u32,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// No provider answered in time.
    #[error("the verifier can't be read: {0}")]
    Unavailable(String),
    /// Providers tell different stories about the same block.
    #[error("providers disagree at block {height}: {what}")]
    Disagree {
        /// The block.
        height: u64,
        /// What differs.
        what: String,
    },
    /// The newest final block is too old.
    #[error("the newest final block {height} is {behind_ms} ms old")]
    Stale {
        /// The block.
        height: u64,
        /// Its age in milliseconds.
        behind_ms: i64,
    },
    /// An answer does not have the documented shape.
    #[error("the verifier's answer can't be read: {0}")]
    Unreadable(String),
}

/// Reads the verifier. Never changes anything.
pub trait Verifier: Send + Sync {
    /// The account's state at the newest final block.
    ///
    /// # Errors
    ///
    /// [`VerifierError`]; nothing is ever made up from two blocks.
    fn snapshot(&self, query: SnapshotQuery) -> PortFuture<'_, Result<Snapshot, VerifierError>>;
}
