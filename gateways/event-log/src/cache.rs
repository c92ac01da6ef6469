//! The last records of the log in memory: a follower sees an append without a look at the disk.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use stele_domain::port::event_log::{Position, Record};

/// Bytes that a record takes beside its data, metadata and names, roughly.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// The last records, up to a number of bytes.
#[derive(Debug)]
pub struct Cache {
    bytes_max: usize,
    bytes: usize,
    records: VecDeque<Record>,
}

impl Cache {
    /// A cache that keeps at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, records: VecDeque::new() }
    }

    /// Adds the record that follows the last one, and forgets the oldest where there is no room.
    pub fn push(&mut self, record: Record) {
        let expected = self.records.back().map(|last| last.position.next());
        assert!(
            expected.is_none_or(|position| position == record.position),
            "position {} follows {expected:?} in the cache",
            record.position
        );
        self.bytes += cost(&record);
        self.records.push_back(record);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
        }
    }

    /// The records at these positions, when all of them are here.
    pub fn range(&self, positions: RangeInclusive<u64>) -> Option<impl Iterator<Item = &Record>> {
        let first = self.records.front()?.position.0;
        let begin = usize::try_from(positions.start().checked_sub(first)?).ok()?;
        let end = usize::try_from(positions.end().checked_sub(first)?).ok()?;
        (begin <= end && end < self.records.len()).then(|| self.records.range(begin..=end))
    }

    /// The record at a position, when it is here.
    #[must_use]
    pub fn get(&self, position: Position) -> Option<&Record> {
        let first = self.records.front()?.position.0;
        self.records.get(usize::try_from(position.0.checked_sub(first)?).ok()?)
    }
}

/// What a record counts for.
fn cost(record: &Record) -> usize {
    record.data.len() + record.metadata.len() + record.event_type.len() + RECORD_OVERHEAD_BYTES
}

/// Bytes of a record that count towards the limit of a page: data and metadata, as for an append.
#[must_use]
pub fn page_bytes(record: &Record) -> usize {
    record.data.len() + record.metadata.len()
}
