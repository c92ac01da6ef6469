//! Blocks: a height and a time that rise, transactions that wait for the next one, and the states of the most
//! recent ones.

use crate::clock::Nanos;
use crate::nep413::{base58, sha256};
use crate::random::Random;
use crate::verifier::engine::{self, EngineError, Executed, Setting};
use crate::verifier::payload::SignedPayload;
use crate::verifier::state::{Nonces, State};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// `final` is this many blocks behind `optimistic`.
pub const FINALITY_BLOCKS: u64 = 2;

/// Transactions that may wait for a block.
const MEMPOOL_MAX: usize = 10_000;

/// One block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Rises by one.
    pub height: u64,
    /// Base58 of 32 bytes.
    pub hash: String,
    /// The hash of the block before.
    pub prev_hash: String,
    /// The time that deadlines are held against.
    pub timestamp: Nanos,
    /// The contract's state after the block.
    pub state: Arc<State>,
}

/// Payloads to be executed together, and balances to be credited just before (deposits from outside).
#[derive(Debug)]
pub struct Transaction {
    /// Base58 of 32 bytes.
    pub hash: String,
    /// Account, token, base units.
    pub deposits: Vec<(String, String, u128)>,
    /// Executed in this order.
    pub signed: Vec<SignedPayload>,
    /// Who wants to know.
    pub reply: oneshot::Sender<Receipt>,
}

/// What became of a transaction.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// As submitted.
    pub tx_hash: String,
    /// What was executed, or why nothing was.
    pub result: Result<Vec<Executed>, EngineError>,
}

/// Which block a reader asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockRef {
    /// The newest block.
    Optimistic,
    /// The newest block that cannot be undone.
    Final,
    /// By height.
    Height(u64),
    /// By hash.
    Hash(String),
}

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBlock {
    /// There is no such block (yet).
    Unknown,
    /// There was, and its state is no longer kept.
    Collected,
}

/// The chain.
#[derive(Debug)]
pub struct Chain {
    contract: String,
    legacy_nonces: bool,
    collect_nonces: bool,
    history_blocks: usize,
    hashes: Random,
    tx_hashes: Random,
    blocks: VecDeque<Block>,
    by_hash: BTreeMap<String, u64>,
    pending: Arc<State>,
    nonces: Nonces,
    mempool: VecDeque<Transaction>,
}

/// How the chain behaves.
#[derive(Debug, Clone)]
pub struct ChainRules {
    /// The verifier contract's account.
    pub contract: String,
    /// Whether nonces without salt and deadline are accepted.
    pub legacy_nonces: bool,
    /// Whether nonces are forgotten after their own deadline.
    pub collect_nonces: bool,
    /// How many blocks keep their state; at least [`FINALITY_BLOCKS`] + 1.
    pub history_blocks: usize,
}

impl Chain {
    /// A chain whose first blocks all hold `genesis`, so that a final one exists from the start.
    #[must_use]
    pub fn new(seed: u64, rules: ChainRules, genesis: State, now: Nanos) -> Self {
        let mut hashes = Random::new(seed, "chain");
        let first = hashes.between(120_000_000, 190_000_000);
        let kept = usize::try_from(FINALITY_BLOCKS + 1).unwrap_or(3);
        let mut chain = Self {
            contract: rules.contract,
            legacy_nonces: rules.legacy_nonces,
            collect_nonces: rules.collect_nonces,
            history_blocks: rules.history_blocks.max(kept),
            hashes,
            tx_hashes: Random::new(seed, "transactions"),
            blocks: VecDeque::new(),
            by_hash: BTreeMap::new(),
            pending: Arc::new(genesis),
            nonces: Nonces::default(),
            mempool: VecDeque::new(),
        };
        for offset in 0..=FINALITY_BLOCKS {
            chain.push(first + offset, now);
        }
        chain
    }

