//! Confirms kills: whoever kills the desk, in whatever process, waits for this word.
//!
//! Once a kill is on the log every send that looks at the account is refused. What is left are sends that looked
//! before: the fence waits for them, and then the word is given.

use super::reactor::Executor;
use crate::envelope::Failure;
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::own;
use crate::streams;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::Actor;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::trading::account::state::Arming;
use stele_domain::trading::account::{Account, Command, State};

/// The one type of fact that is waited for.
const KILLED: &str = "trading.Killed";
/// Kills that are read in one go.
const PAGE: usize = 16;
/// Wait before a log that did not answer, or a fence that did not close, is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// What confirming needs.
pub(super) struct Confirmation {
    log: Arc<dyn EventLog>,
    account: Arc<Ledger<Account>>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    who: Actor,
    epoch: u64,
}

impl Confirmation {
    pub(super) fn of(executor: &Executor, who: Actor, epoch: u64) -> Self {
        Self {
            log: Arc::clone(&executor.log),
            account: Arc::clone(&executor.account),
            fence: executor.fence.clone(),
            clock: Arc::clone(&executor.clock),
            who,
            epoch,
        }
    }

    /// Confirms every kill until it is dropped. It is a task of its own: the executor may be waiting for a relay.
    pub(super) async fn run(self) {
        let from = self.confirmed_so_far().await;
        let filter =
            Filter { categories: vec![streams::ACCOUNT.to_owned()], event_types: vec![KILLED.to_owned()] };
        let mut follow = self.log.follow(from, filter);
        loop {
            match follow.next(PAGE).await {
                Ok(page) if page.records.is_empty() => {}
                Ok(_) => {
                    self.confirmed_so_far().await;
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Confirms the kill in force, if there is one, however often the log must be asked; the place to read on from.
    async fn confirmed_so_far(&self) -> Position {
        loop {
            match self.account.look_at(|state, at| (waits(state, self.epoch), at)).await {
                Ok((false, at)) => return at.next(),
                Ok((true, _)) => self.confirm().await,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    async fn confirm(&self) {
        let Some(closed) = self.fence.close().await else {
            observe::frame_stuck();
            return tokio::time::sleep(RETRY).await;
        };
        let at = self.clock.now();
        match self.account.handle(own(&self.who, at, Command::ConfirmKill { epoch: self.epoch, at })).await {
            Ok(_) => observe::kill_confirmed(self.epoch),
            Err(Failure::Log(error)) => {
                observe::log_failed("executor", &error);
                drop(closed);
                tokio::time::sleep(RETRY).await;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Whether a kill waits for the word of this lease.
fn waits(state: &State, epoch: u64) -> bool {
    match state.arming() {
        Arming::Killed { .. } => state.epoch() == epoch && !state.kill_confirmed(),
        Arming::Disarmed | Arming::Armed(_) => false,
    }
}
