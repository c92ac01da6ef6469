//! Small projections made to break: tight caps, unnamed rows, events they can't stomach.

use crate::support::{Act, act, append, block_on, empty_log, empty_store, folded, later_clock, log_of};
use serde::{Deserialize, Serialize};
use stele_domain::codec;
use stele_domain::event::Recorded;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::table::column;
use stele_domain::port::read_store::{ColumnKind, Retention, ScanQuery, Table};
use stele_projections::FoldError;
use stele_projections::compare::{CompareError, dump, fold_to};
use stele_projections::models::quotes::Quotes;
use stele_projections::projection::{Poison, Projection, Registered, TableRow};
use stele_projections::rows::{Keys, Rows};
use stele_projections::runner::{Options, Runner};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct QuoteSeen {
    correlation: String,
    position: Position,
    last_position: Position,
    events: u64,
}

const SEEN: Table = Table {
    name: "seen",
    doc: "Stories, of which three are kept.",
    columns: &[
        column("correlation", ColumnKind::Text, "Which story."),
        column("position", ColumnKind::Int64, "Its first event."),
        column("last_position", ColumnKind::Int64, "Its last event."),
        column("events", ColumnKind::Int64, "How many there are."),
    ],
    key: &["correlation"],
    indexes: &[],
    retention: Retention::Newest { rows: 3, bytes: usize::MAX },
    append_only: false,
};

impl TableRow for QuoteSeen {
    const TABLE: Table = SEEN;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    position: Position,
    words: String,
}

const LINES: Table = Table {
    name: "lines",
    doc: "Lines, as many as fit.",
    columns: &[
        column("position", ColumnKind::Int64, "Where."),
        column("words", ColumnKind::Text, "Words of some length."),
    ],
    key: &["position"],
    indexes: &[],
    retention: Retention::Newest { rows: 50, bytes: 200 },
    append_only: true,
};

impl TableRow for Line {
    const TABLE: Table = LINES;
}

/// Is born by one type of event and changed by every other, in tables with hardly any room.
struct Tight;

impl Projection for Tight {
    const NAME: &'static str = "tight";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[SEEN, LINES];
    const FOLDS: &'static [&'static str] = codec::EVENT_TYPES;

    fn touches(event: &Recorded, keys: &mut Keys) {
        keys.add::<QuoteSeen>(event.meta.correlation_id.0.to_string());
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let correlation = event.meta.correlation_id.0.to_string();
        let position = event.position;
        let event_type = codec::type_of(&event.event);
        rows.insert(&Line { position, words: event_type.to_owned() })?;
        match event_type {
            "intents.QuoteReceived" => {
                rows.insert(&QuoteSeen { correlation, position, last_position: position, events: 1 })
            }
            // Written before it fails, to see that nothing of it stays.
            "intents.RequestRejected" => Err(Poison::OutOfRange { what: "the patience of this projection" }),
            _ => rows.change::<QuoteSeen>(correlation, |row| {
                (row.last_position, row.events) = (position, row.events + 1);
                Ok(())
            }),
        }
    }
}

const TIGHT: &[Registered] = &[Registered::of::<Tight>()];

/// Looks at a row that it did not name, and keeps quiet about the complaint.
struct Careless;

impl Projection for Careless {
    const NAME: &'static str = "careless";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[SEEN];
    const FOLDS: &'static [&'static str] = codec::EVENT_TYPES;

    fn touches(event: &Recorded, keys: &mut Keys) {
        if codec::type_of(&event.event) == "intents.QuoteReceived" {
            keys.add::<QuoteSeen>("a");
        }
    }

    fn apply(_: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let _ = rows.get::<QuoteSeen>("a");
        Ok(())
    }
}

#[test]
fn any_batching_gives_the_same_tables_when_rows_are_cut() {
    fn law(acts: Vec<Act>, ends: Vec<u8>) -> bool {
        let mut ends: Vec<u64> = ends.into_iter().map(|end| u64::from(end) % 64).collect();
        ends.sort_unstable();
        block_on(async {
            let mut acts = acts;
            acts.extend([act("intents.QuoteReceived", 0), act("intents.RequestRejected", 1)]);
            let log = log_of(&acts).await;
            let one_by_one: Vec<u64> = (1..=log.head().await.unwrap().0).collect();
            let at_once = folded(&*log, TIGHT, &[]).await;
            at_once == folded(&*log, TIGHT, &ends).await && at_once == folded(&*log, TIGHT, &one_by_one).await
        })
    }
    quickcheck::QuickCheck::new().tests(100).quickcheck(law as fn(Vec<Act>, Vec<u8>) -> bool);
}

