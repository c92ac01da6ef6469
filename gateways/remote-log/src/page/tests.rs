//! The words of the definitions, and what is none of them.

use super::{page_in, page_out, record_out, records_in};
use bytes::Bytes;
use prost::Message as _;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Page, Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_proto::log::v1 as proto;
use uuid::Uuid;

fn record(position: u64, data: &[u8], recorded_at_us: i64) -> Record {
    Record {
        position: Position(position),
        stream: StreamId::new(&format!("order-{position}")).unwrap(),
        revision: Revision(position / 2),
        event_id: EventId(Uuid::from_u128(u128::from(position) << 64)),
        event_type: Arc::from(if position.is_multiple_of(3) { "test.Happened" } else { "test.Went" }),
        data: data.into(),
        metadata: if position.is_multiple_of(2) { Arc::from([]) } else { Arc::from(*b"{\"by\":1}") },
        recorded_at: Timestamp::from_micros(recorded_at_us),
    }
}

fn page() -> Page {
    let moments = [0, 1, -1, i64::MIN, i64::MAX, 1_795_132_800_123_456];
    let records = (0..300_usize).map(|nth| {
        let data = vec![b'x'; [0, 1, 127, 128, 300, 20_000][nth % 6]];
        record(
            if nth == 299 { u64::MAX } else { u64::try_from(nth).unwrap() },
            &data,
            moments[nth % moments.len()],
        )
    });
    Page { records: records.collect(), next: Position(301), head: Position(u64::MAX) }
}

/// The generated message with the same content.
fn generated(record: &Record) -> proto::Record {
    proto::Record {
        position: record.position.0,
        stream: record.stream.as_str().to_owned(),
        revision: record.revision.0,
        event_id: record.event_id.0.as_bytes().to_vec(),
        event_type: record.event_type.to_string(),
        data: record.data.to_vec(),
        metadata: record.metadata.to_vec(),
        recorded_at_us: record.recorded_at.micros(),
    }
}

#[test]
fn a_page_is_written_as_its_definition_says_and_comes_back_whole() {
    let page = page();
    let said = page_out(&page);
    let whole = proto::Page {
        records: page.records.iter().map(generated).collect(),
        next: page.next.0,
        head: page.head.0,
    };
    assert_eq!(said, whole.encode_to_vec(), "byte for byte");
    assert_eq!(page_in(&said), Ok(page.clone()));
    let records: Vec<Bytes> = page.records.iter().map(record_out).collect();
    assert!(records.iter().zip(&whole.records).all(|(said, whole)| *said == whole.encode_to_vec()));
    assert_eq!(records_in(&records), Ok(page.records));
}

#[test]
fn the_page_of_an_empty_log_is_a_page_and_not_an_answer_without_one() {
    let empty = Page { records: vec![], next: Position::START, head: Position::START };
    let said = page_out(&empty);
    assert_eq!(page_in(&said), Ok(empty));
    assert_eq!(proto::Page::decode(said), Ok(proto::Page::default()), "as its definition reads it");
}

#[test]
fn events_of_one_type_share_its_name() {
    let said = page_out(&Page { records: vec![record(3, b"", 0), record(6, b"", 0)], ..page() });
    let read = page_in(&said).unwrap();
    assert!(Arc::ptr_eq(&read.records[0].event_type, &read.records[1].event_type));
}

#[test]
fn a_field_that_a_later_build_adds_is_passed_over() {
    let mut said = page_out(&page()).to_vec();
    // Field 14: a number, eight bytes, some bytes, four bytes.
    said.extend([14 << 3, 150, 1, (14 << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    said.extend([(14 << 3) | 2, 2, 9, 9, (14 << 3) | 5, 1, 2, 3, 4]);
    assert_eq!(page_in(&said), Ok(page()));
}

#[test]
fn a_page_that_is_cut_anywhere_is_never_taken_for_a_whole_one() {
    let whole = Page { records: vec![record(7, b"{}", 5)], next: Position(300), head: Position(400) };
    let said = page_out(&whole);
    for end in 0..said.len() {
        if let Ok(read) = page_in(&said[..end]) {
            assert_ne!(read, whole, "cut at {end}");
            assert!(read.next < whole.next || read.head < whole.head, "cut at {end}: {read:?}");
        }
    }
}

#[test]
fn what_is_no_record_is_refused_in_words() {
    let good = generated(&record(1, b"{}", 5));
    let without = |change: fn(&mut proto::Record)| {
        let mut record = good.clone();
        change(&mut record);
        let page = proto::Page { records: vec![record], next: 2, head: 1 };
        page_in(&page.encode_to_vec()).unwrap_err().to_string()
    };
    assert!(without(|record| record.stream.clear()).contains("stream name"));
    assert!(without(|record| record.event_id.truncate(15)).contains("16 bytes"));
    assert!(page_in(&[]).unwrap_err().to_string().contains("no page"));
    // A record where a number belongs, a number where a record belongs, a group, a name that is no text.
    for wrong in [&[(2 << 3) | 2, 0][..], &[1 << 3, 7], &[(1 << 3) | 3], &[0x0a, 3, 0x12, 1, 0xff]] {
        assert!(page_in(wrong).is_err(), "{wrong:?}");
    }
}
