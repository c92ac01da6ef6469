//! The one state that all doors share, and the tasks that move it.
//!
//! Two locks, never held across an await and always taken in this order: world, then journal.

use crate::clock::Clock;
use crate::coingecko::Cache;
use crate::faults::Faults;
use crate::journal::{Body, Direction, Door, Journal};
use crate::options::Options;
use crate::prices::{BadCloses, Market, Walk};
use crate::relay::Relay;
use crate::relay::cast::Cast;
use crate::verifier::chain::{Chain, ChainRules};
use crate::verifier::state::{Account, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Blocks are never made faster than this, in milliseconds.
const BLOCK_MS_MIN: u64 = 10;

/// Deposits that may be announced at once.
pub(crate) const DEPOSITS_MAX: usize = 1_000;

/// A deposit that is announced and not credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// For whom.
    pub account: String,
    /// Which token.
    pub token: String,
    /// Base units.
    #[serde(with = "crate::options::decimal_text")]
    pub amount: u128,
}

/// Everything that changes.
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) relay: Relay,
    pub(crate) cast: Cast,
    pub(crate) walk: Walk,
    pub(crate) faults: Faults,
    pub(crate) coingecko: Cache,
    pub(crate) deposits: Vec<Deposit>,
    /// Raised to end all Kraken connections that are open.
    pub(crate) kraken_epoch: watch::Sender<u64>,
}

/// What all doors hold.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    world: Mutex<World>,
    journal: Mutex<Journal>,
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    connections: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Result<Arc<Self>, BadCloses> {
        let clock = Clock::start();
        let cast = Cast::new(options.seed);
        let genesis = genesis(&options, &cast);
        let rules = ChainRules {
            contract: options.chain.contract.clone(),
            legacy_nonces: options.chain.legacy_nonces,
            collect_nonces: options.chain.collect_nonces,
            history_blocks: options.chain.history_blocks,
        };
        let world = World {
            chain: Chain::new(options.seed, rules, genesis, clock.now()),
            relay: Relay::new(options.seed),
            cast,
            walk: Walk::new(options.seed, options.prices.clone())?,
            faults: Faults::default(),
            coingecko: Cache::default(),
            deposits: vec![],
            kraken_epoch: watch::Sender::new(0),
        };
        Ok(Arc::new(Self {
            journal: Mutex::new(Journal::new(options.journal.clone())),
            options,
            clock,
            world: Mutex::new(world),
            tasks: Mutex::new(JoinSet::new()),
            stop: watch::Sender::new(false),
            connections: AtomicU64::new(0),
        }))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a journal entry, stamped now, and returns its number.
    pub(crate) fn note(&self, door: Door, direction: Direction, connection: u64, body: Body) -> u64 {
        let mut journal = self.journal();
        journal.write(self.clock.true_now(), door, direction, connection, body)
    }

    /// A number for a new connection; the first is 1.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Runs a task that ends with the simulator.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if !*self.stop.borrow() {
            tasks.spawn(task);
        }
    }

    /// Turns true when the simulator stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Ends every task and connection.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Market now.
    pub(crate) fn market(&self) -> Market {
        let elapsed = self.clock.elapsed_ms();
        self.world().walk.at(elapsed)
    }

    /// Makes blocks until the simulator stops.
    pub(crate) async fn make_blocks(self: Arc<Self>) {
        let every = Duration::from_millis(self.options.chain.block_ms.max(BLOCK_MS_MIN));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.clock.now();
            self.world().chain.produce(now);
        }
    }
}

fn genesis(options: &Options, cast: &Cast) -> State {
    let mut accounts = BTreeMap::new();
    for party in cast.parties() {
        let keys = [party.signatory.public_key()].into_iter().collect();
        let account = Account { keys, auth_by_predecessor: true, ..Account::default() };
        accounts.insert(party.account.clone(), account);
    }
    for asked in &options.accounts {
        let balances = asked.balances.iter().filter(|balance| balance.amount > 0);
        let account = Account {
            balances: balances.map(|balance| (balance.token.clone(), balance.amount)).collect(),
            keys: asked.public_keys.iter().cloned().collect(),
            auth_by_predecessor: true,
            ..Account::default()
        };
        accounts.insert(asked.account_id.clone(), account);
    }
    let salt = crate::random::Random::new(options.seed, "salt").bytes();
    State {
        accounts,
        fee_pips: options.chain.fee_pips,
        fee_collector: options.chain.fee_collector.clone(),
        salt,
        older_salts: std::collections::BTreeSet::new(),
        paused: false,
    }
}
