//! Given, when, then: the sentences in which aggregates are tested. Only compiled for tests.

use crate::decider::{Decider, WrittenDown, fold};
use std::fmt::Debug;

/// A history, and what was asked after it.
pub struct Given<D: Decider> {
    history: Vec<D::Event>,
}

/// What came of it.
pub struct Outcome<D: Decider> {
    result: Result<Vec<D::Event>, D::Rejection>,
}

/// Starts a sentence with what has happened.
pub fn given<D: Decider>(history: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given { history: history.into_iter().collect() }
}

/// Whether a state that was written down and read again is the one that was written, at every place of a history. Then
/// what follows leads from there to where it leads from the beginning.
pub fn is_read_as_it_was_written<D>(history: &[D::Event]) -> bool
where
    D: WrittenDown<State: PartialEq>,
{
    let same = |state: &D::State| {
        let paper = serde_json::to_vec(state).unwrap();
        serde_json::from_slice::<D::State>(&paper).unwrap() == *state
    };
    let mut state = D::State::default();
    same(&state)
        && history.iter().all(|event| {
            state = D::evolve(std::mem::take(&mut state), event);
            same(&state)
        })
}

impl<D: Decider> Given<D> {
    /// What is asked now.
    pub fn when(self, command: D::Command) -> Outcome<D> {
        let state = fold::<D>(&self.history);
        Outcome { result: D::decide(&state, command) }
    }
}

impl<D: Decider> Outcome<D>
where
    D::Event: Debug + PartialEq,
    D::Rejection: Debug + PartialEq,
{
    /// Exactly these facts follow.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.result, Ok(expected.into_iter().collect::<Vec<_>>()));
    }

    /// Nothing follows: it was already so.
    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.result, Ok(vec![]));
    }

    /// This rule says no.
    #[track_caller]
    pub fn then_rejected(self, expected: D::Rejection) {
        assert_eq!(self.result, Err(expected));
    }
}
