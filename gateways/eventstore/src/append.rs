//! Appending: what is asked of the server, and what its answer leaves open.

use crate::connection::Connection;
use crate::failure::unreachable;
use crate::lanes::{Lanes, Outcome};
use crate::read::stream_page;
use crate::record::offered;
use eventstore::StreamState;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::event_log::{
    Appended, Direction, Expected, LogError, NewRecord, Position, Revision, StreamId,
};
use tokio::sync::Mutex;

/// Appends to one stream wait for each other; so many streams can be told apart.
const TURNS: usize = 256;
/// The server counts revisions in signed numbers.
const REVISION_MAX: u64 = i64::MAX as u64;

/// What appends need.
pub struct Writing {
    lanes: Lanes,
    turns: Vec<Mutex<()>>,
    hasher: RandomState,
    /// The last position that was told to this process.
    told: AtomicU64,
}

impl Writing {
    pub fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            told: AtomicU64::new(0),
        }
    }

    /// The server has told of this position.
    pub fn tell(&self, position: Position) {
        self.told.fetch_max(position.0, Ordering::AcqRel);
    }

    pub async fn append(
        &self,
        connection: &Connection,
        stream: &StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Appended, LogError> {
        if matches!(expected, Expected::Exactly(revision) if revision.0 > REVISION_MAX) {
            return Err(conflict(connection, stream, expected).await?);
        }
        // The server doesn't say whether it had the records already. In turn, they are new when they stand behind
        // everything that this process has heard of.
        let turn = self.turn(stream).lock().await;
        let told = self.told.load(Ordering::Acquire);
        let events = records.iter().map(offered).collect();
        let appended = match self.lanes.append(connection, stream, state(expected), events).await? {
            Outcome::Elsewhere => match there_already(connection, stream, expected, &records).await? {
                Some(appended) => appended,
                None => return Err(conflict(connection, stream, expected).await?),
            },
            Outcome::Kept(kept) => {
                let (last, revision) = kept
                    .current_position()
                    .zip(kept.current_revision())
                    .ok_or_else(|| unreachable("the server did not say where it kept the records"))?;
                let last = Position(last.commit);
                let first = first(connection, stream, &records, last, revision).await?;
                Appended { first, last, revision: Revision(revision), repeated: last.0 <= told }
            }
        };
        self.tell(appended.last);
        drop(turn);
        Ok(appended)
    }

    fn turn(&self, stream: &StreamId) -> &Mutex<()> {
        let hash = self.hasher.hash_one(stream.as_str());
        let nth = usize::try_from(hash % TURNS as u64).unwrap_or(0);
        // There are as many as the remainder can be.
        &self.turns[nth]
    }
}

fn state(expected: Expected) -> StreamState {
    match expected {
        Expected::Any => StreamState::Any,
        Expected::NoStream => StreamState::NoStream,
        Expected::Exists => StreamState::StreamExists,
        Expected::Exactly(revision) => StreamState::StreamRevision(revision.0),
    }
}

/// Where the first of the records stands. Positions may have gaps, so it is looked up.
async fn first(
    connection: &Connection,
    stream: &StreamId,
    records: &[NewRecord],
    last: Position,
    revision: u64,
) -> Result<Position, LogError> {
    let before = records.len().saturating_sub(1) as u64;
    if before == 0 {
        return Ok(last);
    }
    let at = Revision(revision.saturating_sub(before));
    let read = stream_page(connection, stream, at, Direction::Forward, 1).await?;
    let first = read.first().ok_or_else(|| unreachable("the records that were kept can't be read"))?;
    Ok(first.position)
}

/// The first answer, when these very records stand right after the believed place.
async fn there_already(
    connection: &Connection,
    stream: &StreamId,
    expected: Expected,
    records: &[NewRecord],
) -> Result<Option<Appended>, LogError> {
    let mut from = match expected {
        Expected::NoStream => Revision(0),
        Expected::Exactly(revision) => revision.next(),
        Expected::Any | Expected::Exists => return Ok(None),
    };
    let (mut first, mut last) = (None, None);
    let mut rest = records;
    while !rest.is_empty() {
        let read = stream_page(connection, stream, from, Direction::Forward, rest.len()).await?;
        let same = read.iter().zip(rest).all(|(record, offer)| record.event_id == offer.event_id);
        let Some(end) = read.last().filter(|_| same) else { return Ok(None) };
        first = first.or(read.first().map(|record| record.position));
        last = Some((end.position, end.revision));
        from = end.revision.next();
        rest = rest.get(read.len()..).unwrap_or_default();
    }
    let answer = |(first, (last, revision))| Appended { first, last, revision, repeated: true };
    Ok(first.zip(last).map(answer))
}

/// The conflict, with where the stream is in truth.
async fn conflict(
    connection: &Connection,
    stream: &StreamId,
    expected: Expected,
) -> Result<LogError, LogError> {
    let last = stream_page(connection, stream, Revision(u64::MAX), Direction::Backward, 1).await?;
    let actual = last.first().map(|record| record.revision);
    Ok(LogError::Conflict { stream: stream.clone(), expected, actual })
}
