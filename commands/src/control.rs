//! What a person may ask of the desk: one application service behind every door.
//!
//! The person's name comes from the credential, never from the request. A refused wish is recorded too.

use crate::aggregate::Aggregate;
use crate::envelope::{Envelope, Failure, Outcome};
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::Board;
use crate::streams;
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CommandId, CorrelationId, EventId};
use stele_domain::intents::filter::event::Entry;
use stele_domain::intents::filter::{self, Filter};
use stele_domain::operations::attempt::CommandRefused;
use stele_domain::operations::service;
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, InvalidStream, Position};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::{DisarmCause, Mode, OpenSignature};
use stele_domain::trading::account::{self, Account};
use stele_domain::trading::limits::Limits;
use tokio::sync::Notify;

/// A person's wish, without its body.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Names it: the same id again gives the first answer.
    pub command_id: CommandId,
    /// Digest of the whole request: the same id with another digest is refused.
    pub digest: String,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: String,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It is so now; the facts stand up to here.
    Recorded(Position),
    /// It was so already.
    AlreadySo,
    /// It was asked for before, with this id; the facts stand up to here.
    Repeated(Position),
}

/// A kill, and the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillProof {
    /// Where the kill stands in the log, and whether it was new.
    pub done: Done,
    /// True when no frame of this process can leave any more. False when one was being written for too long:
    /// look at the open signatures.
    pub fenced: bool,
    /// Every signature that could still be executed.
    pub open: Vec<OpenSignature>,
}

/// Why a wish came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A rule said no.
    #[error("{message}")]
    Rule {
        /// The rule's stable code.
        code: &'static str,
        /// The rule's words.
        message: String,
    },
    /// The id was used before, for something else.
    #[error("command {0} was sent before with another body: use a new id for a new wish")]
    IdReused(CommandId),
    /// There is no such thing in this process.
    #[error("{0} does not run in this process")]
    NotHere(&'static str),
    /// We could not do it.
    #[error("the desk could not do it: {0}")]
    Unavailable(String),
}

/// Bells that make a service look now.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    /// Asks the price sources.
    pub market: Arc<Notify>,
    /// Reads the balances.
    pub inventory: Arc<Notify>,
}

/// The application service.
pub struct Control {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The account.
    pub account: Arc<Ledger<Account>>,
    /// The pair filter.
    pub filter: Arc<Ledger<Filter>>,
    /// The services.
    pub board: Arc<Board>,
    /// The fence that a kill closes.
    pub fence: Fence,
    /// Bells of the services in this process.
    pub bells: Bells,
    /// The configured pairs.
    pub pairs: Vec<Pair>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Control {
    /// Arms for a time.
    pub async fn arm(
        &self,
        wish: Wish,
        mode: Mode,
        limits_version: Option<u64>,
        until: Timestamp,
    ) -> Result<Done, Refused> {
        let reason = wish.reason.clone();
        let at = self.clock.now();
        let command = account::Command::Arm { mode, limits_version, until, reason, at };
        self.act(&self.account, "arm", wish, command).await
    }

    /// Disarms; also the way back from KILLED.
    pub async fn disarm(&self, wish: Wish) -> Result<Done, Refused> {
        let (cause, reason, at) = (DisarmCause::Operator, wish.reason.clone(), self.clock.now());
        self.act(&self.account, "disarm", wish, account::Command::Disarm { cause, reason, at }).await
    }

    /// Stops everything, from any state, and says what is still out.
    pub async fn kill(&self, wish: Wish) -> Result<KillProof, Refused> {
        // The fence first: a frame that has left before is listed; none leaves after.
        let closed = self.fence.close().await;
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let done = self.act(&self.account, "kill", wish, account::Command::Kill { reason, at }).await?;
        let fenced = closed.is_some() || self.fence.close().await.is_some();
        drop(closed);
        let open = self.account.look(stele_domain::trading::account::State::open_signatures).await;
        let open = open.map_err(|failure| Refused::Unavailable(failure.to_string()))?;
        observe::killed(open.len(), fenced);
        Ok(KillProof { done, fenced, open })
    }

    /// Sets all limits; `shown` is the newest version that the person saw, so that nobody's change is undone unseen.
    pub async fn set_limits(
        &self,
        wish: Wish,
        limits: Limits,
        shown: Option<u64>,
        from: Option<Timestamp>,
    ) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let effective_from = from.unwrap_or(at);
        let command =
            account::Command::SetLimits { limits: Box::new(limits), shown, effective_from, reason, at };
        self.act(&self.account, "set_limits", wish, command).await
    }

    /// Sets the pair filter.
    pub async fn set_filter(&self, wish: Wish, entries: Vec<Entry>) -> Result<Done, Refused> {
        let (reason, at, configured) = (wish.reason.clone(), self.clock.now(), self.pairs.clone());
        let command = filter::Command::Set { entries, configured, reason, at };
        self.act(&self.filter, "set_filter", wish, command).await
    }

