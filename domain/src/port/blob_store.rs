//! Where finished pieces of bytes are kept by name, outside of the machine that made them: sealed segments of the log,
//! raw payloads, files of the lake. It is no file system: nothing is changed, and nothing grows.

use super::PortFuture;
use crate::time::Timestamp;
use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Longest name, in bytes.
pub const BLOB_NAME_BYTES_MAX: usize = 512;

/// Most bytes that are put, or asked for, in one call: 256 MiB. They are in memory while the call lasts.
pub const BLOB_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Most names that one page of a list has.
pub const BLOB_LIST_MAX: usize = 1_000;

/// The name of a blob: parts of ASCII letters, digits and `._=-`, with slashes between them; no part begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(Box<str>);

/// A text that is no name of a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a blob: parts of letters, digits and ._=- with slashes between them, none beginning with a dot, \
     at most {BLOB_NAME_BYTES_MAX} bytes"
)]
pub struct InvalidBlobName(pub String);

impl BlobName {
    /// A name.
    ///
    /// # Errors
    ///
    /// [`InvalidBlobName`] where the text is none.
    pub fn new(text: &str) -> Result<Self, InvalidBlobName> {
        let fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte))
        };
        if text.len() <= BLOB_NAME_BYTES_MAX && text.split('/').all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidBlobName(text.to_owned()))
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of a put.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The bytes are kept under the name.
    Kept,
    /// There was a blob of that name before. It is what it was; whether its bytes are these, nobody has looked.
    There,
}

/// A blob in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub name: BlobName,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Why a store said no, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no blob of that name.
    #[error("there is no {name} in {store}")]
    Missing {
        /// The name.
        name: BlobName,
        /// Where it was looked for.
        store: String,
    },
    /// The blob ends before the range does.
    #[error("{name} in {store} has {bytes} bytes, and some after them were asked for")]
    Short {
        /// The name.
        name: BlobName,
        /// Where it is.
        store: String,
        /// How many bytes it has.
        bytes: u64,
    },
    /// More bytes than one call may move.
    #[error("{name} has {bytes} bytes: at most {BLOB_BYTES_MAX} are moved at once")]
    TooLarge {
        /// The name.
        name: BlobName,
        /// How many bytes were offered or asked for.
        bytes: u64,
    },
    /// The store does not let this process do it: credentials, or rights.
    #[error("{store} does not let this process do that")]
    Denied {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no room. Nothing was kept.
    #[error("there is no room in {store}")]
    Full {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store did not answer, or not sensibly. After a put, nobody knows whether the bytes are kept: put them again.
    #[error("{store} did not answer")]
    Unreachable {
        /// Which store.
        store: String,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BlobError {
    /// Whether the same call, unchanged, may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Full { .. } => true,
            Self::Missing { .. } | Self::Short { .. } | Self::TooLarge { .. } | Self::Denied { .. } => false,
        }
    }

    /// One word for the kind, for figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Short { .. } => "short",
            Self::TooLarge { .. } => "too_large",
            Self::Denied { .. } => "denied",
            Self::Full { .. } => "full",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// Keeps blobs by name. What was kept is never changed through this port, and never removed.
///
/// A call may be dropped at any moment: of a put, nobody then knows whether the bytes are kept. Calls never block a
/// thread for longer than a moment. Every implementation passes `tests/conformance/blob_store`.
pub trait BlobStore: Send + Sync {
    /// Where it is, for people and for messages: `file:///srv/archive`, `s3://bucket/prefix`. It holds no secret, no white
    /// space and no control character.
    fn url(&self) -> &str;

    /// Keeps bytes under a name that has none: all of them or none. When it answers [`Put::Kept`], they outlast a crash of
    /// the store. Of several puts of one name at the same time, exactly one is kept.
    ///
    /// # Errors
    ///
    /// [`BlobError::TooLarge`] above [`BLOB_BYTES_MAX`]; [`BlobError::Unreachable`] when nobody knows whether they are kept;
    /// [`BlobError::Denied`], [`BlobError::Full`] when they are not.
    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>>;

    /// All bytes of a blob.
    ///
    /// # Errors
    ///
    /// [`BlobError::Missing`]; [`BlobError::TooLarge`] where there are more than [`BLOB_BYTES_MAX`].
    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>>;

    /// The bytes of a blob in `range`, exactly; an empty range of a blob that is there has none.
    ///
    /// # Errors
    ///
    /// [`BlobError::Missing`]; [`BlobError::Short`] where the blob ends before the range does; [`BlobError::TooLarge`] where
    /// the range has more than [`BLOB_BYTES_MAX`].
    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>>;

    /// Length of a blob in bytes.
    ///
    /// # Errors
    ///
    /// [`BlobError::Missing`].
    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>>;

    /// The blobs whose names begin with the parts of `under` and come after `after`, in the order of their names' bytes, at
    /// most `limit` and [`BLOB_LIST_MAX`] of them. Fewer than that means that there are no more. What was kept before the
    /// call is in it.
    ///
    /// # Errors
    ///
    /// Only what keeps the store from answering: where there is nothing, the list is empty.
    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>>;
}

/// A store in which blobs are also replaced and removed: those that only point at others, and those that nothing points at
/// any more. Whoever wants blobs that never change is given no more than [`BlobStore`].
pub trait ChangingBlobs: BlobStore {
    /// Keeps bytes under a name, whatever was there. Readers see the old bytes or the new ones, whole.
    ///
    /// # Errors
    ///
    /// As [`BlobStore::put`]; after [`BlobError::Unreachable`] nobody knows which bytes are kept.
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>>;

    /// Removes a blob. One that isn't there stays gone.
    ///
    /// # Errors
    ///
    /// [`BlobError::Denied`], [`BlobError::Unreachable`].
    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>>;

    /// When the bytes of a blob were kept, by the store's own clock.
    ///
    /// # Errors
    ///
    /// [`BlobError::Missing`].
    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>>;
}

#[cfg(test)]
mod tests {
    use super::{BLOB_NAME_BYTES_MAX, BlobName};

    #[test]
    fn names_are_parts_with_slashes_between_them_and_lead_nowhere_else() {
        for name in ["a", "log/00000000000000000001.seg", "dt=2026-11-21/part-1.zstd.parquet"] {
            assert_eq!(BlobName::new(name).unwrap().as_str(), name);
        }
        let long = "a".repeat(BLOB_NAME_BYTES_MAX);
        assert!(BlobName::new(&long).is_ok() && BlobName::new(&format!("{long}a")).is_err());
        for text in
            ["", "/", "/a", "a/", "a//b", "..", "a/../b", "a/.b", "a b", "a#1", "ä", "a\\b", "a\n", "%2e"]
        {
            assert!(BlobName::new(text).is_err(), "{text:?}");
        }
    }
}
