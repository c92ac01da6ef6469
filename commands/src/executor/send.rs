//! Sending: one task per offer, from the last look at the account to the relay's word.
//!
//! The order of things is what keeps the desk safe: permit, look, send, record. A kill closes the fence first,
//! so either it waits for this frame or this task sees it and sends nothing.

use super::reactor::Executor;
use crate::envelope::Failure;
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::own;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::{Actor, CommandId};
use stele_domain::port::clock::Clock;
use stele_domain::port::venue::{ExactSide, Offer, Submission, Venue};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::SubmissionStarted;
use stele_domain::trading::account::state::{Arming, OpenOffer, Phase};
use stele_domain::trading::account::{Account, Command, State as AccountState};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a stopping executor waits for replies. What it does not hear is looked up after the restart.
const FINISH: Duration = Duration::from_secs(8);
/// How often a result is offered to a log that does not take it.
const RECORD_RETRY: Duration = Duration::from_millis(200);

/// A place among the offers whose reply is awaited.
pub(super) type Place = OwnedSemaphorePermit;

/// Starts offers and counts them.
pub(super) struct Sender {
    task: Arc<Task>,
    slots: Arc<Semaphore>,
    slots_all: usize,
}

/// What one sending needs.
struct Task {
    account: Arc<Ledger<Account>>,
    venue: Arc<dyn Venue>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    refresh_inventory: Arc<Notify>,
    who: Actor,
    epoch: u64,
}

impl Sender {
    pub(super) fn new(executor: &Executor, who: Actor, epoch: u64) -> Self {
        let task = Task {
            account: Arc::clone(&executor.account),
            venue: Arc::clone(&executor.venue),
            fence: executor.fence.clone(),
            clock: Arc::clone(&executor.clock),
            refresh_inventory: Arc::clone(&executor.refresh_inventory),
            who,
            epoch,
        };
        let slots_all = executor.options.in_flight_max.max(1);
        Self { task: Arc::new(task), slots: Arc::new(Semaphore::new(slots_all)), slots_all }
    }

    /// How many replies are awaited.
    pub(super) fn in_flight(&self) -> usize {
        self.slots_all.saturating_sub(self.slots.available_permits())
    }

    /// A place for one more offer; waits until there is one.
    pub(super) async fn place(&self) -> Option<Place> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// A place for one more offer, if there is one.
    pub(super) fn place_now(&self) -> Option<Place> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Sends an offer that has been fixed.
    pub(super) fn start(&self, started: SubmissionStarted, place: Place) {
        let task = Arc::clone(&self.task);
        tokio::spawn(async move {
            task.run(started).await;
            drop(place);
        });
    }

    /// Waits for the replies that are still out, as long as a stop allows.
    pub(super) async fn finish(&self) {
        let all = u32::try_from(self.slots_all).unwrap_or(u32::MAX);
        let waited = tokio::time::timeout(FINISH, self.slots.acquire_many(all)).await;
        if waited.is_err() {
            observe::left_in_flight(self.in_flight());
        }
    }
}

impl Task {
    async fn run(&self, started: SubmissionStarted) {
        let command_id = started.command_id;
        let permit = self.fence.permit().await;
        let at = self.clock.now();
        let allowed = self.account.look(|state| may_send(state, command_id, self.epoch, at)).await;
        let command = match allowed {
            Ok(Ok(send_before)) => {
                let submission = self.venue.submit(offer(&started, send_before), permit).await;
                observe::submitted(&started, &submission);
                result(command_id, submission, self.clock.now())
            }
            Ok(Err(why)) => Command::Abandon { command_id, why, at },
            Err(failure) => {
                let why = format!("the account could not be read: {failure}");
                Command::Abandon { command_id, why, at }
            }
        };
        self.record(command).await;
        self.refresh_inventory.notify_one();
    }

    /// Records the result; a log that is full or away gets it as soon as it is back.
    async fn record(&self, command: Command) {
        let envelope = own(&self.who, self.clock.now(), command);
        loop {
            match self.account.handle(envelope.clone()).await {
                Ok(_) => return,
                Err(Failure::Log(error)) if error.is_transient() => {
                    observe::log_failed("executor", &error);
                    tokio::time::sleep(RECORD_RETRY).await;
                }
                Err(Failure::Contended(_)) => tokio::time::sleep(RECORD_RETRY).await,
                Err(failure) => {
                    observe::result_lost(&failure);
                    return;
                }
            }
        }
    }
}

/// Whether the frame may leave now, because nothing has changed since the offer was fixed; and the moment from which
/// it may not, because something will have: the auction is over, or the lease, or the arming.
fn may_send(
    state: &AccountState,
    command_id: CommandId,
    epoch: u64,
    at: Timestamp,
) -> Result<Timestamp, String> {
    match state.arming() {
        Arming::Killed { .. } => return Err("killed before it was sent".to_owned()),
        Arming::Disarmed => return Err("disarmed before it was sent".to_owned()),
        Arming::Armed(_) => {
            if let Some(why) = state.lapsed(at) {
                return Err(format!("the arming was over before it was sent: {why}"));
            }
        }
    }
    let lease = state.lease().filter(|lease| lease.epoch == epoch && lease.until > at);
    let (Some(lease), Some(armed_before)) = (lease, state.armed_before(at)) else {
        return Err("the lease was lost before it was sent".to_owned());
    };
    let waiting = state.open().get(&command_id).filter(|offer| match offer.phase {
        Phase::Started => true,
        Phase::Accepted | Phase::Rejected | Phase::Uncertain | Phase::SettleFailed => false,
    });
    let Some(OpenOffer { started, .. }) = waiting else {
        return Err("it is not waiting to be sent".to_owned());
    };
    // A log that was away can make an offer too old to be of use: signed then, it would only be an option on our coin.
    if started.closes_at.is_some_and(|closes_at| closes_at <= at) {
        return Err("its auction was over before it was sent".to_owned());
    }
    if started.offer_deadline <= at {
        return Err("its deadline passed before it was sent".to_owned());
    }
    let of_use_before = started.closes_at.unwrap_or(started.offer_deadline).min(started.offer_deadline);
    Ok(of_use_before.min(lease.until).min(armed_before))
}

fn offer(started: &SubmissionStarted, send_before: Timestamp) -> Offer {
    let answer = match started.exact {
        ExactSide::In => started.give.amount,
        ExactSide::Out => started.receive.amount,
    };
    Offer {
        quote_id: started.quote_id.clone(),
        exact: started.exact,
        answer,
        prepared: started.prepared.clone(),
        send_before,
    }
}

fn result(command_id: CommandId, submission: Submission, at: Timestamp) -> Command {
    match submission {
        Submission::Accepted { reply } => Command::RecordAccepted { command_id, reply, at },
        Submission::Refused { reply, late } => Command::RecordRejected { command_id, reply, late, at },
        Submission::NotSent { reason } => Command::Abandon { command_id, why: reason, at },
        Submission::Unknown { reason } => Command::RecordUncertain { command_id, why: reason, at },
    }
}
