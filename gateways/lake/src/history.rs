//! Histories of read models in the lake: what left the tables, row for row, as a Delta table of its own for each definition
//! (`history/quotes.v1`), and the manifests that name its files. It keeps and gives back; whether rows may leave is decided
//! elsewhere.
//!
//! These tables are appended to in the order of the log and never compacted: a manifest names their files for ever.

use crate::delta::action::Add;
use crate::doctor;
use crate::error::LakeError;
use crate::files::{DataFile, Day, TAG_HASH};
use crate::parquet_file;
use crate::table::{Appended, Batch, LakeTable};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobError, BlobName, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::port::tiering::{HistoryLake, LakeFile, Shelf, ShelfError};
use tokio::sync::{Mutex, OnceCell};

/// Under which histories are, in the lake.
pub const FOLDER: &str = "history";

/// The column whose UTC date is the partition.
const MOMENT: &str = "recorded_at";

/// Histories in the lake.
pub struct HistoryTables {
    store: Arc<dyn ChangingBlobs>,
    clock: Arc<dyn Clock>,
    /// Whether several writers can't commit over each other there.
    raced: OnceCell<()>,
    /// The table that is appended to, so that it is not read anew for each batch.
    open: Mutex<Option<(String, LakeTable)>>,
}

/// Where a history is, in the lake.
#[must_use]
pub fn folder(history: Shelf) -> String {
    format!("{FOLDER}/{}.v{}", history.table.name, history.version)
}

impl HistoryTables {
    /// Histories in this store.
    #[must_use]
    pub fn new(store: Arc<dyn ChangingBlobs>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, raced: OnceCell::new(), open: Mutex::new(None) }
    }

    async fn opened(&self, history: Shelf) -> Result<Option<LakeTable>, LakeError> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        LakeTable::open_in(store, clock, history.table, &folder(history)).await
    }

    async fn made(&self, history: Shelf) -> Result<LakeTable, LakeError> {
        self.raced.get_or_try_init(|| doctor::quick_race(&self.store, self.clock.as_ref())).await?;
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        LakeTable::open_or_create_in(store, clock, history.table, history.version, &folder(history)).await
    }

    async fn appended(
        &self,
        history: Shelf,
        after: Position,
        last: Position,
        rows: Vec<Row>,
    ) -> Result<(), LakeError> {
        let mut open = self.open.lock().await;
        let name = folder(history);
        let known = open.take().filter(|(known, table)| *known == name && table.position() == after);
        let mut table = match known {
            Some((_, table)) => table,
            None => self.made(history).await?,
        };
        let made = tokio::task::spawn_blocking(move || files_of(history, rows));
        let files = made.await.map_err(|error| LakeError::Task(Box::new(error)))??;
        let batch = Batch { after, last, event_id: None, files };
        match table.append(&batch).await? {
            Appended::Committed | Appended::Already => {}
        }
        table.checkpoint_if_due().await?;
        *open = Some((name, table));
        Ok(())
    }

    async fn counted(
        &self,
        history: Shelf,
        from: Position,
        to: Position,
    ) -> Result<Vec<LakeFile>, LakeError> {
        let Some(table) = self.opened(history).await? else { return Ok(vec![]) };
        let mut files = vec![];
        for add in table.adds() {
            let file = described(history, add)?;
            if file.last < from.0 || file.first >= to.0 {
                continue;
            }
            if file.first < from.0 || file.last >= to.0 {
                let what = format!("it has rows of other positions than {} to {}", from.0, to.0);
                return Err(LakeError::damaged(history.table.name, file.path, what));
            }
            files.push(file);
        }
        files.sort_by(|one, other| (one.first, &one.path).cmp(&(other.first, &other.path)));
        Ok(files)
    }

    async fn read(&self, history: Shelf, files: &[LakeFile]) -> Result<Vec<Row>, LakeError> {
        let mut all = vec![];
        for file in files {
            let bytes = self.bytes(history, file).await?;
            let read = tokio::task::spawn_blocking(move || {
                let mut rows = vec![];
                parquet_file::read(history.table, bytes, |some| {
                    rows.extend(some);
                    Ok(())
                })?;
                Ok::<_, LakeError>(rows)
            });
            all.extend(read.await.map_err(|error| LakeError::Task(Box::new(error)))??);
        }
        all.sort_by_cached_key(|row| history.table.key_of(row));
        Ok(all)
    }

    /// The bytes of a file, if they are those that were put there.
    async fn bytes(&self, history: Shelf, file: &LakeFile) -> Result<Vec<u8>, LakeError> {
        let name = blob(history.table.name, &file.path)?;
        let bytes = self.store.get(&name).await?;
        if *blake3::hash(&bytes).to_hex() != file.blake3 {
            let what = "its bytes are not those that were put there";
            return Err(LakeError::damaged(history.table.name, &file.path, what));
        }
        Ok(bytes)
    }

    async fn kept(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let name = blob("manifests", path)?;
        match self.store.put(&name, bytes.clone()).await? {
            Put::Kept => Ok(()),
            Put::There if self.store.get(&name).await? == bytes => Ok(()),
            Put::There => Err(LakeError::damaged("manifests", path, "another one of that name is there")),
        }
    }
}

