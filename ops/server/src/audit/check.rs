//! Checking a report that somebody hands over: no log, no desk and no data directory are needed.

use super::report::{CONTEXT, END, Report, SIGNATURE, VERSION};
use crate::exit::{Code, Failure, chain};
use crate::render::log::hex;
use serde::Deserialize;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{self, NoteVerifier};

#[derive(Deserialize)]
struct File {
    report: Report,
}

/// The report in a text, when the key has signed it as it stands, and when what it says of the log is signed by the same
/// key.
pub(crate) fn checked(text: &str, key: &NoteVerifier) -> Result<Report, Failure> {
    let wrong = |what: String| {
        Failure::new(Code::Mismatch, format!("the report is not to be believed: {what}")).advise(
            "do not use it; ask for it again from where it was made, and keep this one: it is evidence",
        )
    };
    let parts = text.rfind(SIGNATURE).and_then(|at| {
        let (signed, rest) = text.split_at_checked(at)?;
        let signature = rest.strip_prefix(SIGNATURE)?.strip_suffix(END)?;
        (signed.ends_with(",\n") && !signature.contains(['"', '\\', '\n'])).then_some((signed, signature))
    });
    let (signed, signature) = parts.ok_or_else(|| {
        wrong("it does not end with a signature: it was cut, or is none of stele audit".to_owned())
    })?;
    note::vouches(CONTEXT, signed, signature, key).map_err(|error| wrong(chain(&error)))?;
    let file: File = serde_json::from_str(text)
        .map_err(|error| wrong(format!("it is signed, and no report of this build: {error}")))?;
    let report = file.report;
    if report.version != VERSION {
        return Err(wrong(format!("it has version {}, and this build reads {VERSION}", report.version)));
    }
    if report.log.origin != key.name() {
        return Err(wrong(format!("it is of {}, and the key is of {}", report.log.origin, key.name())));
    }
    if let Some(note) = &report.log.checkpoint {
        let checkpoint = Checkpoint::open(note, key).map_err(|error| wrong(chain(&error)))?;
        if checkpoint.size != report.log.commits || hex(&checkpoint.root) != report.log.root {
            return Err(wrong("its checkpoint is over another tree than the one that it names".to_owned()));
        }
    }
    if report.verdict != report.follows() {
        return Err(wrong("its verdict does not follow from what it says was found".to_owned()));
    }
    if !report.left_follows() {
        return Err(wrong("what it says of rows that left the tables does not go together".to_owned()));
    }
    Ok(report)
}
