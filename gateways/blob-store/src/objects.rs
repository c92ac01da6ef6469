//! Blobs in a directory or in a store that speaks S3.

use crate::address::Address;
use crate::errors;
use crate::memory::{count, limited};
use crate::place::{PRIVATE, Place, SHARED};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    Certificate, ClientOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode,
    RetryConfig,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{
    BLOB_LIST_MAX, BlobEntry, BlobError, BlobName, BlobStore, ChangingBlobs, Put,
};

/// How often a request is made again by itself. Whoever asks tries again too, and knows for how long.
const RETRIES: usize = 2;

/// How long a request may take where nothing else is asked for.
const REQUEST_MAX_DEFAULT: Duration = Duration::from_mins(1);

/// Who asks a store that speaks S3.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The key's name.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
}

/// How a store is reached. Of a directory only the time is of interest.
#[derive(Debug, Clone)]
pub struct Options {
    /// The region; empty: what `AWS_REGION` or `AWS_DEFAULT_REGION` says, else `us-east-1`.
    pub region: String,
    /// `https://host:port` of a store that is not Amazon's; empty: Amazon's.
    pub endpoint: String,
    /// Whether bytes and requests may go over HTTP without TLS.
    pub plain_http: bool,
    /// Who asks; `None`: what `AWS_ACCESS_KEY_ID` and its kin say, or who the machine is.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) that may vouch for the store besides those of the operating system.
    pub certificates: Option<Vec<u8>>,
    /// How long one request may take, with its bytes.
    pub request_max: Duration,
    /// Whether others may enter the directories that are made, as the umask says; else only this user.
    pub shared: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: String::new(),
            endpoint: String::new(),
            plain_http: false,
            credentials: None,
            certificates: None,
            request_max: REQUEST_MAX_DEFAULT,
            shared: false,
        }
    }
}

/// Why a store can't be reached as it is described.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not there. It is not made: a disk that is not mounted looks like this.
    #[error("the directory of the blob store, {directory}, can't be used: make it, or mount its disk")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The settings contradict each other, or what they say.
    #[error("the blob store {url} can't be used with these settings")]
    Settings {
        /// Which.
        url: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Opens the store at an address. A store that speaks S3 is not asked anything yet.
///
/// # Errors
///
/// [`OpenError::Directory`] where a directory is not there, [`OpenError::Settings`] where settings can't be used.
pub fn open(address: &Address, options: &Options) -> Result<Arc<dyn BlobStore>, OpenError> {
    Ok(Arc::new(objects(address, options)?))
}

/// The same for whoever also replaces and removes blobs.
///
/// # Errors
///
/// As [`open`].
pub fn open_changing(address: &Address, options: &Options) -> Result<Arc<dyn ChangingBlobs>, OpenError> {
    Ok(Arc::new(objects(address, options)?))
}

fn objects(address: &Address, options: &Options) -> Result<Objects, OpenError> {
    let url = address.to_string();
    Ok(match address {
        Address::Directory(directory) => {
            let unusable = |source| OpenError::Directory { directory: directory.clone(), source };
            let mode = if options.shared { SHARED } else { PRIVATE };
            let place = Place::of(directory, mode).map_err(unusable)?;
            let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| settings(&url, error))?;
            Objects {
                store: Arc::new(store.with_fsync(true)),
                prefix: None,
                place: Some(place),
                ordered: false,
                request_max: options.request_max,
                url,
            }
        }
        Address::S3 { bucket, prefix } => Objects {
            store: s3(&url, bucket, options)?,
            prefix: prefix.clone(),
            place: None,
            ordered: true,
            request_max: options.request_max,
            url,
        },
    })
}

fn settings(url: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::Settings { url: url.to_owned(), source: error.into() }
}

