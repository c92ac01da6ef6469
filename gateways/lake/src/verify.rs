//! Holds the tables against the log: reads every file that counts, folds the log from its beginning, and compares what both
//! come to, day by day. Memory: one file, and a digest for every day of every table.
//!
//! Every table is held against the log up to where the furthest one is: each says by itself how far it is, and one that was
//! removed, or has lost its newest commits, says nothing wrong.

use crate::digest::RowsDigest;
use crate::error::LakeError;
use crate::facts::{Fact, common};
use crate::files::Day;
use crate::table::LakeTable;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::event::Recorded;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};

/// Records that are read in one go.
const PAGE: usize = 4_096;

/// Waits before a table that seems to be behind is looked at again, where a publisher may be on its way: one commits to all
/// tables within moments.
pub const PATIENCE: &[Duration] = &[Duration::from_secs(2); 3];

/// What was found of all tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// How far the furthest table is.
    pub position: Position,
    /// Where the log ended when it was begun with.
    pub head: Position,
    /// Each table.
    pub tables: Vec<Verified>,
}

impl Findings {
    /// Whether every table is what the log says.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.tables.iter().all(|table| table.differences.is_empty())
    }

    /// Whether nothing was ever published here: no table is there, or none has gone beyond its creation though the log has
    /// records.
    #[must_use]
    pub fn is_unpublished(&self) -> bool {
        let created = self.tables.iter().any(|table| table.version.is_some());
        self.is_ok() && self.position == Position::START && (!created || self.head > Position::START)
    }
}

/// What was found of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which.
    pub table: &'static str,
    /// Its version; none where there is no table, or it can't be opened.
    pub version: Option<u64>,
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
    /// The table ends before the furthest one, and the log has rows of it in between: it was removed, or lost its newest
    /// commits, or a publisher ended between the commits of two tables. Publishing adds them.
    Behind {
        /// How far the furthest table is.
        to: Position,
        /// Rows in between, by the log.
        rows: u64,
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
    progress: impl FnMut(Position, Position),
) -> Result<Findings, LakeError> {
    verify_patiently(store, clock, facts, log, &[], progress).await
}

/// The same. A table that is there and seems to be behind is looked at again after each of `waits`, and is behind when it
/// still is after all of them.
///
/// # Errors
///
/// As of [`verify`].
pub async fn verify_patiently(
    store: &Arc<dyn ChangingBlobs>,
    clock: &Arc<dyn Clock>,
    facts: &'static [Fact],
    log: &dyn EventLog,
    waits: &[Duration],
    mut progress: impl FnMut(Position, Position),
) -> Result<Findings, LakeError> {
    let mut looked = vec![];
    for fact in facts {
        looked.push(Looked::at(store, clock, fact).await?);
    }
    let head = log.head().await?;
    let furthest = looked.iter().map(|one| one.position).max().unwrap_or_default();
    // One that is further than the log says nothing of how far the others should be.
    let reached = looked.iter().map(|one| one.position).filter(|at| *at <= head).max().unwrap_or_default();
    let last = furthest.min(head);
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
            for one in &mut looked {
                one.fold(&event, &day, reached);
            }
        }
        next = page.next;
        progress(Position(next.0.saturating_sub(1)).min(last), last);
    }
    for one in &mut looked {
        one.look_again(store, clock).await?;
    }
    for wait in waits {
        if !looked.iter().any(Looked::is_awaited) {
            break;
        }
        tokio::time::sleep(*wait).await;
        for one in looked.iter_mut().filter(|one| one.is_awaited()) {
            one.look_again(store, clock).await?;
        }
    }
    let tables = looked.into_iter().map(|one| one.verdict(head, reached)).collect();
    Ok(Findings { position: furthest, head, tables })
}

/// A table, and what the log says of it.
struct Looked {
    fact: &'static Fact,
    version: Option<u64>,
    position: Position,
    event_id: Option<String>,
    /// Rows that the log has of it behind its position, and where the last of them is.
    behind: u64,
    behind_to: Position,
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
            version: None,
            position: Position::START,
            event_id: None,
            behind: 0,
            behind_to: Position::START,
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
        looked.version = Some(table.version());
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

    /// Takes in what the log has: of the table as far as it is, and of what it lacks, up to `reached`.
    fn fold(&mut self, event: &Recorded, day: &str, reached: Position) {
        if event.position > self.position.max(reached) {
            return;
        }
        let mut rows = vec![];
        (self.fact.rows)(event, &mut rows);
        if rows.is_empty() {
            return;
        }
        if event.position > self.position {
            self.behind = self.behind.saturating_add(rows.len() as u64);
            self.behind_to = event.position;
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

    /// Whether the table is there, and nothing is wrong with it but that it seems to be behind.
    fn is_awaited(&self) -> bool {
        self.version.is_some() && self.behind > 0 && self.differences.is_empty()
    }

    /// A table that seems to be behind may have been on its way: those of one publish are committed beside each other, and
    /// were opened one after the other.
    async fn look_again(
        &mut self,
        store: &Arc<dyn ChangingBlobs>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), LakeError> {
        if self.behind == 0 || !self.differences.is_empty() {
            return Ok(());
        }
        match LakeTable::open(Arc::clone(store), Arc::clone(clock), self.fact.table).await {
            Ok(Some(table)) if table.position() >= self.behind_to => self.behind = 0,
            Ok(_) | Err(LakeError::Damaged { .. } | LakeError::Protocol { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn verdict(mut self, head: Position, reached: Position) -> Verified {
        let mut whole = RowsDigest::default();
        self.lake.values().for_each(|digest| whole.merge(digest));
        if self.position > head {
            self.differences.push(Difference::Ahead { head });
        }
        // What can't be opened was said to be so.
        if self.behind > 0 && (self.version.is_some() || self.differences.is_empty()) {
            self.differences.push(Difference::Behind { to: reached, rows: self.behind });
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
            version: self.version,
            position: self.position,
            files: self.files,
            rows: whole.rows(),
            digest: whole.short(),
            differences: self.differences,
        }
    }
}
