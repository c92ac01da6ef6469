//! The rules about digests: kept together with rows and checkpoint, or not at all.

use crate::fixture::{NOTES, OTHERS, STEPS, THINGS, batch, digest, named, put, step, thing};
use std::sync::Arc;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, DIGEST_PART, Digest, Key, ReadStore, StoreError};

type Store = Arc<dyn ReadStore>;

async fn kept(store: &Store, projection: &str) -> (Position, Vec<Digest>) {
    let (checkpoint, digests) = store.digests(projection).await.unwrap();
    (checkpoint.position, digests)
}

pub async fn digests_are_kept_with_their_rows(store: Store) {
    assert_eq!(kept(&store, "first").await, (Position::START, vec![]));
    let far = DIGEST_PART;
    let last = step(i64::try_from(far).unwrap(), 0, "b");
    put(&*store, 0, far, vec![step(1, 0, "a"), last, thing("a", 1, None)]).await.unwrap();
    let (steps, things) = (STEPS.name, THINGS.name);
    let all = vec![digest(steps, 0, far), digest(steps, 1, far), digest(things, 0, far)];
    assert_eq!(kept(&store, "first").await, (Position(far), all), "by table and part");

    // What nothing changes stays; a digest may come without a row.
    let alone = Batch { digests: vec![digest(steps, 1, 4)], ..batch("first", far, far + 1, vec![]) };
    store.apply(alone).await.unwrap();
    put(&*store, far + 1, far + 2, vec![thing("b", 1, None)]).await.unwrap();
    let all = vec![digest(steps, 0, far), digest(steps, 1, 4), digest(things, 0, far + 2)];
    assert_eq!(kept(&store, "first").await, (Position(far + 2), all));
    let nobody = store.digests("nobody").await;
    assert!(matches!(nobody, Err(StoreError::UnknownProjection(_))), "{nobody:?}");
}

pub async fn everybody_answers_for_its_own_rows_of_a_shared_table(store: Store) {
    put(&*store, 0, 1, vec![named(NOTES.name, "of first", 1)]).await.unwrap();
    let both = vec![named(NOTES.name, "of second", 1), named(OTHERS.name, "a", 1)];
    store.apply(batch("second", 0, 2, both)).await.unwrap();
    assert_eq!(kept(&store, "first").await, (Position(1), vec![digest(NOTES.name, 0, 1)]));
    let second = vec![digest(NOTES.name, 0, 2), digest(OTHERS.name, 0, 2)];
    assert_eq!(kept(&store, "second").await, (Position(2), second));
}

pub async fn a_batch_whose_digests_are_not_of_its_changes_is_refused(store: Store) {
    let of = |digests| Batch { digests, ..batch("first", 0, 1, vec![thing("a", 1, None), step(1, 0, "a")]) };
    let (things, steps) = (digest(THINGS.name, 0, 1), digest(STEPS.name, 0, 1));
    let bad = [
        ("of part 0 of table steps", vec![things.clone()]),
        ("of part 0 of table steps", vec![things.clone(), digest(STEPS.name, 1, 1)]),
        ("two digests", vec![things.clone(), steps.clone(), steps.clone()]),
        ("others", vec![things.clone(), steps.clone(), digest(OTHERS.name, 0, 1)]),
        ("nothing", vec![things.clone(), steps.clone(), digest("nothing", 0, 1)]),
    ];
    for (word, digests) in bad {
        let refused = store.apply(of(digests)).await;
        let Err(StoreError::Invalid(why)) = refused else { panic!("{word}: {refused:?}") };
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(kept(&store, "first").await, (Position::START, vec![]));
    assert_eq!(store.get(THINGS.name, &Key::from("a")).await.unwrap().value, None);
    store.apply(of(vec![steps, things])).await.unwrap();
}

pub async fn a_batch_that_is_not_kept_leaves_no_digest(store: Store) {
    put(&*store, 0, 5, vec![thing("a", 1, None)]).await.unwrap();
    let before = kept(&store, "first").await;
    let late = put(&*store, 0, 9, vec![thing("b", 2, None), step(9, 0, "b")]).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let twice = put(&*store, 5, 9, vec![thing("b", 1, None), thing("b", 2, None)]).await;
    assert!(matches!(twice, Err(StoreError::Invalid(_))), "{twice:?}");
    let version = Batch { version: 2, ..batch("first", 5, 9, vec![thing("b", 2, None)]) };
    let version = store.apply(version).await;
    assert!(matches!(version, Err(StoreError::OtherVersion { .. })), "{version:?}");
    assert_eq!(kept(&store, "first").await, before);

    // Of several in one go, the one that is refused leaves nothing.
    store.apply(batch("second", 0, 4, vec![])).await.unwrap();
    let refused = store
        .apply_all(vec![
            batch("first", 5, 6, vec![thing("c", 6, None)]),
            batch("second", 3, 6, vec![named(OTHERS.name, "c", 6)]),
        ])
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(kept(&store, "second").await, (Position(4), vec![]));
    let row = store.get(THINGS.name, &Key::from("c")).await.unwrap().value;
    let things = if row.is_some() { 6 } else { 5 };
    assert_eq!(kept(&store, "first").await, (Position(things), vec![digest(THINGS.name, 0, things)]));
}

pub async fn of_two_runners_the_digests_are_the_winners(store: Store) {
    for round in 0..30_u64 {
        let race = |runner: u64, id: &'static str| {
            let store = store.clone();
            // Both go from here to the same place, each with its own row and a digest that says whose.
            let digests = vec![digest(THINGS.name, 0, 10 * round + runner)];
            let mine = Batch { digests, ..batch("first", round, round + 1, vec![thing(id, 1, Some(id))]) };
            tokio::spawn(async move { store.apply(mine).await.is_ok() })
        };
        let (one, two) = (race(1, "a"), race(2, "b"));
        let winner = match (one.await.unwrap(), two.await.unwrap()) {
            (true, false) => 1,
            (false, true) => 2,
            both => panic!("round {round}: {both:?}"),
        };
        let mark = vec![digest(THINGS.name, 0, 10 * round + winner)];
        assert_eq!(kept(&store, "first").await, (Position(round + 1), mark));
    }
}

pub async fn digests_and_checkpoint_are_of_one_moment(store: Store) {
    const ROUNDS: u64 = 200;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let changes = vec![thing("a", 1, None), named(NOTES.name, "n", 1)];
                put(&*store, round, round + 1, changes).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    loop {
        let (position, digests) = kept(&store, "first").await;
        let made = |table| digest(table, 0, position.0);
        let expected =
            if position == Position::START { vec![] } else { vec![made(NOTES.name), made(THINGS.name)] };
        assert_eq!(digests, expected, "at {position}");
        if position == Position(ROUNDS) {
            break;
        }
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}
