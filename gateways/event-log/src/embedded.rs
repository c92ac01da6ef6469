//! The log in files, owned by one process.

mod proofs;
mod recorded;

pub use proofs::{ConsistencyProof, InclusionProof, InvalidProof};
pub(crate) use recorded::Recorder;

use crate::ahead::Ahead;
use crate::checkpoint::Checkpoint;
use crate::entries::Entries;
use crate::errors::storage as failed;
use crate::follow::{Follower, Pages};
use crate::format::{to_u32, to_u64};
use crate::note::NoteVerifier;
use crate::observe;
use crate::options::{Options, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::read;
use crate::recovery::{self, OpenReport};
use crate::shared::Shared;
use crate::stat::Stat;
use crate::storage::{DirectoryStorage, Storage};
use crate::validate;
use crate::writer::{QUEUE_REQUESTS_MAX, Request, Space, Syncer, Writer};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamAppend, StreamId,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Bytes that may wait for the writer, in units of [`ROOM_UNIT_BYTES`]: 64 MiB.
const ROOM_UNITS: usize = 65_536;

/// What room in the queue is counted in.
const ROOM_UNIT_BYTES: u64 = 1_024;

/// The log in files. Dropping it ends the writer after what has been offered is written.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedLog {
    /// Opens the log in a directory, and creates both where there is none. Blocks while the log is scanned.
    ///
    /// # Errors
    ///
    /// [`LogError::Owned`] when another process has it, [`LogError::Damaged`] when what is stored is not what
    /// was written, [`LogError::Full`] and [`LogError::Unreachable`] when the disk refuses.
    pub fn open(directory: &Path, options: Options) -> Result<(Self, OpenReport), LogError> {
        let name = directory.display().to_string();
        let storage = DirectoryStorage::open_or_create(directory)
            .map_err(|error| failed("opening", "the directory", &name, error))?;
        Self::open_on(Arc::new(storage), options)
    }

    /// Opens the log on any storage.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_on(storage: Arc<dyn Storage>, options: Options) -> Result<(Self, OpenReport), LogError> {
        let recovered = recovery::open(&*storage)?;
        let directory: Arc<str> = storage.describe().into();
        let segment_bytes = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let active = recovery::active_name(&recovered.index);
        let space =
            Space::new(Arc::clone(&storage), options.ahead, segment_bytes, active, recovered.zeroed_to);
        let report = recovered.report;
        let shared = Shared::new(
            Arc::clone(&directory),
            recovered.signer,
            recovered.index,
            recovered.tree,
            options.cache_bytes,
            report.log,
        );
        let shared = Arc::new(shared);
        let writer = Writer {
            storage,
            shared: Arc::clone(&shared),
            clock: options.clock,
            segment_bytes,
            checkpoints: recovered.checkpoints,
            ownership: recovered.ownership,
            ahead: options.ahead,
            space,
            sealing: None,
            syncer: (options.ahead == Ahead::Beside).then(Syncer::start).flatten(),
            buffer: vec![],
        };
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("stele-log-writer".to_owned())
            .spawn(move || writer.run(requests))
            .map_err(|error| failed("starting the writer of", "the log", &directory, error))?;
        let room = Arc::new(Semaphore::new(ROOM_UNITS));
        Ok((Self { shared, queue: Some(queue), room, thread: Mutex::new(Some(thread)) }, report))
    }

    /// Writes what has been offered, leaves a signed checkpoint and gives the directory up. Appends are refused
    /// from here on; reads go on.
    ///
    /// # Errors
    ///
    /// [`LogError::Stopped`] when the log had stopped before or was closed already, [`LogError::Full`] when
    /// there was no room for the checkpoint.
    pub async fn close(&self) -> Result<(), LogError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Close { reply }).await?;
        let closed = answer.await.unwrap_or_else(|_| Err(self.gone()));
        self.join();
        closed
    }

    /// A signed note over the durable log, for someone outside to keep.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        Checkpoint::sign(&self.shared.tree().frontier(), &self.shared.signer)
    }

    /// What checks the log's checkpoints. Its text form is what others need.
    #[must_use]
    pub fn verifier(&self) -> &NoteVerifier {
        self.shared.signer.verifier()
    }

    /// Reads the log from a position (inclusive) to the head, without copying it.
    #[must_use]
    pub fn entries(&self, from: Position) -> Entries {
        Entries::new(Arc::clone(&self.shared), from)
    }

    /// Size and content in numbers.
    #[must_use]
    pub fn stat(&self) -> Stat {
        // What has been entered and was not made durable is not there.
        let (commits, events) = (self.shared.tree().size(), self.shared.head());
        let head = Position(events);
        Stat { events, commits, head, ..Stat::of(self.shared.log, &self.shared.index()) }
    }

    async fn offer(&self, appends: Vec<StreamAppend>, bytes: u64) -> Result<Vec<Appended>, LogError> {
        if let Some(stopped) = self.shared.stopped() {
            return Err(stopped);
        }
        let units = to_u32(bytes / ROOM_UNIT_BYTES + to_u64(appends.len()));
        let room = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| self.gone())?;
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Append { appends, room, reply, recorded_at: None }).await?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    async fn ask(&self, request: Request) -> Result<(), LogError> {
        let Some(queue) = &self.queue else {
            return Err(self.gone());
        };
        queue.send(request).await.map_err(|_| self.gone())
    }

    /// Why the writer doesn't answer.
    fn gone(&self) -> LogError {
        self.shared.stopped().unwrap_or_else(|| LogError::Stopped("its writer has ended".to_owned()))
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            observe::stopped(&self.shared.directory, "the writer panicked");
        }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        // Without a sender the writer drains the queue and ends.
        self.queue.take();
        self.join();
    }
}

impl EventLog for EmbeddedLog {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(async move {
            let appends = vec![StreamAppend { stream: stream.clone(), expected, records }];
            let bytes = validate::single(&appends)?;
            let answers = self.offer(appends, bytes).await?;
            answers.into_iter().next().ok_or_else(|| self.gone())
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(read::stream(&self.shared, stream, from, direction, limit))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        Box::pin(read::page(&self.shared, from, filter, limit))
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(std::future::ready(Ok(Position(self.shared.head()))))
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Follower::new(Arc::new(Durable(Arc::clone(&self.shared))), from, filter))
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        Some(self)
    }
}

impl MultiStream for EmbeddedLog {
    fn append_many(&self, appends: Vec<StreamAppend>) -> PortFuture<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move {
            let bytes = validate::append(&appends)?;
            self.offer(appends, bytes).await
        })
    }
}

/// The durable log, as followers read it.
struct Durable(Arc<Shared>);

impl Pages for Durable {
    fn page<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        Box::pin(read::page(&self.0, from, filter, limit))
    }

    fn watch_head(&self) -> watch::Receiver<u64> {
        self.0.watch_head()
    }
}
