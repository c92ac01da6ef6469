//! Rows that went to the lake: read there, and held beside what follows from the log, part by part.
//!
//! Which they are, and by which manifest they can be found, is a fact of the log. So nothing in the lake is believed for what it
//! says of itself, and neither are the tables: rows that left them are compared like all others.

use super::Audit;
use super::findings::{
    FILES_NAMED_MAX, Findings, NotLookedAt, OfFile, OfPart, OfProjection, OfTable, OfTiered, Touch, Verdict,
};
use crate::digest;
use crate::tier::ShelfOf;
use crate::tier::reading::{Reading, Seen};
use std::collections::BTreeMap;
use std::ops::Range;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::tiering::{Event as Fact, PartitionTiered, STREAM, Span};
use stele_domain::port::event_log::{Direction, EventLog, LogError, Position, Revision, StreamId};
use stele_domain::port::read_store::{DIGEST_PART, Table};
use stele_domain::port::tiering::HistoryLake;

/// Facts that are read in one go.
const PAGE: usize = 1_000;

/// The lake, where there is one.
#[derive(Clone, Copy)]
pub struct Lake<'a> {
    /// The lake, or why it can't be read, for the report.
    pub there: Result<&'a dyn HistoryLake, &'a str>,
    /// Told how many rows of it were read, and how many there are.
    pub tell: &'a (dyn Fn(u64, u64) + Sync),
}

/// Every partition that the log says to be in a lake.
pub(super) type AllKnown = BTreeMap<Span, Known>;

/// The newest fact about a partition.
pub(super) struct Known {
    tiered: PartitionTiered,
    event: Touch,
}

/// What was not compared, by table and reason: the first position, the first one after, and how many partitions.
#[derive(Default)]
struct Unseen(BTreeMap<(String, String), (u64, u64, u64)>);

impl Audit<'_> {
    /// Compares what the log says to be in the lake.
    pub(super) async fn look_into_the_lake(&self, known: AllKnown, findings: &mut Findings) {
        let wanted: Vec<(ShelfOf, Known)> =
            known.into_values().filter_map(|known| asked_for(known, findings)).collect();
        let all: u64 = wanted.iter().map(|(_, known)| known.tiered.rows).fold(0, u64::saturating_add);
        let (mut unseen, mut read) = (Unseen::default(), 0_u64);
        for (history, known) in &wanted {
            let seen = match self.reading(&known.tiered) {
                Err(why) => Seen { unread: Some(why), ..Seen::default() },
                Ok(reading) => {
                    let tell = |rows: u64| (self.lake.tell)(read.saturating_add(rows).min(all), all);
                    reading.look(history, &known.tiered, &tell).await
                }
            };
            read = read.saturating_add(known.tiered.rows);
            if let Some(why) = &seen.unread {
                unseen.add(&known.tiered.span, why);
            }
            for projection in findings.projections.iter_mut().filter(|found| writes(history, found)) {
                compared(projection, known, &seen, &mut unseen);
            }
        }
        findings.not_looked_at.extend(unseen.said());
    }

    /// How a partition is read; otherwise why it can't be.
    fn reading(&self, tiered: &PartitionTiered) -> Result<Reading<'_>, String> {
        let lake = self.lake.there.map_err(str::to_owned)?;
        if lake.url() != tiered.lake {
            return Err(format!(
                "they are in the lake {}, and the one that is configured is {}",
                tiered.lake,
                lake.url()
            ));
        }
        Ok(Reading { lake, rows_max: crate::tier::ROWS_MAX })
    }
}

/// What the log says of partitions up to `head`, the newest of each.
pub(super) async fn known(log: &dyn EventLog, head: Position) -> Result<AllKnown, LogError> {
    let stream = StreamId::new(STREAM).map_err(|error| LogError::Invalid(error.to_string()))?;
    let (mut known, mut from) = (BTreeMap::new(), Revision(0));
    loop {
        let page = log.read_stream(&stream, from, Direction::Forward, PAGE).await?;
        for record in page.iter().filter(|record| record.position <= head) {
            let Ok(recorded) = codec::recorded(record) else { continue };
            let Event::Operations(Operations::Tiering(Fact::PartitionTiered(tiered))) = recorded.event else {
                continue;
            };
            let event = Touch {
                position: record.position,
                event_type: record.event_type.to_string(),
                event_id: record.event_id,
            };
            known.insert(tiered.span.clone(), Known { tiered, event });
        }
        let Some(last) = page.last().filter(|_| page.len() == PAGE) else { return Ok(known) };
        from = Revision(last.revision.0.saturating_add(1));
    }
}

