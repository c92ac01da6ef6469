//! The market service: what the sources say becomes facts, and the reference price follows from them.
//!
//! Between two ticks only the newest price of a source is kept: a book that moves a hundred times a second is
//! one fact per tick. Changes of health are never left out.

use crate::envelope::Failure;
use crate::ledger::Ledger;
use crate::service::{Board, ServiceError, actor, own, survivable};
use crate::stop::Stop;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::Actor;
use stele_domain::market::reference::event::{PriceObserved, Source, SourceStateChanged};
use stele_domain::market::reference::{Command, Policy, Reference};
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::{PriceFeed, PriceNews};
use stele_domain::trading::strategy::command::Running;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// Most changes of health that wait for the log; the newest are worth most.
const CHANGES_MAX: usize = 64;

/// The service.
pub struct Market {
    /// The sources.
    pub feed: Box<dyn PriceFeed>,
    /// The stream of the pair's price.
    pub ledger: Arc<Ledger<Reference>>,
    /// The policy in force.
    pub policy: Policy,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether it may take work.
    pub board: Arc<Board>,
    /// Rung to ask the sources now.
    pub refresh: Arc<Notify>,
    /// How often prices become facts.
    pub tick: Duration,
}

impl Market {
    /// Runs until it is told to stop.
    pub async fn run(mut self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Market)?;
        let mut ticks = tokio::time::interval(self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut newest: BTreeMap<Source, PriceObserved> = BTreeMap::new();
        let mut changes = VecDeque::new();
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                () = self.refresh.notified() => self.feed.refresh(),
                _ = ticks.tick() => {
                    let observed = std::mem::take(&mut newest);
                    self.tell(&who, &mut changes).await?;
                    if self.board.running(Service::Market).await == Running::Running {
                        self.settle(&who, observed.into_values().collect()).await?;
                    }
                }
                news = self.feed.next() => match news {
                    PriceNews::Observed(observation) => {
                        newest.insert(observation.source, observation);
                    }
                    PriceNews::State(change) => {
                        changes.push_back(change);
                        if changes.len() > CHANGES_MAX {
                            changes.pop_front();
                        }
                        self.tell(&who, &mut changes).await?;
                    }
                },
            }
        }
    }

    /// Keeps changes of health, in order; what a log that is away does not take stays for later.
    async fn tell(
        &self,
        who: &Actor,
        changes: &mut VecDeque<SourceStateChanged>,
    ) -> Result<(), ServiceError> {
        while let Some(change) = changes.front().cloned() {
            let (policy, at) = (self.policy, self.clock.now());
            match self.ledger.handle(own(who, at, Command::ChangeState { change, policy, at })).await {
                Err(Failure::Log(error)) if error.is_transient() => {
                    return survivable::<()>(Service::Market, Failure::Log(error));
                }
                Ok(_) => {}
                Err(failure) => survivable(Service::Market, failure)?,
            }
            changes.pop_front();
        }
        Ok(())
    }

    /// Makes facts of what was observed since the last tick, or lets time alone speak.
    async fn settle(&self, who: &Actor, observed: Vec<PriceObserved>) -> Result<(), ServiceError> {
        let at = self.clock.now();
        let policy = self.policy;
        let mut commands = Vec::with_capacity(observed.len().max(1));
        for observation in observed {
            let occurred_at = observation.source_at.unwrap_or(observation.received_at);
            let mut envelope = own(who, at, Command::Observe { observation, policy, at });
            envelope.occurred_at = occurred_at;
            commands.push(envelope);
        }
        if commands.is_empty() {
            commands.push(own(who, at, Command::Tick { policy, at }));
        }
        match self.ledger.handle_all(commands).await {
            Ok(answers) => {
                for failure in answers.into_iter().filter_map(Result::err) {
                    survivable(Service::Market, failure)?;
                }
                Ok(())
            }
            Err(failure) => survivable(Service::Market, failure),
        }
    }
}
