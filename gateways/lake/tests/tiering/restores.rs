//! The way back out of the lake.

use crate::desk::{Desk, MILLION, quotes};
use crate::support::memory;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::BlobName;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, Row, StoreError};
use stele_domain::port::tiering::{Histories, HistoryLake as _, KeptDigest, Look, Partition};
use stele_lake::history::HistoryTables;
use stele_projections::tier::{Outcome, ShelfOf, TierError};

const HOUR_MS: i64 = 3_600_000;

async fn gone() -> Desk {
    let desk = Desk::of_quotes(memory(), 3).await;
    desk.run(&quotes()).await;
    assert_eq!(desk.live("quotes").await.1, 26);
    desk
}

#[tokio::test]
async fn partitions_come_back_as_they_were_are_held_and_leave_again() {
    let desk = gone().await;
    let restored = desk.tierer().restore("quotes", Position(MILLION + 5), HOUR_MS, |_| ()).await.unwrap();
    let from: Vec<u64> = restored.partitions.iter().map(|one| one.span.from_position / MILLION).collect();
    assert_eq!(from, [2, 1], "newest first, from the one that was asked for on");
    let (live, cut) = desk.live("quotes").await;
    assert!(live == desk.rows["quotes"][8..], "the rows as they were");
    assert_eq!(cut, 8);
    desk.is_whole("quotes").await;
    let held = desk.ran("quotes", &quotes()).await;
    assert!(
        matches!(held[..], [(1, Outcome::Held(_)), (2, Outcome::Held(_)), (3, Outcome::Stays)]),
        "{held:?}"
    );
    assert_eq!(desk.facts_of("operations.PartitionRestored").await, 2);
    desk.clock.pass(HOUR_MS + 1);
    assert_eq!(
        desk.ran("quotes", &quotes()).await,
        [(1, Outcome::Left), (2, Outcome::Left), (3, Outcome::Stays)]
    );
    desk.is_whole("quotes").await;
    // And back once more.
    desk.tierer().restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap();
    assert_eq!(desk.live("quotes").await.1, 0);
    desk.is_whole("quotes").await;
}

#[tokio::test]
async fn rows_that_come_back_are_found_by_every_index_and_new_ones_go_on() {
    let mut desk = gone().await;
    desk.tierer().restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap();
    let mut connection = desk.database.connect("stele_owner").await;
    let indexes = "SELECT count(*) FROM pg_index AS i WHERE i.indrelid = 'read_model.quotes_p0'::regclass AND i.indisvalid \
         AND EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid)";
    let of_new = indexes.replace("quotes_p0", "quotes_p3000000");
    let count = async |sql: String, connection: &mut sqlx::PgConnection| {
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
    };
    let of_new = count(of_new, &mut connection).await;
    assert!(of_new >= 2);
    assert_eq!(count(indexes.to_owned(), &mut connection).await, of_new);
    desk.fill(crate::desk::registered("quotes"), &[3_500_000], 3_600_000).await;
    desk.is_whole("quotes").await;
}

#[tokio::test]
async fn what_the_lake_does_not_have_whole_is_not_shown() {
    let desk = gone().await;
    let shelf = ShelfOf::of("quotes").unwrap().shelf;
    let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
    let files = lake.files(shelf, Position(MILLION), Position(2 * MILLION)).await.unwrap();
    let name = BlobName::new(&files[0].path).unwrap();
    let mut bytes = desk.blobs.get(&name).await.unwrap();
    bytes[40] ^= 4;
    desk.blobs.replace(&name, bytes).await.unwrap();
    let refused = desk.tierer().restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap_err();
    assert!(
        matches!(&refused, TierError::Differs(_)) && refused.to_string().contains(&files[0].path),
        "{refused}"
    );
    // The newest one is back, the damaged one and what is older are where they were.
    let (live, cut) = desk.live("quotes").await;
    assert_eq!((live.len(), cut), (10, 17));
    let unread = desk.tierer().each_row("quotes", Position::START, Position(9 * MILLION), |_| true).await;
    assert!(matches!(unread, Err(TierError::Differs(_))), "{unread:?}");
}

