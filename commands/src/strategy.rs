//! The strategy service: a reactor that follows the log and speaks on every demand once.
//!
//! Its gates see what it has folded from the log up to the demand; after a start, and where the log did not take a
//! decision, they see the log as it is then. Its checkpoint is the stream it writes: the last decision names its
//! demand, and the reactor goes on after it.

mod pending;
mod sight;

use crate::envelope::Envelope;
use crate::ledger::{Answers, Ledger};
use crate::observe;
use crate::service::{
    ServiceError, Waited, actor, following, running, survivable, unstartable, wait_for_log,
};
use crate::stop::Stop;
use crate::streams;
pub(crate) use pending::Pending;
pub(crate) use sight::{Known, held};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::decider::Decider;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::Actor;
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference::event::ReferencePriced;
use stele_domain::money::Decimals;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::{Lifecycle, State as ServiceState};
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Filter, Position, Record, Revision, StreamId};
use stele_domain::trading::account::{Account, State as AccountState};
use stele_domain::trading::pricing::PricingPolicy;
use stele_domain::trading::strategy::command::{Command, Seen};
use stele_domain::trading::strategy::event::Footing;
use stele_domain::trading::strategy::{Strategy, event as strategy_event};
use stele_domain::treasury::inventory::event::BalancesObserved;
use stele_domain::{intents, market, operations, trading, treasury};

/// Records that are read in one go. All that they lead to is held until it is kept, so more of them would make a desk
/// that has fallen behind larger; one append for so many is fast enough.
const PAGE: usize = 128;
/// Wait before a log that did not take a decision is asked again.
const RETRY: Duration = Duration::from_millis(100);
/// How far back the newest price and balances are looked for at the start.
const LOOK_BACK: usize = 256;

/// What the strategy needs to run.
pub struct StrategyReactor {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The stream of decisions.
    pub ledger: Arc<Ledger<Strategy>>,
    /// The account's ledger, to start from.
    pub account: Arc<Ledger<Account>>,
    /// The pair.
    pub pair: Pair,
    /// Decimals of the pair.
    pub decimals: Decimals,
    /// How offers are priced.
    pub pricing: PricingPolicy,
    /// How far behind the present a final block is when all is well, in milliseconds.
    pub finality_lag_ms: i64,
    /// The number of this start of the service, which its orders bear: an arming holds for one start.
    pub start: u64,
    /// Names of the account and pair streams.
    pub streams: Streams,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The streams that the strategy reads.
#[derive(Debug, Clone)]
pub struct Streams {
    /// Demands.
    pub quote: StreamId,
    /// Reference prices.
    pub price: StreamId,
    /// Balances.
    pub inventory: StreamId,
    /// The account.
    pub account: StreamId,
    /// The strategy's own service.
    pub service: StreamId,
}

/// What it has folded so far. Each part knows how far it was folded, because they start at different places.
struct View {
    account: AccountState,
    account_to: Position,
    service: ServiceState,
    service_to: Position,
    price: Option<Seen<ReferencePriced>>,
    inventory: Option<Seen<BalancesObserved>>,
    pending: Pending,
    skips: observe::Skips,
}

impl StrategyReactor {
    /// Runs until it is told to stop.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Strategy)?;
        let (mut view, from) = loop {
            match self.begin().await {
                Ok(begun) => break begun,
                Err(error) => {
                    if wait_for_log(Service::Strategy, error, &mut stop).await? == Waited::ToldToStop {
                        return Ok(());
                    }
                }
            }
        };
        let categories =
            [streams::QUOTE, streams::PRICE, streams::INVENTORY, streams::ACCOUNT, streams::SERVICE];
        let mut follow = self.log.follow(from, Filter::categories(&categories));
        loop {
            let page = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                page = follow.next(PAGE) => page,
            };
            match page {
                Ok(page) => {
                    if self.work(&who, &mut view, &page.records, &mut stop).await? == Waited::ToldToStop {
                        return Ok(());
                    }
                }
                Err(error) => survivable::<()>(Service::Strategy, error.into())?,
            }
        }
    }

    /// The state of everything at the place where the work goes on.
    async fn begin(&self) -> Result<(View, Position), ServiceError> {
        let last = self.ledger.look(stele_domain::trading::strategy::State::last_demand).await;
        let last = last.map_err(unstartable)?;
        let mut view = View {
            account: AccountState::default(),
            account_to: Position::START,
            service: ServiceState::default(),
            service_to: Position::START,
            price: None,
            inventory: None,
            pending: Pending::default(),
            skips: observe::Skips::default(),
        };
        self.look_around(&mut view).await?;
        Ok((view, last.next()))
    }

    /// Brings the view up to the log as it is now, past what was read of it.
    ///
    /// The account is taken as it is now and not as it was at a demand: one that waited through a restart, or for the
    /// log, meets the arming of today, and today's is the safe one.
    async fn look_around(&self, view: &mut View) -> Result<(), ServiceError> {
        let account = self.account.look_at(|state, place| (state.clone(), place)).await;
        let (account, account_to) = account.map_err(unstartable)?;
        if account_to > view.account_to {
            (view.account, view.account_to) = (account, account_to);
            view.pending.settle_all(&view.account);
        }
        for stream in [&self.streams.service, &self.streams.price, &self.streams.inventory] {
            let newest =
                self.log.read_stream(stream, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
            for record in newest.map_err(ServiceError::Log)?.iter().rev() {
                if let Some(recorded) = readable(Service::Strategy.name(), record) {
                    see(view, recorded, &self.streams);
                }
            }
        }
        Ok(())
    }

    async fn work(
        &self,
        who: &Actor,
        view: &mut View,
        records: &[Record],
        stop: &mut Stop,
    ) -> Result<Waited, ServiceError> {
        let mut demands = Vec::new();
        let mut commands = Vec::new();
        for recorded in records.iter().filter_map(|record| readable(Service::Strategy.name(), record)) {
            if let Some((cause, demand)) = see(view, recorded, &self.streams) {
                let demand = Arc::new(demand);
                commands.push(self.decide(who, view, &cause, &demand));
                demands.push((cause, demand));
            }
        }
        if commands.is_empty() {
            return Ok(Waited::Over);
        }
        loop {
            let began = std::time::Instant::now();
            match self.ledger.handle_all(commands).await {
                Ok(answers) => {
                    observe::decisions_kept(demands.len(), began.elapsed());
                    say(&answers, &mut view.skips);
                    view.pending.note(&answers);
                    return Ok(Waited::Over);
                }
                Err(failure) => survivable(Service::Strategy, failure)?,
            }
            if self.until_the_log_is_back(view, stop).await? == Waited::ToldToStop {
                return Ok(Waited::ToldToStop);
            }
            // What was decided then was decided on what is no longer so: by now most have expired, and are decided as
            // that. Those that were kept all the same come back as they were kept.
            commands = demands.iter().map(|(cause, demand)| self.decide(who, view, cause, demand)).collect();
        }
    }

    /// Waits until the log tells how everything stands; the demands stay undecided as long.
    async fn until_the_log_is_back(&self, view: &mut View, stop: &mut Stop) -> Result<Waited, ServiceError> {
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(Waited::ToldToStop),
                () = tokio::time::sleep(RETRY) => {}
            }
            match self.look_around(view).await {
                Ok(()) => return Ok(Waited::Over),
                Err(error) => {
                    if wait_for_log(Service::Strategy, error, stop).await? == Waited::ToldToStop {
                        return Ok(Waited::ToldToStop);
                    }
                }
            }
        }
    }

    fn decide(&self, who: &Actor, view: &View, cause: &Recorded, demand: &Arc<Demand>) -> Envelope<Command> {
        let at = self.clock.now();
        let footing = Footing {
            start: self.start,
            account_to: view.account_to,
            service_to: view.service_to,
            pending: view.pending.counting(at).map(|order| order.command_id).collect(),
            pricing: self.pricing,
            finality_lag_ms: self.finality_lag_ms,
        };
        let known = Known {
            pair: &self.pair,
            decimals: self.decimals,
            account: &view.account,
            pending: &view.pending,
            running: running(view.service.phase()),
            price: view.price.clone(),
            inventory: view.inventory.clone(),
        };
        let sight = known.sight(footing, demand, (cause.event_id, cause.position), at);
        following(who, cause, "decide", at, Command::Decide(Box::new(sight)))
    }
}

