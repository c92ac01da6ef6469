//! Looking at a table: from its newest checkpoint on, or from what is known already.

use super::LakeTable;
use crate::delta::snapshot::Snapshot;
use crate::delta::{LAST_CHECKPOINT, LOG, Named, checkpoint, checkpoint_name, commit_name, named};
use crate::error::LakeError;
use serde_json::Value;
use stele_domain::port::blob_store::{BLOB_LIST_MAX, BlobError};

/// Newest version of the Delta protocol's reader that this one is.
const READER_VERSION: u64 = 1;
/// Newest version of the Delta protocol's writer that this one is.
const WRITER_VERSION: u64 = 2;

impl LakeTable {
    /// Takes in what was committed since the last look; `false` where there is no table.
    pub(super) async fn load(&mut self) -> Result<bool, LakeError> {
        if self.snapshot.metadata.is_none() && !self.begin().await? {
            return Ok(false);
        }
        for version in self.commits_after(self.snapshot.version).await? {
            let next = self.snapshot.version.saturating_add(1);
            if version != next {
                return Err(LakeError::damaged(self.name(), commit_name(next), "the commit is missing"));
            }
            let lines = self.commit(version).await?;
            self.snapshot.take(self.definition.name, lines)?;
            self.snapshot.version = version;
        }
        self.known()?;
        Ok(true)
    }

    /// Begins with the newest checkpoint that can be found, else with the first commit; `false` where there is neither.
    async fn begin(&mut self) -> Result<bool, LakeError> {
        let hint = self.hint().await?;
        let mut found = match hint {
            Some(version) => self.checkpoint_at(version).await?,
            None => None,
        };
        if found.is_none() {
            for version in self.checkpoints().await?.into_iter().rev() {
                found = self.checkpoint_at(version).await?;
                if found.is_some() {
                    break;
                }
            }
        }
        if let Some(snapshot) = found {
            self.snapshot = snapshot;
            return Ok(true);
        }
        match self.commit(0).await {
            Ok(lines) => {
                let mut snapshot = Snapshot::default();
                snapshot.take(self.definition.name, lines)?;
                self.snapshot = snapshot;
                Ok(true)
            }
            Err(LakeError::Store(BlobError::Missing { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The version that the hint names. A hint that is missing or can't be read is none.
    async fn hint(&self) -> Result<Option<u64>, LakeError> {
        match self.store.get(&self.blob(&format!("{LOG}/{LAST_CHECKPOINT}"))?).await {
            Ok(bytes) => {
                let hint = serde_json::from_slice::<Value>(&bytes).ok();
                Ok(hint.and_then(|hint| hint.get("version")?.as_u64()))
            }
            Err(BlobError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The table as of a checkpoint; `None` where it is missing. What the rows came to then stands in the commit.
    async fn checkpoint_at(&self, version: u64) -> Result<Option<Snapshot>, LakeError> {
        let name = checkpoint_name(version);
        let bytes = match self.store.get(&self.blob(&format!("{LOG}/{name}"))?).await {
            Ok(bytes) => bytes,
            Err(BlobError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut snapshot = Snapshot { version, ..Snapshot::default() };
        snapshot.take(self.definition.name, checkpoint::read(self.name(), &name, bytes)?)?;
        for line in self.commit(version).await? {
            snapshot.published = line.commit_info.and_then(|info| info.stele).unwrap_or(snapshot.published);
        }
        Ok(Some(snapshot))
    }

    async fn commit(&self, version: u64) -> Result<Vec<crate::delta::action::Line>, LakeError> {
        let name = commit_name(version);
        let bytes = self.store.get(&self.blob(&format!("{LOG}/{name}"))?).await?;
        Snapshot::lines(self.name(), &name, &bytes)
    }

    /// The versions of the commits after one, in order.
    async fn commits_after(&self, version: u64) -> Result<Vec<u64>, LakeError> {
        let all = self.listed(Some(&commit_name(version))).await?;
        let commits = all.into_iter().filter_map(|named| match named {
            Named::Commit(commit) if commit > version => Some(commit),
            Named::Commit(_) | Named::Checkpoint(_) | Named::Other => None,
        });
        Ok(commits.collect())
    }

    /// The versions of all checkpoints, in order.
    async fn checkpoints(&self) -> Result<Vec<u64>, LakeError> {
        let all = self.listed(None).await?.into_iter();
        Ok(all
            .filter_map(|named| match named {
                Named::Checkpoint(version) => Some(version),
                Named::Commit(_) | Named::Other => None,
            })
            .collect())
    }

    async fn listed(&self, after: Option<&str>) -> Result<Vec<Named>, LakeError> {
        let under = self.blob(LOG)?;
        let mut after = after.map(|name| self.blob(&format!("{LOG}/{name}"))).transpose()?;
        let mut all = vec![];
        loop {
            let page = self.store.list(&under, after.as_ref(), BLOB_LIST_MAX).await?;
            let full = page.len() == BLOB_LIST_MAX;
            let begin = under.as_str().len().saturating_add(1);
            all.extend(page.iter().map(|entry| named(entry.name.as_str().get(begin..).unwrap_or_default())));
            after = page.into_iter().next_back().map(|entry| entry.name);
            if !full {
                return Ok(all);
            }
        }
    }

    /// Refuses a table that asks for more than is known here.
    fn known(&self) -> Result<(), LakeError> {
        let Some(protocol) = &self.snapshot.protocol else {
            return Err(LakeError::damaged(self.name(), LOG, "no commit says which protocol it follows"));
        };
        if protocol.min_reader_version > READER_VERSION || protocol.min_writer_version > WRITER_VERSION {
            return Err(LakeError::Protocol {
                table: self.name().to_owned(),
                reader: protocol.min_reader_version,
                writer: protocol.min_writer_version,
            });
        }
        Ok(())
    }
}
