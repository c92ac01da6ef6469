//! The one way of a person's wish, at whatever door and for whatever aggregate: may they, was it asked before,
//! decide, and keep what came of it.

mod answers;

use crate::aggregate::Aggregate;
use crate::attempts::{Attempts, Tried};
use crate::control::{Done, Refused, Rule, Wish};
use crate::envelope::{Envelope, Failure, Outcome};
use crate::ledger::Ledger;
use crate::service::ServiceError;
use crate::stop::Stop;
use crate::{observe, streams};
use answers::{AT_WORK_MAX, Answers, Begun, First, Met, Turn};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stele_domain::access::Action;
use stele_domain::access::attempt::Outcome as Came;
use stele_domain::causes::with_causes;
use stele_domain::codec;
use stele_domain::event::{CommandMark, Event, Meta};
use stele_domain::ids::{CorrelationId, EventId};
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::attempt::CommandRefused;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{
    Direction, EventLog, Expected, Filter, InvalidStream, LogError, Position, Record, Revision, StreamId,
};
use tokio::time::{Instant, timeout_at};

pub use answers::ANSWERS_MAX;

/// The categories in which persons' commands leave their marks.
const CATEGORIES: [&str; 7] = [
    streams::ACCOUNT,
    streams::FILTER,
    streams::SERVICE,
    streams::AUDIT,
    streams::ACCESS,
    streams::ALERT,
    streams::PARKING,
];
/// How many of the newest records of a stream are looked through for command ids.
const LOOK_BACK: usize = 10_000;
/// Records that are read in one go.
const PAGE: usize = 1_000;
/// How long the follower waits before it asks a log again that did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long a wish that comes again waits for the first one to end.
const TURN_WAIT: Duration = Duration::from_secs(30);

/// What a wish is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct What {
    /// What the caller must be allowed.
    pub action: Action,
    /// The word for it in the log: finer than the action (`pause`, `resume`).
    pub word: &'static str,
}

/// Whether a wish is to be carried out now.
enum Way<'w> {
    /// It is, and by nobody else while this lives.
    Now(Turn<'w>),
    /// It is not: this is what it comes to.
    Answered(Result<Done, Refused>),
}

/// The one way. There is one of it in a process with a door.
pub struct Wishes {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    answers: Mutex<Answers>,
    attempts: Attempts,
}

