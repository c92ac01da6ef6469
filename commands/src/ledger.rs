//! The one command path: load, decide, append at the exact revision, and decide again when somebody was first.
//!
//! A ledger keeps one stream's state warm: what was loaded stays, and only the tail is read. It belongs to one
//! process; writers in other processes are met at the log, by the expected revision.

mod unsure;

use crate::aggregate::Aggregate;
use crate::envelope::{ATTEMPTS_MAX, Envelope, Failure, Outcome};
use crate::observe;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::decider::Decider;
use stele_domain::event::{CommandMark, Meta};
use stele_domain::ids::{CommandId, EventId};
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, LogError, NewRecord, Position, Record, Revision, StreamId,
};
use tokio::sync::Mutex;
use unsure::Unsure;

/// Records that are read in one go while loading.
const LOAD_RECORDS: usize = 1_000;
/// How many persons' commands are remembered by id.
const MARKS_MAX: usize = 10_000;
/// Version of the form in which events are written today.
const SCHEMA: u32 = 1;

/// One stream, its state, and the way to change it.
pub struct Ledger<D: Aggregate> {
    log: Arc<dyn EventLog>,
    stream: StreamId,
    loaded: Mutex<Loaded<D>>,
}

struct Loaded<D: Aggregate> {
    state: D::State,
    /// Whether the state may hold facts that were not kept: a batch failed, or was given up on half-way. It is
    /// then loaded anew.
    ahead: bool,
    /// The revision after the last one that was folded.
    next: Revision,
    last: Position,
    marks: BTreeMap<CommandId, (String, Position)>,
    marked: VecDeque<CommandId>,
    unsure: Unsure<D::Event>,
}

impl<D: Aggregate> Loaded<D> {
    fn empty() -> Self {
        Self {
            state: D::State::default(),
            ahead: false,
            next: Revision(0),
            last: Position::START,
            marks: BTreeMap::new(),
            marked: VecDeque::new(),
            unsure: Unsure::default(),
        }
    }

    /// Forgets what was folded, and not what is still looked for.
    fn begin_anew(&mut self) {
        *self = Self { unsure: std::mem::take(&mut self.unsure), ..Self::empty() };
    }

    fn expected(&self) -> Expected {
        match self.next.0.checked_sub(1) {
            None => Expected::NoStream,
            Some(last) => Expected::Exactly(Revision(last)),
        }
    }

    fn evolve(&mut self, event: &D::Event) {
        self.state = D::evolve(std::mem::take(&mut self.state), event);
    }

    /// Notes that one more record of the stream is in the state.
    fn advance(&mut self, mark: Option<&CommandMark>, position: Position) {
        self.next = self.next.next();
        self.last = position;
        if let Some(mark) = mark {
            if self.marks.insert(mark.command_id, (mark.digest.clone(), position)).is_none() {
                self.marked.push_back(mark.command_id);
            }
            while self.marked.len() > MARKS_MAX {
                if let Some(oldest) = self.marked.pop_front() {
                    self.marks.remove(&oldest);
                }
            }
        }
    }
}

/// One envelope's part of a batch that is about to be appended.
struct Planned<E> {
    command_id: CommandId,
    events: Vec<E>,
    ids: Vec<EventId>,
    records: Vec<NewRecord>,
    mark: Option<CommandMark>,
}

/// What one envelope of a batch comes to, before the append.
enum Plan<D: Aggregate> {
    Append(Planned<D::Event>),
    Answer(Answer<D>),
}

/// The answers to a batch, in the order of the envelopes.
pub type Answers<D> = Vec<Answer<D>>;

/// What came of one command.
pub type Answer<D> = Result<Outcome<<D as Decider>::Event>, Failure<<D as Decider>::Rejection>>;

