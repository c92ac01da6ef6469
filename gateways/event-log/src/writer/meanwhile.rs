//! A thread that hashes a large group while the writer puts it together and on the disk, and enters it while the writer
//! makes it durable. The writer waits for the disk itself, and for this thread only when it comes to its end later: to be
//! woken takes long when the processors are busy, and the disk is what everyone waits for. One thread and not two: it is
//! mostly awake when it is asked for the second thing, and it leaves a processor to the disk.
//!
//! What is entered here lies behind the head, where nobody looks; the writer moves the head.

use super::active::Written;
use super::group::Group;
use crate::leaves::Batch;
use crate::shared::Shared;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What may be on its way to the thread: of one group that it is to hash, and then to enter.
const ASKED_MAX: usize = 2;

/// The thread, and the way to it and back. It ends when this is dropped.
pub struct Meanwhile {
    asked: SyncSender<Asked>,
    done: Receiver<Done>,
}

/// What the thread is asked for: a group's leaves are hashed first, and then it is entered, unless it could not be written.
enum Asked {
    Hash(Batch),
    Enter(Work),
}

/// A group that has been written, and where to.
pub struct Work {
    /// The group.
    pub group: Group,
    /// Where it was written.
    pub written: Written,
}

/// What came of it.
pub struct Done {
    /// The group that was entered.
    pub group: Group,
    /// Its leaves, hashed.
    pub leaves: Batch,
    /// What that panicked with.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Meanwhile {
    /// Starts the thread; `None` when there is none to be had.
    pub fn start(shared: &Arc<Shared>) -> Option<Self> {
        let (asked, asks) = sync_channel(ASKED_MAX);
        let (told, done) = sync_channel(1);
        let shared = Arc::clone(shared);
        let work = move || {
            let (mut leaves, mut panic) = (Batch::default(), None);
            for asked in asks {
                let group = match asked {
                    Asked::Hash(batch) => {
                        leaves = batch;
                        panic = catch_unwind(AssertUnwindSafe(|| leaves.hash())).err();
                        continue;
                    }
                    Asked::Enter(Work { mut group, written }) => {
                        let entered = catch_unwind(AssertUnwindSafe(|| group.enter(&shared, &written)));
                        panic = panic.or(entered.err());
                        group
                    }
                };
                let done = Done { group, leaves: std::mem::take(&mut leaves), panic: panic.take() };
                if told.send(done).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("stele-log-enter".to_owned()).spawn(work);
        thread.ok().map(|_| Self { asked, done })
    }

    /// Has the leaves of a group hashed that is about to be written. False when the thread has ended.
    pub fn hash(&self, leaves: Batch) -> bool {
        self.asked.send(Asked::Hash(leaves)).is_ok()
    }

    /// Has the group entered while `now` is done here; its leaves come back with it. `None` when the thread has ended: its
    /// work is lost.
    pub fn enter_while<T>(&self, work: Work, now: impl FnOnce() -> T) -> Option<(Done, T)> {
        self.asked.send(Asked::Enter(work)).ok()?;
        let outcome = now();
        Some((self.done.recv().ok()?, outcome))
    }
}
