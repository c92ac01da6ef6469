//! What-if over a log of quotes: events a second and memory, in turns with what reading and decoding the same events takes.
//!
//! The log is written here, by the deciders: quotes that are all skipped because their edge is too small, prices,
//! balances. The first question changes nothing; the second lowers the least edge, so that offers are made, hold coin and
//! expire from the first quote on.

use crate::Place;
use crate::decide::{Scene, footing, priced as priced_as_of};
use crate::figures::{median, ratio};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::SystemClock;
use stele_commands::streams;
use stele_commands::whatif::question::LimitChanges;
use stele_commands::whatif::{self, Desk, Question, Replay, Report};
use stele_domain::codec;
use stele_domain::decider::Decider;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{AccountId, Actor, CorrelationId, EventId, QuoteId, derived};
use stele_domain::money::BasisPoints;
use stele_domain::operations::service::event::{Event as ServiceEvent, Service, ServiceStarted};
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::{Armed, LeaseTaken, LimitsSet, Mode};
use stele_domain::trading::account::{Account, Event as AccountEvent, State};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::strategy::command::AccountView;
use stele_domain::trading::strategy::{Command, Event as StrategyEvent, State as Memory, Strategy};
use stele_domain::{intents, market, operations, trading, treasury};
use stele_event_log::{EmbeddedLog, Options};

/// Quotes of one burst.
const BURST: u64 = 100;
/// Prices before each.
const PRICES_A_BURST: usize = 10;
/// Blocks before each.
const BLOCKS_A_BURST: usize = 2;
/// Time between two bursts, in milliseconds.
const BURST_MS: u64 = 2_000;
/// Records of one page.
const PAGE: usize = 4_096;
/// What is asked for, in events a second.
const TARGET: f64 = 100_000.0;

