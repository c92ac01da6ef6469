//! One Delta table: read, appended to by compare-and-set, checkpointed, compacted, swept. Nothing outside of this folder
//! knows how commits are made; another table format would replace it.
//!
//! A commit is a blob that is created under the number of the next version: of several writers one creates it, and the others
//! look again. Files and the writer's position stand in the same commit, so a batch is in the table once or not at all.

mod compact;
mod load;
mod sweep;

pub use compact::{Compacted, SMALL_FILES_MIN};
pub use sweep::{SWEEP_AGE_MIN, Swept};

use crate::delta::action::{Add, CommitInfo, Format, Line, MetaData, Protocol, Published, Txn, Values};
use crate::delta::schema::{self, PARTITION, Stored};
use crate::delta::snapshot::Snapshot;
use crate::delta::{LAST_CHECKPOINT, LOG, checkpoint, checkpoint_name, commit_name};
use crate::digest::RowsDigest;
use crate::error::LakeError;
use crate::files::{DataFile, TAG_HASH};
use crate::parquet_file;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::ids::derived;
use stele_domain::port::blob_store::{BlobName, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Row, Table};

/// How often a commit is tried again because others committed first.
const COMMITS_MAX: u32 = 32;

/// How many commits a checkpoint saves reading.
pub const CHECKPOINT_EVERY: u64 = 100;

/// How long a checkpoint remembers files that count no longer: seven days, in milliseconds.
const REMOVED_MS: i64 = 7 * 24 * 3_600_000;

/// What commits say of who made them.
const ENGINE: &str = concat!("stele/", env!("CARGO_PKG_VERSION"));

/// What the configuration of a table calls the version of its columns.
const SCHEMA_VERSION: &str = "stele.schemaVersion";

/// A table of the lake, as of the newest version that was looked at.
pub struct LakeTable {
    store: Arc<dyn ChangingBlobs>,
    clock: Arc<dyn Clock>,
    definition: &'static Table,
    /// Where in the store it is.
    folder: String,
    snapshot: Snapshot,
}

/// What is appended at once: everything that the log has for this table after `after`, up to and with `last`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where the table must be.
    pub after: Position,
    /// Where it is then.
    pub last: Position,
    /// Names the record at `last`.
    pub event_id: Option<String>,
    /// The rows; none where the log had nothing for this table.
    pub files: Vec<DataFile>,
}

/// What became of an append.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the table now.
    Committed,
    /// It was there before: an answer was lost, or another writer was faster with the same.
    Already,
}

impl LakeTable {
    /// Opens a table, which is made where there is none. Columns that this build has added are added there.
    ///
    /// # Errors
    ///
    /// [`LakeError::OtherColumns`], [`LakeError::Protocol`], [`LakeError::Damaged`], [`LakeError::Store`].
    pub async fn open_or_create(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        definition: &'static Table,
        version: u32,
    ) -> Result<Self, LakeError> {
        Self::open_or_create_in(store, clock, definition, version, definition.name).await
    }

    /// The same in a folder of another name.
    ///
    /// # Errors
    ///
    /// As [`LakeTable::open_or_create`].
    pub async fn open_or_create_in(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        definition: &'static Table,
        version: u32,
        folder: &str,
    ) -> Result<Self, LakeError> {
        for _ in 0..COMMITS_MAX {
            let opened = Self::open_in(Arc::clone(&store), Arc::clone(&clock), definition, folder).await?;
            let Some(mut table) = opened else {
                let mut table = Self::nothing(Arc::clone(&store), Arc::clone(&clock), definition, folder);
                if table.put_commit(0, table.creation(version)).await? {
                    return Ok(table);
                }
                continue;
            };
            match table.columns() {
                Stored::Same => return Ok(table),
                Stored::Fewer => table.add_columns(version).await?,
                Stored::Other(what) => {
                    return Err(LakeError::OtherColumns { table: definition.name.to_owned(), what });
                }
            }
        }
        Err(LakeError::Contended { table: definition.name.to_owned(), attempts: COMMITS_MAX })
    }

    /// Opens a table; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`LakeError::Protocol`], [`LakeError::Damaged`], [`LakeError::Store`].
    pub async fn open(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        definition: &'static Table,
    ) -> Result<Option<Self>, LakeError> {
        Self::open_in(store, clock, definition, definition.name).await
    }

    /// The same in a folder of another name.
    ///
    /// # Errors
    ///
    /// As [`LakeTable::open`].
    pub async fn open_in(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        definition: &'static Table,
        folder: &str,
    ) -> Result<Option<Self>, LakeError> {
        let mut table = Self::nothing(store, clock, definition, folder);
        Ok(table.load().await?.then_some(table))
    }

    fn nothing(
        store: Arc<dyn ChangingBlobs>,
        clock: Arc<dyn Clock>,
        definition: &'static Table,
        folder: &str,
    ) -> Self {
        Self { store, clock, definition, folder: folder.to_owned(), snapshot: Snapshot::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// Its columns.
    #[must_use]
    pub fn definition(&self) -> &'static Table {
        self.definition
    }

    /// Its version: how many commits there are, less one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.snapshot.version
    }

