//! Why a checkpoint is not with the witness, and what that says of the log.

use crate::note::NoteError;
use std::io;
use std::path::PathBuf;
use stele_domain::port::event_log::LogError;

/// Why a checkpoint is not with the witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The witness holds what this log does not bear out.
    #[error("the witness {by} contradicts the log: {kind}")]
    Contradicted {
        /// Who.
        by: String,
        /// What it holds.
        kind: Contradiction,
    },
    /// The witness can never be used like this.
    #[error("the witness can't be used: {0}")]
    Unusable(String),
    /// The file is of another log.
    #[error("{} witnesses {found}, and this is {log}: name a file of its own for each log", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose checkpoints it holds.
        found: String,
        /// Whose would belong there.
        log: String,
    },
    /// The file does not end with a checkpoint of this log.
    #[error("{} at byte {offset} is no checkpoint of this log", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// Why it is not believed.
        #[source]
        source: NoteError,
    },
    /// The file no longer has what this process handed over.
    #[error(
        "{} has lost what it had: {had} commits were witnessed, and it ends with a checkpoint of {found}. Where nobody put \
         another file in its place, somebody cut it; the next checkpoint is added to what is there",
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// Commits under the checkpoint that it had.
        had: u64,
        /// Commits under the last one that it has; 0 also when it has none.
        found: u64,
    },
    /// The file is as long as it may become.
    #[error(
        "{} has {bytes} bytes, which is as many as a witness file may have: move it to where it is kept, and a new one is begun",
        path.display()
    )]
    Long {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Somebody else writes to the file.
    #[error("another process holds {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The operating system said no.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The server did not answer. The words name no address.
    #[error("the witness does not answer: {0}")]
    Away(String),
    /// The server took longer than it may.
    #[error("the witness was not done within {seconds} s")]
    Late {
        /// The longest time.
        seconds: u64,
    },
    /// The server does not take the checkpoint.
    #[error("the witness answers {status}: {what}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What that means here, and what to do.
        what: &'static str,
    },
    /// The server's answer is none.
    #[error("the witness answers what can't be used: {0}")]
    Garbled(&'static str),
    /// The server's cosignature is wrong.
    #[error("the witness's answer is not believed")]
    Disbelieved(#[source] NoteError),
    /// The log itself.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a witness holds that the log does not bear out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// There is less than was signed.
    #[error("it was cut after an exported checkpoint, which signs {signed} commits: {found} are there")]
    Cut {
        /// Commits under the exported checkpoint.
        signed: u64,
        /// Commits that are there.
        found: u64,
    },
    /// There is something else than was signed.
    #[error("it was rewritten: its first {signed} commits are not those of an exported checkpoint")]
    Rewritten {
        /// Commits under the exported checkpoint.
        signed: u64,
    },
    /// A server says that the log does not go on from what it has cosigned.
    #[error(
        "it was rewritten, says the server: it does not go on from the {signed} commits that it has cosigned"
    )]
    Denied {
        /// Commits under the checkpoint that it has cosigned.
        signed: u64,
    },
}

impl WitnessError {
    /// Whether the log is shown to be another one than was signed. Nothing mends that by itself.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        match self {
            Self::Contradicted { .. } => true,
            Self::Unusable(_)
            | Self::Foreign { .. }
            | Self::Damaged { .. }
            | Self::Lost { .. }
            | Self::Long { .. }
            | Self::Busy { .. }
            | Self::Io { .. }
            | Self::Away(_)
            | Self::Late { .. }
            | Self::Refused { .. }
            | Self::Garbled(_)
            | Self::Disbelieved(_)
            | Self::Log(_) => false,
        }
    }
}