    /// Goes back to the configured pairs.
    pub async fn reset_filter(&self, wish: Wish) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        self.act(&self.filter, "reset_filter", wish, filter::Command::Reset { reason, at }).await
    }

    /// Lets a service take no new work.
    pub async fn pause(&self, wish: Wish, service: Service) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        self.switch(service, "pause", wish, service::Command::Pause { service, reason, at }).await
    }

    /// Lets a service take work again.
    pub async fn resume(&self, wish: Wish, service: Service) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        self.switch(service, "resume", wish, service::Command::Resume { service, reason, at }).await
    }

    /// Lets a service finish what is in flight, and take nothing new.
    pub async fn drain(&self, wish: Wish, service: Service) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        self.switch(service, "drain", wish, service::Command::Drain { service, reason, at }).await
    }

    /// Makes a reading service look now. Not a fact: what it reads is.
    pub fn refresh(&self, service: Service) -> Result<(), Refused> {
        match service {
            Service::Market => self.bells.market.notify_one(),
            Service::Inventory => self.bells.inventory.notify_one(),
            Service::Ingest | Service::Strategy | Service::Executor | Service::Projections => {
                return Err(Refused::Rule {
                    code: "nothing_to_refresh",
                    message: format!("{} follows the log: there is nothing to refresh", service.name()),
                });
            }
        }
        Ok(())
    }

    async fn switch(
        &self,
        service: Service,
        action: &'static str,
        wish: Wish,
        command: service::Command,
    ) -> Result<Done, Refused> {
        let ledger = self.board.switch(service).ok_or(Refused::NotHere(service.name()))?;
        self.act(ledger, action, wish, command).await
    }

    async fn act<D>(
        &self,
        ledger: &Ledger<D>,
        action: &'static str,
        wish: Wish,
        command: D::Command,
    ) -> Result<Done, Refused>
    where
        D: Aggregate,
        D::State: Clone + Send + Sync,
        D::Event: Clone + Send + Sync,
        D::Command: Clone + Send,
        D::Rejection: Rule,
    {
        let envelope = Envelope {
            command_id: wish.command_id,
            digest: Some(wish.digest.clone()),
            actor: wish.actor.clone(),
            correlation_id: CorrelationId(wish.command_id.0),
            causation_id: None,
            occurred_at: self.clock.now(),
            command,
        };
        match ledger.handle(envelope).await {
            Ok(outcome) => {
                observe::controlled(action, &wish.actor, &wish.reason);
                Ok(match outcome {
                    Outcome::Recorded { last, .. } => Done::Recorded(last),
                    Outcome::AlreadySo => Done::AlreadySo,
                    Outcome::Repeated { last } => Done::Repeated(last),
                })
            }
            Err(Failure::Rejected(rejection)) => {
                let (code, message) = (rejection.code(), rejection.words());
                self.record_refusal(action, &wish, code, &message).await;
                Err(Refused::Rule { code, message })
            }
            Err(Failure::IdReused(id)) => {
                self.record_refusal(action, &wish, "id_reused", "the id was used before").await;
                Err(Refused::IdReused(id))
            }
            Err(failure) => Err(Refused::Unavailable(chain(&failure))),
        }
    }

    /// Keeps the refused wish. The refusal stands even when this can't be written.
    async fn record_refusal(&self, action: &'static str, wish: &Wish, code: &'static str, detail: &str) {
        let at = self.clock.now();
        let refused = CommandRefused {
            command_id: wish.command_id,
            action: action.to_owned(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            reason: wish.reason.clone(),
            at,
        };
        observe::refused(action, code, &wish.actor);
        if let Err(why) = self.append_refusal(wish, refused, at).await {
            observe::refusal_not_kept(&why);
        }
    }

    async fn append_refusal(
        &self,
        wish: &Wish,
        refused: CommandRefused,
        at: Timestamp,
    ) -> Result<(), String> {
        let stream = streams::refused_commands().map_err(|error: InvalidStream| error.to_string())?;
        let event = Event::Operations(stele_domain::operations::event::Event::CommandRefused(refused));
        let meta = Meta {
            correlation_id: CorrelationId(wish.command_id.0),
            causation_id: None,
            command: None,
            actor: wish.actor.clone(),
            occurred_at: at,
            schema: 1,
        };
        let id = EventId(uuid::Uuid::now_v7());
        let record = codec::to_record(id, &event, &meta).map_err(|error| error.to_string())?;
        let appended = self.log.append(&stream, Expected::Any, vec![record]).await;
        appended.map(|_| ()).map_err(|error| error.to_string())
    }

    /// The limits that were set last, and whether the account is armed: what a person is shown before arming.
    pub async fn limits(&self) -> Result<Option<Arc<account::event::LimitsSet>>, Refused> {
        let at = self.clock.now();
        let limits = self.account.look(|state| state.limits_at(at).cloned()).await;
        limits.map_err(|failure| Refused::Unavailable(chain(&failure)))
    }

    /// The whole account, as it stands.
    pub async fn account(&self) -> Result<account::State, Refused> {
        let state = self.account.look(account::State::clone).await;
        state.map_err(|failure| Refused::Unavailable(chain(&failure)))
    }

    /// The pair filter, as it stands.
    pub async fn filter(&self) -> Result<filter::State, Refused> {
        let state = self.filter.look(filter::State::clone).await;
        state.map_err(|failure| Refused::Unavailable(chain(&failure)))
    }
}

/// A rejection that can be told to a person.
pub trait Rule: std::fmt::Debug + Send {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// The words.
    fn words(&self) -> String;
}

impl Rule for account::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for filter::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for service::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
