//! What the simulator's journal has seen of the relay's frames: the outside word on what the desk did, and when.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use stele_domain::ids::QuoteId;
use stele_domain::time::Timestamp;
use stele_simulator::{Direction, Door, Handle};
use tokio::time::Instant;

/// Entries that are read in one go.
const PAGE: usize = 4_096;
/// How often it is looked at while a response is awaited: it is a matter of milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The journal.
pub(crate) struct Journal {
    handle: Handle,
}

impl Journal {
    pub(crate) fn of(handle: Handle) -> Self {
        Self { handle }
    }

    /// Waits until the desk's response to a quote has come in; false when it does not come.
    pub(crate) async fn response_came(&self, quote: &QuoteId, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut from = 1;
        while Instant::now() < until {
            let page = self.handle.journal(from, PAGE, Some(Door::Relay));
            let mut came = page.entries.iter().filter(|entry| entry.direction == Direction::In);
            if came
                .any(|entry| entry.text.as_deref().and_then(answered).is_some_and(|id| id == quote.as_str()))
            {
                return true;
            }
            if page.next == from {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            from = page.next;
        }
        false
    }

    /// From each quote's frame out to the desk's response in, in microseconds, by the journal's own clock.
    pub(crate) fn response_micros(&self) -> Vec<u32> {
        let mut sent: BTreeMap<String, Timestamp> = BTreeMap::new();
        let mut micros = vec![];
        let mut from = 1;
        loop {
            let page = self.handle.journal(from, PAGE, Some(Door::Relay));
            for entry in &page.entries {
                let Some(text) = entry.text.as_deref() else { continue };
                match entry.direction {
                    Direction::Out => {
                        if let Some(id) = published(text) {
                            sent.entry(id).or_insert(entry.at);
                        }
                    }
                    Direction::In => {
                        if let Some(out) = answered(text).and_then(|id| sent.remove(&id)) {
                            let took = entry.at.micros().saturating_sub(out.micros()).max(0);
                            micros.push(u32::try_from(took).unwrap_or(u32::MAX));
                        }
                    }
                }
            }
            if page.next == from {
                return micros;
            }
            from = page.next;
        }
    }
}

/// The quote that an event of the relay publishes. News of settlements bears no quote id.
fn published(text: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(text).ok()?;
    Some(frame.get("params")?.get("data")?.get("quote_id")?.as_str()?.to_owned())
}

/// The quote that a frame of the desk responds to.
fn answered(text: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(text).ok()?;
    if frame.get("method")?.as_str()? != "quote_response" {
        return None;
    }
    Some(frame.get("params")?.get(0)?.get("quote_id")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{answered, published};

    #[test]
    fn a_response_is_matched_with_its_quote_and_nothing_else_is() {
        let quote = r#"{"method":"event","params":{"subscription":"s","data":{"quote_id":"q-1"}}}"#;
        let settled = r#"{"method":"event","params":{"subscription":"s","data":{"quote_hash":"h"}}}"#;
        let response = r#"{"id":3,"method":"quote_response","params":[{"quote_id":"q-1"}]}"#;
        let subscribe = r#"{"id":1,"method":"subscribe","params":["quote"]}"#;
        assert_eq!(published(quote).as_deref(), Some("q-1"));
        assert_eq!(published(settled), None);
        assert_eq!(answered(response).as_deref(), Some("q-1"));
        assert_eq!(answered(subscribe), None);
        assert_eq!(answered("no JSON"), None);
    }
}