impl Wishes {
    /// With an empty memory; nothing is read yet.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Self {
        let attempts = Attempts::new(Arc::clone(&log), Arc::clone(&clock));
        Self { log, clock, answers: Mutex::default(), attempts }
    }

    /// Remembers the newest commands of these streams and of the audit streams. Done once, before a door opens.
    ///
    /// # Errors
    ///
    /// As the log.
    pub async fn recall(&self, streams: &[StreamId]) -> Result<(), LogError> {
        let mut all: Vec<StreamId> = streams.to_vec();
        all.extend(
            [streams::refused_commands(), streams::attempts(), streams::keys(), streams::parking()]
                .into_iter()
                .flatten(),
        );
        all.extend(Kind::ALL.into_iter().filter_map(|kind| streams::alert(kind).ok()));
        let mut newest: Vec<Record> = vec![];
        for stream in &all {
            newest.extend(self.newest(stream).await?);
        }
        newest.sort_by_key(|record| record.position);
        self.with(|answers| newest.iter().for_each(|record| answers.see(record)));
        Ok(())
    }

    /// Marked records among the newest of a stream.
    async fn newest(&self, stream: &StreamId) -> Result<Vec<Record>, LogError> {
        let mut found = vec![];
        let (mut from, mut looked) = (Revision(u64::MAX), 0);
        while looked < LOOK_BACK {
            let page = self.log.read_stream(stream, from, Direction::Backward, PAGE).await?;
            let Some(oldest) = page.last().map(|record| record.revision.0) else { break };
            looked += page.len();
            found.extend(page.into_iter().filter(|record| {
                codec::decode_meta(&record.metadata).is_ok_and(|meta| meta.command.is_some())
            }));
            match oldest.checked_sub(1) {
                Some(next) => from = Revision(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// Writes down attempts and follows the command ids that other processes took, until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Log`] when the log can't go on.
    pub async fn run(&self, stop: Stop) -> Result<(), ServiceError> {
        tokio::try_join!(self.attempts.run(stop.clone()), self.follow(stop)).map(|_| ())
    }

    async fn follow(&self, mut stop: Stop) -> Result<(), ServiceError> {
        let head = loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                head = self.log.head() => match head {
                    Ok(head) => break head,
                    Err(error) => self.later(error).await?,
                },
            }
        };
        // A little before the head: what was written between the recall and now.
        let from = Position(head.0.saturating_sub(u64::try_from(LOOK_BACK).unwrap_or(u64::MAX)));
        let mut follow = self.log.follow(from.max(Position(1)), Filter::categories(&CATEGORIES));
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                page = follow.next(PAGE) => match page {
                    Ok(page) => self.with(|answers| page.records.iter().for_each(|record| answers.see(record))),
                    Err(error) => self.later(error).await?,
                },
            }
        }
    }

    async fn later(&self, error: LogError) -> Result<(), ServiceError> {
        observe::log_failed("access", &error);
        if !error.is_transient() {
            return Err(ServiceError::Log(error));
        }
        tokio::time::sleep(RETRY).await;
        Ok(())
    }

    /// Where attempts are written down.
    pub(crate) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Time.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether the caller may; the refusal is kept.
    pub(crate) fn permitted(&self, wish: &Wish, what: What) -> Result<(), Refused> {
        if wish.caller.may(what.action) {
            return Ok(());
        }
        let refused = Refused::Forbidden { action: what.action, role: wish.caller.role };
        observe::refused(what.word, "forbidden", &wish.caller.actor);
        self.attempts.push(Tried {
            caller: &wish.caller,
            mark: None,
            command_id: Some(wish.command_id),
            action: what.word,
            outcome: Came::Refused,
            code: crate::access::FORBIDDEN,
            detail: &refused.to_string(),
            reason: &wish.reason,
        });
        Err(refused)
    }

    /// The first answer, when the wish was answered before; `None` when it is to be decided now.
    async fn before(&self, wish: &Wish, what: What) -> Option<Result<Done, Refused>> {
        let met = self.with(|answers| answers.meet(wish.command_id, &wish.digest, &wish.caller.actor));
        match met {
            Met::New => None,
            Met::Before(first) => Some(told(first)),
            Met::Other => Some(Err(self.reused(wish, what).await)),
        }
    }

    /// The turn to carry a wish out, or what it came to. Whoever comes while another is at the same wish waits for them, and
    /// gets their answer; when they end without one, the next tries.
    async fn turn(&self, wish: &Wish, what: What) -> Way<'_> {
        let until = Instant::now() + TURN_WAIT;
        loop {
            let mut end = match Turn::take(&self.answers, wish.command_id, &wish.digest, &wish.caller.actor) {
                Begun::Now(turn) => return Way::Now(turn),
                Begun::Before(first) => return Way::Answered(told(first)),
                Begun::Other => return Way::Answered(Err(self.reused(wish, what).await)),
                Begun::Full => {
                    let why = format!("{AT_WORK_MAX} other wishes are being carried out");
                    return Way::Answered(Err(Refused::Unavailable(why)));
                }
                Begun::Meanwhile(end) => end,
            };
            if timeout_at(until, end.changed()).await.is_err() {
                let why = format!("the same wish is still being carried out after {TURN_WAIT:?}");
                return Way::Answered(Err(Refused::Unavailable(why)));
            }
        }
    }

    async fn reused(&self, wish: &Wish, what: What) -> Refused {
        // Without a mark: the id goes on standing for what it stood for first.
        self.keep_refusal(what.word, wish, None, "id_reused", "the id was used before").await;
        Refused::IdReused(wish.command_id)
    }

    /// Decides, unless it was decided before. Who comes meanwhile decides too, and takes no turn: what is recorded, the ledger
    /// records once for each id, and a kill waits for nobody.
    pub(crate) async fn act<D>(
        &self,
        ledger: &Ledger<D>,
        what: What,
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
        self.permitted(&wish, what)?;
        if let Some(first) = self.before(&wish, what).await {
            return first;
        }
        let envelope = Envelope {
            command_id: wish.command_id,
            digest: Some(wish.digest.clone()),
            actor: wish.caller.actor.clone(),
            origin: Some(wish.caller.origin.clone()),
            correlation_id: CorrelationId(wish.command_id.0),
            causation_id: None,
            occurred_at: self.clock.now(),
            command,
        };
        match ledger.handle(envelope).await {
            Ok(outcome) => Ok(self.done(&wish, what, &outcome)),
            Err(Failure::Rejected(rejection)) => {
                let (code, message) = (rejection.code(), rejection.words());
                let mark = mark(&wish);
                self.keep_refusal(what.word, &wish, Some(mark), code, &message).await;
                let first = First::Refused { code: code.to_owned(), message: message.clone() };
                self.with(|answers| answers.answered(wish.command_id, first));
                Err(Refused::Rule { code: code.into(), message })
            }
            Err(Failure::IdReused(_)) => Err(self.reused(&wish, what).await),
            Err(failure) => Err(Self::missed(what, &failure)),
        }
    }

    /// Nothing is remembered of it: whether it was done the log knows, and the same wish is decided when it comes again.
    fn missed<R: Rule>(what: What, failure: &Failure<R>) -> Refused {
        let refused = Refused::of(failure);
        if let Refused::Failed { fault, .. } = &refused {
            observe::wish_failed(what.word, *fault, &with_causes(failure));
        }
        refused
    }

    fn done<E>(&self, wish: &Wish, what: What, outcome: &Outcome<E>) -> Done {
        observe::controlled(what.word, &wish.caller.actor, &wish.reason);
        match outcome {
            Outcome::Recorded { last, .. } => {
                self.with(|answers| answers.answered(wish.command_id, First::Recorded(*last)));
                Done::Recorded(*last)
            }
            Outcome::Repeated { last } => {
                self.with(|answers| answers.answered(wish.command_id, First::Recorded(*last)));
                Done::Repeated(*last)
            }
            Outcome::AlreadySo => {
                self.nothing_recorded(wish, what, Came::AlreadySo);
                Done::AlreadySo
            }
        }
    }

    fn nothing_recorded(&self, wish: &Wish, what: What, outcome: Came) {
        self.with(|answers| answers.answered(wish.command_id, First::NothingToRecord));
        let code = match outcome {
            Came::AlreadySo => "already_so",
            Came::Done | Came::Refused => "done",
        };
        self.attempts.push(Tried {
            caller: &wish.caller,
            mark: Some(mark(wish)),
            command_id: Some(wish.command_id),
            action: what.word,
            outcome,
            code,
            detail: "",
            reason: &wish.reason,
        });
    }

    /// Does what is no fact itself, once per command id.
    pub(crate) async fn effect(
        &self,
        wish: &Wish,
        what: What,
        effect: impl FnOnce() -> Result<(), Refused> + Send,
    ) -> Result<(), Refused> {
        self.permitted(wish, what)?;
        let turn = match self.turn(wish, what).await {
            Way::Now(turn) => turn,
            Way::Answered(first) => return first.map(|_| ()),
        };
        let done = match effect() {
            Ok(()) => {
                self.nothing_recorded(wish, what, Came::Done);
                Ok(())
            }
            Err(Refused::Rule { code, message }) => {
                self.keep_refusal(what.word, wish, Some(mark(wish)), &code, &message).await;
                let first = First::Refused { code: code.to_string(), message: message.clone() };
                self.with(|answers| answers.answered(wish.command_id, first));
                Err(Refused::Rule { code, message })
            }
            Err(other) => Err(other),
        };
        drop(turn);
        done
    }

    /// Does what takes its time and is no fact itself, once per command id: who comes with the same wish meanwhile waits for it.
    /// What keeps it from being done is no answer, and the same wish tries again; `refusal` tells the code and the words of what
    /// is a no to the person, which is kept, from trouble of ours, which is not.
    pub(crate) async fn work<E: Send>(
        &self,
        wish: &Wish,
        what: What,
        work: impl Future<Output = Result<(), E>> + Send,
        refusal: impl FnOnce(&E) -> Option<(String, String)> + Send,
    ) -> Result<Result<(), E>, Refused> {
        self.permitted(wish, what)?;
        let turn = match self.turn(wish, what).await {
            Way::Now(turn) => turn,
            Way::Answered(first) => return first.map(|_| Ok(())),
        };
        let done = work.await;
        let refused = done.as_ref().err().and_then(refusal);
        if done.is_ok() {
            self.nothing_recorded(wish, what, Came::Done);
        } else if let Some((code, words)) = refused {
            // Without a mark: the same wish may well be done later.
            self.keep_refusal(what.word, wish, None, &code, &words).await;
        }
        drop(turn);
        Ok(done)
    }

    /// Keeps the refused wish. The refusal stands even when this can't be written.
    async fn keep_refusal(
        &self,
        word: &'static str,
        wish: &Wish,
        mark: Option<CommandMark>,
        code: &str,
        detail: &str,
    ) {
        observe::refused(word, code, &wish.caller.actor);
        if let Err(why) = self.append_refusal(word, wish, mark, code, detail).await {
            observe::refusal_not_kept(&why);
        }
    }

    async fn append_refusal(
        &self,
        word: &'static str,
        wish: &Wish,
        mark: Option<CommandMark>,
        code: &str,
        detail: &str,
    ) -> Result<(), String> {
        let at = self.clock.now();
        let stream = streams::refused_commands().map_err(|error: InvalidStream| error.to_string())?;
        let refused = CommandRefused {
            command_id: wish.command_id,
            action: word.to_owned(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            reason: wish.reason.clone(),
            at,
        };
        let event = Event::Operations(stele_domain::operations::event::Event::CommandRefused(refused));
        let meta = Meta {
            correlation_id: CorrelationId(wish.command_id.0),
            causation_id: None,
            command: mark,
            actor: wish.caller.actor.clone(),
            origin: Some(wish.caller.origin.clone()),
            occurred_at: at,
            schema: codec::SCHEMA_VERSION,
        };
        let id = EventId(uuid::Uuid::now_v7());
        let record = codec::to_record(id, &event, &meta).map_err(|error| error.to_string())?;
        let appended = self.log.append(&stream, Expected::Any, vec![record]).await;
        appended.map(|_| ()).map_err(|error| error.to_string())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Answers) -> T) -> T {
        look(&mut answers::hold(&self.answers))
    }
}

/// The first answer to a wish, when it comes again.
fn told(first: First) -> Result<Done, Refused> {
    match first {
        First::Recorded(position) => Ok(Done::Repeated(position)),
        First::NothingToRecord => Ok(Done::AlreadySo),
        First::Refused { code, message } => Err(Refused::Rule { code: code.into(), message }),
    }
}

fn mark(wish: &Wish) -> CommandMark {
    CommandMark { command_id: wish.command_id, digest: wish.digest.clone() }
}
