//! Every time series of the product: partitioned, compressed and tiered, by what the migrations say and by what happens.

use crate::desk::{Desk, MILLION, due, nine_in_each};
use crate::server::server;
use parquet::basic::Compression;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};
use stele_domain::port::blob_store::BlobName;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::DIGEST_PART;
use stele_domain::port::tiering::HistoryLake as _;
use stele_lake::history::{HistoryTables, folder};
use stele_projections::models;
use stele_projections::tier::{Asked, Outcome, shelves};

/// What a migration declares must be whole: partitioned by position, an age for each step, in the order of the steps, and
/// whole parts of digests in each partition. And there is no history without it, nor a declaration without a history.
#[tokio::test]
async fn every_history_declares_how_it_is_partitioned_compressed_and_tiered() {
    let database = server().await.database().await;
    let mut connection = database.connect("stele_app").await;
    let declared = sqlx::query(
        "SELECT p.table_name, p.partition_span, p.compress_after <= p.tier_after, \
         pg_get_partkeydef(format('read_model.%I', p.table_name)::regclass) = 'RANGE (\"position\")', \
         p.time_column FROM read_model.storage_policy AS p",
    );
    let mut names = BTreeSet::new();
    for row in declared.fetch_all(&mut connection).await.unwrap() {
        let name: String = row.get(0);
        let span = u64::try_from(row.get::<i64, _>(1)).unwrap();
        assert!(
            span > 0 && span.is_multiple_of(DIGEST_PART),
            "{name}: partition_span => {span} in its migration is no multiple of {DIGEST_PART}, so it never goes to the lake"
        );
        for at in 2..4 {
            assert_eq!(row.get::<Option<bool>, _>(at), Some(true), "{name}, column {at}");
        }
        assert_eq!(row.get::<&str, _>(4), "recorded_at", "{name}: the lake's dates are of this column");
        names.insert(name);
    }
    let partitioned = sqlx::query(
        "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'read_model' AND c.relkind = 'p'",
    );
    let partitioned = partitioned.fetch_all(&mut connection).await.unwrap();
    let partitioned: BTreeSet<String> = partitioned.iter().map(|row| row.get(0)).collect();
    assert_eq!(partitioned, names);
    let append_only = models::tables().filter(|table| table.append_only).map(|table| table.name.to_owned());
    assert_eq!(append_only.collect::<BTreeSet<_>>(), names);
    let tiered: BTreeSet<String> = shelves().iter().map(|one| one.shelf.table.name.to_owned()).collect();
    assert_eq!(tiered, names);
}

#[tokio::test]
async fn every_history_goes_to_the_lake_compressed_and_leaves_and_no_row_is_lost_or_doubled() {
    let mut desk = Desk::new().await;
    for projection in models::ALL {
        desk.fill(projection, &nine_in_each(3), 3 * MILLION + 7).await;
    }
    let first = desk.run(&Asked { keep: true, ..due() }).await;
    let mut outcomes: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
    for done in first {
        outcomes.entry(done.partition.table).or_default().push(done.outcome);
    }
    assert_eq!(outcomes.len(), shelves().len());
    for (table, outcomes) in outcomes {
        assert_eq!(outcomes, [Outcome::Tiered, Outcome::Tiered, Outcome::Tiered, Outcome::Stays], "{table}");
        desk.is_whole(table).await;
    }
    let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
    for shelf in shelves() {
        let table = shelf.shelf.table;
        let left = desk.ran(table.name, &Asked { table: Some(table.name.to_owned()), ..due() }).await;
        let expected = [Outcome::Left, Outcome::Left, Outcome::Left, Outcome::Stays];
        assert_eq!(
            left.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(),
            expected,
            "{}",
            table.name
        );
        desk.is_whole(table.name).await;
        let (live, cut) = desk.live(table.name).await;
        let all = desk.rows[table.name].len();
        assert_eq!((live.len(), cut as usize), (all / 27, all - all / 27), "{}", table.name);
        let files = lake.files(shelf.shelf, Position::START, Position(3 * MILLION)).await.unwrap();
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), cut, "{}", table.name);
        for file in files {
            assert!(file.path.starts_with(&folder(shelf.shelf)) && file.path.ends_with(".zstd.parquet"));
            let bytes = desk.blobs.get(&BlobName::new(&file.path).unwrap()).await.unwrap();
            let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
            let groups = reader.metadata().row_groups().iter();
            for column in groups.flat_map(RowGroupMetaData::columns) {
                assert!(matches!(column.compression(), Compression::ZSTD(_)), "{}", file.path);
            }
        }
    }
    assert_eq!(desk.facts_of("operations.PartitionTiered").await, 3 * shelves().len());
}

#[tokio::test]
async fn what_is_young_or_written_into_or_kept_by_its_policy_stays() {
    let desk = Desk::of_quotes(crate::support::memory(), 2).await;
    let policy = async |set: &str| {
        let set = format!("UPDATE read_model.storage_policy SET {set} WHERE table_name = 'quotes'");
        desk.database.run("stele_owner", &set).await.unwrap();
    };
    policy("compress_after = '200 days'").await;
    let stays = [(0, Outcome::Stays), (1, Outcome::Stays), (2, Outcome::Stays)];
    assert_eq!(desk.ran("quotes", &due()).await, stays);
    // Old enough for the lake, and nothing leaves that no retention lets go.
    policy("compress_after = '1 day', retention = NULL").await;
    let tiered = [(0, Outcome::Tiered), (1, Outcome::Tiered), (2, Outcome::Stays)];
    assert_eq!(desk.ran("quotes", &due()).await, tiered);
    policy("retention = '1 day', tier_after = '200 days'").await;
    let both = [(0, Outcome::Both), (1, Outcome::Both), (2, Outcome::Stays)];
    assert_eq!(desk.ran("quotes", &due()).await, both);
    // Of nineteen rows eighteen are old; what is newer than the first partition has ten.
    policy("tier_after = '1 day', keep_rows = 10").await;
    let one_left = [(0, Outcome::Left), (1, Outcome::Both), (2, Outcome::Stays)];
    assert_eq!(desk.ran("quotes", &due()).await, one_left);
    assert_eq!(desk.ran("quotes", &due()).await, one_left[1..]);
    desk.is_whole("quotes").await;
}

#[tokio::test]
async fn partitions_whose_edges_are_not_those_of_digests_stay() {
    let mut desk = Desk::new().await;
    let odd = "UPDATE read_model.storage_policy SET partition_span = 1500000";
    desk.database.run("stele_owner", odd).await.unwrap();
    desk.fill(crate::desk::registered("quotes"), &nine_in_each(4), 4 * MILLION + 7).await;
    let outcomes = desk.ran("quotes", &due()).await;
    let Outcome::Blocked(why) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    for words in ["no multiples of 1000000", "set partition_span of quotes in read_model.storage_policy"] {
        assert!(why.contains(words), "{why}");
    }
    assert!(outcomes.iter().all(|(_, outcome)| *outcome != Outcome::Left && *outcome != Outcome::Tiered));
    desk.is_whole("quotes").await;
}
