//! What can go wrong with a directory of runs, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use stele_domain::port::read_store::StoreError;

/// Why a directory of runs could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process, or another part of this one, has it open.
    #[error(
        "the runs in {} are in use: whoever still reads them here leaves soon; another process that has them open is to be \
         ended, or another directory named",
        .0.display()
    )]
    InUse(PathBuf),
    /// It holds the runs of other tables, or was written by another build.
    #[error("the runs in {} are of other tables or of another format ({why}): they can be removed, for they follow from the log", directory.display())]
    Other {
        /// Where.
        directory: PathBuf,
        /// What differs.
        why: String,
    },
    /// What stands there can't be read.
    #[error("the runs in {} are damaged: they can be removed, for they follow from the log", directory.display())]
    Damaged {
        /// Where.
        directory: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The directory can't be read or written.
    #[error("the directory of runs {} can't be used: look at its rights and at the room on its disk", directory.display())]
    Unusable {
        /// Where.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tables can't be kept as runs.
    #[error("these tables can't be kept as runs")]
    Tables(#[source] StoreError),
}

impl RunError {
    /// Whether removing the directory and beginning anew mends it.
    #[must_use]
    pub fn is_mended_by_removal(&self) -> bool {
        match self {
            Self::Other { .. } | Self::Damaged { .. } => true,
            Self::InUse(_) | Self::Unusable { .. } | Self::Tables(_) => false,
        }
    }
}

/// A library's words for what happened at open.
pub fn at_open(directory: &Path, error: fjall::Error) -> RunError {
    let directory = directory.to_owned();
    match io_of(error) {
        Told::Io(source) => RunError::Unusable { directory, source },
        Told::Other(fjall::Error::Locked) => RunError::InUse(directory),
        Told::Other(error) => RunError::Damaged { directory, source: Box::new(error) },
    }
}

/// A library's words for what happened to a call.
pub fn of_call(directory: &Path, error: fjall::Error) -> StoreError {
    match io_of(error) {
        Told::Io(source) => {
            let words = format!("the runs in {} could not be read or written", directory.display());
            StoreError::Unavailable(Box::new(Failed { words, source: Some(source) }))
        }
        // Nothing is written any more until the directory is opened again: what is on the disk is whole.
        Told::Other(fjall::Error::Poisoned) => {
            let words = format!(
                "an earlier write to the runs in {} failed: make room, and open them again",
                directory.display()
            );
            StoreError::Unavailable(Box::new(Failed { words, source: None }))
        }
        Told::Other(error) => damaged(directory, &error.to_string()),
    }
}

/// The runs hold something that was never written there.
pub fn damaged(directory: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!(
        "{what} in the runs in {}: remove them, for they follow from the log",
        directory.display()
    ))
}

#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Failed {
    words: String,
    #[source]
    source: Option<io::Error>,
}

enum Told {
    Io(io::Error),
    Other(fjall::Error),
}

fn io_of(error: fjall::Error) -> Told {
    if let fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) = error {
        return told(error);
    }
    Told::Other(error)
}

/// What the library made up itself, and what it asked the system for because it had read nonsense (a file that is not
/// there, a place before the beginning of one), is damage.
fn told(error: io::Error) -> Told {
    let nonsense = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput | io::ErrorKind::AlreadyExists
    );
    if error.raw_os_error().is_none() || nonsense {
        return Told::Other(fjall::Error::Io(error));
    }
    Told::Io(error)
}
