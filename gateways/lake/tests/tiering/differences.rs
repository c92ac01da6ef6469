//! Rows that are not what was kept of them, in the tables and in the lake: named, and not taken away.

use crate::desk::{Desk, MILLION, quotes};
use crate::support::memory;
use std::sync::Arc;
use stele_blob_store::{Address, Options, open_changing};
use stele_domain::port::blob_store::BlobName;
use stele_domain::port::event_log::Position;
use stele_domain::port::tiering::HistoryLake as _;
use stele_lake::history::HistoryTables;
use stele_projections::tier::{Asked, Outcome, ShelfOf, TierError, Verified, Where};

async fn three() -> Desk {
    Desk::of_quotes(memory(), 3).await
}

fn differs(outcome: &Outcome, place: Where, word: &str) {
    let Outcome::Differs(difference) = outcome else { panic!("{outcome:?}") };
    let said = difference.to_string();
    assert!(difference.place == place && said.contains(word) && said.contains("quotes"), "{said}");
}

#[tokio::test]
async fn a_partition_whose_rows_somebody_changed_is_named_and_stays_with_all_that_are_newer() {
    for (touched, word) in [
        ("UPDATE read_model.quotes SET detail = 'other' WHERE position = 1250000", "part 1 of quotes"),
        ("DELETE FROM read_model.quotes WHERE position = 1250000", "8 rows"),
        (
            "INSERT INTO read_model.quotes SELECT 1250001, quote_id, pair, kind, detail, frame, received_at, recorded_at \
             FROM read_model.quotes WHERE position = 1250000",
            "10 rows",
        ),
        (
            "UPDATE read_model.digests SET value = repeat('x', 32)::bytea WHERE table_name = 'quotes' AND part = 1",
            "part 1",
        ),
    ] {
        let desk = three().await;
        desk.database.run("stele_app", touched).await.unwrap();
        let outcomes = desk.ran("quotes", &quotes()).await;
        assert_eq!(outcomes[0], (0, Outcome::Left));
        differs(&outcomes[1].1, Where::Tables, word);
        assert!(
            matches!(&outcomes[2].1, Outcome::Blocked(why) if why.contains("quotes_p1000000")),
            "{touched}"
        );
        assert_eq!(desk.live("quotes").await.1, 8, "nothing of it left: {touched}");
        // Nothing of it is in the lake either.
        let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
        let shelf = ShelfOf::of("quotes").unwrap().shelf;
        assert_eq!(lake.position(shelf).await.unwrap(), Position(MILLION - 1));
    }
}

#[tokio::test]
async fn rows_that_change_after_they_went_to_the_lake_do_not_leave() {
    let desk = three().await;
    desk.run(&Asked { keep: true, ..quotes() }).await;
    let touched = "UPDATE read_model.quotes SET detail = 'other' WHERE position = 1";
    desk.database.run("stele_app", touched).await.unwrap();
    differs(&desk.ran("quotes", &quotes()).await[0].1, Where::Tables, "part 0");
    assert_eq!(desk.live("quotes").await.1, 0);
}

#[tokio::test]
async fn files_that_are_lost_changed_or_added_in_the_lake_are_named_and_keep_their_rows_in_the_tables() {
    for (spoiled, word) in [
        ("flipped", "not those that were put"),
        ("lost", "there is no"),
        ("manifest", "not what the log says"),
    ] {
        let desk = three().await;
        desk.run(&Asked { keep: true, ..quotes() }).await;
        let shelf = ShelfOf::of("quotes").unwrap().shelf;
        let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
        let files = lake.files(shelf, Position(MILLION), Position(2 * MILLION)).await.unwrap();
        let name = BlobName::new(&files[1].path).unwrap();
        match spoiled {
            "flipped" => {
                let mut bytes = desk.blobs.get(&name).await.unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                desk.blobs.replace(&name, bytes).await.unwrap();
            }
            "lost" => desk.blobs.remove(&name).await.unwrap(),
            _ => {
                let under = BlobName::new("history/manifests").unwrap();
                let all = desk.blobs.list(&under, None, 100).await.unwrap();
                let second =
                    all.iter().find(|entry| entry.name.as_str().contains("quotes.v1-00000000000001000000"));
                desk.blobs.replace(&second.unwrap().name, b"{}".to_vec()).await.unwrap();
            }
        }
        let Verified { sound, different, .. } = desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap();
        assert_eq!((sound.len(), different.len()), (2, 1), "{spoiled}");
        assert!(different[0].to_string().contains(word), "{spoiled}: {}", different[0]);
        let outcomes = desk.ran("quotes", &quotes()).await;
        assert_eq!(outcomes[0], (0, Outcome::Left));
        differs(&outcomes[1].1, Where::Lake, word);
        assert!(matches!(outcomes[2].1, Outcome::Blocked(_)));
        assert_eq!(desk.live("quotes").await.0.len(), 9 + 9 + 1, "{spoiled}: they stay");
    }
}

