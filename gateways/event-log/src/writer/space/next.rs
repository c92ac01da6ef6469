//! The files that the next segments will be: zeros, made before they are needed and kept until they are.

use super::pace::Paced;
use crate::ahead::{Ahead, Ticket};
use crate::format::prepared_file;
use crate::observe;
use crate::storage::{Secrecy, Storage, StorageFile, remove_if_there};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A file of zeros, as long as a segment.
pub struct Prepared {
    /// What it is called until it is a segment.
    pub name: String,
    /// The file.
    pub file: Arc<dyn StorageFile>,
}

/// The files that are there, and those on their way.
pub struct Next {
    storage: Arc<dyn Storage>,
    ahead: Ahead,
    segment_bytes: u64,
    ready: VecDeque<Prepared>,
    preparing: Option<Preparing>,
    /// One could not be made; it is tried again with the next segment.
    refused: bool,
    /// Bytes of the files that are there.
    bytes: Arc<AtomicU64>,
}

/// Files on their way, one after the other. Dropped, their pace ends them before their ticket waits for them.
struct Preparing {
    paced: Paced,
    /// What they are to be called: until nothing is asked for any more.
    asked: Sender<String>,
    /// Those that have not been taken note of.
    pending: VecDeque<String>,
    made: Receiver<Prepared>,
    /// How many of them have been taken note of.
    count: u64,
    ticket: Ticket<()>,
}

impl Next {
    /// None yet. `bytes` tells how many bytes of them there are.
    pub fn new(storage: Arc<dyn Storage>, ahead: Ahead, segment_bytes: u64, bytes: Arc<AtomicU64>) -> Self {
        let (ready, preparing, refused) = (VecDeque::new(), None, false);
        Self { storage, ahead, segment_bytes, ready, preparing, refused, bytes }
    }

    /// Bytes of those that are known to be there.
    pub fn standing(&self) -> u64 {
        self.segment_bytes.saturating_mul(u64::try_from(self.ready.len()).unwrap_or(u64::MAX))
    }

    /// How many of them there are, or will be without any more being asked for.
    pub fn look_ahead(&mut self) -> usize {
        self.take_note();
        let pending = self.preparing.as_ref().map_or(0, |preparing| preparing.pending.len());
        if self.refused { usize::MAX } else { self.ready.len() + pending }
    }

    /// The pace of those on their way.
    pub fn pace(&self) -> Option<&Paced> {
        self.preparing.as_ref().map(|preparing| &preparing.paced)
    }

    /// The first of them, once it is whole; `None` when none is on its way.
    pub fn take(&mut self) -> Option<Prepared> {
        self.take_note();
        if self.ready.is_empty()
            && let Some(preparing) = &mut self.preparing
        {
            preparing.paced.hurry_to(self.segment_bytes.saturating_mul(preparing.count + 1));
            match preparing.made.recv() {
                Ok(made) => self.ready.push_back(preparing.note(made)),
                Err(_) => self.ended(),
            }
        }
        let taken = self.ready.pop_front()?;
        self.bytes.fetch_sub(self.segment_bytes, Ordering::Relaxed);
        Some(taken)
    }

    /// A segment has begun: what could not be made before may be made now.
    pub fn try_again(&mut self) {
        self.refused = false;
    }

    /// Whether there are any, or will be.
    pub fn is_any(&self) -> bool {
        self.preparing.is_some() || !self.ready.is_empty()
    }

    /// Takes all of them back: there is no room, or no need.
    pub fn drop_all(&mut self) -> io::Result<()> {
        self.refused = true;
        if let Some(Preparing { paced, made, ticket, .. }) = self.preparing.take() {
            paced.end();
            // A part of a file has removed itself.
            drop(ticket.wait());
            self.ready.extend(made.try_iter());
        }
        let mut removed = Ok(());
        for Prepared { name, .. } in self.ready.drain(..) {
            self.bytes.fetch_sub(self.segment_bytes, Ordering::Relaxed);
            removed = removed.and(remove_if_there(&*self.storage, &name));
        }
        removed
    }

