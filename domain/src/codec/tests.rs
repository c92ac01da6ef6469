//! What is written can be read, every type is in every table, and what can't be read says why.

use super::{
    CodecError, EVENT_TYPES, SCHEMA_VERSION, decode, decode_meta, encode, encode_meta, recorded, samples,
    to_record, type_of, version_of,
};
use crate::event::{CommandMark, Event, Meta};
use crate::ids::{CommandId, CorrelationId, EventId, derived};
use crate::market;
use crate::market::reference::event::{Basis, BasisMode, Block, ReferencePriced, Verdict};
use crate::port::event_log::{Position, Record, Revision, StreamId};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

fn meta(schema: u32) -> Meta {
    Meta {
        correlation_id: CorrelationId(derived("test", &["story"])),
        causation_id: Some(EventId(derived("test", &["cause"]))),
        command: Some(CommandMark {
            command_id: CommandId(derived("test", &["command"])),
            digest: "abcd".to_owned(),
        }),
        actor: "operator:alice".to_owned().try_into().unwrap(),
        origin: None,
        occurred_at: Timestamp::from_millis(1_795_199_078_123),
        schema,
    }
}

fn record(event_type: &str, data: &[u8], metadata: &[u8]) -> Record {
    Record {
        position: Position(41),
        stream: StreamId::new("price-btc-eure").unwrap(),
        revision: Revision(7),
        event_id: EventId(derived("test", &["event"])),
        event_type: Arc::from(event_type),
        data: Arc::from(data),
        metadata: Arc::from(metadata),
        recorded_at: Timestamp::from_millis(1_795_199_078_200),
    }
}

#[test]
fn there_is_one_sample_of_each_type_in_the_order_of_the_types() {
    let names: Vec<_> = samples().iter().map(type_of).collect();
    assert_eq!(names, EVENT_TYPES);
}

#[test]
fn no_two_types_share_a_name() {
    assert_eq!(EVENT_TYPES.iter().collect::<BTreeSet<_>>().len(), EVENT_TYPES.len());
}

#[test]
fn every_sample_is_read_as_what_was_written() {
    for sample in samples() {
        let name = type_of(&sample);
        let data = encode(&sample).unwrap();
        for version in 1..=version_of(name) {
            assert_eq!(decode(name, version, &data).unwrap(), sample, "{name}");
        }
    }
}

#[test]
fn samples_and_their_bytes_are_the_same_on_every_call() {
    let bytes = || samples().iter().map(|sample| encode(sample).unwrap()).collect::<Vec<_>>();
    assert_eq!(bytes(), bytes());
}

#[test]
fn every_form_of_a_verdict_is_read_as_what_was_written() {
    let blocks = [
        Block::NoPrice,
        Block::PriceStale,
        Block::PriceConflict,
        Block::PegOutOfBand,
        Block::FallbackForbidden,
    ];
    for block in blocks {
        let priced = ReferencePriced {
            verdict: Verdict::Blocked { block },
            sources: vec![],
            disagreement: None,
            basis: Some(Basis {
                mode: BasisMode::Observed,
                rate: "0.9987".parse().unwrap(),
                age_ms: Some(31_000),
            }),
            depegged: block == Block::PegOutOfBand,
            priced_at: Timestamp::from_millis(0),
        };
        let reference = market::reference::event::Event::ReferencePriced(priced);
        let event = Event::Market(market::event::Event::Reference(reference));
        let data = encode(&event).unwrap();
        assert!(String::from_utf8(data.clone()).unwrap().contains(block.code()));
        assert_eq!(decode("market.ReferencePriced", 1, &data).unwrap(), event);
    }
}

#[test]
fn money_and_time_are_written_as_text() {
    let data = encode(&samples()[0]).unwrap();
    assert_eq!(
        String::from_utf8(data).unwrap(),
        concat!(
            r#"{"source":"kraken","bid":"57120.1","ask":"57126.8","#,
            r#""source_at":"2026-11-20T18:24:38.040000Z","received_at":"2026-11-20T18:24:38.052000Z"}"#
        )
    );
}

