//! The rules about asking.

use crate::fixture::{OTHERS, STEPS, THINGS, awkward, gone, put, step, thing};
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{
    Cell, Change, Cursor, Key, Order, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError,
};

type Store = Arc<dyn ReadStore>;

async fn ids(store: &Store, query: &ScanQuery) -> Vec<String> {
    let page = store.scan(THINGS.name, query).await.unwrap().value;
    page.rows.iter().map(|row| row.0[0].to_string()).collect()
}

/// a to e; positions fall while names rise, two of them at one position.
async fn five(store: &Store) {
    let things = vec![
        thing("a", 5, Some("red")),
        thing("b", 4, Some("blue")),
        thing("c", 4, Some("red")),
        thing("d", 2, None),
        thing("e", 1, Some("red")),
    ];
    put(&**store, 0, 5, things).await.unwrap();
}

pub async fn orders_and_filters_are_kept(store: Store) {
    five(&store).await;
    assert_eq!(ids(&store, &ScanQuery::by_key(9)).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(ids(&store, &ScanQuery::by_key(9).reversed()).await, ["e", "d", "c", "b", "a"]);
    assert_eq!(ids(&store, &ScanQuery::newest(9)).await, ["a", "c", "b", "d", "e"]);
    assert_eq!(ids(&store, &ScanQuery::newest(9).reversed()).await, ["e", "d", "b", "c", "a"]);
    assert_eq!(ids(&store, &ScanQuery::newest(9).filter("colour", "red")).await, ["a", "c", "e"]);
    assert_eq!(ids(&store, &ScanQuery::by_key(9).reversed().filter("colour", "red")).await, ["e", "c", "a"]);
    assert_eq!(ids(&store, &ScanQuery::by_key(9).filter("colour", Cell::Null)).await, ["d"]);
    assert_eq!(ids(&store, &ScanQuery::by_key(9).filter("position", Cell::Int(4))).await, ["b", "c"]);
    let both = ScanQuery::by_key(9).filter("position", Cell::Int(4)).filter("colour", "red");
    assert_eq!(ids(&store, &both).await, ["c"]);
    let none: [&str; 0] = [];
    assert_eq!(ids(&store, &ScanQuery::by_key(9).filter("colour", "green")).await, none);

    // A change of colour moves the row from one filter to the other.
    put(&*store, 5, 6, vec![thing("a", 5, Some("blue"))]).await.unwrap();
    assert_eq!(ids(&store, &ScanQuery::newest(9).filter("colour", "blue")).await, ["a", "b"]);
    assert_eq!(ids(&store, &ScanQuery::newest(9).filter("colour", "red")).await, ["c", "e"]);
}

pub async fn pages_show_every_row_once(store: Store) {
    five(&store).await;
    put(&*store, 5, 6, vec![step(1, 0, "x"), step(1, 1, "y"), step(2, 0, "x")]).await.unwrap();
    let red = ("colour".to_owned(), Cell::from("red"));
    for direction in [Direction::Forward, Direction::Backward] {
        for order in [Order::Key(direction), Order::Position(direction)] {
            for filters in [vec![], vec![red.clone()], vec![("alive".to_owned(), Cell::Bool(true))]] {
                for limit in 1..=6 {
                    let whole = ScanQuery { filters: filters.clone(), order, limit: 100, after: None };
                    let all = ids(&store, &whole).await;
                    let paged = in_pages(&store, ScanQuery { limit, ..whole.clone() }).await;
                    assert_eq!(paged, all, "{whole:?} in pages of {limit}");
                }
            }
        }
    }
}

async fn in_pages(store: &Store, mut query: ScanQuery) -> Vec<String> {
    let mut all = vec![];
    loop {
        let page = store.scan(THINGS.name, &query).await.unwrap().value;
        assert!(page.rows.len() <= query.limit);
        assert!(!page.rows.is_empty() || page.next.is_none(), "an empty page leads nowhere");
        all.extend(page.rows.iter().map(|row| row.0[0].to_string()));
        let Some(next) = page.next else { return all };
        query.after = Some(Cursor::parse(&THINGS, &next.to_text()).unwrap());
    }
}

pub async fn text_is_ordered_by_its_bytes(store: Store) {
    let names = ["Z", "a", "B", "ä", "é", "z", "_", "10", "9", "-", "~", "🗿"];
    put(&*store, 0, 1, names.map(|name| thing(name, 1, None)).to_vec()).await.unwrap();
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    assert_eq!(ids(&store, &ScanQuery::by_key(100)).await, sorted);
    assert_eq!(ids(&store, &ScanQuery::newest(100).reversed()).await, sorted);
}

pub async fn a_cursor_outlives_its_row(store: Store) {
    five(&store).await;
    let first = store.scan(THINGS.name, &ScanQuery::by_key(2)).await.unwrap().value;
    put(&*store, 5, 6, vec![gone("b")]).await.unwrap();
    assert_eq!(ids(&store, &ScanQuery::by_key(9).after(first.next)).await, ["c", "d", "e"]);
}

pub async fn a_forged_cursor_does_no_harm(store: Store) {
    five(&store).await;
    for position in [i64::MIN, -1, 0, 3, i64::MAX - 1, i64::MAX] {
        for name in ["", "c", "zzz"] {
            for query in [ScanQuery::newest(9), ScanQuery::by_key(9)] {
                for query in [query.clone(), query.reversed()] {
                    for query in [query.clone(), query.filter("colour", "red")] {
                        let cursor = Cursor { position, key: Key::from(name) };
                        let page = store.scan(THINGS.name, &query.after(Some(cursor))).await.unwrap();
                        assert!(page.value.rows.len() <= 5);
                    }
                }
            }
        }
    }
}

pub async fn a_page_has_a_limit_whatever_is_asked(store: Store) {
    let many: Vec<_> = (0..PAGE_ROWS_MAX + 5).map(|i| thing(&format!("{i:05}"), 1, None)).collect();
    put(&*store, 0, 1, many).await.unwrap();
    assert_eq!(ids(&store, &ScanQuery::by_key(usize::MAX)).await.len(), PAGE_ROWS_MAX);
    assert_eq!(ids(&store, &ScanQuery::by_key(0)).await.len(), 1, "a page of nothing would lead nowhere");
}

async fn is_page(store: &Store, table: &str, query: &ScanQuery, rows: &[Row]) -> bool {
    store.is_page(table, query, rows).await.unwrap().value
}

pub async fn a_page_is_told_from_any_other(store: Store) {
    let mut things = vec![Change::Put { table: THINGS.name, row: awkward() }];
    things.extend([thing("v", 5, Some("red")), thing("w", 4, None)]);
    put(&*store, 0, i64::MAX.cast_unsigned(), things).await.unwrap();
    let query = ScanQuery::by_key(9);
    let answer = store.scan(THINGS.name, &query).await.unwrap();
    let rows = answer.value.rows;
    assert_eq!(rows.len(), 3);
    let held = store.is_page(THINGS.name, &query, &rows).await.unwrap();
    assert_eq!((held.value, held.as_of, held.cut_rows), (true, answer.as_of, answer.cut_rows));
    let after = query.clone().after(Some(Cursor::of(&THINGS, &rows[0])));
    assert!(is_page(&store, THINGS.name, &after, &rows[1..]).await);
    assert!(
        is_page(&store, THINGS.name, &ScanQuery::by_key(2), &rows[..2]).await,
        "what follows is no part of it"
    );

    // Cells of other kinds, whose bytes may be the same to whoever looks at nothing else.
    let postgres_micros = -946_684_800_000_001;
    let mut other_cells = vec![Cell::Json("".into()), Cell::Int(postgres_micros)];
    for cell in awkward().0 {
        other_cells.push(Cell::text(&cell.to_string()));
        if let Cell::Json(text) = &cell {
            other_cells.push(Cell::Text((&**text).into()));
        }
        other_cells.push(cell);
    }
    for row in 0..rows.len() {
        for column in 0..THINGS.columns.len() {
            // A cell of the same kind wherever there is one, nothing instead of something, something instead of nothing.
            for cell in other_cells.iter().chain([&Cell::Null, &Cell::Bool(true), &Cell::Int(7)]) {
                let mut others = rows.clone();
                if others[row].0[column] != *cell {
                    others[row].0[column] = cell.clone();
                    let told = is_page(&store, THINGS.name, &query, &others).await;
                    assert!(!told, "column {column} of row {row} as {cell:?}");
                }
            }
        }
    }
    let mut swapped = rows.clone();
    swapped.swap(0, 1);
    assert!(!is_page(&store, THINGS.name, &query, &swapped).await);
    assert!(!is_page(&store, THINGS.name, &query, &rows[..2]).await, "a row more is there");
    assert!(!is_page(&store, THINGS.name, &query, &[rows.clone(), vec![rows[2].clone()]].concat()).await);
    let short: Vec<Row> = rows.iter().map(|row| Row(row.0[..8].to_vec())).collect();
    assert!(!is_page(&store, THINGS.name, &query, &short).await);
    assert!(is_page(&store, OTHERS.name, &query, &[]).await, "no rows are no rows");
    assert!(!is_page(&store, OTHERS.name, &query, &[Row(vec![Cell::Null, Cell::Null])]).await);
    let unknown = store.is_page("nothing", &query, &[]).await;
    assert!(matches!(unknown, Err(StoreError::UnknownTable(_))), "{unknown:?}");
}

pub async fn nonsense_is_named(store: Store) {
    let unknown = store.scan("nothing", &ScanQuery::newest(1)).await;
    assert!(matches!(&unknown, Err(StoreError::UnknownTable(name)) if name == "nothing"), "{unknown:?}");
    let unknown = store.get("nothing", &Key::from("a")).await;
    assert!(matches!(unknown, Err(StoreError::UnknownTable(_))), "{unknown:?}");
    let column = store.scan(THINGS.name, &ScanQuery::newest(1).filter("shape", "round")).await;
    assert!(matches!(&column, Err(StoreError::BadQuery { column, .. }) if column == "shape"), "{column:?}");
    let kind = store.scan(THINGS.name, &ScanQuery::newest(1).filter("size", "large")).await;
    assert!(matches!(&kind, Err(StoreError::BadQuery { column, .. }) if column == "size"), "{kind:?}");
    let nobody = store.checkpoint("nobody").await;
    assert!(matches!(nobody, Err(StoreError::UnknownProjection(_))), "{nobody:?}");
    assert_eq!(store.schemas().len(), 3);
    assert_eq!(STEPS.position_of(&Row(vec![Cell::Int(8), Cell::Int(0), Cell::from("a")])), 8);
}
