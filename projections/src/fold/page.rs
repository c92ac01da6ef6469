//! A stretch of the log, read once for all projections: who folds which of its events.

use super::words;
use crate::models::parked_events::ParkedRow;
use crate::observe;
use std::collections::BTreeMap;
use stele_domain::codec;
use stele_domain::event::Recorded;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Position, Record};

/// Longest account of what was wrong with an event, in bytes.
const PARKED_ERROR_BYTES_MAX: usize = 1_000;

/// Every record of ours, in order. Those of other systems are left out.
pub struct Page {
    items: Vec<Item>,
    /// Places of the events of each type.
    of_type: BTreeMap<&'static str, Vec<usize>>,
    /// Places of what can't be read: every projection has to park it.
    unreadable: Vec<usize>,
    /// Where the page ends early.
    newer: Option<Newer>,
    /// The last record that was read, whoever wrote it.
    last: Option<(Position, EventId)>,
}

/// An event that a newer build has written. Nothing of it can be folded here, and nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "event {event_type} at position {at} of stream {stream} is none that this build can read ({why}): a newer build wrote \
     it; the tables stay before it until this desk runs that build"
)]
pub struct Newer {
    /// Where it stands.
    pub at: Position,
    /// Its type.
    pub event_type: String,
    /// Its stream.
    pub stream: String,
    /// What is new.
    pub why: String,
}

/// A record of the log, as far as it can be read here.
pub enum Item {
    /// A fact of ours.
    Event(Box<Recorded>),
    /// A fact of ours whose bytes can't be read.
    Unreadable(Box<Unreadable>),
}

/// A record that can't be read.
pub struct Unreadable {
    record: Record,
    pub why: String,
}

impl Page {
    /// Reads records, up to the first one of a newer build.
    pub fn read(records: Vec<Record>) -> Self {
        let mut page = Self {
            items: Vec::with_capacity(records.len()),
            of_type: BTreeMap::new(),
            unreadable: vec![],
            newer: None,
            last: None,
        };
        for record in records {
            let place = page.items.len();
            let last = (record.position, record.event_id);
            match codec::recorded(&record) {
                Ok(event) => {
                    page.of_type.entry(codec::type_of(&event.event)).or_default().push(place);
                    page.items.push(Item::Event(Box::new(event)));
                }
                Err(error) if error.is_newer(&record.stream) => {
                    page.newer = Some(Newer {
                        at: record.position,
                        event_type: record.event_type.to_string(),
                        stream: record.stream.to_string(),
                        why: words(&error),
                    });
                    break;
                }
                Err(error) if error.is_foreign() => observe::foreign(&record),
                Err(error) => {
                    page.unreadable.push(place);
                    let why = words(&error);
                    page.items.push(Item::Unreadable(Box::new(Unreadable { record, why })));
                }
            }
            page.last = Some(last);
        }
        page
    }

    /// The event before which a fold must stop, when there is one.
    pub fn newer(&self) -> Option<&Newer> {
        self.newer.as_ref()
    }

    /// How far this page can be folded, which was read up to `end`.
    pub fn until(&self, end: Position) -> Position {
        self.newer.as_ref().map_or(end, |newer| Position(newer.at.0.saturating_sub(1)).min(end))
    }

    /// The event at `end`, when it is the last one here.
    pub fn ends_with(&self, end: Position) -> Option<EventId> {
        self.last.filter(|(at, _)| *at == end).map(|(_, id)| id)
    }

    /// What a projection that folds these types has to look at after `from` and up to `to`.
    pub fn between(&self, types: &[&str], from: Position, to: Position) -> Vec<&Item> {
        let first = self.items.partition_point(|item| item.position() <= from);
        let last = self.items.partition_point(|item| item.position() <= to);
        let lists = types.iter().filter_map(|name| self.of_type.get(name)).chain([&self.unreadable]);
        let mut places: Vec<usize> =
            lists.flatten().copied().filter(|at| (first..last).contains(at)).collect();
        places.sort_unstable();
        places.into_iter().filter_map(|at| self.items.get(at)).collect()
    }
}

/// What any store can hold of what was wrong: it quotes others.
fn storable(why: &str) -> String {
    let plain = why.replace(char::is_control, "\u{fffd}");
    plain[..plain.floor_char_boundary(PARKED_ERROR_BYTES_MAX)].to_owned()
}

impl Item {
    /// Where it stands in the log.
    pub fn position(&self) -> Position {
        match self {
            Self::Event(event) => event.position,
            Self::Unreadable(unreadable) => unreadable.record.position,
        }
    }

    /// What is written down when a projection can't fold it.
    pub fn parked(&self, projection: &str, why: &str) -> ParkedRow {
        let (position, event_id, stream, event_type, recorded_at) = match self {
            Self::Event(e) => {
                (e.position, e.event_id, &e.stream, codec::type_of(&e.event).to_owned(), e.recorded_at)
            }
            Self::Unreadable(unreadable) => {
                let r = &unreadable.record;
                (r.position, r.event_id, &r.stream, r.event_type.to_string(), r.recorded_at)
            }
        };
        ParkedRow {
            position,
            projection: projection.to_owned(),
            event_id,
            event_type,
            stream: stream.to_string(),
            error: storable(why),
            recorded_at,
        }
    }
}
