//! Makes a log from the lines of an export: the same events at the same positions in the same commits, recorded at the
//! same times. It is another log all the same, with an id and a key of its own: nothing that the first one signed is
//! about it.

use crate::embedded::{EmbeddedLog, Recorder};
use crate::format::to_u64;
use crate::ndjson::{EXPORT_VERSION, Event, Header, LINE_BYTES_MAX, Line, Trailer, hex};
use crate::options::Options;
use crate::verify::{VerifyError, VerifyOptions, VerifyReport, verify};
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, Read as _};
use std::path::Path;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Expected, LogError, NewRecord, Position, Revision, StreamAppend,
    StreamId,
};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The log that was exported.
    pub from: Uuid,
    /// The new one, as it was verified afterwards.
    pub verified: VerifyReport,
}

/// Why lines are no log.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is something in the directory.
    #[error("{0} is not empty: an import makes a new log and changes none")]
    NotEmpty(String),
    /// The lines are of no export, or of one that this program can't read.
    #[error("line {line} is no line of an export: {what}")]
    Malformed {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A line is longer than any event.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes, which no event is")]
    TooLong {
        /// Number of the line, from 1.
        line: u64,
    },
    /// The export begins in the middle of a log.
    #[error("the export begins with position {from}: a log begins with 1. Export it without --from")]
    NotFromTheBeginning {
        /// The first position of the export.
        from: u64,
    },
    /// An event is missing, or two have changed places.
    #[error("line {line} should be {wanted}, and is {found}: events are missing or have changed places")]
    Gap {
        /// Number of the line, from 1.
        line: u64,
        /// What should come.
        wanted: String,
        /// What comes.
        found: String,
    },
    /// There is no trailer.
    #[error("the file was cut: it ends with line {lines}, without the trailer of an export")]
    Cut {
        /// How many lines there are.
        lines: u64,
    },
    /// The lines are not those that were written.
    #[error("the lines are not those that were exported: their digest is {found}, the trailer says {told}")]
    Digest {
        /// Of the lines that are there.
        found: String,
        /// Of those that were written.
        told: String,
    },
    /// The lines can't be read.
    #[error("the export can't be read")]
    Read(#[source] io::Error),
    /// The new log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The new log is not what was written to it.
    #[error("the new log does not verify")]
    Verify(#[from] VerifyError),
}

/// Makes the log of an export in a directory that is empty or not there. Blocks, and must not be called on a thread of a
/// runtime. After an error, what is in the directory is of no use.
pub fn import(lines: impl BufRead, directory: &Path, options: Options) -> Result<Imported, ImportError> {
    if std::fs::read_dir(directory).is_ok_and(|mut there| there.next().is_some()) {
        return Err(ImportError::NotEmpty(directory.display().to_string()));
    }
    let mut lines = Lines { source: lines, digest: Sha256::new(), buffer: vec![], number: 0 };
    // Nothing is begun for what is no export.
    let header = lines.header()?;
    let (log, _) = EmbeddedLog::open(directory, options)?;
    let mut commits = Commits::new(Recorder::of(&log));
    let trailer = loop {
        let line = lines.number + 1;
        match lines.next()? {
            Line::Event(event) => commits.add(line, event)?,
            Line::End(trailer) => break trailer,
            Line::Export(_) => return Err(malformed(line, "there is a second header")),
        }
    };
    commits.are_all(&header, &trailer, lines.number)?;
    lines.end(&trailer)?;
    commits.finish()?;
    drop(log);
    let verified = verify(directory, &VerifyOptions::default())?;
    Ok(Imported { from: header.log, verified })
}

fn malformed(line: u64, what: impl std::fmt::Display) -> ImportError {
    ImportError::Malformed { line, what: what.to_string() }
}

/// Lines as they come in, and what they come to.
struct Lines<R> {
    source: R,
    /// Of the lines before the one in the buffer.
    digest: Sha256,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn header(&mut self) -> Result<Header, ImportError> {
        let header = match self.next()? {
            Line::Export(header) => header,
            Line::Event(_) | Line::End(_) => return Err(malformed(1, "an export begins with a header")),
        };
        if header.version != EXPORT_VERSION {
            let what = format!("it has version {}, this program reads {EXPORT_VERSION}", header.version);
            return Err(malformed(1, what));
        }
        if header.from != 1 {
            return Err(ImportError::NotFromTheBeginning { from: header.from });
        }
        Ok(header)
    }

    fn next(&mut self) -> Result<Line<'_>, ImportError> {
        self.digest.update(&self.buffer);
        if !self.read()? {
            return Err(ImportError::Cut { lines: self.number });
        }
        self.number += 1;
        // A last line without its newline was cut, even where it is whole by chance.
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            return Err(ImportError::Cut { lines: self.number });
        };
        serde_json::from_slice(line).map_err(|error| malformed(self.number, error))
    }

    /// Reads a line; false at the end.
    fn read(&mut self) -> Result<bool, ImportError> {
        self.buffer.clear();
        let mut limited = (&mut self.source).take(to_u64(LINE_BYTES_MAX) + 1);
        let read = limited.read_until(b'\n', &mut self.buffer).map_err(ImportError::Read)?;
        if read > LINE_BYTES_MAX {
            return Err(ImportError::TooLong { line: self.number + 1 });
        }
        Ok(read > 0)
    }

    /// After the trailer: nothing more comes, and the lines before it were the ones that it says.
    fn end(mut self, trailer: &Trailer) -> Result<(), ImportError> {
        let found = hex(&self.digest.clone().finalize());
        if found != trailer.sha256 {
            return Err(ImportError::Digest { found, told: trailer.sha256.clone() });
        }
        if self.read()? {
            return Err(malformed(self.number + 1, "there is something after the trailer"));
        }
        Ok(())
    }
}

