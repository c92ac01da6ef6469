//! The one shape every aggregate takes: an intent in, facts out, nothing else touched.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An aggregate: how it decides, and how it remembers.
pub trait Decider {
    /// What the aggregate remembers. The default is "nothing has happened yet".
    type State: Default;
    /// What can be asked of it.
    type Command;
    /// What can have happened to it.
    type Event;
    /// The rules that can say no.
    type Rejection;

    /// Turns a command into facts. An empty list means "already so".
    ///
    /// # Errors
    ///
    /// The business rule that refused the command.
    fn decide(state: &Self::State, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Applies one fact. Never refuses: what is stored has happened.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}

/// An aggregate whose state can be written down beside its stream, so that a reader may begin there and not at the first
/// fact. What is written is worth nothing by itself: it is what the stream leads to, or it is thrown away.
pub trait WrittenDown: Decider<State: Serialize + DeserializeOwned> {
    /// The sources of the state and of the fold. A state that other sources led to is not read: so nobody has to
    /// remember to say that it means something else by now.
    const SOURCES: &'static [&'static str];
}

/// The state that a history leads to.
pub fn fold<'h, D: Decider>(history: impl IntoIterator<Item = &'h D::Event>) -> D::State
where
    D::Event: 'h,
{
    history.into_iter().fold(D::State::default(), D::evolve)
}