#[tokio::test]
async fn a_poison_event_is_parked_and_the_rest_goes_on() {
    let acts =
        ["intents.QuoteReceived", "intents.RequestRejected", "intents.DemandNormalised"].map(|e| act(e, 0));
    let log = log_of(&acts).await;
    let store = empty_store(TIGHT);
    fold_to(&*log, &*store, TIGHT, Position(3), |_| {}).await.unwrap();
    let dump = dump(&*store).await.unwrap();
    let lines: Vec<&String> = dump.tables["lines"].keys().collect();
    assert_eq!(lines, ["[1]", "[3]"], "what the poison event wrote before it failed is gone");
    let parked: Vec<&String> = dump.tables["parked_events"].values().collect();
    assert_eq!(parked.len(), 1);
    for word in ["[2,\"tight\"", "intents.RequestRejected", "patience"] {
        assert!(parked[0].contains(word), "{word} is missing in {}", parked[0]);
    }
    let seen = store.scan("seen", &ScanQuery::newest(9)).await.unwrap().value.rows;
    assert_eq!(SEEN.cell(&seen[0], "events").unwrap().to_string(), "2");
}

#[tokio::test]
async fn looking_at_an_unnamed_row_fails_the_batch() {
    const CARELESS: &[Registered] = &[Registered::of::<Careless>()];
    let log = empty_log();
    append(&*log, &act("intents.QuoteReceived", 0)).await;
    append(&*log, &act("intents.DemandNormalised", 0)).await;
    let store = empty_store(CARELESS);
    let outcome = fold_to(&*log, &*store, CARELESS, Position(2), |_| {}).await;
    let Err(CompareError::Fold(FoldError::Unnamed { projection, at, row })) = outcome else {
        panic!("{outcome:?}")
    };
    // The first event of the batch named that very row; it counts for that event only.
    assert_eq!((projection, at, row.table), ("careless", Position(2), "seen"));
    assert_eq!(store.checkpoint("careless").await.unwrap().position, Position::START);
}

#[tokio::test]
async fn a_projection_that_makes_a_mistake_stops_alone_and_the_others_go_on() {
    const BOTH: &[Registered] = &[Registered::of::<Quotes>(), Registered::of::<Careless>()];
    let acts =
        ["intents.QuoteReceived", "intents.DemandNormalised", "intents.QuoteReceived"].map(|e| act(e, 0));
    let log = log_of(&acts).await;
    let store = empty_store(BOTH);
    let (runner, handle) = Runner::new(log, store.clone(), later_clock(), BOTH, Options::default());
    handle.drain();
    runner.run().await.unwrap();
    assert_eq!(store.checkpoint("quotes").await.unwrap().position, Position(3));
    assert_eq!(store.checkpoint("careless").await.unwrap().position, Position::START);
    let status = handle.status();
    assert_eq!(status.position(), Position(3), "what the others show is what counts");
    let fault = status.projections.iter().find_map(|projection| projection.fault.clone()).unwrap();
    assert!(fault.contains("careless") && fault.contains("without naming it"), "{fault}");
}

/// The rows of a table that an event makes ever longer, until they fit no more.
struct Growing;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Grown {
    name: String,
    position: Position,
    rate: String,
}

const GROWN: Table = Table {
    name: "grown",
    doc: "Numbers that grow.",
    columns: &[
        column("name", ColumnKind::Text, "Which."),
        column("position", ColumnKind::Int64, "Where."),
        column("rate", ColumnKind::Decimal, "A number."),
    ],
    key: &["name"],
    indexes: &[],
    retention: Retention::All,
    append_only: false,
};

impl TableRow for Grown {
    const TABLE: Table = GROWN;
}

impl Projection for Growing {
    const NAME: &'static str = "growing";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[GROWN];
    const FOLDS: &'static [&'static str] = &["intents.QuoteReceived"];

    fn touches(_: &Recorded, keys: &mut Keys) {
        keys.add::<Grown>("n");
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let fresh = || Grown { name: "n".to_owned(), position: event.position, rate: "1".to_owned() };
        rows.upsert("n", fresh, |row: &mut Grown| {
            row.rate.push_str("0000000000");
            Ok(())
        })
    }
}

#[tokio::test]
async fn the_event_that_makes_a_row_unfit_is_found_in_the_middle_of_a_batch() {
    const GROWING: &[Registered] = &[Registered::of::<Growing>()];
    let log = log_of(&[0, 1, 2, 3].map(|quote| act("intents.QuoteReceived", quote))).await;
    let (whole, one_by_one) = (folded(&*log, GROWING, &[]).await, folded(&*log, GROWING, &[1, 2, 3]).await);
    assert_eq!(whole, one_by_one);
    let parked: Vec<&String> = whole.tables["parked_events"].keys().collect();
    assert_eq!(parked, ["[3,\"growing\"]", "[4,\"growing\"]"], "two times ten zeros fit, three times don't");
    assert!(whole.tables["grown"].values().next().unwrap().contains("\"100000000000000000000\""));
}
