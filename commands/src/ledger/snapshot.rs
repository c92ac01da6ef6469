//! A stream's state, written down beside it: who reads the stream begins there and not at the first record.
//!
//! The stream is the truth and this is not. What another build wrote, what can't be read and what names a record that
//! the stream does not hold is passed over, and the stream is read from its beginning; [`Ledger::check_snapshot`] compares
//! what is left with what the stream leads to.

use super::{Ledger, Loaded};
use crate::aggregate::{Aggregate, Form};
use crate::envelope::Failure;
use crate::observe;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec::{self, CodecError};
use stele_domain::event::Meta;
use stele_domain::ids::{Actor, CommandId, CorrelationId, EventId};
use stele_domain::port::event_log::{
    Direction, Expected, LogError, NewRecord, Position, Record, Revision, StreamId,
};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// The type of these records. It is no event of the desk: whoever folds events passes it over.
pub const SNAPSHOT_TYPE: &str = "snapshot.StateKept";

/// Largest snapshot, in bytes: 4 MiB. What is larger is not written, and the stream is read instead.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A snapshot as it is stored.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    /// Which sources led to it.
    form: String,
    /// Whose state it is.
    stream: StreamId,
    /// The last record that is in it, in three ways.
    revision: Revision,
    position: Position,
    event_id: EventId,
    /// Persons' commands, by id, with their digest and their place: the oldest first.
    marks: Vec<(CommandId, String, Position)>,
    #[serde(borrow)]
    state: &'a RawValue,
}

/// Why a snapshot is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Useless {
    OtherForm,
    Unreadable,
    OtherStream,
    NotInTheStream,
}

impl Useless {
    const fn why(self) -> &'static str {
        match self {
            Self::OtherForm => "another build wrote it",
            Self::Unreadable => "it can't be read",
            Self::OtherStream => "it is of another stream",
            Self::NotInTheStream => "the stream does not hold what it names",
        }
    }
}

/// What came of comparing a snapshot with its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// There is none that would be believed.
    None,
    /// The stream leads to the same.
    Same(Revision),
    /// The stream leads to something else.
    Differs {
        /// The last record that is in it.
        last: Revision,
        /// Whether the right one is written by now.
        mended: bool,
    },
}