/// Writes a log of `quotes` quotes and asks of it, in turns.
pub(crate) fn run(place: &Place, quotes: u64, rounds: u32) -> anyhow::Result<Value> {
    std::fs::create_dir_all(&place.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-whatif-").tempdir_in(&place.disk)?;
    let runtime = crate::runtime()?;
    let log = runtime.block_on(open(&ground.path().join("log")))?;
    let mut world = World::new()?;
    runtime.block_on(world.write(&log, quotes))?;
    let events = runtime.block_on(log.head())?.0;
    let lower = LimitChanges::of(&Limits { edge_min: BasisPoints(0), ..world.limits.clone() }, ["edge_min"])?;
    let lower = Question { limits: lower, ..Question::default() };
    let (mut decoding, mut history, mut other) = (vec![], vec![], vec![]);
    let before = crate::log::verify::resident_kib("VmRSS:")?;
    std::fs::write("/proc/self/clear_refs", "5")?;
    let mut answers = vec![];
    for _ in 0..rounds {
        decoding.push(per_second(events, || runtime.block_on(decoded(&log)))?.0);
        let (rate, report) =
            per_second(events, || runtime.block_on(asked(&log, &world, Question::default())))?;
        ensure!(report.decisions.identical == quotes, "history was not reproduced: {:?}", report.decisions);
        history.push(rate);
        let (rate, report) = per_second(events, || runtime.block_on(asked(&log, &world, lower.clone())))?;
        ensure!(report.decisions.added > 0, "nothing differs: {:?}", report.decisions);
        other.push(rate);
        answers.push(report.result);
    }
    let most = crate::log::verify::resident_kib("VmHWM:")?;
    ensure!(answers.iter().all(|answer| Some(answer) == answers.first()), "the answers differ: {answers:?}");
    let share = |of: &[f64]| median(of.iter().zip(&decoding).map(|(of, alone)| ratio(*of, *alone)).collect());
    Ok(json!({
        "benchmark": "whatif",
        "events": events,
        "decisions": quotes,
        "decoding_alone_per_second": median(decoding.clone()).round(),
        "history_per_second": median(history.clone()).round(),
        "history_share": share(&history),
        "lower_threshold_per_second": median(other.clone()).round(),
        "lower_threshold_share": share(&other),
        "target_per_second": TARGET,
        "resident_kib": { "before": before, "most": most },
        "result": answers.first(),
    }))
}

fn per_second<T>(events: u64, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let began = Instant::now();
    let done = work()?;
    Ok((ratio(f64::from(u32::try_from(events)?), began.elapsed().as_secs_f64()), done))
}

async fn open(directory: &Path) -> anyhow::Result<Arc<dyn EventLog>> {
    let directory = directory.to_owned();
    let open = move || EmbeddedLog::open(&directory, Options::new(Arc::new(SystemClock)));
    let (log, _) = tokio::task::spawn_blocking(open).await??;
    Ok(Arc::new(log))
}

/// Reads and decodes what a what-if reads, and does nothing with it.
async fn decoded(log: &Arc<dyn EventLog>) -> anyhow::Result<u64> {
    let filter = whatif::reads();
    let (mut from, mut count) = (Position(1), 0_u64);
    loop {
        let page = log.read_all(from, &filter, PAGE).await?;
        for record in &page.records {
            std::hint::black_box(codec::recorded(record)?);
            count += 1;
        }
        if page.caught_up() {
            return Ok(count);
        }
        from = page.next;
    }
}

async fn asked(log: &Arc<dyn EventLog>, world: &World, question: Question) -> anyhow::Result<Report> {
    let filter = whatif::reads();
    let mut replay = Replay::new(world.desk.clone(), question, None, None)?;
    let mut from = Position(1);
    loop {
        let page = log.read_all(from, &filter, PAGE).await?;
        for record in &page.records {
            replay.see(record)?;
        }
        if page.caught_up() {
            return Ok(replay.finish()?);
        }
        from = page.next;
    }
}

/// A desk that skips every quote.
struct World {
    scene: Scene,
    desk: Desk,
    limits: Limits,
    account: State,
    /// A request as it came.
    frame: Event,
    place: u64,
    now: Timestamp,
    meta: Meta,
    streams: Streams,
}

struct Streams {
    quote: StreamId,
    price: StreamId,
    inventory: StreamId,
    account: StreamId,
    strategy: StreamId,
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let scene = Scene::new()?;
        let account = AccountId::try_from("desk.near".to_owned())?;
        let pair = scene.pair();
        let stands_on = footing();
        let desk = Desk {
            pair: pair.clone(),
            account: account.clone(),
            pricing: stands_on.pricing,
            finality_lag_ms: stands_on.finality_lag_ms,
            offer_margin_ms: 10_000,
            nonce_margin_ms: 60_000,
            release_margin_ms: 5_000,
        };
        let limits = Limits { edge_min: BasisPoints(5_000), ..crate::decide::limits().context("limits")? };
        let now = Timestamp::parse("2026-03-01T12:00:00Z")?;
        let meta = Meta {
            correlation_id: CorrelationId(derived("bench", &["whatif"])),
            causation_id: None,
            command: None,
            actor: Actor::try_from("service:strategy".to_owned())?,
            origin: None,
            occurred_at: now,
            schema: codec::SCHEMA_VERSION,
        };
        let is_frame = |event: &Event| codec::type_of(event) == "intents.QuoteReceived";
        let frame = codec::samples().into_iter().find(is_frame).context("no sample of a frame")?;
        let streams = Streams {
            quote: streams::quote(&pair.id)?,
            price: streams::price(&pair.id)?,
            inventory: streams::inventory(&account)?,
            account: streams::account(&account)?,
            strategy: streams::strategy(&pair.id)?,
        };
        Ok(Self { scene, desk, limits, account: State::default(), frame, place: 0, now, meta, streams })
    }

    /// Writes bursts, as a strategy that reads in pages leaves them: prices, balances, requests, decisions.
    async fn write(&mut self, log: &Arc<dyn EventLog>, quotes: u64) -> anyhow::Result<()> {
        self.begin(log).await?;
        let mut next = 0;
        while next < quotes {
            let priced = priced_as_of(self.now)?;
            let fact = market::reference::Event::ReferencePriced(priced.clone());
            let fact = Event::Market(market::event::Event::Reference(fact));
            let stream = self.streams.price.clone();
            let (id, place) = self.append(log, &stream, vec![fact; PRICES_A_BURST]).await?;
            self.scene.saw_price(id, place, priced);
            let observed = self.scene.balances_at(self.now, next);
            let fact = treasury::inventory::Event::BalancesObserved(observed.clone());
            let fact = Event::Treasury(treasury::event::Event::Inventory(fact));
            let stream = self.streams.inventory.clone();
            let (id, place) = self.append(log, &stream, vec![fact; BLOCKS_A_BURST]).await?;
            self.scene.saw_balances(id, place, observed);
            let end = quotes.min(next.saturating_add(BURST));
            self.burst(log, next..end).await?;
            next = end;
            self.now = self.now.plus_millis(BURST_MS);
        }
        Ok(())
    }

    /// A desk that is leased, limited and armed for as long as the log goes.
    async fn begin(&mut self, log: &Arc<dyn EventLog>) -> anyhow::Result<()> {
        let until = self.now.plus_millis(365 * 24 * 60 * 60 * 1_000);
        let at = self.now;
        for service in [Service::Strategy, Service::Executor] {
            let (version, instance) = ("bench".to_owned(), "bench".to_owned());
            let started = ServiceStarted { service, version, instance, start: 1, at };
            let fact = operations::event::Event::Service(ServiceEvent::ServiceStarted(started));
            self.append(log, &streams::service(service)?, vec![Event::Operations(fact)]).await?;
        }
        let limits = Box::new(LimitsSet {
            dropped_by: None,
            version: 1,
            limits: self.limits.clone(),
            effective_from: at,
            reason: "bench".to_owned(),
            at,
        });
        let armed = Armed {
            mode: Mode::Full,
            limits_version: 1,
            strategy_start: 1,
            until,
            reason: "bench".to_owned(),
            at,
        };
        for event in [
            AccountEvent::LeaseTaken(LeaseTaken { epoch: 1, holder: "bench".to_owned(), at, until }),
            AccountEvent::LimitsSet(limits),
            AccountEvent::Armed(armed),
        ] {
            self.account = Account::evolve(std::mem::take(&mut self.account), &event);
            let fact = Event::Trading(trading::event::Event::Account(event));
            let stream = self.streams.account.clone();
            self.append(log, &stream, vec![fact]).await?;
        }
        Ok(())
    }

    /// Requests, what they want, and the decisions on them.
    async fn burst(&mut self, log: &Arc<dyn EventLog>, quotes: std::ops::Range<u64>) -> anyhow::Result<()> {
        let (mut asked, mut demands) = (vec![], vec![]);
        for n in quotes {
            let quote = QuoteId::try_from(derived("bench-quote", &[&n.to_string()]).to_string())?;
            let demand = self.scene.demand(quote, self.now);
            let normalised = intents::intake::Event::DemandNormalised(demand.clone());
            asked.push(self.frame.clone());
            asked.push(Event::Intents(intents::event::Event::Intake(normalised)));
            let place = self.place + u64::try_from(asked.len())?;
            demands.push((demand, (event_id(place), Position(place))));
        }
        let stream = self.streams.quote.clone();
        self.append(log, &stream, asked).await?;
        let at = self.now.plus_millis(1);
        let (start, held) = (footing().start, self.scene.base_held());
        let mut decided = vec![];
        for (demand, event) in demands {
            let view = AccountView::of(&self.account, start, &demand, held, at);
            let sight = self.scene.sight_of(demand, event, view, at);
            let Ok(spoken) = Strategy::decide(&Memory::default(), Command::Decide(Box::new(sight)));
            ensure!(spoken.len() == 1, "the desk was to skip every quote");
            let wrapped = |event: StrategyEvent| Event::Trading(trading::event::Event::Strategy(event));
            decided.extend(spoken.into_iter().map(wrapped));
        }
        let stream = self.streams.strategy.clone();
        self.append(log, &stream, decided).await?;
        Ok(())
    }

    /// The id and place of the last.
    async fn append(
        &mut self,
        log: &Arc<dyn EventLog>,
        stream: &StreamId,
        facts: Vec<Event>,
    ) -> anyhow::Result<(EventId, Position)> {
        let mut records: Vec<NewRecord> = vec![];
        for fact in &facts {
            self.place += 1;
            records.push(codec::to_record(event_id(self.place), fact, &self.meta)?);
        }
        let last = records.last().context("nothing to append")?.event_id;
        let appended = log.append(stream, Expected::Any, records).await?;
        ensure!(appended.last.0 == self.place, "the log stands at {}", appended.last);
        Ok((last, appended.last))
    }
}

/// The id of the event at a place.
fn event_id(place: u64) -> EventId {
    EventId(derived("bench-event", &[&place.to_string()]))
}
