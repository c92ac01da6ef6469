//! How far a scan is, for somebody who waits for its end.

use crate::storage::{Access, Storage, StorageFile};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Somebody is told again after so many bytes of a segment: 4 MiB.
const TOLD_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// Whoever waits: told how many bytes of segments are done with, and how many there are.
pub struct Watch<'a> {
    tell: &'a (dyn Fn(u64, u64) + Sync),
    done: AtomicU64,
    total: AtomicU64,
}

impl<'a> Watch<'a> {
    /// Has `tell` told, by whichever thread gets on.
    pub fn new(tell: &'a (dyn Fn(u64, u64) + Sync)) -> Self {
        Self { tell, done: AtomicU64::new(0), total: AtomicU64::new(0) }
    }

    /// Counts what there is to do. A file that can't be measured is for the scan to name.
    pub(super) fn begin(&self, storage: &dyn Storage, names: &[String]) {
        let len = |name: &String| storage.open(name, Access::Read).and_then(|file| file.len()).unwrap_or(0);
        self.total.store(names.iter().map(len).sum(), Ordering::Relaxed);
        self.add(0);
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // A file may have grown since it was measured.
        let total = self.total.load(Ordering::Relaxed).max(done);
        (self.tell)(done, total);
    }
}

/// What has been told of one segment.
pub(super) struct Told<'w> {
    watch: Option<&'w Watch<'w>>,
    bytes: u64,
}

impl<'w> Told<'w> {
    /// Nothing yet.
    pub(super) fn new(watch: Option<&'w Watch<'w>>) -> Self {
        Self { watch, bytes: 0 }
    }

    /// The segment is done with up to this offset.
    pub(super) fn up_to(&mut self, offset: u64) {
        if let Some(watch) = self.watch
            && offset >= self.bytes + TOLD_EVERY_BYTES
        {
            watch.add(offset - self.bytes);
            self.bytes = offset;
        }
    }

    /// All of the segment is done with, the zeros behind its last commit included.
    pub(super) fn whole(self, file: &Arc<dyn StorageFile>) {
        if let Some(watch) = self.watch {
            watch.add(file.len().unwrap_or(self.bytes).saturating_sub(self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TOLD_EVERY_BYTES, Told, Watch};
    use crate::simulated_disk::SimulatedDisk;
    use crate::storage::{Access, Storage as _};
    use std::sync::Mutex;

    #[test]
    fn whoever_waits_is_told_how_much_there_is_and_of_all_of_it_in_the_end() {
        let disk = SimulatedDisk::new();
        let sizes = [3 * TOLD_EVERY_BYTES + 5, 17];
        let names = ["a".to_owned(), "b".to_owned()];
        for (name, size) in names.iter().zip(sizes) {
            disk.put(name, &vec![0; usize::try_from(size).unwrap()]);
        }
        let heard = Mutex::new(vec![]);
        let tell = |done, total| heard.lock().unwrap().push((done, total));
        let watch = Watch::new(&tell);
        watch.begin(&disk, &names);
        for (name, size) in names.iter().zip(sizes) {
            let mut told = Told::new(Some(&watch));
            for offset in (0..size).step_by(1_000_000) {
                told.up_to(offset);
            }
            told.whole(&disk.open(name, Access::Read).unwrap());
        }
        let (heard, total) = (heard.into_inner().unwrap(), sizes.iter().sum::<u64>());
        assert_eq!((heard.first(), heard.last()), (Some(&(0, total)), Some(&(total, total))));
        assert!(heard.len() >= 5 && heard.is_sorted(), "{heard:?}");
    }
}
