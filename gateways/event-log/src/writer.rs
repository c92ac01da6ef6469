//! The one writer: takes appends off the queue, decides, writes them as a group, syncs once, publishes, answers.

mod active;
mod crowd;
mod group;
mod meanwhile;
mod sealing;
mod space;

pub use crowd::Crowd;
pub use meanwhile::Meanwhile;
pub use sealing::{Sealed, Sealing};
pub use space::{Space, Wanted};

use crate::ahead::Ahead;
use crate::archive::Gate;
use crate::format::to_u64;
use crate::leaves::Batch;
use crate::observe;
use crate::plan::{Plan, plan};
use crate::read;
use crate::recovery::CheckpointsFile;
use crate::shared::Shared;
use crate::storage::{Ownership, Storage};
use active::{Failure, Written, sync};
use group::{Answer, Group, View};
use meanwhile::{Unhashed, Work};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Appended, Expected, LogError, StreamAppend};
use stele_domain::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Appends that may wait for the writer.
pub const QUEUE_REQUESTS_MAX: usize = 4_096;

/// Bytes of one group, after which no further append joins it: 4 MiB.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a group from which on another thread enters and hashes it: with less, waking the thread takes longer.
const GROUP_BYTES_MEANWHILE: usize = 16 * 1024;

/// Records of one group, after which no further append joins it.
const GROUP_RECORDS_MAX: usize = 65_536;

/// Followers that are woken before those who wait for an answer; more of them are a crowd.
const FOLLOWERS_FIRST_MAX: usize = 8;

/// How the writer answers.
pub type Reply = oneshot::Sender<Result<Vec<Appended>, LogError>>;

/// What the writer is asked to do.
pub enum Request {
    /// Keep these.
    Append {
        /// What to keep, valid in itself.
        appends: Vec<StreamAppend>,
        /// Room in the queue, given back with the answer.
        room: OwnedSemaphorePermit,
        /// Where the answer goes.
        reply: Reply,
        /// When they were recorded, where that is known already: an import keeps the time of the first log. Not before
        /// the commit before it.
        recorded_at: Option<Timestamp>,
    },
    /// Write a checkpoint and end.
    Close {
        /// Told when it is done.
        reply: oneshot::Sender<Result<(), LogError>>,
    },
}

/// The writer's own state.
pub struct Writer {
    /// Where the log is.
    pub storage: Arc<dyn Storage>,
    /// What readers see.
    pub shared: Arc<Shared>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// When a segment is full, in bytes.
    pub segment_bytes: u64,
    /// With as many bytes of commits in it, the last segment is sealed when the log is closed.
    pub sealed_at_close: u64,
    /// The checkpoints file.
    pub checkpoints: CheckpointsFile,
    /// Lets segments be moved; shut when the writer ends.
    pub gate: Arc<Gate>,
    /// Where work is done that nobody waits for.
    pub ahead: Ahead,
    /// Room that is prepared.
    pub space: Space,
    /// The index of the segment before this one, on its way into a file.
    pub sealing: Option<Sealing>,
    /// Those for which there was no file to be had: they are tried again with the next.
    pub unsealed: Vec<Sealed>,
    /// Enters large groups while they are made durable, and hashes them.
    pub meanwhile: Option<Meanwhile>,
    /// Wakes followers when they are many.
    pub crowd: Option<Crowd>,
    /// What is written next; kept for its capacity.
    pub buffer: Vec<u8>,
    /// Given up when the writer ends. The last of its fields: those before it wait, when they are dropped, for whoever
    /// still writes in the directory.
    pub ownership: Box<dyn Ownership>,
}