#[tokio::test]
async fn a_restore_that_was_cut_short_begins_anew_and_what_was_half_there_is_seen_by_nobody() {
    let desk = gone().await;
    desk.store.begin_restore("quotes", Position(2 * MILLION), Position(3 * MILLION)).await.unwrap();
    let some = desk.rows["quotes"][17..20].to_vec();
    desk.store.restore_rows("quotes", some).await.unwrap();
    assert_eq!(desk.live("quotes").await, (desk.rows["quotes"][26..].to_vec(), 26));
    let (from, to) = (Position(2 * MILLION), Position(3 * MILLION));
    let mut seen = vec![];
    let mut look = |row: Option<&Row>| {
        seen.extend(row.cloned());
        Ok(())
    };
    let short = desk.store.finish_restore("quotes", from, to, 9, &mut look).await;
    assert!(short.unwrap_err().to_string().contains("3 rows came back"));
    assert!(seen == desk.rows["quotes"][17..20], "as they stand, by key");
    desk.tierer().restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap();
    assert_eq!(desk.live("quotes").await.1, 0);
    desk.is_whole("quotes").await;
}

/// Histories that write one row down as another one.
struct Garbling(Arc<dyn Histories>);

/// Its position, in the second partition.
const GARBLED: u64 = MILLION + 3;

impl Histories for Garbling {
    fn partitions(&self, older_than_s: Option<u64>) -> PortFuture<'_, Result<Vec<Partition>, StoreError>> {
        self.0.partitions(older_than_s)
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        kept: &'a [KeptDigest],
    ) -> PortFuture<'a, Result<bool, StoreError>> {
        self.0.drop_partition(partition, kept)
    }

    fn begin_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        self.0.begin_restore(table, from, to)
    }

    fn restore_rows<'a>(
        &'a self,
        table: &'a str,
        mut rows: Vec<Row>,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        for row in rows.iter_mut().filter(|row| row.0[0] == Cell::Int(GARBLED as i64)) {
            for cell in row.0.iter_mut().filter(|cell| matches!(cell, Cell::Text(_))) {
                *cell = Cell::text("garbled");
            }
        }
        self.0.restore_rows(table, rows)
    }

    fn finish_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
        rows: u64,
        look: &'a mut Look<'a>,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        self.0.finish_restore(table, from, to, rows, look)
    }
}

/// The files are whole, and so many rows came: only what they come to tells.
#[tokio::test]
async fn rows_that_stand_in_the_tables_otherwise_than_they_were_kept_are_never_shown_and_don_t_stay() {
    let desk = gone().await;
    let garbling = Arc::new(Garbling(desk.store.clone()));
    let tierer = desk.over(desk.blobs.clone(), desk.facts(), garbling);
    let refused = tierer.restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap_err();
    assert!(matches!(refused, TierError::Differs(_)), "{refused}");
    assert!(refused.to_string().contains("quotes from 1000000 to 2000000, in the tables"), "{refused}");
    // The newest one is back; of the other one nobody sees a row, and none is left where they were written.
    assert_eq!(desk.live("quotes").await, (desk.rows["quotes"][17..].to_vec(), 17));
    desk.is_whole("quotes").await;
    let mut connection = desk.database.connect("stele_owner").await;
    let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM read_model.quotes_restoring");
    assert_eq!(left.fetch_one(&mut connection).await.unwrap(), 0);
    assert_eq!(desk.facts_of("operations.PartitionRestored").await, 1);
    desk.tierer().restore("quotes", Position(0), HOUR_MS, |_| ()).await.unwrap();
    assert_eq!(desk.live("quotes").await.1, 0);
    desk.is_whole("quotes").await;
}

#[tokio::test]
async fn what_was_never_in_the_lake_can_t_come_back() {
    let desk = Desk::of_quotes(memory(), 1).await;
    let refused = desk.tierer().restore("quotes", Position(5), HOUR_MS, |_| ()).await.unwrap_err();
    assert!(matches!(refused, TierError::NotTiered { .. }), "{refused}");
    let refused = desk.tierer().restore("services", Position(5), HOUR_MS, |_| ()).await.unwrap_err();
    assert!(matches!(refused, TierError::NoHistory(_)), "{refused}");
    // A partition in the middle of what is there can't be made either.
    let refused =
        desk.store.begin_restore("quotes", Position(MILLION), Position(2 * MILLION)).await.unwrap_err();
    assert!(refused.to_string().contains("can't come back in front of it"), "{refused}");
}
