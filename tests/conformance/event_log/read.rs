//! Rules of reading.

use super::records::{record, sized, stream, typed};
use std::sync::Arc;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, Direction, EventLog, Expected, Filter, Position, Record, Revision,
};

fn revisions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.revision.0).collect()
}

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.0).collect()
}

pub async fn a_stream_reads_both_ways_from_anywhere(log: Arc<dyn EventLog>) {
    let (target, other) = (stream("order-1"), stream("order-2"));
    for number in 0..300 {
        log.append(&target, Expected::Any, vec![record(2 * number), record(2 * number + 1)]).await.unwrap();
        log.append(&other, Expected::Any, vec![record(5_000 + number)]).await.unwrap();
    }
    let forward = |from, limit| log.read_stream(&target, Revision(from), Direction::Forward, limit);
    let backward = |from, limit| log.read_stream(&target, Revision(from), Direction::Backward, limit);
    assert_eq!(revisions(&forward(0, 5).await.unwrap()), [0, 1, 2, 3, 4]);
    assert_eq!(revisions(&forward(597, 10).await.unwrap()), [597, 598, 599]);
    assert_eq!(revisions(&forward(0, 10_000).await.unwrap()), (0..600).collect::<Vec<_>>());
    assert_eq!(revisions(&forward(600, 10).await.unwrap()), [0; 0]);
    assert_eq!(revisions(&forward(u64::MAX, 10).await.unwrap()), [0; 0]);
    assert_eq!(revisions(&backward(u64::MAX, 3).await.unwrap()), [599, 598, 597]);
    assert_eq!(revisions(&backward(599, 1).await.unwrap()), [599]);
    assert_eq!(revisions(&backward(2, 10).await.unwrap()), [2, 1, 0]);
    assert_eq!(revisions(&backward(0, 10).await.unwrap()), [0]);
    assert_eq!(revisions(&backward(u64::MAX, 10_000).await.unwrap()), (0..600).rev().collect::<Vec<_>>());
    assert_eq!(forward(0, 0).await.unwrap(), []);
    assert_eq!(backward(9, 0).await.unwrap(), []);
    let all = forward(0, usize::MAX).await.unwrap();
    assert!(all.iter().zip(0..).all(|(read, number)| read.data == record(number).data), "other data");
}

pub async fn the_log_reads_from_anywhere(log: Arc<dyn EventLog>) {
    for number in 0..50 {
        let target = stream(&format!("order-{}", number % 7));
        log.append(&target, Expected::Any, vec![record(2 * number), record(2 * number + 1)]).await.unwrap();
    }
    for (from, limit, expected, next) in [
        (0, 3, 1..=3, 4),
        (1, 3, 1..=3, 4),
        (2, 3, 2..=4, 5),
        (98, 10, 98..=100, 101),
        (100, 1, 100..=100, 101),
        (1, usize::MAX, 1..=100, 101),
    ] {
        let page = log.read_all(Position(from), &Filter::all(), limit).await.unwrap();
        assert_eq!(positions(&page.records), expected.collect::<Vec<_>>(), "from {from}, {limit} at most");
        assert_eq!((page.next, page.head), (Position(next), Position(100)));
        assert_eq!(page.caught_up(), next == 101);
    }
    for from in [101, 5_000, u64::MAX] {
        let page = log.read_all(Position(from), &Filter::all(), 10).await.unwrap();
        assert_eq!((page.records.len(), page.next, page.caught_up()), (0, Position(from), true));
    }
    let none = log.read_all(Position(5), &Filter::all(), 0).await.unwrap();
    assert_eq!((none.records.len(), none.next, none.caught_up()), (0, Position(5), false));
}

pub async fn a_filter_leaves_out_what_is_not_wanted(log: Arc<dyn EventLog>) {
    let kinds =
        [("order-1", "trading.Placed"), ("order-2-x", "trading.Filled"), ("orders-1", "trading.Placed")];
    for number in 0..30 {
        let (name, event_type) = kinds[usize::try_from(number % 3).unwrap()];
        log.append(&stream(name), Expected::Any, vec![typed(number, event_type)]).await.unwrap();
    }
    let with_types = |categories: &[&str], types: &[&str]| Filter {
        event_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..Filter::categories(categories)
    };
    let cases = [
        (Filter::categories(&["order"]), vec![1, 2]),
        (Filter::categories(&["orders"]), vec![0]),
        (Filter::categories(&["orders", "order"]), vec![0, 1, 2]),
        (Filter::categories(&["ord"]), vec![]),
        (with_types(&[], &["trading.Placed"]), vec![0, 1]),
        (with_types(&["order"], &["trading.Placed"]), vec![1]),
        (with_types(&["order"], &["trading.P"]), vec![]),
    ];
    for (filter, remainders) in cases {
        let expected: Vec<u64> = (1..=30).filter(|position| remainders.contains(&(position % 3))).collect();
        let page = log.read_all(Position(1), &filter, 100).await.unwrap();
        assert_eq!(positions(&page.records), expected, "{filter:?}");
        assert!(page.caught_up());
        let short = log.read_all(Position(1), &filter, 4).await.unwrap();
        assert_eq!(positions(&short.records), expected.iter().copied().take(4).collect::<Vec<_>>());
        let rest = log.read_all(short.next, &filter, 100).await.unwrap();
        assert_eq!(short.records.len() + rest.records.len(), expected.len(), "{filter:?}");
    }
}

pub async fn a_page_ends_before_it_gets_too_large(log: Arc<dyn EventLog>) {
    let target = stream("large-1");
    let quarter = APPEND_BYTES_MAX / 4;
    for number in 0..6 {
        log.append(&target, Expected::Any, vec![sized(number, quarter)]).await.unwrap();
    }
    let page = log.read_all(Position(1), &Filter::all(), 100).await.unwrap();
    assert_eq!(positions(&page.records), [1, 2, 3]);
    assert_eq!(page.next, Position(4));
    let forward = log.read_stream(&target, Revision(1), Direction::Forward, 100).await.unwrap();
    assert_eq!(revisions(&forward), [1, 2, 3]);
    let backward = log.read_stream(&target, Revision(u64::MAX), Direction::Backward, 100).await.unwrap();
    assert_eq!(revisions(&backward), [5, 4, 3]);
    // Read to the end with small steps and large pages, and nothing is missed.
    let (mut next, mut seen) = (Position(1), vec![]);
    loop {
        let page = log.read_all(next, &Filter::all(), 2).await.unwrap();
        seen.extend(positions(&page.records));
        next = page.next;
        if page.caught_up() {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

pub async fn an_empty_log_and_an_unknown_stream_are_empty(log: Arc<dyn EventLog>) {
    let page = log.read_all(Position::START, &Filter::all(), 10).await.unwrap();
    assert_eq!((page.records.len(), page.next, page.head), (0, Position(1), Position(0)));
    assert!(page.caught_up());
    for direction in [Direction::Forward, Direction::Backward] {
        let read = log.read_stream(&stream("order-1"), Revision(0), direction, 10).await.unwrap();
        assert_eq!(read, []);
    }
}
