//! What waits: words to the account and orders that the log has not taken, offers for which there is no place yet.
//!
//! The executor's loop goes on meanwhile: it keeps the lease, reads on and hears the stop. Words go before orders, so
//! that no order is judged by an account that was not told what stands before it.

use super::reactor::{Executor, View};
use super::send::Sender;
use crate::envelope::{Envelope, Failure};
use crate::observe;
use crate::service::{ServiceError, following, own, survivable};
use std::collections::VecDeque;
use std::time::Duration;
use stele_domain::event::Recorded;
use stele_domain::ids::Actor;
use stele_domain::operations::service::event::Service;
use stele_domain::trading::account::Command;
use stele_domain::trading::account::event::{Event as AccountEvent, SubmissionStarted};
use stele_domain::trading::strategy::command::Running;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use tokio::time::Instant;

/// Most that waits of each kind. Beyond it nothing more is read until some of it is done.
const WAITING_MAX: usize = 1_024;
/// Orders that are fixed in one append.
const ORDERS_AT_ONCE: usize = 256;
/// Wait before a log that did not take something is asked again.
const RETRY: Duration = Duration::from_millis(100);
/// How long an executor that is told to stop takes to call off what it has not sent.
const CALL_OFF_MAX: Duration = Duration::from_secs(2);

/// What waits, each in its order.
#[derive(Default)]
pub(super) struct Waiting {
    words: VecDeque<Envelope<Command>>,
    orders: VecDeque<(ExecutionCommanded, Recorded)>,
    offers: VecDeque<SubmissionStarted>,
    again_at: Option<Instant>,
}

impl Waiting {
    pub(super) fn order(&mut self, order: &ExecutionCommanded, cause: &Recorded) {
        self.orders.push_back((order.clone(), cause.clone()));
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        let longest = self.words.len().max(self.orders.len()).max(self.offers.len());
        longest < WAITING_MAX
    }

    /// Whether the account was not told all yet.
    pub(super) fn words(&self) -> bool {
        !self.words.is_empty()
    }

    /// When the log is to be asked again, if it did not take something.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Whether offers wait for a place.
    pub(super) fn offers(&self) -> bool {
        !self.offers.is_empty()
    }

    /// Whether nothing is left that could still lead to a frame.
    pub(super) fn is_done(&self) -> bool {
        self.orders.is_empty() && self.offers.is_empty()
    }

    pub(super) fn next_offer(&mut self) -> Option<SubmissionStarted> {
        self.offers.pop_front()
    }

    fn ask_later(&mut self) {
        self.again_at = Some(Instant::now() + RETRY);
    }
}

impl Executor {
    /// Tells the account what follows from a fact. A rule's no is said and lived with; what the log does not take waits,
    /// and what is to be told after it.
    pub(super) async fn tell(
        &self,
        view: &mut View,
        envelope: Envelope<Command>,
    ) -> Result<(), ServiceError> {
        if view.waiting.words.is_empty() {
            let Some(untold) = self.told(envelope).await? else { return Ok(()) };
            view.waiting.words.push_back(untold);
            view.waiting.ask_later();
        } else {
            view.waiting.words.push_back(envelope);
        }
        Ok(())
    }

    /// Tells the account; gives back what must be told again.
    async fn told(&self, envelope: Envelope<Command>) -> Result<Option<Envelope<Command>>, ServiceError> {
        let Err(failure) = self.account.handle(envelope.clone()).await else { return Ok(None) };
        let again = matches!(failure, Failure::Log(_) | Failure::Contended(_));
        survivable(Service::Executor, failure)?;
        Ok(again.then_some(envelope))
    }

    /// Goes on with what waits, unless it was tried a moment ago.
    pub(super) async fn go_on(
        &self,
        who: &Actor,
        view: &mut View,
        sender: &Sender,
    ) -> Result<(), ServiceError> {
        if view.waiting.again_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        view.waiting.again_at = None;
        while let Some(word) = view.waiting.words.pop_front() {
            if let Some(untold) = self.told(word).await? {
                view.waiting.words.push_front(untold);
                view.waiting.ask_later();
                return Ok(());
            }
        }
        while !view.waiting.orders.is_empty() && view.waiting.again_at.is_none() {
            self.carry_out(who, view).await?;
        }
        while view.waiting.offers() {
            let Some(place) = sender.place_now() else { break };
            if let Some(offer) = view.waiting.next_offer() {
                sender.start(offer, place);
            }
        }
        Ok(())
    }

    /// Fixes the orders that came first in the account, in one append. Each attempt judges them by what is known now:
    /// nothing was sent, so it is safe to offer the same orders again. Those that were fixed all the same come back as
    /// what was fixed, and of the others those that are too old expire.
    async fn carry_out(&self, who: &Actor, view: &mut View) -> Result<(), ServiceError> {
        let paused = self.board.running(Service::Executor).await != Running::Running;
        let first = view.waiting.orders.iter().take(ORDERS_AT_ONCE);
        let commands: Vec<_> = first
            .map(|(order, cause)| {
                let at = self.clock.now();
                let execute = self.execute(view, cause.position, order, paused, at);
                following(who, cause, "execute", at, Command::Execute(Box::new(execute)))
            })
            .collect();
        let count = commands.len();
        match self.account.handle_all(commands).await {
            Ok(answers) => {
                view.waiting.orders.drain(..count);
                for event in answers.iter().flatten().flat_map(crate::envelope::Outcome::events) {
                    if let AccountEvent::SubmissionStarted(started) = event {
                        view.waiting.offers.push_back((**started).clone());
                    } else {
                        observe::not_executed(event);
                    }
                }
                Ok(())
            }
            Err(failure) => {
                view.waiting.ask_later();
                survivable(Service::Executor, failure)
            }
        }
    }

    /// Calls off the offers that were fixed and for which there was no place, and waits for the replies that are out.
    pub(super) async fn wind_up(&self, who: &Actor, view: &mut View, sender: &Sender) {
        let call_off = async {
            for started in view.waiting.offers.drain(..) {
                let (command_id, at) = (started.command_id, self.clock.now());
                let why = "the executor was stopped before it was sent".to_owned();
                if let Err(error) = self.ask(own(who, at, Command::Abandon { command_id, why, at })).await {
                    observe::result_lost(&error);
                    return;
                }
            }
        };
        // What it does not get to is looked up after the next start.
        let _in_time = tokio::time::timeout(CALL_OFF_MAX, call_off).await;
        sender.finish().await;
    }
}
