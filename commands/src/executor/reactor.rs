//! The executor's loop: orders in, offers fixed, effects started.

use super::killed::Confirmation;
use super::lease::Lease;
use super::reconcile::Notices;
use super::replies::Replies;
use super::send::Sender;
use super::{ExecutorOptions, Standing, in_millis};
use crate::envelope::{Envelope, Failure};
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{Board, ServiceError, Waited, actor, following, own, survivable, wait_for_log};
use crate::stop::Stop;
use crate::strategy::{held, readable};
use crate::streams;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{AccountId, Actor, EventId};
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position, Record};
use stele_domain::port::venue::{OfferTerms, Venue};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::{Balances, Execute, WordedOffer};
use stele_domain::trading::account::event::Event as AccountEvent;
use stele_domain::trading::account::{Account, Command};
use stele_domain::trading::strategy::command::Running;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;
use stele_domain::{intents, trading, treasury};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Records that are read in one go.
const PAGE: usize = 256;
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
    pub(super) epoch: u64,
    pub(super) balances: Option<Seen>,
    pub(super) notices: Notices,
    pub(super) replies: Replies,
}

/// Balances, and what our clocks said when they came.
pub(super) struct Seen {
    event_id: EventId,
    fact: Arc<BalancesObserved>,
    at: Timestamp,
    steady_ms: i64,
}