#[test]
fn a_field_that_is_not_known_is_passed_over() {
    let data = br#"{"at":"2026-11-20T18:24:38Z","node":"eu-1"}"#;
    let event = decode("intents.RelayConnected", 1, data).unwrap();
    assert_eq!(type_of(&event), "intents.RelayConnected");
}

#[test]
fn a_foreign_type_is_told_apart_from_a_damaged_one() {
    for name in ["chain.BlockOrphaned", "market.Nothing", "$metadata", "", "PriceObserved"] {
        let error = decode(name, 1, b"{}").unwrap_err();
        assert!(error.is_foreign(), "{name}: {error}");
        assert!(matches!(error, CodecError::UnknownType { event_type } if event_type == name));
    }
    let damaged = decode("market.PriceObserved", 1, b"{}").unwrap_err();
    assert!(!damaged.is_foreign());
    assert_eq!(damaged.to_string(), "the data of market.PriceObserved can't be read");
}

#[test]
fn a_version_of_the_future_is_refused_with_type_and_version() {
    let data = encode(&samples()[0]).unwrap();
    let stream = StreamId::new("price-btc-eure").unwrap();
    for (name, version) in
        [0, 2, u32::MAX].map(|v| ("market.PriceObserved", v)).into_iter().chain([("trading.Decided", 3)])
    {
        let error = decode(name, version, &data).unwrap_err();
        assert!(!error.is_foreign());
        assert_eq!(error.is_newer(&stream), version > 0, "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(&version.to_string()), "{text}");
    }
}

#[test]
fn an_envelope_is_read_as_what_was_written() {
    let full = meta(1);
    let bare = Meta { causation_id: None, command: None, ..meta(1) };
    for meta in [full, bare] {
        assert_eq!(decode_meta(&encode_meta(&meta).unwrap()).unwrap(), meta);
    }
    assert!(matches!(decode_meta(b"[]"), Err(CodecError::UnreadableMeta { .. })));
}

#[test]
fn a_record_becomes_an_event_with_its_place() {
    for sample in samples() {
        let id = EventId(derived("test", &["event"]));
        let schema = version_of(type_of(&sample));
        let new = to_record(id, &sample, &meta(schema)).unwrap();
        assert_eq!((new.event_id, &*new.event_type), (id, type_of(&sample)));
        let read = recorded(&record(&new.event_type, &new.data, &new.metadata)).unwrap();
        assert_eq!((read.position, read.revision), (Position(41), Revision(7)));
        assert_eq!(read.stream.as_str(), "price-btc-eure");
        assert_eq!((read.event, read.meta), (sample, meta(schema)));
    }
}

#[test]
fn the_version_that_is_written_is_the_form_s_and_not_the_caller_s() {
    for sample in samples() {
        let new = to_record(EventId(derived("test", &[])), &sample, &meta(9)).unwrap();
        assert_eq!(decode_meta(&new.metadata).unwrap(), meta(version_of(type_of(&sample))));
    }
}

#[test]
fn a_foreign_record_is_foreign_whatever_its_metadata() {
    let error = recorded(&record("theirs.Thing", b"\x00", b"")).unwrap_err();
    assert!(error.is_foreign());
    let error = recorded(&record("market.PriceObserved", b"{}", b"")).unwrap_err();
    assert!(
        matches!(error, CodecError::UnreadableMeta { event_type, .. } if event_type == "market.PriceObserved")
    );
}

/// Damaged bytes are refused, or mean something that can be kept and read again.
#[test]
fn damaged_bytes_are_refused_or_can_be_kept() {
    fn law(index: usize, cut: usize, flip: usize, bit: u8) -> bool {
        let samples = samples();
        let sample = &samples[index % samples.len()];
        let mut data = encode(sample).unwrap();
        let at = flip % data.len();
        data[at] ^= 1 << (bit % 8);
        if cut.is_multiple_of(4) {
            data.truncate(at);
        }
        match decode(type_of(sample), 1, &data) {
            Ok(read) => decode(type_of(sample), 1, &encode(&read).unwrap()).unwrap() == read,
            Err(error) => matches!(error, CodecError::Unreadable { .. }),
        }
    }
    let law: fn(usize, usize, usize, u8) -> bool = law;
    quickcheck::QuickCheck::new().tests(5_000).quickcheck(law);
}

/// What a stranger, an old build or a slip of the hand can put in the place of one value.
fn hostile() -> Vec<Value> {
    let texts = [
        "",
        "0",
        "-1",
        "1e9",
        "0000-01-01T00:00:00Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59-23:59",
        "10000-01-01T00:00:00Z",
        "1763680000000000000us",
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
        "115792089237316195423570985008687907853269984665640564039457584007913129639936",
        "btc-eure",
        "ä\u{1F600}\u{7f}",
    ];
    let numbers = [json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(u64::MAX), json!(1.5)];
    let others = [json!(null), json!(true), json!([]), json!({})];
    texts.into_iter().map(Value::from).chain(numbers).chain(others).collect()
}

/// Every place in a value where a single value stands, as a pointer to it.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| leaves(field, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| leaves(item, &format!("{at}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(at.to_owned()),
    }
}

