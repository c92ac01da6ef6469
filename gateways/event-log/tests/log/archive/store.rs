//! A blob store in memory that can be made to fail: it answers nothing, loses things, or says nothing of what it did.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, Put};
use tokio::sync::Notify;

const URL: &str = "memory:test";

/// What is no segment.
const PAGE: &[u8] = b"<html>Please log in.</html>";

/// The store.
#[derive(Default)]
pub struct Blobs {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Nobody gets an answer.
    pub away: AtomicBool,
    /// Nobody is let in.
    pub denied: AtomicBool,
    /// Whatever is asked for, the answer is [`PAGE`], and nothing is kept: no store, but something that answers like one.
    pub parrot: AtomicBool,
    /// Puts are done, and their answers are lost.
    pub mute: AtomicBool,
    /// Reads wait until they are let go.
    pub slow: AtomicBool,
    pub let_go: Notify,
    /// How many times bytes were asked for, and how many were.
    pub reads: AtomicU64,
    pub puts: AtomicU64,
    /// How many times the length of each object was asked for.
    pub heads: Mutex<BTreeMap<String, u64>>,
}

impl Blobs {
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.kept.lock().unwrap()
    }

    /// Names and contents.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().clone()
    }

    fn answered(&self) -> Result<(), BlobError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BlobError::Unreachable { store: URL.to_owned(), source: "it is away".into() });
        }
        if self.denied.load(Ordering::SeqCst) {
            return Err(BlobError::Denied { store: URL.to_owned(), source: "403 Forbidden".into() });
        }
        Ok(())
    }

    fn with<T>(&self, name: &BlobName, look: impl FnOnce(&[u8]) -> T) -> Result<T, BlobError> {
        self.answered()?;
        if self.parrot.load(Ordering::SeqCst) {
            return Ok(look(PAGE));
        }
        let blobs = self.lock();
        let missing = || BlobError::Missing { name: name.clone(), store: URL.to_owned() };
        blobs.get(name.as_str()).map(|bytes| look(bytes)).ok_or_else(missing)
    }
}

impl BlobStore for Blobs {
    fn url(&self) -> &str {
        URL
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(async move {
            self.answered()?;
            self.puts.fetch_add(1, Ordering::SeqCst);
            let mut blobs = self.lock();
            if blobs.contains_key(name.as_str()) {
                return Ok(Put::There);
            }
            blobs.insert(name.to_string(), bytes);
            drop(blobs);
            if self.mute.load(Ordering::SeqCst) {
                return Err(BlobError::Unreachable {
                    store: URL.to_owned(),
                    source: "the answer is lost".into(),
                });
            }
            Ok(Put::Kept)
        })
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move { self.with(name, <[u8]>::to_vec) })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::SeqCst);
            if self.slow.load(Ordering::SeqCst) {
                self.let_go.notified().await;
            }
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            let read = self.with(name, |bytes| (bytes.get(range).map(<[u8]>::to_vec), bytes.len()))?;
            let bytes = u64::try_from(read.1).unwrap();
            read.0.ok_or_else(|| BlobError::Short { name: name.clone(), store: URL.to_owned(), bytes })
        })
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        *self.heads.lock().unwrap().entry(name.to_string()).or_default() += 1;
        Box::pin(async move { self.with(name, |bytes| u64::try_from(bytes.len()).unwrap()) })
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        Box::pin(async move {
            self.answered()?;
            let under = format!("{under}/");
            let named = |(name, bytes): (&String, &Vec<u8>)| BlobEntry {
                name: BlobName::new(name).unwrap(),
                bytes: u64::try_from(bytes.len()).unwrap(),
            };
            let all = self.lock().iter().map(named).collect::<Vec<_>>();
            let fits = |entry: &BlobEntry| {
                entry.name.as_str().starts_with(&under) && after.is_none_or(|after| entry.name > *after)
            };
            Ok(all.into_iter().filter(fits).take(limit).collect())
        })
    }
}
