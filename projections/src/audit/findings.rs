//! What an audit found, as data: it goes into the report as it stands, and comes out of it again.

use crate::models::parkings::ParkingState;
use serde::{Deserialize, Serialize};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::Position;

/// Most rows of one table that are named; all of them are counted.
pub const ROWS_NAMED_MAX: usize = 25;

/// Most files of one partition in the lake that are named; whatever they have is said to differ.
pub const FILES_NAMED_MAX: usize = 25;

/// Whether what was compared is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that could be compared follows from the log.
    Agrees,
    /// Something does not.
    Differs,
    /// There was nothing to compare with.
    NotCompared,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The last position that was folded.
    pub position: Position,
    /// Every projection that was asked for, in the order in which they are folded.
    pub projections: Vec<OfProjection>,
    /// What could not be compared, and why.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// What was found of one projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfProjection {
    /// Which.
    pub projection: String,
    /// The definition that folded.
    pub version: u32,
    /// Up to where it was folded, and compared.
    pub position: Position,
    /// What came of it.
    pub verdict: Verdict,
    /// What is wrong with the projection as a whole.
    pub why: Option<String>,
    /// Events that the log says to be left out of its tables, or to be taken in after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<ParkedThere>,
    /// Its tables, and what it wrote into shared ones.
    pub tables: Vec<OfTable>,
}

/// An event that the projection could not take in. Tables that lack it follow from the log all the same, which says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedThere {
    /// Where it stands.
    pub position: Position,
    /// Its type, as stored.
    pub event_type: String,
    /// What was wrong with it.
    pub reason: String,
    /// What is to become of it: one that is `retried` is lacking until the next rebuild.
    pub state: ParkingState,
}

/// What was found of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfTable {
    /// Which.
    pub table: String,
    /// Whether its rows never change.
    pub history: bool,
    /// What came of it.
    pub verdict: Verdict,
    /// Rows that follow from the log.
    pub rows_folded: u64,
    /// Rows that the store showed; none where there was no store to look into.
    pub rows_live: Option<u64>,
    /// Rows that follow from the log and that the store says to have dropped for their age, but for those that are lost.
    pub rows_older: u64,
    /// Rows that the store says to have dropped and that had no right to leave: nothing in the log says that they went to a
    /// lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<OfLost>,
    /// Rows that are not what follows from the log.
    pub rows_changed: u64,
    /// Rows that follow from the log and are not there.
    pub rows_deleted: u64,
    /// Rows that are there and do not follow from the log.
    pub rows_added: u64,
    /// Digests, part by part.
    pub parts: Vec<OfPart>,
    /// The first [`ROWS_NAMED_MAX`] rows that differ, in the order of their keys.
    pub differences: Vec<OfRow>,
    /// Partitions of it that the log says to be in the lake, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiered: Vec<OfTiered>,
}

/// Rows below the cut of a history of which no event says that they are in the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfLost {
    /// How many.
    pub rows: u64,
    /// The position of the first.
    pub from_position: Position,
    /// The position of the last.
    pub last_position: Position,
}

/// A partition of a history that the log says to be in the lake, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfTiered {
    /// Its first position.
    pub from_position: Position,
    /// The first position after it.
    pub to_position: Position,
    /// How many rows the log says it has, whoever wrote them.
    pub rows: u64,
    /// Which lake: its address, without secrets.
    pub lake: String,
    /// Where in it the manifest is.
    pub manifest: String,
    /// BLAKE3 of the manifest's bytes as the log says it, in 64 hexadecimal digits.
    pub manifest_blake3: String,
    /// The event that says all this.
    pub event: Touch,
    /// Whether what was read follows from the log; that it was not compared when nothing was.
    pub verdict: Verdict,
    /// The first [`FILES_NAMED_MAX`] files and manifests that are not what was put there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<OfFile>,
}

/// A file of the lake, or a manifest, that is not what was put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfFile {
    /// Its path, from the root of the lake on.
    pub file: String,
    /// Parts that could not be compared for it; none for a manifest, and for a file that was read all the same.
    pub parts: Vec<u64>,
    /// What is wrong.
    pub what: String,
}

/// The digests of one part of a table, each in 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfPart {
    /// Which: position divided by a million in histories, zero in all other tables.
    pub part: u64,
    /// Rows of it that follow from the log.
    pub rows: u64,
    /// What they come to; none when none do.
    pub folded: Option<String>,
    /// What the store has kept; none when it was not compared, or when nothing is kept.
    pub stored: Option<String>,
    /// How many rows the store has kept that digest for, where it is another number than that of the rows that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_stored: Option<u64>,
    /// What the rows that the store showed come to; none when they were not compared whole.
    pub scanned: Option<String>,
    /// What its rows in the lake come to; none when they were not compared, or when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiered: Option<String>,
    /// Whether all that was compared is the same.
    pub verdict: Verdict,
}

/// What somebody did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It is not what follows from the log.
    Changed,
    /// It is gone.
    Deleted,
    /// It follows from nothing.
    Added,
}

impl Deed {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Added => "added",
        }
    }
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfRow {
    /// What happened to it.
    pub deed: Deed,
    /// Its key: a JSON array, as text.
    pub key: String,
    /// The row in the store: a JSON object, as text.
    pub live: Option<String>,
    /// The row that follows from the log: a JSON object, as text.
    pub folded: Option<String>,
    /// The last event that touched this key; none when no event ever did.
    pub last_event: Option<Touch>,
}

/// An event that wrote a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Where it is.
    pub position: Position,
    /// Its type.
    pub event_type: String,
    /// Its id.
    pub event_id: EventId,
}

/// What was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotLookedAt {
    /// What.
    pub what: String,
    /// Why, and what would help.
    pub why: String,
}

impl Verdict {
    /// Of several: one that differs outweighs all, one that agrees outweighs those with nothing to compare.
    #[must_use]
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::NotCompared, |so_far, next| match (so_far, next) {
            (Self::Differs, _) | (_, Self::Differs) => Self::Differs,
            (Self::Agrees, _) | (_, Self::Agrees) => Self::Agrees,
            (Self::NotCompared, Self::NotCompared) => Self::NotCompared,
        })
    }

    /// What a comparison of two digests comes to.
    #[must_use]
    pub fn same(same: bool) -> Self {
        if same { Self::Agrees } else { Self::Differs }
    }

    /// The words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "DIFFERS",
            Self::NotCompared => "not compared",
        }
    }
}

impl Findings {
    /// What the audit comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.projections.iter().map(|projection| projection.verdict))
    }

    /// Rows that differ, in all tables.
    #[must_use]
    pub fn rows_different(&self) -> u64 {
        self.tables().map(OfTable::rows_different).fold(0, u64::saturating_add)
    }

    /// Every table of every projection.
    pub fn tables(&self) -> impl Iterator<Item = &OfTable> {
        self.projections.iter().flat_map(|projection| &projection.tables)
    }
}

impl OfTable {
    /// Rows that differ.
    #[must_use]
    pub fn rows_different(&self) -> u64 {
        self.rows_changed.saturating_add(self.rows_deleted).saturating_add(self.rows_added)
    }
}
