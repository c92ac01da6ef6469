//! The last records of the log in memory: a follower sees an append without a look at the disk.

use crate::hash::Table;
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

/// Records that were read from the disk for whoever asked for their stream, up to a number of bytes: a stream that is
/// asked for again is there, however far apart its records lie.
#[derive(Debug)]
pub struct Kept {
    bytes_max: usize,
    bytes: usize,
    records: Table<u64, Record>,
    /// The order in which they came.
    order: VecDeque<u64>,
}

impl Kept {
    /// A cache that keeps at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, records: Table::default(), order: VecDeque::new() }
    }

    /// Keeps these records, and forgets those that came first where there is no room.
    pub fn keep(&mut self, records: &[Record]) {
        for record in records {
            let (position, cost) = (record.position.0, cost(record));
            if cost > self.bytes_max || self.records.insert(position, record.clone()).is_some() {
                continue;
            }
            self.order.push_back(position);
            self.bytes += cost;
        }
        while self.bytes > self.bytes_max {
            let oldest = self.order.pop_front().and_then(|oldest| self.records.remove(&oldest));
            let Some(oldest) = oldest else {
                break;
            };
            self.bytes -= self::cost(&oldest);
        }
    }

    /// The record at a position, when it is here.
    #[must_use]
    pub fn get(&self, position: u64) -> Option<&Record> {
        self.records.get(&position)
    }
}

/// What a record counts for.
fn cost(record: &Record) -> usize {
    let names = record.event_type.len() + record.stream.as_str().len();
    record.data.len() + record.metadata.len() + names + RECORD_OVERHEAD_BYTES
}

/// Bytes of a record that count towards the limit of a page: data and metadata, as for an append.
#[must_use]
pub fn page_bytes(record: &Record) -> usize {
    record.data.len() + record.metadata.len()
}

#[cfg(test)]
mod tests {
    use super::{Kept, cost};
    use stele_domain::ids::EventId;
    use stele_domain::port::event_log::{Position, Record, Revision, StreamId};
    use uuid::Uuid;

    fn record(position: u64, bytes: usize) -> Record {
        Record {
            position: Position(position),
            stream: StreamId::new("order-1").unwrap(),
            revision: Revision(position),
            event_id: EventId(Uuid::nil()),
            event_type: "order.Placed".into(),
            data: vec![b'x'; bytes].into(),
            metadata: [].into(),
            recorded_at: stele_domain::time::Timestamp::default(),
        }
    }

    #[test]
    fn the_names_of_a_record_are_paid_for_like_its_data() {
        let (short, mut long) = (record(1, 100), record(1, 100));
        long.stream = StreamId::new(&format!("order-{}", "x".repeat(500))).unwrap();
        assert_eq!(cost(&long) - cost(&short), long.stream.as_str().len() - short.stream.as_str().len());
        long.event_type = "order.Placed.With.A.Long.Name".into();
        assert_eq!(cost(&long) - cost(&short), 499 + 17);
    }

    #[test]
    fn what_is_kept_stays_within_its_bytes_and_the_last_stays_longest() {
        let room = 10 * cost(&record(1, 100));
        let mut kept = Kept::new(room);
        for position in 1..100 {
            kept.keep(&[record(position, 100), record(position, 100)]);
            let held = kept.records.values().map(cost).sum::<usize>();
            assert!(kept.bytes == held && held <= room, "{held} of {room} bytes");
            assert_eq!(kept.order.len(), kept.records.len());
        }
        assert_eq!(kept.get(89), None);
        assert!((90..100).all(|position| kept.get(position).is_some()));
        kept.keep(&[record(500, room)]);
        assert_eq!(kept.get(500), None, "one record is no reason to forget all others");
    }
}