/// From where up to where a history's rows are in a lake, of this build's definition, in any order.
pub(super) fn spans_of(table: &Table, known: &AllKnown) -> Vec<Range<u64>> {
    let Ok(history) = ShelfOf::of(table.name) else { return vec![] };
    let of_it = |span: &&Span| span.table == table.name && span.version == history.shelf.version;
    known.keys().filter(of_it).map(|span| span.from_position..span.to_position).collect()
}

/// Whether the rows are of the definitions that were folded, and of a projection that was asked for. Rows of other definitions
/// are no part of the tables any more: a rebuild made them anew.
fn asked_for(known: Known, findings: &Findings) -> Option<(ShelfOf, Known)> {
    let span = &known.tiered.span;
    let history = ShelfOf::of(&span.table).ok().filter(|history| history.shelf.version == span.version)?;
    findings.projections.iter().any(|found| writes(&history, found)).then_some((history, known))
}

fn writes(history: &ShelfOf, found: &OfProjection) -> bool {
    history.writers.iter().any(|(name, _)| *name == found.projection)
}

/// Notes beside one projection's parts what the lake has of them.
fn compared(projection: &mut OfProjection, known: &Known, seen: &Seen, unseen: &mut Unseen) {
    let span = &known.tiered.span;
    let Some(table) = projection.tables.iter_mut().find(|table| table.table == span.table) else { return };
    let mut verdict = Verdict::same(seen.wrong.is_empty());
    if seen.unread.is_some() && seen.wrong.is_empty() {
        verdict = Verdict::NotCompared;
    }
    let folded = projection.position.0.saturating_add(1).checked_div(DIGEST_PART).unwrap_or_default();
    if seen.unread.is_none() && (folded.saturating_mul(DIGEST_PART)) < span.to_position {
        unseen
            .add(span, &format!("they are behind position {}, up to which was folded", projection.position));
    }
    let part = |position: u64| position.checked_div(DIGEST_PART).unwrap_or_default();
    for part in part(span.from_position)..part(span.to_position) {
        let digest = seen
            .digests
            .iter()
            .find(|one| one.projection == projection.projection && one.digest.part == part);
        let tiered = digest.map(|one| digest::short(&one.digest));
        let of_part = if seen.broken.contains(&part) {
            Verdict::Differs
        } else if seen.unread.is_some() || part >= folded {
            continue;
        } else {
            let at = table.parts.binary_search_by_key(&part, |of_part| of_part.part);
            let follows = at.ok().and_then(|at| table.parts.get(at)?.folded.as_ref());
            Verdict::same(follows == tiered.as_ref())
        };
        verdict = Verdict::of([verdict, of_part]);
        noted(table, part, tiered, of_part);
    }
    let wrong = seen.wrong.iter().take(FILES_NAMED_MAX).map(|wrong| OfFile {
        file: wrong.file.clone(),
        parts: wrong.parts.iter().copied().collect(),
        what: wrong.what.clone(),
    });
    table.tiered.push(OfTiered {
        from_position: Position(span.from_position),
        to_position: Position(span.to_position),
        rows: known.tiered.rows,
        lake: known.tiered.lake.clone(),
        manifest: known.tiered.manifest.clone(),
        manifest_blake3: known.tiered.manifest_hash.clone(),
        event: known.event.clone(),
        verdict,
        wrong: wrong.collect(),
    });
    table.verdict = Verdict::of([table.verdict, verdict]);
    projection.verdict = Verdict::of([projection.verdict, verdict]);
}

/// Puts a verdict beside a part. Of a part of which nobody has anything, nothing is said.
fn noted(table: &mut OfTable, part: u64, tiered: Option<String>, verdict: Verdict) {
    match table.parts.binary_search_by_key(&part, |of_part| of_part.part) {
        Ok(at) => {
            if let Some(of_part) = table.parts.get_mut(at) {
                of_part.tiered = tiered;
                of_part.verdict = Verdict::of([of_part.verdict, verdict]);
            }
        }
        Err(at) if tiered.is_some() => {
            let (folded, stored, scanned) = (None, None, None);
            table.parts.insert(
                at,
                OfPart { part, rows: 0, folded, stored, rows_stored: None, scanned, tiered, verdict },
            );
        }
        Err(_) => {}
    }
}

impl Unseen {
    fn add(&mut self, span: &Span, why: &str) {
        let entry = self.0.entry((span.table.clone(), why.to_owned()));
        let (from, to, count) = entry.or_insert((span.from_position, span.to_position, 0));
        *from = span.from_position.min(*from);
        *to = span.to_position.max(*to);
        *count = count.saturating_add(1);
    }

    fn said(self) -> impl Iterator<Item = NotLookedAt> {
        self.0.into_iter().map(|((table, why), (from, to, count))| NotLookedAt {
            what: format!("the rows of {table} in the lake, {count} partitions from position {from} to {to}"),
            why,
        })
    }
}
