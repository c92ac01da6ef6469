//! Rows of a history wherever they are, in order and each once, while somebody else may move its partitions, out of the tables
//! or back. Every page says how many rows are gone: where that number is another one, it is looked anew where rows are, and
//! gone on behind the last row that was told.

use super::{ShelfOf, TierError, Tierer};
use std::time::Duration;
use stele_domain::operations::tiering::{Known, PartitionTiered, State};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Key, Row, ScanQuery};

/// How often in a row it is looked anew where rows are, with no row told in between.
const LOOKS_MAX: u32 = 16;

/// What is waited after a look without a row, once more after each.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Where the rows of a history are.
struct Places {
    /// How many the tables have dropped.
    cut_rows: u64,
    /// Where their oldest partition begins; `None` where they have none.
    oldest: Option<Position>,
    /// What is in the lake. It is read last: what was not in the tables any more is there.
    known: State,
}

/// Rows that are told, up to `to`.
struct Walk<F> {
    take: F,
    to: u64,
    /// All rows in front of it were told.
    position: u64,
    /// And those of it up to this key.
    key: Option<Key>,
    rows: u64,
}

/// How far a walk came.
enum Walked {
    /// To its end, or as far as was wanted.
    Through,
    /// To where rows have moved meanwhile.
    Moved,
}

impl Tierer {
    /// Hands on the rows of a history from one position up to another, by key, wherever they are: those that left the tables
    /// from the lake, the others from the tables, each once, also where partitions move meanwhile. At most some files' rows
    /// are in memory.
    ///
    /// # Errors
    ///
    /// [`TierError`]; [`TierError::Differs`] for a file of the lake that is not the one that was put there;
    /// [`TierError::Elsewhere`] when some of those that are to be told have left for another lake; [`TierError::Moving`] where
    /// they leave for it behind the first row that is told, and where partitions move all the time.
    pub async fn each_row(
        &self,
        table: &str,
        from: Position,
        to: Position,
        take: impl FnMut(&Row) -> bool,
    ) -> Result<(), TierError> {
        let history = ShelfOf::of(table)?;
        let mut walk = Walk { take, to: to.0, position: from.0, key: None, rows: 0 };
        let mut looks = 0_u32;
        loop {
            let before = walk.rows;
            let walked = match self.places(&history).await? {
                Some(places) => {
                    match self.is_here(&history, &places, (walk.position, walk.to)) {
                        // It is no answer to who was told rows already; who asks again gets it.
                        Err(TierError::Elsewhere { .. }) if before > 0 => {
                            return Err(TierError::Moving(table.to_owned()));
                        }
                        is_here => is_here?,
                    }
                    self.walked(&history, &places, &mut walk).await?
                }
                None => Walked::Moved,
            };
            match walked {
                Walked::Through => return Ok(()),
                Walked::Moved if walk.rows > before => looks = 0,
                Walked::Moved => looks = looks.saturating_add(1),
            }
            if looks >= LOOKS_MAX {
                return Err(TierError::Moving(table.to_owned()));
            }
            tokio::time::sleep(LOOK_PAUSE.saturating_mul(looks)).await;
        }
    }

    /// Where rows are; `None` where some have moved while it was asked.
    async fn places(&self, history: &ShelfOf) -> Result<Option<Places>, TierError> {
        let name = history.shelf.table.name;
        // On both sides of the number. One that comes back and leaves again has no other number of rows in the end, and whoever
        // saw it in between would look for its rows where they are no more.
        let before = self.oldest(name).await?;
        let cut_rows = self.tables.scan(name, &ScanQuery::by_key(1)).await?.cut_rows;
        let oldest = self.oldest(name).await?;
        if before != oldest {
            return Ok(None);
        }
        Ok(Some(Places { cut_rows, oldest, known: self.facts.known().await? }))
    }

    /// Where the oldest partition of a table begins; `None` where it has none.
    async fn oldest(&self, table: &str) -> Result<Option<Position>, TierError> {
        let live = self.histories.partitions(None).await?;
        Ok(live.iter().filter(|one| one.table == table).map(|one| one.from).min())
    }

    /// Refuses rows that have left for another lake.
    fn is_here(&self, history: &ShelfOf, places: &Places, (from, to): (u64, u64)) -> Result<(), TierError> {
        let is_elsewhere = |Known { tiered: PartitionTiered { span, lake, .. }, .. }: &&Known| {
            span.table == history.shelf.table.name
                && span.version == history.shelf.version
                && lake != self.lake.url()
                && span.to_position > from
                && span.from_position < to
                && places.has_left(span.to_position)
        };
        let elsewhere: Vec<&Known> = places.known.all().filter(is_elsewhere).collect();
        let Some(first) = elsewhere.first() else { return Ok(()) };
        let partitions = u64::try_from(elsewhere.len()).unwrap_or(u64::MAX);
        let (lake, here) = (first.tiered.lake.clone(), self.lake.url().to_owned());
        Err(TierError::Elsewhere { partitions, lake, here })
    }

    async fn walked<F: FnMut(&Row) -> bool>(
        &self,
        history: &ShelfOf,
        places: &Places,
        walk: &mut Walk<F>,
    ) -> Result<Walked, TierError> {
        for tiered in self.tiered_from(history, &places.known, Position(walk.position)) {
            let PartitionTiered { span, .. } = &tiered;
            // What is in the tables is told from there.
            if !places.has_left(span.to_position) || span.from_position >= walk.to {
                continue;
            }
            let files = self.manifest(&tiered).await?.files;
            let (from, to) = (walk.position, walk.to);
            let wanted: Vec<_> =
                files.into_iter().filter(|file| file.last >= from && file.first < to).collect();
            let mut groups = self.groups(history, span, &wanted);
            while let Some(rows) = groups.next().await? {
                if !walk.tell(history, &rows) {
                    return Ok(Walked::Through);
                }
            }
            walk.passes(span.to_position);
        }
        let from = places.oldest.unwrap_or(Position(walk.to)).max(Position(walk.position));
        let mut pages = self.pages(history, from, Position(walk.to));
        while let Some(rows) = pages.next().await? {
            // What has left since is missing in it.
            if pages.cut_rows() != places.cut_rows {
                return Ok(Walked::Moved);
            }
            if !walk.tell(history, &rows) {
                break;
            }
        }
        Ok(Walked::Through)
    }
}

impl Places {
    /// Whether a partition that ends there is in the tables no more.
    fn has_left(&self, to: u64) -> bool {
        self.oldest.is_none_or(|oldest| to <= oldest.0)
    }
}

impl<F: FnMut(&Row) -> bool> Walk<F> {
    /// Tells what was not told yet of some rows, which come by key; whether more are wanted.
    fn tell(&mut self, history: &ShelfOf, rows: &[Row]) -> bool {
        let table = history.shelf.table;
        for row in rows {
            let at = u64::try_from(table.position_of(row)).unwrap_or_default();
            if !(self.position..self.to).contains(&at) {
                continue;
            }
            let key = table.key_of(row);
            if at == self.position && self.key.as_ref().is_some_and(|told| key <= *told) {
                continue;
            }
            (self.position, self.key) = (at, Some(key));
            self.rows = self.rows.saturating_add(1);
            if !(self.take)(row) {
                return false;
            }
        }
        true
    }

    /// Notes that all rows in front of a position were told.
    fn passes(&mut self, position: u64) {
        if position > self.position {
            (self.position, self.key) = (position, None);
        }
    }
}