impl<D: Aggregate> Ledger<D>
where
    D::State: Clone + Send + Sync,
    D::Event: Clone + Send + Sync,
    D::Command: Clone + Send,
    D::Rejection: Send,
{
    /// Writes down where the stream stands, when `every` records or more came since that was done last. Where it stands
    /// in the log; none when it was not due, or when this aggregate has no snapshots.
    ///
    /// # Errors
    ///
    /// As the log, or when the stream can't be read.
    pub async fn keep_snapshot(
        &self,
        who: &Actor,
        at: Timestamp,
        every: u64,
    ) -> Result<Option<Position>, Failure<D::Rejection>> {
        Ok(self.offer_snapshot(who, at, every).await??)
    }

    /// The same, with what the log says to the write apart from what it says to the reading in front of it.
    ///
    /// # Errors
    ///
    /// When the stream can't be read. What is inside is as the log takes the write.
    pub(crate) async fn offer_snapshot(
        &self,
        who: &Actor,
        at: Timestamp,
        every: u64,
    ) -> Result<Result<Option<Position>, LogError>, Failure<D::Rejection>> {
        let Some(form) = D::SNAPSHOT else { return Ok(Ok(None)) };
        let record = {
            let mut loaded = self.loaded.lock().await;
            self.catch_up(&mut loaded).await?;
            if loaded.next.0.saturating_sub(loaded.written.0) < every.max(1) {
                return Ok(Ok(None));
            }
            loaded.written = loaded.next;
            self.write(&form, &loaded, who, at)?
        };
        let Some(record) = record else { return Ok(Ok(None)) };
        Ok(self.append_snapshot(record).await.map(Some))
    }

    /// Compares the newest snapshot with what the stream leads to from its first record, at a pace that leaves the
    /// machine to others: `pause` between two pages. A wrong one is followed by the right one, where the log takes it.
    ///
    /// # Errors
    ///
    /// As the log, or when the stream can't be read.
    pub async fn check_snapshot(
        &self,
        who: &Actor,
        at: Timestamp,
        pause: Duration,
    ) -> Result<Checked, Failure<D::Rejection>> {
        let Some(form) = D::SNAPSHOT else { return Ok(Checked::None) };
        let Some(begun) = self.newest(&form).await? else { return Ok(Checked::None) };
        let mut folded = Loaded::empty();
        while folded.next < begun.next {
            let page = self
                .log
                .read_stream(&self.stream, folded.next, Direction::Forward, super::LOAD_RECORDS)
                .await?;
            let read = folded.next;
            for record in page.iter().filter(|record| record.revision < begun.next) {
                self.fold(&mut folded, record)?;
            }
            if folded.next == read {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        let last = Revision(begun.next.0.saturating_sub(1));
        let text =
            |loaded: &Loaded<D>| (form.write)(&loaded.state).map_err(|source| unwritable(D::NAME, source));
        if text(&folded)? == text(&begun)? && folded.marks == begun.marks {
            return Ok(Checked::Same(last));
        }
        observe::snapshot_differs(&self.stream, last);
        // That it lies is told in any case: a log that does not take the right one makes it no truth.
        let mended = match self.write(&form, &folded, who, at)? {
            Some(record) => {
                self.append_snapshot(record).await.inspect_err(observe::snapshot_not_kept).is_ok()
            }
            None => false,
        };
        Ok(Checked::Differs { last, mended })
    }

    /// The state of the newest snapshot that may be believed.
    pub(super) async fn newest(
        &self,
        form: &Form<D::State>,
    ) -> Result<Option<Loaded<D>>, Failure<D::Rejection>> {
        let Some(stream) = &self.snapshots else { return Ok(None) };
        let newest = self.log.read_stream(stream, Revision(u64::MAX), Direction::Backward, 1).await?;
        let Some(record) = newest.first() else { return Ok(None) };
        match self.read(form, record).await? {
            Ok(begun) => Ok(Some(begun)),
            Err(useless) => {
                observe::snapshot_passed_over(&self.stream, record.position, useless.why());
                Ok(None)
            }
        }
    }

    async fn read(
        &self,
        form: &Form<D::State>,
        record: &Record,
    ) -> Result<Result<Loaded<D>, Useless>, Failure<D::Rejection>> {
        let Ok(kept) = serde_json::from_slice::<Kept<'_>>(&record.data) else {
            return Ok(Err(Useless::Unreadable));
        };
        if kept.form != self.form {
            return Ok(Err(Useless::OtherForm));
        }
        if kept.stream != self.stream {
            return Ok(Err(Useless::OtherStream));
        }
        let Ok(state) = (form.read)(kept.state.get()) else { return Ok(Err(Useless::Unreadable)) };
        let last = self.log.read_stream(&self.stream, kept.revision, Direction::Forward, 1).await?;
        let holds = last.first().is_some_and(|last| {
            (last.revision, last.position, last.event_id) == (kept.revision, kept.position, kept.event_id)
        });
        if !holds {
            return Ok(Err(Useless::NotInTheStream));
        }
        let next = kept.revision.next();
        let marked: VecDeque<_> = kept.marks.iter().map(|(command, ..)| *command).collect();
        let marks: BTreeMap<_, _> =
            kept.marks.into_iter().map(|(command, digest, position)| (command, (digest, position))).collect();
        let (last, last_id) = (kept.position, Some(kept.event_id));
        Ok(Ok(Loaded { state, next, written: next, last, last_id, marks, marked, ..Loaded::empty() }))
    }

    /// A state in the form in which it is kept; none when it is too large, or nothing was folded yet.
    fn write(
        &self,
        form: &Form<D::State>,
        loaded: &Loaded<D>,
        who: &Actor,
        at: Timestamp,
    ) -> Result<Option<NewRecord>, Failure<D::Rejection>> {
        let (Some(event_id), Some(revision)) = (loaded.last_id, loaded.next.0.checked_sub(1)) else {
            return Ok(None);
        };
        let unwritable = |source| unwritable(D::NAME, source);
        let state = (form.write)(&loaded.state).and_then(RawValue::from_string).map_err(unwritable)?;
        let mark = |command: &CommandId| {
            let (digest, position) = loaded.marks.get(command)?;
            Some((*command, digest.clone(), *position))
        };
        let kept = Kept {
            form: self.form.clone(),
            stream: self.stream.clone(),
            revision: Revision(revision),
            position: loaded.last,
            event_id,
            marks: loaded.marked.iter().filter_map(mark).collect(),
            state: &state,
        };
        let data = serde_json::to_vec(&kept).map_err(unwritable)?;
        if data.len() > BYTES_MAX {
            observe::snapshot_too_large(&self.stream, data.len());
            return Ok(None);
        }
        let id = Uuid::now_v7();
        let meta = Meta {
            correlation_id: CorrelationId(id),
            causation_id: Some(event_id),
            command: None,
            actor: who.clone(),
            origin: None,
            occurred_at: at,
            schema: codec::SCHEMA_VERSION,
        };
        Ok(Some(NewRecord {
            event_id: EventId(id),
            event_type: Arc::from(SNAPSHOT_TYPE),
            data: Arc::from(data),
            metadata: Arc::from(codec::encode_meta(&meta)?),
        }))
    }

    async fn append_snapshot(&self, record: NewRecord) -> Result<Position, LogError> {
        let Some(stream) = &self.snapshots else { return Ok(Position::START) };
        let bytes = record.data.len();
        // Where it stands among others is of no account, and one too many does no harm.
        let appended = self.log.append(stream, Expected::Any, vec![record]).await?;
        observe::snapshot_kept(&self.stream, appended.last, bytes);
        Ok(appended.last)
    }
}

fn unwritable(what: &'static str, source: serde_json::Error) -> CodecError {
    CodecError::Unwritable { what, source }
}
