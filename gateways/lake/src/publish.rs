//! Follows the log and publishes its facts. The lake says by itself how far it is: whoever begins reads that there and goes on
//! behind it, so a publisher that ends in the middle of anything is simply begun again.
//!
//! Rows wait in memory until there are enough of them, or a while has passed; what waits is bounded in rows, bytes and dates.
//! Of the log this is a reader like any other: it holds nobody up.

use crate::doctor;
use crate::error::LakeError;
use crate::facts::{Fact, common};
use crate::figures::Figures;
use crate::files::{DataFile, Day};
use crate::observe;
use crate::table::{Appended, Batch, LakeTable, SMALL_FILES_MIN};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::ids::EventId;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position, Record};
use stele_domain::port::read_store::{Cell, Row};

/// Most rows that wait.
pub const ROWS_MAX: usize = 262_144;
/// Most bytes of rows that wait, about: 64 MiB.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most dates of rows that wait: each is a file of its own in every table.
pub const DAYS_MAX: usize = 32;
/// How far behind a table may say that it is while the log has nothing for it, in positions.
pub const IDLE_MAX: u64 = 100_000;
/// Records that are read in one go.
const PAGE: usize = 4_096;
/// What a cell takes in memory besides its text, in bytes.
const CELL_BYTES: usize = 24;

/// Shortest and longest wait after a failure, in milliseconds.
const WAIT_MS_MIN: u64 = 1_000;
const WAIT_MS_MAX: u64 = 60_000;

/// How publishing goes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long rows wait at most for others to share a file with.
    pub every: Duration,
    /// How many small files of a day are compacted; zero: none.
    pub compact_files: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { every: Duration::from_mins(1), compact_files: SMALL_FILES_MIN }
    }
}

/// Publishes facts to their tables.
pub struct Publisher {
    tables: Vec<Publishing>,
    options: Options,
    clock: Arc<dyn Clock>,
    /// The last record that was folded.
    at: Option<(Position, EventId)>,
    /// Everything up to here is in the tables.
    published: Position,
    rows: usize,
    bytes: usize,
    days: BTreeSet<Day>,
    figures: Arc<Figures>,
}

/// One table, and the rows that wait for it.
struct Publishing {
    fact: &'static Fact,
    table: LakeTable,
    waiting: BTreeMap<Day, Vec<Row>>,
}

/// What was published by one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Everything up to here is in the tables.
    pub position: Position,
    /// Rows that were added.
    pub rows: u64,
}

impl Publisher {
    /// Opens the tables, which are made where there are none. A store in which two writers could commit over each other is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`LakeError::NotAtomic`], and as [`LakeTable::open_or_create`].
    pub async fn open(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        facts: &'static [Fact],
        options: Options,
        figures: Arc<Figures>,
    ) -> Result<Self, LakeError> {
        doctor::quick_race(&store, clock.as_ref()).await?;
        let tables = facts.iter().map(|fact| {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
            async move {
                let table = LakeTable::open_or_create(store, clock, fact.table, fact.version).await?;
                Ok::<_, LakeError>(Publishing { fact, table, waiting: BTreeMap::new() })
            }
        });
        let tables = try_join_all(tables).await?;
        let published = tables.iter().map(|one| one.table.position()).min().unwrap_or_default();
        figures.published(published);
        let (rows, bytes, days) = (0, 0, BTreeSet::new());
        Ok(Self { tables, options, clock, at: None, published, rows, bytes, days, figures })
    }

    /// Everything up to here is in the tables.
    #[must_use]
    pub fn position(&self) -> Position {
        self.published
    }

    /// The tables.
    pub fn tables(&self) -> impl Iterator<Item = &LakeTable> {
        self.tables.iter().map(|one| &one.table)
    }

