//! Everything that happens in the market context.

use super::reference;

/// A fact of the market context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `price-{pair}`.
    Reference(reference::event::Event),
}
