//! A store that a command waits for. Where it does not answer, a request takes its time before the command gives
//! up, and some are made once more: whoever sits in front of it is told what is waited for.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, Put};

/// How long nobody is told anything, or half the time of a request where that is less.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How often it is said again.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// The store, and when somebody was told.
struct ToldStore {
    store: Arc<dyn BlobStore>,
    /// The setting that says how long a request may take, and how long that is.
    request_max: (&'static str, Duration),
    said: Mutex<Option<Instant>>,
}

/// The store for a command: it says on standard error what is waited for. `setting` names how long a request may take.
pub(super) fn telling(
    store: Arc<dyn BlobStore>,
    setting: &'static str,
    request_max: Duration,
) -> Arc<dyn BlobStore> {
    Arc::new(ToldStore { store, request_max: (setting, request_max), said: Mutex::default() })
}

impl ToldStore {
    /// Waits for an answer, and says so when it does not come soon.
    async fn waited<T>(&self, mut asked: PortFuture<'_, Result<T, BlobError>>) -> Result<T, BlobError> {
        let (setting, request_max) = self.request_max;
        let silence = SILENCE_MAX.min(request_max / 2);
        if let Ok(answer) = tokio::time::timeout(silence, &mut asked).await {
            return answer;
        }
        if self.is_news() {
            eprintln!(
                "{} has not answered for {} ms: a request may take {} ms ({setting})",
                self.store.url(),
                silence.as_millis(),
                request_max.as_millis()
            );
        }
        asked.await
    }

    fn is_news(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return false;
        }
        *said = Some(Instant::now());
        true
    }
}

impl BlobStore for ToldStore {
    fn url(&self) -> &str {
        self.store.url()
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(self.waited(self.store.put(name, bytes)))
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(self.waited(self.store.get(name)))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(self.waited(self.store.get_range(name, range)))
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        Box::pin(self.waited(self.store.head(name)))
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        Box::pin(self.waited(self.store.list(under, after, limit)))
    }
}
