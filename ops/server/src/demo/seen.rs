//! What somebody has seen of a log: how many records, up to where, and a digest over every byte of them. Two who have seen
//! the same have the same digest, wherever they looked.

use crate::exit::{Code, Failure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt::Write as _;
use stele_domain::port::event_log::Record;

/// Places behind the newest one of which the digest is still known: more than a desk writes in the seconds between being
/// told a place and being asked about it.
const REMEMBERED: usize = 16_384;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// How many records.
    pub events: u64,
    /// The position of the last one.
    pub position: u64,
    /// SHA-256 over the digest before a record and the record, from the first record to the last; hexadecimal.
    pub digest: String,
}

/// Somebody who looks at record after record.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    events: u64,
    digest: [u8; 32],
    /// Position, count and digest behind each of the last records.
    last: VecDeque<(u64, u64, [u8; 32])>,
}

impl Witness {
    /// Looks at the next record.
    pub(crate) fn looks_at(&mut self, record: &Record) {
        let mut hash = Sha256::new_with_prefix(self.digest);
        hash.update(record.position.0.to_le_bytes());
        hash.update(record.revision.0.to_le_bytes());
        hash.update(record.recorded_at.micros().to_le_bytes());
        hash.update(record.event_id.0.as_bytes());
        let parts: [&[u8]; 4] =
            [record.stream.as_str().as_bytes(), record.event_type.as_bytes(), &record.data, &record.metadata];
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        self.digest = hash.finalize().into();
        self.events += 1;
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back((record.position.0, self.events, self.digest));
    }

    /// The position of the newest record.
    pub(crate) fn position(&self) -> u64 {
        self.last.back().map_or(0, |(position, _, _)| *position)
    }

    /// What had been seen when the record at this position was the last one.
    ///
    /// # Errors
    ///
    /// No record at this position is remembered.
    pub(crate) fn up_to(&self, position: u64) -> Result<Seen, Failure> {
        let found = self.last.iter().find(|(at, _, _)| *at == position).ok_or_else(|| {
            let newest = self.position();
            let what =
                format!("no record at position {position} was seen among the newest, which end at {newest}");
            Failure::new(Code::Mismatch, what)
        })?;
        let (position, events, digest) = *found;
        let digest = digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a text does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(Seen { events, position, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, Witness};
    use stele_domain::ids::{EventId, derived};
    use stele_domain::port::event_log::{Position, Record, Revision, StreamId};
    use stele_domain::time::Timestamp;

    fn record(position: u64) -> Record {
        Record {
            position: Position(position),
            stream: StreamId::new("order-1").unwrap(),
            revision: Revision(position - 1),
            event_id: EventId(derived("test", &[&position.to_string()])),
            event_type: "test.Happened".into(),
            data: (*b"{}").into(),
            metadata: (*b"{}").into(),
            recorded_at: Timestamp::from_micros(7),
        }
    }

    fn seen(records: &[Record], position: u64) -> super::Seen {
        let mut witness = Witness::default();
        for record in records {
            witness.looks_at(record);
        }
        witness.up_to(position).unwrap()
    }

    #[test]
    fn who_has_seen_more_says_the_same_of_what_both_have_seen() {
        let records: Vec<Record> = (1..=5).map(record).collect();
        assert_eq!(seen(&records, 3), seen(&records[..3], 3));
        assert_eq!((seen(&records, 3).events, seen(&records, 3).position), (3, 3));
        assert_ne!(seen(&records, 3).digest, seen(&records, 4).digest);
    }

    #[test]
    fn whatever_differs_in_any_record_is_another_digest() {
        let whole: Vec<Record> = (1..=3).map(record).collect();
        let changes: [fn(&mut Record); 7] = [
            |record| record.stream = StreamId::new("order-2").unwrap(),
            |record| record.revision = Revision(9),
            |record| record.event_id = EventId(derived("test", &["other"])),
            |record| record.event_type = "test.Happenec".into(),
            |record| record.data = (*b"{ }").into(),
            // The same bytes, cut in another place.
            |record| (record.data, record.metadata) = ((*b"{}{").into(), (*b"}").into()),
            |record| record.recorded_at = Timestamp::from_micros(8),
        ];
        for change in changes {
            let mut other = whole.clone();
            change(&mut other[1]);
            assert_ne!(seen(&whole, 3).digest, seen(&other, 3).digest);
        }
        let left_out = [whole[0].clone(), whole[2].clone()];
        assert_ne!(seen(&whole, 3).digest, seen(&left_out, 3).digest);
    }

    #[test]
    fn a_place_that_was_not_seen_or_is_long_past_is_a_clear_no() {
        let mut witness = Witness::default();
        (1..=u64::try_from(REMEMBERED).unwrap() + 1).for_each(|position| witness.looks_at(&record(position)));
        assert!(witness.up_to(2).is_ok());
        for position in [0, 1, u64::try_from(REMEMBERED).unwrap() + 2] {
            assert!(witness.up_to(position).is_err(), "{position}");
        }
    }
}
