//! What can be asked of the simulator, and the HTTP door to it at `/sim/*`. [`Handle`] and the door do the same.

use crate::clock::rfc3339;
use crate::faults::{Action, Armed, Fault, Garbage, Scope};
use crate::journal::{Counts, Door, JournalPage};
use crate::prices::Market;
use crate::random::hex;
use crate::relay::auction::publish;
use crate::relay::request::ScriptedQuote;
use crate::relay::{Frame, Mode, Tally};
use crate::verifier::chain::FINALITY_BLOCKS;
use crate::world::{DEPOSITS_MAX, Deposit, Shared, World};
use crate::{observe, options::AccountOptions, options::Balance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) mod door;

/// Size of a huge frame.
const HUGE_BYTES: usize = 4 * 1024 * 1024;

/// Depth of a deep frame.
const DEEP_LEVELS: usize = 100_000;

/// Longest silence that can be asked for, in milliseconds.
const SILENCE_MS_MAX: u64 = 600_000;

/// Asks things of a running simulator.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Why the simulator did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many faults are armed.
    #[error("{} faults are armed already: clear some", crate::faults::ARMED_MAX)]
    TooManyFaults,
    /// Too many auctions are open.
    #[error("too many auctions are open: wait for some to close")]
    TooManyAuctions,
    /// Too many deposits are announced.
    #[error("{DEPOSITS_MAX} deposits are announced already: credit some")]
    TooManyDeposits,
    /// There is nothing to repeat, credit or clear.
    #[error("there is no {0}")]
    Nothing(&'static str),
}

/// What has happened so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What became of auctions.
    pub auctions: Tally,
    /// What passed the doors.
    pub journal: Counts,
    /// Balances of the desks' accounts and the fee collector: base units as decimal text, by account and token.
    pub balances: BTreeMap<String, BTreeMap<String, String>>,
    /// Nonces that the contract remembers.
    pub nonces_remembered: usize,
    /// Auctions that are open now.
    pub auctions_open: usize,
    /// Relay connections that are open now.
    pub relay_connections: usize,
}

/// How the simulated world is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldState {
    /// Where chance comes from.
    pub seed: u64,
    /// The simulated world's time, RFC 3339.
    pub now: String,
    /// How far that is ahead of the machine's clock, in milliseconds.
    pub skew_ms: i64,
    /// The newest block.
    pub block_height: u64,
    /// Its hash.
    pub block_hash: String,
    /// The newest block that cannot be undone.
    pub final_height: u64,
    /// The verifier contract's account.
    pub contract: String,
    /// The salt for new nonces, hexadecimal.
    pub salt: String,
    /// Earlier salts that are still accepted.
    pub older_salts: Vec<String>,
    /// Fee on what is given, in millionths.
    pub fee_pips: u32,
    /// Whether the contract is paused.
    pub paused: bool,
    /// What bitcoin costs.
    pub market: Market,
    /// Accounts that are not of the cast.
    pub accounts: Vec<AccountState>,
    /// Deposits that are announced and not credited.
    pub pending_deposits: Vec<Deposit>,
    /// Faults that are armed.
    pub faults: Vec<Armed>,
}

