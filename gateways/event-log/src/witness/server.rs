//! A witness that speaks C2SP `tlog-witness` over HTTP: it is shown how the tree has grown since it was last asked, and
//! says by a cosignature that it has seen it.

use super::disk::Disk;
use super::{Contradiction, WitnessError, cosigned};
use crate::archive::Gate;
use crate::checkpoint::Checkpoint;
use crate::embedded::EmbeddedLog;
use crate::errors::storage as failed;
use crate::format::{COSIGNED_FILE, to_u64};
use crate::note::{NoteError, NoteVerifier, WitnessKey, cosignatures};
use crate::observe;
use crate::shared::Cosigned;
use crate::storage::Storage;
use crate::tree::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, StatusCode, Url, redirect};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::causes::with_causes;

/// What stands behind the prefix.
const PATH: &str = "/add-checkpoint";

/// Largest answer that is read, in bytes: hundreds of cosignatures.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

/// How often in one export the server may say that it knows another size than it was asked with.
const SIZES_MAX: usize = 4;

/// Largest file of authorities that is read: 1 MiB, a few hundred certificates.
const CA_BYTES_MAX: u64 = 1024 * 1024;

/// The media type of the answer that names a size.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// One server, and where its cosignatures are kept.
pub(super) struct Server {
    client: Client,
    url: Url,
    keys: Vec<WitnessKey>,
    storage: Arc<dyn Storage>,
    /// Open as long as the directory is this process's.
    gate: Arc<Gate>,
    disk: Disk,
}

/// What a server answered.
enum Answer {
    /// It has the checkpoint; these are signature lines.
    Cosigned(String),
    /// It has cosigned this size.
    Knows(u64),
    /// It has cosigned something else, and does not say what.
    KnowsAnother,
}

/// What asks a server, and believes those who are in a file of certificates, or whom the operating system believes.
pub(super) fn client(ca_file: Option<&Path>, answer_max: Duration) -> Result<Client, WitnessError> {
    let unusable = |error: reqwest::Error| WitnessError::Unusable(with_causes(&error));
    let mut builder = Client::builder().timeout(answer_max).redirect(redirect::Policy::none());
    if let Some(path) = ca_file {
        builder = builder.tls_certs_only(authorities(path)?);
    }
    builder.build().map_err(unusable)
}

/// The certificates of a file, at least one.
fn authorities(path: &Path) -> Result<Vec<Certificate>, WitnessError> {
    let unusable =
        |why: String| WitnessError::Unusable(format!("the authorities in {}: {why}", path.display()));
    let mut text = vec![];
    let read = File::open(path).and_then(|file| file.take(CA_BYTES_MAX + 1).read_to_end(&mut text));
    read.map_err(|error| unusable(error.to_string()))?;
    if to_u64(text.len()) > CA_BYTES_MAX {
        return Err(unusable(format!("the file has more than {CA_BYTES_MAX} bytes")));
    }
    let found = Certificate::from_pem_bundle(&text).map_err(|error| unusable(with_causes(&error)))?;
    if found.is_empty() { Err(unusable("no certificate (PEM) is in it".to_owned())) } else { Ok(found) }
}

impl Server {
    /// A client of the server at a prefix. Nothing is sent yet.
    pub(super) fn new(
        prefix: &str,
        client: Client,
        keys: Vec<WitnessKey>,
        storage: Arc<dyn Storage>,
        gate: Arc<Gate>,
    ) -> Result<Self, WitnessError> {
        let url = Url::parse(&format!("{}{PATH}", prefix.trim_end_matches('/')));
        let url =
            url.map_err(|error| WitnessError::Unusable(format!("{prefix:?} is no address: {error}")))?;
        if keys.is_empty() {
            return Err(WitnessError::Unusable("no key says whose cosignatures count".to_owned()));
        }
        Ok(Self { client, url, keys, storage, gate, disk: Disk::default() })
    }

    /// The newest checkpoint of the log that the server is known to have cosigned. A file that can't be believed is none:
    /// the server itself is asked then. Blocks.
    pub(super) fn cosigned(&self, key: &NoteVerifier) -> Option<Cosigned> {
        let note = cosigned::read(&*self.storage).unwrap_or_else(|error| {
            observe::cosigned_unreadable(&self.storage.describe(), &error);
            None
        });
        let believed =
            note.filter(|note| cosignatures(note, &self.keys).is_ok_and(|found| !found.is_empty()));
        let note = believed?;
        Some(Cosigned { checkpoint: Checkpoint::open(&note, key).ok()?, note })
    }

