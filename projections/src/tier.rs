//! Tiering: partitions of histories go to the lake when they are old, and leave the tables when retention says so and it was
//! proved that the lake has them. Restoring is the way back.
//!
//! What is proved, each time before a partition leaves: the rows in the tables come to the digests that were kept while they were
//! written; the rows in the files of the lake, read from there, come to the same; and the log says so. The steps are rows in
//! the lake, manifest, fact, partition. Each can be taken again, so whoever dies in between, or works beside another, leaves
//! nothing that the next one would not finish.

mod copy;
mod error;
mod everywhere;
mod manifest;
mod prove;
pub(crate) mod reading;
mod restore;
mod rows;
mod shelves;
mod why;

pub use error::{Difference, TierError, Where};
pub use manifest::{MANIFEST_FORMAT, Manifest, ManifestPart, digest_of};
pub use prove::Verified;
pub use restore::Restored;
pub use shelves::{ShelfOf, shelves};
pub use why::Why;

use crate::observe;
use prove::Proof;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::operations::tiering::{Command, Known, PartitionTiered, Span, State};
use stele_domain::port::clock::Clock;
use stele_domain::port::read_store::{DIGEST_PART, ReadStore};
use stele_domain::port::tiering::{Histories, HistoryLake, KeptDigest, Partition, TieringFacts};
use stele_domain::time::Timestamp;

/// Rows that are in memory at once, while they are put into the lake or read from there.
pub const ROWS_MAX: usize = 16_384;

/// What tiering works with.
pub struct Tierer {
    /// The tables.
    pub tables: Arc<dyn ReadStore>,
    /// Their partitions.
    pub histories: Arc<dyn Histories>,
    /// The lake.
    pub lake: Arc<dyn HistoryLake>,
    /// What the log knows of partitions.
    pub facts: Arc<dyn TieringFacts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many rows make a file at most; about, for rows of one event stay together.
    pub rows_max: usize,
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// With which table; `None`: with all.
    pub table: Option<String>,
    /// An age in seconds in place of the policies of the tables.
    pub older_than_s: Option<u64>,
    /// Nothing leaves the tables.
    pub keep: bool,
}

/// Where a partition is, and what was done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is too young, or still written into.
    Stays,
    /// It is in the lake since now, and stays in the tables.
    Tiered,
    /// It is in the lake and in the tables.
    Both,
    /// It was brought back and is held until then.
    Held(Timestamp),
    /// It is in the lake and left the tables just now.
    Left,
    /// It is not what it should be, and was not touched.
    Differs(Difference),
    /// An older partition of its table is in the way, or its edges are not those of digests; it says which.
    Blocked(String),
    /// The tables, the lake or the log failed; it goes on the next time.
    Failed(Arc<TierError>),
}

/// What became of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The partition.
    pub partition: Partition,
    /// How many rows are kept of it.
    pub rows: u64,
    /// What became of it.
    pub outcome: Outcome,
}

impl Tierer {
    /// Looks at every partition that is in the tables, the oldest of each table first, and does what is due. What goes wrong
    /// with one table says nothing of the others.
    ///
    /// # Errors
    ///
    /// [`TierError`] where nothing can be done at all: the tables or the log don't answer, or no table has that name.
    pub async fn run(&self, asked: &Asked) -> Result<Vec<Done>, TierError> {
        self.run_telling(asked, |_| ()).await
    }

