//! The machine that a disk is in: one lock over all of its state, and operations that wait until they are let go.

use super::{Disk, Operation};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A disk, and who waits for it.
pub(super) struct Machine {
    disk: Mutex<Disk>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Operations that take their time.
#[derive(Default)]
struct Queue {
    held: Option<Which>,
    waiting: usize,
}

/// Which operations do.
#[derive(Clone, Copy)]
pub(super) struct Which {
    pub(super) operation: Operation,
    /// On files whose names end so.
    pub(super) suffix: &'static str,
}

impl Machine {
    pub(super) fn of(disk: Disk) -> Self {
        Self { disk: Mutex::new(disk), queue: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns at once, or when such operations are let go.
    pub(super) fn wait_for(&self, operation: Operation, file: usize) {
        let mut queue = self.queue();
        let held = |queue: &Queue| {
            let which = queue.held.filter(|held| held.operation == operation);
            which.is_some_and(|held| self.lock().is_named(file, held.suffix))
        };
        if held(&queue) {
            queue.waiting += 1;
            self.changed.notify_all();
            queue = self.wait_while(queue, held);
            queue.waiting -= 1;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        wait: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        self.changed.wait_while(queue, |queue| wait(queue)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some operations come to no end for as long as this lives. To be dropped before the log that waits for them.
#[must_use = "operations are let go as soon as it is dropped"]
pub struct Held {
    machine: Arc<Machine>,
}

impl Held {
    pub(super) fn begin(machine: &Arc<Machine>, which: Which) -> Self {
        machine.queue().held = Some(which);
        Self { machine: Arc::clone(machine) }
    }

    /// Blocks until somebody waits for such an operation.
    pub fn until_one_waits(&self) {
        let queue = self.machine.queue();
        drop(self.machine.wait_while(queue, |queue| queue.waiting == 0));
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.machine.queue().waiting
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.machine.queue().held = None;
        self.machine.changed.notify_all();
    }
}
