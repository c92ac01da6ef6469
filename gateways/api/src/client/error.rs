//! Why a call has no good answer.

use crate::dto::Problem;

/// Why a call has no good answer. `desk` is a socket's path or a desk's address.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens. Nothing was sent.
    #[error("no desk answers on {desk}: start one (stele serve), or name one that runs")]
    Unreachable {
        /// The desk.
        desk: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The socket is another user's. Nothing was sent.
    #[error("the desk on {desk} belongs to another user: become that user, or use a key")]
    Forbidden {
        /// The desk.
        desk: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// One of the two does not believe the other's certificate. Nothing was sent that mattered.
    #[error("no trust between this client and the desk on {desk}: {what}")]
    Untrusted {
        /// The desk.
        desk: String,
        /// What was not believed.
        what: String,
    },
    /// The request may have arrived and the answer did not: look, or ask again with the same key.
    #[error(
        "the desk on {desk} broke off: {what}; whether it was done is not known, so ask again with the same key"
    )]
    Lost {
        /// The desk.
        desk: String,
        /// What happened.
        what: String,
    },
    /// The desk said no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is none that this build understands.
    #[error("the desk on {desk} gave an answer that this build does not understand: {what}")]
    Protocol {
        /// The desk.
        desk: String,
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
            Self::Unreachable { .. }
            | Self::Forbidden { .. }
            | Self::Untrusted { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. } => None,
        }
    }

    /// Whether the same call, unchanged and with the same key, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 429 | 503 | 504),
            Self::Forbidden { .. } | Self::Untrusted { .. } | Self::Protocol { .. } => false,
        }
    }
}