fn blob(table: &str, path: &str) -> Result<BlobName, LakeError> {
    BlobName::new(path).map_err(|error| LakeError::damaged(table, path, error.to_string()))
}

/// A file for each date.
fn files_of(history: Shelf, rows: Vec<Row>) -> Result<Vec<DataFile>, LakeError> {
    let mut days: BTreeMap<Day, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let Some(Cell::Time(at)) = history.table.cell(&row, MOMENT) else {
            let (table, what) = (history.table.name.to_owned(), format!("it has no {MOMENT}"));
            return Err(LakeError::Misfit { table, what });
        };
        days.entry(Day::of(*at)).or_default().push(row);
    }
    days.iter().map(|(day, rows)| DataFile::of(history.table, *day, rows)).collect()
}

/// What a commit says of a file.
fn described(history: Shelf, add: &Add) -> Result<LakeFile, LakeError> {
    let path = format!("{}/{}", folder(history), add.path);
    let stats: Option<Value> = add.stats.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let number = |pointer: &str| stats.as_ref()?.pointer(pointer)?.as_u64();
    let hash = add.tags.as_ref().and_then(|tags| tags.get(TAG_HASH)?.clone());
    let all = (number("/minValues/position"), number("/maxValues/position"), number("/numRecords"), hash);
    let (Some(first), Some(last), Some(rows), Some(blake3)) = all else {
        let what = "its commit does not say which rows it has: somebody else has written it";
        return Err(LakeError::damaged(history.table.name, path, what));
    };
    Ok(LakeFile { path, first, last, rows, bytes: u64::try_from(add.size).unwrap_or_default(), blake3 })
}

/// As the port has it.
fn said(error: LakeError) -> ShelfError {
    let words = stele_domain::causes::with_causes(&error);
    match error {
        LakeError::Superseded { table, .. } | LakeError::Contended { table, .. } => {
            ShelfError::Superseded(table)
        }
        LakeError::Damaged { .. }
        | LakeError::OtherColumns { .. }
        | LakeError::OtherLog { .. }
        | LakeError::Protocol { .. }
        | LakeError::Parquet(_)
        | LakeError::Misfit { .. }
        | LakeError::Store(BlobError::Missing { .. } | BlobError::Short { .. }) => ShelfError::Damaged(words),
        LakeError::Store(ref cause) => {
            ShelfError::Failed { transient: cause.is_transient(), source: Box::new(error) }
        }
        LakeError::Log(_)
        | LakeError::NotAtomic { .. }
        | LakeError::Undecodable { .. }
        | LakeError::Limit { .. }
        | LakeError::Columns(_)
        | LakeError::Task(_) => ShelfError::Failed { transient: false, source: Box::new(error) },
    }
}

impl HistoryLake for HistoryTables {
    fn url(&self) -> &str {
        self.store.url()
    }

    fn position(&self, history: Shelf) -> PortFuture<'_, Result<Position, ShelfError>> {
        Box::pin(async move {
            let table = self.opened(history).await.map_err(said)?;
            Ok(table.map_or(Position::START, |table| table.position()))
        })
    }

    fn append(
        &self,
        history: Shelf,
        after: Position,
        last: Position,
        rows: Vec<Row>,
    ) -> PortFuture<'_, Result<(), ShelfError>> {
        Box::pin(async move { self.appended(history, after, last, rows).await.map_err(said) })
    }

    fn files(
        &self,
        history: Shelf,
        from: Position,
        to: Position,
    ) -> PortFuture<'_, Result<Vec<LakeFile>, ShelfError>> {
        Box::pin(async move { self.counted(history, from, to).await.map_err(said) })
    }

    fn rows<'a>(
        &'a self,
        history: Shelf,
        files: &'a [LakeFile],
    ) -> PortFuture<'a, Result<Vec<Row>, ShelfError>> {
        Box::pin(async move { self.read(history, files).await.map_err(said) })
    }

    fn keep_manifest<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> PortFuture<'a, Result<(), ShelfError>> {
        Box::pin(async move { self.kept(path, bytes).await.map_err(said) })
    }

    fn manifest<'a>(&'a self, path: &'a str) -> PortFuture<'a, Result<Vec<u8>, ShelfError>> {
        Box::pin(async move {
            let name = blob("manifests", path).map_err(said)?;
            self.store.get(&name).await.map_err(|error| said(error.into()))
        })
    }
}