#[tokio::test]
async fn what_left_is_verified_too_and_all_of_it() {
    let desk = three().await;
    desk.run(&quotes()).await;
    let Verified { sound, different, .. } = desk.tierer().verify(None, |_| ()).await.unwrap();
    assert_eq!(different, []);
    assert_eq!(sound.iter().filter(|one| one.span.table == "quotes").map(|one| one.rows).sum::<u64>(), 26);
    let shelf = ShelfOf::of("quotes").unwrap().shelf;
    let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
    let files = lake.files(shelf, Position::START, Position(MILLION)).await.unwrap();
    desk.blobs.remove(&BlobName::new(&files[0].path).unwrap()).await.unwrap();
    let different = desk.tierer().verify(None, |_| ()).await.unwrap().different;
    assert_eq!(different.len(), 1);
    assert!(different[0].to_string().contains("quotes from 0 to 1000000, in the lake"), "{}", different[0]);
}

/// Somebody changes a byte in the newest file of the lake's quotes between two positions.
async fn spoil(desk: &Desk, from: u64, to: u64) {
    let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
    let shelf = ShelfOf::of("quotes").unwrap().shelf;
    let files = lake.files(shelf, Position(from), Position(to)).await.unwrap();
    let name = BlobName::new(&files.last().unwrap().path).unwrap();
    let mut bytes = desk.blobs.get(&name).await.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    desk.blobs.replace(&name, bytes).await.unwrap();
}

/// What the runbook has an operator do with what is spoiled: the folder of the quotes and its manifests go elsewhere.
async fn move_aside(desk: &Desk) {
    for (under, prefix) in
        [("history/quotes.v1", "history/quotes.v1/"), ("history/manifests", "history/manifests/quotes.v1-")]
    {
        let all = desk.blobs.list(&BlobName::new(under).unwrap(), None, 1_000).await.unwrap();
        let moved: Vec<_> = all.iter().filter(|entry| entry.name.as_str().starts_with(prefix)).collect();
        assert!(!moved.is_empty(), "{under}");
        for entry in moved {
            let bytes = desk.blobs.get(&entry.name).await.unwrap();
            let aside = BlobName::new(&format!("spoiled/{}", entry.name.as_str())).unwrap();
            desk.blobs.replace(&aside, bytes).await.unwrap();
            desk.blobs.remove(&entry.name).await.unwrap();
        }
    }
}

/// Of three partitions the oldest may leave, and the others go to the lake and stay.
async fn only_the_oldest_may_leave(desk: &Desk) {
    let policy = "UPDATE read_model.storage_policy SET keep_rows = 15 WHERE table_name = 'quotes'";
    desk.database.run("stele_owner", policy).await.unwrap();
}

const OLDEST_LEFT: [(u64, Outcome); 4] =
    [(0, Outcome::Left), (1, Outcome::Tiered), (2, Outcome::Tiered), (3, Outcome::Stays)];

#[tokio::test]
async fn what_was_spoiled_in_the_lake_and_moved_aside_is_put_there_anew_from_the_tables() {
    for keep in [true, false] {
        let desk = three().await;
        let kept = Asked { keep: true, ..quotes() };
        desk.run(&kept).await;
        spoil(&desk, MILLION, 2 * MILLION).await;
        assert_eq!(desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap().different.len(), 1);
        move_aside(&desk).await;
        assert_eq!(desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap().different.len(), 3);
        // Rows that somebody changed meanwhile do not go there.
        let changed = "UPDATE read_model.quotes SET pair = 'x' || pair WHERE position = 2";
        let back = "UPDATE read_model.quotes SET pair = substr(pair, 2) WHERE position = 2";
        desk.database.run("stele_app", changed).await.unwrap();
        differs(&desk.ran("quotes", &kept).await[0].1, Where::Tables, "part 0");
        desk.database.run("stele_app", back).await.unwrap();

        let outcome = if keep { Outcome::Tiered } else { Outcome::Left };
        let expected = [(0, outcome.clone()), (1, outcome.clone()), (2, outcome), (3, Outcome::Stays)];
        assert_eq!(desk.ran("quotes", &Asked { keep, ..quotes() }).await, expected);
        let told = desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap();
        assert_eq!((told.sound.len(), told.different), (3, vec![]));
        desk.is_whole("quotes").await;
        desk.ran("quotes", &quotes()).await;
        assert_eq!(desk.live("quotes").await.1, 26);
        desk.is_whole("quotes").await;
    }
}

/// What is there and is not right is never put right by itself, nor told to be in both.
#[tokio::test]
async fn a_manifest_that_is_another_differs_even_where_nothing_is_to_leave() {
    let desk = three().await;
    let kept = Asked { keep: true, ..quotes() };
    desk.run(&kept).await;
    let under = BlobName::new("history/manifests").unwrap();
    for entry in desk.blobs.list(&under, None, 100).await.unwrap() {
        desk.blobs.replace(&entry.name, b"{}".to_vec()).await.unwrap();
    }
    let outcomes = desk.ran("quotes", &kept).await;
    differs(&outcomes[0].1, Where::Lake, "not what the log says");
    assert!(matches!(outcomes[1].1, Outcome::Blocked(_)), "{outcomes:?}");
}

