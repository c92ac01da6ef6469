//! A small desk: a log in memory, a clock that is moved by hand, a venue that answers as told.

use crate::venue::ScriptedVenue;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use stele_commands::envelope::Envelope;
use stele_commands::executor::{Executor, ExecutorOptions};
use stele_commands::fence::Fence;
use stele_commands::ledger::Ledger;
use stele_commands::service::Board;
use stele_commands::stop::{Stopper, channel};
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{Actor, CommandId, CorrelationId, DecisionId, EventId, QuoteId, TokenId};
use stele_domain::market::reference;
use stele_domain::market::reference::event::{Basis, BasisMode, Fair, ReferencePriced, Verdict};
use stele_domain::money::{Asset, BasisPoints, Units};
use stele_domain::operations::service::event::Service;
use stele_domain::pair::{Direction, Pair, Side};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, Filter, Position, StreamId};
use stele_domain::port::venue::{ExactSide, TokenAmount};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::Asker;
use stele_domain::trading::account::event::Mode;
use stele_domain::trading::account::{Account, Command};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::{BalancesObserved, NonceSeen, VenueBlock};
use stele_domain::{trading, treasury};
use stele_event_log::MemoryLog;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const BTC: &str = "nep141:nbtc.bridge.near";
pub const EURE: &str = "nep141:gnosis-eure.omft.near";

/// A clock that is moved by hand.
pub struct HandClock {
    micros: AtomicI64,
    /// By how much it was set, which is no time that passed.
    set_ms: AtomicI64,
}

impl HandClock {
    pub fn at(moment: Timestamp) -> Arc<Self> {
        Arc::new(Self { micros: AtomicI64::new(moment.micros()), set_ms: AtomicI64::new(0) })
    }

    pub fn advance_ms(&self, millis: i64) {
        self.micros.fetch_add(millis * 1_000, Ordering::SeqCst);
    }

    /// Sets it forward, or back.
    pub fn set_by_ms(&self, millis: i64) {
        self.set_ms.fetch_add(millis, Ordering::SeqCst);
        self.advance_ms(millis);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn steady_ms(&self) -> i64 {
        self.now().millis() - self.set_ms.load(Ordering::SeqCst)
    }
}

pub fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

pub fn token(text: &str) -> TokenId {
    TokenId::try_from(text.to_owned()).unwrap()
}

pub fn eure(whole: u128) -> Units {
    Units::new(whole * 1_000_000_000_000_000_000)
}

pub fn pair() -> Pair {
    let side = |symbol: &str, decimals, id: &str| Side {
        asset: Asset { symbol: symbol.to_owned(), decimals },
        tokens: vec![token(id)],
    };
    Pair {
        id: "btc-eure".to_owned().try_into().unwrap(),
        base: side("BTC", 8, BTC),
        quote: side("EURe", 18, EURE),
    }
}

pub fn limits() -> Limits {
    Limits {
        edge_min: BasisPoints(200),
        notional_min: Units::new(1),
        notional_max: eure(100),
        fallback_notional_max: eure(50),
        buy_base_open_max: eure(1_000),
        sell_base_open_max: eure(1_000),
        open_offers_max: 10,
        open_offers_per_partner_max: 10,
        uncertain_offers_max: 5,
        cooldown_ms: 0,
        price_age_ms_max: 86_400_000,
        fallback_age_ms_max: 180_000,
        spread_max: BasisPoints(100),
        inventory_age_ms_max: 60_000,
        window_ms_min: 100,
        deadline_ms_max: 120_000,
        command_age_ms_max: 2_000,
        clock_skew_ms_max: 2_000,
        answer_probes: false,
        second_person: false,
        floor: std::collections::BTreeMap::new(),
        base_target: Units::ZERO,
    }
}

pub fn someone() -> Actor {
    Actor::try_from("operator:test".to_owned()).unwrap()
}

/// The desk.
pub struct Desk {
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<HandClock>,
    pub account: Arc<Ledger<Account>>,
    pub venue: Arc<ScriptedVenue>,
    pub fence: Fence,
    pub board: Arc<Board>,
}

/// An executor that runs.
pub struct Running {
    stopper: Stopper,
    task: JoinHandle<Result<(), stele_commands::service::ServiceError>>,
}

impl Running {
    /// Lets an executor run.
    pub fn of(executor: Executor) -> Self {
        let (stopper, stop) = channel();
        Self { stopper, task: tokio::spawn(executor.run(stop)) }
    }

