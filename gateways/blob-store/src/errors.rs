//! Turns what an object store says into the words of the port.

use object_store::Error;
use std::error::Error as _;
use std::io;
use stele_domain::port::blob_store::{BlobError, BlobName};

/// What stands in S3's answer where a bucket is not there.
const NO_BUCKET: &str = "NoSuchBucket";

/// An answer that is an error, about this blob. Where nothing can be missing, say so by `None`.
pub fn of(error: Error, name: Option<&BlobName>, store: &str) -> BlobError {
    let store = store.to_owned();
    let disk = kind_of(&error);
    if is_missing(&error, disk)
        && let Some(name) = name
    {
        return BlobError::Missing { name: name.clone(), store };
    }
    let denied = matches!(&error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        // A bucket or a directory that is not there is for a person, as rights are.
        || matches!(&error, Error::NotFound { .. })
        || matches!(disk, Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem));
    let full = matches!(disk, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
    let source = Box::new(error);
    if denied {
        BlobError::Denied { store, source }
    } else if full {
        BlobError::Full { store, source }
    } else {
        BlobError::Unreachable { store, source }
    }
}

/// What the operating system said of the directory itself.
pub fn of_disk(error: io::Error, store: &str) -> BlobError {
    let (kind, store, source) = (error.kind(), store.to_owned(), Box::new(error));
    if matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        BlobError::Denied { store, source }
    } else if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        BlobError::Full { store, source }
    } else {
        BlobError::Unreachable { store, source }
    }
}

fn is_missing(error: &Error, disk: Option<io::ErrorKind>) -> bool {
    if let Error::NotFound { source, .. } = error {
        return !source.to_string().contains(NO_BUCKET);
    }
    // A part of the name is a blob, and no directory.
    disk == Some(io::ErrorKind::NotADirectory)
}

/// What the operating system said, where it was asked.
pub fn kind_of(error: &Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
