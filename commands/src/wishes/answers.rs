//! What was answered to which command id, whatever it was about: a bounded memory, folded from the log.
//!
//! A ledger knows the ids of its own stream. This knows those of all streams, and the answers that left no event of
//! their own in them: refusals, and what was already so. So an id means one request of one person, wherever it
//! comes again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stele_domain::access::attempt::Outcome as Tried;
use stele_domain::access::event::Event as Access;
use stele_domain::codec;
use stele_domain::event::{CommandMark, Event, Meta};
use stele_domain::ids::{Actor, CommandId};
use stele_domain::operations::event::Event as Operations;
use stele_domain::port::event_log::{Position, Record};
use tokio::sync::watch;

/// How many command ids are remembered. Older ones are still known to the ledgers of their streams.
pub const ANSWERS_MAX: usize = 10_000;
/// How many commands are at work at the same time.
pub(super) const AT_WORK_MAX: usize = 1_024;

/// The first answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum First {
    /// Facts, up to here.
    Recorded(Position),
    /// It was already so, or it was done and is no fact.
    NothingToRecord,
    /// A rule said no.
    Refused { code: String, message: String },
}

/// What a command id stands for.
#[derive(Debug, Clone)]
struct Known {
    digest: String,
    actor: Actor,
    /// None while nobody knows what came of it: it is being decided, or the log did not answer.
    first: Option<First>,
}

/// Whether an id is new.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is, or what came of it is not known: decide. Deciding twice is safe; the events' ids follow from the
    /// command's.
    New,
    /// This was the answer.
    Before(First),
    /// It stands for another request, or for another person's.
    Other,
}

/// A command that is at work now. It is kept apart from what is known, so that no number of other commands makes it forgotten.
#[derive(Debug)]
struct AtWork {
    digest: String,
    actor: Actor,
    /// Closed when it ends, however it does. Nothing is ever said on it.
    end: watch::Receiver<()>,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Answers {
    known: BTreeMap<CommandId, Known>,
    order: VecDeque<CommandId>,
    at_work: BTreeMap<CommandId, AtWork>,
}

/// The one turn to carry a command out. Dropping it, with an answer or without one, ends the turn: whoever waits looks again,
/// and the first to do so takes the next turn when there is no answer.
pub(super) struct Turn<'w> {
    answers: &'w Mutex<Answers>,
    id: CommandId,
    _end: watch::Sender<()>,
}

/// Whether a command is to be carried out now.
pub(super) enum Begun<'w> {
    /// It is, by whoever has this.
    Now(Turn<'w>),
    /// Somebody is at it: this is closed when they end.
    Meanwhile(watch::Receiver<()>),
    /// This was the answer.
    Before(First),
    /// It stands for another request, or for another person's.
    Other,
    /// Too many others are at work.
    Full,
}

impl<'w> Turn<'w> {
    /// Takes the turn of a command, when it is to be had.
    pub(super) fn take(answers: &'w Mutex<Answers>, id: CommandId, digest: &str, actor: &Actor) -> Begun<'w> {
        let mut held = hold(answers);
        if let Some(work) = held.at_work.get(&id) {
            let same = work.digest == digest && work.actor == *actor;
            return if same { Begun::Meanwhile(work.end.clone()) } else { Begun::Other };
        }
        match held.meet(id, digest, actor) {
            Met::New if held.at_work.len() >= AT_WORK_MAX => Begun::Full,
            Met::New => {
                let (sender, end) = watch::channel(());
                held.at_work.insert(id, AtWork { digest: digest.to_owned(), actor: actor.clone(), end });
                Begun::Now(Turn { answers, id, _end: sender })
            }
            Met::Before(first) => Begun::Before(first),
            Met::Other => Begun::Other,
        }
    }
}

impl Drop for Turn<'_> {
    /// The turn is free before those who wait are woken, which is when the sender is dropped.
    fn drop(&mut self) {
        hold(self.answers).at_work.remove(&self.id);
    }
}