    /// Takes note of those that have been made.
    fn take_note(&mut self) {
        let Some(preparing) = &mut self.preparing else { return };
        let ended = preparing.ticket.is_done();
        while let Ok(made) = preparing.made.try_recv() {
            self.ready.push_back(preparing.note(made));
        }
        if ended {
            self.ended();
        }
    }

    /// Nothing is on its way any more.
    fn ended(&mut self) {
        let Some(preparing) = self.preparing.take() else { return };
        if let Err(error) = preparing.ticket.wait() {
            // Without it the segment begins in a file that grows.
            observe::not_prepared(&self.storage.describe(), &error);
            self.refused = true;
        }
    }

    /// Has `count` more of them made: as `paced` says, where none are on their way yet.
    pub fn prepare(&mut self, count: usize, paced: Paced) {
        let mut taken =
            self.preparing.as_ref().map(|preparing| preparing.pending.clone()).unwrap_or_default();
        taken.extend(self.ready.iter().map(|ready| ready.name.clone()));
        let names: Vec<_> =
            (0..).map(prepared_file).filter(|name| !taken.contains(name)).take(count).collect();
        if let Some(preparing) = &mut self.preparing {
            return preparing.ask(names);
        }
        let ((asked, names_asked), (tell, made)) = (channel(), channel());
        for name in &names {
            // Nobody has received them yet.
            drop(asked.send(name.clone()));
        }
        let files = Files {
            storage: Arc::clone(&self.storage),
            segment_bytes: self.segment_bytes,
            bytes: Arc::clone(&self.bytes),
            tell,
        };
        let pace = paced.pace();
        let ticket = self.ahead.start("stele-log-next", move || {
            let mut before = 0;
            while let Ok(name) = names_asked.try_recv() {
                files.make(name, |file, to| pace.zero(file, 0..to, before))?;
                before += files.segment_bytes;
            }
            Ok(())
        });
        self.preparing = Some(Preparing { paced, asked, pending: names.into(), made, count: 0, ticket });
        if self.ahead == Ahead::InLine {
            self.take_note();
        }
    }
}

impl Preparing {
    /// Asks for more of them.
    fn ask(&mut self, names: Vec<String>) {
        for name in names {
            // Whoever makes them may end just now: what is pending then is asked for again.
            if self.asked.send(name.clone()).is_ok() {
                self.pending.push_back(name);
            }
        }
    }

    /// One has been made.
    fn note(&mut self, made: Prepared) -> Prepared {
        self.count += 1;
        self.pending.pop_front();
        made
    }
}

/// What whoever makes the files needs.
struct Files {
    storage: Arc<dyn Storage>,
    segment_bytes: u64,
    bytes: Arc<AtomicU64>,
    tell: Sender<Prepared>,
}

impl Files {
    /// Makes one, or leaves nothing behind.
    fn make(
        &self,
        name: String,
        zero: impl FnOnce(&dyn StorageFile, u64) -> io::Result<u64>,
    ) -> io::Result<()> {
        // One that could not be removed when it was to be must not be in the way of every one after it.
        remove_if_there(&*self.storage, &name)?;
        let file = self.storage.create(&name, Secrecy::Shared)?;
        let unfinished = match zero(&*file, self.segment_bytes) {
            Ok(zeroed) if zeroed == self.segment_bytes => {
                self.bytes.fetch_add(self.segment_bytes, Ordering::Relaxed);
                // Whoever asked may be gone; whoever opens the log next removes it.
                drop(self.tell.send(Prepared { name, file }));
                return Ok(());
            }
            Ok(_) => io::ErrorKind::Interrupted.into(),
            Err(error) => error,
        };
        self.storage.remove(&name)?;
        Err(unfinished)
    }
}