impl Executor {
    /// Runs until it is told to stop; it stands by while another one has the lease, where it may.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Executor)?;
        loop {
            let Some(epoch) = self.lead(&who, &mut stop).await? else { return Ok(()) };
            let mut confirming = JoinSet::new();
            confirming.spawn(Confirmation::of(&self, who.clone(), epoch).run());
            let Some(why) = self.work_under(&who, epoch, &mut stop).await? else { return Ok(()) };
            observe::lease_lost(epoch, &why);
            if !self.options.standby {
                return Err(ServiceError::Lease(why));
            }
        }
    }

    /// Works as long as the lease holds; why it was lost, or none when the stop came first.
    async fn work_under(
        &self,
        who: &Actor,
        epoch: u64,
        stop: &mut Stop,
    ) -> Result<Option<String>, ServiceError> {
        let (notices, replies) = (Notices::default(), Replies::default());
        let mut view = View { epoch, balances: None, notices, replies };
        let Some(from) = self.begin(who, &mut view, stop).await? else { return Ok(None) };
        let sender = Sender::new(self, who.clone(), view.epoch);
        let categories = [streams::STRATEGY, streams::INVENTORY, streams::RELAY];
        let mut follow = self.log.follow(from, Filter::categories(&categories));
        let mut chores = tokio::time::interval(HOUSEKEEPING);
        chores.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => {
                    sender.finish().await;
                    return Ok(None);
                }
                _ = chores.tick() => {
                    if let Lease::Lost(why) = self.keep_house(who, &view, &sender).await? {
                        sender.finish().await;
                        return Ok(Some(why));
                    }
                    self.take_replies(who, &mut view).await?;
                }
                page = follow.next(PAGE) => match page {
                    Ok(page) => self.work(who, &mut view, &sender, &page.records).await?,
                    Err(error) => survivable::<()>(Service::Executor, Failure::Log(error))?,
                },
            }
        }
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
        if sender.in_flight() == 0 && self.board.running(Service::Executor).await == Running::Draining {
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

    async fn work(
        &self,
        who: &Actor,
        view: &mut View,
        sender: &Sender,
        records: &[Record],
    ) -> Result<(), ServiceError> {
        let mut orders = Vec::new();
        for recorded in records.iter().filter_map(readable) {
            match &recorded.event {
                Event::Trading(trading::event::Event::Strategy(
                    trading::strategy::Event::ExecutionCommanded(order),
                )) => orders.push((recorded.position, (**order).clone(), recorded.clone())),
                Event::Treasury(treasury::event::Event::Inventory(fact)) => {
                    self.balances(who, view, &recorded, fact).await?;
                }
                Event::Intents(intents::event::Event::Relay(intents::relay::Event::SettlementReported(
                    notice,
                ))) => self.noticed(who, view, &recorded, notice).await?,
                Event::Intents(intents::event::Event::Relay(intents::relay::Event::ReplyReported(reply))) => {
                    view.replies.keep(&recorded, reply);
                    self.take_replies(who, view).await?;
                }
                Event::Market(_)
                | Event::Intents(_)
                | Event::Trading(_)
                | Event::Operations(_)
                | Event::Access(_) => {}
            }
        }
        self.carry_out(who, view, sender, orders).await
    }

    /// Fixes each order in the account, in one append, and starts what was fixed.
    async fn carry_out(
        &self,
        who: &Actor,
        view: &View,
        sender: &Sender,
        orders: Vec<(Position, ExecutionCommanded, Recorded)>,
    ) -> Result<(), ServiceError> {
        if orders.is_empty() {
            return Ok(());
        }
        let paused = self.board.running(Service::Executor).await != Running::Running;
        let mut commands = Vec::with_capacity(orders.len());
        for (position, order, cause) in orders {
            let at = self.clock.now();
            let execute = self.execute(view, position, order, paused, at);
            commands.push(following(who, &cause, "execute", at, Command::Execute(Box::new(execute))));
        }
        loop {
            match self.account.handle_all(commands.clone()).await {
                Ok(answers) => {
                    for event in answers.iter().flatten().flat_map(super::super::envelope::Outcome::events) {
                        self.started(sender, event).await;
                    }
                    return Ok(());
                }
                // Nothing was sent, so it is safe to offer the same orders again: those that were fixed all the same
                // come back as what was fixed, and of the others those that are too old expire.
                Err(failure) => survivable(Service::Executor, failure)?,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            for envelope in &mut commands {
                aged(envelope, self.clock.now());
            }
        }
    }

    async fn started(&self, sender: &Sender, event: &AccountEvent) {
        if let AccountEvent::SubmissionStarted(started) = event {
            sender.start((**started).clone()).await;
        } else {
            observe::not_executed(event);
        }
    }

    fn execute(
        &self,
        view: &View,
        position: Position,
        order: ExecutionCommanded,
        paused: bool,
        at: Timestamp,
    ) -> Execute {
        let balances = view.balances.as_ref().map(|Seen { event_id, fact, .. }| Balances {
            event_id: *event_id,
            height: fact.height,
            observed_at: fact.observed_at,
            credited: fact.credited.get(&order.give.token).copied().unwrap_or_default(),
            pending_out: fact.pending_out.get(&order.give.token).copied().unwrap_or_default(),
            blocked: fact.blocked.first().copied(),
            base_held: held(&self.pair.base.tokens, fact),
        });
        let clock_offset_ms = view.balances.as_ref().map_or(0, |seen| self.clock_offset_ms(seen, at));
        let offer = self.word(view, &order, at);
        Execute {
            order,
            pair: self.pair.clone(),
            command_position: position,
            epoch: view.epoch,
            paused,
            balances,
            clock_offset_ms,
            offer,
            at,
        }
    }

    pub(super) fn seen(&self, event_id: EventId, fact: Arc<BalancesObserved>) -> Seen {
        Seen { event_id, fact, at: self.clock.now(), steady_ms: self.clock.steady_ms() }
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
        let valid_ms = order.min_deadline_ms.saturating_add(self.options.offer_margin_ms);
        let offer_deadline = in_millis(at).plus_millis(valid_ms);
        let nonce_deadline = offer_deadline.plus_millis(self.options.nonce_margin_ms);
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

/// Lets an order that waits grow old.
fn aged(envelope: &mut Envelope<Command>, at: Timestamp) {
    if let Command::Execute(execute) = &mut envelope.command {
        execute.at = at;
    }
}
