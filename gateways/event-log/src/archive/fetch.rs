//! Fetches archived segments to be read: each once, whole, and compared with what was archived before anything of it is
//! served. What was fetched last stays, up to a number of bytes.
//!
//! Readers are synchronous and stand on threads that may wait; a store is asynchronous. A segment is fetched on a thread of
//! its own, by a runtime that only the archive uses. So nobody waits for a task that needs the thread they wait on, and a
//! store that hangs holds up those who want something of it, for no longer than they were told.

use super::error::ArchiveError;
use super::manifest::Entry;
use crate::format::to_u64;
use crate::observe;
use crate::storage::{Secrecy, Storage, StorageFile, write_all_at};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stele_domain::port::blob_store::{BlobError, BlobName, BlobStore, Put};
use tokio::runtime::Runtime;

/// Bytes that are asked for at a time: 8 MiB.
const CHUNK_BYTES: u64 = 8 * 1024 * 1024;

/// Segments that are fetched at the same time.
const FETCHES_MAX: usize = 2;

/// Readers that may wait for the archive at the same time: each stands on a thread.
const WAITING_MAX: usize = 64;

/// After a failure, readers of the segment are told of it for so long before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often it is said of a segment that it can't be fetched, for one reason.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// How long a reader waits for a segment where nothing else is asked for.
const WAIT_MAX_DEFAULT: Duration = Duration::from_secs(30);

/// Bytes of fetched segments that are kept where nothing else is asked for: 512 MiB.
pub const ARCHIVE_CACHE_BYTES_DEFAULT: u64 = 512 * 1024 * 1024;

/// What the files of fetched segments end with.
const FETCHED_SUFFIX: &str = ".fetched";

