//! Further replies: what the relay said of an offer after it was answered, or given up. The account is told, which
//! knows the answer before; the balances are read, which are the proof.
//!
//! Nothing is ever sent from here.

use super::reactor::{Executor, View};
use crate::envelope::Failure;
use crate::observe;
use crate::service::{ServiceError, following, survivable};
use std::collections::VecDeque;
use stele_domain::event::Recorded;
use stele_domain::ids::{Actor, CommandId};
use stele_domain::intents::relay::event::ReplyReported;
use stele_domain::operations::service::event::Service;
use stele_domain::port::feeds::ReplyWord;
use stele_domain::trading::account::state::Phase;
use stele_domain::trading::account::{Command, Rejection, State};

/// Most replies that wait for the answer before them. Beyond it the oldest is taken without waiting.
const REPLIES_MAX: usize = 1_024;

/// Replies that were not told to the account yet, oldest first.
#[derive(Default)]
pub(super) struct Replies {
    waiting: VecDeque<(Recorded, ReplyReported)>,
}

/// Whose turn it is.
enum Turn {
    /// The offer is closed, or was none of ours: the reply changes nothing.
    Over,
    /// The first answer is still on its way to the log. Told now, this one would pass for the first.
    NotYet,
    /// Now.
    Now(CommandId),
}

impl Replies {
    pub(super) fn keep(&mut self, cause: &Recorded, reply: &ReplyReported) {
        self.waiting.push_back((cause.clone(), reply.clone()));
    }
}

impl Executor {
    /// Tells the account what it can be told; the rest waits for the next time. What a log that is away did not take
    /// stays first in line.
    pub(super) async fn take_replies(&self, who: &Actor, view: &mut View) -> Result<(), ServiceError> {
        let waiting = &mut view.replies.waiting;
        if waiting.is_empty() || view.waiting.words() {
            return Ok(());
        }
        // One look for all: of two replies to one offer the later must not come first.
        let turns = match self.account.look(|state| turns(state, waiting)).await {
            Ok(turns) => turns,
            Err(failure) => return survivable(Service::Executor, failure),
        };
        let mut not_yet = VecDeque::new();
        for turn in turns {
            let Some((cause, reply)) = waiting.pop_front() else { break };
            match turn {
                Turn::Over => {}
                Turn::NotYet => not_yet.push_back((cause, reply)),
                Turn::Now(command_id) => {
                    if let Err(failure) = self.tell_reply(who, &cause, command_id, &reply).await {
                        let stays = matches!(failure, Failure::Log(_) | Failure::Contended(_));
                        survivable(Service::Executor, failure)?;
                        if stays {
                            waiting.push_front((cause, reply));
                            break;
                        }
                    }
                }
            }
        }
        not_yet.append(waiting);
        *waiting = not_yet;
        Ok(())
    }

    async fn tell_reply(
        &self,
        who: &Actor,
        cause: &Recorded,
        command_id: CommandId,
        reply: &ReplyReported,
    ) -> Result<(), Failure<Rejection>> {
        let command = record(command_id, reply);
        let told = self.account.handle(following(who, cause, "further-reply", reply.received_at, command));
        let outcome = told.await?;
        observe::replied(command_id, reply, outcome.events());
        self.refresh_inventory.notify_one();
        Ok(())
    }
}

fn turns(state: &State, waiting: &VecDeque<(Recorded, ReplyReported)>) -> Vec<Turn> {
    let crowd = waiting.len().saturating_sub(REPLIES_MAX);
    let turn = |(place, (_, reply)): (usize, &(Recorded, ReplyReported))| {
        let Some(offer) = state.by_hash(&reply.quote_hash) else { return Turn::Over };
        match offer.phase {
            Phase::Started if place >= crowd => Turn::NotYet,
            Phase::Started | Phase::Accepted | Phase::Rejected | Phase::Uncertain | Phase::SettleFailed => {
                Turn::Now(offer.started.command_id)
            }
        }
    };
    waiting.iter().enumerate().map(turn).collect()
}

fn record(command_id: CommandId, reply: &ReplyReported) -> Command {
    let (words, at) = (reply.reply.clone(), reply.received_at);
    match reply.word {
        ReplyWord::Accepted => Command::RecordAccepted { command_id, reply: words, at },
        ReplyWord::Rejected => Command::RecordRejected { command_id, reply: words, late: reply.late, at },
    }
}