impl Writer {
    /// Works until it is closed or nobody can ask any more. A panic stops the log like a disk that fails: what it left half
    /// done lies behind the head, where nobody looks.
    pub fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        crate::archive::never_wait_here();
        let mut closing = None;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            closing = self.work(&mut queue);
            self.end()
        }));
        let ended = ended.unwrap_or_else(|panic| Err(self.panicked(&*panic)));
        // Whoever asks from here on finds the queue closed, and the reason.
        self.shared.stop("it was closed".to_owned());
        let directory = Arc::clone(&self.shared.directory);
        drop(queue);
        // From here on the directory may be somebody else's: nobody moves segments in it, and nobody writes zeros or an
        // index.
        self.gate.shut();
        drop((self.space, self.sealing));
        drop(self.ownership);
        match (closing, ended) {
            // Nobody may be waiting any more.
            (Some(reply), ended) => drop(reply.send(ended)),
            (None, Err(error)) => observe::ended_without_checkpoint(&directory, &error),
            (None, Ok(())) => {}
        }
    }

    /// Takes what is in the queue, group after group; returns where to say that the log is closed.
    fn work(&mut self, queue: &mut mpsc::Receiver<Request>) -> Option<oneshot::Sender<Result<(), LogError>>> {
        let (mut closing, mut done) = (None, Group::default());
        self.prepare();
        while closing.is_none() {
            let Some(request) = queue.blocking_recv() else {
                break;
            };
            let mut group = Group::begin(self.now(), std::mem::take(&mut done));
            closing = self.admit(&mut group, request);
            while closing.is_none() && group.bytes() < GROUP_BYTES_MAX && group.records() < GROUP_RECORDS_MAX
            {
                let Ok(request) = queue.try_recv() else {
                    break;
                };
                closing = self.admit(&mut group, request);
            }
            self.settle(&mut group);
            done = group;
        }
        closing
    }

    /// Stops the log for good, with the words of the panic.
    fn panicked(&self, panic: &(dyn Any + Send)) -> LogError {
        let failure = Failure::Stopped(format!("its writer panicked: {}", words_of(panic)));
        self.failed(&failure);
        failure.into_error()
    }

    /// The time of the next group: never before the last one.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.shared.index().recorded_at())
    }

    /// Takes a request into the group, or answers it; returns where to say that the log is closed.
    fn admit(&self, group: &mut Group, request: Request) -> Option<oneshot::Sender<Result<(), LogError>>> {
        let (appends, room, reply, recorded_at) = match request {
            Request::Append { appends, room, reply, recorded_at } => (appends, room, reply, recorded_at),
            Request::Close { reply } => return Some(reply),
        };
        if let Some(stopped) = self.shared.stopped() {
            drop(reply.send(Err(stopped)));
            return None;
        }
        let looked = group.look_up(&self.shared, &appends).and_then(|()| self.remember_recent(&appends));
        if let Err(error) = looked {
            drop(reply.send(Err(error)));
            return None;
        }
        let (planned, uses_group) = {
            let view = View::new(&self.shared, group);
            (plan(&view, &appends), view.looked_into_group())
        };
        let answer = match planned {
            Ok(Plan::Write) => Answer::Written(group.stage(&self.shared, appends, recorded_at)),
            Ok(Plan::Answer(answers)) => Answer::Known { result: Ok(answers), uses_group },
            Err(error) => Answer::Known { result: Err(error), uses_group },
        };
        group.remember(reply, room, answer);
        None
    }

    /// Looks up the recent ids that another process wrote, when an append depends on them for the first time. Segment by
    /// segment, the newest first: where the archive makes the rest wait, what was read need not be read again.
    fn remember_recent(&self, appends: &[StreamAppend]) -> Result<(), LogError> {
        let asks = |append: &StreamAppend| matches!(append.expected, Expected::Any | Expected::Exists);
        if !appends.iter().any(asks) {
            return Ok(());
        }
        loop {
            let missing = self.shared.index().not_remembered();
            if missing.is_empty() {
                return Ok(());
            }
            let segment = self.shared.index().locate(missing.end - 1).map(|found| found.first);
            let piece = segment.map_or(missing.start, |first| first.max(missing.start))..missing.end;
            let records = read::ids(&self.shared, piece.clone())?;
            self.shared.index_mut().remember(piece.start, records);
        }
    }

    /// Makes the group durable and answers everyone in it.
    fn settle(&mut self, group: &mut Group) {
        if group.is_empty() {
            group.answer(None);
            return;
        }
        let begun = Instant::now();
        let room = self.space.has_next();
        let mut kept = self.keep(group);
        if room && kept == Err(Failure::Full) {
            // Zeros are in the way of what they are for.
            kept = self.give_up_room().and_then(|()| self.keep(group));
        }
        match kept {
            Ok(bytes) => {
                observe::group_written(group.records(), bytes, self.shared.head(), begun.elapsed());
                if self.shared.stopped().is_some() {
                    // By whoever hashes, while this group was written.
                    observe::not_writable();
                }
                self.prepare();
            }
            Err(failure) => {
                self.failed(&failure);
                group.answer(Some(&failure));
            }
        }
    }

    /// Writes a group, makes it durable, lets it be read and answers everyone in it; returns how many bytes it took.
    fn keep(&mut self, group: &mut Group) -> Result<u64, Failure> {
        let shared = Arc::clone(&self.shared);
        let first = shared.head() + 1;
        // What is entered before it is durable lies behind the head, where nobody looks. When it does not become
        // durable, the head never moves again.
        let large = group.bytes() >= GROUP_BYTES_MEANWHILE;
        let early = self.meanwhile.as_ref().filter(|_| large && !group.has_one_writer());
        let hashed = early.is_some_and(|beside| beside.hash(group.leaves(first)));
        let written = self.write(group.commits())?;
        let bytes = written.bytes;
        let beside = self.meanwhile.as_ref().filter(|_| large);
        let leaves = if let Some(beside) = beside {
            make_durable_beside(beside, group, written, hashed)?
        } else {
            written.sync()?;
            group.enter(&shared, &written);
            None
        };
        // Nobody who has the tree sees less than what was acknowledged: its leaves are due.
        let commits = to_u64(group.commits().count());
        let due = shared.publish(first + to_u64(group.records()) - 1, commits);
        // To wake a few followers costs less than they would lose by coming last; who waits for an answer does not wait
        // for a crowd.
        let few = shared.followers() <= FOLLOWERS_FIRST_MAX;
        if few {
            shared.ring();
        }
        group.answer(None);
        match &self.crowd {
            _ if few => {}
            Some(crowd) => crowd.call(),
            None => shared.ring(),
        }
        // Nobody who asked waits for it.
        match (leaves, beside) {
            (Some(leaves), _) => due.give(leaves.hashes()),
            (None, Some(beside)) => beside.grow(Unhashed { due, leaves: group.leaves(first) }),
            (None, None) => Unhashed { due, leaves: group.leaves(first) }.hash(),
        }
        Ok(bytes)
    }

    /// Prepares room for the groups to come.
    fn prepare(&mut self) {
        if self.shared.stopped().is_none()
            && let Err(failure) = self.look_ahead()
        {
            self.failed(&failure);
        }
    }

    fn failed(&self, failure: &Failure) {
        match failure {
            Failure::Full => observe::full(&self.shared.directory),
            Failure::Stopped(why) => {
                observe::stopped(&self.shared.directory, why);
                self.shared.stop(why.clone());
            }
        }
    }

    /// Leaves a checkpoint behind, and what the next one who opens the log would have to read with an index.
    fn end(&mut self) -> Result<(), LogError> {
        if let Some(stopped) = self.shared.stopped() {
            return Err(stopped);
        }
        let mut ended = self.finish();
        if ended == Err(Failure::Full) {
            // Zeros may be in the way of the checkpoint.
            ended = self.give_up_room().and_then(|()| self.finish());
        }
        ended.map_err(Failure::into_error)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.seal_for_next_open()?;
        self.add_checkpoint()?;
        self.give_back()
    }
}

/// Makes a group durable while another thread enters it; returns its leaves when that has `hashed` them.
fn make_durable_beside(
    beside: &Meanwhile,
    group: &mut Group,
    written: Written,
    hashed: bool,
) -> Result<Option<Batch>, Failure> {
    let (file, name) = (Arc::clone(&written.file), written.name.clone());
    let work = Work { group: std::mem::take(group), written, hashed };
    let ended = || Failure::Stopped("the thread that hashes and enters groups has ended".to_owned());
    let (entered, synced) = beside.enter_while(work, || sync(&*file, &name)).ok_or_else(ended)?;
    *group = entered.group;
    if let Some(panic) = entered.panic {
        // As if it had happened here.
        resume_unwind(panic);
    }
    synced.map(|()| entered.leaves)
}

/// What a panic says.
fn words_of(panic: &(dyn Any + Send)) -> &str {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
