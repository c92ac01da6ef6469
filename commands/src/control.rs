//! What a person may ask of the desk: one application service behind every door.
//!
//! Whoever asks was vouched for by a door; whether they may is asked here once more, whatever the door did.

mod effect;
mod kill;
mod wish;

pub use wish::{Approval, Done, Fault, KillProof, Refused, Rule, Wish};

use kill::{KILL, Kill};

use crate::canonical;
use crate::fence::Fence;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::Board;
use crate::streams;
use crate::wishes::{What, Wishes};
use std::collections::BTreeSet;
use std::sync::Arc;
use stele_domain::access::Action;
use stele_domain::access::keyring::Keyring;
use stele_domain::ids::{Actor, CommandId};
use stele_domain::intents::filter::event::Entry;
use stele_domain::intents::filter::{self, Filter};
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::alert::{self, Alert};
use stele_domain::operations::parking::{self, Parking};
use stele_domain::operations::service;
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, InvalidStream, Position};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::Asker;
use stele_domain::trading::account::event::{ArmRequested, DisarmCause, Mode};
use stele_domain::trading::account::{self, Account};
use stele_domain::trading::limits::Limits;
use tokio::sync::{Notify, oneshot};

/// Bells that make a service look now.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    /// Asks the price sources.
    pub market: Arc<Notify>,
    /// Reads the balances.
    pub inventory: Arc<Notify>,
    /// Services that run in other processes, where nobody hears these bells.
    pub elsewhere: BTreeSet<Service>,
}

impl Bells {
    /// The bell of a service; none for one that follows the log and has nothing else to look at.
    #[must_use]
    pub fn of(&self, service: Service) -> Option<&Notify> {
        match service {
            Service::Market => Some(&self.market),
            Service::Inventory => Some(&self.inventory),
            Service::Ingest | Service::Strategy | Service::Executor | Service::Projections => None,
        }
    }
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
    /// The one way of every wish.
    pub wishes: Arc<Wishes>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Control {
    /// Arms for a time; where a second person is needed, writes the request down.
    pub async fn arm(
        &self,
        wish: Wish,
        mode: Mode,
        limits_version: Option<u64>,
        until: Timestamp,
    ) -> Result<Done, Refused> {
        let (id, reason, at) = (wish.command_id, wish.reason.clone(), self.clock.now());
        self.wishes.permitted(&wish, what(Action::Arm, "arm"))?;
        let in_force = self.limits().await?;
        let strategy_start = self.board.starts(Service::Strategy).await;
        let strategy_start = strategy_start.map_err(|failure| Refused::of(&failure))?;
        let asker = Asker {
            by: wish.caller.actor.clone(),
            request_id: id,
            limits_version: in_force.as_ref().map_or(0, |set| set.version),
            limits_hash: in_force.map_or_else(String::new, |set| limits_hash(&set.limits)),
        };
        let who = asker.by.clone();
        let command =
            account::Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at };
        let done = self.wishes.act(&self.account, what(Action::Arm, "arm"), wish, command).await?;
        self.or_approval(done, id, |asked| asked.by == who && asked.mode == mode && asked.until == until)
            .await
    }

    /// What came of a wish to arm: the request, when it is one.
    async fn or_approval(
        &self,
        done: Done,
        id: CommandId,
        alike: impl Fn(&ArmRequested) -> bool,
    ) -> Result<Done, Refused> {
        let at = self.clock.now();
        let request = |state: &account::State, position| {
            let own = state.request(id);
            let request = match &done {
                Done::Recorded(_) | Done::Repeated(_) => own,
                // The same was asked before, and waits.
                Done::AlreadySo => own.or_else(|| state.waiting(at).filter(|request| alike(&request.asked))),
                Done::ApprovalNeeded(_) => None,
            }?;
            let asked = &request.asked;
            Some(Done::ApprovalNeeded(Approval {
                request_id: asked.request_id,
                limits_version: asked.limits_version,
                limits_hash: asked.limits_hash.clone(),
                expires_at: asked.expires_at,
                position: match &done {
                    Done::Recorded(position) | Done::Repeated(position) => *position,
                    Done::AlreadySo | Done::ApprovalNeeded(_) => position,
                },
            }))
        };
        let approval = self.account.look_at(request).await;
        let approval = approval.map_err(|failure| Refused::of(&failure))?;
        Ok(approval.unwrap_or(done))
    }

    /// Approves what another person asked for, and so arms. `limits_hash` is that of the limits which the approver was
    /// shown.
    pub async fn approve(
        &self,
        wish: Wish,
        request_id: CommandId,
        limits_hash: String,
    ) -> Result<Done, Refused> {
        let approve = what(Action::Approve, "approve");
        self.wishes.permitted(&wish, approve)?;
        let makers = self.makers(&wish).await?;
        let (by, reason, at) = (wish.caller.actor.clone(), wish.reason.clone(), self.clock.now());
        let command = account::Command::Approve { request_id, limits_hash, reason, by, makers, at };
        self.wishes.act(&self.account, approve, wish, command).await
    }

