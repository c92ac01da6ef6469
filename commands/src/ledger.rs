//! The one command path: load, decide, append at the exact revision, and decide again when somebody was first.
//!
//! A ledger keeps one stream's state warm: what was loaded stays, and only the tail is read. It belongs to one
//! process; writers in other processes are met at the log, by the expected revision.

mod snapshot;
mod unsure;

pub use snapshot::{Checked, SNAPSHOT_TYPE};

use crate::aggregate::Aggregate;
use crate::envelope::{ATTEMPTS_MAX, Envelope, Failure, Outcome};
use crate::observe;
use crate::streams;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// One stream, its state, and the way to change it.
pub struct Ledger<D: Aggregate> {
    log: Arc<dyn EventLog>,
    stream: StreamId,
    /// Where its snapshots stand; none when that can't be named.
    snapshots: Option<StreamId>,
    /// The form in which this build writes them.
    form: String,
    loaded: Mutex<Loaded<D>>,
}

struct Loaded<D: Aggregate> {
    /// What the log has kept, and nothing else.
    state: D::State,
    /// The same once more, to plan the next batch on; none before the first, and after one that failed or was given up
    /// on half-way. Folding each fact twice is cheaper than copying what is remembered for each batch.
    spare: Option<D::State>,
    /// The revision after the last one that was folded.
    next: Revision,
    /// The same of the newest snapshot that is known of.
    written: Revision,
    last: Position,
    last_id: Option<EventId>,
    marks: BTreeMap<CommandId, (String, Position)>,
    marked: VecDeque<CommandId>,
    unsure: Unsure<D::Event>,
}

impl<D: Aggregate> Loaded<D> {
    fn empty() -> Self {
        Self {
            state: D::State::default(),
            spare: None,
            next: Revision(0),
            written: Revision(0),
            last: Position::START,
            last_id: None,
            marks: BTreeMap::new(),
            marked: VecDeque::new(),
            unsure: Unsure::default(),
        }
    }

    fn expected(&self) -> Expected {
        match self.next.0.checked_sub(1) {
            None => Expected::NoStream,
            Some(last) => Expected::Exactly(Revision(last)),
        }
    }

    fn evolve(&mut self, event: &D::Event) {
        self.state = D::evolve(std::mem::take(&mut self.state), event);
        self.spare = self.spare.take().map(|spare| D::evolve(spare, event));
    }

