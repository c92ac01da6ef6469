//! The rules.

use crate::fixture::{
    NOTES, OTHERS, Open, SCHEMAS, STEPS, STEPS_KEPT, THINGS, awkward, batch, gone, key, named, put, step,
    thing,
};
use crate::{digests, queries};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Cell, Change, Key, ReadStore, Row, ScanQuery, StoreError};

type Store = Arc<dyn ReadStore>;
type Rule = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every rule, each on a store of its own.
pub const RULES: &[(&str, Rule)] = &[
    ("a_row_comes_back_as_it_was_put", |s| Box::pin(a_row_comes_back_as_it_was_put(s))),
    ("a_bad_batch_changes_nothing", |s| Box::pin(a_bad_batch_changes_nothing(s))),
    ("a_second_runner_is_told_and_changes_nothing", |s| {
        Box::pin(a_second_runner_is_told_and_changes_nothing(s))
    }),
    ("of_two_runners_at_once_one_wins_every_time", |s| {
        Box::pin(of_two_runners_at_once_one_wins_every_time(s))
    }),
    ("batches_of_several_projections_are_kept_in_one_call", |s| {
        Box::pin(batches_of_several_projections_are_kept_in_one_call(s))
    }),
    ("another_version_is_refused", |s| Box::pin(another_version_is_refused(s))),
    ("a_projection_writes_its_own_and_shared_tables_only", |s| {
        Box::pin(a_projection_writes_its_own_and_shared_tables_only(s))
    }),
    ("a_written_row_of_an_append_only_table_stays", |s| {
        Box::pin(a_written_row_of_an_append_only_table_stays(s))
    }),
    ("a_history_keeps_at_least_its_newest_rows", |s| Box::pin(a_history_keeps_at_least_its_newest_rows(s))),
    ("rows_are_loaded_in_the_order_asked", |s| Box::pin(rows_are_loaded_in_the_order_asked(s))),
    ("answers_say_what_they_are_as_of", |s| Box::pin(answers_say_what_they_are_as_of(s))),
    ("a_reader_sees_all_of_a_batch_or_nothing", |s| Box::pin(a_reader_sees_all_of_a_batch_or_nothing(s))),
    ("a_wait_ends_when_the_position_is_reached", |s| Box::pin(a_wait_ends_when_the_position_is_reached(s))),
    ("a_wait_for_an_unknown_projection_fails_at_once", |s| {
        Box::pin(a_wait_for_an_unknown_projection_fails_at_once(s))
    }),
    ("digests_are_kept_with_their_rows", |s| Box::pin(digests::digests_are_kept_with_their_rows(s))),
    ("everybody_answers_for_its_own_rows_of_a_shared_table", |s| {
        Box::pin(digests::everybody_answers_for_its_own_rows_of_a_shared_table(s))
    }),
    ("a_batch_whose_digests_are_not_of_its_changes_is_refused", |s| {
        Box::pin(digests::a_batch_whose_digests_are_not_of_its_changes_is_refused(s))
    }),
    ("a_batch_that_is_not_kept_leaves_no_digest", |s| {
        Box::pin(digests::a_batch_that_is_not_kept_leaves_no_digest(s))
    }),
    ("of_two_runners_the_digests_are_the_winners", |s| {
        Box::pin(digests::of_two_runners_the_digests_are_the_winners(s))
    }),
    ("digests_and_checkpoint_are_of_one_moment", |s| {
        Box::pin(digests::digests_and_checkpoint_are_of_one_moment(s))
    }),
    ("pages_show_every_row_once", |s| Box::pin(queries::pages_show_every_row_once(s))),
    ("orders_and_filters_are_kept", |s| Box::pin(queries::orders_and_filters_are_kept(s))),
    ("text_is_ordered_by_its_bytes", |s| Box::pin(queries::text_is_ordered_by_its_bytes(s))),
    ("a_cursor_outlives_its_row", |s| Box::pin(queries::a_cursor_outlives_its_row(s))),
    ("a_forged_cursor_does_no_harm", |s| Box::pin(queries::a_forged_cursor_does_no_harm(s))),
    ("a_page_has_a_limit_whatever_is_asked", |s| Box::pin(queries::a_page_has_a_limit_whatever_is_asked(s))),
    ("a_page_is_told_from_any_other", |s| Box::pin(queries::a_page_is_told_from_any_other(s))),
    ("nonsense_is_named", |s| Box::pin(queries::nonsense_is_named(s))),
];

pub async fn hold(open: &dyn Open) {
    for (name, rule) in RULES {
        println!("{name}");
        rule(open.open(SCHEMAS).await).await;
    }
}

async fn position(store: &Store, projection: &str) -> Position {
    store.checkpoint(projection).await.unwrap().position
}

async fn row(store: &Store, table: &str, key: &str) -> Option<Row> {
    store.get(table, &Key::from(key)).await.unwrap().value
}

