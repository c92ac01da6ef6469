//! Reading from the lake what the log says to be there: the manifest, the files that it names, and what their rows come to.
//! What is wrong is told file by file; nothing here knows what is right but by the manifest.

use super::manifest::Manifest;
use super::rows::Sum;
use super::{Difference, ShelfOf, TierError, Where};
use std::collections::BTreeSet;
use stele_domain::causes::with_causes;
use stele_domain::operations::tiering::{PartitionTiered, Span};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{DIGEST_PART, Row};
use stele_domain::port::tiering::{HistoryLake, KeptDigest, LakeFile, Shelf, ShelfError};

/// Rows of files that overlap are sorted in memory. Where there are more of them than that, several times what one batch
/// has, somebody else has put files there.
const OVERLAP_BATCHES_MAX: u64 = 4;

/// A lake, while it is read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'l> {
    pub lake: &'l dyn HistoryLake,
    /// How many rows make a file at most, about.
    pub rows_max: usize,
}

/// What the lake has of one fact.
#[derive(Default)]
pub(crate) struct Seen {
    /// What the rows come to, by who wrote them and part, but for parts that could not be read whole.
    pub digests: Vec<KeptDigest>,
    /// Parts of which a file is not what was put there.
    pub broken: BTreeSet<u64>,
    /// Files and manifests that are not what was put there.
    pub wrong: Vec<Wrong>,
    /// Why not all of it was read, though it may be well. Then there are no digests.
    pub unread: Option<String>,
}

/// A file or a manifest that is not what it should be.
pub(crate) struct Wrong {
    /// Its path, from the root of the lake on.
    pub file: String,
    /// Parts whose rows it has.
    pub parts: BTreeSet<u64>,
    /// What is wrong.
    pub what: String,
}

impl<'l> Reading<'l> {
    /// The manifest of a fact.
    pub(super) async fn manifest(&self, tiered: &PartitionTiered) -> Result<Manifest, TierError> {
        let span = &tiered.span;
        let bytes = self.lake.manifest(&tiered.manifest).await.map_err(|error| differs(span, error))?;
        if *blake3::hash(&bytes).to_hex() != tiered.manifest_hash {
            return Err(in_the_lake(span, format!("{} is not what the log says", tiered.manifest)));
        }
        let read = serde_json::from_slice::<Manifest>(&bytes);
        read.map_err(|error| in_the_lake(span, format!("{}: {error}", tiered.manifest)))
    }

    /// The rows of files by key, as few files at a time as can be.
    pub(super) fn groups<'f>(&self, history: &ShelfOf, span: &'f Span, files: &'f [LakeFile]) -> Groups<'f>
    where
        'l: 'f,
    {
        let rows_max = u64::try_from(self.rows_max).unwrap_or(u64::MAX).saturating_mul(OVERLAP_BATCHES_MAX);
        Groups { lake: self.lake, shelf: history.shelf, span, rest: files, rows_max }
    }

    /// Reads everything that a fact says to be there, to its end whatever is wrong. `tell` hears how many rows were read, again
    /// and again.
    pub(crate) async fn look(
        &self,
        history: &ShelfOf,
        tiered: &PartitionTiered,
        tell: &(dyn Fn(u64) + Sync),
    ) -> Seen {
        let mut seen = Seen::default();
        match self.look_into(&mut seen, history, tiered, tell).await {
            Ok(()) => {}
            // Files that overlap as none of ours do: none of their rows can be told.
            Err(TierError::Differs(difference)) => {
                let span = &tiered.span;
                let parts = parts_of(span.from_position, span.to_position.saturating_sub(1));
                seen.broken.extend(&parts);
                seen.wrong.push(Wrong { file: tiered.manifest.clone(), parts, what: difference.what });
            }
            Err(error) => seen.unread = Some(with_causes(&error)),
        }
        seen
    }

    async fn look_into(
        &self,
        seen: &mut Seen,
        history: &ShelfOf,
        tiered: &PartitionTiered,
        tell: &(dyn Fn(u64) + Sync),
    ) -> Result<(), TierError> {
        let span = &tiered.span;
        let (from, to) = (Position(span.from_position), Position(span.to_position));
        let manifest = seen.but_for(&tiered.manifest, self.manifest(tiered).await)?;
        let counted = self.lake.files(history.shelf, from, to).await.map_err(|error| differs(span, error));
        let counted = seen.but_for(&tiered.manifest, counted)?;
        if let (Some(manifest), Some(counted)) = (&manifest, &counted)
            && let Some((file, what)) = unnamed(&manifest.files, counted)
        {
            seen.wrong.push(Wrong { file, parts: BTreeSet::new(), what: what.to_owned() });
        }
        // Without the manifest, what the lake itself counts is still held beside what follows from the log.
        let named = manifest.as_ref().map(|manifest| manifest.files.clone());
        let Some(files) = named.or(counted) else {
            seen.broken.extend(parts_of(from.0, to.0.saturating_sub(1)));
            return Ok(());
        };
        let mut sum = Sum::default();
        let mut groups = self.groups(history, span, &files);
        let mut count = 0_u64;
        while let Some(group) = groups.files()? {
            for row in &self.rows_of(seen, history, group, span).await? {
                sum.add(history, row);
                count = count.saturating_add(1);
            }
            tell(count);
        }
        let digests = sum.digests(history);
        let is_named = manifest.is_none_or(|manifest| {
            manifest.span == *span && manifest.is_of(&digests) && super::digest_of(&digests) == tiered.digest
        });
        if seen.broken.is_empty() && (!is_named || sum.has_strangers()) {
            let what = "the rows are not what the manifest says".to_owned();
            seen.wrong.push(Wrong { file: tiered.manifest.clone(), parts: BTreeSet::new(), what });
        }
        seen.digests = digests.into_iter().filter(|one| !seen.broken.contains(&one.digest.part)).collect();
        Ok(())
    }

