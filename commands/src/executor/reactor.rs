//! The executor's loop: orders in, offers fixed, effects started.

use super::killed::Confirmation;
use super::lease::{Lead, Lease};
use super::reconcile::Notices;
use super::replies::Replies;
use super::send::Sender;
use super::waiting::Waiting;
use super::{ExecutorOptions, Standing, balances_for, deadlines};
use crate::envelope::{Envelope, Failure};
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{Board, ServiceError, Waited, actor, own, survivable, wait_for_log};
use crate::stop::Stop;
use crate::strategy::readable;
use crate::streams;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{AccountId, Actor, EventId};
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position, Record, StreamId};
use stele_domain::port::venue::{OfferTerms, Venue};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::{Execute, SeenPrice, WordedOffer};
use stele_domain::trading::account::{Account, Command};
use stele_domain::trading::strategy::command::Running;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;
use stele_domain::{intents, market, trading, treasury};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Records that are read in one go.
const PAGE: usize = 256;
/// The types of fact that it goes by.
const MATTERS: [&str; 6] = [
    "trading.ExecutionCommanded",
    "treasury.BalancesObserved",
    "treasury.DriftDetected",
    "intents.SettlementReported",
    "intents.ReplyReported",
    "market.ReferencePriced",
];
/// How often lease and arming are looked after.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// The service.
pub struct Executor {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The account.
    pub account: Arc<Ledger<Account>>,
    /// Its name at the venue.
    pub account_id: AccountId,
    /// The pair.
    pub pair: Pair,
    /// The venue.
    pub venue: Arc<dyn Venue>,
    /// The fence that a kill closes.
    pub fence: Fence,
    /// Whether it may take work.
    pub board: Arc<Board>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Rung to have the balances read now.
    pub refresh_inventory: Arc<Notify>,
    /// Where it says how it stands.
    pub standing: watch::Sender<Standing>,
    /// How it works.
    pub options: ExecutorOptions,
}

/// What the loop has seen.
pub(super) struct View {
    pub(super) lead: Lead,
    pub(super) sources: Sources,
    pub(super) balances: Option<Seen>,
    pub(super) price: Option<(Position, SeenPrice)>,
    pub(super) notices: Notices,
    pub(super) replies: Replies,
    pub(super) waiting: Waiting,
}

/// The streams that it listens to. Others of the same categories are about other pairs and accounts.
pub(super) struct Sources {
    strategy: StreamId,
    inventory: StreamId,
    relay: StreamId,
    price: StreamId,
}

/// Balances, and what our clocks said when they came.
pub(super) struct Seen {
    event_id: EventId,
    position: Position,
    fact: Arc<BalancesObserved>,
    at: Timestamp,
    steady_ms: i64,
}

