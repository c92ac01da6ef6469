//! What goes wrong with the archive, by kind. It is always about one segment, or about the file that says what is there:
//! the rest of the log goes on.

use crate::VerifyError;
use std::error::Error;
use std::io;
use std::sync::Arc;
use stele_domain::port::blob_store::BlobError;

/// Why an archived segment can't be read, or one can't be archived.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArchiveError {
    /// Nobody said how the archive is reached.
    #[error(
        "segment {segment} is in the archive, {url}, and this process was not told how to reach it: set log.archive.url"
    )]
    NoStore {
        /// The segment.
        segment: String,
        /// Where it was put.
        url: String,
    },
    /// The object is not in the archive any more.
    #[error(
        "archived segment {segment} is missing: there is no object {object} in {store}; it was put into {url}. Put it back"
    )]
    Missing {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Where it was looked for.
        store: String,
        /// Where it was put.
        url: String,
    },
    /// The object is another one.
    #[error(
        "archived segment {segment} is not what was archived: object {object} in {store} at byte {offset}: {what}"
    )]
    Other {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Where it is.
        store: String,
        /// Offset in bytes of what is known to be wrong; 0 where only the whole is.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// There is another object where the segment's would be.
    #[error(
        "segment {segment} is not archived: there is another object {object} in {store}. A copy of this log that went on \
         may have put it there; nothing was changed: name another place for this one"
    )]
    Taken {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Where it is.
        store: String,
    },
    /// Nothing of the log is where its segments were put: another disk, directory or bucket is there, or none.
    #[error(
        "there is nothing of this log in {store}, where segment {segment} was archived as {object}: another disk, directory \
         or bucket seems to be there, or none. See that the right one is mounted or named. Only if it is the right one, all \
         that was archived is lost"
    )]
    Elsewhere {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Where it was looked for.
        store: String,
    },
    /// The archive does not give back what is put into it, or gives something to whoever asks. The segment is where it was.
    #[error(
        "segment {segment} stays: what answers as {store} does not give back what it is sent, object {object}: {what}"
    )]
    NotKept {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Which archive.
        store: String,
        /// What was wrong.
        what: String,
    },
    /// The archive does not let this process in: a person has to look at credentials and rights.
    #[error(
        "the archive, {store}, denies access: it does not let this process ask for segment {segment}, object {object}, or put \
         it there"
    )]
    Denied {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Which archive.
        store: String,
        /// What it said.
        #[source]
        source: Arc<BlobError>,
    },
    /// The archive does not answer, or can't do it.
    #[error("the archive, {store}, can't be asked for segment {segment}, object {object}")]
    Unreachable {
        /// The segment.
        segment: String,
        /// Its object.
        object: String,
        /// Which archive.
        store: String,
        /// What it said.
        #[source]
        source: Arc<BlobError>,
    },
    /// The segment was not there in time. It is still being fetched.
    #[error(
        "segment {segment} is being fetched from the archive, and was not here in {waited_ms} ms: try again"
    )]
    Late {
        /// The segment.
        segment: String,
        /// How long somebody waited, in milliseconds.
        waited_ms: u64,
    },
    /// Too many wait for the archive already.
    #[error("segment {segment} is in the archive, and too many wait for the archive already: try again")]
    Busy {
        /// The segment.
        segment: String,
    },
    /// What was fetched can't be kept where it is read.
    #[error("segment {segment}, fetched from the archive, can't be kept to be read")]
    Cache {
        /// The segment.
        segment: String,
        /// What the disk said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The file that says what is in the archive is not what was written.
    #[error("{file} at byte {offset}: {what}", file = super::MANIFEST_FILE)]
    Manifest {
        /// Offset of the damage in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A segment does not verify, so it stays where it is.
    #[error("segment {segment} does not verify, and is not archived")]
    Unverified {
        /// The segment.
        segment: String,
        /// What is wrong with it.
        #[source]
        source: Arc<VerifyError>,
    },
    /// A segment is larger than a blob may be.
    #[error("segment {segment} has {bytes} bytes, and at most {most} can be archived: it stays")]
    TooLarge {
        /// The segment.
        segment: String,
        /// How long it is, in bytes.
        bytes: u64,
        /// The most, in bytes.
        most: u64,
    },
    /// The disk of the log did not do what it was asked to.
    #[error("{action} {file} failed")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The log is being closed.
    #[error("the log was closed before segment {segment} was archived")]
    Closed {
        /// The segment.
        segment: String,
    },
}

impl ArchiveError {
    /// One word for the kind, for figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoStore { .. } => "no_store",
            Self::Missing { .. } => "missing",
            Self::Other { .. } => "other",
            Self::Taken { .. } => "taken",
            Self::Elsewhere { .. } => "elsewhere",
            Self::NotKept { .. } => "not_kept",
            Self::Denied { .. } => "denied",
            Self::Unreachable { .. } => "unreachable",
            Self::Late { .. } => "late",
            Self::Busy { .. } => "busy",
            Self::Cache { .. } => "cache",
            Self::Manifest { .. } => "manifest",
            Self::Unverified { .. } => "unverified",
            Self::TooLarge { .. } => "too_large",
            Self::Disk { .. } => "disk",
            Self::Closed { .. } => "closed",
        }
    }

    /// Whether the archive has lost something: an object is not there, or is another one.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Other { .. })
    }

    /// The trouble with the archive that an error comes from, where it comes from one.
    #[must_use]
    pub fn behind<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let found = error.downcast_ref().or_else(|| inner?.downcast_ref());
            if found.is_some() {
                return found;
            }
            cause = error.source();
        }
        None
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}
