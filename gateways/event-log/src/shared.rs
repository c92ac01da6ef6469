//! What the writer publishes and readers read. Readers never wait for the disk on an asynchronous thread.

use crate::cache::{Cache, Kept};
use crate::checkpoint::Checkpoint;
use crate::format::to_u64;
use crate::index::Index;
use crate::note::NoteSigner;
use crate::observe;
use crate::tree::{Hash, SubtreeStore};
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use stele_domain::port::event_log::LogError;
use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

/// Why a log stops whose tree was given up for no other reason.
const LEAVES_MISSING: &str = "the hashes of what was acknowledged last are missing";

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
    tree: Mutex<Tree>,
    /// Rung when the tree has grown, or will not grow any more.
    grown: Condvar,
    cosigned: Mutex<Option<Arc<Cosigned>>>,
    head: AtomicU64,
    bell: watch::Sender<u64>,
    seals: watch::Sender<()>,
    stopped: OnceLock<String>,
}

/// The tree over the commits that were acknowledged.
pub struct Tree {
    store: SubtreeStore,
    /// The last record of its commits.
    head: u64,
    /// How many commits were acknowledged: as many it is to have.
    due: u64,
    /// Whether it will never have them: whoever was to hash them has failed.
    given_up: bool,
}

impl Tree {
    /// The last record of its commits.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Whether all is in it that was acknowledged, or will be.
    pub fn goes_on(&self) -> bool {
        !self.given_up
    }
}

impl Deref for Tree {
    type Target = SubtreeStore;

    fn deref(&self) -> &SubtreeStore {
        &self.store
    }
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
            cache: RwLock::new(Cache::new(cache_bytes - cache_bytes / 4)),
            kept: Mutex::new(Kept::new(cache_bytes / 4)),
            tree: Mutex::new(Tree { head: index.head(), due: tree.size(), store: tree, given_up: false }),
            grown: Condvar::new(),
            index: RwLock::new(index),
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

    /// The index, for the writer to enter what has been written. Up to the head it is durable.
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