impl Executor {
    /// Runs until it is told to stop; it stands by while another one has the lease, where it may.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Executor)?;
        loop {
            let Some(lead) = self.lead(&who, &mut stop).await? else { return Ok(()) };
            let mut confirming = JoinSet::new();
            confirming.spawn(Confirmation::of(&self, who.clone(), lead.epoch).run());
            let Some(why) = self.work_under(&who, lead, &mut stop).await? else { return Ok(()) };
            observe::lease_lost(lead.epoch, &why);
            if !self.options.standby {
                return Err(ServiceError::Lease(why));
            }
        }
    }

    /// Works as long as the lease holds; why it was lost, or none when the stop came first.
    async fn work_under(
        &self,
        who: &Actor,
        lead: Lead,
        stop: &mut Stop,
    ) -> Result<Option<String>, ServiceError> {
        let mut view = self.view(lead)?;
        let Some(from) = self.begin(who, &mut view, stop).await? else {
            self.give_lease_back(who, lead.epoch).await;
            return Ok(None);
        };
        let sender = Sender::new(self, who.clone(), lead.epoch);
        let mut follow = self.log.follow(from, all_that_matters());
        let mut chores = tokio::time::interval(HOUSEKEEPING);
        chores.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let again_at = view.waiting.again_at();
            tokio::select! {
                biased;
                () = stop.requested() => {
                    self.wind_up(who, &mut view, &sender).await;
                    if sender.in_flight() == 0 {
                        self.give_lease_back(who, lead.epoch).await;
                    } else {
                        observe::lease_kept(&self.options.instance, lead.epoch, &"a reply is awaited");
                    }
                    return Ok(None);
                }
                _ = chores.tick() => {
                    if let Lease::Lost(why) = self.keep_house(who, &view, &sender).await? {
                        sender.finish().await;
                        return Ok(Some(why));
                    }
                    self.take_replies(who, &mut view).await?;
                }
                Some(place) = sender.place(), if view.waiting.offers() => {
                    if let Some(offer) = view.waiting.next_offer() {
                        sender.start(offer, place);
                    }
                }
                () = tokio::time::sleep_until(again_at.unwrap_or_else(Instant::now)), if again_at.is_some() => {
                    self.go_on(who, &mut view, &sender).await?;
                }
                page = follow.next(PAGE), if view.waiting.has_room() => match page {
                    Ok(page) => {
                        self.see(who, &mut view, &page.records).await?;
                        self.go_on(who, &mut view, &sender).await?;
                    }
                    Err(error) => survivable::<()>(Service::Executor, Failure::Log(error))?,
                },
            }
        }
    }

    fn view(&self, lead: Lead) -> Result<View, ServiceError> {
        let sources = Sources {
            strategy: streams::strategy(&self.pair.id)?,
            inventory: streams::inventory(&self.account_id)?,
            relay: streams::relay()?,
            price: streams::price(&self.pair.id)?,
        };
        let (notices, replies, waiting) = (Notices::default(), Replies::default(), Waiting::default());
        Ok(View { lead, sources, balances: None, price: None, notices, replies, waiting })
    }

    /// Says that it runs and puts in order what was left, however often the log must be asked; none when the stop came
    /// first.
    async fn begin(
        &self,
        who: &Actor,
        view: &mut View,
        stop: &mut Stop,
    ) -> Result<Option<Position>, ServiceError> {
        loop {
            let (version, instance) = (&self.options.version, &self.options.instance);
            let began = async {
                self.board.start(Service::Executor, version, instance, self.clock.as_ref()).await?;
                self.recover(who, view).await
            };
            match began.await {
                Ok(from) => return Ok(Some(from)),
                Err(error) => {
                    if wait_for_log(Service::Executor, error, stop).await? == Waited::ToldToStop {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Keeps the lease, ends an arming that has run out, and says when a drain is done.
    async fn keep_house(&self, who: &Actor, view: &View, sender: &Sender) -> Result<Lease, ServiceError> {
        let lease = self.keep_lease(who, view).await?;
        if matches!(lease, Lease::Lost(_)) {
            return Ok(lease);
        }
        let at = self.clock.now();
        match self.board.starts(Service::Strategy).await {
            Ok(strategy_start) => {
                self.ask(own(who, at, Command::ExpireArming { strategy_start, at })).await?;
            }
            Err(failure) => survivable(Service::Executor, failure)?,
        }
        let idle = sender.in_flight() == 0 && view.waiting.is_done();
        if idle && self.board.running(Service::Executor).await == Running::Draining {
            self.board.drained(Service::Executor, self.clock.as_ref()).await?;
        }
        Ok(lease)
    }

    /// Hands a command to the account; a rule's no is said and lived with.
    pub(super) async fn ask(&self, envelope: Envelope<Command>) -> Result<(), ServiceError> {
        match self.account.handle(envelope).await {
            Ok(_) => Ok(()),
            Err(failure) => survivable(Service::Executor, failure),
        }
    }

    /// Takes in what was read: orders wait for their turn, the rest is told to the account.
    async fn see(&self, who: &Actor, view: &mut View, records: &[Record]) -> Result<(), ServiceError> {
        // Of the prices of a page only the newest counts: the orders are carried out after.
        let newest_price = records.iter().rposition(|record| record.stream == view.sources.price);
        for (place, record) in records.iter().enumerate() {
            if record.stream.category() == streams::PRICE && Some(place) != newest_price {
                continue;
            }
            let Some(recorded) = readable(Service::Executor.name(), record) else { continue };
            match &recorded.event {
                Event::Trading(trading::event::Event::Strategy(
                    trading::strategy::Event::ExecutionCommanded(order),
                )) if recorded.stream == view.sources.strategy => view.waiting.order(order, &recorded),
                Event::Treasury(treasury::event::Event::Inventory(fact))
                    if recorded.stream == view.sources.inventory =>
                {
                    self.balances(who, view, &recorded, fact).await?;
                }
                Event::Market(market::event::Event::Reference(fact)) => note_price(view, &recorded, fact),
                Event::Intents(intents::event::Event::Relay(said))
                    if recorded.stream == view.sources.relay =>
                {
                    self.heard(who, view, &recorded, said).await?;
                }
                Event::Intents(_)
                | Event::Trading(_)
                | Event::Treasury(_)
                | Event::Operations(_)
                | Event::Access(_) => {}
            }
        }
        Ok(())
    }

    /// An order with all that is known now.
    pub(super) fn execute(
        &self,
        view: &View,
        position: Position,
        order: &ExecutionCommanded,
        paused: bool,
        at: Timestamp,
    ) -> Execute {
        let seen = view.balances.as_ref();
        let balances = seen.map(|seen| balances_for(order, &self.pair, seen.event_id, &seen.fact));
        let clock_offset_ms = view.balances.as_ref().map_or(0, |seen| self.clock_offset_ms(seen, at));
        let offer = self.word(view, order, at);
        Execute {
            order: order.clone(),
            pair: self.pair.clone(),
            command_position: position,
            epoch: view.lead.epoch,
            paused,
            balances,
            price: view.price.as_ref().map(|(_, seen)| seen.clone()),
            clock_offset_ms,
            offer,
            at,
        }
    }

    /// Takes note of balances. Older ones that are read again later don't take the place of newer ones.
    pub(super) fn note_balances(&self, view: &mut View, cause: &Recorded, fact: &BalancesObserved) {
        if view.balances.as_ref().is_none_or(|seen| seen.position < cause.position) {
            let (event_id, position, fact) = (cause.event_id, cause.position, Arc::new(fact.clone()));
            let (at, steady_ms) = (self.clock.now(), self.clock.steady_ms());
            view.balances = Some(Seen { event_id, position, fact, at, steady_ms });
        }
    }

    /// Our clock less the venue's: as the newest block has it, and as far as ours was set since.
    fn clock_offset_ms(&self, seen: &Seen, at: Timestamp) -> i64 {
        let behind_ms = seen.fact.observed_at.millis_since(seen.fact.block_at);
        let passed_ms = self.clock.steady_ms().saturating_sub(seen.steady_ms);
        let set_ms = at.millis_since(seen.at).saturating_sub(passed_ms);
        behind_ms.saturating_sub(self.options.finality_lag_ms).saturating_add(set_ms)
    }

    /// Puts the order into the venue's words. Nothing is signed here.
    fn word(&self, view: &View, order: &ExecutionCommanded, at: Timestamp) -> Result<WordedOffer, String> {
        let Some(Seen { fact: balances, .. }) = &view.balances else {
            return Err("no balances are known, so the verifier's salt is not".to_owned());
        };
        let margins = (self.options.offer_margin_ms, self.options.nonce_margin_ms);
        let (offer_deadline, nonce_deadline) = deadlines(order, margins, at);
        let terms = OfferTerms {
            command_id: order.command_id,
            quote_id: order.quote_id.clone(),
            account: self.account_id.clone(),
            receive: order.receive.clone(),
            give: order.give.clone(),
            exact: order.exact,
            offer_deadline,
            nonce_deadline,
            salt: balances.salt.clone(),
        };
        let prepared = self.venue.prepare(&terms).map_err(|error| error.to_string())?;
        Ok(WordedOffer { prepared, salt: balances.salt.clone(), offer_deadline, nonce_deadline })
    }
}

/// What the executor reads of the log: what it acts on, and none of the many facts beside it.
fn all_that_matters() -> Filter {
    let categories = [streams::STRATEGY, streams::INVENTORY, streams::RELAY, streams::PRICE];
    Filter { event_types: MATTERS.map(str::to_owned).to_vec(), ..Filter::categories(&categories) }
}

/// Takes note of the newest price. An older one that is read again later does not take its place.
pub(super) fn note_price(view: &mut View, cause: &Recorded, fact: &market::reference::Event) {
    let market::reference::Event::ReferencePriced(priced) = fact else { return };
    if view.price.as_ref().is_none_or(|(position, _)| *position < cause.position) {
        let seen = SeenPrice { event_id: cause.event_id, verdict: priced.verdict.clone() };
        view.price = Some((cause.position, seen));
    }
}
