//! What was tried and left no other fact, on its way into the log: in the background, so that nobody who is turned
//! away can make anybody else wait. A bounded queue and bounded counts; what they can't hold is counted as unkept.

mod tally;

use crate::service::ServiceError;
use crate::stop::Stop;
use crate::{observe, streams};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stele_domain::access::attempt::{Attempted, Outcome};
use stele_domain::access::event::Event as Access;
use stele_domain::access::{Action, Caller, Origin};
use stele_domain::codec;
use stele_domain::event::{CommandMark, Event, Meta};
use stele_domain::ids::{Actor, CommandId, CorrelationId, EventId};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, LogError, NewRecord, StreamId};
use stele_domain::time::Timestamp;
use tally::{Alike, Due, Tally};
use tokio::sync::mpsc;
use uuid::Uuid;

pub use tally::{ADDRESSES_MAX, REFUSALS_MAX, WINDOW_MS};

/// How many attempts wait to be written down.
pub const QUEUE_MAX: usize = 1_024;
/// How many are written down at once.
const BATCH: usize = 256;
/// How often the counts are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long a log that did not answer is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long a stopping process goes on writing attempts down.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The longest detail and address that are kept, in bytes.
const DETAIL_BYTES_MAX: usize = 500;
const ADDRESS_BYTES_MAX: usize = 64;
/// Who says that somebody else tried something.
const OBSERVER: &str = "service:access";

/// An attempt of a known caller.
#[derive(Debug, Clone)]
pub(crate) struct Tried<'a> {
    pub caller: &'a Caller,
    /// Present when a repetition of the command must find this answer.
    pub mark: Option<CommandMark>,
    pub command_id: Option<CommandId>,
    pub action: &'static str,
    pub outcome: Outcome,
    pub code: &'static str,
    pub detail: &'a str,
    pub reason: &'a str,
}

/// One waiting record, and what it is counted under should it get lost.
#[derive(Debug, Clone)]
struct Waiting {
    record: NewRecord,
    code: String,
    count: u64,
}

/// The way into the log.
pub struct Attempts {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    tally: Mutex<Tally>,
    sender: mpsc::Sender<Waiting>,
    receiver: Mutex<Option<mpsc::Receiver<Waiting>>>,
}

impl Attempts {
    /// Nothing is written before [`Attempts::run`]; until then attempts wait.
    pub(crate) fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        Self { log, clock, tally: Mutex::default(), sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Keeps an attempt. Never waits.
    pub(crate) fn push(&self, tried: Tried<'_>) {
        observe::attempted(tried.action, tried.code);
        let at = self.clock.now();
        let attempted = Attempted {
            command_id: tried.command_id,
            action: tried.action.to_owned(),
            outcome: tried.outcome,
            code: tried.code.to_owned(),
            detail: cut(tried.detail, DETAIL_BYTES_MAX),
            reason: cut(tried.reason, DETAIL_BYTES_MAX),
            count: 1,
            at,
        };
        let caller = tried.caller;
        let origin = Some(caller.origin.clone());
        self.queue(Access::Attempted(attempted), caller.actor.clone(), origin, tried.mark, tried.code, at);
    }

    /// A known caller was refused before anything was asked: the first time at once, then counted for a minute.
    pub(crate) fn refused(&self, caller: &Caller, action: Action, code: &'static str, detail: &str) {
        observe::attempted(action.name(), code);
        observe::turned_away(code);
        let at = self.clock.now();
        let Origin { key_id, address } = caller.origin.clone();
        let alike = Alike { actor: caller.actor.clone(), key_id, address, action, code };
        let detail = cut(detail, DETAIL_BYTES_MAX);
        if !self.tally(|tally| tally.refused(alike, &detail, at)) {
            return;
        }
        let attempted = Attempted {
            command_id: None,
            action: action.name().to_owned(),
            outcome: Outcome::Refused,
            code: code.to_owned(),
            detail,
            reason: String::new(),
            count: 1,
            at,
        };
        let origin = Some(caller.origin.clone());
        self.queue(Access::Attempted(attempted), caller.actor.clone(), origin, None, code, at);
    }

    /// Somebody whom nobody vouches for was turned away.
    pub(crate) fn stranger(&self, address: &str, code: &'static str, key_id: Option<&str>) {
        observe::attempted("authenticate", code);
        observe::turned_away(code);
        let (at, address) = (self.clock.now(), cut(address, ADDRESS_BYTES_MAX));
        let Some(alone) = self.tally(|tally| tally.stranger(&address, code, key_id, at)) else { return };
        observe::stranger(&address, code, key_id);
        if let Some(observer) = observer() {
            self.queue(Access::StrangersRefused(alone), observer, None, None, code, at);
        }
    }

    fn queue(
        &self,
        event: Access,
        actor: Actor,
        origin: Option<Origin>,
        mark: Option<CommandMark>,
        code: &str,
        at: Timestamp,
    ) {
        let Some(record) = record(event, actor, origin, mark, at) else { return };
        if self.sender.try_send(Waiting { record, code: code.to_owned(), count: 1 }).is_err() {
            self.lose(code, 1, at);
        }
    }

    fn lose(&self, code: &str, count: u64, at: Timestamp) {
        observe::attempts_unkept(code, count);
        self.tally(|tally| tally.unkept(code, count, at));
    }

    /// Writes attempts down until it is told to stop, and then what still waits.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Log`] when the log can't go on.
    pub(crate) async fn run(&self, mut stop: Stop) -> Result<(), ServiceError> {
        let stream = streams::attempts()?;
        let taken = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = taken else { return Ok(()) };
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let mut batch = vec![];
            tokio::select! {
                biased;
                () = stop.requested() => break,
                _ = ticks.tick() => batch = self.due(false),
                _ = receiver.recv_many(&mut batch, BATCH) => {}
            }
            tokio::select! {
                biased;
                kept = self.keep(&stream, &batch) => kept?,
                () = stop.requested() => {
                    // The same ids again: what did arrive is not written twice.
                    let _ = tokio::time::timeout(LAST_WORDS, self.keep(&stream, &batch)).await;
                    break;
                }
            }
        }
        let mut rest = vec![];
        while let Ok(waiting) = receiver.try_recv() {
            rest.push(waiting);
        }
        rest.extend(self.due(true));
        let counted = |batch: &[Waiting]| batch.iter().map(|waiting| waiting.count).sum::<u64>();
        let mut left = counted(&rest);
        let last = async {
            for batch in rest.chunks(BATCH) {
                self.keep(&stream, batch).await?;
                left = left.saturating_sub(counted(batch));
            }
            Ok(())
        };
        tokio::time::timeout(LAST_WORDS, last).await.unwrap_or_else(|_| {
            observe::attempts_unkept("stopped", left);
            Ok(())
        })
    }

