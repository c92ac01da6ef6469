//! Every frame that passed any door, in both directions, in order, and counts that stay right even when the
//! frames themselves are no longer kept.

use crate::clock::{Nanos, timestamp};
use crate::nep413::{VersionedNonce, base64_text};
use crate::options::{JournalOptions, Keep};
use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

impl Body {
    /// Its bytes.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Note(note) => note.len(),
        }
    }
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
    /// How many of those are not kept because the journal was full: the newest, or, in a journal that keeps those, the first.
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
    /// Signed payloads that came after as many as are told apart, and are in none of the three counts of different ones.
    #[serde(default)]
    pub signed_not_counted: u64,
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
    lines: VecDeque<Line>,
    /// How many entries stood before the first of the lines.
    dropped: u64,
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
            lines: VecDeque::new(),
            dropped: 0,
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
        let size = body.size();
        let line = Line { at, door, direction, connection, body, verdict: None };
        match self.options.keep {
            Keep::First => {
                self.full |= !self.has_room(size);
                if self.full {
                    self.counts.entries_not_kept += 1;
                    return self.counts.entries;
                }
            }
            Keep::Newest => while !self.has_room(size) && self.drop_first() {},
        }
        self.bytes += size;
        self.lines.push_back(line);
        self.counts.entries
    }

    fn has_room(&self, size: usize) -> bool {
        self.lines.len() < self.options.entries_max
            && self.bytes.saturating_add(size) <= self.options.bytes_max
    }

    /// Lets go of the oldest line; false when there is none. The newest one is kept however large it is.
    fn drop_first(&mut self) -> bool {
        let Some(line) = self.lines.pop_front() else { return false };
        self.bytes = self.bytes.saturating_sub(line.body.size());
        self.dropped += 1;
        self.counts.entries_not_kept += 1;
        true
    }

    /// Says what became of an entry.
    pub fn judge(&mut self, seq: u64, verdict: &str) {
        let index = seq.checked_sub(self.dropped + 1).and_then(|index| usize::try_from(index).ok());
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
        if self.payloads.len().max(self.nonces.len()) >= self.options.signed_max {
            self.counts.signed_not_counted += 1;
            return;
        }
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
        let from = from.max(self.dropped + 1);
        let start = usize::try_from(from - 1 - self.dropped).unwrap_or(usize::MAX);
        let mut entries = vec![];
        let mut next = from;
        for (index, line) in self.lines.iter().enumerate().skip(start) {
            if entries.len() >= limit.min(PAGE_MAX) {
                break;
            }
            let seq = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(self.dropped + 1);
            next = seq + 1;
            if door.is_none_or(|door| door == line.door) {
                entries.push(line.entry(seq));
            }
        }
        let not_kept = self.counts.entries_not_kept;
        let which = match self.options.keep {
            Keep::First => "newest",
            Keep::Newest => "first",
        };
        let error = (not_kept > 0)
            .then(|| format!("the journal is full: the {which} {not_kept} entries are counted and not kept"));
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