async fn a_row_comes_back_as_it_was_put(store: Store) {
    let awkward = awkward();
    let end = u64::try_from(THINGS.position_of(&awkward)).unwrap();
    put(&*store, 0, end, vec![Change::Put { table: THINGS.name, row: awkward.clone() }]).await.unwrap();
    let name = THINGS.key_of(&awkward);
    let back = store.get(THINGS.name, &name).await.unwrap().value.unwrap();
    assert_eq!(THINGS.canonical(&back), THINGS.canonical(&awkward));
    assert_eq!(back, awkward);
    let page = store.scan(THINGS.name, &ScanQuery::newest(1)).await.unwrap().value;
    assert_eq!(page.rows, [awkward]);
}

async fn a_bad_batch_changes_nothing(store: Store) {
    let misfit = Change::Put { table: THINGS.name, row: Row(vec![Cell::Null]) };
    let refused = put(&*store, 0, 3, vec![thing("a", 1, None), misfit]).await;
    assert!(matches!(refused, Err(StoreError::Misfit(_))), "{refused:?}");
    let twice = put(&*store, 0, 3, vec![thing("a", 1, None), thing("a", 2, None)]).await;
    assert!(matches!(twice, Err(StoreError::Invalid(_))), "{twice:?}");
    let backwards = put(&*store, 3, 2, vec![thing("a", 1, None)]).await;
    assert!(matches!(backwards, Err(StoreError::Invalid(_))), "{backwards:?}");
    assert_eq!(row(&store, THINGS.name, "a").await, None);
    assert_eq!(position(&store, "first").await, Position::START);
}

async fn a_second_runner_is_told_and_changes_nothing(store: Store) {
    put(&*store, 0, 5, vec![thing("a", 1, None)]).await.unwrap();
    let late = put(&*store, 0, 9, vec![thing("b", 2, None), gone("a")]).await;
    let Err(StoreError::Conflict { projection, expected, actual }) = late else { panic!("{late:?}") };
    assert_eq!((projection.as_str(), expected, actual), ("first", Position(0), Position(5)));
    assert_eq!(position(&store, "first").await, Position(5));
    assert!(row(&store, THINGS.name, "a").await.is_some());
    assert!(row(&store, THINGS.name, "b").await.is_none());
}

async fn of_two_runners_at_once_one_wins_every_time(store: Store) {
    for round in 0..50 {
        let race = |id: &'static str| {
            let store = store.clone();
            tokio::spawn(
                async move { put(&*store, round, round + 1, vec![thing(id, 1, None)]).await.is_ok() },
            )
        };
        let (a, b) = (race("a"), race("b"));
        let won = [a.await.unwrap(), b.await.unwrap()];
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}: {won:?}");
    }
    assert_eq!(position(&store, "first").await, Position(50));
}

