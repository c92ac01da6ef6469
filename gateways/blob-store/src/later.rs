//! A store in a directory that is not there yet: opened by whoever first asks it something, and tried anew until it can be.

use crate::address::Address;
use crate::objects::{OpenError, Options, open};
use std::error::Error;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, Put};

/// A store that answers as one that does not, until it can be opened.
struct Later {
    url: String,
    address: Address,
    options: Options,
    opened: OnceLock<Arc<dyn BlobStore>>,
}

/// Opens the store at an address also where its directory is not there; in that case it says why not yet, and nothing is
/// made.
///
/// # Errors
///
/// [`OpenError::Settings`] where settings can't be used.
pub fn open_in_the_end(
    address: &Address,
    options: &Options,
) -> Result<(Arc<dyn BlobStore>, Option<OpenError>), OpenError> {
    match open(address, options) {
        Ok(store) => Ok((store, None)),
        Err(away @ OpenError::Directory { .. }) => {
            let (address, options) = (address.clone(), options.clone());
            let later = Later { url: address.to_string(), address, options, opened: OnceLock::new() };
            Ok((Arc::new(later), Some(away)))
        }
        Err(error @ OpenError::Settings { .. }) => Err(error),
    }
}

impl Later {
    /// The store, when it can be opened by now. A disk that hangs is waited for as long as for a request.
    async fn store(&self) -> Result<&dyn BlobStore, BlobError> {
        if let Some(store) = self.opened.get() {
            return Ok(&**store);
        }
        let (address, options) = (self.address.clone(), self.options.clone());
        let opening = tokio::task::spawn_blocking(move || open(&address, &options));
        match tokio::time::timeout(self.options.request_max, opening).await {
            Ok(Ok(Ok(store))) => Ok(&**self.opened.get_or_init(|| store)),
            Ok(Ok(Err(error))) => Err(self.away(error)),
            Ok(Err(error)) => Err(self.away(error)),
            Err(late) => Err(self.away(late)),
        }
    }

    fn away(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> BlobError {
        BlobError::Unreachable { store: self.url.clone(), source: source.into() }
    }
}

impl BlobStore for Later {
    fn url(&self) -> &str {
        &self.url
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(async move { self.store().await?.put(name, bytes).await })
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move { self.store().await?.get(name).await })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move { self.store().await?.get_range(name, range).await })
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        Box::pin(async move { self.store().await?.head(name).await })
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        Box::pin(async move { self.store().await?.list(under, after, limit).await })
    }
}