    /// Why it ended by itself.
    pub async fn ended(self) -> stele_commands::service::ServiceError {
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), self.task);
        ended.await.expect("it never ended").unwrap().unwrap_err()
    }

    pub async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }

    /// Tells it to stop, and does not wait for it.
    pub fn is_told_to_stop(&self) {
        self.stopper.stop();
    }

    /// Ends it where it stands, as a crash would.
    pub async fn crash(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

impl Desk {
    pub fn new() -> Self {
        let clock = HandClock::at(start());
        Self::on(Arc::new(MemoryLog::new(clock.clone())), clock)
    }

    pub fn on(log: Arc<dyn EventLog>, clock: Arc<HandClock>) -> Self {
        let account = Arc::new(Ledger::new(log.clone(), Self::account_stream()));
        let board = Arc::new(Board::new(&log).unwrap());
        Self { log, clock, account, venue: Arc::default(), fence: Fence::default(), board }
    }

    /// The moment so much later than now.
    pub fn clock_in_ms(&self, millis: u64) -> Timestamp {
        self.clock.now().plus_millis(millis)
    }

    pub fn account_stream() -> StreamId {
        streams::account(&"solver.near".to_owned().try_into().unwrap()).unwrap()
    }

    pub fn wish<C>(&self, command: C) -> Envelope<C> {
        let id = Uuid::now_v7();
        Envelope {
            command_id: CommandId(id),
            digest: None,
            actor: someone(),
            origin: None,
            correlation_id: CorrelationId(id),
            causation_id: None,
            occurred_at: self.clock.now(),
            command,
        }
    }

    /// Starts an executor and waits until it holds the lease.
    pub async fn execute(&self) -> Running {
        let before = self.account.look(stele_domain::trading::account::State::epoch).await.unwrap();
        let running = Running::of(self.executor("desk-1", false));
        self.until(|event| {
            matches!(event, Event::Trading(trading::event::Event::Account(
            trading::account::Event::LeaseTaken(taken))) if taken.epoch > before)
        })
        .await;
        // It says that it runs once it has the lease.
        self.until_running(Service::Executor).await;
        running
    }

    /// An executor that does nothing yet.
    pub fn executor(&self, instance: &str, standby: bool) -> Executor {
        Executor {
            log: self.log.clone(),
            account: self.account.clone(),
            account_id: "solver.near".to_owned().try_into().unwrap(),
            pair: pair(),
            venue: self.venue.clone(),
            fence: self.fence.clone(),
            board: self.board.clone(),
            clock: self.clock.clone(),
            refresh_inventory: Arc::new(Notify::new()),
            standing: tokio::sync::watch::Sender::default(),
            options: ExecutorOptions {
                instance: instance.to_owned(),
                lease_ttl_ms: 600_000,
                offer_margin_ms: 10_000,
                nonce_margin_ms: 60_000,
                release_margin_ms: 5_000,
                finality_lag_ms: 1_500,
                in_flight_max: 4,
                standby,
                version: "test".to_owned(),
            },
        }
    }

    /// Waits until a service takes work.
    pub async fn until_running(&self, service: Service) {
        let mut follow = self.log.follow(Position::START, Filter::all());
        let runs = async {
            while self.board.running(service).await
                != stele_domain::trading::strategy::command::Running::Running
            {
                follow.next(1_000).await.unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), runs).await.expect("it never ran");
    }

    /// Sets limits and arms for an hour.
    pub async fn arm(&self) {
        let at = self.clock.now();
        let set = Command::SetLimits {
            limits: Box::new(limits()),
            shown: None,
            effective_from: at,
            reason: "test".to_owned(),
            by: someone(),
            at,
        };
        self.account.handle(self.wish(set)).await.unwrap();
        let arm = Command::Arm {
            mode: Mode::Full,
            limits_version: None,
            until: at.plus_millis(3_600_000),
            reason: "test".to_owned(),
            strategy_start: self.board.starts(Service::Strategy).await.unwrap(),
            asker: Asker {
                by: someone(),
                request_id: CommandId(Uuid::now_v7()),
                limits_version: 1,
                limits_hash: String::new(),
            },
            at,
        };
        self.account.handle(self.wish(arm)).await.unwrap();
    }

    pub async fn append(&self, stream: StreamId, event: Event) -> Position {
        let meta = Meta {
            correlation_id: CorrelationId(Uuid::now_v7()),
            causation_id: None,
            command: None,
            actor: someone(),
            origin: None,
            occurred_at: self.clock.now(),
            schema: 1,
        };
        let record = codec::to_record(EventId(Uuid::now_v7()), &event, &meta).unwrap();
        self.log.append(&stream, Expected::Any, vec![record]).await.unwrap().last
    }

    /// Balances of plenty at a block, with what is known of open nonces.
    pub async fn balances(&self, height: u64, block_at: Timestamp, nonces: Vec<NonceSeen>) -> Position {
        self.read(height, block_at, nonces, vec![]).await
    }

    /// The same, with what keeps the venue from taking our signature.
    pub async fn read(
        &self,
        height: u64,
        block_at: Timestamp,
        nonces: Vec<NonceSeen>,
        blocked: Vec<VenueBlock>,
    ) -> Position {
        self.observes(self.reading(height, block_at, nonces, blocked, 100_000_000)).await
    }

    /// Balances with so much base and plenty of EURe.
    pub async fn holds(&self, height: u64, base: u128) -> Position {
        self.observes(self.reading(height, self.clock.now(), vec![], vec![], base)).await
    }

    async fn observes(&self, fact: BalancesObserved) -> Position {
        self.price("52000").await;
        let event = treasury::event::Event::Inventory(treasury::inventory::Event::BalancesObserved(fact));
        let stream = streams::inventory(&"solver.near".to_owned().try_into().unwrap()).unwrap();
        self.append(stream, Event::Treasury(event)).await
    }

    fn reading(
        &self,
        height: u64,
        block_at: Timestamp,
        nonces: Vec<NonceSeen>,
        blocked: Vec<VenueBlock>,
        base: u128,
    ) -> BalancesObserved {
        BalancesObserved {
            height,
            block_hash: format!("block{height}"),
            block_at,
            credited: [(token(BTC), Units::new(base)), (token(EURE), eure(10_000))].into(),
            pending_in: [].into(),
            pending_out: [].into(),
            salt: "252812b3".to_owned(),
            fee_pips: 1,
            blocked,
            nonces,
            providers: 1,
            observed_at: self.clock.now(),
        }
    }

    /// A reference price: so many EURe for a bitcoin, the same either way. Balances come with one of 52,000.
    pub async fn price(&self, price: &str) -> Position {
        let one = price.parse().unwrap();
        let fair = Fair { rate: one, bid: one, ask: one, spread: BasisPoints(0), as_of: self.clock.now() };
        self.prices(Verdict::Primary { fair }).await
    }

    /// A verdict on the price.
    pub async fn prices(&self, verdict: Verdict) -> Position {
        let basis = Basis { mode: BasisMode::AssumedParity, rate: "1".parse().unwrap(), age_ms: None };
        let priced = ReferencePriced {
            verdict,
            sources: vec![],
            disagreement: None,
            basis: Some(basis),
            depegged: false,
            priced_at: self.clock.now(),
        };
        let event = reference::Event::ReferencePriced(priced);
        let stream = streams::price(&pair().id).unwrap();
        self.append(stream, Event::Market(stele_domain::market::event::Event::Reference(event))).await
    }

    /// An order to buy base for 50 EURe.
    pub fn order(&self, quote: &str) -> ExecutionCommanded {
        let quote_id = QuoteId::try_from(quote.to_owned()).unwrap();
        let decision_id = DecisionId::of_quote("btc-eure", &quote_id);
        ExecutionCommanded {
            command_id: CommandId::of_decision(decision_id),
            decision_id,
            quote_id,
            pair: pair().id,
            direction: Direction::BuyBase,
            receive: TokenAmount { token: token(BTC), amount: Units::new(100_000) },
            give: TokenAmount { token: token(EURE), amount: eure(50) },
            exact: ExactSide::In,
            notional: eure(52),
            limits_version: 1,
            strategy_start: 0,
            min_deadline_ms: 60_000,
            closes_at: self.clock.now().plus_millis(3_000),
            partner_id: None,
            commanded_at: self.clock.now(),
        }
    }

    pub async fn command(&self, order: ExecutionCommanded) -> Position {
        let event = trading::strategy::Event::ExecutionCommanded(Box::new(order));
        let stream = streams::strategy(&pair().id).unwrap();
        self.append(stream, Event::Trading(trading::event::Event::Strategy(event))).await
    }

    /// Every event of the log so far.
    pub async fn history(&self) -> Vec<Recorded> {
        let page = self.log.read_all(Position::START, &Filter::all(), 10_000).await.unwrap();
        page.records.iter().map(|record| codec::recorded(record).unwrap()).collect()
    }

    /// The types of the account's events, in order.
    pub async fn account_types(&self) -> Vec<&'static str> {
        let history = self.history().await;
        let of_account = history.iter().filter(|recorded| recorded.stream == Self::account_stream());
        of_account.map(|recorded| codec::type_of(&recorded.event)).collect()
    }

    /// Waits until an event has come; ten seconds at most.
    pub async fn until(&self, wanted: impl Fn(&Event) -> bool) -> Recorded {
        let mut follow = self.log.follow(Position::START, Filter::all());
        let search = async {
            loop {
                for record in follow.next(1_000).await.unwrap().records {
                    let recorded = codec::recorded(&record).unwrap();
                    if wanted(&recorded.event) {
                        return recorded;
                    }
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), search).await.expect("the event never came")
    }

    /// Waits until an event of this type has come.
    pub async fn until_type(&self, event_type: &str) -> Recorded {
        self.until(|event| codec::type_of(event) == event_type).await
    }
}
