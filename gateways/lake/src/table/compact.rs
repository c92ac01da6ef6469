//! Small files of one day become few large ones. Rows, positions and digest stay what they were.

use super::{COMMITS_MAX, LakeTable};
use crate::delta::action::{Line, Remove};
use crate::delta::schema::PARTITION;
use crate::error::LakeError;
use crate::files::{DataFile, Day, Stats};
use crate::parquet_file::FileWriter;
use std::collections::BTreeMap;
use stele_domain::time::Timestamp;

/// A file with fewer bytes is small: 32 MiB.
const SMALL_BYTES: i64 = 32 * 1024 * 1024;

/// A file that is being written ends when it has so many bytes: 64 MiB. It is in memory until then.
const TARGET_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of small files that one compaction reads; the rest is for the next one: 256 MiB.
const INPUT_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// How many small files a day must have for them to be compacted.
pub const SMALL_FILES_MIN: usize = 16;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that count no longer.
    pub removed: usize,
    /// Files that count in their place.
    pub added: usize,
    /// Rows that were moved.
    pub rows: u64,
}

impl LakeTable {
    /// Compacts the day with the most small files; nothing, where none has at least `files_min` of them.
    ///
    /// # Errors
    ///
    /// [`LakeError::Damaged`] where a file can't be read; [`LakeError::Store`]. The table is what it was.
    pub async fn compact(&mut self, files_min: usize) -> Result<Option<Compacted>, LakeError> {
        let Some((day, paths)) = self.worth_it(files_min.max(2)) else { return Ok(None) };
        let files = self.rewritten(&day, &paths).await?;
        for file in &files {
            self.put_file(file).await?;
        }
        let done = Compacted {
            removed: paths.len(),
            added: files.len(),
            rows: files.iter().map(|file| file.digest.rows()).sum(),
        };
        for _ in 0..COMMITS_MAX {
            // Somebody else compacted them.
            if !paths.iter().all(|path| self.snapshot.files.contains_key(path)) {
                return Ok(None);
            }
            let lines = self.replacement(&paths, &files);
            if self.put_commit(self.snapshot.version.saturating_add(1), lines).await? {
                return Ok(Some(done));
            }
            self.load().await?;
        }
        Err(LakeError::Contended { table: self.name().to_owned(), attempts: COMMITS_MAX })
    }

    /// The day with the most small files, and those files in the order of their positions.
    fn worth_it(&self, files_min: usize) -> Option<(String, Vec<String>)> {
        let mut days: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for add in self.snapshot.files.values().filter(|add| add.size < SMALL_BYTES) {
            let day = add.partition_values.get(PARTITION).and_then(Option::as_deref);
            days.entry(day.unwrap_or_default()).or_default().push(&add.path);
        }
        let (day, mut paths) = days.into_iter().max_by_key(|(_, paths)| paths.len())?;
        if paths.len() < files_min {
            return None;
        }
        // Names begin with another word for files that were compacted before: the numbers behind it are what counts.
        paths.sort_by_key(|path| {
            path.rsplit('/').next().and_then(|name| name.split_once('-')).map(|(_, at)| at)
        });
        let mut bytes = 0_i64;
        let within = paths.iter().enumerate().take_while(|(at, path)| {
            bytes = bytes.saturating_add(self.snapshot.files.get(**path).map_or(0, |add| add.size));
            *at < 2 || bytes <= INPUT_BYTES_MAX
        });
        let paths = within.map(|(_, path)| (*path).to_owned()).collect();
        Some((day.to_owned(), paths))
    }

    async fn rewritten(&self, day: &str, paths: &[String]) -> Result<Vec<DataFile>, LakeError> {
        let midnight = Timestamp::parse(&format!("{day}T00:00:00Z"));
        let midnight = midnight.map_err(|error| LakeError::damaged(self.name(), day, error.to_string()))?;
        let day = Day::of(midnight);
        let begin = || Ok::<_, LakeError>((FileWriter::new(self.definition)?, Stats::of(self.definition)));
        let (mut files, mut open) = (vec![], begin()?);
        for path in paths {
            self.read(path, |rows| {
                for row in &rows {
                    open.1.add(row);
                }
                open.0.add(&rows)
            })
            .await?;
            if open.0.bytes() >= TARGET_BYTES {
                let (writer, stats) = std::mem::replace(&mut open, begin()?);
                files.push(DataFile::written(day, "compact", writer.finish()?, &stats));
            }
            // A file takes its time: others get their turn.
            tokio::task::yield_now().await;
        }
        let (writer, stats) = open;
        if writer.rows() > 0 {
            files.push(DataFile::written(day, "compact", writer.finish()?, &stats));
        }
        Ok(files)
    }

    fn replacement(&self, paths: &[String], files: &[DataFile]) -> Vec<Line> {
        let now = self.clock.now().millis();
        let mut lines = vec![self.info("OPTIMIZE", false, self.snapshot.published.clone())];
        for add in paths.iter().filter_map(|path| self.snapshot.files.get(path)) {
            let remove = Remove {
                path: add.path.clone(),
                deletion_timestamp: Some(now),
                data_change: false,
                extended_file_metadata: true,
                partition_values: add.partition_values.clone(),
                size: add.size,
            };
            lines.push(Line { remove: Some(remove), ..Line::default() });
        }
        let adds = files.iter().map(|file| file.add(now, false));
        lines.extend(adds.map(|add| Line { add: Some(add), ..Line::default() }));
        lines
    }
}
