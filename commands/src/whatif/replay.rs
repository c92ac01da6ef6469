//! The replay: records in log order, each read once; what is kept is bounded.
//!
//! Until the range begins there is one history. From then on there are two: the recorded one, and the one that would have
//! been, which begins as a copy of it under other limits.

mod decisions;
mod offers;

use super::WhatIfError;
use super::account::History;
use super::facts::{Facts, KEPT_MAX};
use super::orders::{Hypothetical, Moved, Order};
use super::question::{Desk, Edge, Question};
use super::report::{LimitChange, Report, Span};
use super::totals::Totals;
use crate::streams;
use decisions::Acting;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::decider::Decider;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::CommandId;
use stele_domain::market::reference::event::ReferencePriced;
use stele_domain::money::Decimals;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::{Lifecycle, State as ServiceState};
use stele_domain::port::event_log::{Position, Record, StreamId};
use stele_domain::trading::account::{Account, Event as AccountEvent};
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;
use stele_domain::{market, operations, trading, treasury};

/// Orders that a decision may name as pending.
const COMMANDED_MAX: usize = 8_192;

/// Whether to go on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next record, please.
    GoOn,
    /// The range is over; nothing later is looked at.
    Over,
}

/// A replay under way.
pub struct Replay {
    desk: Desk,
    decimals: Decimals,
    question: Question,
    edges: (Option<Edge>, Option<Edge>),
    sources: Sources,
    /// The last place that was read.
    at: Position,
    /// The places in the range.
    span: Option<Span>,
    recorded: History<Account>,
    strategy: History<Lifecycle>,
    executor: ServiceState,
    demands: BTreeMap<Position, Record>,
    prices: Facts<ReferencePriced>,
    balances: Facts<BalancesObserved>,
    commanded: BTreeMap<CommandId, ExecutionCommanded>,
    commanded_order: VecDeque<CommandId>,
    /// A decision to act whose order follows.
    acting: Option<Acting>,
    other: Option<Other>,
    totals: Totals,
}

/// The history that would have been.
struct Other {
    account: History<Account>,
    balances: Facts<BalancesObserved>,
    /// Orders since the range began: those of the log as long as a decision may name them, the others until their outcome is
    /// known.
    orders: BTreeMap<CommandId, Order>,
    /// Those whose turn has not come, in log order.
    queue: VecDeque<CommandId>,
    hypothetical: BTreeMap<CommandId, Hypothetical>,
    /// Recorded offers that a block has shown to be executed.
    counted: BTreeSet<CommandId>,
    moved: Moved,
}

struct Sources {
    quote: StreamId,
    price: StreamId,
    inventory: StreamId,
    account: StreamId,
    strategy: StreamId,
    strategy_service: StreamId,
    executor_service: StreamId,
}

/// Which stream a record is of.
enum Source {
    Quote,
    Price,
    Inventory,
    Account,
    Strategy,
    StrategyService,
    ExecutorService,
}

impl Sources {
    fn of(desk: &Desk) -> Result<Self, WhatIfError> {
        Ok(Self {
            quote: streams::quote(&desk.pair.id)?,
            price: streams::price(&desk.pair.id)?,
            inventory: streams::inventory(&desk.account)?,
            account: streams::account(&desk.account)?,
            strategy: streams::strategy(&desk.pair.id)?,
            strategy_service: streams::service(Service::Strategy)?,
            executor_service: streams::service(Service::Executor)?,
        })
    }

    fn named(&self, stream: &StreamId) -> Option<Source> {
        [
            (&self.quote, Source::Quote),
            (&self.price, Source::Price),
            (&self.strategy, Source::Strategy),
            (&self.account, Source::Account),
            (&self.inventory, Source::Inventory),
            (&self.strategy_service, Source::StrategyService),
            (&self.executor_service, Source::ExecutorService),
        ]
        .into_iter()
        .find_map(|(named, source)| (named == stream).then_some(source))
    }
}

