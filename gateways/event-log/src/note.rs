//! Signed notes (C2SP `signed-note`, Ed25519): a text, an empty line, and a line per signature.

mod key;

pub use key::{KeyError, NoteSigner, NoteVerifier};

/// What begins a signature line: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Longest note that is looked at, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Why a note can't be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("this is not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature by the key that was asked for.
    #[error("the note has no signature by {name}")]
    Unsigned {
        /// Name of the key.
        name: String,
    },
    /// A signature by the key that was asked for, and it is wrong.
    #[error("the signature by {name} is wrong")]
    WrongSignature {
        /// Name of the key.
        name: String,
    },
}

/// Signs `text`, which must end with a newline.
///
/// # Panics
///
/// When it doesn't.
#[must_use]
pub fn sign(text: &str, signer: &NoteSigner) -> String {
    assert!(text.ends_with('\n'), "a note's text of {} bytes doesn't end with a newline", text.len());
    format!("{text}\n{SIGNATURE_PREFIX}{} {}\n", signer.name(), signer.signature(text))
}

/// Returns the text of a note that `verifier` vouches for. Signatures by others are not looked at.
pub fn open<'note>(note: &'note str, verifier: &NoteVerifier) -> Result<&'note str, NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Malformed("it is too long"));
    }
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("it has control characters"));
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed("there is no empty line before signatures"))?;
    let (text, signatures) = note.split_at(split + 1);
    let signatures = signatures.trim_start_matches('\n');
    if !signatures.ends_with('\n') {
        return Err(NoteError::Malformed("the last signature line has no end"));
    }
    let mut verdict = None;
    for line in signatures.lines() {
        let malformed = NoteError::Malformed("a signature line doesn't look like one");
        let rest = line.strip_prefix(SIGNATURE_PREFIX).ok_or(malformed.clone())?;
        let (signer, signature) = rest.split_once(' ').ok_or(malformed)?;
        verdict = verdict.or(verifier.check(signer, text, signature));
    }
    let name = verifier.name().to_owned();
    match verdict {
        Some(true) => Ok(text),
        Some(false) => Err(NoteError::WrongSignature { name }),
        None => Err(NoteError::Unsigned { name }),
    }
}

/// The notes that a file holds one after the other, with empty lines between them or without. What is no note is told
/// as one, so that whoever opens it refuses it.
#[must_use]
pub fn split(file: &str) -> Vec<&str> {
    let mut notes = vec![];
    let (mut begin, mut at, mut signed) = (0, 0, false);
    for line in file.split_inclusive('\n') {
        let signature = line.starts_with(SIGNATURE_PREFIX);
        if signed && !signature {
            notes.extend(file.get(begin..at));
            (begin, signed) = (at, false);
        }
        at += line.len();
        signed |= signature;
        if begin + line.len() == at && line == "\n" {
            // Nothing but an empty line yet.
            begin = at;
        }
    }
    notes.extend(file.get(begin..at).filter(|rest| !rest.is_empty()));
    if notes.is_empty() { vec![file] } else { notes }
}

#[cfg(test)]
mod tests;
