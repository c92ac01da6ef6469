//! A log in memory, and histories to put into it: what a desk could have written, in any order, with the
//! records of strangers and damaged ones in between.

use quickcheck::{Arbitrary, Gen};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use stele_domain::access::Origin;
use stele_domain::access::event::Event as Access;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CommandId, CorrelationId, DecisionId, EventId, QuoteId, derived};
use stele_domain::intents::event::Event as Intents;
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, StreamId};
use stele_domain::port::read_store::ReadStore;
use stele_domain::time::Timestamp;
use stele_domain::trading::event::Event as Trading;
use stele_event_log::MemoryLog;
use stele_projections::audit::Lake;
use stele_projections::compare::{Dump, dump, fold_to};
use stele_projections::models;
use stele_projections::projection::Registered;
use stele_projections::schemas;
use stele_read_store::MemoryStore;

/// A clock that goes on by a millisecond each time somebody looks.
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(1_795_199_078_000)))
}

/// A clock that is past everything that a log here has written.
pub fn later_clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(1_795_199_078_000 + 3_600_000)))
}

pub fn empty_log() -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::new(clock()))
}

pub fn empty_store(projections: &[Registered]) -> Arc<dyn ReadStore> {
    Arc::new(MemoryStore::new(&schemas(projections)).unwrap())
}

/// One record that could be next in the log.
#[derive(Debug, Clone)]
pub struct Act {
    /// Which sample event it is made from.
    pub sample: usize,
    /// Which of a few quotes, and so which decision, command and hash.
    pub quote: u8,
    /// Which of a few tokens, services and alerts.
    pub other: u8,
    /// What is wrong with it.
    pub flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Somebody else's record.
    Foreign,
    /// Ours, with bytes that can't be read.
    Damaged,
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        let flaw = match u8::arbitrary(g) % 40 {
            0 => Flaw::Foreign,
            1 => Flaw::Damaged,
            _ => Flaw::None,
        };
        let sample = usize::arbitrary(g) % codec::EVENT_TYPES.len();
        Self { sample, quote: u8::arbitrary(g) % 4, other: u8::arbitrary(g) % 3, flaw }
    }
}

/// A sample event about this quote.
pub fn act(event_type: &str, quote: u8) -> Act {
    let sample = codec::EVENT_TYPES.iter().position(|known| *known == event_type).unwrap();
    Act { sample, quote, other: 0, flaw: Flaw::None }
}

pub fn quote_id(quote: u8) -> QuoteId {
    format!("quote-{quote}").try_into().unwrap()
}

pub fn decision_id(quote: u8) -> DecisionId {
    DecisionId::of_quote("btc-eure", &quote_id(quote))
}

pub fn command_id(quote: u8) -> CommandId {
    CommandId::of_decision(decision_id(quote))
}

/// The sample events as JSON, by type.
static SAMPLES: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| {
    let json = |event: &Event| serde_json::from_slice(&codec::encode(event).unwrap()).unwrap();
    codec::samples().iter().map(|event| (codec::type_of(event), json(event))).collect()
});

impl Act {
    /// The event, with the ids of this act's quote in place of the sample's.
    pub fn event(&self) -> Event {
        let (event_type, mut json) = SAMPLES[self.sample].clone();
        self.rename(&mut json);
        let bytes = serde_json::to_vec(&json).unwrap();
        codec::decode(event_type, codec::SCHEMA_VERSION, &bytes).unwrap()
    }

