//! Wakes a crowd of followers: on a thread of its own, so that neither the writer nor whoever it has answered waits for
//! them, and not for every group. Who is woken takes all that there is.

use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// For how long nobody is woken after a crowd was, for each follower in it: of up to a hundred of them at most 50,000 are
/// woken in a second, however many commits there are.
const PAUSE_PER_FOLLOWER: Duration = Duration::from_micros(20);

/// The longest that news waits for the pause after older news.
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// The thread, and the way to it. It ends when this is dropped, and not before everybody knows of all there is.
pub struct Crowd {
    bell: Arc<Bell>,
    thread: Thread,
}

struct Bell {
    shared: Arc<Shared>,
    /// Whether the thread looks again only when it is woken.
    idle: AtomicBool,
    ended: AtomicBool,
}

impl Crowd {
    /// Starts the thread; `None` when there is none to be had.
    pub fn start(shared: &Arc<Shared>) -> Option<Self> {
        let (shared, idle, ended) = (Arc::clone(shared), AtomicBool::new(false), AtomicBool::new(false));
        let bell = Arc::new(Bell { shared, idle, ended });
        let thread = {
            let (bell, known) = (Arc::clone(&bell), bell.shared.head());
            thread::Builder::new().name("stele-log-bell".to_owned()).spawn(move || bell.run(known))
        };
        thread.ok().map(|thread| Self { bell, thread: thread.thread().clone() })
    }

    /// The head has moved.
    pub fn call(&self) {
        // Who rests looks before it is idle: the exchange there and this one have an order.
        if self.bell.idle.swap(false, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.bell.ended.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Bell {
    fn run(&self, known: u64) {
        let mut rung = known;
        loop {
            self.idle.swap(true, Ordering::AcqRel);
            let head = self.shared.head();
            if head != rung {
                self.idle.store(false, Ordering::Release);
                rung = head;
                self.shared.ring();
                self.rest();
            } else if self.ended.load(Ordering::Acquire) {
                return;
            } else {
                thread::park();
            }
        }
    }

    fn rest(&self) {
        let followers = u32::try_from(self.shared.followers()).unwrap_or(u32::MAX);
        let until = Instant::now() + PAUSE_PER_FOLLOWER.saturating_mul(followers).min(PAUSE_MAX);
        while !self.ended.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}
