//! A log that is read beside its owner, or on a disk that this process may not write to. Nothing in the directory is
//! changed, and nothing can be appended.

use super::stamp::Stamp;
use super::unchanged::Unchanged;
use crate::cli::{on_opening, unverified};
use crate::exit::{Code, Failure};
use crate::wiring::SystemClock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId,
};
use stele_event_log::checkpoint::{Checkpoint, newest_over, origin_of, to_block};
use stele_event_log::note::{NoteSigner, NoteVerifier};
use stele_event_log::storage::Storage;
use stele_event_log::{
    CutTail, EmbeddedLog, InclusionProof, OpenReport, Options, Reach, SEGMENT_BYTES_MIN, VerifyOptions,
    verify,
};

/// How often it is looked again, where an owner has written in the middle of a look.
const LOOKS_MAX: u32 = 10;

/// What a log keeps of itself beside its segments.
const KEY: &str = "key";
const PUBLIC_KEY: &str = "key.pub";
const CHECKPOINTS: &str = "checkpoints";

/// The log in a directory as it was a moment ago: whoever asks where it ends is told of what its owner has written since.
pub(super) struct Beside {
    directory: PathBuf,
    archive: Reach,
    seen: Mutex<Look>,
}

/// What was seen.
struct Look {
    log: Arc<EmbeddedLog>,
    /// Whether somebody wrote meanwhile: they may have gone on since, and have ended.
    being_written: bool,
    /// The files as they were in front of it. An owner that comes and goes between two looks leaves others.
    stamp: Stamp,
}

/// What a look found, and what opening the log there found.
type Seen = (Look, OpenReport);

/// Why there is nothing to be seen.
enum Unseen {
    Log(LogError),
    /// A log whose private key is kept from this process is verified first, and did not pass.
    Unverified(Failure),
}

impl From<LogError> for Unseen {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<io::Error> for Unseen {
    fn from(error: io::Error) -> Self {
        Self::Log(unread(error))
    }
}

fn unread(error: io::Error) -> LogError {
    LogError::Unreachable(Box::new(error))
}

impl Beside {
    /// Blocks while the log is scanned.
    pub(super) fn open(directory: &Path, archive: Reach) -> Result<Self, Failure> {
        let (seen, report) = look(directory, &archive).map_err(|unseen| match unseen {
            Unseen::Log(error) => unopened(&error, directory),
            Unseen::Unverified(failure) => failure,
        })?;
        if let Some(CutTail { file, offset, bytes, .. }) = report.cut.filter(|_| !seen.being_written) {
            eprintln!(
                "the log ends with a write that had not finished, as after a crash: {bytes} bytes of {file} at byte {offset} \
                 were never acknowledged, and are passed over here"
            );
        }
        Ok(Self { directory: directory.to_owned(), archive, seen: Mutex::new(seen) })
    }

    fn seen(&self) -> Arc<EmbeddedLog> {
        Arc::clone(&self.seen.lock().unwrap_or_else(PoisonError::into_inner).log)
    }

    /// Ends what reading needs.
    pub(super) async fn close(&self) {
        // It leaves nothing that could fail.
        self.seen().close().await.ok();
    }

    /// Proves that an event is in the log, under the newest checkpoint that the log has stored of what was seen; `None` where
    /// the event came later. Nothing is signed for it.
    pub(super) async fn proof(&self, position: Position) -> Result<Option<InclusionProof>, LogError> {
        let log = self.seen();
        let (directory, commits) = (self.directory.clone(), log.stat().commits);
        let found = tokio::task::spawn_blocking(move || stored(&directory, commits)).await;
        match found.map_err(|error| LogError::Unreachable(Box::new(error)))?? {
            Some((checkpoint, note)) => log.inclusion_proof_under(position, checkpoint, note).await,
            None => Ok(None),
        }
    }

    async fn newest(&self) -> Result<Position, LogError> {
        let (directory, archive) = (self.directory.clone(), self.archive.clone());
        let (was_written, stamp) = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            (seen.being_written, seen.stamp.clone())
        };
        let looked = tokio::task::spawn_blocking(move || {
            let storage = Unchanged::open(&directory).map_err(unread)?;
            // Who comes behind the first question is seen by the second.
            let is_as_it_was = !was_written
                && !storage.is_being_written()
                && Stamp::of(&directory).map_err(unread)? == stamp;
            if is_as_it_was {
                return Ok(None);
            }
            let looked = look(&directory, &archive);
            looked.map(Some).map_err(|unseen| match unseen {
                Unseen::Log(error) => error,
                Unseen::Unverified(failure) => LogError::Unreachable(failure.to_string().into()),
            })
        });
        let looked = looked.await.map_err(|error| LogError::Unreachable(Box::new(error)))??;
        if let Some((look, _)) = looked {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = look;
        }
        self.seen().head().await
    }
}

impl EventLog for Beside {
    fn append<'a>(
        &'a self,
        _stream: &'a StreamId,
        _expected: Expected,
        _records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        let what = format!("the log in {} is read here, and not written to", self.directory.display());
        Box::pin(async move { Err(LogError::Denied(what)) })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        let log = self.seen();
        Box::pin(async move { log.read_stream(stream, from, direction, limit).await })
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        let log = self.seen();
        Box::pin(async move { log.read_all(from, filter, limit).await })
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(self.newest())
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.seen().follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}

