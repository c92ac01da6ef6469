//! The rules that say no: there are none.

/// Nothing is refused here: an alert that is already raised, or already cleared, is already so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match *self {}
    }
}
