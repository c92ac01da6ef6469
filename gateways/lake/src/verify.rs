//! Holds the tables against the log: reads every file that counts, folds the log from its beginning, and compares what both
//! come to, day by day. Memory: one file, and a digest for every day of every table.

use crate::digest::RowsDigest;
use crate::error::LakeError;
use crate::facts::{Fact, common};
use crate::files::Day;
use crate::table::LakeTable;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};

/// Records that are read in one go.
const PAGE: usize = 4_096;

/// What was found of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which.
    pub table: &'static str,
    /// How far it is; zero where there is none.
    pub position: Position,
    /// How many files count.
    pub files: usize,
    /// How many rows are in them.
    pub rows: u64,
    /// What they come to, in 64 hexadecimal digits.
    pub digest: String,
    /// What is wrong; nothing where the table is what the log says.
    pub differences: Vec<Difference>,
}

/// How a table is not what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The rows of a day are others.
    Day {
        /// Which.
        day: String,
        /// Rows of it in the table.
        lake: u64,
        /// Rows of it by the log.
        log: u64,
    },
    /// The table's own count or digest is not that of its files.
    Said {
        /// Rows by its newest commit.
        rows: u64,
    },
    /// A file can't be read, or is not what was committed.
    File {
        /// What is wrong, and where.
        what: String,
    },
    /// The table is further than the log.
    Ahead {
        /// Where the log ends.
        head: Position,
    },
    /// The table names another record where it ends.
    OtherLog,
}

/// Verifies all tables. `progress` is told of positions, first zero, then as the log is folded, with the last one.
///
/// # Errors
///
/// [`LakeError`] where the log or the store can't be read at all; what is wrong with a table is in its findings.
pub async fn verify(
    store: &Arc<dyn ChangingBlobs>,
    clock: &Arc<dyn Clock>,
    facts: &'static [Fact],
    log: &dyn EventLog,
    mut progress: impl FnMut(Position, Position),
) -> Result<Vec<Verified>, LakeError> {
    let mut looked = vec![];
    for fact in facts {
        looked.push(Looked::at(store, clock, fact).await?);
    }
    let head = log.head().await?;
    let last = looked.iter().map(|one| one.position).max().unwrap_or_default().min(head);
    let mut next = Position::START.next();
    while next <= last {
        let page = log.read_all(next, &Filter::all(), PAGE).await?;
        for record in page.records.iter().filter(|record| record.position <= last) {
            for one in &mut looked {
                if one.position == record.position
                    && one.event_id.as_ref().is_some_and(|id| *id != record.event_id.to_string())
                {
                    one.differences.push(Difference::OtherLog);
                }
            }
            let event = match codec::recorded(record) {
                Ok(event) => event,
                Err(error) if error.is_foreign() => continue,
                Err(source) => return Err(LakeError::Undecodable { position: record.position, source }),
            };
            let day = Day::of(common::moment(&event)).to_string();
            for one in looked.iter_mut().filter(|one| record.position <= one.position) {
                one.fold(&event, &day);
            }
        }
        next = page.next;
        progress(Position(next.0.saturating_sub(1)).min(last), last);
    }
    Ok(looked.into_iter().map(|one| one.verdict(head)).collect())
}

/// A table, and what the log says of it.
struct Looked {
    fact: &'static Fact,
    position: Position,
    event_id: Option<String>,
    files: usize,
    said: RowsDigest,
    lake: BTreeMap<String, RowsDigest>,
    log: BTreeMap<String, RowsDigest>,
    differences: Vec<Difference>,
}

impl Looked {
    async fn at(
        store: &Arc<dyn ChangingBlobs>,
        clock: &Arc<dyn Clock>,
        fact: &'static Fact,
    ) -> Result<Self, LakeError> {
        let mut looked = Self {
            fact,
            position: Position::START,
            event_id: None,
            files: 0,
            said: RowsDigest::default(),
            lake: BTreeMap::new(),
            log: BTreeMap::new(),
            differences: vec![],
        };
        let opened = LakeTable::open(Arc::clone(store), Arc::clone(clock), fact.table).await;
        let table = match opened {
            Ok(Some(table)) => table,
            Ok(None) => return Ok(looked),
            Err(error @ (LakeError::Damaged { .. } | LakeError::Protocol { .. })) => {
                looked.differences.push(Difference::File { what: error.to_string() });
                return Ok(looked);
            }
            Err(error) => return Err(error),
        };
        looked.position = table.position();
        looked.event_id = table.event_id().map(str::to_owned);
        looked.files = table.files();
        looked.said = table.digest()?;
        for (path, day) in table.paths() {
            let digest = looked.lake.entry(day.to_owned()).or_default();
            let read = table.read(path, |rows| {
                for row in &rows {
                    digest.add(fact.table, row);
                }
                Ok(())
            });
            match read.await {
                Ok(()) => {}
                Err(LakeError::Store(error)) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    let what = stele_domain::causes::with_causes(&error);
                    looked.differences.push(Difference::File { what: format!("{path}: {what}") });
                }
            }
        }
        Ok(looked)
    }

    fn fold(&mut self, event: &stele_domain::event::Recorded, day: &str) {
        let mut rows = vec![];
        (self.fact.rows)(event, &mut rows);
        if rows.is_empty() {
            return;
        }
        if !self.log.contains_key(day) {
            self.log.insert(day.to_owned(), RowsDigest::default());
        }
        if let Some(digest) = self.log.get_mut(day) {
            for row in &rows {
                digest.add(self.fact.table, row);
            }
        }
    }

    fn verdict(mut self, head: Position) -> Verified {
        let mut whole = RowsDigest::default();
        self.lake.values().for_each(|digest| whole.merge(digest));
        if self.position > head {
            self.differences.push(Difference::Ahead { head });
        }
        if whole != self.said {
            self.differences.push(Difference::Said { rows: self.said.rows() });
        }
        let days: BTreeSet<&String> = self.lake.keys().chain(self.log.keys()).collect();
        let nothing = RowsDigest::default();
        for day in days {
            let (lake, log) = (self.lake.get(day).unwrap_or(&nothing), self.log.get(day).unwrap_or(&nothing));
            if lake != log {
                let (lake, log) = (lake.rows(), log.rows());
                self.differences.push(Difference::Day { day: day.clone(), lake, log });
            }
        }
        Verified {
            table: self.fact.table.name,
            position: self.position,
            files: self.files,
            rows: whole.rows(),
            digest: whole.short(),
            differences: self.differences,
        }
    }
}
