//! What the writer publishes and readers read. Readers never wait for the disk on an asynchronous thread.

use crate::cache::{Cache, Kept};
use crate::checkpoint::Checkpoint;
use crate::index::Index;
use crate::note::NoteSigner;
use crate::tree::SubtreeStore;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use stele_domain::port::event_log::LogError;
use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

/// State that the writer and all readers of one log have in common.
pub struct Shared {
    /// The log's identity.
    pub log: Uuid,
    /// Where it lives, for messages.
    pub directory: Arc<str>,
    /// Signs checkpoints.
    pub signer: NoteSigner,
    index: RwLock<Index>,
    cache: RwLock<Cache>,
    kept: Mutex<Kept>,
    tree: Mutex<SubtreeStore>,
    cosigned: Mutex<Option<Arc<Cosigned>>>,
    head: AtomicU64,
    bell: watch::Sender<u64>,
    seals: watch::Sender<()>,
    stopped: OnceLock<String>,
}

/// A checkpoint that a witness has cosigned.
pub struct Cosigned {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Its text, with the cosignatures.
    pub note: String,
}

impl Shared {
    /// The state after recovery.
    pub fn new(
        directory: Arc<str>,
        signer: NoteSigner,
        index: Index,
        tree: SubtreeStore,
        cache_bytes: usize,
        log: Uuid,
    ) -> Self {
        let (head, bell) = (AtomicU64::new(index.head()), watch::Sender::new(index.head()));
        Self {
            log,
            directory,
            signer,
            index: RwLock::new(index),
            cache: RwLock::new(Cache::new(cache_bytes - cache_bytes / 4)),
            kept: Mutex::new(Kept::new(cache_bytes / 4)),
            tree: Mutex::new(tree),
            cosigned: Mutex::default(),
            head,
            bell,
            seals: watch::Sender::new(()),
            stopped: OnceLock::new(),
        }
    }

    /// The index, to read. Held for look-ups only, never over a read of the disk.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, for the writer to enter what has become durable.
    pub fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last records, to read.
    pub fn cache(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last records, for the writer to add to.
    pub fn cache_mut(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records of streams that were read from the disk.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree over all commits. The writer holds it from before a group can be read until its commits are in, so
    /// that whoever has it sees all that was acknowledged. Whoever wants the index too takes this first.
    pub fn tree(&self) -> MutexGuard<'_, SubtreeStore> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest checkpoint that a witness is known to have cosigned.
    pub fn cosigned(&self) -> Option<Arc<Cosigned>> {
        self.cosigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A witness has cosigned a checkpoint. An older one than that which is known stays unsaid.
    pub fn is_cosigned(&self, cosigned: Cosigned) {
        let mut known = self.cosigned.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.checkpoint.size <= cosigned.checkpoint.size) {
            *known = Some(Arc::new(cosigned));
        }
    }

    /// The last durable position. Everything up to it is in the index.
    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Wakes whenever the head moves.
    pub fn watch_head(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Lets readers see everything up to `head`.
    pub fn publish(&self, head: u64) {
        self.head.store(head, Ordering::Release);
    }

    /// How many watch the head.
    pub fn followers(&self) -> usize {
        self.bell.receiver_count()
    }

    /// Wakes whoever waits for the head to move. Of two who ring at once neither takes back what the other has told.
    pub fn ring(&self) {
        self.bell.send_if_modified(|rung| {
            let head = self.head();
            std::mem::replace(rung, head.max(*rung)) < head
        });
    }

    /// Wakes whenever a segment was sealed.
    pub fn watch_seals(&self) -> watch::Receiver<()> {
        self.seals.subscribe()
    }

    /// Wakes whoever waits for a segment to be sealed.
    pub fn ring_sealed(&self) {
        self.seals.send_replace(());
    }

    /// Ends appends for good; the first reason stays.
    pub fn stop(&self, why: String) {
        // A second reason is a consequence of the first.
        self.stopped.set(why).ok();
    }

    /// Why appends have ended, when they have.
    pub fn stopped(&self) -> Option<LogError> {
        self.stopped.get().map(|why| LogError::Stopped(why.clone()))
    }
}

/// Runs work that may wait for the disk where it holds up nobody. It begins at once, and not when it is waited for.
pub fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> impl Future<Output = Result<T, LogError>> + Send + 'static {
    // Outside of a runtime nobody else is held up either.
    let begun = match Handle::try_current() {
        Ok(runtime) => Ok(runtime.spawn_blocking(work)),
        Err(_) => Err(work()),
    };
    async {
        match begun {
            Ok(done) => done.await.unwrap_or_else(|error| Err(LogError::Unreachable(Box::new(error)))),
            Err(done) => done,
        }
    }
}
