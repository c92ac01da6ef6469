//! What changes in a store: blobs that are replaced, and blobs that are removed.

use crate::errors;
use crate::memory::{count, limited};
use crate::objects::Objects;
use bytes::Bytes;
use object_store::{Error, ObjectStoreExt as _, PutMode};
use std::io::ErrorKind;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobError, BlobName, ChangingBlobs};
use stele_domain::time::Timestamp;

impl Objects {
    async fn replace_bytes(&self, name: &BlobName, bytes: Vec<u8>) -> Result<(), BlobError> {
        limited(name, count(&bytes))?;
        if let Some(place) = &self.place {
            let (place, name) = (place.clone(), name.clone());
            self.on_disk(move || place.prepare(&name)).await?;
        }
        let path = self.path(name);
        let put = self.store.put_opts(&path, Bytes::from(bytes).into(), PutMode::Overwrite.into());
        put.await.map(|_| ()).map_err(|error| self.failed(error, None))
    }

    async fn remove_blob(&self, name: &BlobName) -> Result<(), BlobError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error @ Error::NotFound { .. }) => {
                let failed = self.failed(error, Some(name));
                if !matches!(failed, BlobError::Missing { .. }) {
                    return Err(failed);
                }
                // Nothing is there either where a disk was unmounted.
                let Some(place) = self.place.clone() else { return Ok(()) };
                self.on_disk(move || place.is_still_there()).await
            }
            // Somebody has removed the directory that it was the last blob of: there is nothing left to be made durable in it.
            Err(error) if self.place.is_some() && errors::kind_of(&error) == Some(ErrorKind::NotFound) => {
                let Some(place) = self.place.clone() else { return Ok(()) };
                self.on_disk(move || place.is_still_there()).await
            }
            Err(error) => Err(self.failed(error, Some(name))),
        }
    }

    async fn moment(&self, name: &BlobName) -> Result<Timestamp, BlobError> {
        match self.store.head(&self.path(name)).await {
            Ok(meta) => Ok(Timestamp::from_micros(meta.last_modified.timestamp_micros())),
            Err(error) => {
                // Says more of what is missing: the blob, the bucket or the disk.
                self.length(name).await?;
                Err(self.failed(error, Some(name)))
            }
        }
    }
}

impl ChangingBlobs for Objects {
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(self.within(self.replace_bytes(name, bytes)))
    }

    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(self.within(self.remove_blob(name)))
    }

    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>> {
        Box::pin(self.within(self.moment(name)))
    }
}
