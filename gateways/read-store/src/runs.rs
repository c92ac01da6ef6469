//! The read store as sorted runs on disk, for tables that need not fit into memory: what an audit folds into, and the past
//! states that `as_of` is answered from.
//!
//! Changes gather in memory, sorted; when they pass their share of the budget they become an immutable run, and runs are
//! merged when there are many. The runs themselves are `fjall`'s (decision 0025 says why); here stands what a row, a key,
//! an index and a past state are in them. A directory of runs is derived: it can be removed at any time.

mod error;
mod forget;
mod fork;
mod keys;
mod merge;
mod options;
mod read;
mod states;
mod tables;
mod walk;
mod write;

pub use error::RunError;
pub use options::{Orders, RUN_MEMORY_BYTES_MIN, RunOptions, States};

use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Snapshot};
use forget::InUse;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use tables::Tables;
use tokio::sync::watch;
use walk::Moment;

/// Files of runs that are held open at once.
const FILES_OPEN_MAX: usize = 64;

/// Most bytes of the journal that holds what is in no run yet; the least that the library allows.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// The folder in the directory that is ours, and the only one that is ever removed.
const FOLDER: &str = "runs";

/// The library's file in it that is locked for as long as anybody has the runs open.
const LOCK: &str = "lock";

/// Tables as sorted runs on disk. Cheap to clone.
///
/// Calls that read or write go to threads of their own, so that nobody waits for a disk on a thread of the runtime; they
/// need one of tokio's runtimes around them.
#[derive(Clone)]
pub struct RunStore(Arc<Runs>);

struct Runs {
    directory: PathBuf,
    tables: Tables,
    options: RunOptions,
    database: Database,
    /// Name of a row → its packed cells.
    rows: Keyspace,
    /// Places in indexes → nothing.
    places: Keyspace,
    /// Checkpoints, digests and counts.
    marks: Keyspace,
    /// Where every projection is. Held while a batch is written.
    heads: Mutex<BTreeMap<&'static str, Checkpoint>>,
    /// Held while a batch comes in, and shared by whoever begins to read: see [`Runs::snapshot`].
    coming_in: RwLock<()>,
    /// States that somebody reads.
    in_use: Mutex<InUse>,
    /// A write has failed: the library takes no other one.
    shut: AtomicBool,
    reached: BTreeMap<&'static str, watch::Sender<Position>>,
}