/// The newest checkpoint that a log has stored over no more than so many commits, with its note.
fn stored(directory: &Path, commits: u64) -> Result<Option<(Checkpoint, String)>, LogError> {
    let mut looks = 0_u32;
    loop {
        looks = looks.saturating_add(1);
        match stored_now(directory, commits) {
            // As in a look: one that its owner was about to write.
            Err(LogError::Damaged { .. })
                if looks < LOOKS_MAX && Unchanged::open(directory).map_err(unread)?.is_being_written() => {}
            found => return found,
        }
    }
}

fn stored_now(directory: &Path, commits: u64) -> Result<Option<(Checkpoint, String)>, LogError> {
    let damaged =
        |file: &str, offset: u64, what: String| LogError::Damaged { file: file.to_owned(), offset, what };
    let key = match std::fs::read_to_string(directory.join(PUBLIC_KEY)) {
        // Its owner makes it again from the private key.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        key => key.map_err(unread)?,
    };
    let key = NoteVerifier::parse(&key).map_err(|error| damaged(PUBLIC_KEY, 0, error.to_string()))?;
    let file = std::fs::read(directory.join(CHECKPOINTS)).map_err(unread)?;
    newest_over(&file, &key, commits).map_err(|fault| damaged(CHECKPOINTS, fault.offset, fault.what))
}

/// The log as it is now.
fn look(directory: &Path, archive: &Reach) -> Result<Seen, Unseen> {
    let mut looks = 0_u32;
    loop {
        looks = looks.saturating_add(1);
        let stamp = Stamp::of(directory)?;
        let storage = Arc::new(of(directory, archive)?);
        // Whoever ends in the middle of a look has written what it does not see.
        let was_written = storage.is_being_written();
        let here: Arc<dyn Storage> = Arc::<Unchanged>::clone(&storage);
        // Room for more is of no use here: segments are as short as may be.
        let options = Options::new(Arc::new(SystemClock)).with_segment_bytes(SEGMENT_BYTES_MIN);
        let opened = EmbeddedLog::open_on(here, options.with_archive(archive.clone()));
        let being_written = was_written || storage.is_being_written() || Stamp::of(directory)? != stamp;
        match opened {
            Ok((log, report)) => return Ok((Look { log: Arc::new(log), being_written, stamp }, report)),
            // A write that was on its way looks like damage, and is gone at the next look.
            Err(LogError::Damaged { .. }) if looks < LOOKS_MAX && being_written => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn unopened(error: &LogError, directory: &Path) -> Failure {
    let failure = on_opening(error, directory);
    if failure.code == Code::Unwritable {
        return failure
            .advise("this user must be let read the directory and its files: nothing is written there");
    }
    failure
}

/// The directory to be read. Its private key is for its owner; where it is kept from this process, the log is verified by its
/// public key, and read by a key that goes with this process and has signed nothing else.
fn of(directory: &Path, archive: &Reach) -> Result<Unchanged, Unseen> {
    let storage = Unchanged::open(directory)?;
    match std::fs::File::open(directory.join(KEY)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
        Ok(_) | Err(_) => return Ok(storage),
    }
    let options = VerifyOptions { archive: archive.clone(), ..VerifyOptions::default() };
    let verified =
        verify(directory, &options).map_err(|error| Unseen::Unverified(unverified(&error, directory)))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        let what = format!("there is no randomness for a key: {error}");
        Unseen::Unverified(Failure::new(Code::Error, what))
    })?;
    let origin = origin_of(verified.stat.log);
    let signer = NoteSigner::from_seed(&origin, &seed);
    let note = Checkpoint { origin, size: verified.stat.commits, root: verified.root }.note(&signer);
    for (name, content) in [
        (KEY, format!("{}\n", signer.to_secret_text()).into_bytes()),
        (PUBLIC_KEY, format!("{}\n", signer.verifier()).into_bytes()),
        (CHECKPOINTS, to_block(&note)),
    ] {
        storage.instead(name, &content)?;
    }
    Ok(storage)
}

#[cfg(test)]
mod tests {
    use super::Beside;
    use crate::wiring::SystemClock;
    use std::path::Path;
    use std::sync::Arc;
    use stele_domain::ids::EventId;
    use stele_domain::port::event_log::{EventLog as _, Expected, NewRecord, Position, StreamId};
    use stele_event_log::{EmbeddedLog, Options, Reach};
    use uuid::Uuid;

    /// An owner comes, writes something down, and goes.
    async fn owned(directory: &Path, number: u64) {
        let log = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock))).unwrap().0;
        let record = NewRecord {
            event_id: EventId(Uuid::from_u128(u128::from(number))),
            event_type: "other.Happened".into(),
            data: b"{}".as_slice().into(),
            metadata: b"{}".as_slice().into(),
        };
        log.append(&StreamId::new("other-one").unwrap(), Expected::Any, vec![record]).await.unwrap();
        log.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_owner_that_came_and_went_between_two_looks_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        owned(folder.path(), 1).await;
        let beside = Beside::open(folder.path(), Reach::default()).unwrap();
        assert_eq!(beside.head().await.unwrap(), Position(1));
        for number in 2..5 {
            owned(folder.path(), number).await;
            assert_eq!(beside.head().await.unwrap(), Position(number));
        }
        // Where nobody came, it is not read again.
        let seen = beside.seen();
        assert_eq!(beside.head().await.unwrap(), Position(4));
        assert!(Arc::ptr_eq(&seen, &beside.seen()));
        beside.close().await;
    }
}
