//! Every row struct is its table's, field by field.

use super::{ALL, parked_events::ParkedRow, table, tables};
use crate::projection::TableRow;
use crate::row::{from_row, to_row};
use stele_domain::ids::{EventId, derived};
use stele_domain::port::event_log::Position;
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
