//! Whether the lake has what was kept: the rows of its files, read from where they are, against the digests.

use super::manifest::Manifest;
use super::reading::{Groups, Reading, differs, in_the_lake, unnamed};
use super::rows::Sum;
use super::{Difference, ShelfOf, TierError, Tierer};
use stele_domain::operations::tiering::{Known, PartitionTiered, Span};
use stele_domain::port::event_log::Position;
use stele_domain::port::tiering::{KeptDigest, LakeFile};

/// What was found in the lake.
pub(super) struct Proof {
    pub manifest: Manifest,
    pub files: u64,
    pub bytes: u64,
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
    /// build's definitions, the newest one of its span. `tell` hears of each span first.
    ///
    /// # Errors
    ///
    /// [`TierError`] where something does not answer; what differs is no error.
    pub async fn verify(
        &self,
        table: Option<&str>,
        mut tell: impl FnMut(&PartitionTiered),
    ) -> Result<(Vec<PartitionTiered>, Vec<Difference>), TierError> {
        let (mut sound, mut different) = (vec![], vec![]);
        let known = self.facts.known().await?;
        for Known { tiered, .. } in
            known.all().filter(|one| table.is_none_or(|name| one.tiered.span.table == name))
        {
            let Ok(history) = ShelfOf::of(&tiered.span.table) else { continue };
            // What another definition made, or is in another lake, says nothing of what is here now.
            if history.shelf.version != tiered.span.version || tiered.lake != self.lake.url() {
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
                Ok(()) => sound.push(tiered.clone()),
                Err(TierError::Differs(difference)) => different.push(difference),
                Err(error) => return Err(error),
            }
        }
        Ok((sound, different))
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
