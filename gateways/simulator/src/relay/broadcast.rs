//! Sends events to whoever has subscribed to them. Never waits: a reader that does not keep up is dropped.

use super::{Connection, Frame, Mode, QUEUE_EVENTS_MAX, Relay, Stream, wire};
use crate::observe;
use crate::options::RelayOptions;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::error::TrySendError;

/// Sends one frame to one connection.
pub(crate) fn send(number: u64, connection: &Connection, frame: Frame) -> Result<(), TooSlow> {
    if *connection.mode.borrow() != Mode::Open {
        return Ok(());
    }
    match connection.frames.try_send(frame) {
        Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        Err(TrySendError::Full(_)) => {
            connection.mode.send_replace(Mode::Dropped);
            observe::reader_too_slow(number);
            Err(TooSlow)
        }
    }
}

/// A connection was dropped because its reader did not keep up.
pub(crate) struct TooSlow;

impl Relay {
    /// Sends one frame to every connection.
    pub(crate) fn send_all(&mut self, frame: &Frame) {
        for (number, connection) in &self.connections {
            let sent = send(*number, connection, frame.clone());
            self.tally.slow_readers += u64::from(sent.is_err());
        }
    }

    /// Asks every connection to be something else.
    pub(crate) fn set_mode(&mut self, mode: &Mode) {
        for connection in self.connections.values() {
            connection.mode.send_replace(mode.clone());
        }
    }

    /// Sends a quote to its subscribers.
    pub(crate) fn send_quote(
        &mut self,
        data: &Map<String, Value>,
        metadata: Option<&Value>,
        options: &RelayOptions,
    ) {
        for (number, connection) in &self.connections {
            for (id, subscription) in &connection.subscriptions {
                if subscription.stream == Stream::Quote && subscription.filters.want(data) {
                    let text = wire::event(id, data, metadata, None, options);
                    let sent = send(*number, connection, Frame::Text(text.into()));
                    self.tally.slow_readers += u64::from(sent.is_err());
                }
            }
        }
    }

    /// Sends what became of an offer to all subscribers of statuses, its own maker or not.
    ///
    /// Only a success is told on the plain stream. A swallowed event still waits for those who asked for
    /// guaranteed delivery.
    pub(crate) fn send_status(&mut self, status: &Status<'_>, swallowed: bool, options: &RelayOptions) {
        let plain = status.plain();
        if status.event_type == SETTLED {
            for queue in self.queues.values_mut() {
                queue.seq += 1;
                queue.events.push_back((queue.seq, plain.clone()));
                if queue.events.len() > QUEUE_EVENTS_MAX {
                    queue.events.pop_front();
                }
            }
        }
        if swallowed {
            self.tally.statuses_swallowed += 1;
            return;
        }
        let mut extended = plain.clone();
        extended.insert("event_type".to_owned(), json!(status.event_type));
        for (number, connection) in &self.connections {
            for (id, subscription) in &connection.subscriptions {
                let (data, seq) = match subscription.stream {
                    Stream::Status if status.event_type != SETTLED => continue,
                    Stream::Status => (&plain, self.seq_for(connection, subscription.guaranteed)),
                    Stream::StatusExtended => (&extended, None),
                    Stream::Quote | Stream::Shield => continue,
                };
                let text = wire::event(id, data, None, seq, options);
                let sent = send(*number, connection, Frame::Text(text.into()));
                self.tally.slow_readers += u64::from(sent.is_err());
            }
        }
    }

    /// The number of the newest event in the connection's queue, when it subscribed with guaranteed delivery.
    fn seq_for(&self, connection: &Connection, guaranteed: bool) -> Option<u64> {
        let instance = connection.instance.as_ref().filter(|_| guaranteed)?;
        self.queues.get(instance).map(|queue| queue.seq)
    }
}

/// The event type of a success.
pub(crate) const SETTLED: &str = "quote_settle_successful";
/// The event type of a failure.
pub(crate) const FAILED: &str = "quote_settle_failed";
/// The event type of an offer that was taken.
pub(crate) const READY: &str = "quote_ready_to_settle";

/// What is told of an offer.
pub(crate) struct Status<'a> {
    pub(crate) quote_hash: &'a str,
    pub(crate) intent_hash: &'a str,
    pub(crate) tx_hash: Option<&'a str>,
    pub(crate) event_type: &'static str,
}

impl Status<'_> {
    fn plain(&self) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("quote_hash".to_owned(), self.quote_hash.into());
        data.insert("intent_hash".to_owned(), self.intent_hash.into());
        if let Some(tx_hash) = self.tx_hash {
            data.insert("tx_hash".to_owned(), tx_hash.into());
        }
        data
    }
}
