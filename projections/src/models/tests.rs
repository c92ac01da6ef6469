//! Every row struct is its table's, field by field.

use super::commands::CommandRow;
use super::decisions::DecisionRow;
use super::demands::DemandRow;
use super::outcome::{CommandState, OUTCOMES};
use super::prelude::word;
use super::quotes::{QuoteRow, Received};
use super::results::{ResultRow, ResultStepRow};
use super::{ALL, parked_events::ParkedRow, table, tables};
use crate::projection::{Registered, TableRow};
use crate::row::{Room, from_row, to_row};
use crate::rows::{Cells, Keys, Made, Overlay, Rows};
use stele_domain::codec;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::market::reference::event::Source;
use stele_domain::pair::Direction;
use stele_domain::port::event_log::{Position, Revision, StreamId};
use stele_domain::port::venue::ExactSide;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::RefusalCode;
use stele_domain::trading::gate::Reason;

mod cells;

#[test]
fn a_parked_event_fits_its_table() {
    let row = ParkedRow {
        position: Position(3),
        projection: "p".to_owned(),
        event_id: EventId(derived("test", &[])),
        event_type: "a.B\0".to_owned(),
        stream: "a-b".to_owned(),
        error: "wrong".to_owned(),
        recorded_at: Timestamp::from_millis(1),
    };
    let cells = to_row(&ParkedRow::TABLE, &row).unwrap();
    let back: ParkedRow = from_row(&ParkedRow::TABLE, &cells).unwrap();
    assert_eq!(back, ParkedRow { event_type: "a.B\u{fffd}".to_owned(), ..row });
}

#[test]
fn projections_have_names_and_versions_of_their_own() {
    let mut names: Vec<_> = ALL.iter().map(|projection| projection.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    assert!(ALL.iter().all(|projection| projection.version > 0));
    assert_eq!(table("nothing"), None);
    assert!(tables().count() > ALL.len());
}

fn recorded(event: &Event) -> Recorded {
    let meta = Meta {
        correlation_id: CorrelationId(derived("test", &["correlation"])),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        origin: None,
        occurred_at: Timestamp::from_micros(1),
        schema: codec::SCHEMA_VERSION,
    };
    Recorded {
        position: Position(1),
        stream: StreamId::new("account-solver.near").unwrap(),
        revision: Revision(0),
        event_id: EventId(derived("test", &["event"])),
        meta,
        recorded_at: Timestamp::from_micros(1),
        event: event.clone(),
    }
}

/// The types of which a projection does anything: names a row, or makes one.
fn folded_types(projection: &Registered) -> Vec<&'static str> {
    let does = |event: &Event| {
        let recorded = recorded(event);
        let mut keys = Keys::default();
        (projection.touches)(&recorded, &mut keys);
        let named = keys.into_vec();
        let overlay = Overlay::of([], Cells::AtOnce);
        let mut room = Room::default();
        let mut rows = Rows::of(&overlay, Position(1), &named, &mut room);
        let outcome = (projection.apply)(&recorded, &mut rows);
        !named.is_empty()
            || outcome.is_err()
            || rows.finish().map_or(true, |made| !made.rows.is_empty() || !made.appended.is_empty())
    };
    let mut types: Vec<&str> =
        codec::samples().iter().filter(|event| does(event)).map(codec::type_of).collect();
    types.dedup();
    types
}

#[test]
fn a_projection_folds_the_types_that_it_says() {
    for projection in ALL {
        assert_eq!(projection.folds, folded_types(projection), "{}", projection.name);
    }
}

/// Every row of this table that the samples make or change is the one that serde makes of its struct; how many there are.
/// They are told twice, so that what is changed is there.
fn as_serde_does<R: TableRow>(projection: &Registered) -> usize {
    let mut overlay = Overlay::of([], Cells::AtTheEnd);
    let mut compared = 0;
    for event in codec::samples().into_iter().chain(codec::samples()) {
        let (mut keys, mut room) = (Keys::default(), Room::default());
        let recorded = recorded(&event);
        (projection.touches)(&recorded, &mut keys);
        let named = keys.into_vec();
        let mut rows = Rows::of(&overlay, Position(1), &named, &mut room);
        (projection.apply)(&recorded, &mut rows).unwrap();
        let made = rows.finish().unwrap();
        let appended = made.appended.iter().map(|(table, row)| (table.name, row));
        let others = made.rows.iter().filter_map(|(key, made)| match made {
            Made::Row(row) => Some((key.table, row)),
            Made::Struct(_) | Made::Gone | Made::Nothing => None,
        });
        for (_, row) in appended.chain(others).filter(|(table, _)| *table == R::TABLE.name) {
            let again: R = from_row(&R::TABLE, row).unwrap();
            assert_eq!(to_row(&R::TABLE, &again).unwrap(), *row);
            compared += 1;
        }
        overlay.keep(made);
    }
    compared
}

#[test]
fn rows_that_are_made_as_cells_are_those_that_serde_makes() {
    let of = |name: &str| ALL.iter().find(|projection| projection.name == name).unwrap();
    assert!(as_serde_does::<QuoteRow>(of("quotes")) > 0);
    assert!(as_serde_does::<DemandRow>(of("demands")) > 0);
    assert!(as_serde_does::<DecisionRow>(of("decisions")) > 0);
    // The command is told twice; the outcomes that are told before it are of a command that nobody commanded.
    let commands = as_serde_does::<CommandRow>(of("commands"));
    assert!(commands > OUTCOMES.len() / 2, "{commands} rows");
    assert_eq!(as_serde_does::<ResultRow>(of("results")), 2 * OUTCOMES.len());
    assert_eq!(as_serde_does::<ResultStepRow>(of("results")), 2 * OUTCOMES.len());
    // What has one word in a row has it in every one.
    assert!(Reason::ALL.into_iter().all(|reason| word(&reason) == reason.code()));
    assert!(Direction::ALL.into_iter().all(|direction| word(&direction) == direction.name()));
    assert!([ExactSide::In, ExactSide::Out].into_iter().all(|side| word(&side) == side.name()));
    assert!(CommandState::ALL.into_iter().all(|state| word(&state) == state.code()));
    assert!(RefusalCode::ALL.into_iter().all(|code| word(&code) == code.code()));
    let sources = [Source::Kraken, Source::CoinGecko, Source::Peg];
    assert!(sources.into_iter().all(|source| word(&source) == source.name()));
    assert_eq!(word(&Received::First), "first");
}