    /// Writes a batch down, however long the log takes to answer.
    async fn keep(&self, stream: &StreamId, batch: &[Waiting]) -> Result<(), ServiceError> {
        if batch.is_empty() {
            return Ok(());
        }
        let records: Vec<NewRecord> = batch.iter().map(|waiting| waiting.record.clone()).collect();
        loop {
            match self.log.append(stream, Expected::Any, records.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_transient() => {
                    observe::log_failed("access", &error);
                    tokio::time::sleep(RETRY).await;
                }
                // This batch will never fit, or is not ours to write; the next one may be.
                Err(error @ (LogError::Invalid(_) | LogError::Denied(_) | LogError::Conflict { .. })) => {
                    observe::log_failed("access", &error);
                    let at = self.clock.now();
                    for lost in batch {
                        self.lose(&lost.code, lost.count, at);
                    }
                    return Ok(());
                }
                Err(error) => return Err(ServiceError::Log(error)),
            }
        }
    }

    fn due(&self, last: bool) -> Vec<Waiting> {
        let now = self.clock.now();
        let due = self.tally(|tally| tally.due(now, last));
        due.into_iter().filter_map(|due| waiting(due, now)).collect()
    }

    fn tally<T>(&self, count: impl FnOnce(&mut Tally) -> T) -> T {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn waiting(due: Due, now: Timestamp) -> Option<Waiting> {
    let (event, actor, origin, code, count) = match due {
        Due::Refusals(alike, attempted) => {
            let (code, count) = (attempted.code.clone(), attempted.count);
            (Access::Attempted(attempted), alike.actor.clone(), Some(alike.origin()), code, count)
        }
        Due::Strangers(strangers) => {
            let count = strangers.count;
            (Access::StrangersRefused(strangers), observer()?, None, "stranger".to_owned(), count)
        }
        Due::Unkept(unkept) => {
            let count = unkept.count;
            (Access::AttemptsUnkept(unkept), observer()?, None, "unkept".to_owned(), count)
        }
    };
    let record = record(event, actor, origin, None, now)?;
    Some(Waiting { record, code, count })
}

fn record(
    event: Access,
    actor: Actor,
    origin: Option<Origin>,
    command: Option<CommandMark>,
    at: Timestamp,
) -> Option<NewRecord> {
    let id = Uuid::now_v7();
    let story = command.as_ref().map_or(id, |mark| mark.command_id.0);
    let meta = Meta {
        correlation_id: CorrelationId(story),
        causation_id: None,
        command,
        actor,
        origin,
        occurred_at: at,
        schema: codec::SCHEMA_VERSION,
    };
    // Every event has a JSON form.
    codec::to_record(EventId(id), &Event::Access(event), &meta).ok()
}

fn observer() -> Option<Actor> {
    Actor::try_from(OBSERVER.to_owned()).ok()
}

fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}
