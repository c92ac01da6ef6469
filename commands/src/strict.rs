//! Strict tables: while they can't be kept, the strategy is paused, and nobody trades unseen.
//!
//! It undoes a pause of its own and no other: the log says whose pause is in force, so this holds across restarts.

use crate::ledger::Ledger;
use crate::observe;
use crate::service::{ServiceError, own, survivable};
use crate::stop::Stop;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::ids::Actor;
use stele_domain::operations;
use stele_domain::operations::service::event::{Event as ServiceEvent, Service};
use stele_domain::operations::service::state::Phase;
use stele_domain::operations::service::{Command, Lifecycle};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Revision};
use tokio::sync::watch;

/// Under this name the process that keeps the tables pauses and resumes the strategy.
pub const ACTOR: &str = "service:tables";
/// Under this name a process that decides and does not keep them does. Two names, so that neither undoes the pause of the
/// other: they may see different things.
pub const ACTOR_BESIDE: &str = "service:tables-seen-by-strategy";
/// How long the tables may be away before the strategy is paused: a connection that is made anew takes a moment.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked at whether the pause still stands while the tables are away.
const LOOK: Duration = Duration::from_millis(500);
/// Records that are read in one go while looking for who paused.
const PAGE: usize = 64;
/// Longest part of a reason that others wrote, in characters.
const WHY_CHARS_MAX: usize = 300;

/// How the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tables {
    /// They are kept.
    Kept,
    /// They can't be.
    Away {
        /// Why.
        why: String,
    },
}

/// The service.
pub struct StrictTables {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The strategy's switch.
    pub switch: Arc<Ledger<Lifecycle>>,
    /// How the tables are.
    pub tables: watch::Receiver<Tables>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who pauses: [`ACTOR`] or [`ACTOR_BESIDE`].
    pub actor: &'static str,
}

impl StrictTables {
    /// Runs until it is told to stop. What it has paused stays paused then: nobody keeps the tables any more.
    pub async fn run(mut self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = Actor::try_from(self.actor.to_owned())?;
        loop {
            let tables = self.tables.borrow_and_update().clone();
            let next = match tables {
                Tables::Kept => {
                    let done = self.resume(&who).await?;
                    (!done).then_some(LOOK)
                }
                Tables::Away { why } => {
                    tokio::select! {
                        biased;
                        () = stop.requested() => return Ok(()),
                        // They came back in time, or went away for another reason.
                        Ok(()) = self.tables.changed() => continue,
                        () = tokio::time::sleep(PATIENCE) => {}
                    }
                    self.pause(&who, &why).await?;
                    Some(LOOK)
                }
            };
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                changed = self.tables.changed() => if changed.is_err() {
                    // Whoever kept the tables has ended, and the process ends with it.
                    stop.requested().await;
                    return Ok(());
                },
                () = wait(next) => {}
            }
        }
    }

    /// Pauses the strategy where it runs.
    async fn pause(&self, who: &Actor, why: &str) -> Result<(), ServiceError> {
        let runs = self.switch.look(|state| matches!(state.phase(), Phase::Running)).await;
        match runs {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(failure) => return survivable(Service::Projections, failure),
        }
        let why: String = why.chars().take(WHY_CHARS_MAX).collect();
        let (service, reason, at) =
            (Service::Strategy, format!("the tables can't be kept: {why}"), self.clock.now());
        match self.switch.handle(own(who, at, Command::Pause { service, reason, at })).await {
            Ok(_) => {
                observe::tables_away(&why);
                Ok(())
            }
            Err(failure) => survivable(Service::Projections, failure),
        }
    }

    /// Undoes a pause of its own; whether there is nothing left to do.
    async fn resume(&self, who: &Actor) -> Result<bool, ServiceError> {
        let paused = match self.switch.look(|state| matches!(state.phase(), Phase::Paused { .. })).await {
            Ok(paused) => paused,
            Err(failure) => return survivable(Service::Projections, failure).map(|()| false),
        };
        if !paused {
            return Ok(true);
        }
        match self.own_pause(who).await {
            Ok(true) => {}
            Ok(false) => return Ok(true),
            Err(error) => return survivable::<()>(Service::Projections, error.into()).map(|()| false),
        }
        let (service, reason, at) =
            (Service::Strategy, "the tables are kept again".to_owned(), self.clock.now());
        match self.switch.handle(own(who, at, Command::Resume { service, reason, at })).await {
            Ok(_) => {
                observe::tables_back();
                Ok(true)
            }
            Err(failure) => survivable(Service::Projections, failure).map(|()| false),
        }
    }

    /// Whether the last thing that was asked of the strategy's switch is a pause by this name. That processes were started
    /// since says nothing about it.
    async fn own_pause(&self, who: &Actor) -> Result<bool, stele_domain::port::event_log::LogError> {
        let mut from = Revision(u64::MAX);
        loop {
            let page = self.log.read_stream(self.switch.stream(), from, Direction::Backward, PAGE).await?;
            let Some(oldest) = page.last().map(|record| record.revision) else { return Ok(false) };
            for recorded in page.iter().filter_map(|record| codec::recorded(record).ok()) {
                if let Event::Operations(operations::event::Event::Service(fact)) = &recorded.event {
                    match fact {
                        ServiceEvent::ServiceStarted(_) | ServiceEvent::RefreshAsked(_) => {}
                        ServiceEvent::ServicePaused(_) => return Ok(recorded.meta.actor == *who),
                        ServiceEvent::ServiceResumed(_)
                        | ServiceEvent::ServiceDraining(_)
                        | ServiceEvent::ServiceDrained(_) => return Ok(false),
                    }
                }
            }
            match oldest.0.checked_sub(1) {
                Some(next) => from = Revision(next),
                None => return Ok(false),
            }
        }
    }
}

/// Waits a span, or for ever.
async fn wait(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}
