//! The log in files, owned by one process.

mod proofs;
mod recorded;

pub(crate) use proofs::root_at;
pub use proofs::{ConsistencyProof, InclusionProof, InvalidProof};
pub(crate) use recorded::Recorder;

use crate::ahead::Ahead;
use crate::archive::{ArchiveError, Archived, Brought, Gate, Keep, Keeper, Mover, View, tidy};
use crate::checkpoint::Checkpoint;
use crate::entries::Entries;
use crate::errors::storage as failed;
use crate::follow::{Follower, Looked, Pages, Reading};
use crate::format::{to_u32, to_u64};
use crate::note::NoteVerifier;
use crate::observe;
use crate::options::{Options, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::pace::{Grown, Pace};
use crate::read;
use crate::recovery::{self, OpenReport};
use crate::shared::{Shared, off_thread};
use crate::stat::Stat;
use crate::storage::{DirectoryStorage, Storage};
use crate::validate;
use crate::writer::{Crowd, Meanwhile, QUEUE_REQUESTS_MAX, Request, Space, Wanted, Writer};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamAppend, StreamId,
};
use stele_domain::time::Timestamp;
use tokio::runtime::Handle;
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
    pace: Mutex<Pace>,
    /// Moves segments into the archive and back, where there is one.
    mover: Option<Mover>,
    gate: Arc<Gate>,
    prepared: Arc<AtomicU64>,
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
        // What is archived is read as if it were here; what is here is read where it is.
        let here = storage;
        let storage: Arc<dyn Storage> =
            Arc::new(View::new(Arc::clone(&here), options.archive.archive().cloned()));
        let recovered = recovery::open(&*storage)?;
        let directory: Arc<str> = storage.describe().into();
        tidy(&*here).map_err(|error| failed("tidying", "the directory", &directory, error))?;
        let segment_bytes = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let active = recovery::active_name(&recovered.index);
        let prepared = Arc::new(AtomicU64::new(0));
        let wanted = Wanted { segment_bytes, behind: options.room_bytes, prepared: Arc::clone(&prepared) };
        let space = Space::new(Arc::clone(&storage), options.ahead, wanted, active, recovered.zeroed_to);
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
        let gate = Arc::new(Gate::default());
        let mover = || {
            let archive = Arc::clone(options.archive.archive()?);
            let (shared, storage, gate) = (Arc::clone(&shared), Arc::clone(&here), Arc::clone(&gate));
            Some(Mover { shared, storage, archive, gate })
        };
        let (kept, mover) = (options.keep.zip(mover()), mover());
        let writer = Writer {
            storage,
            shared: Arc::clone(&shared),
            clock: Arc::clone(&options.clock),
            segment_bytes,
            sealed_at_close: options.sealed_at_close,
            checkpoints: recovered.checkpoints,
            gate: Arc::clone(&gate),
            ahead: options.ahead,
            space,
            sealing: None,
            unsealed: vec![],
            meanwhile: (options.ahead == Ahead::Beside).then(|| Meanwhile::start(&shared)).flatten(),
            crowd: (options.ahead == Ahead::Beside).then(|| Crowd::start(&shared)).flatten(),
            buffer: vec![],
            ownership: recovered.ownership,
        };
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("stele-log-writer".to_owned())
            .spawn(move || writer.run(requests))
            .map_err(|error| failed("starting the writer of", "the log", &directory, error))?;
        let room = Arc::new(Semaphore::new(ROOM_UNITS));
        let pace = Mutex::new(Pace::begin(&stat_of(&shared), Instant::now()));
        let thread = Mutex::new(Some(thread));
        let log = Self { shared, queue: Some(queue), room, thread, pace, mover, gate, prepared };
        // Not before there is a log that shuts the gate when it ends, however it ends.
        if let Some((keep, mover)) = kept {
            Keeper::start(mover, keep, options.keep_pace, options.clock)
                .map_err(|error| failed("starting the keeper of", "the archive", &directory, error))?;
        }
        Ok((log, report))
    }

    /// Writes what has been offered, leaves a signed checkpoint, seals the last segment when there is much in it, and gives
    /// the directory up. Appends are refused from here on; reads go on.
    ///
    /// # Errors
    ///
    /// [`LogError::Stopped`] when the log had stopped before or was closed already, [`LogError::Full`] when
    /// there was no room for the checkpoint.
    pub async fn close(&self) -> Result<(), LogError> {
        // Nobody moves segments in a directory that is given up.
        self.gate.shut();
        let (reply, answer) = oneshot::channel();
        let closed = match self.ask(Request::Close { reply }).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(self.gone())),
            Err(gone) => Err(gone),
        };
        // A writer that has ended by itself may still wait for the disk before it gives the directory up.
        let (thread, directory) = (self.take_thread(), Arc::clone(&self.shared.directory));
        off_thread(move || {
            join(thread, &directory);
            Ok(())
        })
        .await?;
        closed
    }

    /// A signed note over the durable log, for someone outside to keep.
    ///
    /// # Errors
    ///
    /// [`LogError::Stopped`] when the log has stopped because the hashes of what was acknowledged last are missing.
    pub fn checkpoint(&self) -> Result<String, LogError> {
        // The writer waits for the tree: it is given back before a signature is made.
        let tree = self.shared.whole_tree()?.frontier();
        Ok(Checkpoint::sign(&tree, &self.shared.signer))
    }

    /// What the parts of this crate share that work on an open log.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets in whoever writes in the directory, as long as it is this log's.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
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
        stat_of(&self.shared)
    }

    /// Takes note of how large the log is now. [`Self::growth`] is as exact as this is called often; every few seconds
    /// will do.
    pub fn measure(&self) {
        observe::prepared(self.prepared_bytes());
        let stat = self.stat();
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).sample(&stat, Instant::now());
    }

    /// Bytes of zeros that stand ready behind the segment that is written to.
    #[must_use]
    pub fn prepared_bytes(&self) -> u64 {
        self.prepared.load(Ordering::Relaxed)
    }

    /// What came in within the last minute, the last five, and since the log was opened.
    #[must_use]
    pub fn growth(&self) -> Vec<Grown> {
        let stat = self.stat();
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).grown(&stat, Instant::now())
    }

    /// Puts the sealed segments that need not stay into the archive, oldest first, and removes their files. Blocks; the log
    /// goes on meanwhile.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`] of the first segment that can't be archived. Those before it are.
    pub fn archive(&self, keep: &Keep, now: Timestamp) -> Result<Archived, ArchiveError> {
        self.moving(|mover| {
            let due = mover.due(keep, now)?;
            let mut archived = Archived { held_by_events: due.held_by_events, ..Archived::default() };
            for extent in &due.segments {
                let Some(bytes) = mover.archive(extent)? else { continue };
                archived.bytes += bytes;
                archived.segments += 1;
            }
            Ok(archived)
        })
    }

    /// Brings segments that hold any of these positions back from the archive into the directory. Blocks; the log goes on
    /// meanwhile. What is in the archive stays there.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`] of the first segment that can't be brought back. Those before it are.
    pub fn bring_back(&self, positions: RangeInclusive<Position>) -> Result<Brought, ArchiveError> {
        let positions = positions.start().0..=positions.end().0;
        self.moving(|mover| mover.bring_back(&positions))
    }

    /// Moves segments on a thread of its own: whoever asks may stand on one that a runtime drives.
    fn moving<T: Default + Send>(
        &self,
        work: impl FnOnce(&Mover) -> Result<T, ArchiveError> + Send,
    ) -> Result<T, ArchiveError> {
        let Some(mover) = &self.mover else { return Ok(T::default()) };
        let done = std::thread::scope(|threads| threads.spawn(|| work(mover)).join());
        done.unwrap_or_else(|_| Err(ArchiveError::Closed { segment: "of a thread that panicked".to_owned() }))
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
        join(self.take_thread(), &self.shared.directory);
    }

    fn take_thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Waits for the end of the writer.
