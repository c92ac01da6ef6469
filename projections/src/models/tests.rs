//! Every row struct is its table's, field by field.

use super::{ALL, parked_events::ParkedRow, table, tables};
use crate::projection::{Registered, TableRow};
use crate::row::{Room, from_row, to_row};
use crate::rows::{Cells, Keys, Overlay, Rows};
use stele_domain::codec;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::port::event_log::{Position, Revision, StreamId};
use stele_domain::time::Timestamp;

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

/// The types of which a projection does anything: names a row, or makes one.
fn folded_types(projection: &Registered) -> Vec<&'static str> {
    let meta = Meta {
        correlation_id: CorrelationId(derived("test", &["correlation"])),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        origin: None,
        occurred_at: Timestamp::from_micros(1),
        schema: codec::SCHEMA_VERSION,
    };
    let does = |event: &Event| {
        let recorded = Recorded {
            position: Position(1),
            stream: StreamId::new("account-solver.near").unwrap(),
            revision: Revision(0),
            event_id: EventId(derived("test", &["event"])),
            meta: meta.clone(),
            recorded_at: Timestamp::from_micros(1),
            event: event.clone(),
        };
        let mut keys = Keys::default();
        (projection.touches)(&recorded, &mut keys);
        let named = keys.into_vec();
        let overlay = Overlay::of([], Cells::AtOnce);
        let mut room = Room::default();
        let mut rows = Rows::of(&overlay, Position(1), &named, &mut room);
        let outcome = (projection.apply)(&recorded, &mut rows);
        !named.is_empty() || outcome.is_err() || rows.finish().map_or(true, |made| !made.is_empty())
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
