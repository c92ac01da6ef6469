//! Everything that happens in the trading context.

use super::{account, strategy};

/// A fact of the trading context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `account-{account}`.
    Account(account::event::Event),
    /// On the stream `strategy-{pair}`.
    Strategy(strategy::event::Event),
}