    /// Publishes what the log has, up to its head of now, and returns. Says after every page how far it is.
    ///
    /// # Errors
    ///
    /// [`LakeError`]; what was committed by then stays, and the next call goes on behind it.
    pub async fn catch_up(
        &mut self,
        log: &dyn EventLog,
        mut progress: impl FnMut(Position, Position),
    ) -> Result<Published, LakeError> {
        self.same_log(log).await?;
        let head = log.head().await?;
        let mut rows = 0_u64;
        let mut next = self.published.next();
        while next <= head {
            let page = log.read_all(next, &Filter::all(), PAGE).await?;
            for record in page.records.iter().filter(|record| record.position <= head) {
                if self.fold(record)? {
                    rows = rows.saturating_add(self.flush(false).await?);
                }
            }
            next = page.next;
            progress(Position(next.0.saturating_sub(1)).min(head), head);
        }
        rows = rows.saturating_add(self.flush(true).await?);
        self.maintain().await?;
        Ok(Published { position: self.published, rows })
    }

    /// Publishes what the log has and what comes, for ever.
    ///
    /// # Errors
    ///
    /// [`LakeError`]; begin again with [`Publisher::open`].
    pub async fn follow(&mut self, log: &dyn EventLog) -> Result<(), LakeError> {
        self.same_log(log).await?;
        let mut follow = log.follow(self.published.next(), Filter::all());
        let mut ticks = tokio::time::interval(self.options.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let page = tokio::select! {
                biased;
                _ = ticks.tick() => None,
                page = follow.next(PAGE) => Some(page?),
            };
            let Some(page) = page else {
                self.flush(false).await?;
                self.maintain().await?;
                continue;
            };
            for record in &page.records {
                if self.fold(record)? {
                    self.flush(false).await?;
                    self.maintain().await?;
                }
            }
            if self.rows == 0 {
                // Nothing waits: the log had nothing for the lake.
                self.published = self.at.map_or(self.published, |(at, _)| at);
                self.figures.published(self.published);
            }
        }
    }

    /// Takes in a record; whether so much waits now that it must be flushed.
    fn fold(&mut self, record: &Record) -> Result<bool, LakeError> {
        match codec::recorded(record) {
            Ok(event) => {
                let day = Day::of(common::moment(&event));
                for one in &mut self.tables {
                    if record.position <= one.table.position() {
                        continue;
                    }
                    let mut rows = vec![];
                    (one.fact.rows)(&event, &mut rows);
                    if rows.is_empty() {
                        continue;
                    }
                    self.rows = self.rows.saturating_add(rows.len());
                    self.bytes = self.bytes.saturating_add(rows.iter().map(size).sum());
                    self.days.insert(day);
                    one.waiting.entry(day).or_default().append(&mut rows);
                }
            }
            Err(error) if error.is_foreign() => {}
            Err(source) => return Err(LakeError::Undecodable { position: record.position, source }),
        }
        self.at = Some((record.position, record.event_id));
        if self.rows > 0 {
            self.figures.waits_since(record.recorded_at);
        }
        Ok(self.rows >= ROWS_MAX || self.bytes >= BYTES_MAX || self.days.len() >= DAYS_MAX)
    }

    /// Commits what waits, all tables at the same time; with `all`, tables without rows say how far they are, too.
    async fn flush(&mut self, all: bool) -> Result<u64, LakeError> {
        let Some((at, event_id)) = self.at else { return Ok(0) };
        let begun = self.clock.steady_ms();
        let work = self.tables.iter_mut().map(|one| one.flush(at, event_id, all));
        let rows = try_join_all(work).await?.into_iter().sum();
        self.published = at;
        self.figures.published(at);
        (self.rows, self.bytes) = (0, 0);
        self.days.clear();
        if rows > 0 {
            observe::flushed(at, rows, self.clock.steady_ms().saturating_sub(begun));
        }
        Ok(rows)
    }

