//! How far the lake is, for whoever asks: figures that grow old by themselves where nobody publishes any more.

use crate::observe;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;

/// Nothing waits.
const NOTHING: i64 = i64::MIN;

/// How far the lake is.
#[derive(Debug)]
pub struct Figures {
    published: AtomicU64,
    /// When the oldest event that waits was written down, in microseconds since 1970.
    waits_since: AtomicI64,
}

impl Default for Figures {
    fn default() -> Self {
        observe::begin();
        Self { published: AtomicU64::new(0), waits_since: AtomicI64::new(NOTHING) }
    }
}

impl Figures {
    /// Everything up to here is published.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.published.load(Ordering::Relaxed))
    }

    /// How long the oldest event that waits has waited, in milliseconds; zero where none does.
    #[must_use]
    pub fn lag_ms(&self, now: Timestamp) -> i64 {
        match self.waits_since.load(Ordering::Relaxed) {
            NOTHING => 0,
            since => now.millis_since(Timestamp::from_micros(since)).max(0),
        }
    }

    /// Tells the figures, as of now.
    pub fn tell(&self, head: Position, now: Timestamp) {
        observe::lag(self.position(), head, self.lag_ms(now));
    }

    pub(crate) fn published(&self, position: Position) {
        self.published.store(position.0, Ordering::Relaxed);
        self.waits_since.store(NOTHING, Ordering::Relaxed);
    }

    /// Notes that an event waits; an older one counts more.
    pub(crate) fn waits_since(&self, at: Timestamp) {
        let at = at.micros();
        let _ = self.waits_since.try_update(Ordering::Relaxed, Ordering::Relaxed, |since| {
            (since == NOTHING || at < since).then_some(at)
        });
    }
}
