//! SQLite, in process (the amalgamation that rusqlite brings): write-ahead log, `synchronous = FULL`, so that every commit is
//! synced. Grouped by [`Group`], each group one transaction. The expected version is a uniqueness constraint on stream and
//! revision: what another writer was faster with is refused, a gap is not seen.

use crate::group::{Group, Keeper, Offer};
use crate::store::Store;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stele_bench_drive::load::{Subject, Writer};
use stele_bench_drive::pace::Following;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL, id BLOB NOT NULL,
    type TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (stream, revision))";
const INSERT: &str = "INSERT INTO events (stream, revision, id, type, data) VALUES (?1, ?2, ?3, ?4, ?5)";
const ALL: &str = "SELECT stream, revision, type, data FROM events ORDER BY position";
const ONE: &str = "SELECT id, type, data FROM events WHERE stream = ?1 ORDER BY revision";
const LAST: &str = "SELECT coalesce(max(position), 0) FROM events";

/// A connection that reads, and the keeper with the one that writes.
pub struct Sqlite {
    reading: Mutex<Connection>,
    group: Group,
}

struct Writing(Connection);

impl Keeper for Writing {
    fn keep(&mut self, offers: &[Offer]) -> anyhow::Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for offer in offers {
                for (revision, record) in (i64::try_from(offer.first())?..).zip(&offer.records) {
                    let (id, data) = (record.event_id.0.as_bytes(), &record.data[..]);
                    insert.execute((&offer.stream, revision, &id[..], &*record.event_type, data))?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Subject for Sqlite {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        self.group.keep(Offer::of(writer, batch)).await
    }
}

impl Store for Sqlite {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("events.db");
        let writing = Connection::open(&path)?;
        writing.pragma_update(None, "journal_mode", "WAL")?;
        writing.pragma_update(None, "synchronous", "FULL")?;
        writing.execute(TABLE, ())?;
        let reading = Mutex::new(Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        Ok(Self { reading, group: Group::start(Writing(writing))? })
    }

    fn events(&self) -> anyhow::Result<u64> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let last: i64 = reading.query_row(LAST, (), |row| row.get(0))?;
        Ok(u64::try_from(last)?)
    }

    /// Of what is in the page cache; SQLite has no checksum for each record.
    fn scan(&self) -> anyhow::Result<u64> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = reading.prepare_cached(ALL)?;
        let mut rows = all.query(())?;
        let (mut events, mut bytes) = (0, 0);
        while let Some(row) = rows.next()? {
            events += 1;
            bytes += row.get_ref(0)?.as_str()?.len() + row.get_ref(2)?.as_str()?.len();
            bytes += row.get_ref(3)?.as_blob()?.len();
        }
        std::hint::black_box(bytes);
        Ok(events)
    }

    fn stream(&self, name: &str) -> anyhow::Result<usize> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut one = reading.prepare_cached(ONE)?;
        let mut records: Vec<(Vec<u8>, String, Vec<u8>)> = vec![];
        for row in one.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
            records.push(row?);
        }
        Ok(records.len())
    }

    fn follow(self: &Arc<Self>, _events: u64, _began: Instant) -> Option<Following> {
        None
    }
}