/// Events on their way into a log, commit by commit.
struct Commits<'log> {
    recorder: Recorder<'log>,
    /// The commit that is being put together.
    commit: u64,
    first: u64,
    recorded_at: Timestamp,
    appends: Vec<StreamAppend>,
    records: usize,
    /// Data and metadata of these.
    bytes: usize,
    /// The next position.
    next: u64,
}

impl<'log> Commits<'log> {
    fn new(recorder: Recorder<'log>) -> Self {
        let recorded_at = Timestamp::default();
        Self { recorder, commit: 0, first: 1, recorded_at, appends: vec![], records: 0, bytes: 0, next: 1 }
    }

    fn add(&mut self, line: u64, event: Event<'_>) -> Result<(), ImportError> {
        if event.position != self.next {
            return Err(gap(line, "position", self.next, event.position));
        }
        let recorded_at = Timestamp::of_micros(event.recorded_at_us);
        let recorded_at = recorded_at.ok_or_else(|| malformed(line, "there is no such time"))?;
        if event.commit != self.commit || self.records == 0 {
            self.begin(line, event.commit, recorded_at)?;
        } else if recorded_at != self.recorded_at {
            return Err(malformed(line, "the events of one commit were recorded at one time"));
        }
        if self.records == APPEND_RECORDS_MAX {
            let what = format!("a commit has at most {APPEND_RECORDS_MAX} events");
            return Err(malformed(line, what));
        }
        let stream = StreamId::new(event.stream.as_ref()).map_err(|error| malformed(line, error))?;
        let bytes = |bytes: Option<Vec<u8>>| bytes.ok_or_else(|| malformed(line, "the base64 is wrong"));
        let record = NewRecord {
            event_id: EventId(event.id),
            event_type: event.kind.as_ref().into(),
            data: bytes(event.data.into_bytes())?.into(),
            metadata: bytes(event.metadata.into_bytes())?.into(),
        };
        // Before the next line is read: a file that is not ours must not cost more memory than one commit.
        self.bytes = self.bytes.saturating_add(record.data.len()).saturating_add(record.metadata.len());
        if self.bytes > APPEND_BYTES_MAX {
            let what = format!("a commit has at most {APPEND_BYTES_MAX} bytes of data and metadata");
            return Err(malformed(line, what));
        }
        self.put(line, stream, event.revision, record)?;
        self.next += 1;
        self.records += 1;
        Ok(())
    }

