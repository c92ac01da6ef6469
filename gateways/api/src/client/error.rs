//! Why a call has no good answer.

use crate::dto::Problem;
use std::path::PathBuf;

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens. Nothing was sent.
    #[error("no desk answers on {path}: start one (stele serve), or name the socket of one that runs")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The socket is another user's. Nothing was sent.
    #[error("the desk on {path} belongs to another user: become that user")]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The request may have arrived and the answer did not: look, or ask again with the same key.
    #[error(
        "the desk on {path} broke off: {what}; whether it was done is not known, so ask again with the same key"
    )]
    Lost {
        /// The socket.
        path: PathBuf,
        /// What happened.
        what: String,
    },
    /// The desk said no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is none that this build understands.
    #[error("the desk on {path} gave an answer that this build does not understand: {what}")]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl ClientError {
    /// The code of a problem; none when the desk did not answer.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// The desk's answer, when it was a no.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable { .. } | Self::Forbidden { .. } | Self::Lost { .. } | Self::Protocol { .. } => {
                None
            }
        }
    }

    /// Whether the same call, unchanged and with the same key, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 503 | 504),
            Self::Forbidden { .. } | Self::Protocol { .. } => false,
        }
    }
}