async fn batches_of_several_projections_are_kept_in_one_call(store: Store) {
    let both = |from, to, name: &str| {
        let second = batch("second", from, to, vec![named(OTHERS.name, name, 1), named(NOTES.name, name, 1)]);
        vec![batch("first", from, to, vec![thing(name, 1, None)]), second]
    };
    store.apply_all(vec![]).await.unwrap();
    store.apply_all(both(0, 3, "a")).await.unwrap();
    assert_eq!(
        (position(&store, "first").await, position(&store, "second").await),
        (Position(3), Position(3))
    );
    assert!(row(&store, THINGS.name, "a").await.is_some() && row(&store, NOTES.name, "a").await.is_some());
    assert_eq!(store.reached("second", Position(3)).await.unwrap(), Position(3));

    // The second batch is refused; of the first the checkpoint tells whether it was kept, and its rows agree.
    store.apply(batch("second", 3, 4, vec![])).await.unwrap();
    let refused = store.apply_all(both(3, 5, "b")).await;
    let Err(StoreError::Conflict { projection, actual, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((projection.as_str(), actual), ("second", Position(4)));
    assert!(row(&store, OTHERS.name, "b").await.is_none() && row(&store, NOTES.name, "b").await.is_none());
    let kept = position(&store, "first").await == Position(5);
    assert_eq!(row(&store, THINGS.name, "b").await.is_some(), kept);
}

async fn another_version_is_refused(store: Store) {
    put(&*store, 0, 1, vec![]).await.unwrap();
    assert_eq!(store.checkpoint("first").await.unwrap().version, 1);
    let newer = Batch { version: 2, ..batch("first", 1, 2, vec![thing("a", 1, None)]) };
    let refused = store.apply(newer).await;
    assert!(matches!(refused, Err(StoreError::OtherVersion { stored: 1, offered: 2, .. })), "{refused:?}");
    assert_eq!(row(&store, THINGS.name, "a").await, None);
}

async fn a_projection_writes_its_own_and_shared_tables_only(store: Store) {
    let foreign = put(&*store, 0, 1, vec![named(OTHERS.name, "x", 1)]).await;
    assert!(matches!(foreign, Err(StoreError::Invalid(_))), "{foreign:?}");
    put(&*store, 0, 1, vec![named(NOTES.name, "of first", 1)]).await.unwrap();
    store.apply(batch("second", 0, 1, vec![named(NOTES.name, "of second", 1)])).await.unwrap();
    assert!(row(&store, NOTES.name, "of first").await.is_some());
    assert!(row(&store, NOTES.name, "of second").await.is_some());
    let nobody = store.apply(batch("shared", 0, 1, vec![])).await;
    assert!(matches!(nobody, Err(StoreError::UnknownProjection(_))), "{nobody:?}");
}

async fn a_written_row_of_an_append_only_table_stays(store: Store) {
    put(&*store, 0, 1, vec![step(1, 0, "a")]).await.unwrap();
    put(&*store, 1, 2, vec![step(1, 0, "a")]).await.unwrap();
    let changed = put(&*store, 2, 3, vec![thing("b", 1, None), step(1, 0, "b")]).await;
    assert!(matches!(changed, Err(StoreError::Invalid(_))), "{changed:?}");
    assert_eq!(row(&store, THINGS.name, "b").await, None);
    let first = key(STEPS.name, "");
    let first = Change::Delete(stele_domain::port::read_store::RowKey {
        key: Key(vec![Cell::Int(1), Cell::Int(0)]),
        ..first
    });
    let deleted = put(&*store, 2, 3, vec![first]).await;
    assert!(matches!(deleted, Err(StoreError::Invalid(_))), "{deleted:?}");
}

async fn a_history_keeps_at_least_its_newest_rows(store: Store) {
    for at in 1..=20_i64 {
        let to = u64::try_from(at).unwrap();
        put(&*store, to - 1, to, vec![step(at, 0, "a"), step(at, 1, "b")]).await.unwrap();
    }
    let answer = store.scan(STEPS.name, &ScanQuery::newest(100)).await.unwrap();
    let kept = answer.value.rows.len();
    assert!(kept >= STEPS_KEPT, "{kept}");
    assert_eq!(answer.cut_rows + u64::try_from(kept).unwrap(), 40, "what is cut and what is kept is all");
    let newest: Vec<_> = answer.value.rows.iter().take(3).map(|row| STEPS.key_of(row).to_string()).collect();
    assert_eq!(newest, ["[20,1]", "[20,0]", "[19,1]"]);
}

async fn rows_are_loaded_in_the_order_asked(store: Store) {
    put(&*store, 0, 1, vec![thing("a", 1, None), thing("b", 1, None), step(1, 0, "a")]).await.unwrap();
    let keys = ["b", "nobody", "a", "b"].map(|name| key(THINGS.name, name));
    let rows = store.load(&keys).await.unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.0[0].to_string())).collect();
    assert_eq!(names, [Some("b".to_owned()), None, Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(store.load(&[]).await.unwrap(), []);
    put(&*store, 1, 2, vec![gone("a"), gone("nobody")]).await.unwrap();
    assert_eq!(store.load(&keys[2..3]).await.unwrap(), [None]);
}

async fn answers_say_what_they_are_as_of(store: Store) {
    put(&*store, 0, 7, vec![thing("a", 1, None)]).await.unwrap();
    store.apply(batch("second", 0, 3, vec![])).await.unwrap();
    let missing = store.get(THINGS.name, &Key::from("nobody")).await.unwrap();
    assert_eq!((missing.as_of, missing.value), (Position(7), None));
    let as_of = async |table: &str| store.scan(table, &ScanQuery::newest(1)).await.unwrap().as_of;
    assert_eq!(as_of(THINGS.name).await, Position(7));
    assert_eq!(as_of(OTHERS.name).await, Position(3));
    assert_eq!(as_of(NOTES.name).await, Position(3), "everybody's table is as of the slowest");
}

async fn a_reader_sees_all_of_a_batch_or_nothing(store: Store) {
    const ROUNDS: u64 = 300;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let colour = round.to_string();
                let both = ["a", "b"].map(|id| thing(id, 1, Some(&colour))).to_vec();
                put(&*store, round, round + 1, both).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    loop {
        let answer = store.scan(THINGS.name, &ScanQuery::by_key(10)).await.unwrap();
        let colours: Vec<_> = answer.value.rows.iter().map(|row| row.0[2].to_string()).collect();
        let expected = answer.as_of.0.checked_sub(1).map(|round| vec![round.to_string(); 2]);
        assert_eq!(colours, expected.unwrap_or_default(), "as of {}", answer.as_of);
        if answer.as_of == Position(ROUNDS) {
            break;
        }
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

async fn a_wait_ends_when_the_position_is_reached(store: Store) {
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.reached("first", Position(2)).await })
    };
    put(&*store, 0, 1, vec![]).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(20), store.reached("first", Position(2))).await;
    assert!(early.is_err(), "position 1 is not 2: {early:?}");
    put(&*store, 1, 4, vec![]).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Position(4));
    assert_eq!(store.reached("first", Position(3)).await.unwrap(), Position(4));
    assert_eq!(store.reached("second", Position::START).await.unwrap(), Position::START);
}

async fn a_wait_for_an_unknown_projection_fails_at_once(store: Store) {
    let waited = store.reached("nobody", Position(1)).await;
    assert!(matches!(waited, Err(StoreError::UnknownProjection(_))), "{waited:?}");
    let waited = store.reached("shared", Position(1)).await;
    assert!(matches!(waited, Err(StoreError::UnknownProjection(_))), "{waited:?}");
}
