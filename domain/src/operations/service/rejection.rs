//! The rules that say no to whoever runs the desk.

/// A rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No process has ever run the service.
    #[error("the service has never been started: start a process with that role first")]
    NeverStarted,
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// A draining service can't be paused.
    #[error("the service is draining or drained and takes no new work: resume it before pausing it")]
    Draining,
    /// The service was not asked to drain, or was resumed since.
    #[error("the service is not draining, so it can't have drained")]
    NotDraining,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverStarted => "never_started",
            Self::ReasonMissing => "reason_missing",
            Self::Draining => "draining",
            Self::NotDraining => "not_draining",
        }
    }
}