    /// How far it is: everything up to there is in it.
    #[must_use]
    pub fn position(&self) -> Position {
        let txn = self.snapshot.txns.get(self.name()).copied().unwrap_or_default();
        Position(u64::try_from(txn).unwrap_or_default())
    }

    /// The record at [`LakeTable::position`], where it was named.
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        self.snapshot.published.event_id.as_deref()
    }

    /// How many files count.
    #[must_use]
    pub fn files(&self) -> usize {
        self.snapshot.files.len()
    }

    /// How many bytes they have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.snapshot.files.values().map(|add| u64::try_from(add.size).unwrap_or_default()).sum()
    }

    /// What its rows come to, by the word of its newest commit.
    ///
    /// # Errors
    ///
    /// [`LakeError::Damaged`] where no digest can be read.
    pub fn digest(&self) -> Result<RowsDigest, LakeError> {
        let published = &self.snapshot.published;
        if published.digest.is_empty() {
            return Ok(RowsDigest::default());
        }
        RowsDigest::parse(published.rows, &published.digest).ok_or_else(|| {
            LakeError::damaged(self.name(), LOG, "the digest of the newest commit can't be read")
        })
    }

    /// The paths of the files that count, with their date.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.snapshot.files.values().map(|add| {
            let day = add.partition_values.get(PARTITION).and_then(Option::as_deref);
            (add.path.as_str(), day.unwrap_or_default())
        })
    }

    /// The files that count, as their commits have them.
    pub(crate) fn adds(&self) -> impl Iterator<Item = &Add> {
        self.snapshot.files.values()
    }

    /// Hands on the rows of one of its files, some at a time. Bytes that are not those that were committed are refused.
    ///
    /// # Errors
    ///
    /// [`LakeError::Damaged`], [`LakeError::Store`], and what `take` returns.
    pub async fn read(
        &self,
        path: &str,
        take: impl FnMut(Vec<Row>) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let bytes = self.store.get(&self.blob(path)?).await?;
        let add = self.snapshot.files.get(path);
        let hash = add.and_then(|add| add.tags.as_ref()?.get(TAG_HASH)?.clone());
        if hash.is_some_and(|hash| *blake3::hash(&bytes).to_hex() != hash) {
            return Err(LakeError::damaged(self.name(), path, "its bytes are not those that were committed"));
        }
        parquet_file::read(self.definition, bytes, take)
    }

    /// Adds a batch, once. Files are put first and count with the commit; what is put and not committed is not seen by
    /// anybody who reads the table.
    ///
    /// # Errors
    ///
    /// [`LakeError::Superseded`] where somebody else has added other rows: nothing of this batch is in the table.
    /// [`LakeError::Contended`]; [`LakeError::Store`], after which nobody knows, and the same call tells.
    pub async fn append(&mut self, batch: &Batch) -> Result<Appended, LakeError> {
        let mut digest = self.digest()?;
        for file in &batch.files {
            self.put_file(file).await?;
            digest.merge(&file.digest);
        }
        for _ in 0..COMMITS_MAX {
            let at = self.position();
            if at >= batch.last {
                return Ok(Appended::Already);
            }
            if at != batch.after {
                return Err(LakeError::Superseded { table: self.name().to_owned(), at });
            }
            let published = Published {
                position: batch.last.0,
                event_id: batch.event_id.clone(),
                rows: digest.rows(),
                digest: digest.to_text(),
            };
            let now = self.clock.now().millis();
            let txn = Txn {
                app_id: self.name().to_owned(),
                version: i64::try_from(batch.last.0).unwrap_or(i64::MAX),
                last_updated: Some(now),
            };
            let mut lines = vec![
                self.info("WRITE", !batch.files.is_empty(), published),
                Line { txn: Some(txn), ..Line::default() },
            ];
            let adds = batch.files.iter().map(|file| file.add(now, true));
            lines.extend(adds.map(|add| Line { add: Some(add), ..Line::default() }));
            if self.put_commit(self.snapshot.version.saturating_add(1), lines).await? {
                return Ok(Appended::Committed);
            }
            self.load().await?;
        }
        Err(LakeError::Contended { table: self.name().to_owned(), attempts: COMMITS_MAX })
    }

    /// Puts a file. One of that name has these bytes, which the name follows from, unless the store was tampered with.
    async fn put_file(&self, file: &DataFile) -> Result<(), LakeError> {
        let name = self.blob(&file.path)?;
        match self.store.put(&name, file.bytes.clone()).await? {
            Put::Kept => Ok(()),
            Put::There if self.store.head(&name).await? == file.bytes.len() as u64 => Ok(()),
            Put::There => {
                Err(LakeError::damaged(self.name(), &file.path, "another file of that name is there"))
            }
        }
    }

    /// Creates the commit of a version and takes it in; `false` where there is one already.
    async fn put_commit(&mut self, version: u64, lines: Vec<Line>) -> Result<bool, LakeError> {
        let mut text = String::new();
        for line in &lines {
            let line = serde_json::to_string(line).map_err(|error| LakeError::Task(Box::new(error)))?;
            text.push_str(&line);
            text.push('\n');
        }
        let name = self.blob(&format!("{LOG}/{}", commit_name(version)))?;
        match self.store.put(&name, text.into_bytes()).await? {
            Put::There => Ok(false),
            Put::Kept => {
                self.snapshot.take(self.definition.name, lines)?;
                self.snapshot.version = version;
                Ok(true)
            }
        }
    }

    /// Writes a checkpoint of this version where enough commits have come since the last, and says where it is.
    ///
    /// # Errors
    ///
    /// [`LakeError::Store`]; the table is what it was, and the next commit tries again.
    pub async fn checkpoint_if_due(&mut self) -> Result<bool, LakeError> {
        let version = self.snapshot.version;
        if version == 0 || !version.is_multiple_of(CHECKPOINT_EVERY) {
            return Ok(false);
        }
        self.checkpoint().await?;
        Ok(true)
    }

    /// Writes a checkpoint of this version.
    ///
    /// # Errors
    ///
    /// As [`LakeTable::checkpoint_if_due`].
    pub async fn checkpoint(&mut self) -> Result<(), LakeError> {
        let version = self.snapshot.version;
        self.snapshot.forget_removed(self.clock.now().millis().saturating_sub(REMOVED_MS));
        let (bytes, actions) = checkpoint::write(&self.snapshot)?;
        // A checkpoint of this version by somebody else says the same.
        let _ = self.store.put(&self.blob(&format!("{LOG}/{}", checkpoint_name(version)))?, bytes).await?;
        let hint = format!("{{\"version\":{version},\"size\":{actions}}}");
        self.store.replace(&self.blob(&format!("{LOG}/{LAST_CHECKPOINT}"))?, hint.into_bytes()).await?;
        Ok(())
    }

    /// How its columns are not those of this build; nothing where they are, or where this build adds some.
    #[must_use]
    pub fn misfit(&self) -> Option<String> {
        match self.columns() {
            Stored::Same | Stored::Fewer => None,
            Stored::Other(what) => Some(what),
        }
    }

    fn columns(&self) -> Stored {
        let metadata = self.snapshot.metadata.as_ref();
        metadata.map_or(Stored::Other("it has no schema".to_owned()), |metadata| {
            schema::compared(&metadata.schema_string, self.definition)
        })
    }

    /// Adds the columns of this build. Old files have nothing in them.
    async fn add_columns(&mut self, version: u32) -> Result<(), LakeError> {
        let Some(old) = self.snapshot.metadata.clone() else { return Ok(()) };
        let mut configuration = old.configuration.clone();
        configuration.insert(SCHEMA_VERSION.to_owned(), Some(version.to_string()));
        let schema_string = schema::text(self.definition);
        let metadata = MetaData { schema_string, configuration, ..old };
        let lines = vec![
            self.info("ADD COLUMNS", false, self.snapshot.published.clone()),
            Line { meta_data: Some(metadata), ..Line::default() },
        ];
        // Where somebody else was first, the next look tells.
        self.put_commit(self.snapshot.version.saturating_add(1), lines).await?;
        Ok(())
    }

    fn creation(&self, version: u32) -> Vec<Line> {
        let now = self.clock.now().millis();
        let configuration = [("delta.appendOnly", "true".to_owned()), (SCHEMA_VERSION, version.to_string())];
        let metadata = MetaData {
            id: derived("lake-table", &[self.store.url(), &self.folder]).to_string(),
            name: Some(self.name().to_owned()),
            description: Some(self.definition.doc.to_owned()),
            format: Format { provider: "parquet".to_owned(), options: Values::new() },
            schema_string: schema::text(self.definition),
            partition_columns: vec![PARTITION.to_owned()],
            configuration: configuration.map(|(key, value)| (key.to_owned(), Some(value))).into(),
            created_time: Some(now),
        };
        let protocol = Protocol { min_reader_version: 1, min_writer_version: 2 };
        vec![
            self.info("CREATE TABLE", false, Published::default()),
            Line { protocol: Some(protocol), ..Line::default() },
            Line { meta_data: Some(metadata), ..Line::default() },
        ]
    }

    fn info(&self, operation: &str, is_blind_append: bool, published: Published) -> Line {
        let info = CommitInfo {
            timestamp: self.clock.now().millis(),
            operation: operation.to_owned(),
            operation_parameters: BTreeMap::new(),
            is_blind_append,
            engine_info: ENGINE.to_owned(),
            stele: Some(published),
        };
        Line { commit_info: Some(info), ..Line::default() }
    }

    /// The blob of something in the table.
    fn blob(&self, path: &str) -> Result<BlobName, LakeError> {
        BlobName::new(&format!("{}/{path}", self.folder))
            .map_err(|error| LakeError::damaged(self.name(), path, error.to_string()))
    }
}

impl std::fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at version {} and position {}", self.name(), self.version(), self.position())
    }
}
