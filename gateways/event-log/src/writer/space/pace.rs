//! Zeros at the pace of the log: the disk writes one thing at a time, and a group that has to wait behind many
//! megabytes of zeros waits for long. So they are written in small pieces, each durable before the next, and as many of
//! them as there were commits.

use crate::format::{to_u64, to_usize};
use crate::storage::{StorageFile, write_all_at};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Most zeros that are written and made durable at a time: 512 KiB. That long a group may have to wait.
const PIECE_BYTES: u64 = 512 * 1024;

/// As many are worth making durable by themselves: 128 KiB. A log that leaves the disk time for it has them in pieces of
/// this size, and its groups wait for less.
const PIECE_BYTES_MIN: u64 = 128 * 1024;

/// What the operating system writes at least, in bytes.
const PAGE_BYTES: u64 = 4_096;

/// Zeros for each byte of commits, in quarters: what has been asked for is there before it is needed.
const QUARTERS_PER_BYTE: u64 = 5;

/// How long a log has to have written little before it is calm. Not shorter: where all processors are busy, a thread that
/// is woken only to look takes the writer's place for a turn of the scheduler.
const CALM_AFTER: Duration = Duration::from_millis(200);

/// Most that a log that is calm writes in that time: 1 MiB.
const CALM_BYTES_MAX: u64 = 1024 * 1024;

/// When zeros are written that the log has not asked for by going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    /// Never.
    Never,
    /// While the log is calm.
    WhileCalm,
}

/// How far zeros may go in a file.
#[derive(Debug)]
pub struct Pace {
    allowed: AtomicU64,
    /// How far they have come.
    reached: AtomicU64,
    ended: AtomicBool,
    spare: Spare,
    /// Where the log is.
    log_at: AtomicU64,
    /// Where it was when zeros were last written because it was calm.
    calm_at: AtomicU64,
    /// Who writes them, once somebody does.
    zeroing: OnceLock<Thread>,
}

/// The pace of zeros from some offset on, as the log goes on from where it was. When this is dropped, they end.
#[derive(Debug)]
pub struct Paced {
    pace: Arc<Pace>,
    /// Zeros that the log has asked for by going on.
    asked: AtomicU64,
}

impl Paced {
    /// Zeros from `from` on, of a log whose last commit ends at `end`: a piece of them at once.
    pub fn new(from: u64, end: u64, spare: Spare) -> Self {
        let pace = Pace {
            allowed: AtomicU64::new(from + PIECE_BYTES),
            reached: AtomicU64::new(from),
            ended: AtomicBool::new(false),
            spare,
            log_at: AtomicU64::new(end),
            calm_at: AtomicU64::new(u64::MAX),
            zeroing: OnceLock::new(),
        };
        Self { pace: Arc::new(pace), asked: AtomicU64::new(from + PIECE_BYTES) }
    }

    /// What whoever writes the zeros keeps to.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// The log has gone on to `end`, and there is room enough for a while.
    pub fn passed(&self, end: u64) {
        self.pace.log_at.store(end, Ordering::Relaxed);
    }

    /// The log has gone on to `end`: there are to be more zeros by as much, and a quarter.
    pub fn gone_on_to(&self, end: u64) {
        let written = end.saturating_sub(self.pace.log_at.swap(end, Ordering::Relaxed));
        let so_far = self.asked.load(Ordering::Relaxed).max(self.pace.reached.load(Ordering::Relaxed));
        let asked = so_far + written.saturating_mul(QUARTERS_PER_BYTE) / 4;
        self.asked.store(asked, Ordering::Relaxed);
        // Not for every group: to wake a thread takes time.
        if asked >= self.pace.allowed.load(Ordering::SeqCst).saturating_add(PIECE_BYTES_MIN) {
            self.pace.allow(asked);
        }
    }

    /// All of them are needed now.
    pub fn hurry(&self) {
        self.pace.allow(u64::MAX);
    }

    /// Those before `to` are needed now.
    pub fn hurry_to(&self, to: u64) {
        let to = to.checked_next_multiple_of(PAGE_BYTES).unwrap_or(u64::MAX);
        if to > self.pace.allowed.load(Ordering::SeqCst) {
            self.pace.allow(to);
        }
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
        fence(Ordering::SeqCst);
        if let Some(zeroing) = self.zeroing.get() {
            zeroing.unpark();
        }
    }

    /// Waits until there may be zeros at `at`; returns how many, or nothing when no more are needed.
    fn allows(&self, at: u64) -> Option<u64> {
        self.zeroing.get_or_init(thread::current);
        // Who allows more either finds this thread to wake, or is heard by it.
        fence(Ordering::SeqCst);
        self.reached.store(at, Ordering::Relaxed);
        // To the end of a page: one that is begun by a piece and ended by the next is written twice.
        let whole_pages = |end: u64| end - end % PAGE_BYTES;
        loop {
            if self.ended.load(Ordering::SeqCst) {
                return None;
            }
            let allowed = whole_pages(self.allowed.load(Ordering::SeqCst));
            if at < allowed {
                return Some(whole_pages(at + (allowed - at).clamp(PIECE_BYTES_MIN, PIECE_BYTES)) - at);
            }
            match self.spare {
                Spare::Never => thread::park(),
                Spare::WhileCalm => {
                    if let Some(bytes) = self.calm() {
                        return Some(whole_pages(at + bytes) - at);
                    }
                }
            }
        }
    }

