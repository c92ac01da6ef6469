//! What the commits of a table come to at one version.

use super::action::{Add, Line, MetaData, Protocol, Published, Remove};
use crate::error::LakeError;
use std::collections::BTreeMap;

/// Most files of a table that are kept in mind: about 1 kB each. Compaction keeps a table far below it.
pub const FILES_MAX: usize = 1_000_000;

/// A table at one version.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The version.
    pub version: u64,
    /// What readers and writers must know.
    pub protocol: Option<Protocol>,
    /// What the table is.
    pub metadata: Option<MetaData>,
    /// How far each writer is.
    pub txns: BTreeMap<String, i64>,
    /// The files that count, by path.
    pub files: BTreeMap<String, Add>,
    /// Files that count no longer and may still be there.
    pub removed: BTreeMap<String, Remove>,
    /// What the table comes to, by the newest commit of this program.
    pub published: Published,
}

impl Snapshot {
    /// Reads the lines of a commit.
    ///
    /// # Errors
    ///
    /// [`LakeError::Damaged`] where they are none.
    pub fn lines(table: &str, name: &str, bytes: &[u8]) -> Result<Vec<Line>, LakeError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| LakeError::damaged(table, name, format!("it is no text: {error}")))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| {
                let wrong = |error| LakeError::damaged(table, name, format!("a line can't be read: {error}"));
                serde_json::from_str(line).map_err(wrong)
            })
            .collect()
    }

    /// Takes in the lines of the next commit, or those of a checkpoint.
    ///
    /// # Errors
    ///
    /// [`LakeError::Limit`] above [`FILES_MAX`].
    pub fn take(&mut self, table: &str, lines: Vec<Line>) -> Result<(), LakeError> {
        for line in lines {
            if let Some(info) = line.commit_info
                && let Some(published) = info.stele
            {
                self.published = published;
            }
            self.protocol = line.protocol.or(self.protocol.take());
            self.metadata = line.meta_data.or(self.metadata.take());
            if let Some(txn) = line.txn {
                self.txns.insert(txn.app_id, txn.version);
            }
            if let Some(remove) = line.remove {
                self.files.remove(&remove.path);
                self.removed.insert(remove.path.clone(), remove);
            }
            if let Some(add) = line.add {
                self.removed.remove(&add.path);
                self.files.insert(add.path.clone(), add);
            }
        }
        if self.files.len() > FILES_MAX {
            let what =
                format!("{} files; more than {FILES_MAX} are not kept in mind: compact it", self.files.len());
            return Err(LakeError::Limit { table: table.to_owned(), what });
        }
        Ok(())
    }

    /// Forgets files that were removed before a moment, in milliseconds since 1970.
    pub fn forget_removed(&mut self, before_ms: i64) {
        self.removed.retain(|_, remove| remove.deletion_timestamp.is_none_or(|at| at >= before_ms));
    }
}