/// An account at the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// NEAR account id.
    pub account_id: String,
    /// Keys that may sign for it.
    pub public_keys: Vec<String>,
    /// Base units as decimal text, by token, after everything that waits for the next block.
    pub balances: BTreeMap<String, String>,
    /// Whether it is locked.
    pub locked: bool,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Arms a fault; returns the id to clear it by.
    pub fn fault(&self, fault: Fault, scope: Scope) -> Result<u64, Refused> {
        observe::asked_for(&format!("{fault:?}"));
        let mut world = self.shared.world();
        let height = world.chain.head().height - FINALITY_BLOCKS;
        world.faults.arm(fault, scope, height).ok_or(Refused::TooManyFaults)
    }

    /// Clears one fault, or all; returns how many there were.
    pub fn clear_faults(&self, id: Option<u64>) -> usize {
        self.shared.world().faults.clear(id)
    }

    /// The faults that are armed.
    #[must_use]
    pub fn faults(&self) -> Vec<Armed> {
        self.shared.world().faults.armed()
    }

    /// Publishes a quote now; returns its id, empty when its data has none.
    pub fn quote(&self, quote: ScriptedQuote) -> Result<String, Refused> {
        publish(&self.shared, quote).ok_or(Refused::TooManyAuctions)
    }

    /// Sets balances of an account to exact amounts. Views show it from the next block on.
    pub fn fund(&self, account: &str, balances: &[Balance]) {
        self.shared.world().chain.change(|state| {
            for balance in balances {
                state.set_balance(account, &balance.token, balance.amount);
            }
        });
    }

    /// Makes an account with these keys and balances, or adds them to the one that is there.
    pub fn add_account(&self, account: &AccountOptions) {
        self.shared.world().chain.change(|state| {
            let entry = state.account_mut(&account.account_id);
            entry.keys.extend(account.public_keys.iter().cloned());
        });
        self.fund(&account.account_id, &account.balances);
    }

    /// Journal entries from number `from` (the first is 1), at most `limit`, of one door or of all.
    #[must_use]
    pub fn journal(&self, from: u64, limit: usize, door: Option<Door>) -> JournalPage {
        self.shared.journal().page(from, limit, door)
    }

    /// What has happened so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (auctions, balances, nonces_remembered, auctions_open, relay_connections) = {
            let world = self.shared.world();
            let balances = accounts(&world).map(|account| (account.account_id, account.balances));
            (
                world.relay.tally,
                balances.collect(),
                world.chain.nonces(),
                world.relay.auctions.len(),
                world.relay.connections.len(),
            )
        };
        let journal = self.shared.journal().counts();
        Summary { auctions, journal, balances, nonces_remembered, auctions_open, relay_connections }
    }

    /// How the simulated world is now.
    #[must_use]
    pub fn state(&self) -> WorldState {
        let elapsed = self.shared.clock.elapsed_ms();
        let mut world = self.shared.world();
        let market = world.walk.at(elapsed);
        let faults = world.faults.armed();
        let (head, state) = (world.chain.head(), world.chain.pending());
        WorldState {
            seed: self.shared.options.seed,
            now: rfc3339(self.shared.clock.now()),
            skew_ms: self.shared.clock.skew_ms(),
            block_height: head.height,
            block_hash: head.hash.clone(),
            final_height: head.height - FINALITY_BLOCKS,
            contract: world.chain.contract().to_owned(),
            salt: hex(&state.salt),
            older_salts: state.older_salts.iter().map(|salt| hex(salt)).collect(),
            fee_pips: state.fee_pips,
            paused: state.paused,
            market,
            accounts: accounts(&world).collect(),
            pending_deposits: world.deposits.clone(),
            faults,
        }
    }

    /// Does something now.
    pub fn act(&self, action: Action) -> Result<(), Refused> {
        observe::asked_for(&format!("{action:?}"));
        match action {
            Action::RelayDisconnect => self.relay_mode(&Mode::Dropped),
            Action::RelayClose { code, reason } => self.relay_mode(&Mode::Closed { code, reason }),
            Action::RelaySilence { for_ms } => {
                let until = Instant::now() + Duration::from_millis(for_ms.min(SILENCE_MS_MAX));
                self.relay_mode(&Mode::Silent(until));
            }
            Action::RelayGarbage { garbage } => self.shared.world().relay.send_all(&garbage_frame(garbage)),
            Action::RelaySend { text } => self.shared.world().relay.send_all(&Frame::Text(text.into())),
            Action::RepeatQuote { altered } => return self.repeat_quote(altered),
            Action::SetBalances { account, balances } => self.fund(&account, &balances),
            Action::AnnounceDeposit { account, token, amount } => {
                return self.announce(Deposit { account, token, amount });
            }
            Action::CreditDeposit { account } => return self.credit(&account),
            Action::SkewClock { by_ms } => self.shared.clock.set_skew_ms(by_ms),
            Action::FixPrice { price_e8 } => {
                let elapsed = self.shared.clock.elapsed_ms();
                let mut world = self.shared.world();
                world.walk.at(elapsed);
                world.walk.fix(price_e8);
                // A move of the market, not of one source: CoinGecko follows at once.
                world.coingecko.clear();
            }
            Action::CollectNonces => {
                let now = self.shared.clock.now();
                self.shared.world().chain.collect_garbage(now);
            }
            Action::KrakenDisconnect => {
                self.shared.world().kraken_epoch.send_modify(|epoch| *epoch = epoch.wrapping_add(1));
            }
            Action::RotateSalt { .. }
            | Action::RemoveKey { .. }
            | Action::AddKey { .. }
            | Action::LockAccount { .. }
            | Action::PauseContract { .. }
            | Action::SetFee { .. } => self.change_contract(action),
        }
        Ok(())
    }

    fn relay_mode(&self, mode: &Mode) {
        self.shared.world().relay.set_mode(mode);
    }

    fn repeat_quote(&self, altered: bool) -> Result<(), Refused> {
        let mut world = self.shared.world();
        let last = world.relay.last_quote.clone().ok_or(Refused::Nothing("quote to repeat"))?;
        let mut data = last.data;
        if altered {
            for side in ["exact_amount_in", "exact_amount_out"] {
                if let Some(serde_json::Value::String(amount)) = data.get_mut(side) {
                    amount.push('0');
                }
            }
        }
        world.relay.send_quote(&data, last.metadata.as_ref(), &self.shared.options.relay);
        Ok(())
    }

    fn announce(&self, deposit: Deposit) -> Result<(), Refused> {
        let mut world = self.shared.world();
        if world.deposits.len() >= DEPOSITS_MAX {
            return Err(Refused::TooManyDeposits);
        }
        world.deposits.push(deposit);
        Ok(())
    }

    fn credit(&self, account: &str) -> Result<(), Refused> {
        let mut world = self.shared.world();
        let index = world.deposits.iter().position(|deposit| deposit.account == account);
        let deposit = world.deposits.remove(index.ok_or(Refused::Nothing("deposit to credit"))?);
        world.chain.change(|state| {
            // An amount that overflows is not a deposit that anyone could make.
            let _ = state.credit(&deposit.account, &deposit.token, deposit.amount);
        });
        Ok(())
    }

    fn change_contract(&self, action: Action) {
        let mut world = self.shared.world();
        let salt = world.relay.salts.bytes::<4>();
        world.chain.change(|state| match action {
            Action::RotateSalt { invalidate_old } => {
                if invalidate_old {
                    state.older_salts.clear();
                } else {
                    state.older_salts.insert(state.salt);
                }
                state.salt = salt;
            }
            Action::RemoveKey { account, public_key } => {
                let account = state.account_mut(&account);
                account.keys.remove(&public_key);
                account.removed_keys.insert(public_key);
            }
            Action::AddKey { account, public_key } => {
                let account = state.account_mut(&account);
                account.removed_keys.remove(&public_key);
                account.keys.insert(public_key);
            }
            Action::LockAccount { account, locked } => state.account_mut(&account).locked = locked,
            Action::PauseContract { paused } => state.paused = paused,
            Action::SetFee { pips } => state.fee_pips = pips.min(999_999),
            Action::RelayDisconnect
            | Action::RelayClose { .. }
            | Action::RelaySilence { .. }
            | Action::RelayGarbage { .. }
            | Action::RelaySend { .. }
            | Action::RepeatQuote { .. }
            | Action::SetBalances { .. }
            | Action::AnnounceDeposit { .. }
            | Action::CreditDeposit { .. }
            | Action::SkewClock { .. }
            | Action::FixPrice { .. }
            | Action::CollectNonces
            | Action::KrakenDisconnect => {}
        });
    }
}

