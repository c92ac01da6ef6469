//! The rules that say no: there are none.

/// Nothing is refused here: a source's word is an observation, and the policy answers each one with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match *self {}
    }
}
