//! The one writer: takes appends off the queue, decides, writes them as a group, syncs once, publishes, answers.

mod active;
mod group;
mod space;

pub use space::Space;

use crate::ahead::{Ahead, Ticket};
use crate::observe;
use crate::plan::{Plan, plan};
use crate::recovery::CheckpointsFile;
use crate::shared::Shared;
use crate::storage::{Ownership, Storage};
use active::Failure;
use group::{Answer, Group, View};
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Appended, LogError, StreamAppend};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Appends that may wait for the writer.
pub const QUEUE_REQUESTS_MAX: usize = 4_096;

/// Bytes of one group, after which no further append joins it: 4 MiB.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records of one group, after which no further append joins it.
const GROUP_RECORDS_MAX: usize = 65_536;

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
    /// The checkpoints file.
    pub checkpoints: CheckpointsFile,
    /// Given up when the writer ends.
    pub ownership: Box<dyn Ownership>,
    /// Where work is done that nobody waits for.
    pub ahead: Ahead,
    /// Room that is prepared.
    pub space: Space,
    /// The segment before this one, while its spare room is cut off.
    pub sealing: Option<Ticket<()>>,
    /// What is written next; kept for its capacity.
    pub buffer: Vec<u8>,
}

impl Writer {
    /// Works until it is closed or nobody can ask any more.
    pub fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut closing = None;
        self.prepare();
        while closing.is_none() {
            let Some(request) = queue.blocking_recv() else {
                break;
            };
            let mut group = Group::begin(self.now());
            closing = self.admit(&mut group, request);
            while closing.is_none() && group.bytes() < GROUP_BYTES_MAX && group.records() < GROUP_RECORDS_MAX
            {
                let Ok(request) = queue.try_recv() else {
                    break;
                };
                closing = self.admit(&mut group, request);
            }
            self.settle(group);
        }
        let ended = self.end();
        // Whoever asks from here on finds the queue closed, and the reason.
        self.shared.stop("it was closed".to_owned());
        let directory = Arc::clone(&self.shared.directory);
        drop(queue);
        drop(self.ownership);
        match (closing, ended) {
            // Nobody may be waiting any more.
            (Some(reply), ended) => drop(reply.send(ended)),
            (None, Err(error)) => observe::ended_without_checkpoint(&directory, &error),
            (None, Ok(())) => {}
        }
    }

    /// The time of the next group: never before the last one.
    fn now(&self) -> stele_domain::time::Timestamp {
        self.clock.now().max(self.shared.index().recorded_at())
    }

    /// Takes a request into the group, or answers it; returns where to say that the log is closed.
    fn admit(&self, group: &mut Group, request: Request) -> Option<oneshot::Sender<Result<(), LogError>>> {
        let (appends, room, reply) = match request {
            Request::Append { appends, room, reply } => (appends, room, reply),
            Request::Close { reply } => return Some(reply),
        };
        if let Some(stopped) = self.shared.stopped() {
            drop(reply.send(Err(stopped)));
            return None;
        }
        let (planned, uses_group) = {
            let view = View::new(&self.shared, group);
            (plan(&view, &appends), view.looked_into_group())
        };
        let answer = match planned {
            Ok(Plan::Write) => Answer::Written(group.stage(&self.shared, appends)),
            Ok(Plan::Answer(answers)) => Answer::Known { result: Ok(answers), uses_group },
            Err(error) => Answer::Known { result: Err(error), uses_group },
        };
        group.remember(reply, room, answer);
        None
    }

    /// Makes the group durable and answers everyone in it.
    fn settle(&mut self, mut group: Group) {
        if group.is_empty() {
            group.answer(None);
            return;
        }
        let begun = Instant::now();
        let records = group.records();
        let written = self.write(group.commits());
        match written {
            Ok(written) => {
                let shared = Arc::clone(&self.shared);
                // Nobody who has the tree sees less than what was acknowledged; hashing takes place when all know.
                let mut tree = shared.tree();
                let first = group.publish(&shared, &written);
                group.answer(None);
                shared.ring();
                group.leaves(first).for_each(|leaf| tree.push(leaf));
                drop(tree);
                observe::group_written(records, written.bytes, shared.head(), begun.elapsed());
                self.prepare();
            }
            Err(failure) => {
                self.failed(&failure);
                group.answer(Some(&failure));
            }
        }
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

    /// Leaves a checkpoint behind.
    fn end(&mut self) -> Result<(), LogError> {
        if let Some(stopped) = self.shared.stopped() {
            return Err(stopped);
        }
        self.add_checkpoint().and_then(|()| self.give_back()).map_err(Failure::into_error)
    }
}
