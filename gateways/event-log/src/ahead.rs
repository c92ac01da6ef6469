//! Work that is done before anyone waits for it, each piece on a thread that ends with it.

use std::io;
use std::thread::JoinHandle;

/// Where work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// Beside the writer.
    Beside,
    /// By the writer itself, between two groups: every change of the disk then has its place in one order.
    InLine,
}

/// The outcome of a piece of work, now or later.
#[derive(Debug)]
pub enum Ticket<T> {
    /// It is being done.
    Running(JoinHandle<io::Result<T>>),
    /// It was done at once.
    Done(io::Result<T>),
}

impl Ahead {
    /// Starts a piece of work.
    pub fn start<T: Send + 'static>(
        self,
        name: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Ticket<T> {
        match self {
            Self::InLine => Ticket::Done(work()),
            Self::Beside => {
                let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
                // Without a thread the work is left undone, which its caller can live with as with a full disk.
                started.map_or_else(|error| Ticket::Done(Err(error)), Ticket::Running)
            }
        }
    }
}

impl<T> Ticket<T> {
    /// Whether [`Self::wait`] returns at once.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Running(thread) => thread.is_finished(),
            Self::Done(_) => true,
        }
    }

    /// The outcome, when it is there.
    pub fn wait(self) -> io::Result<T> {
        match self {
            Self::Running(thread) => {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that did it panicked")))
            }
            Self::Done(outcome) => outcome,
        }
    }
}
