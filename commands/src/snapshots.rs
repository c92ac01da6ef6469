//! Writes the states of growing streams down, so that whoever starts reads little: in the process that owns the log, and
//! nowhere else. (Where a server that is none of ours has the log, in the executor's.)
//!
//! Whoever reads the log believes its owner already; a snapshot by anybody else would be a way to arm the desk without
//! the right to. It decides nothing, and nothing waits for it: a log that refuses it is lived with. At its start it compares
//! what was written down before with what the streams lead to.

use crate::aggregate::Aggregate;
use crate::envelope::Failure;
use crate::ledger::{Checked, Ledger};
use crate::observe;
use crate::service::ServiceError;
use crate::stop::Stop;
use crate::streams;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::{AccountId, Actor, PairId};
use stele_domain::intents::relay::Relay;
use stele_domain::market::reference::Reference;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, LogError};
use stele_domain::trading::account::Account;
use stele_domain::treasury::inventory::Inventory;
use tokio::time::MissedTickBehavior;

/// How many records a stream grows by before its state is written down again. It is how many a start reads at most,
/// besides those of the last minute.
pub const SNAPSHOT_EVERY: u64 = 1_000;
/// How often it is looked whether one is due.
const TICK: Duration = Duration::from_mins(1);
/// How long a comparison waits between two pages: it takes a few hundredths of one core.
const CHECK_PAUSE: Duration = Duration::from_millis(100);
/// In whose name.
const WHO: &str = "service:snapshots";

/// The keeper of the snapshots.
pub struct Snapshots {
    clock: Arc<dyn Clock>,
    account: Ledger<Account>,
    reference: Ledger<Reference>,
    inventory: Ledger<Inventory>,
    relay: Ledger<Relay>,
    every: u64,
}

impl Snapshots {
    /// For the streams of an account and a pair. It reads them by itself, and keeps no other reader waiting.
    ///
    /// # Errors
    ///
    /// When a stream can't be named.
    pub fn new(
        log: &Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        account: &AccountId,
        pair: &PairId,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            clock,
            account: Ledger::new(Arc::clone(log), streams::account(account)?),
            reference: Ledger::new(Arc::clone(log), streams::price(pair)?),
            inventory: Ledger::new(Arc::clone(log), streams::inventory(account)?),
            relay: Ledger::new(Arc::clone(log), streams::relay()?),
            every: SNAPSHOT_EVERY,
        })
    }

    /// Runs until it is told to stop. A log that lets this process write no states down is asked once: what they would save
    /// is reading, and whoever has offers out does not end for it. What is written there already is compared all the same. So
    /// it is with one that stops letting it read.
    ///
    /// # Errors
    ///
    /// When the log can't go on, a stream can't be read from the start, or a snapshot says something else than its stream: what was
    /// decided since the start rests on it, so the process ends. By then the right one is written, where the log takes it.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = Actor::try_from(WHO.to_owned())?;
        tokio::select! {
            biased;
            () = stop.requested() => return Ok(()),
            checked = self.check(&who) => checked?,
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let kept = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => self.keep(&who).await,
            };
            if !kept? {
                stop.requested().await;
                return Ok(());
            }
        }
    }

    /// Compares them all. One that differs ends it at once; one that can't be compared leaves the others to be.
    async fn check(&self, who: &Actor) -> Result<(), ServiceError> {
        let compared = [
            self.compare(&self.account, who).await?,
            self.compare(&self.inventory, who).await?,
            self.compare(&self.relay, who).await?,
            self.compare(&self.reference, who).await?,
        ];
        compared.into_iter().collect()
    }

    /// Writes down what is due; whether the log lets this process go on with it.
    async fn keep(&self, who: &Actor) -> Result<bool, ServiceError> {
        Ok(self.offer(&self.account, who).await?
            && self.offer(&self.reference, who).await?
            && self.offer(&self.inventory, who).await?
            && self.offer(&self.relay, who).await?)
    }

    /// Writes one down; whether the log let this process read the stream, and write its state.
    async fn offer<D>(&self, ledger: &Ledger<D>, who: &Actor) -> Result<bool, ServiceError>
    where
        D: Aggregate<State: Clone + Send + Sync, Event: Clone + Send + Sync, Command: Clone + Send>,
        D::Rejection: Send + std::fmt::Debug,
    {
        match ledger.offer_snapshot(who, self.clock.now(), self.every).await {
            Ok(Err(refusal @ LogError::Denied(_))) => {
                observe::snapshots_refused(&refusal);
                Ok(false)
            }
            Err(Failure::Log(refusal @ LogError::Denied(_))) => {
                observe::snapshots_unread(ledger.stream(), &refusal);
                Ok(false)
            }
            Ok(written) => lived_with(written.map_err(Failure::<D::Rejection>::Log)).map(|()| true),
            Err(failure) => lived_with::<(), _>(Err(failure)).map(|()| true),
        }
    }

    /// Compares one; a log that does not answer leaves it for the next start. The error is a difference, and what is inside
    /// it is why it can't be compared.
    async fn compare<D>(
        &self,
        ledger: &Ledger<D>,
        who: &Actor,
    ) -> Result<Result<(), ServiceError>, ServiceError>
    where
        D: Aggregate<State: Clone + Send + Sync, Event: Clone + Send + Sync, Command: Clone + Send>,
        D::Rejection: Send + std::fmt::Debug,
    {
        match ledger.check_snapshot(who, self.clock.now(), CHECK_PAUSE).await {
            Ok(Checked::Differs { last, mended }) => {
                let then = if mended {
                    "the right one is written, start again"
                } else {
                    "the right one could not be written, and the next start finds it again"
                };
                Err(ServiceError::Stream(format!(
                    "the snapshot of {} up to revision {} is not what the stream leads to: {then}",
                    ledger.stream(),
                    last.0
                )))
            }
            other @ (Ok(Checked::None | Checked::Same(_)) | Err(_)) => {
                if let Err(Failure::Log(refusal @ LogError::Denied(_))) = &other {
                    observe::snapshots_unread(ledger.stream(), refusal);
                }
                Ok(lived_with(other))
            }
        }
    }
}

/// What can pass by is waited for; the next tick tries again. A state that the log does not take as it is (a server has
/// limits of its own) is tried again when its stream has grown by as much once more.
fn lived_with<T, R>(outcome: Result<T, Failure<R>>) -> Result<(), ServiceError> {
    match outcome {
        Ok(_) | Err(Failure::Contended(_) | Failure::Rejected(_) | Failure::IdReused(_)) => Ok(()),
        // The right snapshot that may not be written: said by whoever ends for it.
        Err(Failure::Log(error @ LogError::Denied(_))) => Err(ServiceError::Log(error)),
        Err(Failure::Log(error)) => {
            observe::snapshot_not_kept(&error);
            let passes = error.is_transient() || matches!(error, LogError::Invalid(_));
            if passes { Ok(()) } else { Err(ServiceError::Log(error)) }
        }
        Err(Failure::Codec(error)) => Err(ServiceError::Stream(error.to_string())),
        Err(Failure::Foreign { stream, position }) => {
            Err(ServiceError::Stream(format!("stream {stream} holds a foreign event at {position}")))
        }
    }
}
