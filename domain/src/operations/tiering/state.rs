//! What is known of partitions.

use super::event::{PartitionTiered, Span};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// What is known of one partition that is in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What was found in the lake last.
    pub tiered: PartitionTiered,
    /// It was brought back, and is not to be taken away before.
    pub held_until: Option<Timestamp>,
}

/// What is known of partitions: as many as the log has, by the span of their tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) known: BTreeMap<Span, Known>,
}

impl State {
    /// What is known of a span.
    #[must_use]
    pub fn of(&self, span: &Span) -> Option<&Known> {
        self.known.get(span)
    }

    /// All that is known, by table and position.
    pub fn all(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }
}