    /// The rows of some files that overlap, by key, without those of files that are not what was put there.
    async fn rows_of(
        &self,
        seen: &mut Seen,
        history: &ShelfOf,
        group: &[LakeFile],
        span: &Span,
    ) -> Result<Vec<Row>, TierError> {
        let mut all = vec![];
        for file in group {
            let read = self.lake.rows(history.shelf, std::slice::from_ref(file)).await;
            match read.map_err(|error| differs(span, error)) {
                Ok(rows) => all.extend(rows),
                Err(TierError::Differs(difference)) => {
                    let parts = parts_of(file.first, file.last);
                    seen.broken.extend(&parts);
                    seen.wrong.push(Wrong { file: file.path.clone(), parts, what: difference.what });
                }
                Err(error) => return Err(error),
            }
        }
        if group.len() > 1 {
            all.sort_by_cached_key(|row| history.shelf.table.key_of(row));
        }
        Ok(all)
    }
}

impl Seen {
    /// What was read, unless it is something else than was put there, which is noted.
    fn but_for<T>(&mut self, file: &str, read: Result<T, TierError>) -> Result<Option<T>, TierError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(TierError::Differs(difference)) => {
                let file = file.to_owned();
                self.wrong.push(Wrong { file, parts: BTreeSet::new(), what: difference.what });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Rows of files.
pub(super) struct Groups<'f> {
    lake: &'f dyn HistoryLake,
    shelf: Shelf,
    span: &'f Span,
    rest: &'f [LakeFile],
    rows_max: u64,
}

impl<'f> Groups<'f> {
    /// The next files: one, or several whose positions overlap; `None` when there are no more.
    fn files(&mut self) -> Result<Option<&'f [LakeFile]>, TierError> {
        let Some(first) = self.rest.first() else { return Ok(None) };
        let (mut end, mut count) = (first.last, 1);
        while let Some(next) = self.rest.get(count).filter(|next| next.first <= end) {
            end = end.max(next.last);
            count = count.saturating_add(1);
        }
        let (group, others) = self.rest.split_at(count);
        self.rest = others;
        if count > 1 && group.iter().map(|file| file.rows).sum::<u64>() > self.rows_max {
            return Err(in_the_lake(self.span, format!("{} and others overlap", first.path)));
        }
        Ok(Some(group))
    }

    /// Their rows.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, TierError> {
        let Some(group) = self.files()? else { return Ok(None) };
        let rows = self.lake.rows(self.shelf, group).await;
        Ok(Some(rows.map_err(|error| differs(self.span, error))?))
    }
}

/// A file that a manifest names and the lake does not count, or the other way round; nothing where they say the same.
pub(super) fn unnamed(named: &[LakeFile], counted: &[LakeFile]) -> Option<(String, &'static str)> {
    if named == counted {
        return None;
    }
    let lost = named.iter().find(|file| !counted.contains(file));
    let added = counted.iter().find(|file| !named.contains(file));
    Some(match (lost, added) {
        (Some(file), _) => (file.path.clone(), "counts no longer"),
        (None, Some(file)) => (file.path.clone(), "is in no manifest"),
        (None, None) => {
            (named.first().map_or_else(String::new, |file| file.path.clone()), "comes in another order")
        }
    })
}

fn parts_of(first: u64, last: u64) -> BTreeSet<u64> {
    let part = |position: u64| position.checked_div(DIGEST_PART).unwrap_or_default();
    (part(first)..=part(last)).collect()
}

pub(super) fn in_the_lake(span: &Span, what: String) -> TierError {
    TierError::Differs(Difference {
        table: span.table.clone(),
        from: Position(span.from_position),
        to: Position(span.to_position),
        place: Where::Lake,
        what,
    })
}

/// What is not there, or is something else, differs; what does not answer may be well.
pub(super) fn differs(span: &Span, error: ShelfError) -> TierError {
    match error {
        ShelfError::Damaged(what) => in_the_lake(span, what),
        other @ (ShelfError::Superseded(_) | ShelfError::Failed { .. }) => other.into(),
    }
}
