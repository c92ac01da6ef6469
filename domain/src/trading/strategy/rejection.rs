//! Why a demand is not decided on: never. A closed gate is a decision too.

/// There is no rule that refuses to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {}