#[tokio::test]
async fn what_left_and_was_moved_aside_comes_back_from_the_log_before_anything_newer_goes_there_anew() {
    let mut desk = three().await;
    only_the_oldest_may_leave(&desk).await;
    assert_eq!(desk.ran("quotes", &quotes()).await, OLDEST_LEFT);
    spoil(&desk, 0, MILLION).await;
    move_aside(&desk).await;
    let outcomes = desk.ran("quotes", &quotes()).await;
    differs(&outcomes[0].1, Where::Lake, "rows from 0 to 1000000, which are older");
    let lake = HistoryTables::new(desk.blobs.clone(), desk.clock.clone());
    let shelf = ShelfOf::of("quotes").unwrap().shelf;
    assert_eq!(lake.position(shelf).await.unwrap(), Position::START, "nothing newer took its place");
    // The tables are folded anew.
    let log = Arc::clone(&desk.log);
    desk.again(desk.blobs.clone(), 3).await;
    desk.log = log;
    assert_eq!(desk.ran("quotes", &quotes()).await, OLDEST_LEFT);
    let told = desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap();
    assert_eq!((told.sound.len(), told.different), (3, vec![]));
    desk.is_whole("quotes").await;
}

#[tokio::test]
async fn who_verifies_is_told_what_was_not_looked_at() {
    let desk = three().await;
    only_the_oldest_may_leave(&desk).await;
    assert_eq!(desk.ran("quotes", &quotes()).await, OLDEST_LEFT);
    let refused = desk.tierer().verify(Some("quotez"), |_| ()).await.unwrap_err();
    assert!(matches!(refused, TierError::NoHistory(_)), "{refused}");
    let place = tempfile::tempdir().unwrap();
    let options = Options { shared: true, ..Options::default() };
    let blobs = open_changing(&Address::Directory(place.path().to_owned()), &options).unwrap();
    let other = desk.over(blobs, desk.facts(), desk.store.clone());
    let refused = other.verify(Some("quotes"), |_| ()).await.unwrap_err();
    assert!(matches!(&refused, TierError::Elsewhere { partitions: 3, .. }), "{refused}");
    // The two that are still in the tables go to the other lake too.
    other.run(&quotes()).await.unwrap();
    let told = other.verify(Some("quotes"), |_| ()).await.unwrap();
    assert_eq!((told.sound.len(), told.different.len()), (2, 0));
    assert_eq!((told.in_other_lakes, told.of_other_definitions), (1, 0));
    // Whoever asks for rows is not handed a history with a hole.
    let unread = other.each_row("quotes", Position::START, Position(9 * MILLION), |_| panic!("a row")).await;
    assert!(matches!(&unread, Err(TierError::Elsewhere { partitions: 1, .. })), "{unread:?}");
    other.each_row("quotes", Position(MILLION), Position(9 * MILLION), |_| true).await.unwrap();
}

/// The owner's function looks by itself: whoever calls it with less than what is kept takes nothing away.
#[tokio::test]
async fn nobody_takes_a_partition_away_with_other_digests_or_out_of_order() {
    let desk = three().await;
    let with = |from: u64, values: &str| {
        format!(
            "SELECT read_model.drop_tiered('quotes', {from}, {}, '{{quotes}}', ARRAY(SELECT projection FROM read_model.digests \
             WHERE table_name = 'quotes' AND part = {part}), ARRAY(SELECT part FROM read_model.digests WHERE table_name = 'quotes' \
             AND part = {part}), ARRAY(SELECT rows FROM read_model.digests WHERE table_name = 'quotes' AND part = {part}), {values})",
            from + MILLION,
            part = from / MILLION,
        )
    };
    let right = |part: u64| {
        format!("ARRAY(SELECT value FROM read_model.digests WHERE table_name = 'quotes' AND part = {part})")
    };
    for (call, word) in [
        (with(0, "ARRAY['x'::bytea]"), "is not the one that was compared"),
        (
            "SELECT read_model.drop_tiered('quotes', 0, 1000000, '{quotes}', '{}', '{}', '{}', '{}')"
                .to_owned(),
            "is not the one",
        ),
        (with(MILLION, &right(1)), "is not the oldest"),
        (with(0, &right(0)).replace("'{quotes}'", "'{quotes,prices}'"), "still writes"),
    ] {
        let refused = desk.database.run("stele_app", &call).await.unwrap_err().to_string();
        assert!(refused.contains(word), "{call}: {refused}");
    }
    desk.is_whole("quotes").await;
    desk.database.run("stele_app", &with(0, &right(0))).await.unwrap();
    assert_eq!(desk.live("quotes").await.1, 8);
}