/// What a stream holds is read for ever, or the stream is lost: whatever an event can be made of, it is written so that
/// it means the same when it is read.
#[test]
fn nothing_is_written_that_can_not_be_read_back() {
    let mut taken = 0_usize;
    for sample in samples() {
        let (name, form) = (type_of(&sample), serde_json::from_slice(&encode(&sample).unwrap()).unwrap());
        let mut places = vec![];
        leaves(&form, "", &mut places);
        for place in places {
            for value in hostile() {
                let mut changed: Value = form.clone();
                *changed.pointer_mut(&place).unwrap() = value.clone();
                let Ok(event) = decode(name, version_of(name), changed.to_string().as_bytes()) else {
                    continue;
                };
                taken = taken.saturating_add(1);
                let written = encode(&event).unwrap();
                let read = decode(name, version_of(name), &written);
                assert_eq!(read.unwrap_or_else(|e| panic!("{name}{place} = {value}: {e}")), event, "{place}");
            }
        }
    }
    assert!(taken > 1_000, "only {taken} forms were taken at all");
}

/// Fields that were added are read where they stand; where they don't, old builds wrote the event.
#[test]
fn what_was_added_is_read_and_is_not_asked_of_old_events() {
    let added = [
        ("operations.ServiceStarted", "start", json!(4)),
        ("operations.AlertRaised", "cause", json!(41)),
        ("trading.Armed", "strategy_start", json!(4)),
        ("trading.ArmRequested", "strategy_start", json!(4)),
        ("trading.ExecutionCommanded", "strategy_start", json!(4)),
        ("access.KeyCreated", "made_with", json!("4f1d0c7a92be")),
    ];
    for (name, field, value) in added {
        let sample = samples().into_iter().find(|sample| type_of(sample) == name).unwrap();
        let old: Value = serde_json::from_slice(&encode(&sample).unwrap()).unwrap();
        assert_eq!(old.get(field), None, "{name}: the form of old builds has no {field}");
        let mut new = old.clone();
        new.as_object_mut().unwrap().insert(field.to_owned(), value.clone());
        let read = decode(name, SCHEMA_VERSION, new.to_string().as_bytes()).unwrap();
        assert_ne!(read, sample, "{name}: {field} is read");
        let written: Value = serde_json::from_slice(&encode(&read).unwrap()).unwrap();
        assert_eq!(written.get(field), Some(&value), "{name}: {field} is written");
    }
}
