//! The rules that say no.

/// A rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A partition of no positions.
    #[error("a partition ends after it begins, and this one does not")]
    EmptySpan,
    /// A digest or checksum is none.
    #[error("a digest has 64 lower-case hexadecimal digits")]
    NoHash,
    /// What was never in the lake can't come back from there.
    #[error("this partition was never put into the lake, so it can't have been brought back from there")]
    NeverTiered,
    /// What was brought back is not what was put there.
    #[error("these are not the rows that were put into the lake")]
    OtherRows,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptySpan => "empty_span",
            Self::NoHash => "no_hash",
            Self::NeverTiered => "never_tiered",
            Self::OtherRows => "other_rows",
        }
    }
}
