//! Every frame that passed any door, in both directions, in order, and counts that stay right even when the
//! frames themselves are no longer kept.

use crate::clock::{Nanos, timestamp};
use crate::nep413::{VersionedNonce, base64_text};
use crate::options::JournalOptions;
use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use stele_domain::time::Timestamp;

/// Violations that are kept word for word.
const VIOLATIONS_KEPT_MAX: usize = 1_000;

/// Most entries in one answer.
pub const PAGE_MAX: usize = 10_000;

/// Which outside system a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The solver relay's WebSocket.
    Relay,
    /// The relay's RPC for front ends.
    RelayRpc,
    /// First NEAR provider.
    Near,
    /// Second NEAR provider.
    Near2,
    /// Kraken's WebSocket.
    Kraken,
    /// Kraken's REST ticker.
    KrakenRest,
    /// CoinGecko.
    Coingecko,
}

/// Which way a frame went, seen from the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the simulator.
    In,
    /// From the simulator.
    Out,
}

/// What a frame was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text, or a request line with its body.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A connection opened, closed, or went silent; what happened.
    Note(String),
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    /// When, by the machine's clock.
    pub at: Timestamp,
    /// Where.
    pub door: Door,
    /// Which way.
    pub direction: Direction,
    /// Which connection; 0 for requests without one.
    pub connection: u64,
    /// The frame, when it was text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The frame in base64, when it was binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What happened, when it was not a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the simulator made of a frame that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// A page of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPage {
    /// The entries asked for, oldest first.
    pub entries: Vec<Entry>,
    /// Where to read on.
    pub next: u64,
    /// How many entries were written.
    pub written: u64,
    /// How many of those were not kept because the journal was full. Never more than the newest.
    pub not_kept: u64,
    /// Said when `not_kept` is not zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the journal counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Entries written, kept or not.
    pub entries: u64,
    /// Entries that are not kept.
    pub entries_not_kept: u64,
    /// `quote_response` frames that came in, well-formed or not.
    pub quote_response_frames: u64,
    /// Different nonces among them.
    pub distinct_nonces: u64,
    /// Different random parts of versioned nonces: one per command of a desk that derives it from the command.
    pub distinct_commands: u64,
    /// Different signed payloads (quote hashes).
    pub distinct_payloads: u64,
    /// Verdicts on `quote_response` frames.
    pub verdicts: BTreeMap<String, u64>,
    /// Things we were sent that break the protocol.
    pub violations: u64,
    /// The first of them, word for word.
    pub violations_kept: Vec<String>,
}

#[derive(Debug)]
struct Line {
    at: Nanos,
    door: Door,
    direction: Direction,
    connection: u64,
    body: Body,
    verdict: Option<String>,
}

/// The journal. Entries are appended; an entry's verdict is written once, when there is one.
#[derive(Debug)]
pub struct Journal {
    options: JournalOptions,
    lines: Vec<Line>,
    bytes: usize,
    full: bool,
    counts: Counts,
    nonces: BTreeSet<String>,
    commands: BTreeSet<[u8; 15]>,
    payloads: BTreeSet<[u8; 32]>,
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new(options: JournalOptions) -> Self {
        Self {
            options,
            lines: vec![],
            bytes: 0,
            full: false,
            counts: Counts::default(),
            nonces: BTreeSet::new(),
            commands: BTreeSet::new(),
            payloads: BTreeSet::new(),
        }
    }

    /// Writes one entry and returns its number.
    pub fn write(&mut self, at: Nanos, door: Door, direction: Direction, connection: u64, body: Body) -> u64 {
        self.counts.entries += 1;
        let size = match &body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
            Body::Note(note) => note.len(),
        };
        self.full |= self.lines.len() >= self.options.entries_max;
        self.full |= self.bytes.saturating_add(size) > self.options.bytes_max;
        if self.full {
            self.counts.entries_not_kept += 1;
        } else {
            self.bytes += size;
            self.lines.push(Line { at, door, direction, connection, body, verdict: None });
        }
        self.counts.entries
    }

    /// Says what became of an entry.
    pub fn judge(&mut self, seq: u64, verdict: &str) {
        let index = seq.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(line) = index.and_then(|index| self.lines.get_mut(index)) {
            line.verdict = Some(verdict.to_owned());
        }
    }

    /// Counts a `quote_response` frame.
    pub fn quote_response(&mut self, verdict: &str) {
        self.counts.quote_response_frames += 1;
        *self.counts.verdicts.entry(verdict.to_owned()).or_default() += 1;
    }

    /// Counts a signed payload: its nonce as text and, where it can be read, as bytes.
    pub fn signed(&mut self, nonce_text: &str, nonce: Option<&[u8; 32]>, hash: [u8; 32]) {
        self.nonces.insert(nonce_text.to_owned());
        self.payloads.insert(hash);
        if let Some(read) = nonce.and_then(VersionedNonce::read) {
            self.commands.insert(read.random);
        }
    }

    /// Counts something that breaks the protocol.
    pub fn violation(&mut self, what: String) {
        self.counts.violations += 1;
        if self.counts.violations_kept.len() < VIOLATIONS_KEPT_MAX {
            self.counts.violations_kept.push(what);
        }
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let mut counts = self.counts.clone();
        counts.distinct_nonces = count(self.nonces.len());
        counts.distinct_commands = count(self.commands.len());
        counts.distinct_payloads = count(self.payloads.len());
        counts
    }

    /// Entries from number `from` on, at most `limit` and [`PAGE_MAX`], of one door or of all.
    #[must_use]
    pub fn page(&self, from: u64, limit: usize, door: Option<Door>) -> JournalPage {
        let start = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX);
        let mut entries = vec![];
        let mut next = from.max(1);
        for (index, line) in self.lines.iter().enumerate().skip(start) {
            if entries.len() >= limit.min(PAGE_MAX) {
                break;
            }
            let seq = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            next = seq + 1;
            if door.is_none_or(|door| door == line.door) {
                entries.push(line.entry(seq));
            }
        }
        let not_kept = self.counts.entries_not_kept;
        let error = (not_kept > 0)
            .then(|| format!("the journal is full: the newest {not_kept} entries are counted and not kept"));
        JournalPage { entries, next, written: self.counts.entries, not_kept, error }
    }
}

impl Line {
    fn entry(&self, seq: u64) -> Entry {
        let (text, base64, note) = match &self.body {
            Body::Text(text) => (Some(text.as_str().to_owned()), None, None),
            Body::Binary(bytes) => (None, Some(base64_text(bytes)), None),
            Body::Note(note) => (None, None, Some(note.clone())),
        };
        Entry {
            seq,
            at: timestamp(self.at),
            door: self.door,
            direction: self.direction,
            connection: self.connection,
            text,
            base64,
            note,
            verdict: self.verdict.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