    /// Notes that one more record of the stream is in the state.
    fn advance(&mut self, mark: Option<&CommandMark>, position: Position, id: EventId) {
        self.next = self.next.next();
        (self.last, self.last_id) = (position, Some(id));
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
    /// It was kept before, when no answer came through.
    Found(CommandId, Outcome<D::Event>),
}

/// What a batch comes to.
struct Batch<D: Aggregate> {
    plans: Vec<Plan<D>>,
    /// The state that its facts lead to, where each command had to see those before it.
    ahead: Option<D::State>,
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
        let snapshots = streams::snapshot(&stream).ok();
        let form = D::SNAPSHOT.map(|form| form.name()).unwrap_or_default();
        Self { log, stream, snapshots, form, loaded: Mutex::new(Loaded::empty()) }
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
        for attempt in 0..ATTEMPTS_MAX {
            let stale = loaded.next == Revision(0) || loaded.unsure.must_look();
            if attempt > 0 || stale {
                self.catch_up(&mut loaded).await?;
            }
            let batch = self.plan(&mut loaded, &envelopes)?;
            let records = batch.records();
            if records.is_empty() {
                // Nothing to write, but the answer must rest on the newest history.
                if self.behind(&mut loaded).await? {
                    continue;
                }
                return Ok(finish::<D>(batch, None, &mut loaded));
            }
            match self.log.append(&self.stream, loaded.expected(), records).await {
                // They were kept before, when no answer came through. What was decided then counts.
                Ok(appended) if appended.repeated => loaded.unsure.offered(batch.offered()),
                Ok(appended) => {
                    loaded.unsure.settled();
                    return Ok(finish::<D>(batch, Some(appended), &mut loaded));
                }
                Err(LogError::Conflict { .. }) => observe::lost_the_race(&self.stream),
                Err(error @ LogError::Unreachable(_)) => {
                    loaded.unsure.offered(batch.offered());
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
        if loaded.next == Revision(0) {
            self.begin(loaded).await?;
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

    /// Passes over what stands in a snapshot, or in the newest records alone.
    async fn begin(&self, loaded: &mut Loaded<D>) -> Result<(), Failure<D::Rejection>> {
        // Facts that are looked for may stand before it.
        if let Some(form) = D::SNAPSHOT
            && !loaded.unsure.must_look()
            && let Some(begun) = self.newest(&form).await?
        {
            *loaded = Loaded { unsure: std::mem::take(&mut loaded.unsure), ..begun };
        }
        if let Some(suffices) = D::HISTORY_MAX {
            let newest =
                self.log.read_stream(&self.stream, Revision(u64::MAX), Direction::Backward, 1).await?;
            let length = newest.first().map_or(0, |record| record.revision.next().0);
            loaded.next = Revision(length.saturating_sub(suffices));
        }
        Ok(())
    }

    fn fold(&self, loaded: &mut Loaded<D>, record: &Record) -> Result<(), Failure<D::Rejection>> {
        let recorded = codec::recorded(record)?;
        let foreign = || Failure::Foreign { stream: self.stream.clone(), position: record.position };
        let event = D::unwrap(recorded.event).ok_or_else(foreign)?;
        loaded.unsure.see(record, &event);
        loaded.evolve(&event);
        loaded.advance(recorded.meta.command.as_ref(), record.position, record.event_id);
        Ok(())
    }

    /// Decides on each envelope in turn, without writing. What the log has kept stays as it is: a batch that comes to
    /// nothing leaves nothing behind.
    fn plan(
        &self,
        loaded: &mut Loaded<D>,
        envelopes: &[Envelope<D::Command>],
    ) -> Result<Batch<D>, Failure<D::Rejection>> {
        let several = envelopes.len() > 1;
        let mut ahead = several.then(|| loaded.spare.take().unwrap_or_else(|| loaded.state.clone()));
        let mut plans = Vec::with_capacity(envelopes.len());
        // An answer is given once, also when its command stands in the batch twice.
        let mut found = BTreeSet::new();
        for envelope in envelopes {
            if let Some(answer) = repeated::<D>(loaded, envelope) {
                plans.push(Plan::Answer(answer));
                continue;
            }
            let id = envelope.command_id;
            if let Some(outcome) = loaded.unsure.answer(id).filter(|_| found.insert(id)) {
                plans.push(Plan::Found(id, outcome));
                continue;
            }
            match D::decide(ahead.as_ref().unwrap_or(&loaded.state), envelope.command.clone()) {
                Err(rejection) => plans.push(Plan::Answer(Err(Failure::Rejected(rejection)))),
                Ok(events) if events.is_empty() => plans.push(Plan::Answer(Ok(Outcome::AlreadySo))),
                Ok(events) => {
                    let planned = self.word(envelope, events)?;
                    ahead = ahead.map(|state| planned.events.iter().fold(state, D::evolve));
                    plans.push(Plan::Append(planned));
                }
            }
        }
        Ok(Batch { plans, ahead })
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
            schema: codec::SCHEMA_VERSION,
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

impl<D: Aggregate> Batch<D> {
    fn planned(&self) -> impl Iterator<Item = &Planned<D::Event>> {
        self.plans.iter().filter_map(|plan| match plan {
            Plan::Append(planned) => Some(planned),
            Plan::Answer(_) | Plan::Found(..) => None,
        })
    }

    /// What is to be appended.
    fn records(&self) -> Vec<NewRecord> {
        self.planned().flat_map(|planned| planned.records.iter().cloned()).collect()
    }

    /// The facts that are offered, and the commands that they come from.
    fn offered(&self) -> Vec<(EventId, CommandId)> {
        let of_one = |planned: &Planned<D::Event>| {
            let command = planned.command_id;
            planned.ids.iter().map(|id| (*id, command)).collect::<Vec<_>>()
        };
        self.planned().flat_map(of_one).collect()
    }
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

/// Folds what was appended and puts the answers together. Nothing can fail any more.
fn finish<D: Aggregate>(batch: Batch<D>, appended: Option<Appended>, loaded: &mut Loaded<D>) -> Answers<D> {
    let mut next = appended.map_or(Position::START, |appended| appended.first);
    let mut answers = Vec::with_capacity(batch.plans.len());
    for plan in batch.plans {
        match plan {
            Plan::Answer(answer) => answers.push(answer),
            Plan::Found(command, outcome) => {
                loaded.unsure.delivered(command);
                answers.push(Ok(outcome));
            }
            Plan::Append(planned) => {
                let first = next;
                for (event, id) in planned.events.iter().zip(&planned.ids) {
                    loaded.evolve(event);
                    loaded.advance(planned.mark.as_ref(), next, *id);
                    next = next.next();
                }
                let revision = Revision(loaded.next.0.saturating_sub(1));
                let (events, ids) = (planned.events, planned.ids);
                observe::recorded(D::NAME, events.len());
                answers.push(Ok(Outcome::Recorded { events, ids, first, last: loaded.last, revision }));
            }
        }
    }
    // Its facts are folded there already.
    loaded.spare = batch.ahead.or(loaded.spare.take());
    answers
}
