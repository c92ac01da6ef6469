//! A thread that enters a large group while the writer makes it durable. The writer asks the disk first and waits for it
//! alone: to be woken takes long when the processors are busy, and the disk is what everyone waits for.
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

/// The thread, and the way to it and back. It ends when this is dropped.
pub struct Meanwhile {
    asked: SyncSender<Work>,
    done: Receiver<Entered>,
}

/// A group that has been written, and what is done with it.
pub struct Work {
    /// What is entered.
    pub group: Group,
    /// Where it was written.
    pub written: Written,
    /// Its leaves, where they are hashed here too.
    pub leaves: Option<Batch>,
}

/// What came of it.
pub struct Entered {
    /// What was asked for.
    pub work: Work,
    /// What entering it panicked with.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Work {
    /// Enters the group, and hashes the leaves that came with it.
    pub fn enter(&mut self, shared: &Shared) {
        self.group.enter(shared, &self.written);
        if let Some(leaves) = &mut self.leaves {
            leaves.hash();
        }
    }
}

impl Meanwhile {
    /// Starts the thread; `None` when there is none to be had.
    pub fn start(shared: &Arc<Shared>) -> Option<Self> {
        let (asked, works) = sync_channel::<Work>(1);
        let (told, done) = sync_channel(1);
        let shared = Arc::clone(shared);
        let enter = move || {
            for mut work in works {
                let entered = catch_unwind(AssertUnwindSafe(|| work.enter(&shared)));
                if told.send(Entered { work, panic: entered.err() }).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("stele-log-enter".to_owned()).spawn(enter);
        thread.ok().map(|_| Self { asked, done })
    }

    /// Has the group entered while `now` is done here. `None` when the thread has ended: its work is lost.
    pub fn enter_while<T>(&self, work: Work, now: impl FnOnce() -> T) -> Option<(Entered, T)> {
        self.asked.send(work).ok()?;
        let outcome = now();
        Some((self.done.recv().ok()?, outcome))
    }
}