/// Every account that is not of the cast.
fn accounts(world: &World) -> impl Iterator<Item = AccountState> {
    let of_the_cast: Vec<_> = world.cast.parties().map(|party| party.account.as_str()).collect();
    let accounts = world.chain.pending().accounts.iter();
    let desks = accounts.filter(move |(name, _)| !of_the_cast.contains(&name.as_str()));
    desks.map(|(name, account)| AccountState {
        account_id: name.clone(),
        public_keys: account.keys.iter().cloned().collect(),
        balances: account
            .balances
            .iter()
            .map(|(token, amount)| (token.clone(), amount.to_string()))
            .collect(),
        locked: account.locked,
    })
}

fn garbage_frame(garbage: Garbage) -> Frame {
    let text = match garbage {
        Garbage::InvalidJson => r#"{"jsonrpc":"2.0","method":"event","params":{"subscr"#.to_owned(),
        Garbage::Binary => return Frame::Binary(vec![0, 159, 146, 150].into()),
        Garbage::Huge => format!(r#"{{"jsonrpc":"2.0","method":"event","params":{{"x":"{}"}}}}"#, "x".repeat(HUGE_BYTES)),
        Garbage::UnknownMethod => r#"{"jsonrpc":"2.0","method":"rebalance","params":{"now":true}}"#.to_owned(),
        Garbage::WrongTypes => {
            r#"{"jsonrpc":"2.0","method":"event","params":{"subscription":7,"data":{"quote_id":[1],"defuse_asset_identifier_in":{},"exact_amount_in":5,"min_deadline_ms":"soon"}}}"#.to_owned()
        }
        Garbage::Deep => "[".repeat(DEEP_LEVELS),
    };
    Frame::Text(text.into())
}
