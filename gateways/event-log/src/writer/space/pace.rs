//! Zeros at the pace of the log: the disk writes one thing at a time, and a group that has to wait behind many
//! megabytes of zeros waits for long. So they are written in small pieces, each durable before the next, and as many of
//! them as there were commits.

use crate::format::{to_u64, to_usize};
use crate::storage::{StorageFile, write_all_at};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

/// Most zeros that are written and made durable at a time: 512 KiB. That long a group may have to wait.
const PIECE_BYTES: u64 = 512 * 1024;

/// As many are worth making durable by themselves: 128 KiB. A log that leaves the disk time for it has them in pieces of
/// this size, and its groups wait for less.
const PIECE_BYTES_MIN: u64 = 128 * 1024;

/// What the operating system writes at least, in bytes.
const PAGE_BYTES: u64 = 4_096;

/// Zeros for each byte of commits, in quarters: what has been asked for is there before it is needed.
const QUARTERS_PER_BYTE: u64 = 5;

/// How far zeros may go in a file.
#[derive(Debug)]
pub struct Pace {
    allowed: AtomicU64,
    ended: AtomicBool,
    /// Who writes them, once somebody does.
    zeroing: OnceLock<Thread>,
}

/// The pace of zeros from some offset on, as the log goes on from where it was. When this is dropped, they end.
#[derive(Debug)]
pub struct Paced {
    pace: Arc<Pace>,
    from: u64,
    begun_at: u64,
}

impl Paced {
    /// Zeros from `from` on, of a log whose last commit ends at `end`: a piece of them at once.
    pub fn new(from: u64, end: u64) -> Self {
        let allowed = AtomicU64::new(from + PIECE_BYTES);
        let pace = Pace { allowed, ended: AtomicBool::new(false), zeroing: OnceLock::new() };
        Self { pace: Arc::new(pace), from, begun_at: end }
    }

    /// What whoever writes the zeros keeps to.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// The log has gone on to `end`.
    pub fn gone_on_to(&self, end: u64) {
        let written = end.saturating_sub(self.begun_at);
        let allowed = self.from + PIECE_BYTES + written.saturating_mul(QUARTERS_PER_BYTE) / 4;
        // Not for every group: to wake a thread takes time.
        if allowed >= self.pace.allowed.load(Ordering::SeqCst).saturating_add(PIECE_BYTES_MIN) {
            self.pace.allow(allowed);
        }
    }

    /// All of them are needed now.
    pub fn hurry(&self) {
        self.pace.allow(u64::MAX);
    }

    /// No more of them are needed.
    pub fn end(&self) {
        self.pace.ended.store(true, Ordering::SeqCst);
        self.pace.wake();
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.end();
    }
}

impl Pace {
    fn allow(&self, to: u64) {
        self.allowed.store(to, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        // Who has not begun looks before it waits.
        if let Some(zeroing) = self.zeroing.get() {
            zeroing.unpark();
        }
    }

    /// Waits until there may be zeros at `at`; returns how many, or nothing when no more are needed.
    fn allows(&self, at: u64) -> Option<u64> {
        self.zeroing.get_or_init(thread::current);
        loop {
            if self.ended.load(Ordering::SeqCst) {
                return None;
            }
            // To the end of a page: one that is begun by a piece and ended by the next is written twice.
            let whole_pages = |end: u64| end - end % PAGE_BYTES;
            let allowed = whole_pages(self.allowed.load(Ordering::SeqCst));
            if at < allowed {
                return Some(whole_pages(at + (allowed - at).clamp(PIECE_BYTES_MIN, PIECE_BYTES)) - at);
            }
            thread::park();
        }
    }

    /// Writes zeros, durably; returns where they end, which is before `to` when no more were needed.
    pub fn zero(&self, file: &dyn StorageFile, from: u64, to: u64) -> io::Result<u64> {
        let zeros = vec![0; to_usize(PIECE_BYTES.min(to - from))];
        let mut at = from;
        while at < to
            && let Some(allowed) = self.allows(at)
        {
            let piece = zeros.get(..to_usize(allowed.min(to - at)).min(zeros.len())).unwrap_or_default();
            write_all_at(file, piece, at)?;
            file.sync()?;
            at += to_u64(piece.len());
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE_BYTES, PIECE_BYTES, PIECE_BYTES_MIN, Paced};
    use crate::simulated_disk::SimulatedDisk;
    use crate::storage::{Secrecy, Storage, StorageFile};
    use std::sync::Arc;
    use std::thread;

    fn file() -> Arc<dyn StorageFile> {
        SimulatedDisk::new().create("zeros", Secrecy::Shared).unwrap()
    }

    #[test]
    fn zeros_come_as_the_log_goes_on_and_end_when_no_more_are_needed() {
        let (file, to) = (file(), 16 * PIECE_BYTES);
        let paced = Paced::new(0, 1_000);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 0, to))
        };
        paced.gone_on_to(1_000 + 4 * PIECE_BYTES);
        while file.len().unwrap() < 6 * PIECE_BYTES {
            thread::yield_now();
        }
        paced.end();
        let end = zeroing.join().unwrap().unwrap();
        assert_eq!((end, file.len().unwrap()), (6 * PIECE_BYTES, 6 * PIECE_BYTES));
    }

    #[test]
    fn a_slow_log_has_its_zeros_in_small_pieces_that_end_where_pages_do() {
        let (disk, to) = (SimulatedDisk::new(), 64 * PIECE_BYTES);
        let file = disk.create("zeros", Secrecy::Shared).unwrap();
        let paced = Paced::new(100, 0);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 100, to))
        };
        let (mut before, mut end) = (0, 0);
        for written in 0..40 {
            // What may be zero by now is zero before more may be.
            let allowed = paced.pace.allowed.load(std::sync::atomic::Ordering::SeqCst);
            while file.len().unwrap() + PAGE_BYTES < allowed {
                thread::yield_now();
            }
            let len = file.len().unwrap();
            assert_eq!(len % PAGE_BYTES, 0);
            assert!(written < 2 || len - before < 2 * PIECE_BYTES_MIN, "{} in one go", len - before);
            before = len;
            end += 37_777;
            paced.gone_on_to(end);
        }
        assert!(before > 10 * PIECE_BYTES_MIN);
        drop(paced);
        assert_eq!(zeroing.join().unwrap().unwrap() % PAGE_BYTES, 0);
    }

    #[test]
    fn zeros_that_are_needed_now_are_all_there() {
        let (file, to) = (file(), 4 * PIECE_BYTES + 7);
        let paced = Paced::new(5, 0);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 5, to))
        };
        paced.hurry();
        assert_eq!(zeroing.join().unwrap().unwrap(), to);
        assert_eq!(file.len().unwrap(), to);
    }

    #[test]
    fn nobody_waits_for_a_log_that_is_gone() {
        let (file, paced) = (file(), Paced::new(0, 0));
        let pace = paced.pace();
        let zeroing = thread::spawn(move || pace.zero(&*file, 0, 64 * PIECE_BYTES));
        drop(paced);
        assert!(zeroing.join().unwrap().unwrap() <= PIECE_BYTES);
    }
}