    /// Shows the server the newest checkpoint and how the log has grown to it; returns what it has cosigned.
    pub(super) async fn add(
        &self,
        log: &EmbeddedLog,
        known: Option<&Checkpoint>,
    ) -> Result<Checkpoint, WitnessError> {
        let mut old = known.map_or(0, |known| known.size);
        for _ in 0..SIZES_MAX {
            let note = log.checkpoint()?;
            let newest = Checkpoint::open(&note, log.verifier()).map_err(WitnessError::Disbelieved)?;
            // Of no commits, and to as many, there is nothing to prove.
            let path = log.consistency_proof(old, newest.size).await?.path;
            match self.ask(&request(old, &path, &note), old).await? {
                Answer::Cosigned(lines) => {
                    let note = self.keep(&note, &lines).await?;
                    log.shared().is_cosigned(Cosigned { checkpoint: newest.clone(), note });
                    return Ok(newest);
                }
                // Nothing but another root of the same size is left to disagree on; of no commits there is only one.
                Answer::KnowsAnother if old > 0 && old == newest.size => {
                    return Err(self.contradicted(Contradiction::Rewritten { signed: old }));
                }
                Answer::Knows(size) if old > 0 && size == old && old == newest.size => {
                    return Err(self.contradicted(Contradiction::Rewritten { signed: old }));
                }
                Answer::KnowsAnother => {
                    return Err(WitnessError::Garbled("it has cosigned another size and does not say which"));
                }
                Answer::Knows(size) if size == old => {
                    return Err(WitnessError::Garbled("it was asked with the size that it says it has"));
                }
                Answer::Knows(size) => {
                    // The log may have grown since the checkpoint was signed.
                    let found = log.stat().commits;
                    if size > found {
                        return Err(self.contradicted(Contradiction::Cut { signed: size, found }));
                    }
                    old = size;
                }
            }
        }
        Err(WitnessError::Garbled("it names another size each time"))
    }

    async fn ask(&self, request: &str, old: u64) -> Result<Answer, WitnessError> {
        let away = |error: reqwest::Error| WitnessError::Away(with_causes(&error.without_url()));
        let call = self.client.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let mut response = call.body(request.to_owned()).send().await.map_err(away)?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_size = kind.and_then(|kind| kind.split(';').next()) == Some(SIZE_TYPE);
        let mut body = vec![];
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(WitnessError::Garbled("it is longer than any such answer"));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(body).map_err(|_| WitnessError::Garbled("it is not text"))?;
        match status {
            StatusCode::OK => Ok(Answer::Cosigned(body)),
            StatusCode::CONFLICT if is_size => size(&body).map(Answer::Knows),
            StatusCode::CONFLICT => Ok(Answer::KnowsAnother),
            StatusCode::UNPROCESSABLE_ENTITY => Err(self.contradicted(Contradiction::Denied { signed: old })),
            other => Err(WitnessError::Refused { status: other.as_u16(), what: meaning(other) }),
        }
    }

    /// Keeps the checkpoint with those cosignatures that are believed, as long as the directory is this process's; returns
    /// both.
    async fn keep(&self, note: &str, lines: &str) -> Result<String, WitnessError> {
        let found = cosignatures(&format!("{note}{lines}"), &self.keys).map_err(WitnessError::Disbelieved)?;
        if found.is_empty() {
            let source = NoteError::Unsigned { name: self.names() };
            return Err(WitnessError::Disbelieved(source));
        }
        let cosigned: String = found.into_iter().map(|cosignature| cosignature.line).collect();
        let (storage, gate) = (Arc::clone(&self.storage), Arc::clone(&self.gate));
        let whole = format!("{note}{cosigned}");
        let note = whole.clone();
        let kept = self.disk.run(move || match gate.enter(COSIGNED_FILE) {
            Ok(_inside) => cosigned::keep(&*storage, &note),
            // The witness has it, and is asked again at the next start.
            Err(_) => Ok(()),
        });
        let failed =
            |error| WitnessError::Log(failed("writing", COSIGNED_FILE, &self.storage.describe(), error));
        kept.await.and_then(|kept| kept).map_err(failed)?;
        Ok(whole)
    }

    fn names(&self) -> String {
        self.keys.iter().map(WitnessKey::name).collect::<Vec<_>>().join(" or ")
    }

    fn contradicted(&self, kind: Contradiction) -> WitnessError {
        WitnessError::Contradicted { by: self.names(), kind }
    }
}

/// The body that shows a checkpoint.
fn request(old: u64, path: &[Hash], note: &str) -> String {
    let proof: String = path.iter().flat_map(|hash| [STANDARD.encode(hash), "\n".to_owned()]).collect();
    format!("old {old}\n{proof}\n{note}")
}

/// A size, in decimal with one newline behind it.
fn size(body: &str) -> Result<u64, WitnessError> {
    let told = body.strip_suffix('\n').and_then(|text| Some((text, text.parse::<u64>().ok()?)));
    let told = told.filter(|(text, size)| size.to_string() == *text);
    told.map(|(_, size)| size).ok_or(WitnessError::Garbled("it names no size"))
}

/// What a status means, and what to do about it.
fn meaning(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "it does not understand what it was sent",
        403 => "it does not believe the log's key: give its operator key.pub of the log",
        404 => {
            "it does not know the log, or nothing is there: give its operator key.pub of the log, and look at log.witness"
        }
        413 => "it takes no request as long as this one",
        429 => "it is asked too often: raise log.witness_every_ms",
        300..=399 => "it has moved: put its new address into log.witness",
        500..=599 => "it is out of order",
        _ => "it does not take the checkpoint",
    }
}

#[cfg(test)]
mod tests {
    use super::{request, size};

    #[test]
    fn a_request_is_as_the_specification_has_it() {
        assert_eq!(request(0, &[], "note\n"), "old 0\n\nnote\n");
        let hash = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        assert_eq!(request(7, &[[1; 32], [1; 32]], "note\n"), format!("old 7\n{hash}\n{hash}\n\nnote\n"));
    }

    #[test]
    fn a_size_is_decimal_and_nothing_else() {
        assert_eq!(size("20852014\n").unwrap(), 20_852_014);
        assert_eq!(size("0\n").unwrap(), 0);
        for wrong in ["", "\n", "7", "07\n", "7\n\n", "+7\n", " 7\n", "18446744073709551616\n"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
