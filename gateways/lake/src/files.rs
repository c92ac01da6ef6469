//! Data files before they are put: name, bytes, and what is noted of them. For rows of any table.
//!
//! The name holds the date, the closed range of positions and a hash of the bytes: the same rows make the same name, and a
//! name never stands for other bytes.

use crate::delta::action::{Add, Values};
use crate::delta::schema::PARTITION;
use crate::digest::RowsDigest;
use crate::error::LakeError;
use crate::parquet_file::{self, Written};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use stele_domain::port::read_store::{Cell, Column, ColumnKind, Row, Table};
use stele_domain::time::Timestamp;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Hexadecimal digits of the hash that a name holds.
const NAME_HASH_DIGITS: usize = 16;

/// The tag with the BLAKE3 hash of a file's bytes.
pub const TAG_HASH: &str = "stele.blake3";

/// A UTC date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The date of a moment.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.micros().div_euclid(DAY_MICROS))
    }
}

impl fmt::Display for Day {
    /// `2026-11-20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = Timestamp::from_micros(self.0.saturating_mul(DAY_MICROS)).to_string();
        f.write_str(midnight.get(..10).unwrap_or_default())
    }
}

/// A file that is ready to be put.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Its path in the table.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its rows come to.
    pub digest: RowsDigest,
    day: Day,
    stats: String,
    hash: String,
}

impl DataFile {
    /// Makes a file of rows of one day, in the order of their positions.
    ///
    /// # Errors
    ///
    /// [`LakeError::Misfit`] for a row that is none of the table, [`LakeError::Parquet`].
    pub fn of(table: &Table, day: Day, rows: &[Row]) -> Result<Self, LakeError> {
        let mut stats = Stats::of(table);
        for row in rows {
            stats.add(row);
        }
        Ok(Self::written(day, "part", parquet_file::write(table, rows)?, &stats))
    }

    /// The same of what is written already.
    pub(crate) fn written(day: Day, kind: &str, written: Written, stats: &Stats) -> Self {
        let hash = blake3::hash(&written.bytes).to_hex().to_string();
        let short = hash.get(..NAME_HASH_DIGITS).unwrap_or_default();
        let (first, last) = stats.positions;
        let path = format!("{PARTITION}={day}/{kind}-{first:020}-{last:020}-{short}.zstd.parquet");
        let stats = stats.text(written.digest.rows());
        Self { path, bytes: written.bytes, digest: written.digest, day, stats, hash }
    }

    /// The line that makes the file count.
    pub(crate) fn add(&self, now_ms: i64, data_change: bool) -> Add {
        Add {
            path: self.path.clone(),
            partition_values: Values::from([(PARTITION.to_owned(), Some(self.day.to_string()))]),
            size: i64::try_from(self.bytes.len()).unwrap_or(i64::MAX),
            modification_time: now_ms,
            data_change,
            stats: Some(self.stats.clone()),
            tags: Some(Values::from([(TAG_HASH.to_owned(), Some(self.hash.clone()))])),
        }
    }
}

/// A column, where it stands in a row, and its smallest and largest value so far.
type Ranged = (usize, &'static Column, Option<(i64, i64)>);

/// The smallest and largest values of the columns that people narrow a question by: whole numbers and moments that are
/// never empty.
#[derive(Debug, Clone)]
pub(crate) struct Stats {
    columns: Vec<Ranged>,
    position: Option<usize>,
    positions: (i64, i64),
}

impl Stats {
    pub(crate) fn of(table: &Table) -> Self {
        let wanted = |column: &Column| {
            !column.nullable && matches!(column.kind, ColumnKind::Int64 | ColumnKind::Timestamp)
        };
        let columns = table.columns.iter().enumerate().filter(|(_, column)| wanted(column));
        Self {
            columns: columns.map(|(at, column)| (at, column, None)).collect(),
            position: table.index_of(stele_domain::port::read_store::POSITION_COLUMN),
            positions: (0, 0),
        }
    }

    pub(crate) fn add(&mut self, row: &Row) {
        for (at, _, range) in &mut self.columns {
            let value = match row.0.get(*at) {
                Some(Cell::Int(number)) => *number,
                Some(Cell::Time(moment)) => moment.micros(),
                Some(
                    Cell::Null
                    | Cell::Text(_)
                    | Cell::Bool(_)
                    | Cell::Units(_)
                    | Cell::Decimal(_)
                    | Cell::Json(_),
                )
                | None => continue,
            };
            *range = Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
            if Some(*at) == self.position {
                self.positions = range.unwrap_or_default();
            }
        }
    }

    /// As the Delta protocol has it. Moments have milliseconds there: the range is widened to whole ones.
    fn text(&self, rows: u64) -> String {
        let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), BTreeMap::new());
        for (_, column, range) in &self.columns {
            let Some((least, most)) = range else { continue };
            let (least, most) = match column.kind {
                ColumnKind::Timestamp => (moment(*least), moment(most.saturating_add(999))),
                ColumnKind::Text
                | ColumnKind::Int64
                | ColumnKind::Bool
                | ColumnKind::Units
                | ColumnKind::Decimal
                | ColumnKind::Json => (json!(least), json!(most)),
            };
            min.insert(column.name.to_owned(), least);
            max.insert(column.name.to_owned(), most);
            nulls.insert(column.name, 0_u64);
        }
        json!({ "numRecords": rows, "minValues": min, "maxValues": max, "nullCount": nulls }).to_string()
    }
}

/// A moment with milliseconds, what is below them dropped: `2026-11-20T18:24:38.123Z`.
fn moment(micros: i64) -> Value {
    let text = Timestamp::from_micros(micros).to_string();
    json!(format!("{}Z", text.get(..23).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{DataFile, Day, moment};
    use crate::facts;
    use stele_domain::time::Timestamp;

    #[test]
    fn a_day_is_the_utc_date_of_a_moment_before_1970_too() {
        for (text, day) in [
            ("2026-11-20T23:59:59.999999Z", "2026-11-20"),
            ("2026-11-21T00:00:00Z", "2026-11-21"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31"),
            ("0000-01-01T00:00:00Z", "0000-01-01"),
        ] {
            assert_eq!(Day::of(Timestamp::parse(text).unwrap()).to_string(), day);
        }
    }

    #[test]
    fn a_name_says_day_positions_and_bytes_and_a_file_says_what_is_in_it() {
        for (fact, rows) in facts::samples() {
            let day = Day::of(Timestamp::from_millis(0));
            let file = DataFile::of(fact.table, day, &rows).unwrap();
            let positions: Vec<i64> = rows.iter().map(|row| fact.table.position_of(row)).collect();
            let (first, last) = (positions.iter().min().unwrap(), positions.iter().max().unwrap());
            let begin = format!("dt=1970-01-01/part-{first:020}-{last:020}-{}", &file.hash[..16]);
            assert!(file.path.starts_with(&begin), "{}", file.path);
            let stats: serde_json::Value = serde_json::from_str(&file.stats).unwrap();
            assert_eq!(stats["numRecords"], rows.len());
            assert_eq!(
                (&stats["minValues"]["position"], &stats["maxValues"]["position"]),
                (&(*first).into(), &(*last).into())
            );
        }
    }

    #[test]
    fn the_range_of_moments_is_widened_to_whole_milliseconds() {
        assert_eq!(moment(1_999), "1970-01-01T00:00:00.001Z");
        assert_eq!(moment(1_001 + 999), "1970-01-01T00:00:00.002Z");
    }
}
