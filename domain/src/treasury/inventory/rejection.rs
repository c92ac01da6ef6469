//! The rules that say no. What the verifier says is never refused, only a report that can't be understood.

/// A rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The answer and the question do not match, so nobody can say which nonce is used.
    #[error("{asked} nonces were asked about and {answered} answered: the snapshot can't be attributed")]
    NoncesMisaligned {
        /// How many offers were asked about.
        asked: usize,
        /// How many answers came.
        answered: usize,
    },
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoncesMisaligned { .. } => "nonces_misaligned",
        }
    }
}
