//! When the certificates end that this process shows to others, or believes them by: as the files say that are
//! configured. Whether the files are in use, `…_certificates_refused_total` says.

use crate::config::{Config, LogElsewhere};
use metrics::{describe_gauge, gauge};
use std::path::PathBuf;
use stele_api::certificates_end;

/// The setting that names a file, and the file.
pub(crate) type Certificates = Vec<(&'static str, PathBuf)>;

/// Says what the gauge means.
pub(super) fn announce() {
    describe_gauge!(
        "certificate_expiry_timestamp_seconds",
        "When the first certificate in the file of this setting ends, as Unix time."
    );
}

/// Every file of certificates that is configured.
pub(crate) fn of(config: &Config) -> Certificates {
    let mut files: Vec<(&'static str, Option<PathBuf>)> = vec![];
    if let Some(tls) = &config.doors.tls {
        files.push(("api.tls_certificate_file", Some(tls.certificate_file.clone())));
        files.push(("api.tls_client_ca_file", tls.client_ca_file.clone()));
    }
    if let Some(tls) = &config.kurrent.tls {
        files.push(("kurrent.tls_certificate_file", Some(tls.certificate_file.clone())));
    }
    match &config.remote_log {
        Some(LogElsewhere::Owner(at)) => {
            files.push(("log.ca_file", at.ca_file.clone()));
            files.push(("log.certificate_file", at.identity.as_ref().map(|(chain, _)| chain.clone())));
        }
        // Its address names its files, and its client reads them.
        Some(LogElsewhere::EventStore(_)) | None => {}
    }
    files.into_iter().filter_map(|(setting, file)| Some((setting, file?))).collect()
}

/// Reads every file anew. One that can't be read keeps its last value.
pub(super) fn sample(certificates: &Certificates) {
    for (setting, path) in certificates {
        if let Ok(Some(end)) = certificates_end(path) {
            gauge!("certificate_expiry_timestamp_seconds", "certificate" => *setting).set(float(end));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point; exact up to 2^53")]
fn float(seconds: i64) -> f64 {
    seconds as f64
}