    /// Checkpoints and compactions that are due. One compaction a table at a time.
    async fn maintain(&mut self) -> Result<(), LakeError> {
        for one in &mut self.tables {
            one.table.checkpoint_if_due().await?;
            if self.options.compact_files > 0
                && let Some(done) = one.table.compact(self.options.compact_files).await?
            {
                observe::compacted(one.table.name(), &done);
                one.table.checkpoint_if_due().await?;
            }
        }
        Ok(())
    }

    /// Refuses a log that does not have, where a table ends, the record that the table names there.
    async fn same_log(&self, log: &dyn EventLog) -> Result<(), LakeError> {
        for one in &self.tables {
            let (position, Some(kept)) = (one.table.position(), one.table.event_id()) else { continue };
            let page = log.read_all(position, &Filter::all(), 1).await?;
            let found = page.records.first().filter(|record| record.position == position);
            let found = found.map_or("nothing".to_owned(), |record| record.event_id.to_string());
            if found != kept {
                let (table, kept) = (one.table.name().to_owned(), kept.to_owned());
                return Err(LakeError::OtherLog { table, position, kept, found });
            }
        }
        Ok(())
    }
}

impl Publishing {
    async fn flush(&mut self, at: Position, event_id: EventId, all: bool) -> Result<u64, LakeError> {
        let after = self.table.position();
        let behind = at.0.saturating_sub(after.0);
        if behind == 0 || (self.waiting.is_empty() && !all && behind < IDLE_MAX) {
            return Ok(0);
        }
        let (table, waiting) = (self.fact.table, std::mem::take(&mut self.waiting));
        let made = tokio::task::spawn_blocking(move || {
            let files = waiting.iter().map(|(day, rows)| DataFile::of(table, *day, rows));
            files.collect::<Result<Vec<_>, _>>()
        });
        let files = made.await.map_err(|error| LakeError::Task(Box::new(error)))??;
        let rows = files.iter().map(|file| file.digest.rows()).sum();
        let batch = Batch { after, last: at, event_id: Some(event_id.to_string()), files };
        match self.table.append(&batch).await? {
            Appended::Committed | Appended::Already => {}
        }
        self.table.checkpoint_if_due().await?;
        observe::committed(self.table.name(), rows);
        Ok(rows)
    }
}

/// What a row takes in memory, about, in bytes.
fn size(row: &Row) -> usize {
    let texts = row.0.iter().map(|cell| match cell {
        Cell::Text(text) => text.as_bytes().len(),
        Cell::Json(text) => text.len(),
        Cell::Null | Cell::Int(_) | Cell::Bool(_) | Cell::Time(_) | Cell::Units(_) | Cell::Decimal(_) => 0,
    });
    texts.sum::<usize>().saturating_add(row.0.len().saturating_mul(CELL_BYTES))
}

/// Publishes for as long as it is let: after a failure it begins again, where the tables say that they are. Whoever drops it
/// ends it, at any moment.
pub async fn run(
    store: Arc<dyn ChangingBlobs>,
    clock: Arc<dyn Clock>,
    facts: &'static [Fact],
    log: Arc<dyn EventLog>,
    options: Options,
    figures: Arc<Figures>,
) {
    let mut wait_ms = WAIT_MS_MIN;
    loop {
        let before = figures.position();
        let publisher =
            Publisher::open(Arc::clone(&store), Arc::clone(&clock), facts, options, Arc::clone(&figures));
        let ended = async { publisher.await?.follow(&*log).await }.await;
        if let Err(error) = ended {
            // Whoever came further begins with the shortest wait again.
            wait_ms = if figures.position() > before { WAIT_MS_MIN } else { wait_ms };
            observe::failed(&error, wait_ms);
            let next = log.read_all(figures.position().next(), &Filter::all(), 1).await;
            if let Some(record) = next.ok().and_then(|page| page.records.into_iter().next()) {
                figures.waits_since(record.recorded_at);
            }
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms = wait_ms.saturating_mul(2).min(WAIT_MS_MAX);
        }
    }
}
