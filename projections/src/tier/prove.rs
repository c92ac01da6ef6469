//! Whether the lake has what was kept: the rows of its files, read from where they are, against the digests.

use super::manifest::Manifest;
use super::reading::{Groups, Reading, differs, in_the_lake, unnamed};
use super::rows::Sum;
use super::{Difference, ShelfOf, TierError, Tierer};
use stele_domain::operations::tiering::{Known, PartitionTiered, Span};
use stele_domain::port::event_log::Position;
use stele_domain::port::tiering::{KeptDigest, LakeFile, ShelfError};

/// What was found in the lake.
pub(super) struct Proof {
    pub manifest: Manifest,
    pub files: u64,
    pub bytes: u64,
}

/// What was found when everything was read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// What is as it was kept.
    pub sound: Vec<PartitionTiered>,
    /// What is not.
    pub different: Vec<Difference>,
    /// How many partitions are in another lake, and were not looked at.
    pub in_other_lakes: u64,
    /// How many partitions another definition of their history made, and were not looked at.
    pub of_other_definitions: u64,
}

impl Tierer {
    /// Reads what the lake has of a span, and refuses what is not what was kept.
    pub(super) async fn prove(
        &self,
        history: &ShelfOf,
        span: &Span,
        kept: &[KeptDigest],
    ) -> Result<Proof, TierError> {
        let (from, to) = (Position(span.from_position), Position(span.to_position));
        let files = self.lake.files(history.shelf, from, to).await.map_err(|error| differs(span, error))?;
        let mut sum = Sum::default();
        let mut groups = self.groups(history, span, &files);
        while let Some(rows) = groups.next().await? {
            for row in &rows {
                sum.add(history, row);
            }
        }
        if let Some(what) = sum.differs(history, kept) {
            return Err(in_the_lake(span, what));
        }
        let bytes = files.iter().map(|file| file.bytes).sum();
        let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
        Ok(Proof { manifest: Manifest::of(span.clone(), kept, files), files: count, bytes })
    }

    /// The same of what the log knows: the manifest is the one that it names, and names what is there.
    pub(super) async fn prove_again(
        &self,
        history: &ShelfOf,
        tiered: &PartitionTiered,
        kept: &[KeptDigest],
    ) -> Result<Manifest, TierError> {
        let span = &tiered.span;
        let manifest = self.manifest(tiered).await?;
        if !manifest.is_of(kept) {
            let what = "the manifest is of other digests than the tables have kept";
            return Err(in_the_lake(span, what.to_owned()));
        }
        let proof = self.prove(history, span, kept).await?;
        if let Some((file, what)) = unnamed(&manifest.files, &proof.manifest.files) {
            return Err(in_the_lake(span, format!("{file} {what}")));
        }
        Ok(manifest)
    }

    /// The manifest of a fact.
    pub(super) async fn manifest(&self, tiered: &PartitionTiered) -> Result<Manifest, TierError> {
        self.reading().manifest(tiered).await
    }

    /// Whether the lake has a manifest where a fact says so, whatever is in it. It is put there before the fact is recorded:
    /// where there is none, somebody has taken it away.
    pub(super) async fn has_manifest(&self, tiered: &PartitionTiered) -> Result<bool, TierError> {
        match self.lake.manifest(&tiered.manifest).await {
            Ok(_) => Ok(true),
            Err(ShelfError::Damaged(_)) => Ok(false),
            Err(error @ (ShelfError::Superseded(_) | ShelfError::Failed { .. })) => Err(error.into()),
        }
    }

    /// The rows of files by key, as few files at a time as can be.
    pub(super) fn groups<'f>(
        &'f self,
        history: &ShelfOf,
        span: &'f Span,
        files: &'f [LakeFile],
    ) -> Groups<'f> {
        self.reading().groups(history, span, files)
    }

    fn reading(&self) -> Reading<'_> {
        Reading { lake: &*self.lake, rows_max: self.rows_max }
    }

    /// Reads everything that left the tables or may leave them, and says what is not what it was: of each fact of this
    /// build's definitions, the newest one of its span. Those of other definitions and lakes are counted. `tell` hears of each
    /// span first.
    ///
    /// # Errors
    ///
    /// [`TierError::NoHistory`]; [`TierError::Elsewhere`] where there was nothing to read because all of it is in another lake;
    /// [`TierError`] where something does not answer. What differs is no error.
    pub async fn verify(
        &self,
        table: Option<&str>,
        mut tell: impl FnMut(&PartitionTiered),
    ) -> Result<Verified, TierError> {
        if let Some(name) = table {
            ShelfOf::of(name)?;
        }
        let mut verified = Verified::default();
        let mut elsewhere: Option<String> = None;
        let known = self.facts.known().await?;
        for Known { tiered, .. } in
            known.all().filter(|one| table.is_none_or(|name| one.tiered.span.table == name))
        {
            // What another definition made, or is in another lake, says nothing of what is here now.
            let history = ShelfOf::of(&tiered.span.table).ok();
            let Some(history) = history.filter(|one| one.shelf.version == tiered.span.version) else {
                verified.of_other_definitions = verified.of_other_definitions.saturating_add(1);
                continue;
            };
            if tiered.lake != self.lake.url() {
                verified.in_other_lakes = verified.in_other_lakes.saturating_add(1);
                elsewhere = Some(tiered.lake.clone());
                continue;
            }
            tell(tiered);
            let (from, to) = (Position(tiered.span.from_position), Position(tiered.span.to_position));
            let checked = match self.kept(&history, from, to).await? {
                Some(kept) => self.prove_again(&history, tiered, &kept).await.map(drop),
                // The tables are being folded: the log's own word is what is left.
                None => self.prove_alone(&history, tiered).await,
            };
            match checked {
                Ok(()) => verified.sound.push(tiered.clone()),
                Err(TierError::Differs(difference)) => verified.different.push(difference),
                Err(error) => return Err(error),
            }
        }
        match elsewhere {
            Some(lake) if verified.sound.is_empty() && verified.different.is_empty() => {
                let (partitions, here) = (verified.in_other_lakes, self.lake.url().to_owned());
                Err(TierError::Elsewhere { partitions, lake, here })
            }
            Some(_) | None => Ok(verified),
        }
    }

    /// Whether the files of a fact have the rows that its manifest says, whatever the tables have kept.
    pub(super) async fn prove_alone(
        &self,
        history: &ShelfOf,
        tiered: &PartitionTiered,
    ) -> Result<(), TierError> {
        let manifest = self.manifest(tiered).await?;
        let mut sum = Sum::default();
        let mut groups = self.groups(history, &tiered.span, &manifest.files);
        while let Some(rows) = groups.next().await? {
            for row in &rows {
                sum.add(history, row);
            }
        }
        let found = sum.digests(history);
        if manifest.is_of(&found) && super::digest_of(&found) == tiered.digest {
            Ok(())
        } else {
            Err(in_the_lake(&tiered.span, "the rows are not what the manifest says".to_owned()))
        }
    }
}