fn s3(url: &str, bucket: &str, options: &Options) -> Result<Arc<dyn ObjectStore>, OpenError> {
    let mut client =
        ClientOptions::new().with_timeout(options.request_max).with_allow_http(options.plain_http);
    if let Some(pem) = &options.certificates {
        let all = Certificate::from_pem_bundle(pem).map_err(|error| settings(url, error))?;
        client = all.into_iter().fold(client, ClientOptions::with_root_certificate);
    }
    let mut builder = match &options.credentials {
        // A key that is named is the only one: the environment may hold another one for other programs.
        Some(credentials) => AmazonS3Builder::new()
            .with_access_key_id(&credentials.access_key_id)
            .with_secret_access_key(credentials.secret_access_key.expose_secret()),
        None => AmazonS3Builder::from_env(),
    };
    if let Some(region) = region(options, |name| std::env::var(name).ok()) {
        builder = builder.with_region(region);
    }
    if !options.endpoint.is_empty() {
        builder = builder.with_endpoint(&options.endpoint);
    }
    let retry =
        RetryConfig { max_retries: RETRIES, retry_timeout: options.request_max, ..RetryConfig::default() };
    let built = builder.with_bucket_name(bucket).with_client_options(client).with_retry(retry).build();
    built.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| settings(url, error))
}

/// The region that is asked for, else that of the environment, which a key that is named does not bring along.
fn region(options: &Options, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = Some(options.region.clone()).filter(|region| !region.is_empty());
    named.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"))
}

/// A store behind the client of many stores.
pub(crate) struct Objects {
    pub(crate) store: Arc<dyn ObjectStore>,
    url: String,
    prefix: Option<BlobName>,
    /// Where the blobs are, when they are files.
    pub(crate) place: Option<Place>,
    /// Whether it lists names in their order.
    ordered: bool,
    request_max: Duration,
}

impl Objects {
    pub(crate) fn path(&self, name: &BlobName) -> ObjectPath {
        match &self.prefix {
            Some(prefix) => ObjectPath::from(format!("{prefix}/{name}")),
            None => ObjectPath::from(name.as_str()),
        }
    }

    /// The name of what the store lists; `None` for what can't be ours.
    fn name(&self, path: &ObjectPath) -> Option<BlobName> {
        let text = match &self.prefix {
            Some(prefix) => path.as_ref().strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => path.as_ref(),
        };
        BlobName::new(text).ok()
    }

    pub(crate) fn failed(&self, error: Error, name: Option<&BlobName>) -> BlobError {
        errors::of(error, name, &self.url)
    }

    fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BlobError {
        BlobError::Unreachable { store: self.url.clone(), source: source.into() }
    }

