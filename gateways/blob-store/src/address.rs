//! Where a store is, as a person writes it: `file:///srv/archive`, `/srv/archive`, `s3://bucket/prefix`.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::path::{Path, PathBuf};
use stele_domain::port::blob_store::BlobName;

/// What is written with a per cent sign in the URL of a directory.
const IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Longest name of a bucket, in bytes.
const BUCKET_BYTES_MAX: usize = 63;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory of this machine, or one that is mounted.
    Directory(PathBuf),
    /// A bucket of a store that speaks S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// What all names begin with; `None` where they stand at the top.
        prefix: Option<BlobName>,
    },
}

/// A text that says of no store where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address of a blob store: {what}. Write file:///a/directory or s3://bucket/prefix")]
pub struct InvalidAddress {
    text: String,
    what: &'static str,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`InvalidAddress`], with the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let wrong = |what| InvalidAddress { text: without_secret(text), what };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            if !(3..=BUCKET_BYTES_MAX).contains(&bucket.len()) || !bucket.bytes().all(fits) {
                return Err(wrong("a bucket has 3 to 63 lower-case letters, digits, dots and dashes"));
            }
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            let prefix = (!prefix.is_empty()).then(|| BlobName::new(prefix)).transpose();
            let prefix = prefix.map_err(|_| wrong("the prefix is no name of a blob"))?;
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix });
        }
        let path = match text.strip_prefix("file://") {
            Some(path) => percent_decode_str(path).decode_utf8().map_err(|_| wrong("the path is no text"))?,
            None if text.contains("://") => return Err(wrong("this kind of store is not known")),
            None => text.into(),
        };
        if path.contains(char::is_control) {
            return Err(wrong("the path has control characters"));
        }
        if !Path::new(&*path).is_absolute() {
            return Err(wrong("the path of a directory begins with a slash"));
        }
        Ok(Self::Directory(PathBuf::from(path.into_owned())))
    }
}

/// A text without what stands before an `@`: whoever writes a key there by habit does not want it told.
fn without_secret(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match rest.rsplit_once('@') {
        Some((_, place)) if scheme.is_empty() => format!("…@{place}"),
        Some((_, place)) => format!("{scheme}://…@{place}"),
        None => text.to_owned(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => {
                write!(f, "file://{}", utf8_percent_encode(&path.to_string_lossy(), IN_PATHS))
            }
            Self::S3 { bucket, prefix: None } => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix: Some(prefix) } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_read_and_written_alike() {
        for (text, told) in [
            ("s3://desk-archive/logs/eu", "s3://desk-archive/logs/eu"),
            ("s3://desk-archive/", "s3://desk-archive"),
            ("/srv/my archive", "file:///srv/my%20archive"),
            ("file:///srv/my%20archive", "file:///srv/my%20archive"),
            ("file:///srv/100%25", "file:///srv/100%25"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), told);
            assert_eq!(Address::parse(told).unwrap(), address);
        }
    }

    #[test]
    fn a_key_in_an_address_is_refused_and_not_told() {
        for text in ["s3://KEY:hunter2@bucket/prefix", "s3://KEY:hun@ter2@bucket", "KEY:hunter2@bucket"] {
            let error = Address::parse(text).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("…@bucket") && !told.contains("ter2"), "{told}");
        }
    }

    #[test]
    fn what_leads_to_no_store_is_refused_and_says_what_to_write() {
        for text in [
            "",
            "archive",
            "s3://",
            "s3://Bucket/x",
            "s3://ab",
            "s3://bucket/../x",
            "gs://bucket",
            "file://x",
            "/a\nb",
        ] {
            let told = Address::parse(text).unwrap_err().to_string();
            assert!(told.contains("s3://bucket/prefix"), "{text:?}: {told}");
        }
    }
}