/// Says what was decided.
fn say(answers: &Answers<Strategy>, skips: &mut observe::Skips) {
    for outcome in answers.iter().flatten() {
        let mut position = outcome.first();
        for event in outcome.events() {
            match event {
                strategy_event::Event::Decided(decided) => observe::decided(decided, position, skips),
                strategy_event::Event::ExecutionCommanded(order) => observe::commanded(order, position),
            }
            position = position.map(Position::next);
        }
    }
}

/// Folds one event; a demand comes back to be decided on.
fn see(view: &mut View, recorded: Recorded, streams: &Streams) -> Option<(Recorded, Demand)> {
    let at = recorded.position;
    match &recorded.event {
        Event::Intents(intents::event::Event::Intake(intents::intake::Event::DemandNormalised(demand))) => {
            let demand = demand.clone();
            (recorded.stream == streams.quote).then_some((recorded, demand))
        }
        Event::Market(market::event::Event::Reference(market::reference::Event::ReferencePriced(fact))) => {
            if recorded.stream == streams.price {
                newer(&mut view.price, &recorded, fact);
            }
            None
        }
        Event::Treasury(treasury::event::Event::Inventory(treasury::inventory::Event::BalancesObserved(
            fact,
        ))) => {
            if recorded.stream == streams.inventory {
                newer(&mut view.inventory, &recorded, fact);
            }
            None
        }
        Event::Trading(trading::event::Event::Account(event)) => {
            if recorded.stream == streams.account && at > view.account_to {
                view.account = Account::evolve(std::mem::take(&mut view.account), event);
                view.account_to = at;
                view.pending.settle(event);
            }
            None
        }
        Event::Operations(operations::event::Event::Service(event)) => {
            if recorded.stream == streams.service && at > view.service_to {
                view.service = Lifecycle::evolve(std::mem::take(&mut view.service), event);
                view.service_to = at;
            }
            None
        }
        Event::Intents(_)
        | Event::Market(_)
        | Event::Treasury(_)
        | Event::Trading(_)
        | Event::Operations(_)
        | Event::Access(_) => None,
    }
}

/// Keeps the fact that stands later.
fn newer<T: Clone>(seen: &mut Option<Seen<T>>, recorded: &Recorded, fact: &T) {
    if seen.as_ref().is_none_or(|seen| seen.position < recorded.position) {
        let (event_id, position) = (recorded.event_id, recorded.position);
        *seen = Some(Seen { event_id, position, fact: Arc::new(fact.clone()) });
    }
}

/// Reads a record for a service; one that can't be read is said and skipped.
pub(crate) fn readable(service: &'static str, record: &Record) -> Option<Recorded> {
    match codec::recorded(record) {
        Ok(recorded) => Some(recorded),
        Err(error) => {
            if !error.is_foreign() {
                observe::unreadable(service, record.position, &error);
            }
            None
        }
    }
}
