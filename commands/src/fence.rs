//! The fence between deciding to send and sending: who kills the desk closes it, and no frame leaves after.
//!
//! A permit is taken before the last look at the account and travels with the frame. Closing waits for the
//! permits that are out. It guards one process; to others the executor confirms a kill on the account's stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use stele_domain::port::venue::SendPermit;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// How long a kill waits for a frame that is being written. It is recorded in any case.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The fence of one process.
#[derive(Debug, Clone, Default)]
pub struct Fence {
    lock: Arc<RwLock<()>>,
    epoch: Arc<AtomicU64>,
    /// What holds it closed now, if anything does.
    held: Arc<Mutex<Weak<OwnedRwLockWriteGuard<()>>>>,
    keeper: Arc<tokio::sync::Mutex<()>>,
}

/// While one of those who closed it holds this, no frame leaves.
#[derive(Debug)]
pub struct Closed {
    _guard: Arc<OwnedRwLockWriteGuard<()>>,
}

impl Fence {
    /// The executor behind this fence works under this lease from now on.
    pub fn hold(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Whether the executor that works under this lease is behind this fence.
    pub fn guards(&self, epoch: u64) -> bool {
        epoch != 0 && self.epoch.load(Ordering::SeqCst) == epoch
    }

    /// The right to send one frame; waits while the fence is closed.
    pub async fn permit(&self) -> SendPermit {
        Box::new(self.lock.clone().read_owned().await)
    }

    /// Waits until no permit is out, and lets none out while the answer lives; `None` when a frame is stuck. Who closes
    /// it while it is closed holds it closed too.
    pub async fn close(&self) -> Option<Closed> {
        let closing = tokio::time::timeout(CLOSE_TIMEOUT, self.lock.clone().write_owned());
        if let Some(closed) = self.closed() {
            return Some(closed);
        }
        let Ok(guard) = closing.await else {
            // It was not a frame, when somebody else was faster.
            return self.closed();
        };
        let guard = Arc::new(guard);
        *self.held() = Arc::downgrade(&guard);
        Some(Closed { _guard: guard })
    }

    /// The turn of the one who keeps it closed until a kill stands; `None` while another has it.
    pub(crate) fn keeper(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        Arc::clone(&self.keeper).try_lock_owned().ok()
    }

    /// A part in what holds it closed now.
    fn closed(&self) -> Option<Closed> {
        self.held().upgrade().map(|guard| Closed { _guard: guard })
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Weak<OwnedRwLockWriteGuard<()>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
