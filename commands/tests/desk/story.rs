//! Small worlds made of steps: what a desk's log could hold after any of them, written by the deciders themselves and by
//! nothing else. The same steps give the same bytes.

mod market;

use crate::desk::{BTC, EURE, eure, limits, someone, start};
use quickcheck::{Arbitrary, Gen};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::decider::{Decider, fold};
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{CommandId, CorrelationId, EventId, derived};
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference::event::ReferencePriced;
use stele_domain::money::BasisPoints;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::{
    Command as ServiceCommand, Event as ServiceEvent, Lifecycle, State as ServiceState,
};
use stele_domain::port::event_log::{Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::Asker;
use stele_domain::trading::account::event::{DisarmCause, Mode};
use stele_domain::trading::account::state::Phase;
use stele_domain::trading::account::{Account, Command, Event as AccountEvent, State};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::strategy::command::Seen;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;
use stele_domain::{operations, trading};
use uuid::Uuid;

/// One thing that happens; numbers are cut to what makes sense.
#[derive(Debug, Clone)]
pub enum Step {
    Passes(u8),
    Price(u8),
    Block(u8),
    Demand(u8),
    Decide,
    Execute,
    Reply(u8),
    Limits(u8),
    Arm,
    Disarm,
    Kill,
    Pause(bool),
    Restart,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let n = u8::arbitrary(g);
        match u8::arbitrary(g) % 32 {
            0..=2 => Self::Passes(n),
            3..=5 => Self::Price(n),
            6..=9 => Self::Block(n),
            10..=18 => Self::Demand(n),
            19..=21 => Self::Decide,
            22..=23 => Self::Execute,
            24 => Self::Reply(n),
            25 => Self::Limits(n),
            26..=27 => Self::Arm,
            28 => Self::Disarm,
            29 => Self::Kill,
            30 => Self::Pause(n % 2 == 0),
            _ => Self::Restart,
        }
    }
}

/// A story: a desk that could trade, and then steps.
#[derive(Debug, Clone)]
pub struct Story(pub Vec<Step>);

