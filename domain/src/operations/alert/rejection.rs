//! The rules that say no to a person. The reactor that watches is refused nothing.

use super::event::Kind;

/// A rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// What still holds can't be cleared away.
    #[error("{} is cleared by the desk as soon as it no longer holds, and by nobody before", .0.name())]
    ClearsItself(Kind),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReasonMissing => "reason_missing",
            Self::ClearsItself(_) => "clears_itself",
        }
    }
}
