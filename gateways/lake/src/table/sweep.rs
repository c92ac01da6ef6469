//! Removes files that count no longer, and those that never did because a process died between file and commit. By an
//! explicit command only: whoever reads an older version still needs them.

use super::LakeTable;
use crate::delta::LOG;
use crate::error::LakeError;
use std::time::Duration;
use stele_domain::port::blob_store::{BLOB_LIST_MAX, BlobEntry, BlobError};

/// Nothing younger is removed, whatever is asked for: an hour. A writer commits a file long before.
pub const SWEEP_AGE_MIN: Duration = Duration::from_hours(1);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that were removed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that don't count and are too young to be removed.
    pub young: u64,
}

impl LakeTable {
    /// Removes data files that don't count and are older than `age`, at least [`SWEEP_AGE_MIN`]. Nothing of the table's log is
    /// removed.
    ///
    /// # Errors
    ///
    /// [`LakeError::Store`]; what was removed by then is gone.
    pub async fn sweep(&mut self, age: Duration) -> Result<Swept, LakeError> {
        self.load().await?;
        let age_ms = i64::try_from(age.max(SWEEP_AGE_MIN).as_millis()).unwrap_or(i64::MAX);
        let before_ms = self.clock.now().millis().saturating_sub(age_ms);
        let under = self.blob(LOG)?;
        let begin = self.folder.len().saturating_add(1);
        let root = stele_domain::port::blob_store::BlobName::new(&self.folder);
        let root = root.map_err(|error| LakeError::damaged(self.name(), "", error.to_string()))?;
        let (mut swept, mut after) = (Swept::default(), None);
        loop {
            let page = self.store.list(&root, after.as_ref(), BLOB_LIST_MAX).await?;
            for entry in &page {
                let path = entry.name.as_str().get(begin..).unwrap_or_default();
                let counts = self.snapshot.files.contains_key(path);
                if !counts && !entry.name.as_str().starts_with(under.as_str()) {
                    self.sweep_one(path, entry, before_ms, &mut swept).await?;
                }
            }
            let full = page.len() == BLOB_LIST_MAX;
            after = page.into_iter().next_back().map(|entry| entry.name);
            if !full {
                return Ok(swept);
            }
        }
    }

    async fn sweep_one(
        &self,
        path: &str,
        entry: &BlobEntry,
        before_ms: i64,
        swept: &mut Swept,
    ) -> Result<(), LakeError> {
        // Since when it does not count: since it was removed, else since it was put.
        let since = match self.snapshot.removed.get(path).and_then(|remove| remove.deletion_timestamp) {
            Some(since) => since,
            None => match self.store.kept_at(&entry.name).await {
                Ok(at) => at.millis(),
                Err(BlobError::Missing { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        if since >= before_ms {
            swept.young = swept.young.saturating_add(1);
            return Ok(());
        }
        self.store.remove(&entry.name).await?;
        swept.files = swept.files.saturating_add(1);
        swept.bytes = swept.bytes.saturating_add(entry.bytes);
        Ok(())
    }
}
