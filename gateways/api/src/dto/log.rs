//! The log: events as they are kept, and the log in numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// An event as it is kept. `data` and `metadata` are the stored JSON, word for word.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Place in the log; the first is 1.
    pub position: u64,
    /// Stream it belongs to.
    pub stream: String,
    /// Place in the stream; the first is 0.
    pub revision: u64,
    /// Names the fact.
    pub event_id: Uuid,
    /// `context.PastTense`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When the log wrote it down.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// What it says; none when the bytes are no JSON.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// What stands beside it: actor, cause, source time; none when the bytes are no JSON.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    /// The bytes of `data` in base64, when they are no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// The bytes of `metadata` in base64, when they are no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_base64: Option<String>,
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventsPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// `from` of the next page: a position, or a revision when one stream is read. None at the end.
    pub next: Option<u64>,
    /// Everything up to here was there to be read.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// One line of a followed log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FollowLine {
    /// Something happened.
    Event(Event),
    /// Everything that was wanted up to the head has been sent; from here on it is live.
    CaughtUp {
        /// The last position of the log.
        head: u64,
    },
    /// Nothing has happened, and the desk is alive. Every five seconds.
    Heartbeat {
        /// The last position that was looked at.
        head: u64,
    },
    /// The desk ends the stream in good order: it stops.
    Closing {
        /// Go on from here.
        next: u64,
    },
    /// The log could not be read, or the key is no longer taken; the stream ends.
    Failed {
        /// Why, as a problem has it. Nothing where an older desk does not say.
        #[serde(default)]
        code: String,
        /// Why, in words.
        detail: String,
        /// Go on from here.
        next: u64,
    },
}

/// The log in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogStat {
    /// The log's identity.
    pub log: Uuid,
    /// Number of events; also the last position.
    pub events: u64,
    /// Number of commits, the leaves of the Merkle tree.
    pub commits: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of segment files.
    pub segments: u64,
    /// Events per category.
    pub categories: BTreeMap<String, u64>,
    /// Everything up to here is in these numbers.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
    /// How fast it grows: in the last minute, in the last five, and since its owner opened it. Nothing where nobody
    /// measures it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<LogGrowth>,
    /// What of it is in an archive and not on its owner's disk. Missing where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<LogArchived>,
}

/// What of the log is in an archive only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogArchived {
    /// Number of segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their events.
    pub events: u64,
}

/// What came into the log in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogGrowth {
    /// The span that is asked about, in milliseconds; 0 for all since the log was opened.
    pub asked_ms: u64,
    /// What was measured of it, in milliseconds: less while the log has not been open for as long.
    pub measured_ms: u64,
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: u64,
    /// Events a second, in thousandths, the rest dropped.
    pub events_per_second_milli: u64,
    /// Bytes a second, the rest dropped.
    pub bytes_per_second: u64,
    /// Events per category; those without any are left out.
    pub categories: BTreeMap<String, u64>,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointAnswer {
    /// A C2SP `tlog-checkpoint` note, to be kept word for word outside of the desk.
    pub checkpoint: String,
    /// The last position of the log when it was signed, at least.
    pub head: u64,
}

/// Shows that a commit is in the tree that a checkpoint signs, to anyone who has the log's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventProof {
    /// The event that was asked about.
    pub position: u64,
    /// Position of the first event of the commit that it belongs to.
    pub first_position: u64,
    /// How many commits are before that one: the leaf's index.
    pub leaf_index: u64,
    /// The commit's payload in base64, as the log's `FORMAT.md` describes it: the events in it are what is proved.
    pub payload: String,
    /// SHA-256 hashes in hex, from the leaf up, as RFC 9162 describes.
    pub path: Vec<String>,
    /// The signed checkpoint, a C2SP `tlog-checkpoint` note.
    pub checkpoint: String,
}

impl EventProof {
    /// A proof as it is told.
    #[must_use]
    pub fn new(
        position: u64,
        first_position: u64,
        leaf_index: u64,
        payload: &[u8],
        path: &[[u8; 32]],
        checkpoint: &str,
    ) -> Self {
        Self {
            position,
            first_position,
            leaf_index,
            payload: STANDARD.encode(payload),
            path: path.iter().map(hex).collect(),
            checkpoint: checkpoint.to_owned(),
        }
    }

    /// Payload and path as bytes; none when the texts are none.
    #[must_use]
    pub fn parts(&self) -> Option<(Vec<u8>, Vec<[u8; 32]>)> {
        let path = self.path.iter().map(|text| unhex(text)).collect::<Option<Vec<_>>>()?;
        Some((STANDARD.decode(&self.payload).ok()?, path))
    }
}

/// Shows that the log goes on from an earlier checkpoint, to anyone who has both checkpoints and the log's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyProof {
    /// The earlier size, in commits.
    pub old_commits: u64,
    /// The later size, in commits.
    pub new_commits: u64,
    /// SHA-256 hashes in hex, in the order of RFC 9162 §2.1.4.
    pub path: Vec<String>,
    /// The signed checkpoint of the later size, a C2SP `tlog-checkpoint` note. One size has one note.
    pub checkpoint: String,
}

impl ConsistencyProof {
    /// A proof as it is told.
    #[must_use]
    pub fn new(old_commits: u64, new_commits: u64, path: &[[u8; 32]], checkpoint: &str) -> Self {
        let checkpoint = checkpoint.to_owned();
        Self { old_commits, new_commits, path: path.iter().map(hex).collect(), checkpoint }
    }
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(at.checked_mul(2)?..at.checked_mul(2)?.checked_add(2)?)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::EventProof;

    #[test]
    fn a_proof_is_told_and_read_again() {
        let path = [[0xab; 32], [7; 32]];
        let mut proof = EventProof::new(9, 8, 3, b"payload", &path, "note");
        assert_eq!(proof.parts(), Some((b"payload".to_vec(), path.to_vec())));
        proof.path = vec!["zz".repeat(32)];
        assert_eq!(proof.parts(), None);
        proof.path = vec!["ab".to_owned()];
        assert_eq!(proof.parts(), None);
    }
}
