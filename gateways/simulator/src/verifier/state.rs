//! What the contract remembers. [`State`] is small and copied per block that changes it; [`Nonces`] is large
//! and kept once, with the heights between which each nonce counts as used.

use crate::clock::Nanos;
use crate::nep413::{VersionedNonce, key_bytes};
use crate::random::hex;
use std::collections::{BTreeMap, BTreeSet};

/// One account at the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Base units per token; a token that is held at zero is absent.
    pub balances: BTreeMap<String, u128>,
    /// Keys that were added.
    pub keys: BTreeSet<String>,
    /// Keys that were taken away; matters for the key that an implicit account has by its name.
    pub removed_keys: BTreeSet<String>,
    /// A locked account can receive and not send.
    pub locked: bool,
    /// Whether transactions by the account's own NEAR keys are accepted.
    pub auth_by_predecessor: bool,
}

/// Everything that a view answers from, except nonces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Accounts by id.
    pub accounts: BTreeMap<String, Account>,
    /// Fee on what is given, in millionths.
    pub fee_pips: u32,
    /// Who receives the fee.
    pub fee_collector: String,
    /// The salt for new nonces.
    pub salt: [u8; 4],
    /// Earlier salts that are still accepted.
    pub older_salts: BTreeSet<[u8; 4]>,
    /// Whether executing and simulating are paused.
    pub paused: bool,
}

impl State {
    /// An account without its own entry has nothing and no keys.
    #[must_use]
    pub fn balance(&self, account: &str, token: &str) -> u128 {
        let held = self.accounts.get(account).and_then(|account| account.balances.get(token));
        held.copied().unwrap_or(0)
    }

    /// Sets a balance to an exact amount.
    pub fn set_balance(&mut self, account: &str, token: &str, amount: u128) {
        let balances = &mut self.account_mut(account).balances;
        if amount == 0 {
            balances.remove(token);
        } else {
            balances.insert(token.to_owned(), amount);
        }
    }

    /// Adds to a balance; `None` when it would overflow.
    pub fn credit(&mut self, account: &str, token: &str, amount: u128) -> Option<()> {
        let balance = self.balance(account, token).checked_add(amount)?;
        self.set_balance(account, token, balance);
        Some(())
    }

    /// Takes from a balance; `None` when there is not enough.
    pub fn debit(&mut self, account: &str, token: &str, amount: u128) -> Option<()> {
        let balance = self.balance(account, token).checked_sub(amount)?;
        self.set_balance(account, token, balance);
        Some(())
    }

    /// The sum over all accounts; saturates.
    #[must_use]
    pub fn supply(&self, token: &str) -> u128 {
        let held = self.accounts.values().filter_map(|account| account.balances.get(token));
        held.fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    /// The account, made when it is not there.
    pub fn account_mut(&mut self, account: &str) -> &mut Account {
        let fresh = || Account { auth_by_predecessor: true, ..Account::default() };
        self.accounts.entry(account.to_owned()).or_insert_with(fresh)
    }

    /// Whether the key may sign for the account. An implicit account (64 hexadecimal digits) has the key it
    /// is named after until that is removed.
    #[must_use]
    pub fn has_key(&self, account: &str, public_key: &str) -> bool {
        let known = self.accounts.get(account);
        if known.is_some_and(|account| account.keys.contains(public_key)) {
            return true;
        }
        let removed = known.is_some_and(|account| account.removed_keys.contains(public_key));
        !removed && key_bytes(public_key).is_some_and(|bytes| hex(&bytes) == account)
    }

    /// Whether the account is locked.
    #[must_use]
    pub fn is_locked(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|account| account.locked)
    }

    /// Whether nonces with this salt are accepted.
    #[must_use]
    pub fn is_valid_salt(&self, salt: [u8; 4]) -> bool {
        salt == self.salt || self.older_salts.contains(&salt)
    }
}

/// From when to when a nonce counts as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    at: u64,
    cleared: Option<u64>,
}

/// The nonces of every account.
#[derive(Debug, Clone, Default)]
pub struct Nonces {
    used: BTreeMap<String, BTreeMap<[u8; 32], Used>>,
}

impl Nonces {
    /// Whether the nonce was used at or before `height` and not forgotten since.
    #[must_use]
    pub fn is_used(&self, account: &str, nonce: &[u8; 32], height: u64) -> bool {
        let used = self.used.get(account).and_then(|nonces| nonces.get(nonce));
        used.is_some_and(|used| used.at <= height && used.cleared.is_none_or(|cleared| height < cleared))
    }

    /// Marks the nonce as used in block `height`.
    pub fn commit(&mut self, account: &str, nonce: [u8; 32], height: u64) {
        self.used.entry(account.to_owned()).or_default().insert(nonce, Used { at: height, cleared: None });
    }

    /// Forgets, from block `height` on, the versioned nonces whose deadline has passed or whose salt is no
    /// longer valid, and drops records that no block of the history can be asked about.
    pub fn collect_garbage(&mut self, state: &State, now: Nanos, height: u64, oldest: u64) {
        for nonces in self.used.values_mut() {
            nonces.retain(|nonce, used| {
                let dead = VersionedNonce::read(nonce).is_some_and(|read| {
                    Nanos::from(read.deadline_ns) < now || !state.is_valid_salt(read.salt)
                });
                if dead && used.cleared.is_none() {
                    used.cleared = Some(height);
                }
                used.cleared.is_none_or(|cleared| cleared > oldest)
            });
        }
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.used.values().map(BTreeMap::len).sum()
    }
}