    /// The tree, once it has the commits of every group that can be read by now: whoever has it sees all that was
    /// acknowledged, unless it was given up and the log has stopped. Whoever wants the index too takes this first.
    pub fn tree(&self) -> MutexGuard<'_, Tree> {
        let tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let due = tree.due;
        self.grown_to(due, tree)
    }

    /// The same for whoever speaks for the whole log.
    ///
    /// # Errors
    ///
    /// [`LogError::Stopped`] when the tree was given up: it lacks what was acknowledged last.
    pub fn whole_tree(&self) -> Result<MutexGuard<'_, Tree>, LogError> {
        let tree = self.tree();
        if tree.goes_on() { Ok(tree) } else { Err(self.lacks()) }
    }

    /// Why a tree that was given up has no more commits.
    fn lacks(&self) -> LogError {
        self.stopped().unwrap_or_else(|| LogError::Stopped(LEAVES_MISSING.to_owned()))
    }

    /// The tree, once it has so many commits.
    pub fn tree_to(&self, commits: u64) -> MutexGuard<'_, Tree> {
        self.grown_to(commits, self.tree.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn grown_to<'a>(&'a self, commits: u64, mut tree: MutexGuard<'a, Tree>) -> MutexGuard<'a, Tree> {
        while tree.goes_on() && tree.size() < commits.min(tree.due) {
            tree = self.grown.wait(tree).unwrap_or_else(PoisonError::into_inner);
        }
        tree
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

    /// Lets readers see everything up to `head`, which is so many more commits. Their leaves are due from here on.
    pub fn publish(self: &Arc<Self>, head: u64, commits: u64) -> Due {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tree.due;
        tree.due += commits;
        self.head.store(head, Ordering::Release);
        Due { shared: Arc::clone(self), commits: before..tree.due, head, given: false }
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

    /// Ends appends for good; the first reason stays, since a second one is a consequence of it. Whether this is the first.
    pub fn stop(&self, why: String) -> bool {
        self.stopped.set(why).is_ok()
    }

    /// Why appends have ended, when they have.
    pub fn stopped(&self) -> Option<LogError> {
        self.stopped.get().map(|why| LogError::Stopped(why.clone()))
    }
}

/// The leaves of a group that can be read. Whoever asks for the tree waits for them, so when this is dropped without
/// them the log stops and the tree is given up: it stays as it is, and nobody waits.
pub struct Due {
    shared: Arc<Shared>,
    /// The numbers of the group's commits.
    commits: Range<u64>,
    /// The group's last record.
    head: u64,
    given: bool,
}

impl Due {
    /// Adds them to the tree, after those of the groups before it.
    pub fn give(mut self, leaves: &[Hash]) {
        let mut tree = self.shared.tree_to(self.commits.start);
        let fits =
            tree.size() == self.commits.start && tree.size() + to_u64(leaves.len()) == self.commits.end;
        if tree.goes_on() && fits {
            for leaf in leaves {
                tree.store.push(*leaf);
            }
            (tree.head, self.given) = (self.head, true);
        }
        drop(tree);
        self.shared.grown.notify_all();
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if !self.given {
            // Before anybody sees a tree that is too small.
            if self.shared.stop(LEAVES_MISSING.to_owned()) {
                observe::stopped(&self.shared.directory, LEAVES_MISSING);
            }
            self.shared.tree.lock().unwrap_or_else(PoisonError::into_inner).given_up = true;
            self.shared.grown.notify_all();
        }
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

#[cfg(test)]
mod tests {
    use super::Shared;
    use crate::simulated_disk::SimulatedDisk;
    use crate::tree::{Hash, root_of};
    use crate::{EmbeddedLog, Options, Witness, WitnessAt, WitnessError, WitnessOptions};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};
    use stele_domain::port::clock::Clock;
    use stele_domain::port::event_log::{LogError, Position};
    use stele_domain::time::Timestamp;

    /// Looks until which nobody who waits has any news.
    const LOOKS: u32 = 1_000;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(1)
        }
    }

    /// What an empty log shares. Nothing is written while it is tested.
    fn empty() -> (EmbeddedLog, Arc<Shared>) {
        let disk = Arc::new(SimulatedDisk::new());
        let (log, _) = EmbeddedLog::open_on(disk, Options::new(Arc::new(Still)).in_line()).unwrap();
        let shared = Arc::clone(log.shared());
        (log, shared)
    }

    /// Does something on another thread, and tells when it is done.
    fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (told, done) = channel();
        let (begun, begins) = channel();
        std::thread::spawn(move || {
            begun.send(()).unwrap();
            told.send(work()).unwrap();
        });
        begins.recv().unwrap();
        done
    }

    fn waits<T>(done: &Receiver<T>) -> bool {
        (0..LOOKS).all(|_| {
            std::thread::yield_now();
            done.try_recv().is_err()
        })
    }

    fn leaves(numbers: std::ops::Range<u8>) -> Vec<Hash> {
        numbers.map(|number| [number; 32]).collect()
    }

    /// How many leaves the tree has, and its root.
    fn seen(shared: &Shared) -> (u64, Hash) {
        let tree = shared.tree();
        (tree.size(), tree.frontier().root())
    }

    fn root(count: u8) -> Hash {
        root_of(0..count.into(), &mut |_| None, &mut |range| {
            Ok::<_, ()>(leaves(range.start.to_le_bytes()[0]..range.end.to_le_bytes()[0]))
        })
        .unwrap()
    }

    #[test]
    fn whoever_asks_for_the_tree_waits_for_the_leaves_of_all_that_can_be_read() {
        let (_log, shared) = empty();
        assert_eq!(shared.tree().size(), 0);
        let due = shared.publish(7, 3);
        assert_eq!(shared.head(), 7);
        let asked = Arc::clone(&shared);
        let answer = elsewhere(move || seen(&asked));
        assert!(waits(&answer));
        due.give(&leaves(0..3));
        assert_eq!(answer.recv().unwrap(), (3, root(3)));
    }

    #[test]
    fn leaves_are_added_in_the_order_of_their_groups_whoever_comes_first() {
        let (_log, shared) = empty();
        let (first, second) = (shared.publish(2, 2), shared.publish(5, 3));
        let given = elsewhere(move || second.give(&leaves(2..5)));
        assert!(waits(&given));
        first.give(&leaves(0..2));
        given.recv().unwrap();
        assert_eq!(seen(&shared), (5, root(5)));
    }

    #[test]
    fn a_group_has_as_many_leaves_as_commits_or_none() {
        let (_log, shared) = empty();
        shared.publish(3, 3).give(&leaves(0..2));
        assert_eq!(seen(&shared), (0, root(0)));
        assert!(!shared.tree().goes_on() && shared.stopped().is_some());
    }

    #[test]
    fn nobody_waits_for_leaves_that_will_never_be_there() {
        let (_log, shared) = empty();
        shared.publish(2, 2).give(&leaves(0..2));
        let (lost, later) = (shared.publish(3, 1), shared.publish(4, 1));
        let asked = Arc::clone(&shared);
        let answer = elsewhere(move || seen(&asked));
        let given = elsewhere(move || later.give(&leaves(3..4)));
        assert!(waits(&answer) && waits(&given));
        assert!(shared.stopped().is_none());
        drop(lost);
        assert_eq!(answer.recv().unwrap(), (2, root(2)));
        given.recv().unwrap();
        // What comes behind what is lost is no part of the tree, and nothing comes behind it any more.
        assert_eq!(seen(&shared), (2, root(2)));
        assert!(!shared.tree().goes_on() && shared.stopped().is_some());
    }

    #[tokio::test]
    async fn who_lacks_leaves_signs_for_nothing_and_shows_the_witness_nothing() {
        let (log, shared) = empty();
        shared.publish(2, 2).give(&leaves(0..2));
        assert!(log.checkpoint().is_ok());
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("witness");
        let log = Arc::new(log);
        let every = std::time::Duration::from_mins(1);
        let options = WitnessOptions { at: WitnessAt::File(path.clone()), every, export_max: every };
        let witness = Witness::new(Arc::clone(&log), place.path(), &options).unwrap();
        witness.export().await.unwrap();
        let shown = std::fs::read(&path).unwrap();
        drop(shared.publish(3, 1));
        let is_stop = |error: LogError| matches!(error, LogError::Stopped(why) if why.contains("hashes"));
        assert!(is_stop(log.checkpoint().unwrap_err()));
        for position in [1, 3] {
            assert!(is_stop(log.inclusion_proof(Position(position)).await.unwrap_err()));
        }
        assert!(is_stop(log.prove_consistency(1, None).await.unwrap_err()));
        assert!(is_stop(log.consistency_proof(1, 2).await.unwrap_err()));
        let Err(WitnessError::Log(error)) = witness.export().await else { panic!("it was shown") };
        assert!(is_stop(error));
        assert_eq!(std::fs::read(&path).unwrap(), shown);
        assert!(is_stop(log.close().await.unwrap_err()));
    }
}