    /// The contract's account.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> &Block {
        // `new` pushes blocks and `push` keeps at least three.
        &self.blocks[self.blocks.len() - 1]
    }

    /// The state that the next block starts from.
    #[must_use]
    pub fn pending(&self) -> &State {
        &self.pending
    }

    /// Changes the state that the next block starts from, as an owner's transaction would.
    pub fn change(&mut self, change: impl FnOnce(&mut State)) {
        change(Arc::make_mut(&mut self.pending));
    }

    /// Whether the nonce is used, as of a block.
    #[must_use]
    pub fn is_nonce_used(&self, account: &str, nonce: &[u8; 32], height: u64) -> bool {
        self.nonces.is_used(account, nonce, height)
    }

    /// Finds a block.
    pub fn block(&self, wanted: &BlockRef) -> Result<&Block, NoBlock> {
        let head = self.head().height;
        let height = match wanted {
            BlockRef::Optimistic => head,
            BlockRef::Final => head - FINALITY_BLOCKS,
            BlockRef::Height(height) => *height,
            BlockRef::Hash(hash) => *self.by_hash.get(hash).ok_or(NoBlock::Unknown)?,
        };
        let behind = usize::try_from(head.checked_sub(height).ok_or(NoBlock::Unknown)?);
        let index = behind.ok().and_then(|behind| (self.blocks.len() - 1).checked_sub(behind));
        index.and_then(|index| self.blocks.get(index)).ok_or(NoBlock::Collected)
    }

    /// Puts a transaction in line for the next block. Gives it back when the line is full.
    pub fn submit(&mut self, transaction: Transaction) -> Result<(), Transaction> {
        if self.mempool.len() >= MEMPOOL_MAX {
            return Err(transaction);
        }
        self.mempool.push_back(transaction);
        Ok(())
    }

    /// A hash for a transaction.
    pub fn next_tx_hash(&mut self) -> String {
        base58(&self.tx_hashes.bytes::<32>())
    }

    /// Runs payloads against the state of a block, without changing anything.
    pub fn simulate(&self, at: &Block, signed: &[SignedPayload]) -> Result<engine::Outcome, EngineError> {
        engine::run(&at.state, &self.nonces, signed, self.setting(at.height, at.timestamp))
    }

    /// The setting of the block that is about to be made.
    #[must_use]
    pub fn next_setting(&self, now: Nanos) -> Setting<'_> {
        self.setting(self.head().height + 1, now)
    }

    /// Makes the next block: executes what waits, in order, each wholly or not at all.
    pub fn produce(&mut self, now: Nanos) {
        let height = self.head().height + 1;
        // Block time never runs backwards, even when the simulated clock is set back.
        let now = now.max(self.head().timestamp);
        while let Some(transaction) = self.mempool.pop_front() {
            for (account, token, amount) in &transaction.deposits {
                // An amount that overflows is not deposited; the execution below then fails for lack of it.
                let _ = Arc::make_mut(&mut self.pending).credit(account, token, *amount);
            }
            let setting = self.setting(height, now);
            let outcome = engine::run(&self.pending, &self.nonces, &transaction.signed, setting);
            let result = outcome.and_then(engine::Outcome::balanced).map(|outcome| {
                self.pending = Arc::new(outcome.state);
                for executed in &outcome.executed {
                    self.nonces.commit(&executed.account_id, executed.nonce, height);
                }
                outcome.executed
            });
            // Nobody listening is fine: the chain does not depend on its readers.
            let _ = transaction.reply.send(Receipt { tx_hash: transaction.hash, result });
        }
        if self.collect_nonces {
            self.collect_garbage(now);
        }
        self.push(height, now);
    }

    /// Forgets nonces whose time is over, from the next block on.
    pub fn collect_garbage(&mut self, now: Nanos) {
        let oldest = self.blocks.front().map_or(0, |block| block.height);
        self.nonces.collect_garbage(&self.pending, now, self.head().height + 1, oldest);
    }

    /// How many nonces the contract remembers.
    #[must_use]
    pub fn nonces(&self) -> usize {
        self.nonces.count()
    }

    fn setting(&self, height: u64, now: Nanos) -> Setting<'_> {
        Setting { contract: &self.contract, now, height, legacy_nonces: self.legacy_nonces }
    }

    fn push(&mut self, height: u64, now: Nanos) {
        let prev_hash = self.blocks.back().map_or_else(|| base58(&[0; 32]), |block| block.hash.clone());
        let hash = base58(&sha256(format!("{prev_hash}/{height}/{}", self.hashes.next()).as_bytes()));
        self.by_hash.insert(hash.clone(), height);
        let state = Arc::clone(&self.pending);
        self.blocks.push_back(Block { height, hash, prev_hash, timestamp: now, state });
        if self.blocks.len() > self.history_blocks
            && let Some(gone) = self.blocks.pop_front()
        {
            // The hash stays known for as long again, so that asking for it says "collected" and not "unknown".
            let forget = gone.height.saturating_sub(u64::try_from(self.history_blocks).unwrap_or(0));
            self.by_hash.retain(|_, height| *height >= forget);
        }
    }
}

#[cfg(test)]
mod tests;