impl Replay {
    /// A replay of the log of `desk` from its first record on; the question is about what lies between the edges.
    pub fn new(
        desk: Desk,
        question: Question,
        from: Option<Edge>,
        to: Option<Edge>,
    ) -> Result<Self, WhatIfError> {
        Ok(Self {
            decimals: desk.pair.decimals()?,
            sources: Sources::of(&desk)?,
            desk,
            question,
            edges: (from, to),
            at: Position::START,
            span: None,
            recorded: History::default(),
            strategy: History::default(),
            executor: ServiceState::default(),
            demands: BTreeMap::new(),
            prices: Facts::default(),
            balances: Facts::default(),
            commanded: BTreeMap::new(),
            commanded_order: VecDeque::new(),
            acting: None,
            other: None,
            totals: Totals::new(),
        })
    }

    /// Takes in the next record of the log. Records of other streams are passed over.
    ///
    /// # Errors
    ///
    /// [`WhatIfError`]; the replay can't go on then.
    pub fn see(&mut self, record: &Record) -> Result<Flow, WhatIfError> {
        let (from, to) = self.edges;
        let after = |edge: Edge| match edge {
            Edge::Position(position) => record.position > position,
            Edge::Time(time) => record.recorded_at > time,
        };
        if to.is_some_and(after) {
            return Ok(Flow::Over);
        }
        let before = |edge: Edge| match edge {
            Edge::Position(position) => record.position < position,
            Edge::Time(time) => record.recorded_at < time,
        };
        if !from.is_some_and(before) {
            self.begin()?;
            let from = self.span.map_or(record.position, |span| span.from);
            self.span = Some(Span { from, to: record.position });
        }
        self.at = record.position;
        match self.sources.named(&record.stream) {
            None => {}
            Some(Source::Quote) => self.quote(record)?,
            Some(Source::Price) => {
                let recorded = read(record)?;
                self.priced(&recorded)?;
            }
            Some(Source::Inventory) => {
                let recorded = read(record)?;
                self.observed(&recorded)?;
            }
            Some(Source::Account) => {
                let recorded = read(record)?;
                self.accounted(recorded)?;
            }
            Some(Source::Strategy) => {
                let recorded = read(record)?;
                self.spoken(recorded)?;
            }
            Some(Source::StrategyService) => {
                if let Event::Operations(operations::event::Event::Service(event)) = read(record)?.event {
                    self.strategy.push(record.position, event)?;
                }
            }
            Some(Source::ExecutorService) => {
                if let Event::Operations(operations::event::Event::Service(event)) = read(record)?.event {
                    self.executor = Lifecycle::evolve(std::mem::take(&mut self.executor), &event);
                }
            }
        }
        self.forget();
        Ok(Flow::GoOn)
    }

    /// The answer, as of the last record that was seen.
    ///
    /// # Errors
    ///
    /// [`WhatIfError::Unfit`], which no answer leads to.
    pub fn finish(self) -> Result<Report, WhatIfError> {
        self.finish_as(deciders())
    }

    /// The same, with the deciders under this name: for comparing answers of builds that are known to decide alike.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`].
    pub fn finish_as(self, deciders: String) -> Result<Report, WhatIfError> {
        self.totals.report(&self.desk, self.question, deciders, self.span)
    }

    /// The range begins: from here on there are two histories.
    fn begin(&mut self) -> Result<(), WhatIfError> {
        if self.other.is_some() {
            return Ok(());
        }
        let known: Vec<_> = self.recorded.newest.limits().cloned().collect();
        for set in known {
            self.compare(&set)?;
        }
        self.other = Some(Other {
            account: self.recorded.under(&self.question.limits)?,
            balances: self.balances.clone(),
            orders: BTreeMap::new(),
            queue: VecDeque::new(),
            hypothetical: BTreeMap::new(),
            counted: BTreeSet::new(),
            moved: Moved::default(),
        });
        Ok(())
    }

    /// Notes in what the limits asked for differ from limits of the log.
    fn compare(&mut self, set: &trading::account::event::LimitsSet) -> Result<(), WhatIfError> {
        let version = set.version;
        let changes = self.question.limits.against(&set.limits)?;
        let change = |(name, then, asked)| LimitChange { version, name, then, asked };
        self.totals.limits(changes.into_iter().map(change).collect());
        Ok(())
    }

