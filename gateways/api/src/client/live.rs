//! Live events: the desk's Server-Sent Events, one after the other.

use super::ClientError;
use super::lines::Lines;
use super::transport::Streaming;
use crate::dto::{LiveEvent, LiveFailure};

/// What is heard.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Something happened.
    Event {
        /// What it is about.
        topic: String,
        /// The event.
        event: LiveEvent,
    },
    /// Everything wanted up to here has been heard; from here on it is live.
    CaughtUp {
        /// Where to go on after.
        position: u64,
    },
    /// Nothing has happened, and the desk is alive.
    Heartbeat {
        /// Where to go on after.
        position: u64,
    },
    /// The desk stops. Nothing comes after it.
    Closing {
        /// Where to go on after.
        position: u64,
    },
    /// The log can't be read. Nothing comes after it.
    Failed {
        /// Why, as a problem has it. Nothing where an older desk does not say.
        code: String,
        /// Why, in words.
        detail: String,
    },
}

/// A live stream.
#[derive(Debug)]
pub struct Live {
    lines: Lines,
    ended: bool,
}

/// A message as it is put together from its lines.
#[derive(Debug, Default)]
struct Message {
    id: Option<u64>,
    name: String,
    data: String,
}

impl Live {
    pub(super) fn new(streaming: Streaming) -> Self {
        Self { lines: Lines::new(streaming), ended: false }
    }

    /// What is heard next; `None` after the desk has ended the stream in good order.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the desk is gone: listen again after the last position.
    pub async fn next(&mut self) -> Result<Option<Heard>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let mut message = Message::default();
        loop {
            let Some(line) = self.lines.text().await? else {
                return Err(self.lines.lost("the stream ended without a word".to_owned()));
            };
            if !line.is_empty() {
                message.take(&line);
                continue;
            }
            if message.data.is_empty() {
                message = Message::default();
                continue;
            }
            let heard = message.heard().map_err(|error| self.lines.misunderstood(&error))?;
            self.ended = matches!(heard, Heard::Closing { .. } | Heard::Failed { .. });
            return Ok(Some(heard));
        }
    }
}

impl Message {
    /// One field of the message; comments and unknown fields are passed over.
    fn take(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }

    fn heard(self) -> Result<Heard, serde_json::Error> {
        let position = self.id.unwrap_or_default();
        Ok(match self.name.as_str() {
            "caught_up" => Heard::CaughtUp { position },
            "heartbeat" => Heard::Heartbeat { position },
            "closing" => Heard::Closing { position },
            "failed" => {
                let LiveFailure { code, detail } = serde_json::from_str(&self.data)?;
                Heard::Failed { code, detail }
            }
            _ => Heard::Event { topic: self.name, event: serde_json::from_str(&self.data)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Message};

    fn message(lines: &[&str]) -> Message {
        let mut message = Message::default();
        for line in lines {
            message.take(line);
        }
        message
    }

    #[test]
    fn comments_unknown_fields_and_missing_spaces_are_no_obstacle() {
        // Only one space belongs to the wire: what is behind a second one is another name.
        let heard = message(&[": a comment", "retry: 1000", "id:7", "event:  heartbeat", "data: {}"]).heard();
        assert!(heard.is_err(), "{heard:?}");
        let heard = message(&["id:7", "event:heartbeat", "data: {\"head\":9}"]).heard().unwrap();
        assert!(matches!(heard, Heard::Heartbeat { position: 7 }), "{heard:?}");
    }

    #[test]
    fn data_of_several_lines_is_one_text() {
        let heard = message(&["event: failed", "data: {\"detail\":", "data: \"gone\"}"]).heard().unwrap();
        assert!(matches!(&heard, Heard::Failed { detail, .. } if detail == "gone"), "{heard:?}");
    }
}