impl RunStore {
    /// Opens the runs in a directory, and makes it when it isn't there. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`RunError`]; [`RunError::is_mended_by_removal`] tells when [`RunStore::remove`] and a second try help.
    pub fn open(directory: &Path, schemas: &[Schema], options: RunOptions) -> Result<Self, RunError> {
        let tables = Tables::of(schemas).map_err(RunError::Tables)?;
        let unusable = |source| RunError::Unusable { directory: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let failed = |error| error::at_open(directory, error);
        let shares = options.shares();
        let database = Database::builder(directory.join(FOLDER))
            .cache_size(shares.cache)
            .max_cached_files(Some(FILES_OPEN_MAX))
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        let space = |name, bytes| database.keyspace(name, || kept_as(bytes));
        let rows = space("rows", shares.rows).map_err(failed)?;
        let places = space("places", shares.places).map_err(failed)?;
        let marks = space("marks", shares.marks).map_err(failed)?;
        let reached = tables.projections().map(|name| (name, watch::Sender::new(Position::START))).collect();
        let directory = directory.to_owned();
        let heads = Mutex::new(BTreeMap::new());
        let in_use = Mutex::default();
        let shut = AtomicBool::new(false);
        let coming_in = RwLock::default();
        let runs = Runs {
            directory,
            tables,
            options,
            database,
            rows,
            places,
            marks,
            heads,
            coming_in,
            in_use,
            shut,
            reached,
        };
        runs.recognise()?;
        runs.find_heads()?;
        Ok(Self(Arc::new(runs)))
    }

    /// Removes the runs in a directory; nothing else that stands there is touched. Runs that are open stay as they are: also those
    /// that are open in this process, for a store, a fork or a call that is still under way.
    ///
    /// # Errors
    ///
    /// [`RunError::InUse`], [`RunError::Unusable`].
    pub fn remove(directory: &Path) -> Result<(), RunError> {
        let unusable = |source| RunError::Unusable { directory: directory.to_owned(), source };
        let runs = directory.join(FOLDER);
        // Held until they are gone.
        let _lock = match File::options().write(true).open(runs.join(LOCK)) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => return Err(RunError::InUse(directory.to_owned())),
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            },
            Err(source) if source.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(unusable(source)),
        };
        match std::fs::remove_dir_all(runs) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(unusable(source)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Moves what is in memory into runs and merges them: what is left is as small as it gets. Blocks while it works.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    pub fn settle(&self) -> Result<(), StoreError> {
        self.0.settle()
    }
}

/// How a space is kept whose changes take this many bytes in memory. The index of a large run, and the filter that tells
/// which names are not in it, are read piece by piece: as one, which is the library's way but for the lowest levels, they
/// take a megabyte each, and a few of them push everything else out of the memory for blocks.
fn kept_as(memory_bytes: u64) -> KeyspaceCreateOptions {
    let in_pieces = PartitioningPolicy::new([false, true]);
    KeyspaceCreateOptions::default()
        .max_memtable_size(memory_bytes)
        .index_block_partitioning_policy(in_pieces.clone())
        .filter_block_partitioning_policy(in_pieces)
}

impl Runs {
    fn settle(&self) -> Result<(), StoreError> {
        for space in [&self.rows, &self.places, &self.marks] {
            let settled = space.rotate_memtable_and_wait().and_then(|()| space.major_compact());
            settled.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// The runs are of these tables, kept in this way; an empty directory becomes so. Each space says so for itself: one
    /// whose files are gone looks like a new one to the library.
    fn recognise(&self) -> Result<(), RunError> {
        let ours = self.tables.fingerprint(&self.options);
        let failed = |error| error::at_open(&self.directory, error);
        let spaces = [&self.rows, &self.places, &self.marks];
        let mut found = Vec::with_capacity(spaces.len());
        for space in spaces {
            found.extend(space.get(keys::FINGERPRINT).map_err(failed)?);
        }
        if let Some(other) = found.iter().find(|other| ***other != *ours.as_bytes()) {
            let why = format!("{} instead of {ours}", String::from_utf8_lossy(other));
            return Err(RunError::Other { directory: self.directory.clone(), why });
        }
        if found.len() == spaces.len() {
            return Ok(());
        }
        if !found.is_empty() {
            let source = Box::new(self.damaged("some of the files are gone"));
            return Err(RunError::Damaged { directory: self.directory.clone(), source });
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for space in spaces {
            batch.insert(space, keys::FINGERPRINT, ours.as_str());
        }
        self.commit(batch).map_err(failed)
    }

    /// What is there now, of whole batches. The library moves what is visible onwards also when it has written a run, past a
    /// batch that is just coming in: a snapshot of that moment would show half of it, and more of it later.
    fn snapshot(&self) -> Snapshot {
        let _between = self.coming_in.read().unwrap_or_else(PoisonError::into_inner);
        self.database.snapshot()
    }

    fn commit(&self, batch: OwnedWriteBatch) -> Result<(), fjall::Error> {
        let _alone = self.coming_in.write().unwrap_or_else(PoisonError::into_inner);
        let done = batch.commit();
        if done.is_err() {
            self.shut.store(true, Ordering::Relaxed);
        }
        done
    }

    fn find_heads(&self) -> Result<(), RunError> {
        let snapshot = self.snapshot();
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        for projection in self.tables.projections() {
            let found = self.checkpoint(&snapshot, projection, self.now());
            let found = found.map_err(|source| RunError::Damaged {
                directory: self.directory.clone(),
                source: Box::new(source),
            })?;
            heads.insert(projection, found);
            if let Some(reached) = self.reached.get(projection) {
                reached.send_replace(found.position);
            }
        }
        Ok(())
    }

    /// As of when the newest state is looked at.
    fn now(&self) -> Moment {
        match self.options.states {
            States::Newest => Moment::Only,
            States::Every => Moment::UpTo(u64::MAX),
        }
    }

    /// What the runs take on the disk, their journal included.
    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.database.disk_space().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: fjall::Error) -> StoreError {
        error::of_call(&self.directory, error)
    }

    fn damaged(&self, what: &str) -> StoreError {
        error::damaged(&self.directory, what)
    }

    fn head(&self, projection: &str) -> Result<Checkpoint, StoreError> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let head = heads.get(projection).copied();
        head.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))
    }
}

/// Asks or changes the runs on a thread that may wait for a disk. A panic of the library ends the call, not the process.
async fn aside<T: Send + 'static>(
    runs: &Arc<Runs>,
    work: impl FnOnce(&Runs) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let on_it = runs.clone();
    match tokio::task::spawn_blocking(move || work(&on_it)).await {
        Ok(done) => done,
        Err(ended) if ended.is_panic() => Err(runs.damaged("something that the library could not bear")),
        Err(ended) => Err(StoreError::Unavailable(Box::new(ended))),
    }
}

impl ReadStore for RunStore {
    fn schemas(&self) -> &[Schema] {
        &self.0.tables.schemas
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        Box::pin(std::future::ready(self.0.head(projection)))
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        Box::pin(async move {
            let reached = self.0.reached.get(projection);
            let reached = reached.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))?;
            let mut watch = reached.subscribe();
            let at = watch.wait_for(|at| *at >= position).await;
            at.map(|at| *at).map_err(|closed| StoreError::Unavailable(Box::new(closed)))
        })
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        let projection = projection.to_owned();
        Box::pin(async move { aside(&self.0, move |runs| runs.digests(&projection, runs.now())).await })
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        let why = "runs on the disk change under whoever reads them: fork the state of a position instead";
        Box::pin(std::future::ready(Err(StoreError::Invalid(why.to_owned()))))
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        let keys = keys.to_vec();
        Box::pin(async move { aside(&self.0, move |runs| runs.load(&keys, runs.now())).await })
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.apply_all(vec![batch])
    }

    fn apply_all(&self, batches: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { aside(&self.0, move |runs| runs.keep(batches)).await })
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        let (table, key) = (table.to_owned(), key.clone());
        Box::pin(async move { aside(&self.0, move |runs| runs.row(&table, &key, runs.now())).await })
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        let (table, query) = (table.to_owned(), query.clone());
        Box::pin(async move { aside(&self.0, move |runs| runs.page(&table, &query, runs.now())).await })
    }
}
