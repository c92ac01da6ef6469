//! Everything that happens in the operations context.

use super::{alert, attempt, parking, service, tiering};

/// A fact of the operations context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `service-{name}`.
    Service(service::event::Event),
    /// On the stream `alert-{kind}`.
    Alert(alert::event::Event),
    /// On the stream `parking-projections`.
    Parking(parking::event::Event),
    /// On the stream `audit-commands`.
    CommandRefused(attempt::CommandRefused),
    /// On the stream `tiering-partitions`.
    Tiering(tiering::event::Event),
}