    /// Waits for an answer no longer than a request may take: a disk that hangs holds up nobody for ever.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        match tokio::time::timeout(self.request_max * 2, work).await {
            Ok(done) => done,
            Err(late) => Err(self.unreachable(late)),
        }
    }

    async fn put_bytes(&self, name: &BlobName, bytes: Vec<u8>) -> Result<Put, BlobError> {
        limited(name, count(&bytes))?;
        let path = self.path(name);
        if let Some(place) = &self.place {
            let (place, name) = (place.clone(), name.clone());
            self.on_disk(move || place.prepare(&name)).await?;
        }
        match self.store.put_opts(&path, Bytes::from(bytes).into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Put::Kept),
            Err(Error::AlreadyExists { .. }) => self.there(name).await,
            Err(error) => Err(self.failed(error, None)),
        }
    }

    /// A file that was there may be one whose directory was not synced before a process died.
    async fn there(&self, name: &BlobName) -> Result<Put, BlobError> {
        let Some(place) = &self.place else { return Ok(Put::There) };
        let (place, name) = (place.clone(), name.clone());
        self.on_disk(move || place.sync(&name)).await?;
        Ok(Put::There)
    }

    /// Does something with the directory, on a thread that may wait.
    pub(crate) async fn on_disk(
        &self,
        work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), BlobError> {
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|error| self.unreachable(error))?;
        done.map_err(|error| errors::of_disk(error, &self.url))
    }

    pub(crate) async fn length(&self, name: &BlobName) -> Result<u64, BlobError> {
        let meta = self.store.head(&self.path(name)).await;
        match meta.map(|meta| meta.size).map_err(|error| self.failed(error, Some(name))) {
            Err(missing @ BlobError::Missing { .. }) => self.really(name, missing).await,
            length => length,
        }
    }

    /// Looks again when a blob is said to be missing: a disk that is not mounted any more has none, and a store that speaks
    /// S3 answers a question about a blob without a word of whether the bucket is there.
    async fn really(&self, name: &BlobName, missing: BlobError) -> Result<u64, BlobError> {
        if let Some(place) = &self.place {
            let place = place.clone();
            self.on_disk(move || place.is_still_there()).await?;
            return Err(missing);
        }
        let first = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
        match self.store.get_opts(&self.path(name), first).await {
            // It was put a moment ago.
            Ok(got) => Ok(got.meta.size),
            Err(error) => Err(self.failed(error, Some(name))),
        }
    }

    async fn read(&self, name: &BlobName, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let wanted = range.end.saturating_sub(range.start);
        limited(name, wanted)?;
        if wanted == 0 {
            self.reaches(name, range.end).await?;
            return Ok(vec![]);
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let got = match self.store.get_opts(&self.path(name), options).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) if count(&bytes) == wanted => Ok(Vec::from(bytes)),
            Ok(_) => {
                self.reaches(name, range.end).await?;
                Err(self.unreachable("it answered with other bytes than were asked for"))
            }
            Err(error) => {
                let failed = self.failed(error, Some(name));
                if matches!(failed, BlobError::Missing { .. }) && self.place.is_some() {
                    self.reaches(name, range.end).await?;
                }
                // A store refuses a range beyond the end in words of its own.
                if matches!(failed, BlobError::Unreachable { .. }) {
                    self.reaches(name, range.end).await?;
                }
                Err(failed)
            }
        }
    }

    /// Refuses a range that ends behind the blob.
    async fn reaches(&self, name: &BlobName, end: u64) -> Result<(), BlobError> {
        let bytes = self.length(name).await?;
        if bytes < end {
            return Err(BlobError::Short { name: name.clone(), store: self.url.clone(), bytes });
        }
        Ok(())
    }

    async fn page(
        &self,
        under: &BlobName,
        after: Option<&BlobName>,
        limit: usize,
    ) -> Result<Vec<BlobEntry>, BlobError> {
        let limit = limit.min(BLOB_LIST_MAX);
        if limit == 0 {
            return Ok(vec![]);
        }
        let mut listed = match after {
            Some(after) => self.store.list_with_offset(Some(&self.path(under)), &self.path(after)),
            None => self.store.list(Some(&self.path(under))),
        };
        let under = format!("{under}/");
        // The first names of those that were passed, however they come.
        let mut first = BTreeMap::new();
        while let Some(meta) = listed.try_next().await.map_err(|error| self.failed(error, None))? {
            let Some(name) = self.name(&meta.location) else { continue };
            if !name.as_str().starts_with(&under) || after.is_some_and(|after| name <= *after) {
                continue;
            }
            first.insert(name, meta.size);
            if self.ordered && first.len() == limit {
                break;
            }
            if first.len() > limit {
                first.pop_last();
            }
        }
        Ok(first.into_iter().map(|(name, bytes)| BlobEntry { name, bytes }).collect())
    }
}

impl BlobStore for Objects {
    fn url(&self) -> &str {
        &self.url
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(self.within(self.put_bytes(name, bytes)))
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(self.within(async move {
            let bytes = self.length(name).await?;
            self.read(name, 0..bytes).await
        }))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(self.within(self.read(name, range)))
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        Box::pin(self.within(self.length(name)))
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        Box::pin(self.within(self.page(under, after, limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, region};

    #[test]
    fn the_region_of_the_environment_is_taken_where_none_is_named() {
        let variables = |name: &str| (name == "AWS_REGION").then(|| "eu-north-1".to_owned());
        let named = Options { region: "eu-west-1".to_owned(), ..Options::default() };
        assert_eq!(region(&named, variables).as_deref(), Some("eu-west-1"));
        assert_eq!(region(&Options::default(), variables).as_deref(), Some("eu-north-1"));
        let older = |name: &str| (name == "AWS_DEFAULT_REGION").then(|| "eu-south-1".to_owned());
        assert_eq!(region(&Options::default(), older).as_deref(), Some("eu-south-1"));
        assert_eq!(region(&Options::default(), |_| None), None);
    }
}
