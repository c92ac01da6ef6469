//! Past states that are forgotten, and what becomes of the versions that only they showed.
//!
//! First the states leave the list, in one batch that is synced; then what only they showed goes, in pieces. A crash between
//! the two leaves versions that nobody is shown, and the next time takes them.

use super::write::STATES;
use super::{Runs, keys, walk};
use crate::packed::unpacked;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode, Readable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::StoreError;

/// Removals that go into one batch, in memory until it is written.
const PIECE: usize = 16_384;

/// The states that somebody reads at the moment, and how many do.
#[derive(Debug, Default)]
pub struct InUse(BTreeMap<u64, usize>);

impl InUse {
    pub fn enter(&mut self, at: Position) {
        let readers = self.0.entry(at.0).or_default();
        *readers = readers.saturating_add(1);
    }

    pub fn leave(&mut self, at: Position) {
        if let Some(readers) = self.0.get_mut(&at.0) {
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                self.0.remove(&at.0);
            }
        }
    }
}

/// A state while somebody reads it: it stays.
pub struct Begun {
    runs: Arc<Runs>,
    at: Position,
}

impl Begun {
    /// The newest state at or before a position; the beginning, where nothing is, when there is none.
    pub fn before(runs: Arc<Runs>, position: Position) -> Result<Self, StoreError> {
        let mut in_use = runs.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let at = runs.state_before(position)?;
        in_use.enter(at);
        drop(in_use);
        Ok(Self { runs, at })
    }

    pub fn at(&self) -> Position {
        self.at
    }

    pub fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.runs.in_use.lock().unwrap_or_else(PoisonError::into_inner).leave(self.at);
    }
}

/// What has versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Rows,
    Marks,
}

/// One version of a value: the state it came with, and its bytes.
type Version = (u64, Vec<u8>);

/// Removals, as they gather.
struct Removals<'r> {
    runs: &'r Runs,
    batch: OwnedWriteBatch,
    pending: usize,
}

impl Runs {
    /// Forgets these states, as far as nobody reads them and they are not the newest.
    pub fn forget(&self, positions: &[Position]) -> Result<(), StoreError> {
        let kept = self.unlisted(positions)?;
        self.swept(Space::Rows, &kept)?;
        self.swept(Space::Marks, &kept)
    }

    /// Takes the states off the list; the rest of it.
    fn unlisted(&self, positions: &[Position]) -> Result<BTreeSet<u64>, StoreError> {
        // Held until the list is shorter: nobody begins with a state that is about to go.
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = self.states(Position(u64::MAX), Direction::Forward);
        let mut kept = listed.map(|at| at.map(|at| at.0)).collect::<Result<BTreeSet<_>, _>>()?;
        let newest = kept.last().copied();
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for Position(at) in positions {
            if Some(*at) != newest && !in_use.0.contains_key(at) && kept.remove(at) {
                batch.remove(&self.marks, [STATES, &at.to_be_bytes()].concat());
            }
        }
        self.commit(batch).map_err(|error| self.failed(error))?;
        Ok(kept)
    }

    fn space(&self, space: Space) -> &Keyspace {
        match space {
            Space::Rows => &self.rows,
            Space::Marks => &self.marks,
        }
    }

    /// Removes every version that no state of `kept` shows.
    fn swept(&self, space: Space, kept: &BTreeSet<u64>) -> Result<(), StoreError> {
        let snapshot = self.snapshot();
        let mut removals = Removals { runs: self, batch: self.database.batch(), pending: 0 };
        let mut name: Vec<u8> = vec![];
        let mut versions: Vec<Version> = vec![];
        for guard in snapshot.iter(self.space(space)) {
            let (written, value) = guard.into_inner().map_err(|error| self.failed(error))?;
            if *written == keys::FINGERPRINT || (space == Space::Marks && is_state(&written)) {
                continue;
            }
            let split = written.split_last_chunk::<{ walk::ENDING_BYTES }>();
            let (of, ending) = split.ok_or_else(|| self.damaged("a version without a state"))?;
            if *of != name[..] {
                removals.of_name(space, &name, &versions, kept)?;
                name = of.to_vec();
                versions.clear();
            }
            versions.push((!u64::from_be_bytes(*ending), value.to_vec()));
        }
        removals.of_name(space, &name, &versions, kept)?;
        removals.written()
    }
}

/// Whether an entry of the marks is one of the list of states.
fn is_state(written: &[u8]) -> bool {
    written.starts_with(STATES) && written.len() == STATES.len() + size_of::<u64>()
}

impl Removals<'_> {
    /// Removes the versions of one name, the newest first, that no kept state shows: a version is what the states show from
    /// its own on up to the next one's.
    fn of_name(
        &mut self,
        space: Space,
        name: &[u8],
        versions: &[Version],
        kept: &BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let newer = std::iter::once(None).chain(versions.iter().map(|(at, _)| Some(*at)));
        let shown =
            |at: u64, until: Option<u64>| until.is_none_or(|until| kept.range(at..until).next().is_some());
        let (stay, go): (Vec<_>, Vec<_>) =
            versions.iter().zip(newer).partition(|((at, _), until)| shown(*at, *until));
        if go.is_empty() {
            return Ok(());
        }
        let places = |of: &[(&Version, Option<u64>)]| -> Result<BTreeSet<Vec<u8>>, StoreError> {
            let mut all = BTreeSet::new();
            for ((_, packed), _) in of {
                all.extend(self.runs.places_of_packed(space, name, packed)?);
            }
            Ok(all)
        };
        let (left, still) = (places(&go)?, places(&stay)?);
        for ((at, _), _) in &go {
            self.batch.remove(self.runs.space(space), [name, &(!at).to_be_bytes()].concat());
        }
        for place in left.difference(&still) {
            self.batch.remove(&self.runs.places, place.clone());
        }
        self.pending = self.pending.saturating_add(go.len()).saturating_add(left.len());
        if self.pending >= PIECE {
            self.written()?;
        }
        Ok(())
    }

    fn written(&mut self) -> Result<(), StoreError> {
        let full = std::mem::replace(&mut self.batch, self.runs.database.batch());
        self.pending = 0;
        self.runs.commit(full).map_err(|error| self.runs.failed(error))
    }
}

impl Runs {
    /// Where a version of a row stands in the indexes; nowhere, when it is no row or the row was taken away.
    fn places_of_packed(&self, space: Space, name: &[u8], packed: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        if space == Space::Marks || packed.is_empty() {
            return Ok(vec![]);
        }
        let named = name.first_chunk::<2>().and_then(|bytes| self.tables.ordered(u16::from_be_bytes(*bytes)));
        let named = named.ok_or_else(|| self.damaged("a row of no table"))?;
        let row = unpacked(packed).ok_or_else(|| self.damaged("a row that can't be read"))?;
        Ok(self.places_of(&named, &row, name))
    }
}
