//! A thread that enters a large group while the writer makes it durable, and hashes it. The writer waits for the disk
//! itself, and for this thread only when it comes to its end later. One thread and not two: it leaves a processor to the
//! disk.
//!
//! A group for which many wait is hashed from before it is written: when they have their answers they take the processors.
//! When one writer alone waits there is nothing to do before its next group comes, so that is hashed after it was answered:
//! to wake the thread takes long, and then nobody waits for it, and it is awake when the next group is to be entered.
//!
//! What is entered here lies behind the head, where nobody looks; the writer moves the head.

use super::active::Written;
use super::group::Group;
use super::words_of;
use crate::leaves::Batch;
use crate::observe;
use crate::shared::{Due, Shared};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What may be on its way to the thread: of one group that it is to hash, and of the next.
const ASKED_MAX: usize = 2;

/// The thread, and the way to it and back. It ends when this is dropped.
pub struct Meanwhile {
    asked: SyncSender<Asked>,
    entered: Receiver<Entered>,
}

/// What the thread is asked for.
enum Asked {
    /// To hash leaves of a group that is about to be written. They come back with it, unless it can't be written.
    Hash(Batch),
    Enter(Work),
    /// To hash leaves of a group that can be read.
    Grow(Unhashed),
}

/// A group that has been written, and where to.
pub struct Work {
    /// The group.
    pub group: Group,
    /// Where it was written.
    pub written: Written,
    /// Whether its leaves are being hashed already.
    pub hashed: bool,
}

/// Leaves of a group that can be read.
pub struct Unhashed {
    /// What is asked of whoever hashes them.
    pub due: Due,
    /// The leaves.
    pub leaves: Batch,
}

impl Unhashed {
    /// Hashes them, and adds them to the tree.
    pub fn hash(mut self) {
        self.leaves.hash();
        self.due.give(self.leaves.hashes());
    }
}

/// What came of entering a group.
pub struct Entered {
    /// The group.
    pub group: Group,
    /// Its leaves, when they have been hashed.
    pub leaves: Option<Batch>,
    /// What that panicked with.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Meanwhile {
    /// Starts the thread; `None` when there is none to be had.
    pub fn start(shared: &Arc<Shared>) -> Option<Self> {
        let (asked, asks) = sync_channel(ASKED_MAX);
        let (told, entered) = sync_channel(1);
        let shared = Arc::clone(shared);
        let work = move || {
            let (mut leaves, mut panic) = (Batch::default(), None);
            for asked in asks {
                match asked {
                    Asked::Hash(batch) => {
                        leaves = batch;
                        panic = catch_unwind(AssertUnwindSafe(|| leaves.hash())).err();
                    }
                    Asked::Enter(work) => {
                        // Those of a group that could not be written are nobody's.
                        let (leaves, failed) = (std::mem::take(&mut leaves), panic.take());
                        if told.send(enter(&shared, work, leaves, failed)).is_err() {
                            break;
                        }
                    }
                    Asked::Grow(unhashed) => grow(&shared, unhashed),
                }
            }
        };
        let thread = std::thread::Builder::new().name("stele-log-enter".to_owned()).spawn(work);
        thread.ok().map(|_| Self { asked, entered })
    }

    /// Has the leaves of a group hashed that is about to be written. False when the thread has ended.
    pub fn hash(&self, leaves: Batch) -> bool {
        self.asked.send(Asked::Hash(leaves)).is_ok()
    }

    /// Has the group entered while `now` is done here. `None` when the thread has ended: its work is lost.
    pub fn enter_while<T>(&self, work: Work, now: impl FnOnce() -> T) -> Option<(Entered, T)> {
        self.asked.send(Asked::Enter(work)).ok()?;
        let outcome = now();
        Some((self.entered.recv().ok()?, outcome))
    }

    /// Has a group hashed that was answered. When the thread has ended the log stops: its leaves are lost.
    pub fn grow(&self, unhashed: Unhashed) {
        drop(self.asked.send(Asked::Grow(unhashed)));
    }
}

fn enter(shared: &Shared, work: Work, leaves: Batch, failed: Option<Box<dyn Any + Send>>) -> Entered {
    let Work { mut group, written, hashed } = work;
    let panic = catch_unwind(AssertUnwindSafe(|| group.enter(shared, &written))).err();
    Entered { group, leaves: hashed.then_some(leaves), panic: panic.or(failed.filter(|_| hashed)) }
}

/// Hashes a group. Where that fails, what it was answered with stays true; the tree goes no further, and so neither
/// does the log.
fn grow(shared: &Shared, unhashed: Unhashed) {
    let Unhashed { due, mut leaves } = unhashed;
    match catch_unwind(AssertUnwindSafe(|| leaves.hash())) {
        Ok(()) => due.give(leaves.hashes()),
        Err(panic) => {
            let why = format!("hashing a group panicked: {}", words_of(&*panic));
            observe::stopped(&shared.directory, &why);
            shared.stop(why);
        }
    }
}