fn join(thread: Option<JoinHandle<()>>, directory: &str) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        observe::stopped(directory, "the writer panicked");
    }
}

fn stat_of(shared: &Shared) -> Stat {
    // Up to the head. Streams and bytes may be ahead of it, by a group that is being made durable.
    let (commits, events) = {
        let tree = shared.tree();
        (tree.size(), tree.head())
    };
    let head = Position(events);
    Stat { events, commits, head, ..Stat::of(shared.log, &shared.index()) }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.gate.shut();
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
        Box::new(Follower::new(Arc::clone(&self.shared), from, filter))
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

/// Begins to read a page from the disk.
fn reading(
    shared: &Arc<Shared>,
    from: Position,
    filter: &Arc<Filter>,
    limit: usize,
    place: read::Place,
) -> Reading<read::Place> {
    let (shared, filter) = (Arc::clone(shared), Arc::clone(filter));
    let read = off_thread(move || Ok(read::page_at(&shared, from, &filter, limit, place)));
    Box::pin(async { read.await.unwrap_or_else(|error| (Err(error), read::Place::default())) })
}

/// The durable log, as followers read it.
impl Pages for Shared {
    type Place = read::Place;

    fn page(self: &Arc<Self>, from: Position, filter: &Arc<Filter>, limit: usize) -> Looked<read::Place> {
        match read::recent(self, from, filter, limit) {
            Some(page) => Looked::Here(page),
            None => Looked::OnTheWay(reading(self, from, filter, limit, read::Place::default())),
        }
    }

    fn ahead(
        self: &Arc<Self>,
        from: Position,
        filter: &Arc<Filter>,
        limit: usize,
        place: read::Place,
    ) -> Option<Reading<read::Place>> {
        // Outside of a runtime whoever asks reads by themselves.
        let elsewhere = Handle::try_current().is_ok() && !read::is_recent(self, from);
        elsewhere.then(|| reading(self, from, filter, limit, place))
    }

    fn watch_head(&self) -> watch::Receiver<u64> {
        Self::watch_head(self)
    }
}
