//! What somebody outside has seen of the log. A log that was cut, or put back from an older copy, is whole by all that it
//! says of itself: only a checkpoint that was kept elsewhere shows that there was more.

use crate::cli::checkpoint_in;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{self, NoteError};
use stele_event_log::{VerifyError, WitnessAt, WitnessOptions, cosigned_in};

/// What is not known of a log that nobody outside has seen.
pub(crate) const LOG_END: &str = "whether the end of the log was cut off";

/// Blocks of a witness file, in bytes.
const BLOCK_BYTES: u16 = 512;

/// Checkpoints that were kept outside.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The checkpoints, one after the other, where there are any.
    pub notes: Option<String>,
    /// Who has them; empty where no witness is configured and nobody was named.
    pub by: String,
    /// Why they don't say all that could be known.
    pub unknown: Option<String>,
}

impl Seen {
    /// What the configured witness has.
    pub(crate) fn by_witness(config: &Config) -> Self {
        Self::by(config.witness.as_ref(), &config.log_dir())
    }

    /// What the witness of the log in a directory has.
    pub(super) fn by(witness: Option<&WitnessOptions>, directory: &Path) -> Self {
        let Some(witness) = witness else {
            let why = "no witness is configured, and a log can't show by itself that it was cut off or put back from an older \
                       copy. Name one in log.witness, or a checkpoint that somebody kept: --against FILE";
            return Self { notes: None, by: String::new(), unknown: Some(why.to_owned()) };
        };
        match &witness.at {
            WitnessAt::File(path) => Self::in_file(path),
            WitnessAt::Server { url, .. } => Self::by_server(url, directory),
        }
    }

    /// As if the witness had nothing to say, which did not answer for so long.
    pub(super) fn unanswered(witness: Option<&WitnessOptions>, patience: Duration) -> Self {
        let by = match witness.map(|witness| &witness.at) {
            Some(WitnessAt::File(path)) => format!("the witness {}", path.display()),
            Some(WitnessAt::Server { url, .. }) => format!("the witness {url}"),
            None => "the log's directory".to_owned(),
        };
        let unknown = Some(format!("{by} has not answered for {} ms", patience.as_millis()));
        Self { notes: None, by, unknown }
    }