/// A panic while it was held leaves a memory that is as good as before.
pub(super) fn hold(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Answers {
    /// Meets a command; a new one is known from now on.
    pub(super) fn meet(&mut self, id: CommandId, digest: &str, actor: &Actor) -> Met {
        match self.known.get(&id) {
            Some(known) if known.digest != digest || known.actor != *actor => Met::Other,
            Some(Known { first: Some(first), .. }) => Met::Before(first.clone()),
            Some(Known { first: None, .. }) => Met::New,
            None => {
                self.learn(id, Known { digest: digest.to_owned(), actor: actor.clone(), first: None });
                Met::New
            }
        }
    }

    /// Remembers what came of a command.
    pub(super) fn answered(&mut self, id: CommandId, first: First) {
        if let Some(known) = self.known.get_mut(&id) {
            known.first.get_or_insert(first);
        }
    }

    /// Folds one record of the log. What is not ours, or can't be read, says nothing about commands.
    pub(super) fn see(&mut self, record: &Record) {
        let Ok(Meta { command: Some(CommandMark { command_id, digest }), actor, .. }) =
            codec::decode_meta(&record.metadata)
        else {
            return;
        };
        let first = said(record);
        match self.known.get_mut(&command_id) {
            None => self.learn(command_id, Known { digest, actor, first: Some(first) }),
            Some(known) => match (&mut known.first, first) {
                // One command may have several events: the last of them is where its facts end.
                (Some(First::Recorded(last)), First::Recorded(position)) => *last = position.max(*last),
                (Some(_), _) => {}
                (unknown @ None, first) => *unknown = Some(first),
            },
        }
    }

    fn learn(&mut self, id: CommandId, known: Known) {
        if self.known.insert(id, known).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > ANSWERS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

fn said(record: &Record) -> First {
    let nothing_else = First::Recorded(record.position);
    if !matches!(&*record.event_type, "operations.CommandRefused" | "access.Attempted") {
        return nothing_else;
    }
    match codec::recorded(record).map(|recorded| recorded.event) {
        Ok(Event::Operations(Operations::CommandRefused(refused))) => {
            First::Refused { code: refused.code, message: refused.detail }
        }
        Ok(Event::Access(Access::Attempted(tried))) => match tried.outcome {
            Tried::AlreadySo | Tried::Done => First::NothingToRecord,
            Tried::Refused => First::Refused { code: tried.code, message: tried.detail },
        },
        Ok(
            Event::Market(_)
            | Event::Intents(_)
            | Event::Treasury(_)
            | Event::Trading(_)
            | Event::Operations(_)
            | Event::Access(_),
        )
        | Err(_) => nothing_else,
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWERS_MAX, AT_WORK_MAX, Answers, Begun, First, Met, Turn, hold};
    use std::sync::Mutex;
    use stele_domain::ids::{Actor, CommandId};
    use stele_domain::port::event_log::Position;
    use uuid::Uuid;

    fn id(n: u64) -> CommandId {
        CommandId(Uuid::from_u128(u128::from(n)))
    }

    fn alice() -> Actor {
        Actor::try_from("person:alice".to_owned()).unwrap()
    }

    #[test]
    fn an_id_stands_for_one_request_of_one_person() {
        let bob = Actor::try_from("person:bob".to_owned()).unwrap();
        let mut answers = Answers::default();
        assert_eq!(answers.meet(id(1), "a", &alice()), Met::New);
        assert_eq!(answers.meet(id(1), "b", &alice()), Met::Other);
        assert_eq!(answers.meet(id(1), "a", &bob), Met::Other);
        assert_eq!(answers.meet(id(1), "a", &alice()), Met::New, "nobody knows yet what came of it");
        answers.answered(id(1), First::NothingToRecord);
        answers.answered(id(1), First::Recorded(Position(9)));
        assert_eq!(answers.meet(id(1), "a", &alice()), Met::Before(First::NothingToRecord));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut answers = Answers::default();
        let many = u64::try_from(ANSWERS_MAX).unwrap();
        for n in 0..=many {
            answers.meet(id(n), "a", &alice());
        }
        assert_eq!(answers.len(), ANSWERS_MAX);
        assert_eq!(answers.meet(id(1), "b", &alice()), Met::Other);
        assert_eq!(answers.meet(id(0), "b", &alice()), Met::New);
    }

    #[test]
    fn a_command_is_at_work_once_until_its_turn_ends() {
        let answers = Mutex::new(Answers::default());
        let take = |digest: &str| Turn::take(&answers, id(1), digest, &alice());
        let turn = take("a");
        assert!(matches!(turn, Begun::Now(_)));
        assert!(matches!(take("b"), Begun::Other));
        let Begun::Meanwhile(end) = take("a") else { panic!("nobody is at it") };
        assert!(end.has_changed().is_ok());
        drop(turn);
        assert!(end.has_changed().is_err(), "whoever waits is woken");
        assert!(matches!(take("a"), Begun::Now(_)), "it ended without an answer");
        let turn = take("a");
        hold(&answers).answered(id(1), First::NothingToRecord);
        assert!(matches!(take("a"), Begun::Meanwhile(_)));
        drop(turn);
        assert!(matches!(take("a"), Begun::Before(First::NothingToRecord)));
    }

    #[test]
    fn what_is_at_work_is_not_forgotten_however_many_others_come() {
        let answers = Mutex::new(Answers::default());
        let turn = Turn::take(&answers, id(0), "a", &alice());
        let many = u64::try_from(ANSWERS_MAX).unwrap();
        for n in 1..=many {
            hold(&answers).meet(id(n), "a", &alice());
        }
        assert!(matches!(Turn::take(&answers, id(0), "a", &alice()), Begun::Meanwhile(_)));
        assert!(matches!(Turn::take(&answers, id(0), "b", &alice()), Begun::Other));
        drop(turn);
        assert!(matches!(Turn::take(&answers, id(0), "a", &alice()), Begun::Now(_)));
    }

    #[test]
    fn no_more_than_so_many_are_at_work() {
        let answers = Mutex::new(Answers::default());
        let most = u64::try_from(AT_WORK_MAX).unwrap();
        let mut turns: Vec<_> = (0..most).map(|n| Turn::take(&answers, id(n), "a", &alice())).collect();
        assert!(turns.iter().all(|turn| matches!(turn, Begun::Now(_))));
        assert!(matches!(Turn::take(&answers, id(most), "a", &alice()), Begun::Full));
        turns.pop();
        assert!(matches!(Turn::take(&answers, id(most), "a", &alice()), Begun::Now(_)));
    }
}
