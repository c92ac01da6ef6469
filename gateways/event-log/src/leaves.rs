//! Hashes of leaves, made by whoever has time for them: of all that is done with a commit, hashing takes most, and the scan
//! of a segment is not to wait for one processor while another has nothing to do. Their order is that of the commits.

use crate::frame::payload::leaf_of;
use crate::tree::{self, Block, Hash, LANES_MIN, Lanes};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stele_domain::port::event_log::Position;

/// Payloads that are hashed in one go, in bytes: 256 KiB. What is shorter is hashed where it was read.
const BATCH_BYTES: usize = 256 * 1024;

/// Hashes that are handed over together, where leaves are hashed as they come.
const BATCH_HASHES: usize = 512;

/// Batches of one segment that may be on their way: 1 MiB of payloads.
const ON_THE_WAY_MAX: usize = 4;

/// Batches whose memory is kept for the next ones: 4 MiB.
const SPARE_MAX: usize = 16;

/// Threads that hash, started when there is enough to hash. They end when this is dropped.
#[derive(Default)]
pub struct Hashers {
    jobs: OnceLock<Option<SyncSender<Job>>>,
    /// Memory of batches that are done with.
    spare: Mutex<Vec<Batch>>,
    /// Who reads a segment and adds its leaves.
    reading: AtomicUsize,
    processors: OnceLock<usize>,
}

/// Some leaves one after the other, and where they go when they are hashed.
struct Job {
    batch: Batch,
    done: SyncSender<Batch>,
}

/// Leaves, and their hashes once they are there.
#[derive(Default)]
pub struct Batch {
    /// Leaves as the blocks that are hashed.
    bytes: Vec<u8>,
    leaves: Ends,
    hashes: Vec<Hash>,
}

/// Where leaves end.
enum Ends {
    /// In blocks, each of them.
    Blocks(Vec<usize>),
    /// In payloads that somebody else has, too: the position of each one's first record, and where its payload ends.
    Payloads(Arc<Vec<u8>>, Vec<(u64, usize)>),
}

impl Default for Ends {
    fn default() -> Self {
        Self::Blocks(vec![])
    }
}

impl Batch {
    /// Leaves whose payloads lie one after the other, each with the position of its first record and the end of its
    /// payload.
    pub fn of(payloads: Arc<Vec<u8>>, leaves: Vec<(u64, usize)>) -> Self {
        Self { leaves: Ends::Payloads(payloads, leaves), ..Self::default() }
    }

    /// The hashes, once they are there.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf to those that are there as blocks.
    fn add(&mut self, first: u64, payload: &[u8]) {
        if let Ends::Blocks(ends) = &mut self.leaves {
            tree::put_leaf_blocks(&mut self.bytes, &[&first.to_le_bytes(), payload]);
            ends.push(self.bytes.len());
        }
    }

    /// Hashes them here. Payloads that somebody else has, too, are given back to them.
    pub fn hash(&mut self) {
        let (payloads, ends) = match std::mem::take(&mut self.leaves) {
            Ends::Blocks(ends) => {
                let leaves = each(&self.bytes, ends.iter().copied());
                let leaves: Vec<&[Block]> = leaves.map(|leaf| leaf.as_chunks().0).collect();
                Lanes::here().hash(&leaves, &mut self.hashes);
                self.leaves = Ends::Blocks(ends);
                return;
            }
            Ends::Payloads(payloads, ends) => (payloads, ends),
        };
        let bytes = payloads.len();
        let payloads = each(&payloads, ends.iter().map(|(_, end)| *end));
        let leaves = ends.iter().map(|(first, _)| *first).zip(payloads);
        if Lanes::here().hold(ends.len()) {
            let mut blocks = Self::default();
            blocks.bytes.reserve(bytes + 2 * tree::SHA_BLOCK_BYTES * ends.len());
            leaves.for_each(|(first, payload)| blocks.add(first, payload));
            blocks.hash();
            self.hashes.append(&mut blocks.hashes);
        } else {
            self.hashes.extend(leaves.map(|(first, payload)| leaf_of(Position(first), payload)));
        }
    }

    /// The memory of it, for leaves as blocks.
    fn cleared(mut self) -> Self {
        self.bytes.clear();
        self.hashes.clear();
        let ends = match self.leaves {
            Ends::Blocks(mut ends) => {
                ends.clear();
                ends
            }
            Ends::Payloads(..) => vec![],
        };
        Self { leaves: Ends::Blocks(ends), ..self }
    }
}

/// What lies one after the other in `bytes`.
fn each(bytes: &[u8], ends: impl Iterator<Item = usize>) -> impl Iterator<Item = &[u8]> {
    ends.scan(0, |begin, end| Some(bytes.get(std::mem::replace(begin, end)..end).unwrap_or_default()))
}

