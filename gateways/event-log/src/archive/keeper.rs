//! Archives segments while the log is written to, on a thread that nobody waits for. A store that fails is told of and
//! tried again; the log doesn't notice.

use super::error::ArchiveError;
use super::manifest::Manifest;
use super::push::{Keep, Mover};
use crate::checkpoint::Signed;
use crate::format::to_u64;
use crate::index::Extent;
use crate::observe;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stele_domain::port::clock::Clock;

/// How often segments are archived that were sealed meanwhile, and tried again that could not be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepPace {
    /// How often somebody looks for segments that were sealed.
    pub look_every: Duration,
    /// How long nothing is tried after a first failure; twice as long after each that follows.
    pub retry_min: Duration,
    /// The longest that nothing is tried.
    pub retry_max: Duration,
    /// After how long a segment is tried again that a person has to look at. Trying reads all of it.
    pub hopeless_retry: Duration,
}

impl Default for KeepPace {
    /// A look every second; after failures two seconds up to five minutes, or an hour.
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            retry_min: Duration::from_secs(2),
            retry_max: Duration::from_mins(5),
            hopeless_retry: Duration::from_hours(1),
        }
    }
}

/// Lets moves of segments into a directory as long as the log in it is this process's, and holds what they all know of it.
#[derive(Default)]
pub struct Gate {
    shut: Mutex<bool>,
    changed: Condvar,
    /// The manifest as it is on disk, once it was read. Changed only inside.
    manifest: Mutex<Option<Manifest>>,
    /// Whether the archive was found to be the one that earlier segments are in.
    known: AtomicBool,
    /// Sealed segments that were found not to be in the directory, by their first positions.
    away: Mutex<BTreeSet<u64>>,
    /// The checkpoints whose signatures were looked at.
    signed: Signed,
    /// Taken by whoever moves a segment: one at a time.
    turn: Mutex<()>,
}

impl Gate {
    /// Keeps the gate open while the value lives; an error when it was shut.
    pub fn enter(&self, segment: &str) -> Result<MutexGuard<'_, bool>, ArchiveError> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if *shut { Err(ArchiveError::Closed { segment: segment.to_owned() }) } else { Ok(shut) }
    }

    /// Shuts it for good, as soon as nobody is inside: what they do there takes the disk a moment.
    pub fn shut(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// The manifest, read by `load` where nobody has yet.
    pub fn manifest(
        &self,
        load: impl FnOnce() -> Result<Manifest, ArchiveError>,
    ) -> Result<Manifest, ArchiveError> {
        let mut known = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let manifest = load()?;
        *known = Some(manifest.clone());
        Ok(manifest)
    }

    /// Takes note of the manifest that is on disk now; `None` when nobody knows.
    pub fn keep_manifest(&self, manifest: Option<Manifest>) {
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = manifest;
    }

    /// Those of these segments that are not known to be somewhere else than in the directory.
    pub fn not_away(&self, segments: Vec<Extent>) -> Vec<Extent> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        segments.into_iter().filter(|extent| !away.contains(&extent.first)).collect()
    }

    /// A sealed segment is not in the directory.
    pub fn is_away(&self, first: u64) {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).insert(first);
    }

    /// A sealed segment is in the directory again.
    pub fn is_back(&self, first: u64) {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).remove(&first);
    }

    /// Waits until nobody else moves a segment into the archive, and keeps others from it while the value lives.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log's checkpoints, as far as their signatures were looked at.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Whether the archive is known to be the right one.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// The archive is the right one.
    pub fn know(&self) {
        self.known.store(true, Ordering::Release);
    }

    /// Waits; true when it is shut.
    fn is_shut_within(&self, time: Duration) -> bool {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(shut, time, |shut| !*shut);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The thread that archives, until the gate is shut. It may outlive the log by a request to the store, and touches no
/// directory then.
pub struct Keeper {
    mover: Mover,
    keep: Keep,
    pace: KeepPace,
    clock: Arc<dyn Clock>,
    /// What went wrong with the archive as a whole, or the disk.
    failed: Option<Failed>,
    /// What went wrong with single segments, by their first positions.
    hopeless: BTreeMap<u64, Failed>,
    /// Whether somebody was told how many segments are in the archive, since that changed.
    told: bool,
}

/// Something that failed, and is tried again.
#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    again: Instant,
}