thread_local! {
    static NEVER_WAITS: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread never waits for the archive: what is not here is fetched, and told to be on its way. The
/// writer of a log is such a thread: nobody's append waits for a store.
pub fn never_wait_here() {
    NEVER_WAITS.set(true);
}

/// How archived segments are reached.
#[derive(Clone)]
pub struct ArchiveOptions {
    /// Where they are.
    pub store: Arc<dyn BlobStore>,
    /// Where fetched segments are kept while they are read: a directory that nobody else uses. What an earlier process
    /// left there is removed.
    pub cache: Arc<dyn Storage>,
    /// How many bytes of them. One segment is kept however long it is.
    pub cache_bytes: u64,
    /// How long a reader waits for a segment.
    pub wait_max: Duration,
}

impl ArchiveOptions {
    /// A store, a place for what is fetched, and the defaults.
    #[must_use]
    pub fn new(store: Arc<dyn BlobStore>, cache: Arc<dyn Storage>) -> Self {
        Self { store, cache, cache_bytes: ARCHIVE_CACHE_BYTES_DEFAULT, wait_max: WAIT_MAX_DEFAULT }
    }
}

/// The archive of a log, within reach.
pub struct Archive {
    options: ArchiveOptions,
    /// There until the end.
    runtime: Option<Runtime>,
    state: Mutex<State>,
    changed: Condvar,
}

/// A fetched segment.
struct Held {
    file: Arc<dyn StorageFile>,
    bytes: u64,
    used: u64,
    /// What is wrong with it, where it was fetched to be examined.
    wrong: Option<ArchiveError>,
}

/// What a fetched segment is known by: its digest, and whether it may be another one.
type Key = ([u8; 32], bool);

#[derive(Default)]
struct State {
    held: BTreeMap<Key, Held>,
    fetching: BTreeMap<Key, u64>,
    failed: BTreeMap<Key, (Instant, ArchiveError)>,
    /// When it was last said of a segment that it can't be fetched, by the kind of trouble.
    said: BTreeMap<(Key, &'static str), Instant>,
    /// How many readers wait for each: it stays until they have it, whoever else wants room.
    wanted: BTreeMap<Key, usize>,
    uses: u64,
}

impl State {
    fn bytes(&self) -> u64 {
        self.held.values().map(|held| held.bytes).sum::<u64>() + self.fetching.values().sum::<u64>()
    }

    /// Whether it is time to say of a segment that it can't be fetched: whoever waits for it has it tried every second.
    fn is_news(&mut self, key: Key, trouble: &'static str) -> bool {
        self.said.retain(|_, said| said.elapsed() < SAID_EVERY);
        if self.said.contains_key(&(key, trouble)) {
            return false;
        }
        self.said.insert((key, trouble), Instant::now());
        true
    }
}

impl Archive {
    /// Makes ready to reach the archive; asks it nothing.
    ///
    /// # Errors
    ///
    /// What keeps a thread from being started, or the place for fetched segments from being used.
    pub fn new(options: ArchiveOptions) -> io::Result<Arc<Self>> {
        for left in options.cache.list()?.iter().filter(|name| name.ends_with(FETCHED_SUFFIX)) {
            options.cache.remove(left)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stele-log-archive")
            .enable_all()
            .build()?;
        let (state, changed) = (Mutex::default(), Condvar::new());
        Ok(Arc::new(Self { options, runtime: Some(runtime), state, changed }))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.options.store.url()
    }

    /// A segment, as it was archived.
    pub(super) fn read(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<Arc<dyn StorageFile>, ArchiveError> {
        self.fetched(entry, false).map(|(file, _)| file)
    }

    /// A segment as it is, and what is wrong with it.
    pub(super) fn examine(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<(Arc<dyn StorageFile>, Option<ArchiveError>), ArchiveError> {
        self.fetched(entry, true)
    }

    /// Puts bytes into the archive. For threads that no runtime drives.
    pub(super) fn put(&self, segment: &str, name: &BlobName, bytes: Vec<u8>) -> Result<Put, ArchiveError> {
        let put = self.wait(self.options.store.put(name, bytes));
        put.map_err(|error| self.failed(segment, name, error, self.url()))
    }

    /// Compares an object with what it should be, reading all of it; `keep` is given its bytes in order. For threads that
    /// no runtime drives.
    pub(super) fn compare(
        &self,
        entry: &Entry,
        mut keep: impl FnMut(&[u8], u64) -> io::Result<()>,
    ) -> Result<Option<ArchiveError>, ArchiveError> {
        let segment = entry.segment();
        let store = &self.options.store;
        let length = self.length(entry)?;
        if length != entry.length {
            let what = format!("it has {length} bytes, and {} were archived", entry.length);
            return Err(self.other(entry, length.min(entry.length), what));
        }
        let (mut digest, mut at) = (Sha256::new(), 0);
        while at < length {
            let range: Range<u64> = at..length.min(at + CHUNK_BYTES);
            let bytes = self.wait(store.get_range(&entry.object, range.clone()));
            let bytes = bytes.map_err(|error| self.failed(&segment, &entry.object, error, &entry.url))?;
            digest.update(&bytes);
            keep(&bytes, at).map_err(|source| ArchiveError::Cache {
                segment: segment.clone(),
                source: Arc::new(source),
            })?;
            at = range.end;
        }
        if digest.finalize().as_slice() == entry.sha256 {
            return Ok(None);
        }
        Ok(Some(self.other(entry, 0, "its SHA-256 is not the one that was archived".to_owned())))
    }

    /// How long the object of a segment is. Where nothing of the log is there at all, it is not this object that is lost.
    /// For threads that no runtime drives.
    pub(super) fn length(&self, entry: &Entry) -> Result<u64, ArchiveError> {
        let (segment, object) = (entry.segment(), &entry.object);
        let failed = |error| self.failed(&segment, object, error, &entry.url);
        let missing = match self.wait(self.options.store.head(object)) {
            Err(error @ BlobError::Missing { .. }) => error,
            length => return length.map_err(failed),
        };
        let log = object.as_str().split('/').next().and_then(|log| BlobName::new(log).ok());
        let Some(log) = log else { return Err(failed(missing)) };
        let some = self.wait(self.options.store.list(&log, None, 1)).map_err(failed)?;
        if some.is_empty() {
            let (object, store) = (object.to_string(), self.url().to_owned());
            return Err(ArchiveError::Elsewhere { segment, object, store });
        }
        Err(failed(missing))
    }

    /// Whether what answers says of an object that nobody has put there that it is there: a web server, or a page to log in,
    /// has an answer for whoever asks, and is no store. For threads that no runtime drives.
    pub(super) fn has_everything(&self, object: &BlobName) -> bool {
        let nobodys = BlobName::new(&format!("{object}.nobody-has-put-this"));
        nobodys.is_ok_and(|nobodys| self.wait(self.options.store.head(&nobodys)).is_ok())
    }

    fn other(&self, entry: &Entry, offset: u64, what: String) -> ArchiveError {
        let (segment, object) = (entry.segment(), entry.object.to_string());
        ArchiveError::Other { segment, object, store: self.url().to_owned(), offset, what }
    }

    fn failed(&self, segment: &str, object: &BlobName, error: BlobError, url: &str) -> ArchiveError {
        let (segment, object, store) = (segment.to_owned(), object.to_string(), self.url().to_owned());
        match error {
            BlobError::Missing { .. } => {
                ArchiveError::Missing { segment, object, store, url: url.to_owned() }
            }
            BlobError::Short { bytes, .. } => {
                let what = "it ends there".to_owned();
                ArchiveError::Other { segment, object, store, offset: bytes, what }
            }
            source @ BlobError::Denied { .. } => {
                ArchiveError::Denied { segment, object, store, source: Arc::new(source) }
            }
            source
            @ (BlobError::TooLarge { .. } | BlobError::Full { .. } | BlobError::Unreachable { .. }) => {
                ArchiveError::Unreachable { segment, object, store, source: Arc::new(source) }
            }
        }
    }

    /// Waits for a store, on a thread that no runtime drives. How long is for the store to limit, and once more for us.
    fn wait<T>(&self, asked: impl Future<Output = Result<T, BlobError>>) -> Result<T, BlobError> {
        let lost = |source| BlobError::Unreachable { store: self.url().to_owned(), source };
        let Some(runtime) = &self.runtime else {
            return Err(lost("the archive is being given up".into()));
        };
        runtime.handle().block_on(asked)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetched(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        examine: bool,
    ) -> Result<(Arc<dyn StorageFile>, Option<ArchiveError>), ArchiveError> {
        let (key, begun) = ((entry.sha256, examine), Instant::now());
        let mut state = self.lock();
        loop {
            state.uses += 1;
            let used = state.uses;
            if let Some(held) = state.held.get_mut(&key) {
                held.used = used;
                return Ok((Arc::clone(&held.file), held.wrong.clone()));
            }
            if let Some((at, error)) = state.failed.get(&key) {
                if at.elapsed() < RETRY_AFTER {
                    return Err(error.clone());
                }
                state.failed.remove(&key);
            }
            if !state.fetching.contains_key(&key) && self.make_room(&mut state, entry.length) {
                state.fetching.insert(key, entry.length);
                if !self.start(Arc::clone(entry), key) {
                    state.fetching.remove(&key);
                }
            }
            let (segment, waited) = (entry.segment(), begun.elapsed());
            let left = self.options.wait_max.saturating_sub(waited);
            if NEVER_WAITS.get() || left.is_zero() {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(ArchiveError::Late { segment, waited_ms });
            }
            // Whoever examines all of it is one, with a thread for each processor.
            if state.wanted.values().sum::<usize>() >= WAITING_MAX && !examine {
                return Err(ArchiveError::Busy { segment });
            }
            *state.wanted.entry(key).or_default() += 1;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if let Some(wanted) = state.wanted.get_mut(&key) {
                *wanted -= 1;
            }
            state.wanted.retain(|_, wanted| *wanted > 0);
        }
    }

    /// Makes room for one more segment, by giving up those that nobody has read for longest; false where those that are
    /// being fetched have it all.
    fn make_room(&self, state: &mut State, bytes: u64) -> bool {
        if state.fetching.len() >= FETCHES_MAX {
            return false;
        }
        while state.bytes() + bytes > self.options.cache_bytes {
            let unwanted = state.held.iter().filter(|(key, _)| !state.wanted.contains_key(*key));
            let oldest = unwanted.min_by_key(|(_, held)| held.used).map(|(key, _)| *key);
            let Some(oldest) = oldest else { return state.fetching.is_empty() };
            state.held.remove(&oldest);
            // Whoever reads it still has it open.
            drop(self.options.cache.remove(&file_name(oldest)));
        }
        true
    }

    /// Fetches a segment beside whoever wants it; false where no thread can be had, and they wait in vain.
    fn start(self: &Arc<Self>, entry: Arc<Entry>, key: Key) -> bool {
        let archive = Arc::clone(self);
        let fetch = move || {
            let mut end = End { archive: &archive, key, fetched: None };
            end.fetched = Some(archive.download(&entry, key));
        };
        std::thread::Builder::new().name("stele-log-fetch".to_owned()).spawn(fetch).is_ok()
    }

    fn download(&self, entry: &Entry, key: Key) -> Result<Held, ArchiveError> {
        let (begun, cache, name) = (Instant::now(), &self.options.cache, file_name(key));
        let kept = |source| ArchiveError::Cache { segment: entry.segment(), source: Arc::new(source) };
        super::remove_if_there(&**cache, &name).map_err(kept)?;
        let file = cache.create(&name, Secrecy::Private).map_err(kept)?;
        let compared = self.compare(entry, |bytes, at| write_all_at(&*file, bytes, at));
        let compared = match compared {
            Ok(Some(wrong)) if !key.1 => Err(wrong),
            compared => compared,
        };
        observe::segment_fetched(compared.as_ref().err().map_or("ok", ArchiveError::name), begun.elapsed());
        match compared {
            Ok(wrong) => Ok(Held { file, bytes: entry.length, used: 0, wrong }),
            Err(error) => {
                if self.lock().is_news(key, error.name()) {
                    observe::segment_not_fetched(&error);
                }
                drop(cache.remove(&name));
                Err(error)
            }
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nobody may wait.
            runtime.shutdown_background();
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for key in state.held.keys() {
            drop(self.options.cache.remove(&file_name(*key)));
        }
    }
}

/// Tells those who wait how a fetch has ended, however it has.
struct End<'a> {
    archive: &'a Archive,
    key: Key,
    fetched: Option<Result<Held, ArchiveError>>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.archive.lock();
        state.fetching.remove(&self.key);
        state.uses += 1;
        let used = state.uses;
        match self.fetched.take() {
            Some(Ok(held)) => {
                state.held.insert(self.key, Held { used, ..held });
            }
            Some(Err(error)) => {
                state.failed.retain(|_, (at, _)| at.elapsed() < RETRY_AFTER);
                state.failed.insert(self.key, (Instant::now(), error));
            }
            None => {}
        }
        observe::fetched_bytes(state.held.values().map(|held| held.bytes).sum());
        drop(state);
        self.archive.changed.notify_all();
    }
}

fn file_name((digest, examined): Key) -> String {
    let mut name = String::new();
    super::manifest::push_hex(&mut name, &digest);
    if examined {
        name.push_str(".examined");
    }
    name.push_str(FETCHED_SUFFIX);
    name
}

/// A number of bytes in memory, and their digest.
pub fn measured(bytes: &[u8]) -> (u64, [u8; 32]) {
    (to_u64(bytes.len()), Sha256::digest(bytes).into())
}
