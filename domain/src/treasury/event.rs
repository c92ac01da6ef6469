//! Everything that happens in the treasury context.

use super::inventory;

/// A fact of the treasury context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `inventory-{account}`.
    Inventory(inventory::event::Event),
}
