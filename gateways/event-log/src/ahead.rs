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

/// The outcome of a piece of work, now or later. Whoever drops it waits for the work all the same: a thread that outlives
/// its writer would write in a directory that may be somebody else's by then.
#[derive(Debug)]
pub struct Ticket<T>(Work<T>);

/// Where a piece of work is.
#[derive(Debug)]
enum Work<T> {
    /// It is being done.
    Running(Running<T>),
    /// It was done at once.
    Done(io::Result<T>),
}

/// A thread that is waited for whatever happens.
#[derive(Debug)]
struct Running<T>(Option<JoinHandle<io::Result<T>>>);

impl<T> Running<T> {
    fn is_done(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&mut self) -> io::Result<T> {
        let joined = self.0.take().and_then(|thread| thread.join().ok());
        joined.unwrap_or_else(|| Err(io::Error::other("the thread that did it panicked")))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        // What it has come to is of no interest to anybody any more.
        drop(self.wait());
    }
}

impl Ahead {
    /// Starts a piece of work.
    pub fn start<T: Send + 'static>(
        self,
        name: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Ticket<T> {
        match self {
            Self::InLine => Ticket(Work::Done(work())),
            Self::Beside => {
                let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
                // Without a thread the work is left undone, which its caller can live with as with a full disk.
                Ticket(started.map_or_else(
                    |error| Work::Done(Err(error)),
                    |thread| Work::Running(Running(Some(thread))),
                ))
            }
        }
    }
}

impl<T> Ticket<T> {
    /// Whether [`Self::wait`] returns at once.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Work::Running(running) => running.is_done(),
            Work::Done(_) => true,
        }
    }

    /// The outcome, when it is there.
    pub fn wait(self) -> io::Result<T> {
        match self.0 {
            Work::Running(mut running) => running.wait(),
            Work::Done(outcome) => outcome,
        }
    }
}
