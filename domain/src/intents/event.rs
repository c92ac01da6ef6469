//! Everything that happens in the intents context.

use super::{filter, intake, relay};

/// A fact of the intents context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `quote-{pair}`.
    Intake(intake::event::Event),
    /// On the stream `filter-{venue}`.
    Filter(filter::event::Event),
    /// On the stream `relay-{venue}`.
    Relay(relay::event::Event),
}
