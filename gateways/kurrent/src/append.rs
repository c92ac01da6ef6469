//! Appending and deleting: which version rules hold, and what is written for it.
//!
//! A deletion is a fact in the metadata stream, a tombstone one in the stream itself. An append to a deleted stream takes
//! the deletion back in the same commit, so that what is shown follows from the log alone.

use crate::name::Name;
use crate::no::No;
use crate::settings::{DELETED, Settings, truncated};
use crate::standing::{Alone, Shared, Standing};
use crate::store::{METADATA, Store, TOMBSTONE};
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, Expected, LogError, NewRecord, Position, Revision, StreamAppend,
};
use uuid::Uuid;

/// How often a deletion looks again where the stream ends when somebody appends meanwhile.
const TRIES: usize = 8;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The stream's last revision; `None` when it has no event.
    pub revision: Option<u64>,
    /// The place of the last event; `None` when nothing was offered.
    pub position: Option<Position>,
}

impl From<Appended> for Kept {
    fn from(appended: Appended) -> Self {
        Self { revision: Some(appended.revision.0), position: Some(appended.last) }
    }
}

/// The way that an append will take, found out in the order in which appends came.
pub enum Way {
    /// Like any append. The lock is held until it is kept.
    Plain(Option<Shared>, Standing),
    /// It changes what is known of the stream.
    Alone,
}

/// Whether a stream is where it is believed to be.
pub fn holds(expected: Expected, actual: Option<u64>) -> bool {
    match expected {
        Expected::Any => true,
        Expected::NoStream => actual.is_none(),
        Expected::Exists => actual.is_some(),
        Expected::Exactly(revision) => actual == Some(revision.0),
    }
}

fn record(event_type: &str, data: Vec<u8>) -> NewRecord {
    NewRecord {
        event_id: EventId(Uuid::new_v4()),
        event_type: Arc::from(event_type),
        data: data.into(),
        metadata: Arc::from([]),
    }
}

/// Where a stream is, as what is believed.
pub fn at(revision: Option<Revision>) -> Expected {
    revision.map_or(Expected::NoStream, Expected::Exactly)
}

/// Work that has to come to its end although its caller hangs up: what is remembered must follow what is kept.
pub async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, No>> + Send + 'static,
) -> Result<T, No> {
    tokio::spawn(work).await.unwrap_or(Err(No::Closing))
}

impl Store {
    /// Finds out which way an append takes.
    pub async fn way(&self, stream: &Name) -> Result<Way, No> {
        if stream.described().is_some() {
            return Ok(Way::Alone);
        }
        if self.writes.is_desks(stream) {
            return Ok(Way::Plain(None, Standing::default()));
        }
        let held = self.standings.shared(self.standings.lock_of(stream)).await;
        let standing = self.standing(stream).await?;
        if standing.tombstone {
            return Err(No::Deleted(stream.clone()));
        }
        Ok(if standing.settings.deleted() { Way::Alone } else { Way::Plain(held, standing) })
    }

