//! The private key of a log that is verified: for its owner only, and looked at by whoever may read it. With another one
//! the log could not be opened any more, and nothing else would tell.

use super::VerifyError;
use crate::format::KEY_FILE;
use crate::note::{NoteSigner, NoteVerifier};
use crate::recovery::read_text;
use crate::storage::Storage;
use std::io::ErrorKind;

/// Refuses a private key that is not the one of `verifier`, or is not written as it should be. One that is not there, or
/// that this process may not read, is not judged.
pub(super) fn belongs_to(storage: &dyn Storage, verifier: &NoteVerifier) -> Result<(), VerifyError> {
    let text = match read_text(storage, KEY_FILE) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(());
        }
        Err(error) => return Err(VerifyError::Unreadable(Box::new(error))),
    };
    let damaged = |what: String| Err(VerifyError::Damaged { file: KEY_FILE.to_owned(), offset: 0, what });
    match NoteSigner::parse(&text) {
        Err(error) => damaged(error.to_string()),
        Ok(signer) if signer.verifier() != verifier => {
            damaged("this is not the private part of the log's key".to_owned())
        }
        // One key has one text: another one was changed by somebody.
        Ok(signer) if text != format!("{}\n", signer.to_secret_text()) => {
            damaged("the key is not written as it should be".to_owned())
        }
        Ok(_) => Ok(()),
    }
}