impl Failed {
    /// Once more than before.
    fn once_more(before: Option<Self>, min: Duration, max: Duration) -> Self {
        let times = before.map_or(0, |before| before.times);
        let wait = min.saturating_mul(1 << times.min(16)).min(max);
        Self { times: times.saturating_add(1), again: Instant::now() + wait }
    }

    fn waits(&self) -> bool {
        Instant::now() < self.again
    }
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// What keeps a thread from being started.
    pub fn start(mover: Mover, keep: Keep, pace: KeepPace, clock: Arc<dyn Clock>) -> std::io::Result<()> {
        let keeper = Self { mover, keep, pace, clock, failed: None, hopeless: BTreeMap::new(), told: false };
        std::thread::Builder::new()
            .name("stele-log-keeper".to_owned())
            .spawn(move || keeper.run())
            .map(|_| ())
    }

    fn run(mut self) {
        let gate = Arc::clone(&self.mover.gate);
        loop {
            // What has panicked is told, and tried again later as any failure: without this thread the disk fills.
            if catch_unwind(AssertUnwindSafe(|| self.look())).is_err() {
                observe::keeper_panicked(&self.mover.shared.directory);
                self.fail();
            }
            if gate.is_shut_within(self.pace.look_every) {
                return;
            }
        }
    }

    fn look(&mut self) {
        let due = match self.mover.due(&self.keep, self.clock.now()) {
            Ok(due) => due,
            Err(error) => return self.failed(&error),
        };
        let mut waiting = to_u64(due.segments.len()) + due.without_index;
        observe::archive_waiting(waiting);
        if !self.told
            && let Ok(archived) = self.mover.archived()
        {
            observe::archive_holds(archived);
            self.told = true;
        }
        if self.failed.is_some_and(|failed| failed.waits()) {
            return;
        }
        for extent in &due.segments {
            if self.hopeless.get(&extent.first).is_some_and(Failed::waits) {
                continue;
            }
            match self.mover.archive(extent) {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    waiting = waiting.saturating_sub(1);
                    (self.failed, self.told) = (None, false);
                    self.hopeless.remove(&extent.first);
                    observe::archived(&self.mover.shared.directory, extent.first, bytes);
                    observe::archive_waiting(waiting);
                }
                Err(ArchiveError::Closed { .. }) => return,
                Err(error) if is_of_one(&error) => {
                    observe::not_archived(&self.mover.shared.directory, &error);
                    let before = self.hopeless.get(&extent.first).copied();
                    let wait = self.pace.hopeless_retry;
                    let failed = Failed::once_more(before, wait, wait);
                    self.hopeless.insert(extent.first, failed);
                }
                // The others would fail as well.
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &ArchiveError) {
        observe::not_archived(&self.mover.shared.directory, error);
        self.fail();
    }

    fn fail(&mut self) {
        self.failed = Some(Failed::once_more(self.failed, self.pace.retry_min, self.pace.retry_max));
    }
}

/// Whether it is about this one segment, and waiting mends nothing: a person has to look.
fn is_of_one(error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Taken { .. } | ArchiveError::Unverified { .. } | ArchiveError::TooLarge { .. } => true,
        ArchiveError::NoStore { .. }
        | ArchiveError::Missing { .. }
        | ArchiveError::Other { .. }
        | ArchiveError::Elsewhere { .. }
        | ArchiveError::NotKept { .. }
        | ArchiveError::Denied { .. }
        | ArchiveError::Unreachable { .. }
        | ArchiveError::Late { .. }
        | ArchiveError::Busy { .. }
        | ArchiveError::Cache { .. }
        | ArchiveError::Manifest { .. }
        | ArchiveError::Disk { .. }
        | ArchiveError::Closed { .. } => false,
    }
}