    /// Whether there is a witness, and nothing of what it has seen is known.
    pub(super) fn is_missed(&self) -> bool {
        self.notes.is_none() && !self.by.is_empty()
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
            None if self.by.is_empty() => {
                let unknown = format!("no witness is configured, and {}", unseen_after(&notes, &by));
                Self { notes: Some(notes), by, unknown: Some(unknown) }
            }
            // What keeps the configured witness from being looked at is said all the same.
            None => Self { notes: Some(notes), by, unknown: self.unknown },
        })
    }

    /// What a log is held against by its witness, where there is anything.
    pub(crate) fn held(&self) -> Option<String> {
        self.notes.as_ref()?;
        // A server is not asked: then something is known of it, and not all.
        Some(match &self.unknown {
            None => self.by.clone(),
            Some(_) => {
                format!("the newest checkpoint that {} has cosigned, which lies beside the log", self.by)
            }
        })
    }

    /// What is known of a log that its witness does not contradict, and what is not: a line each. Nothing where no witness is
    /// configured.
    pub(crate) fn in_words(&self) -> String {
        if self.by.is_empty() {
            return String::new();
        }
        let held = self.held().map(|held| match &self.unknown {
            None => format!("\nIt is what {held} has seen of it."),
            Some(_) => format!("\nIt goes on from {held}."),
        });
        let unknown = self.unknown.as_ref().map(|why| format!("\nNOT known: {LOG_END}: {why}"));
        [held, unknown].into_iter().flatten().collect()
    }

    fn in_file(path: &Path) -> Self {
        let by = format!("the witness {}", path.display());
        let unknown = |why: String| Self { notes: None, by: by.clone(), unknown: Some(why) };
        match newest_in(path) {
            Ok(None) => unknown(format!("{by} has no checkpoint yet")),
            Ok(Some(note)) => Self { notes: Some(note), by, unknown: None },
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
            | VerifyError::Index { .. }
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
            | VerifyError::Index { .. }
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

/// That nobody outside has seen what comes after given checkpoints.
pub(crate) fn unseen_after(notes: &str, by: &str) -> String {
    let sizes = note::split(notes).into_iter().filter_map(|note| Checkpoint::unverified(note).ok());
    match sizes.map(|checkpoint| checkpoint.size).max() {
        Some(size) => {
            format!("nobody outside has seen anything after the first {size} commits, which {by} signs")
        }
        None => format!("nobody outside has seen anything after what {by} signs"),
    }
}

/// The newest checkpoint of a witness file, in its block: each was added once the one before it held. Of the end of the file
/// only the last block can be one that was not finished.
fn newest_in(path: &Path) -> io::Result<Option<String>> {
    let file = std::fs::File::open(path)?;
    let length = u64::from(BLOCK_BYTES);
    let mut blocks = file.metadata()?.len() / length;
    for _ in 0..2 {
        let Some(before) = blocks.checked_sub(1) else { return Ok(None) };
        let mut block = vec![0; usize::from(BLOCK_BYTES)];
        file.read_exact_at(&mut block, before.saturating_mul(length))?;
        if block.iter().any(|byte| *byte != 0) {
            return String::from_utf8(block).map(Some).map_err(io::Error::other);
        }
        blocks = before;
    }
    Err(io::Error::other("there are zeros where checkpoints were"))
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Seen, unseen_after};

    #[test]
    fn a_block_that_was_not_finished_is_no_checkpoint_and_a_file_without_one_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("witness");
        assert!(Seen::in_file(&path).unknown.unwrap().contains("is not there"));
        let of = |text: &str| {
            let mut block = text.as_bytes().to_vec();
            block.resize(usize::from(BLOCK_BYTES), b'\n');
            block
        };
        let zeros = vec![0_u8; usize::from(BLOCK_BYTES)];
        std::fs::write(&path, [&zeros[..], b"half"].concat()).unwrap();
        let seen = Seen::in_file(&path);
        assert!(seen.unknown.as_ref().unwrap().contains("no checkpoint yet"));
        assert!(seen.held().is_none() && seen.in_words().contains("NOT known"), "{}", seen.in_words());
        assert!(seen.is_missed() && !Seen::by(None, place.path()).is_missed());
        // The newest one is as good as all of them.
        let newest = of("a checkpoint");
        std::fs::write(&path, [&of("an older one")[..], &newest[..], &zeros[..], b"half"].concat()).unwrap();
        let seen = Seen::in_file(&path);
        assert!(seen.in_words().contains("has seen of it"), "{}", seen.in_words());
        assert!(!seen.is_missed());
        assert_eq!((seen.notes.unwrap().into_bytes(), seen.unknown), (newest, None));
        std::fs::write(&path, [&zeros[..], &zeros[..]].concat()).unwrap();
        assert!(Seen::in_file(&path).unknown.unwrap().contains("zeros where checkpoints were"));
    }

    #[test]
    fn a_file_that_is_named_does_not_hide_that_the_witness_could_not_be_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let kept = place.path().join("kept.txt");
        std::fs::write(&kept, "no checkpoint").unwrap();
        let seen = Seen::in_file(&place.path().join("witness")).and_by_file(Some(&kept)).unwrap();
        assert!(seen.notes.is_some() && seen.unknown.unwrap().contains("is not there"));
        let nobody = Seen { notes: None, by: String::new(), unknown: None };
        let seen = nobody.and_by_file(Some(&kept)).unwrap();
        assert!(seen.unknown.unwrap().contains("kept.txt"));
        let note = format!("log\n7\n{}=\n\n\u{2014} log AAAAAAAA\n", "A".repeat(43));
        assert!(unseen_after(&note, "kept.txt").contains("the first 7 commits"), "{note}");
    }
}
