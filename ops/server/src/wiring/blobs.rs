//! Stores of blobs, as a section of the configuration describes them.

use super::secret;
use crate::config::{Bucket, Config, holds_a_secret};
use crate::exit::{Code, Failure, chain};
use secrecy::SecretString;
use stele_blob_store::{Credentials, OpenError, Options};
use stele_intents::key::KeySource;

/// How the store of a section is reached.
pub(super) fn options(section: &str, bucket: &Bucket) -> Result<Options, Failure> {
    let credentials = bucket.secret.as_ref().map(|source| {
        let (access_key_id, secret_access_key) = (bucket.access_key_id.clone(), secret_of(section, source)?);
        Ok::<_, Failure>(Credentials { access_key_id, secret_access_key })
    });
    let certificates = bucket.ca_file.as_ref().map(|path| {
        let unread =
            |error| format!("configuration: `{section}.ca_file`: {} can't be read: {error}", path.display());
        std::fs::read(path).map_err(|error| Failure::usage(unread(error)))
    });
    Ok(Options {
        region: bucket.region.clone(),
        endpoint: bucket.endpoint.clone(),
        plain_http: bucket.plain_http,
        credentials: credentials.transpose()?,
        certificates: certificates.transpose()?,
        request_max: bucket.request_max,
        shared: false,
    })
}

/// That the files of every store that is configured can be read, as whoever opens it will.
pub(crate) fn check_stores(config: &Config) -> Result<(), Failure> {
    config.stores().try_for_each(|(section, bucket)| options(section, bucket).map(drop))
}

/// Why the store of a section can't be used.
pub(super) fn not_opened(section: &str, error: &OpenError) -> Failure {
    match error {
        OpenError::Directory { .. } => Failure::new(Code::Unavailable, chain(error)),
        OpenError::Settings { .. } => Failure::usage(format!("configuration: `{section}`: {}", chain(error))),
    }
}

fn secret_of(section: &str, source: &KeySource) -> Result<SecretString, Failure> {
    let setting = format!("{section}.secret_access_key");
    match source {
        KeySource::File(path) => secret::line(&setting, path),
        KeySource::Env(name) => match std::env::var(name) {
            Ok(text) if holds_a_secret(&text) => Ok(SecretString::from(text)),
            Ok(_) | Err(_) => Err(Failure::usage(format!(
                "configuration: `{setting}_env`: the variable {name} is not set to text"
            ))),
        },
    }
}
