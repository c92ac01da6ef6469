//! fjall, in process: a key-value store, given what an event store needs. Three keyspaces in one atomic batch: records by
//! position, positions by stream and revision, and each stream's next revision, which is read and compared before a write.
//! Grouped by [`Group`], each group one batch that is made durable by `PersistMode::SyncData` (fdatasync).

use crate::group::{Group, Keeper, Offer};
use crate::store::Store;
use anyhow::Context;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::load::{Subject, Writer};
use stele_bench_drive::pace::Following;

/// The keyspaces.
#[derive(Clone)]
struct Spaces {
    database: Database,
    /// Position → name's length, name, type's length, type, id, data.
    events: Keyspace,
    /// Stream, a zero, revision → position.
    index: Keyspace,
    /// Stream → next revision.
    heads: Keyspace,
}

/// The database and its keeper.
pub struct Fjall {
    spaces: Spaces,
    group: Group,
}

struct Writing {
    spaces: Spaces,
    next: u64,
}

impl Keeper for Writing {
    fn keep(&mut self, offers: &[Offer]) -> anyhow::Result<()> {
        let Spaces { database, events, index, heads } = &self.spaces;
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        for offer in offers {
            let name = offer.stream.as_bytes();
            let at = heads.get(name)?.map_or(Ok(0), |head| number(&head))?;
            let first = offer.first();
            anyhow::ensure!(at == first, "stream {} is at {at} and not at {first}", offer.stream);
            for (revision, record) in (first..).zip(&offer.records) {
                let event_type = record.event_type.as_bytes();
                let mut value = Vec::with_capacity(64 + record.data.len());
                value.extend_from_slice(&u16::try_from(name.len())?.to_be_bytes());
                value.extend_from_slice(name);
                value.extend_from_slice(&u16::try_from(event_type.len())?.to_be_bytes());
                value.extend_from_slice(event_type);
                value.extend_from_slice(record.event_id.0.as_bytes());
                value.extend_from_slice(&record.data);
                batch.insert(events, self.next.to_be_bytes(), value);
                batch.insert(index, key(name, revision), self.next.to_be_bytes());
                self.next += 1;
            }
            let next = first + u64::try_from(offer.records.len())?;
            batch.insert(heads, name, next.to_be_bytes());
        }
        Ok(batch.commit()?)
    }
}

fn key(name: &[u8], revision: u64) -> Vec<u8> {
    [name, &[0], &revision.to_be_bytes()].concat()
}

fn number(bytes: &[u8]) -> anyhow::Result<u64> {
    Ok(u64::from_be_bytes(bytes.try_into().context("no number of eight bytes")?))
}

/// Reads name and type out of a record, and how many bytes it has.
fn looked_at(value: &[u8]) -> anyhow::Result<usize> {
    let text = |at: usize| -> anyhow::Result<&str> {
        let length = value.get(at..at + 2).and_then(<[u8]>::first_chunk).context("a length")?;
        let end = at + 2 + usize::from(u16::from_be_bytes(*length));
        Ok(std::str::from_utf8(value.get(at + 2..end).context("a text")?)?)
    };
    let name = text(0)?;
    let event_type = text(2 + name.len())?;
    anyhow::ensure!(!name.is_empty() && !event_type.is_empty(), "a record without a name");
    Ok(value.len())
}

impl Subject for Fjall {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        self.group.keep(Offer::of(writer, batch)).await
    }
}

impl Store for Fjall {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let database = Database::builder(directory).open()?;
        let spaces = Spaces {
            events: database.keyspace("events", KeyspaceCreateOptions::default)?,
            index: database.keyspace("index", KeyspaceCreateOptions::default)?,
            heads: database.keyspace("heads", KeyspaceCreateOptions::default)?,
            database,
        };
        let next = last(&spaces)? + 1;
        let group = Group::start(Writing { spaces: spaces.clone(), next })?;
        Ok(Self { spaces, group })
    }

    fn events(&self) -> anyhow::Result<u64> {
        last(&self.spaces)
    }

    fn scan(&self) -> anyhow::Result<u64> {
        let (mut events, mut bytes) = (0, 0);
        for guard in self.spaces.events.iter() {
            events += 1;
            bytes += looked_at(&guard.value()?)?;
        }
        std::hint::black_box(bytes);
        Ok(events)
    }

    fn stream(&self, name: &str) -> anyhow::Result<usize> {
        let mut records = vec![];
        for guard in self.spaces.index.prefix([name.as_bytes(), &[0]].concat()) {
            let position = guard.value()?;
            records.push(self.spaces.events.get(&position)?.context("a record is missing")?);
        }
        Ok(records.len())
    }

    fn follow(self: &Arc<Self>, _events: u64, _began: Instant) -> Option<Following> {
        None
    }
}

/// The last position; zero when there is none.
fn last(spaces: &Spaces) -> anyhow::Result<u64> {
    spaces.events.last_key_value().map_or(Ok(0), |guard| number(&guard.key()?))
}