impl<D: Aggregate> Ledger<D>
where
    D::State: Clone + Send + Sync,
    D::Event: Clone + Send + Sync,
    D::Command: Clone + Send,
    D::Rejection: Send,
{
    /// A ledger for a stream; nothing is read yet.
    pub fn new(log: Arc<dyn EventLog>, stream: StreamId) -> Self {
        Self { log, stream, loaded: Mutex::new(Loaded::empty()) }
    }

    /// The stream.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Looks at the newest state.
    ///
    /// # Errors
    ///
    /// As the log, or when the stream can't be read.
    pub async fn look<T>(&self, view: impl FnOnce(&D::State) -> T) -> Result<T, Failure<D::Rejection>> {
        self.look_at(|state, _| view(state)).await
    }

    /// Looks at the newest state, and at the place of the last fact in it.
    ///
    /// # Errors
    ///
    /// As the log, or when the stream can't be read.
    pub async fn look_at<T>(
        &self,
        view: impl FnOnce(&D::State, Position) -> T,
    ) -> Result<T, Failure<D::Rejection>> {
        let mut loaded = self.loaded.lock().await;
        self.catch_up(&mut loaded).await?;
        Ok(view(&loaded.state, loaded.last))
    }

    /// Decides on the latest history; when someone else wrote first, decides again.
    ///
    /// # Errors
    ///
    /// [`Failure::Rejected`] carries the rule that said no; the rest are ours.
    pub async fn handle(
        &self,
        envelope: Envelope<D::Command>,
    ) -> Result<Outcome<D::Event>, Failure<D::Rejection>> {
        let mut answers = self.handle_all(vec![envelope]).await?;
        answers.pop().unwrap_or(Ok(Outcome::AlreadySo))
    }

    /// Decides on several commands in order, each on the state that the ones before it lead to, and keeps all
    /// their facts in one append: all or none.
    ///
    /// # Errors
    ///
    /// What concerns the whole batch; a rule that refuses one command is that command's answer.
    pub async fn handle_all(
        &self,
        envelopes: Vec<Envelope<D::Command>>,
    ) -> Result<Answers<D>, Failure<D::Rejection>> {
        let mut loaded = self.loaded.lock().await;
        // Facts of a batch are folded while it is planned, so that each command sees those before it.
        let folds_early = envelopes.len() > 1;
        for attempt in 0..ATTEMPTS_MAX {
            let stale = loaded.next == Revision(0) || loaded.ahead || loaded.unsure.must_look();
            if attempt > 0 || stale {
                self.catch_up(&mut loaded).await?;
            }
            loaded.ahead = folds_early;
            let plans = self.plan(&mut loaded, &envelopes, folds_early)?;
            let records: Vec<NewRecord> = plans
                .iter()
                .flat_map(|plan| match plan {
                    Plan::Append(planned) => planned.records.as_slice(),
                    Plan::Answer(_) => &[],
                })
                .cloned()
                .collect();
            if records.is_empty() {
                loaded.ahead = false;
                // Nothing to write, but the answer must rest on the newest history.
                if self.behind(&mut loaded).await? {
                    continue;
                }
                return Ok(finish::<D>(plans, None, &mut loaded, folds_early));
            }
            match self.log.append(&self.stream, loaded.expected(), records).await {
                // They were kept before, when no answer came through. What was decided then counts.
                Ok(appended) if appended.repeated => loaded.unsure.offered(offered(&plans)),
                Ok(appended) => {
                    loaded.ahead = false;
                    loaded.unsure.settled();
                    return Ok(finish::<D>(plans, Some(appended), &mut loaded, folds_early));
                }
                Err(LogError::Conflict { .. }) => observe::lost_the_race(&self.stream),
                Err(error @ LogError::Unreachable(_)) => {
                    loaded.unsure.offered(offered(&plans));
                    return Err(Failure::Log(error));
                }
                Err(error) => return Err(Failure::Log(error)),
            }
        }
        Err(Failure::Contended(self.stream.clone()))
    }

    /// Reads the tail; true when there was one.
    async fn behind(&self, loaded: &mut Loaded<D>) -> Result<bool, Failure<D::Rejection>> {
        let before = loaded.next;
        self.catch_up(loaded).await?;
        Ok(loaded.next != before)
    }

    async fn catch_up(&self, loaded: &mut Loaded<D>) -> Result<(), Failure<D::Rejection>> {
        if loaded.ahead {
            loaded.begin_anew();
        }
        if let (Revision(0), Some(suffices)) = (loaded.next, D::HISTORY_MAX) {
            let newest =
                self.log.read_stream(&self.stream, Revision(u64::MAX), Direction::Backward, 1).await?;
            let length = newest.first().map_or(0, |record| record.revision.next().0);
            loaded.next = Revision(length.saturating_sub(suffices));
        }
        loop {
            // A short page may be one that was cut by its bytes, so only an empty one ends the reading.
            let page =
                self.log.read_stream(&self.stream, loaded.next, Direction::Forward, LOAD_RECORDS).await?;
            if page.is_empty() {
                return Ok(());
            }
            for record in page {
                self.fold(loaded, &record)?;
            }
        }
    }

    fn fold(&self, loaded: &mut Loaded<D>, record: &Record) -> Result<(), Failure<D::Rejection>> {
        let recorded = codec::recorded(record)?;
        let foreign = || Failure::Foreign { stream: self.stream.clone(), position: record.position };
        let event = D::unwrap(recorded.event).ok_or_else(foreign)?;
        loaded.unsure.see(record, &event);
        loaded.evolve(&event);
        loaded.advance(recorded.meta.command.as_ref(), record.position);
        Ok(())
    }

    /// Decides on each envelope in turn, without writing.
    fn plan(
        &self,
        loaded: &mut Loaded<D>,
        envelopes: &[Envelope<D::Command>],
        folds_early: bool,
    ) -> Result<Vec<Plan<D>>, Failure<D::Rejection>> {
        let mut plans = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            if let Some(answer) = repeated::<D>(loaded, envelope) {
                plans.push(Plan::Answer(answer));
                continue;
            }
            if let Some(outcome) = loaded.unsure.take(envelope.command_id) {
                plans.push(Plan::Answer(Ok(outcome)));
                continue;
            }
            match D::decide(&loaded.state, envelope.command.clone()) {
                Err(rejection) => plans.push(Plan::Answer(Err(Failure::Rejected(rejection)))),
                Ok(events) if events.is_empty() => plans.push(Plan::Answer(Ok(Outcome::AlreadySo))),
                Ok(events) => {
                    let planned = self.word(envelope, events)?;
                    if folds_early {
                        planned.events.iter().for_each(|event| loaded.evolve(event));
                    }
                    plans.push(Plan::Append(planned));
                }
            }
        }
        Ok(plans)
    }

    /// Puts the facts of one command into the form in which they are kept.
    fn word(
        &self,
        envelope: &Envelope<D::Command>,
        events: Vec<D::Event>,
    ) -> Result<Planned<D::Event>, Failure<D::Rejection>> {
        let mark = envelope.mark();
        let meta = Meta {
            correlation_id: envelope.correlation_id,
            causation_id: envelope.causation_id,
            command: mark.clone(),
            actor: envelope.actor.clone(),
            origin: envelope.origin.clone(),
            occurred_at: envelope.occurred_at,
            schema: SCHEMA,
        };
        let mut ids = Vec::with_capacity(events.len());
        let mut records = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let id = EventId::of_command(envelope.command_id, self.stream.as_str(), index);
            records.push(codec::to_record(id, &D::wrap(event.clone()), &meta)?);
            ids.push(id);
        }
        Ok(Planned { command_id: envelope.command_id, events, ids, records, mark })
    }
}