    /// How many zeros may be written because the log is calm. Waits for a moment, unless nothing was written since the
    /// last ones.
    fn calm(&self) -> Option<u64> {
        let before = self.log_at.load(Ordering::Relaxed);
        if before == self.calm_at.load(Ordering::Relaxed) {
            return Some(PIECE_BYTES);
        }
        let begun = Instant::now();
        thread::park_timeout(CALM_AFTER);
        if begun.elapsed() < CALM_AFTER {
            // It was woken: more zeros may have been allowed, or none are needed any more.
            return None;
        }
        let now = self.log_at.load(Ordering::Relaxed);
        let calm = now.saturating_sub(before) <= CALM_BYTES_MAX;
        // From here on nothing needs to be waited for until the log goes on.
        self.calm_at.store(if calm { now } else { u64::MAX }, Ordering::Relaxed);
        calm.then_some(PIECE_BYTES)
    }

    /// Writes zeros, durably; returns where they end, which is before the end when no more were needed. `before` of them
    /// stand in other files.
    pub fn zero(&self, file: &dyn StorageFile, range: Range<u64>, before: u64) -> io::Result<u64> {
        let zeros = vec![0; to_usize(PIECE_BYTES.min(range.end - range.start))];
        let mut at = range.start;
        while at < range.end
            && let Some(allowed) = self.allows(before + at)
        {
            let piece = to_usize(allowed.min(range.end - at)).min(zeros.len());
            let piece = zeros.get(..piece).unwrap_or_default();
            write_all_at(file, piece, at)?;
            file.sync()?;
            at += to_u64(piece.len());
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{CALM_AFTER, CALM_BYTES_MAX, PAGE_BYTES, PIECE_BYTES, PIECE_BYTES_MIN, Paced, Spare};
    use crate::simulated_disk::SimulatedDisk;
    use crate::storage::{Secrecy, Storage, StorageFile};
    use std::sync::Arc;
    use std::thread;
    use std::time::Instant;

    fn file() -> Arc<dyn StorageFile> {
        SimulatedDisk::new().create("zeros", Secrecy::Shared).unwrap()
    }

    #[test]
    fn zeros_come_as_the_log_goes_on_and_end_when_no_more_are_needed() {
        let (file, to) = (file(), 16 * PIECE_BYTES);
        let paced = Paced::new(0, 1_000, Spare::Never);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 0..to, 0))
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
        let paced = Paced::new(100, 0, Spare::Never);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 100..to, 0))
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
        let paced = Paced::new(5, 0, Spare::Never);
        let pace = paced.pace();
        let zeroing = {
            let file = Arc::clone(&file);
            thread::spawn(move || pace.zero(&*file, 5..to, 0))
        };
        paced.hurry();
        assert_eq!(zeroing.join().unwrap().unwrap(), to);
        assert_eq!(file.len().unwrap(), to);
    }

    #[test]
    fn a_calm_log_gets_all_its_zeros_and_a_busy_one_only_those_that_it_asks_for() {
        let to = 64 * PIECE_BYTES;
        let paced = Paced::new(0, 0, Spare::WhileCalm);
        let (pace, zeros) = (paced.pace(), file());
        let calm = thread::spawn(move || pace.zero(&*zeros, 0..to, 0));
        assert_eq!(calm.join().unwrap().unwrap(), to);

        let paced = Paced::new(0, 0, Spare::WhileCalm);
        let (pace, zeros) = (paced.pace(), file());
        let busy = {
            let zeros = Arc::clone(&zeros);
            thread::spawn(move || pace.zero(&*zeros, 0..to, 0))
        };
        // As many looks as it takes for a busy log to have been taken for calm.
        let begun = Instant::now();
        let mut end = 0;
        while begun.elapsed() < 5 * CALM_AFTER {
            end += CALM_BYTES_MAX;
            paced.passed(end);
            thread::yield_now();
        }
        // Its first piece does not depend on anything; another is for a machine that let nobody write for so long.
        assert!(zeros.len().unwrap() <= 2 * PIECE_BYTES);
        paced.hurry_to(4 * PIECE_BYTES - 1);
        while zeros.len().unwrap() < 4 * PIECE_BYTES {
            assert!(begun.elapsed() < 100 * CALM_AFTER, "zeros that are needed do not come");
            end += CALM_BYTES_MAX;
            paced.passed(end);
        }
        paced.end();
        assert!(busy.join().unwrap().unwrap() <= 5 * PIECE_BYTES);
    }

    #[test]
    fn nobody_waits_for_a_log_that_is_gone() {
        let (file, paced) = (file(), Paced::new(0, 0, Spare::Never));
        let pace = paced.pace();
        let zeroing = thread::spawn(move || pace.zero(&*file, 0..64 * PIECE_BYTES, 0));
        drop(paced);
        assert!(zeroing.join().unwrap().unwrap() <= PIECE_BYTES);
    }
}