    /// Everybody who had a hand in the key that a person came with.
    async fn makers(&self, wish: &Wish) -> Result<BTreeSet<Actor>, Refused> {
        let Some(key_id) = &wish.caller.origin.key_id else { return Ok(BTreeSet::new()) };
        let name = |error: InvalidStream| Refused::unnamed(&error);
        let keys: Ledger<Keyring> = Ledger::new(Arc::clone(&self.log), streams::keys().map_err(name)?);
        let makers = keys.look(|ring| ring.makers(key_id)).await;
        makers.map_err(|failure| Refused::of(&failure))
    }

    /// The requests to arm that are remembered, oldest first.
    pub async fn arm_requests(&self) -> Result<Vec<account::state::Request>, Refused> {
        let requests = self.account.look(|state| state.requests().cloned().collect()).await;
        requests.map_err(|failure| Refused::of(&failure))
    }

    /// Disarms. What waits for approval is called off. A killed account is stood down, which takes somebody who may
    /// kill, and two of them where the limits ask for a second person.
    pub async fn disarm(&self, wish: Wish) -> Result<Done, Refused> {
        let disarm = what(Action::Disarm, "disarm");
        self.wishes.permitted(&wish, disarm)?;
        if self.account().await?.arming().is_killed() {
            return self.stand_down(wish).await;
        }
        let (cause, reason, at) = (DisarmCause::Operator, wish.reason.clone(), self.clock.now());
        let command = account::Command::Disarm { cause, reason, at };
        self.wishes.act(&self.account, disarm, wish, command).await
    }

    async fn stand_down(&self, wish: Wish) -> Result<Done, Refused> {
        let stand_down = what(Action::Kill, "stand_down");
        self.wishes.permitted(&wish, stand_down)?;
        let makers = self.makers(&wish).await?;
        let (request_id, at) = (wish.command_id, self.clock.now());
        let (by, reason) = (wish.caller.actor.clone(), wish.reason.clone());
        let command = account::Command::StandDown { request_id, reason, by, makers, at };
        let done = self.wishes.act(&self.account, stand_down, wish, command).await?;
        let waiting = self.account.look_at(|state, place| {
            let asked = state.standing_down(at)?;
            let in_force = state.limits_at(at)?;
            Some(Approval {
                request_id: asked.request_id,
                limits_version: in_force.version,
                limits_hash: limits_hash(&in_force.limits),
                expires_at: asked.expires_at,
                position: place,
            })
        });
        let waiting = waiting.await.map_err(|failure| Refused::of(&failure))?;
        Ok(waiting.map_or(done, Done::ApprovalNeeded))
    }