impl Hashers {
    /// Hands leaves to another thread, or hashes them here when all are busy or there is none.
    fn begin(&self, mut batch: Batch) -> OnTheWay {
        if let Some(jobs) = self.jobs.get_or_init(start) {
            let (done, told) = sync_channel(1);
            match jobs.try_send(Job { batch, done }) {
                Ok(()) => return OnTheWay::There(told),
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => batch = job.batch,
            }
        }
        batch.hash();
        OnTheWay::Here(batch)
    }

    /// Whether a processor has nothing else to do.
    fn has_time(&self) -> bool {
        self.reading.load(Ordering::Relaxed) < *self.processors.get_or_init(processors)
    }

    fn spare(&self) -> Batch {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn keep(&self, batch: Batch) {
        let batch = batch.cleared();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX && batch.bytes.capacity() <= 2 * BATCH_BYTES {
            spare.push(batch);
        }
    }
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.hashers.reading.fetch_sub(1, Ordering::Relaxed);
        self.hashers.keep(std::mem::take(&mut self.open));
    }
}

/// Starts a thread for each processor; none where there is a single one.
fn start() -> Option<SyncSender<Job>> {
    let threads = processors();
    if threads < 2 {
        return None;
    }
    let (jobs, asked) = sync_channel::<Job>(threads);
    let asked = Arc::new(Mutex::new(asked));
    for _ in 0..threads {
        let asked = Arc::clone(&asked);
        let work = move || {
            loop {
                let job = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Job { mut batch, done }) = job else { break };
                batch.hash();
                // Whoever asked may have found damage and gone.
                drop(done.send(batch));
            }
        };
        // With fewer threads whoever asks does more of it.
        drop(std::thread::Builder::new().name("stele-log-hash".to_owned()).spawn(work));
    }
    Some(jobs)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A batch that is being hashed, or has been.
enum OnTheWay {
    /// It has been.
    Here(Batch),
    /// By another thread.
    There(Receiver<Batch>),
}

impl OnTheWay {
    /// The batch with its hashes.
    ///
    /// # Panics
    ///
    /// When the thread that hashed it did.
    fn finish(self) -> Batch {
        match self {
            Self::Here(batch) => batch,
            Self::There(told) => {
                let told = told.recv();
                assert!(told.is_ok(), "a thread that hashes leaves has ended before its work was done");
                told.unwrap_or_default()
            }
        }
    }
}

/// The leaves of one segment.
pub struct Leaves<'a> {
    hashers: &'a Hashers,
    open: Batch,
    on_the_way: VecDeque<OnTheWay>,
}

impl<'a> Leaves<'a> {
    /// None yet.
    pub fn new(hashers: &'a Hashers) -> Self {
        hashers.reading.fetch_add(1, Ordering::Relaxed);
        Self { hashers, open: hashers.spare(), on_the_way: VecDeque::new() }
    }

    /// Adds the leaf of the next commit. It is hashed here and now where every processor has a segment to read, unless it is
    /// short enough to be hashed at once with many others.
    pub fn add(&mut self, first: u64, payload: &[u8]) {
        let with_others = Lanes::here().are_there() && payload.len() <= BATCH_BYTES / LANES_MIN;
        let later = with_others || self.hashers.has_time();
        if later || !self.open.bytes.is_empty() {
            self.open.add(first, payload);
        } else {
            self.open.hashes.push(tree::leaf_hash_in_place(first.to_le_bytes(), payload));
        }
    }

    /// Hands over hashes that there are, in order, when enough leaves have come to wait for them.
    ///
    /// # Errors
    ///
    /// The first that `each` says.
    pub fn settle<E>(&mut self, each: impl FnMut(Hash) -> Result<(), E>) -> Result<(), E> {
        if self.open.bytes.len() < BATCH_BYTES && self.open.hashes.len() < BATCH_HASHES {
            return Ok(());
        }
        let begun = if !self.open.bytes.is_empty() && self.hashers.has_time() {
            let next = self.hashers.spare();
            self.hashers.begin(std::mem::replace(&mut self.open, next))
        } else if self.on_the_way.is_empty() {
            return self.hash_open(each);
        } else {
            // Hashes wait for those before them, their leaves don't.
            let mut hashes = vec![];
            let Ok(()) = self.hash_open(|hash| {
                hashes.push(hash);
                Ok::<_, Infallible>(())
            });
            OnTheWay::Here(Batch { hashes, ..Batch::default() })
        };
        self.on_the_way.push_back(begun);
        if self.on_the_way.len() > ON_THE_WAY_MAX { self.take_oldest(each) } else { Ok(()) }
    }

    /// Hands over the hashes of all leaves, in order.
    ///
    /// # Errors
    ///
    /// The first that `each` says.
    pub fn finish<E>(&mut self, mut each: impl FnMut(Hash) -> Result<(), E>) -> Result<(), E> {
        while !self.on_the_way.is_empty() {
            self.take_oldest(&mut each)?;
        }
        self.hash_open(each)
    }

    /// Hashes what is there, here and now.
    fn hash_open<E>(&mut self, each: impl FnMut(Hash) -> Result<(), E>) -> Result<(), E> {
        self.open.hash();
        let taken = self.open.hashes.drain(..).try_for_each(each);
        self.open = std::mem::take(&mut self.open).cleared();
        taken
    }