    fn begin(&mut self, line: u64, commit: u64, recorded_at: Timestamp) -> Result<(), ImportError> {
        let wanted = if self.next == 1 { 0 } else { self.commit + 1 };
        if commit != wanted {
            return Err(gap(line, "of commit", wanted, commit));
        }
        if recorded_at < self.recorded_at {
            let what = format!("it was recorded at {recorded_at}, before the event before it");
            return Err(malformed(line, what));
        }
        self.offer()?;
        (self.commit, self.first, self.recorded_at) = (commit, self.next, recorded_at);
        Ok(())
    }

    fn put(
        &mut self,
        line: u64,
        stream: StreamId,
        revision: u64,
        record: NewRecord,
    ) -> Result<(), ImportError> {
        if let Some(append) = self.appends.last_mut().filter(|append| append.stream == stream) {
            let before = match append.expected {
                Expected::Exactly(before) => before.0.saturating_add(1),
                Expected::NoStream | Expected::Any | Expected::Exists => 0,
            };
            let wanted = before.saturating_add(to_u64(append.records.len()));
            if revision != wanted {
                return Err(gap(line, "revision", wanted, revision));
            }
            append.records.push(record);
            return Ok(());
        }
        let expected =
            revision.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
        self.appends.push(StreamAppend { stream, expected, records: vec![record] });
        Ok(())
    }

    /// Offers the commit that has been put together.
    fn offer(&mut self) -> Result<(), ImportError> {
        if self.records > 0 {
            let appends = std::mem::take(&mut self.appends);
            (self.records, self.bytes) = (0, 0);
            self.recorder.commit(Position(self.first), appends, self.recorded_at)?;
        }
        Ok(())
    }

    /// As many as the header and the trailer say.
    fn are_all(&self, header: &Header, trailer: &Trailer, line: u64) -> Result<(), ImportError> {
        let events = self.next - 1;
        if header.to != events {
            return Err(gap(line, "the trailer after position", header.to, events));
        }
        if trailer.events != events {
            return Err(gap(line, "the trailer of this many events:", events, trailer.events));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), ImportError> {
        self.offer()?;
        Ok(self.recorder.finish()?)
    }
}

fn gap(line: u64, what: &str, wanted: u64, found: u64) -> ImportError {
    ImportError::Gap { line, wanted: format!("{what} {wanted}"), found: format!("{what} {found}") }
}

#[cfg(test)]
mod tests {
    use super::{ImportError, import};
    use crate::ndjson::{Bytes, EXPORT_VERSION, Event, Header, Line};
    use crate::options::Options;
    use std::sync::Arc;
    use stele_domain::port::clock::Clock;
    use stele_domain::port::event_log::APPEND_BYTES_MAX;
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_790_000_000_000)
        }
    }

    /// What is said of an export of one commit, without its trailer, whose events have these revisions and this data.
    fn refused(events: &[(u64, &str)]) -> ImportError {
        let to = u64::try_from(events.len()).unwrap();
        let mut lines = vec![Line::Export(Header { version: EXPORT_VERSION, log: Uuid::nil(), from: 1, to })];
        lines.extend((1..).zip(events).map(|(position, (revision, data))| {
            Line::Event(Event {
                position,
                commit: 0,
                stream: "order-1".into(),
                revision: *revision,
                id: Uuid::from_u128(u128::from(position)),
                kind: "order.Placed".into(),
                recorded_at_us: 0,
                data: Bytes::of(data.as_bytes()),
                metadata: Bytes::of(b""),
            })
        }));
        let text = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>();
        let place = tempfile::tempdir().unwrap();
        let options = Options::new(Arc::new(Noon));
        import(text.as_bytes(), &place.path().join("log"), options).unwrap_err()
    }

    #[test]
    fn a_commit_that_no_log_takes_is_refused_before_more_of_it_is_read() {
        let half = "x".repeat(APPEND_BYTES_MAX / 2 + 1);
        let error = refused(&[(0, &half), (1, &half), (2, "x")]);
        assert!(matches!(error, ImportError::Malformed { line: 3, .. }), "{error}");
        assert!(error.to_string().contains(&APPEND_BYTES_MAX.to_string()), "{error}");
    }

    #[test]
    fn revisions_beyond_all_numbers_are_an_error_and_no_panic() {
        let last = u64::MAX;
        let error = refused(&[(last, "x"), (last, "x"), (last, "x")]);
        assert!(matches!(error, ImportError::Gap { .. } | ImportError::Cut { .. }), "{error}");
    }
}