impl Arbitrary for Story {
    fn arbitrary(g: &mut Gen) -> Self {
        Self((0..200).map(|_| Step::arbitrary(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let steps = self.0.clone();
        let without = move |place: usize| {
            let mut fewer = steps.clone();
            fewer.drain(place..(place + steps.len().div_ceil(8)).min(fewer.len()));
            Self(fewer)
        };
        Box::new((0..self.0.len()).map(without))
    }
}

impl Story {
    /// The log after it.
    pub fn records(self) -> Vec<Record> {
        let mut world = World::new();
        for step in &self.0 {
            world.step(step);
        }
        world.records
    }
}

/// A world and its log.
struct World {
    records: Vec<Record>,
    revisions: BTreeMap<StreamId, u64>,
    now: Timestamp,
    height: u64,
    account: Vec<(Position, AccountEvent)>,
    /// What the account's facts lead to.
    state: State,
    strategy: Vec<(Position, ServiceEvent)>,
    price: Option<Seen<ReferencePriced>>,
    prices: Vec<Seen<ReferencePriced>>,
    balances: Vec<Seen<BalancesObserved>>,
    demands: VecDeque<(EventId, Position, Arc<Demand>)>,
    orders: VecDeque<(Position, ExecutionCommanded)>,
    /// Where the strategy of now looked around when it began.
    looked: Position,
    start: u64,
    credited: BTreeMap<&'static str, u128>,
    quotes: u64,
}

fn desk() -> stele_domain::ids::AccountId {
    "solver.near".to_owned().try_into().unwrap()
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            records: vec![],
            revisions: BTreeMap::new(),
            now: start(),
            height: 100,
            account: vec![],
            state: State::default(),
            strategy: vec![],
            price: None,
            prices: vec![],
            balances: vec![],
            demands: VecDeque::new(),
            orders: VecDeque::new(),
            looked: Position::START,
            start: 0,
            credited: [(BTC, 3_000_000), (EURE, 400 * 10_u128.pow(18))].into(),
            quotes: 0,
        };
        for step in [Step::Restart, Step::Limits(0), Step::Arm, Step::Price(100), Step::Block(0)] {
            world.step(&step);
        }
        world
    }

    fn step(&mut self, step: &Step) {
        self.now = self.now.plus_millis(7);
        match step {
            Step::Passes(n) => self.now = self.now.plus_millis(u64::from(*n) * 300),
            Step::Price(n) => self.prices(*n),
            Step::Block(n) => self.block(*n),
            Step::Demand(n) => {
                self.demand(*n);
                // Most are decided on at once, some in a burst later.
                if n % 4 > 0 {
                    self.step(&Step::Decide);
                }
            }
            Step::Decide => {
                while let Some(demand) = self.demands.pop_front() {
                    self.decide(demand);
                }
                if !self.quotes.is_multiple_of(3) {
                    self.step(&Step::Execute);
                }
            }
            Step::Execute => {
                while let Some((position, order)) = self.orders.pop_front() {
                    self.execute(position, &order);
                }
            }
            Step::Reply(n) => self.reply(*n),
            Step::Limits(n) => self.limits(*n),
            Step::Arm => self.arm(),
            Step::Disarm => {
                let (cause, reason) = (DisarmCause::Operator, "for now".to_owned());
                self.tell(Command::Disarm { cause, reason, at: self.now });
            }
            Step::Kill => {
                self.tell(Command::Kill { reason: "smoke".to_owned(), at: self.now });
            }
            Step::Pause(pause) => self.pause(*pause),
            Step::Restart => self.restart(),
        }
    }

    fn append(&mut self, stream: StreamId, event: &Event) -> (EventId, Position) {
        let position = Position(self.records.len() as u64 + 1);
        let revision = self.revisions.entry(stream.clone()).or_default();
        let event_id = EventId(derived("story", &[&position.to_string()]));
        let meta = Meta {
            correlation_id: CorrelationId(Uuid::from_u128(1)),
            causation_id: None,
            command: None,
            actor: someone(),
            origin: None,
            occurred_at: self.now,
            schema: 1,
        };
        let new = codec::to_record(event_id, event, &meta).unwrap();
        self.records.push(Record {
            position,
            stream,
            revision: Revision(*revision),
            event_id,
            event_type: new.event_type,
            data: new.data,
            metadata: new.metadata,
            recorded_at: self.now,
        });
        *revision += 1;
        (event_id, position)
    }

    /// Tells the account; a no leaves no trace.
    fn tell(&mut self, command: Command) -> Vec<AccountEvent> {
        let events = Account::decide(&self.state, command).unwrap_or_default();
        for event in &events {
            let fact = Event::Trading(trading::event::Event::Account(event.clone()));
            let (_, position) = self.append(streams::account(&desk()).unwrap(), &fact);
            self.account.push((position, event.clone()));
            self.state = Account::evolve(std::mem::take(&mut self.state), event);
        }
        events
    }

    fn tell_service(&mut self, service: Service, command: ServiceCommand) {
        let history: ServiceState = fold::<Lifecycle>(self.strategy.iter().map(|(_, event)| event));
        let state = if service == Service::Strategy { history } else { ServiceState::default() };
        for event in Lifecycle::decide(&state, command).unwrap_or_default() {
            let fact = Event::Operations(operations::event::Event::Service(event.clone()));
            let (_, position) = self.append(streams::service(service).unwrap(), &fact);
            if service == Service::Strategy {
                self.strategy.push((position, event));
            }
        }
    }

    fn restart(&mut self) {
        let (version, instance, at) = ("test".to_owned(), "desk-1".to_owned(), self.now);
        for service in [Service::Strategy, Service::Executor] {
            let (version, instance) = (version.clone(), instance.clone());
            self.tell_service(service, ServiceCommand::Start { service, version, instance, at });
        }
        self.start += 1;
        self.tell(Command::TakeLease { holder: instance, ttl_ms: 3_600_000, at });
        let open = self.state.open().values().filter(|offer| offer.phase == Phase::Started);
        let open: Vec<_> = open.map(|offer| offer.started.command_id).collect();
        for command_id in open {
            let why = "ended".to_owned();
            self.tell(Command::RecordUncertain { command_id, why, at });
        }
        self.looked = Position(self.records.len() as u64);
    }

    fn pause(&mut self, pause: bool) {
        let (service, reason, at) = (Service::Strategy, "looking".to_owned(), self.now);
        let command = if pause {
            ServiceCommand::Pause { service, reason, at }
        } else {
            ServiceCommand::Resume { service, reason, at }
        };
        self.tell_service(service, command);
    }

    fn limits(&mut self, n: u8) {
        let n = u128::from(n);
        let changed = Limits {
            notional_max: eure(30 + n % 120),
            fallback_notional_max: eure(20 + n % 10),
            notional_min: eure(n % 15),
            edge_min: BasisPoints(i64::from(u8::try_from(n).unwrap()) % 300),
            open_offers_max: 2 + u32::try_from(n % 5).unwrap(),
            open_offers_per_partner_max: 1 + u32::try_from(n % 3).unwrap(),
            cooldown_ms: u64::try_from(n % 4).unwrap() * 500,
            inventory_age_ms_max: 20_000,
            price_age_ms_max: 15_000,
            deadline_ms_max: 60_000,
            ..limits()
        };
        let effective_from = self.now.plus_millis(u64::try_from(n % 3).unwrap() * 2_000);
        self.tell(Command::SetLimits {
            limits: Box::new(changed),
            shown: None,
            effective_from,
            reason: "story".to_owned(),
            by: someone(),
            at: self.now,
        });
    }

    fn arm(&mut self) {
        let asker = Asker {
            by: someone(),
            request_id: CommandId(derived("request", &[&self.records.len().to_string()])),
            limits_version: 1,
            limits_hash: String::new(),
        };
        let mode = if self.records.len().is_multiple_of(5) { Mode::Reducing } else { Mode::Full };
        // Back from a kill it takes a disarming first.
        self.step(&Step::Disarm);
        self.tell(Command::StandDown {
            request_id: asker.request_id,
            reason: "seen to".to_owned(),
            by: someone(),
            makers: [].into(),
            at: self.now,
        });
        self.tell(Command::Arm {
            mode,
            limits_version: None,
            until: self.now.plus_millis(600_000),
            reason: "story".to_owned(),
            strategy_start: self.start,
            asker,
            at: self.now,
        });
    }
}
