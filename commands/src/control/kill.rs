//! A kill, from the closing of the fence to the fact that stands.
//!
//! It is a task of its own: whoever asked may hang up and the log may be full or away, and the fence stays closed all
//! the same until the log has taken the kill.

use super::{Control, Done, Fault, Refused, Wish, what};
use crate::fence::{Closed, Fence};
use crate::ledger::Ledger;
use crate::observe;
use crate::wishes::{What, Wishes};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Action;
use stele_domain::ids::CommandId;
use stele_domain::port::clock::Clock;
use stele_domain::trading::account::{Account, Command, State};
use tokio::sync::oneshot;
use uuid::Uuid;

/// What a kill is, to the path of wishes.
pub(super) const KILL: What = what(Action::Kill, "kill");
/// How long one attempt waits for the log, before the answer is that it is not recorded yet.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
/// Wait before a log that did not take the kill is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// A kill that stands: what came of the wish, and whether the fence of this process was closed around it.
pub(super) type Stands = (Done, bool);

/// What recording a kill needs.
pub(super) struct Kill {
    wishes: Arc<Wishes>,
    account: Arc<Ledger<Account>>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    wish: Wish,
}

impl Kill {
    pub(super) fn of(control: &Control, wish: Wish) -> Self {
        Self {
            wishes: Arc::clone(&control.wishes),
            account: Arc::clone(&control.account),
            fence: control.fence.clone(),
            clock: Arc::clone(&control.clock),
            wish,
        }
    }

    /// Closes the fence and records the kill. The answer tells of the first attempt; should it fail, the fence stays
    /// closed and the log is asked until it takes the kill.
    pub(super) async fn run(self, answer: oneshot::Sender<Result<Stands, Refused>>) {
        // The fence first: a frame that has left before is listed; none leaves after.
        let mut closed = self.fence.close().await;
        match self.attempt().await {
            Ok(done) => {
                let fenced = closed.is_some() || self.fence.close().await.is_some();
                drop(closed);
                // Whoever asked may have hung up; the kill stands all the same.
                drop(answer.send(Ok((done, fenced))));
            }
            Err(missed) => {
                observe::kill_not_recorded(&missed.why);
                drop(answer.send(Err(missed.told(closed.as_ref()))));
                self.keep_closed(&mut closed).await;
            }
        }
    }

    /// Asks the log until it has the kill, and holds the fence closed meanwhile.
    async fn keep_closed(&self, closed: &mut Option<Closed>) {
        // One asks for all: a kill is a kill, whoever asked for it.
        let Some(_turn) = self.fence.keeper() else { return };
        loop {
            if closed.is_none() {
                *closed = self.fence.close().await;
            }
            tokio::time::sleep(RETRY).await;
            if self.attempt().await.is_ok() {
                observe::kill_recorded_late();
                return;
            }
        }
    }

    /// Records the kill, once; why the log did not take it.
    async fn attempt(&self) -> Result<Done, Missed> {
        match tokio::time::timeout(ATTEMPT_MAX, self.record()).await {
            Ok(recorded) => recorded.map_err(Missed::from),
            Err(_) => Err(Missed { fault: None, why: "the event log does not answer".to_owned() }),
        }
    }

    async fn record(&self) -> Result<Done, Refused> {
        match self.act(self.wish.clone()).await {
            // Somebody has stood down since. The first answer would be a lie: a kill that is asked for is done.
            Ok(Done::Repeated(_) | Done::AlreadySo) if !self.is_killed().await? => self.anew().await,
            // The id stands for something else, which is on record by now. Nothing is a reason not to stop.
            Err(Refused::IdReused(_) | Refused::Rule { .. }) => self.anew().await,
            other => other,
        }
    }

    async fn anew(&self) -> Result<Done, Refused> {
        self.act(Wish { command_id: CommandId(Uuid::now_v7()), ..self.wish.clone() }).await
    }

    async fn act(&self, wish: Wish) -> Result<Done, Refused> {
        let command = Command::Kill { reason: wish.reason.clone(), at: self.clock.now() };
        self.wishes.act(&self.account, KILL, wish, command).await
    }

    async fn is_killed(&self) -> Result<bool, Refused> {
        let killed = |state: &State| state.arming().is_killed();
        self.account.look(killed).await.map_err(|failure| Refused::of(&failure))
    }
}

/// Why the log did not take a kill.
struct Missed {
    /// What must be mended before it can; none when it may take it later.
    fault: Option<Fault>,
    why: String,
}

impl From<Refused> for Missed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unavailable(why) => Self { fault: None, why },
            Refused::Failed { fault, why } => Self { fault: Some(fault), why },
            Refused::Forbidden { .. } | Refused::Rule { .. } | Refused::IdReused(_) | Refused::NotHere(_) => {
                Self { fault: None, why: refused.to_string() }
            }
        }
    }
}

impl Missed {
    /// What the person is told: the fence holds, whatever the log does.
    fn told(self, closed: Option<&Closed>) -> Refused {
        let Self { fault, why } = self;
        let here = match closed {
            Some(_) => "no frame leaves this process any more",
            None => "a frame may be on its way out of this process, and none follows it",
        };
        let asked = "the log is asked again until it takes the kill";
        match fault {
            None => Refused::Unavailable(format!(
                "the kill is not on the log yet ({why}): {here}, and {asked}; an executor in another process goes on until then"
            )),
            Some(fault) => Refused::Failed {
                fault,
                why: format!(
                    "the kill is not on the log ({why}): {here}, and {asked}; an executor in another process does not hear of it: stop that process now"
                ),
            },
        }
    }
}
