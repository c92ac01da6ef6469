//! What somebody outside has seen of the log. A log that was cut, or put back from an older copy, is whole by all that it
//! says of itself: only a checkpoint that was kept elsewhere shows that there was more.

use crate::cli::checkpoint_in;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use std::io::{self, Read as _};
use std::path::Path;
use stele_event_log::note::NoteError;
use stele_event_log::{VerifyError, WitnessAt, cosigned_in};

/// What is not known of a log that nobody outside has seen.
pub(crate) const LOG_END: &str = "whether the end of the log was cut off";

/// Blocks of a witness file, in bytes.
const BLOCK_BYTES: usize = 512;

/// Longest witness file that is looked at: 64 MiB, as long as one may become.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Checkpoints that were kept outside.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The checkpoints, one after the other, where there are any.
    pub notes: Option<String>,
    /// Who has them.
    pub by: String,
    /// Why they don't say all that could be known.
    pub unknown: Option<String>,
}

impl Seen {
    /// What the configured witness has.
    pub(crate) fn by_witness(config: &Config) -> Self {
        let Some(witness) = &config.witness else {
            let why = "no witness is configured, and a log can't show by itself that it was cut off or put back from an older \
                       copy. Name one in log.witness, or a checkpoint that somebody kept: --against FILE";
            return Self { notes: None, by: String::new(), unknown: Some(why.to_owned()) };
        };
        match &witness.at {
            WitnessAt::File(path) => Self::in_file(path),
            WitnessAt::Server { url, .. } => Self::by_server(url, &config.log_dir()),
        }
    }

    /// The same, with checkpoints that somebody names. All of them have to hold.
    pub(crate) fn and_by_file(self, path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(self) };
        let (notes, by) = (checkpoint_in(path)?, path.display().to_string());
        Ok(match self.notes {
            Some(known) => Self {
                notes: Some(format!("{known}\n{notes}")),
                by: format!("{} or {by}", self.by),
                unknown: self.unknown,
            },
            None => Self { notes: Some(notes), by, unknown: None },
        })
    }

    fn in_file(path: &Path) -> Self {
        let by = format!("the witness {}", path.display());
        let unknown = |why: String| Self { notes: None, by: by.clone(), unknown: Some(why) };
        match notes_in(path) {
            Ok(notes) if notes.is_empty() => unknown(format!("{by} has no checkpoint yet")),
            Ok(notes) => Self { notes: Some(notes), by, unknown: None },
            Err(error) if error.kind() == io::ErrorKind::NotFound => unknown(format!("{by} is not there")),
            Err(error) => unknown(format!("{by} can't be read: {error}")),
        }
    }

    fn by_server(url: &str, directory: &Path) -> Self {
        let by = format!("the witness {url}");
        let asked = "stele serve asks it before it serves anything, and so does stele log checkpoint";
        let (notes, why) = match cosigned_in(directory) {
            Ok(Some(note)) => {
                let held = "the log was held against the newest checkpoint that it has cosigned, which lies beside the log and \
                            is put back with it";
                (Some(note), held.to_owned())
            }
            Ok(None) => (None, "it has cosigned nothing yet".to_owned()),
            Err(error) => (None, format!("what it has cosigned can't be read: {error}")),
        };
        let unknown = Some(format!("{by} is not asked here: {why}; {asked}"));
        Self { notes, by, unknown }
    }

    /// What the checkpoints say against a log, in words; `None` when it is about something else.
    pub(crate) fn against(&self, error: &VerifyError) -> Option<String> {
        match error {
            VerifyError::Truncated { signed, found } => Some(format!(
                "the log was cut, or put back from an older copy: {} has seen {signed} commits, and {found} are there",
                self.by
            )),
            VerifyError::Rewritten { signed } => Some(format!(
                "the log was rewritten: its first {signed} commits are not those that {} has seen",
                self.by
            )),
            VerifyError::NotALog { .. }
            | VerifyError::Damaged { .. }
            | VerifyError::Checkpoint(_)
            | VerifyError::Order { .. }
            | VerifyError::Nowhere { .. }
            | VerifyError::Unreadable(_) => None,
        }
    }

    /// Ends what can't be held against the checkpoints, because they are no checkpoints of this log.
    pub(crate) fn usable(&self, error: &VerifyError) -> Outcome {
        match error {
            VerifyError::Checkpoint(source) => {
                let code = match source {
                    NoteError::Unsigned { .. } => Code::Foreign,
                    NoteError::Malformed(_) | NoteError::WrongSignature { .. } => Code::Mismatch,
                };
                let what = format!("{} does not hold checkpoints of this log: {}", self.by, chain(source));
                Err(Failure::new(code, what).advise(
                    "nothing was changed. Is it the witness of another log, or does another log lie here? Put back what \
                     belongs there: ops/runbooks/witness.md",
                ))
            }
            VerifyError::NotALog { .. }
            | VerifyError::Damaged { .. }
            | VerifyError::Truncated { .. }
            | VerifyError::Rewritten { .. }
            | VerifyError::Order { .. }
            | VerifyError::Nowhere { .. }
            | VerifyError::Unreadable(_) => Ok(()),
        }
    }
}

/// How a log ends that is not what was seen of it.
pub(crate) fn contradicted(what: String) -> Failure {
    Failure::new(Code::Contradicted, what).advise(
        "nothing was changed. Keep the directory and what the witness has as they are: they are evidence. Restore the newest \
         backup that the witness bears out (stele log verify --against FILE), see ops/runbooks/witness.md",
    )
}

/// The checkpoints of a witness file, but for an end that was not finished.
fn notes_in(path: &Path) -> io::Result<String> {
    let mut bytes = vec![];
    std::fs::File::open(path)?.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    if !u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    bytes.truncate(bytes.len().saturating_sub(bytes.len() % BLOCK_BYTES));
    while bytes.last_chunk::<BLOCK_BYTES>().is_some_and(|block| block.iter().all(|byte| *byte == 0)) {
        bytes.truncate(bytes.len().saturating_sub(BLOCK_BYTES));
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Seen};

    #[test]
    fn a_block_that_was_not_finished_is_no_checkpoint_and_a_file_without_one_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("witness");
        assert!(Seen::in_file(&path).unknown.unwrap().contains("is not there"));
        let mut block = b"a checkpoint".to_vec();
        block.resize(BLOCK_BYTES, b'\n');
        std::fs::write(&path, [&[0_u8; BLOCK_BYTES][..], b"half"].concat()).unwrap();
        assert!(Seen::in_file(&path).unknown.unwrap().contains("no checkpoint yet"));
        std::fs::write(&path, [&block[..], &[0_u8; BLOCK_BYTES], b"half"].concat()).unwrap();
        let seen = Seen::in_file(&path);
        assert_eq!((seen.notes.unwrap().into_bytes(), seen.unknown), (block, None));
    }
}
