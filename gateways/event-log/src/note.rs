//! Signed notes (C2SP `signed-note`, Ed25519): a text, an empty line, and a line per signature.

mod key;

pub use key::{KeyError, NoteSigner, NoteVerifier, WitnessKey};

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
    let (text, signatures) = parts(note)?;
    let mut verdict = None;
    for line in signatures {
        verdict = verdict.or(verifier.check(line.signer, text, line.signature));
    }
    let name = verifier.name().to_owned();
    match verdict {
        Some(true) => Ok(text),
        Some(false) => Err(NoteError::WrongSignature { name }),
        None => Err(NoteError::Unsigned { name }),
    }
}

/// Signs what is no note and no checkpoint: `context` names what it is, and no signature in one context is one in another
/// or one of a note, whose text never begins with such a line. Answers the key's name and the signature, as in a note.
///
/// # Panics
///
/// When the context has more than one line.
#[must_use]
pub fn attest(context: &str, text: &str, signer: &NoteSigner) -> String {
    assert!(!context.contains('\n'), "a context of {} bytes has more than one line", context.len());
    format!("{} {}", signer.name(), signer.signature(&attested(context, text)))
}

/// Whether `verifier` vouches for a text in a context, by the words that [`attest`] answered.
pub fn vouches(context: &str, text: &str, signature: &str, verifier: &NoteVerifier) -> Result<(), NoteError> {
    let name = verifier.name().to_owned();
    let (signer, signature) =
        signature.split_once(' ').ok_or(NoteError::Malformed("a signature is a name and base64"))?;
    match verifier.check(signer, &attested(context, text), signature) {
        Some(true) => Ok(()),
        Some(false) => Err(NoteError::WrongSignature { name }),
        None => Err(NoteError::Unsigned { name }),
    }
}

/// The origin of a log begins with `stele.log/`, which no context does.
fn attested(context: &str, text: &str) -> String {
    format!("{context}\n{text}")
}

/// Returns the text of a note, whoever signed it: what it says is nobody's word.
pub fn unsigned(note: &str) -> Result<&str, NoteError> {
    parts(note).map(|(text, _)| text)
}

/// What a witness says of a checkpoint (C2SP `tlog-cosignature`, v1): at this time it was the largest that the witness
/// had seen of the log, and continued all that it had seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Name of the witness.
    pub witness: String,
    /// When, in seconds since 1970 in UTC: the witness's word.
    pub time_s: u64,
    /// The line of the note, with its end.
    pub line: String,
}

/// The cosignatures of a note by these witnesses, in the order of its lines. Other signatures are not looked at; one by
/// a key that is asked for and wrong is an error.
pub fn cosignatures(note: &str, witnesses: &[WitnessKey]) -> Result<Vec<Cosignature>, NoteError> {
    let (text, signatures) = parts(note)?;
    let mut found = vec![];
    for line in signatures {
        let by = |witness: &WitnessKey| {
            Some((witness.name().to_owned(), witness.check(line.signer, text, line.signature)?))
        };
        match witnesses.iter().find_map(by) {
            Some((witness, Ok(time_s))) => {
                let line = format!("{SIGNATURE_PREFIX}{} {}\n", line.signer, line.signature);
                found.push(Cosignature { witness, time_s, line });
            }
            Some((name, Err(()))) => return Err(NoteError::WrongSignature { name }),
            None => {}
        }
    }
    Ok(found)
}

/// A signature line.
#[derive(Debug, Clone, Copy)]
struct Line<'note> {
    signer: &'note str,
    signature: &'note str,
}

/// The text of a note, and its signature lines.
fn parts(note: &str) -> Result<(&str, Vec<Line<'_>>), NoteError> {
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
    let line =
        |line| signature_line(line).ok_or(NoteError::Malformed("a signature line doesn't look like one"));
    Ok((text, signatures.lines().map(line).collect::<Result<_, _>>()?))
}

fn signature_line(line: &str) -> Option<Line<'_>> {
    let (signer, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    Some(Line { signer, signature })
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