    /// Keeps events at the end of a stream.
    pub async fn append(
        self: &Arc<Self>,
        way: Way,
        stream: Name,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Kept, No> {
        match way {
            Way::Plain(held, standing) => {
                let kept = self.plain(standing, &stream, expected, records).await;
                drop(held);
                kept
            }
            Way::Alone => {
                let store = Arc::clone(self);
                to_its_end(async move {
                    match stream.described() {
                        Some(described) => store.describe(&stream, &described, expected, records).await,
                        None => store.revive(&stream, expected, records).await,
                    }
                })
                .await
            }
        }
    }

    async fn plain(
        &self,
        standing: Standing,
        stream: &Name,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Kept, No> {
        let before = standing.settings.truncate_before;
        if records.is_empty() || (expected == Expected::NoStream && before > 0) {
            let last = self.last(stream).await?.map(|record| record.revision.0);
            if records.is_empty() {
                let wrong = No::WrongVersion { stream: stream.clone(), expected, actual: last };
                return if holds(expected, last) {
                    Ok(Kept { revision: last, position: None })
                } else {
                    Err(wrong)
                };
            }
            if last >= Some(before) {
                // A repetition of what once began the stream anew.
                let again = Expected::Exactly(Revision(before - 1));
                let kept = self.log.append(stream.stream(), again, records).await;
                return kept.map(Kept::from).map_err(|error| conflict(stream, expected, error));
            }
        }
        let kept = self.log.append(stream.stream(), expected, records).await;
        kept.map(Kept::from).map_err(|error| conflict(stream, expected, error))
    }

    async fn alone(&self, stream: &Name) -> Option<Alone> {
        self.standings.alone(self.standings.lock_of(stream)).await
    }

    /// Appends to a metadata stream.
    async fn describe(
        &self,
        stream: &Name,
        described: &Name,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Kept, No> {
        let mut newest = None;
        for record in &records {
            if &*record.event_type != METADATA {
                return Err(No::Malformed(format!("events of metadata streams have the type {METADATA}")));
            }
            newest = Some(Settings::read(&record.data).map_err(|error| No::Malformed(error.to_string()))?);
        }
        let _held = self.alone(described).await;
        let standing = self.standing(described).await?;
        let Some(settings) = newest else {
            return self.plain(Standing::default(), stream, expected, records).await;
        };
        self.standings.forget(described);
        let appended = self.log.append(stream.stream(), expected, records).await;
        let appended = appended.map_err(|error| conflict(stream, expected, error))?;
        if !appended.repeated && !self.writes.is_desks(described) {
            let described_at = Some(appended.revision);
            self.standings.put(described, Standing { settings, described_at, ..standing });
        }
        Ok(appended.into())
    }

    /// Appends to a deleted stream, which is no longer deleted by it.
    async fn revive(&self, stream: &Name, expected: Expected, records: Vec<NewRecord>) -> Result<Kept, No> {
        let _held = self.alone(stream).await;
        let standing = self.standing(stream).await?;
        if standing.tombstone {
            return Err(No::Deleted(stream.clone()));
        }
        if !standing.settings.deleted() || records.is_empty() {
            return self.plain(standing, stream, expected, records).await;
        }
        let last = self.last(stream).await?.map(|record| record.revision);
        let part = self.reviving(stream, last, expected).await?;
        let append = StreamAppend { stream: stream.stream().clone(), expected: at(last), records };
        self.standings.forget(stream);
        let kept = match self.log.multi_stream() {
            Some(several) => {
                let answers = several.append_many(vec![part, append]).await;
                answers.map(|answers| answers.last().copied())
            }
            // A crash between the two leaves a stream that is there and empty.
            None => match self.log.append(&part.stream, part.expected, part.records).await {
                Ok(_) => self.log.append(&append.stream, append.expected, append.records).await.map(Some),
                Err(error) => Err(error),
            },
        };
        let kept = kept.map_err(|error| conflict(stream, expected, error))?;
        let none = || No::Log(LogError::Stopped("there was no answer".to_owned()));
        kept.map(Kept::from).ok_or_else(none)
    }

    /// What takes a deletion back: the first new event is the first that is shown. Needs the stream's lock, alone.
    pub async fn reviving(
        &self,
        stream: &Name,
        last: Option<Revision>,
        expected: Expected,
    ) -> Result<StreamAppend, No> {
        let actual = last.map(|revision| revision.0);
        match expected {
            Expected::Any | Expected::NoStream => {}
            Expected::Exists => return Err(No::Deleted(stream.clone())),
            Expected::Exactly(_) if holds(expected, actual) => {}
            Expected::Exactly(_) => {
                return Err(No::WrongVersion { stream: stream.clone(), expected, actual });
            }
        }
        let describing = stream.describing()?;
        let said = self.last(&describing).await?;
        let before = last.map_or(0, |revision| revision.next().0);
        let data = truncated(said.as_ref().map_or(b"", |record| &record.data), before);
        Ok(StreamAppend {
            stream: describing.stream().clone(),
            expected: at(said.map(|record| record.revision)),
            records: vec![record(METADATA, data)],
        })
    }

    /// Deletes a stream until it is appended to again. Where the deletion stands.
    pub async fn delete(self: &Arc<Self>, stream: Name, expected: Expected) -> Result<Position, No> {
        let store = Arc::clone(self);
        to_its_end(async move { store.delete_held(&stream, expected).await }).await
    }

    async fn delete_held(&self, stream: &Name, expected: Expected) -> Result<Position, No> {
        let describing = deletable(stream)?;
        let _held = self.alone(stream).await;
        let standing = self.standing(stream).await?;
        if standing.tombstone {
            return Err(No::Deleted(stream.clone()));
        }
        let actual = self.last(stream).await?.map(|record| record.revision.0);
        let wrong = || No::WrongVersion { stream: stream.clone(), expected, actual };
        if actual.is_none() {
            return Err(wrong());
        }
        let said = self.last(&describing).await?;
        if standing.settings.deleted() {
            return match expected {
                Expected::Exists => Err(No::Deleted(stream.clone())),
                Expected::Exactly(_) if !holds(expected, actual) => Err(wrong()),
                Expected::Any | Expected::NoStream | Expected::Exactly(_) => {
                    Ok(said.map_or(Position::START, |record| record.position))
                }
            };
        }
        if !holds(expected, actual) {
            return Err(wrong());
        }
        let data = truncated(said.as_ref().map_or(b"", |record| &record.data), DELETED);
        let records = vec![record(METADATA, data)];
        self.standings.forget(stream);
        let appended =
            self.log.append(describing.stream(), at(said.map(|said| said.revision)), records).await?;
        Ok(appended.last)
    }

    /// Deletes a stream for ever. Where the tombstone stands.
    pub async fn tombstone(self: &Arc<Self>, stream: Name, expected: Expected) -> Result<Position, No> {
        let store = Arc::clone(self);
        to_its_end(async move { store.tombstone_held(&stream, expected).await }).await
    }

    async fn tombstone_held(&self, stream: &Name, expected: Expected) -> Result<Position, No> {
        deletable(stream)?;
        let _held = self.alone(stream).await;
        let standing = self.standing(stream).await?;
        if standing.tombstone {
            return Err(No::Deleted(stream.clone()));
        }
        for _ in 0..TRIES {
            let last = self.last(stream).await?.map(|record| record.revision);
            let actual = last.map(|revision| revision.0);
            let deleted = standing.settings.deleted();
            let none = deleted && expected == Expected::NoStream;
            if !none && !holds(expected, actual) {
                return Err(No::WrongVersion { stream: stream.clone(), expected, actual });
            }
            self.standings.forget(stream);
            match self.log.append(stream.stream(), at(last), vec![record(TOMBSTONE, vec![])]).await {
                Ok(appended) => return Ok(appended.last),
                // Somebody who has hung up since has appended first.
                Err(LogError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(No::Busy(format!("stream {stream} is appended to without end: try again")))
    }
}

/// The stream that describes this one. Metadata streams and those of the system are not deleted.
fn deletable(stream: &Name) -> Result<Name, No> {
    if stream.is_system() {
        return Err(No::Denied(format!("stream {stream} is the system's: it can't be deleted")));
    }
    Ok(stream.describing()?)
}

/// The log's no, in the words of who asked.
pub fn conflict(stream: &Name, expected: Expected, error: LogError) -> No {
    match error {
        LogError::Conflict { actual, .. } => {
            let actual = actual.map(|revision| revision.0);
            No::WrongVersion { stream: stream.clone(), expected, actual }
        }
        LogError::Invalid(_)
        | LogError::Full
        | LogError::Stopped(_)
        | LogError::Damaged { .. }
        | LogError::Lost(_)
        | LogError::Owned { .. }
        | LogError::Denied(_)
        | LogError::Unreachable(_) => No::Log(error),
    }
}
