//! Blobs in memory, for tests and for trying things out: gone with the process.

use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{
    BLOB_BYTES_MAX, BLOB_LIST_MAX, BlobEntry, BlobError, BlobName, BlobStore, ChangingBlobs, Put,
};
use stele_domain::time::Timestamp;

/// What it says of where it is.
const URL: &str = "memory:";

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<BlobName, Kept>>,
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    at: Timestamp,
}

impl Kept {
    fn now(bytes: Vec<u8>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Self { bytes, at: Timestamp::from_micros(micros) }
    }
}

impl MemoryBlobs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobName, Kept>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        name: &BlobName,
        look: impl FnOnce(&[u8]) -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let blobs = self.lock();
        let missing = || BlobError::Missing { name: name.clone(), store: URL.to_owned() };
        look(&blobs.get(name).ok_or_else(missing)?.bytes)
    }
}

/// Refuses what is more than one call moves.
pub fn limited(name: &BlobName, bytes: u64) -> Result<(), BlobError> {
    if bytes > BLOB_BYTES_MAX { Err(BlobError::TooLarge { name: name.clone(), bytes }) } else { Ok(()) }
}

/// A number of bytes in memory.
pub fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl BlobStore for MemoryBlobs {
    fn url(&self) -> &str {
        URL
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        let put = limited(name, count(&bytes)).map(|()| {
            let mut blobs = self.lock();
            if blobs.contains_key(name) {
                return Put::There;
            }
            blobs.insert(name.clone(), Kept::now(bytes));
            Put::Kept
        });
        Box::pin(ready(put))
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(ready(self.with(name, |bytes| Ok(bytes.to_vec()))))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        let read = limited(name, range.end.saturating_sub(range.start)).and_then(|()| {
            self.with(name, |bytes| {
                let (from, to) = (usize::try_from(range.start), usize::try_from(range.end));
                let within = from.ok().zip(to.ok()).and_then(|(from, to)| bytes.get(from..to));
                let short =
                    || BlobError::Short { name: name.clone(), store: URL.to_owned(), bytes: count(bytes) };
                within.map(<[u8]>::to_vec).ok_or_else(short)
            })
        });
        Box::pin(ready(read))
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        Box::pin(ready(self.with(name, |bytes| Ok(count(bytes)))))
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        let under = format!("{under}/");
        let blobs = self.lock();
        let entries = blobs
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(&under) && after.is_none_or(|after| *name > after))
            .take(limit.min(BLOB_LIST_MAX))
            .map(|(name, kept)| BlobEntry { name: name.clone(), bytes: count(&kept.bytes) });
        Box::pin(ready(Ok(entries.collect())))
    }
}

impl ChangingBlobs for MemoryBlobs {
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>> {
        let replaced = limited(name, count(&bytes)).map(|()| {
            self.lock().insert(name.clone(), Kept::now(bytes));
        });
        Box::pin(ready(replaced))
    }

    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>> {
        self.lock().remove(name);
        Box::pin(ready(Ok(())))
    }

    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>> {
        let missing = BlobError::Missing { name: name.clone(), store: URL.to_owned() };
        Box::pin(ready(self.lock().get(name).map(|kept| kept.at).ok_or(missing)))
    }
}