    fn take_oldest<E>(&mut self, each: impl FnMut(Hash) -> Result<(), E>) -> Result<(), E> {
        let Some(oldest) = self.on_the_way.pop_front() else { return Ok(()) };
        let mut batch = oldest.finish();
        let taken = batch.hashes.drain(..).try_for_each(each);
        self.hashers.keep(batch);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES, Batch, Hashers, Leaves};
    use crate::frame::payload::leaf_of;
    use std::sync::Arc;
    use stele_domain::port::event_log::Position;

    #[test]
    fn hashes_come_in_the_order_of_their_leaves_however_many_there_are() {
        let hashers = Hashers::default();
        for count in [0_usize, 1, 3, 20, 200] {
            let mut leaves = Leaves::new(&hashers);
            let mut taken = vec![];
            let payload = |nth: usize| vec![u8::try_from(nth % 251).unwrap(); BATCH_BYTES / 5 + nth];
            let mut expected = vec![];
            for nth in 0..count {
                let first = u64::try_from(nth).unwrap() * 3 + 1;
                leaves.add(first, &payload(nth));
                expected.push(leaf_of(Position(first), &payload(nth)));
                let settled: Result<(), ()> = leaves.settle(|hash| {
                    taken.push(hash);
                    Ok(())
                });
                assert_eq!(settled, Ok(()));
            }
            let finished: Result<(), ()> = leaves.finish(|hash| {
                taken.push(hash);
                Ok(())
            });
            assert_eq!((finished, taken), (Ok(()), expected), "{count} leaves");
        }
    }

    #[test]
    fn a_leaf_of_any_length_has_the_hash_that_it_has_by_itself() {
        for length in 0..300 {
            let payload = vec![b'p'; length];
            let mut batch = Batch::default();
            batch.add(7, &payload);
            batch.add(8, &payload);
            batch.hash();
            assert_eq!(batch.hashes(), [leaf_of(Position(7), &payload), leaf_of(Position(8), &payload)]);
            let in_place = crate::tree::leaf_hash_in_place(9_u64.to_le_bytes(), &payload);
            assert_eq!(in_place, leaf_of(Position(9), &payload), "{length} bytes");
        }
    }

    #[test]
    fn leaves_that_are_hashed_from_their_payloads_have_the_hashes_that_each_has_by_itself() {
        for count in 0..40 {
            let (mut payloads, mut ends, mut each) = (vec![], vec![], vec![]);
            for nth in 0..count {
                let payload = vec![u8::try_from(nth).unwrap(); 40 + nth * 17 % 200];
                let first = u64::try_from(nth).unwrap() * 2 + 1;
                payloads.extend_from_slice(&payload);
                ends.push((first, payloads.len()));
                each.push(leaf_of(Position(first), &payload));
            }
            let mut batch = Batch::of(Arc::new(payloads), ends);
            batch.hash();
            assert_eq!(batch.hashes(), each, "{count} leaves");
        }
    }

    #[test]
    fn the_order_stays_when_a_processor_gets_time_in_the_middle_and_loses_it_again() {
        let hashers = Hashers::default();
        let payload = |nth: u64| vec![u8::try_from(nth % 251).unwrap(); 3_000];
        let mut leaves = Leaves::new(&hashers);
        let (mut taken, mut busy) = (vec![], vec![]);
        for nth in 0..3_000 {
            match nth % 1_000 {
                // Every processor has something to read from here on.
                100 => busy = (0..super::processors()).map(|_| Leaves::new(&hashers)).collect(),
                700 => busy.clear(),
                _ => {}
            }
            assert_eq!(hashers.has_time(), busy.is_empty() && super::processors() > 1);
            leaves.add(nth, &payload(nth));
            let settled: Result<(), ()> = leaves.settle(|hash| {
                taken.push(hash);
                Ok(())
            });
            assert_eq!(settled, Ok(()));
        }
        let finished: Result<(), ()> = leaves.finish(|hash| {
            taken.push(hash);
            Ok(())
        });
        let expected: Vec<_> = (0..3_000).map(|nth| leaf_of(Position(nth), &payload(nth))).collect();
        assert!(finished.is_ok() && taken == expected, "{} leaves", taken.len());
    }

    #[test]
    fn the_first_error_is_handed_back_and_nothing_waits_for_the_rest() {
        let hashers = Hashers::default();
        let mut leaves = Leaves::new(&hashers);
        let mut seen = 0;
        let mut settled = Ok(());
        for nth in 0..200 {
            leaves.add(nth, &vec![7; BATCH_BYTES]);
            settled = leaves.settle(|_| {
                seen += 1;
                if seen == 3 { Err(nth) } else { Ok(()) }
            });
            if settled.is_err() {
                break;
            }
        }
        assert!(settled.is_err() && seen == 3, "{settled:?} after {seen}");
    }
}