    /// Demands wait for their decision as they are stored; of most of them nothing but that they came is needed.
    fn quote(&mut self, record: &Record) -> Result<(), WhatIfError> {
        match &*record.event_type {
            "intents.DemandNormalised" => {
                if self.demands.len() >= KEPT_MAX {
                    return self.too_much("the demands that no decision has answered");
                }
                self.demands.insert(record.position, record.clone());
            }
            // What else is in it matters to nobody here; that it can be read is asked all the same when it is none of ours.
            name if codec::EVENT_TYPES.contains(&name) => {}
            _ => drop(read(record)?),
        }
        Ok(())
    }

    fn priced(&mut self, recorded: &Recorded) -> Result<(), WhatIfError> {
        if let Event::Market(market::event::Event::Reference(market::reference::Event::ReferencePriced(
            fact,
        ))) = &recorded.event
        {
            if self.prices.len() >= KEPT_MAX {
                return self.too_much("the prices since a demand that no decision has answered");
            }
            self.prices.push(recorded.position, recorded.event_id, Arc::new(fact.clone()));
        }
        Ok(())
    }

    fn observed(&mut self, recorded: &Recorded) -> Result<(), WhatIfError> {
        if let Event::Treasury(treasury::event::Event::Inventory(
            treasury::inventory::Event::BalancesObserved(fact),
        )) = &recorded.event
        {
            if self.balances.len() >= KEPT_MAX {
                return self.too_much("the balances since a demand that no decision has answered");
            }
            let fact = Arc::new(fact.clone());
            self.balances.push(recorded.position, recorded.event_id, Arc::clone(&fact));
            self.look_at_balances(recorded, &fact)?;
        }
        Ok(())
    }

    fn accounted(&mut self, recorded: Recorded) -> Result<(), WhatIfError> {
        let at = recorded.position;
        let Event::Trading(trading::event::Event::Account(event)) = recorded.event else {
            return broken(at, &recorded.stream, "is no fact of an account");
        };
        if let (AccountEvent::LimitsSet(set), true) = (&event, self.other.is_some()) {
            self.compare(set)?;
        }
        self.follow_account(at, &event)?;
        self.recorded.push(at, event)
    }

    fn spoken(&mut self, recorded: Recorded) -> Result<(), WhatIfError> {
        let (at, stream) = (recorded.position, recorded.stream.clone());
        match recorded.event {
            Event::Trading(trading::event::Event::Strategy(trading::strategy::Event::Decided(decided))) => {
                self.decided(at, &stream, &decided)
            }
            Event::Trading(trading::event::Event::Strategy(
                trading::strategy::Event::ExecutionCommanded(order),
            )) => {
                self.commanded(at, &order);
                Ok(())
            }
            Event::Intents(_)
            | Event::Market(_)
            | Event::Treasury(_)
            | Event::Trading(_)
            | Event::Operations(_)
            | Event::Access(_) => broken(at, &stream, "is no fact of a strategy"),
        }
    }

    /// Drops what no decision to come can name: all but the newest, while no demand waits.
    fn forget(&mut self) {
        let asked_from = self.demands.first_key_value().map_or(self.at.next(), |(position, _)| *position);
        self.prices.forget_before(asked_from);
        self.balances.forget_before(asked_from);
        if let Some(other) = &mut self.other {
            other.balances.forget_before(asked_from);
        }
        if self.demands.is_empty() {
            // A demand to come stands later than all of this, and its decision sees it.
            self.recorded.see_to(self.at);
            self.strategy.see_to(self.at);
            if let Some(other) = &mut self.other {
                other.account.see_to(self.at);
            }
        }
    }

    fn too_much<T>(&self, what: &'static str) -> Result<T, WhatIfError> {
        Err(WhatIfError::TooMuch { what, position: self.at, max: KEPT_MAX })
    }
}

fn read(record: &Record) -> Result<Recorded, WhatIfError> {
    codec::recorded(record).map_err(|source| WhatIfError::Unreadable { position: record.position, source })
}

fn broken<T>(position: Position, stream: &StreamId, what: &str) -> Result<T, WhatIfError> {
    Err(WhatIfError::Broken { position, stream: stream.clone(), what: what.to_owned() })
}

/// Names the deciders of this build: those with the same name decide alike.
pub fn deciders() -> String {
    let mut hasher = blake3::Hasher::new();
    for source in trading::DECIDER_SOURCES {
        // Each by itself, so that nothing can move from one file to the next unseen.
        hasher.update(blake3::hash(source.as_bytes()).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