/// The facts that a batch offers, and the commands that they come from.
fn offered<D: Aggregate>(plans: &[Plan<D>]) -> Vec<(EventId, CommandId)> {
    let mut offered = Vec::new();
    for plan in plans {
        match plan {
            Plan::Append(planned) => offered.extend(planned.ids.iter().map(|id| (*id, planned.command_id))),
            Plan::Answer(_) => {}
        }
    }
    offered
}

/// The first answer, when a person's command comes again.
fn repeated<D: Aggregate>(loaded: &Loaded<D>, envelope: &Envelope<D::Command>) -> Option<Answer<D>> {
    let digest = envelope.digest.as_ref()?;
    let (first, last) = loaded.marks.get(&envelope.command_id)?;
    if first == digest {
        Some(Ok(Outcome::Repeated { last: *last }))
    } else {
        Some(Err(Failure::IdReused(envelope.command_id)))
    }
}

/// Folds what was appended and puts the answers together.
fn finish<D: Aggregate>(
    plans: Vec<Plan<D>>,
    appended: Option<Appended>,
    loaded: &mut Loaded<D>,
    folded: bool,
) -> Answers<D> {
    let mut next = appended.map_or(Position::START, |appended| appended.first);
    let mut answers = Vec::with_capacity(plans.len());
    for plan in plans {
        match plan {
            Plan::Answer(answer) => answers.push(answer),
            Plan::Append(planned) => {
                let first = next;
                for event in &planned.events {
                    if !folded {
                        loaded.evolve(event);
                    }
                    loaded.advance(planned.mark.as_ref(), next);
                    next = next.next();
                }
                let revision = Revision(loaded.next.0.saturating_sub(1));
                let (events, ids) = (planned.events, planned.ids);
                observe::recorded(D::NAME, events.len());
                answers.push(Ok(Outcome::Recorded { events, ids, first, last: loaded.last, revision }));
            }
        }
    }
    answers
}