    fn rename(&self, json: &mut Value) {
        match json {
            Value::Object(fields) => {
                fields.values_mut().for_each(|value| self.rename(value));
                self.rename_fields(fields);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn rename_fields(&self, fields: &mut Map<String, Value>) {
        let (quote, other) = (self.quote, usize::from(self.other));
        let names = [
            ("quote_id", quote_id(quote).as_str().to_owned()),
            ("decision_id", decision_id(quote).to_string()),
            ("command_id", command_id(quote).to_string()),
            ("request_id", command_id(quote).to_string()),
            ("key_id", format!("key{quote}")),
            ("quote_hash", format!("hash{quote}")),
            ("tx_hash", format!("tx{quote}")),
            ("token", format!("nep141:token-{other}.near")),
            ("service", Service::ALL[other].name().to_owned()),
            ("kind", Kind::ALL[other].name().to_owned()),
        ];
        for (name, text) in names {
            if let Some(Value::String(old)) = fields.get_mut(name) {
                *old = text;
            }
        }
    }

    fn stream(event: &Event) -> &'static str {
        match event {
            Event::Market(_) => "price-btc-eure",
            Event::Intents(Intents::Intake(_)) => "quote-btc-eure",
            Event::Intents(Intents::Filter(_)) => "filter-near",
            Event::Intents(Intents::Relay(_)) => "relay-near",
            Event::Treasury(_) => "inventory-solver.near",
            Event::Trading(Trading::Account(_)) => "account-solver.near",
            Event::Trading(Trading::Strategy(_)) => "strategy-btc-eure",
            Event::Operations(Operations::Service(_)) => "service-all",
            Event::Operations(Operations::Alert(_)) => "alert-all",
            Event::Operations(Operations::Parking(_)) => "parking-projections",
            Event::Operations(Operations::CommandRefused(_)) => "audit-commands",
            Event::Operations(Operations::Tiering(_)) => "tiering-partitions",
            Event::Access(Access::Keyring(_)) => "access-keys",
            Event::Access(Access::Attempted(_) | Access::StrangersRefused(_) | Access::AttemptsUnkept(_)) => {
                "audit-attempts"
            }
        }
    }
}

/// Appends one act.
pub async fn append(log: &dyn EventLog, act: &Act) -> Position {
    let number = log.head().await.unwrap().next().0.to_string();
    let event_id = EventId(derived("test", &[&number]));
    let event = act.event();
    let meta = Meta {
        correlation_id: CorrelationId::of_quote(&quote_id(act.quote)),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        origin: Some(Origin { key_id: Some("4f1d0c7a92be".to_owned()), address: "192.0.2.7".to_owned() }),
        occurred_at: Timestamp::from_millis(1_795_199_078_000),
        schema: codec::SCHEMA_VERSION,
    };
    let mut record: NewRecord = codec::to_record(event_id, &event, &meta).unwrap();
    let mut stream = Act::stream(&event);
    match act.flaw {
        Flaw::None => {}
        Flaw::Foreign => {
            stream = "weather-berlin";
            record = NewRecord { event_type: "weather.Rained".into(), ..record };
        }
        Flaw::Damaged => record = NewRecord { data: Arc::from(*b"{\"half\":"), ..record },
    }
    let stream = StreamId::new(stream).unwrap();
    log.append(&stream, Expected::Any, vec![record]).await.unwrap().last
}

pub async fn log_of(acts: &[Act]) -> Arc<dyn EventLog> {
    let log = empty_log();
    for act in acts {
        append(&*log, act).await;
    }
    log
}

/// A fresh store with the log folded into it in these batches, and what it holds then.
pub async fn folded(log: &dyn EventLog, projections: &[Registered], ends: &[u64]) -> Dump {
    let store = empty_store(projections);
    let head = log.head().await.unwrap();
    for end in ends.iter().map(|end| Position(*end)).filter(|end| *end < head).chain([head]) {
        fold_to(log, &*store, projections, end, |_| {}).await.unwrap();
    }
    dump(&*store).await.unwrap()
}

/// The whole story of a settled trade on one quote.
pub fn settled_story(quote: u8) -> Vec<Act> {
    [
        "market.PriceObserved",
        "market.ReferencePriced",
        "treasury.BalancesObserved",
        "trading.LeaseTaken",
        "trading.LimitsSet",
        "trading.Armed",
        "intents.QuoteReceived",
        "intents.DemandNormalised",
        "trading.Decided",
        "trading.ExecutionCommanded",
        "trading.SubmissionStarted",
        "trading.SubmissionAccepted",
        "intents.SettlementReported",
        "trading.SubmissionSettled",
        "trading.ReservationReleased",
    ]
    .map(|event_type| act(event_type, quote))
    .to_vec()
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub const ALL: &[Registered] = models::ALL;

/// Nowhere.
pub const NO_LAKE: Lake<'static> = Lake { there: Err("no lake is configured"), tell: &|_, _| {} };