    /// Does what is due, again and again, for as long as it is let. Whoever drops it ends it, at any moment.
    pub async fn stay(self, every: Duration) {
        loop {
            if let Err(error) = self.run(&Asked::default()).await {
                observe::tiering_waits(&error);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// The same, telling of each partition when it is done with it.
    ///
    /// # Errors
    ///
    /// As [`Tierer::run`].
    pub async fn run_telling(
        &self,
        asked: &Asked,
        mut tell: impl FnMut(&Done) + Send,
    ) -> Result<Vec<Done>, TierError> {
        if let Some(name) = &asked.table {
            ShelfOf::of(name)?;
        }
        let known = self.facts.known().await?;
        let mut tables: BTreeMap<&'static str, Vec<Partition>> = BTreeMap::new();
        for partition in self.histories.partitions(asked.older_than_s).await? {
            if asked.table.as_ref().is_none_or(|name| name == partition.table) {
                tables.entry(partition.table).or_default().push(partition);
            }
        }
        let mut all = vec![];
        for (table, partitions) in tables {
            self.of_table(&ShelfOf::of(table)?, partitions, &known, asked, &mut |done| {
                tell(&done);
                all.push(done);
            })
            .await;
        }
        observe::tiering_ran(&all);
        Ok(all)
    }

    async fn of_table(
        &self,
        history: &ShelfOf,
        partitions: Vec<Partition>,
        known: &State,
        asked: &Asked,
        done: &mut (dyn FnMut(Done) + Send),
    ) {
        let mut in_the_way: Option<String> = None;
        // Whatever stays in the tables keeps what is newer there.
        let mut keep = asked.keep;
        for partition in partitions {
            if let Some(name) = &in_the_way {
                let outcome = if partition.tier_due && partition.sealed {
                    Outcome::Blocked(format!("{name}, which is older, is in the way"))
                } else {
                    Outcome::Stays
                };
                done(Done { partition, rows: 0, outcome });
                continue;
            }
            let (rows, outcome) = match self.one(history, &partition, known, keep).await {
                Ok(done) => done,
                // Somebody else was faster: what was missing is what they took away.
                Err(TierError::Differs(Difference { place: Where::Tables, .. }))
                    if self.is_gone(&partition).await =>
                {
                    (0, Outcome::Left)
                }
                Err(error) => (0, of_error(error)),
            };
            match &outcome {
                Outcome::Differs(_) | Outcome::Blocked(_) | Outcome::Failed(_) => {
                    in_the_way = Some(partition.name.clone());
                }
                Outcome::Stays | Outcome::Tiered | Outcome::Both | Outcome::Held(_) | Outcome::Left => {}
            }
            keep = keep || outcome != Outcome::Left;
            observe::tiering_of(&partition, &outcome);
            done(Done { partition, rows, outcome });
        }
    }

    async fn one(
        &self,
        history: &ShelfOf,
        partition: &Partition,
        known: &State,
        keep: bool,
    ) -> Result<(u64, Outcome), TierError> {
        if !partition.sealed || !partition.tier_due {
            return Ok((0, Outcome::Stays));
        }
        if !partition.from.0.is_multiple_of(DIGEST_PART) || !partition.to.0.is_multiple_of(DIGEST_PART) {
            let why = format!(
                "its edges are no multiples of {DIGEST_PART}, so its digests are not its own: set partition_span of {} in \
                 read_model.storage_policy to one, which holds for the next partitions",
                partition.table
            );
            return Ok((0, Outcome::Blocked(why)));
        }
        let Some(kept) = self.kept(history, partition.from, partition.to).await? else {
            return Ok((0, Outcome::Stays));
        };
        let rows = kept.iter().map(|one| one.digest.rows).sum();
        let span = history.span(partition.from, partition.to);
        let told = known.of(&span).filter(|told| self.is_of(told, &kept));
        let leaves = partition.drop_due && !keep;
        let held = told.and_then(|told| told.held_until).filter(|until| *until > self.clock.now());
        if let Some(until) = held {
            return Ok((rows, Outcome::Held(until)));
        }
        let there = match told {
            Some(told) => self.has_manifest(&told.tiered).await?.then_some(&told.tiered),
            None => None,
        };
        if let Some(tiered) = there {
            if !leaves {
                self.manifest(tiered).await?;
                return Ok((rows, Outcome::Both));
            }
            self.live_is(history, partition, &kept).await?;
            self.prove_again(history, tiered, &kept).await?;
        } else {
            // It was never there, or somebody moved aside what was: what the lake lacks is put there, and all of it is proved.
            self.live_is(history, partition, &kept).await?;
            self.copy(history, partition, known).await?;
            let proof = self.prove(history, &span, &kept).await?;
            self.record(span, proof).await?;
        }
        if !leaves {
            return Ok((rows, Outcome::Tiered));
        }
        let dropped = self.histories.drop_partition(partition, &kept).await;
        dropped.map_err(|error| TierError::of_dropping(partition, error))?;
        Ok((rows, Outcome::Left))
    }

    /// Whether a partition is in the tables no more.
    async fn is_gone(&self, partition: &Partition) -> bool {
        let there = self.histories.partitions(None).await;
        there.is_ok_and(|all| {
            !all.iter().any(|one| (one.table, one.from) == (partition.table, partition.from))
        })
    }

    /// Whether what is known is about these rows and this lake.
    fn is_of(&self, known: &Known, kept: &[KeptDigest]) -> bool {
        let PartitionTiered { digest, lake, .. } = &known.tiered;
        *digest == digest_of(kept) && lake == self.lake.url()
    }

    /// Keeps the manifest, and then says so in the log.
    async fn record(&self, span: Span, proof: Proof) -> Result<(), TierError> {
        let Proof { manifest, files, bytes } = proof;
        let (path, text) = manifest.sealed()?;
        let manifest_hash = blake3::hash(&text).to_hex().to_string();
        self.lake.keep_manifest(&path, text).await?;
        let tiered = PartitionTiered {
            span,
            rows: manifest.rows,
            digest: manifest.digest,
            lake: self.lake.url().to_owned(),
            files,
            bytes,
            manifest: path,
            manifest_hash,
            at: self.clock.now(),
        };
        Ok(self.facts.record(Command::Tier(tiered)).await?)
    }
}

fn of_error(error: TierError) -> Outcome {
    if let TierError::Differs(difference) = error {
        return Outcome::Differs(difference);
    }
    Outcome::Failed(Arc::new(error))
}

impl PartialEq for TierError {
    /// By what it says: for reports that are compared.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for TierError {}