    /// Clears an alert that waits for a person. Whoever runs the services may, and says what they found.
    pub async fn clear_alert(&self, wish: Wish, kind: Kind) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let name = |error: InvalidStream| Refused::unnamed(&error);
        let ledger: Ledger<Alert> = Ledger::new(Arc::clone(&self.log), streams::alert(kind).map_err(name)?);
        let command = alert::Command::Dismiss { kind, reason, at };
        self.wishes.act(&ledger, what(Action::Steer, "clear_alert"), wish, command).await
    }

    /// Has an event tried again that a projection could not take in: the next fold of its tables does. Whoever runs the
    /// services may, and says what was mended.
    pub async fn retry_parked(
        &self,
        wish: Wish,
        projection: String,
        position: Position,
    ) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let command = parking::Command::Retry { projection, position, reason, at };
        self.wishes.act(&self.parking()?, what(Action::Steer, "retry_parked"), wish, command).await
    }

    /// Leaves an event out of a projection's tables for good. Whoever runs the services may, and says why.
    pub async fn skip_parked(
        &self,
        wish: Wish,
        projection: String,
        position: Position,
    ) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let command = parking::Command::Skip { projection, position, reason, at };
        self.wishes.act(&self.parking()?, what(Action::Steer, "skip_parked"), wish, command).await
    }

    fn parking(&self) -> Result<Ledger<Parking>, Refused> {
        let stream = streams::parking().map_err(|error| Refused::unnamed(&error))?;
        Ok(Ledger::new(Arc::clone(&self.log), stream))
    }

    /// Stops everything, from any state, and says what is still out.
    pub async fn kill(&self, wish: Wish) -> Result<KillProof, Refused> {
        let began = std::time::Instant::now();
        self.wishes.permitted(&wish, KILL)?;
        let (answer, answered) = oneshot::channel();
        tokio::spawn(Kill::of(self, wish).run(answer));
        let ended = |_| Refused::Unavailable("the kill was cut short: this process is ending".to_owned());
        let (done, fenced_here) = answered.await.map_err(ended)??;
        let fenced = self.took_effect(fenced_here).await;
        let open = self.account.look(stele_domain::trading::account::State::open_signatures).await;
        let open = open.map_err(|failure| Refused::of(&failure))?;
        observe::killed(open.len(), fenced, began.elapsed());
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
        let (by, reason, at) = (wish.caller.actor.clone(), wish.reason.clone(), self.clock.now());
        let (limits, effective_from) = (Box::new(limits), from.unwrap_or(at));
        let command = account::Command::SetLimits { limits, shown, effective_from, reason, by, at };
        self.wishes.act(&self.account, what(Action::SetLimits, "set_limits"), wish, command).await
    }

    /// Sets the pair filter.
    pub async fn set_filter(&self, wish: Wish, entries: Vec<Entry>) -> Result<Done, Refused> {
        let (reason, at, configured) = (wish.reason.clone(), self.clock.now(), self.pairs.clone());
        let command = filter::Command::Set { entries, configured, reason, at };
        self.wishes.act(&self.filter, what(Action::SetFilter, "set_filter"), wish, command).await
    }

    /// Goes back to the configured pairs.
    pub async fn reset_filter(&self, wish: Wish) -> Result<Done, Refused> {
        let (reason, at) = (wish.reason.clone(), self.clock.now());
        let command = filter::Command::Reset { reason, at };
        self.wishes.act(&self.filter, what(Action::SetFilter, "reset_filter"), wish, command).await
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

    /// Makes a reading service look now. Where it runs in this process its bell is rung, and that is no fact: what it
    /// reads is. Elsewhere nobody hears the bell: the wish becomes a fact, which the process that runs it hears
    /// ([`Ears`](crate::refresh::Ears)). That it was asked for is kept either way.
    pub async fn refresh(&self, wish: Wish, service: Service) -> Result<(), Refused> {
        let refresh = what(Action::Refresh, "refresh");
        let Some(bell) = self.bells.of(service) else {
            let nothing = || {
                let message = format!("{} follows the log: there is nothing to refresh", service.name());
                Err(Refused::Rule { code: "nothing_to_refresh".into(), message })
            };
            return self.wishes.effect(&wish, refresh, nothing).await;
        };
        if self.bells.elsewhere.contains(&service) {
            let ledger = self.board.switch(service).ok_or(Refused::NotHere(service.name()))?;
            let (reason, at) = (wish.reason.clone(), self.clock.now());
            let command = service::Command::AskRefresh { service, reason, at };
            return self.wishes.act(ledger, refresh, wish, command).await.map(|_| ());
        }
        let ring = || {
            bell.notify_one();
            Ok(())
        };
        self.wishes.effect(&wish, refresh, ring).await
    }

    /// Lets a projection be folded anew, or what an earlier rebuild has left be dropped: `start` does it, once for each wish.
    /// That it was asked for is kept; what comes of it is in the tables, and no fact. What keeps `start` from it is handed on;
    /// where it is a no to the person, `refusal` gives its code and its words, and these are kept.
    pub async fn rebuild<E: Send>(
        &self,
        wish: Wish,
        start: impl Future<Output = Result<(), E>> + Send,
        refusal: impl FnOnce(&E) -> Option<(String, String)> + Send,
    ) -> Result<Result<(), E>, Refused> {
        self.wishes.work(&wish, what(Action::Steer, "rebuild"), start, refusal).await
    }

    /// Begins an audit, which is no fact: what it finds is a report. That it was asked for is kept.
    pub async fn audit(
        &self,
        wish: Wish,
        begin: impl FnOnce() -> Result<(), Refused> + Send,
    ) -> Result<(), Refused> {
        self.wishes.effect(&wish, what(Action::Prove, "audit"), begin).await
    }

    async fn switch(
        &self,
        service: Service,
        word: &'static str,
        wish: Wish,
        command: service::Command,
    ) -> Result<Done, Refused> {
        let steer = what(Action::Steer, word);
        self.wishes.permitted(&wish, steer)?;
        let ledger = self.board.switch(service).ok_or(Refused::NotHere(service.name()))?;
        self.wishes.act(ledger, steer, wish, command).await
    }

    /// The limits in force now, which a person is shown before arming; `None` when there are none.
    pub async fn limits(&self) -> Result<Option<Arc<account::event::LimitsSet>>, Refused> {
        let at = self.clock.now();
        let limits = self.account.look(|state| state.limits_at(at).cloned()).await;
        limits.map_err(|failure| Refused::of(&failure))
    }

    /// The whole account, as it stands.
    pub async fn account(&self) -> Result<account::State, Refused> {
        let state = self.account.look(account::State::clone).await;
        state.map_err(|failure| Refused::of(&failure))
    }

    /// The pair filter, as it stands.
    pub async fn filter(&self) -> Result<filter::State, Refused> {
        let state = self.filter.look(filter::State::clone).await;
        state.map_err(|failure| Refused::of(&failure))
    }
}

const fn what(action: Action, word: &'static str) -> What {
    What { action, word }
}

/// What an approval is bound to: SHA-256, in hex, of the limits as canonical JSON.
pub fn limits_hash(limits: &Limits) -> String {
    // Limits are numbers and texts: they always have a JSON form.
    canonical::sha256(&canonical::text(limits).unwrap_or_default())
}
