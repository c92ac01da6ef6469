//! The recorded workload, and what is known of it from outside: who was told what.

use crate::support::{options, record, sized, stream, try_open};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, EventLog, Expected, Filter, LogError, NewRecord, Position, Record, StreamAppend, StreamId,
};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, Options};

/// One append: its parts, and the answers when there were any.
struct Attempt {
    parts: Vec<StreamAppend>,
    answers: Option<Vec<Appended>>,
}

/// Everything that was asked of the log.
#[derive(Default)]
pub struct Past {
    attempts: Vec<Attempt>,
}

/// Runs the workload until it ends or the log fails.
pub async fn run(disk: &SimulatedDisk) -> Past {
    let mut past = Past::default();
    let Ok((log, _)) = try_open(disk) else {
        return past;
    };
    if !one_after_the_other(&log, &mut past, 0).await || !at_once(log, &mut past, 1_000).await {
        return past;
    }
    let Ok((log, _)) = try_open(disk) else {
        return past;
    };
    one_after_the_other(&log, &mut past, 2_000).await;
    // Closing may fail as anything else; what was acknowledged must be there all the same.
    drop(log.close().await);
    past
}

/// Runs the sequential parts only, which make the same changes in every run, until they end or the log fails.
pub async fn run_in_order(disk: &SimulatedDisk) -> Past {
    run_in_order_with(disk, &options()).await
}

/// As [`run_in_order`], of a log that is opened in this way.
pub async fn run_in_order_with(disk: &SimulatedDisk, options: &Options) -> Past {
    let mut past = Past::default();
    for base in [0, 2_000] {
        let Ok((log, _)) = EmbeddedLog::open_on(Arc::new(disk.clone()), options.clone()) else {
            break;
        };
        if !one_after_the_other(&log, &mut past, base).await || log.close().await.is_err() {
            break;
        }
    }
    past
}

/// Runs the sequential part, which never fails on a disk that works.
pub async fn run_alone(disk: &SimulatedDisk) -> Past {
    let mut past = Past::default();
    let (log, _) = try_open(disk).unwrap();
    assert!(one_after_the_other(&log, &mut past, 0).await);
    past
}

/// Runs the sequential parts to their end whatever is refused: a log that can't be opened is opened once more, one that
/// stopped is left and opened anew. It ends when the power fails. Returns what was refused, too.
pub async fn run_whatever_fails(disk: &SimulatedDisk, options: &Options) -> (Past, Vec<LogError>) {
    let (mut past, mut refused) = (Past::default(), vec![]);
    let open = || EmbeddedLog::open_on(Arc::new(disk.clone()), options.clone());
    for base in [0, 2_000] {
        let opened = open().or_else(|error| {
            refused.push(error);
            open()
        });
        let Ok((log, _)) = opened else { break };
        for parts in offers(base) {
            refused.extend(past.offer(&log, parts).await.err());
        }
        refused.extend(log.close().await.err());
        drop(log);
        if !disk.has_power() {
            break;
        }
        disk.kill_process();
    }
    (past, refused)
}

/// Small and large, one stream and several, text and zeros. False when the log failed.
async fn one_after_the_other(log: &EmbeddedLog, past: &mut Past, base: u64) -> bool {
    for parts in offers(base) {
        if past.offer(log, parts).await.is_err() {
            return false;
        }
    }
    true
}

/// What is offered one after the other.
fn offers(base: u64) -> [Vec<StreamAppend>; 9] {
    let zeros = NewRecord { data: vec![0; 2_100].into(), ..record(base + 500) };
    [
        vec![part("a-1", vec![record(base + 1)])],
        vec![part("a-1", vec![record(base + 2), record(base + 3)]), part("b-1", vec![record(base + 4)])],
        vec![part("c-1", vec![sized(base + 5, 1_500)])],
        vec![
            part("b-1", vec![record(base + 6)]),
            part("d-1", vec![sized(base + 7, 600), sized(base + 8, 700)]),
        ],
        vec![part("a-1", (base + 20..base + 32).map(record).collect())],
        vec![part("z-1", vec![zeros])],
        vec![part("c-1", vec![sized(base + 9, 3_000)])],
        vec![part("a-1", vec![record(base + 10)])],
        vec![part("b-1", vec![sized(base + 11, 2_000)])],
    ]
}

/// Several writers, so that groups have several commits. False when the log failed.
async fn at_once(log: EmbeddedLog, past: &mut Past, base: u64) -> bool {
    let log = Arc::new(log);
    for round in 0..4 {
        let mut writers = vec![];
        for writer in 0..6 {
            let log = Arc::clone(&log);
            writers.push(tokio::spawn(async move {
                let number = base + round * 20 + writer * 2;
                let name = format!("w-{writer}");
                let parts = vec![part(&name, vec![sized(number, 300), record(number + 1)])];
                let mut own = Past::default();
                drop(own.offer(&log, parts).await);
                own
            }));
        }
        for writer in writers {
            past.attempts.extend(writer.await.unwrap().attempts);
        }
        if past.attempts.iter().any(|attempt| attempt.answers.is_none()) {
            return false;
        }
    }
    log.close().await.is_ok()
}

fn part(name: &str, records: Vec<NewRecord>) -> StreamAppend {
    StreamAppend { stream: stream(name), expected: Expected::Any, records }
}

impl Past {
    async fn offer(&mut self, log: &EmbeddedLog, parts: Vec<StreamAppend>) -> Result<(), LogError> {
        let answered = log.multi_stream().unwrap().append_many(parts.clone()).await;
        let (answers, refused) = match answered {
            Ok(answers) => (Some(answers), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.attempts.push(Attempt { parts, answers });
        refused
    }

    /// Adds something that was acknowledged otherwise.
    pub fn acknowledge(&mut self, name: &str, records: Vec<NewRecord>, answer: Appended) {
        self.attempts.push(Attempt { parts: vec![part(name, records)], answers: Some(vec![answer]) });
    }

    /// How many appends were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.answers.is_some()).count()
    }

    /// Checks that what was acknowledged is there, where it was said to be, and that of the rest each append is
    /// there whole or not at all, and nothing else is.
    pub async fn compare_with(&self, log: &EmbeddedLog) -> Result<(), String> {
        let page =
            log.read_all(Position(1), &Filter::all(), usize::MAX).await.map_err(|error| error.to_string())?;
        let mut there: BTreeMap<(StreamId, EventId), Record> = page
            .records
            .into_iter()
            .map(|record| ((record.stream.clone(), record.event_id), record))
            .collect();
        for attempt in &self.attempts {
            let mut found = vec![];
            for (part, offer) in attempt.records() {
                if let Some(record) = there.remove(&(part.clone(), offer.event_id)) {
                    if record.data != offer.data || record.metadata != offer.metadata {
                        return Err(format!("position {} has other content", record.position));
                    }
                    found.push(record.position);
                }
            }
            let wanted = attempt.records().count();
            if found.len() != wanted && (attempt.answers.is_some() || !found.is_empty()) {
                return Err(format!("{} of {wanted} records of an append are there", found.len()));
            }
            if !found.iter().zip(found.iter().skip(1)).all(|(one, two)| one.next() == *two) {
                return Err(format!("the records of an append are apart: {found:?}"));
            }
            let told = attempt.answers.as_ref().and_then(|answers| answers.first());
            if told.is_some_and(|told| Some(&told.first) != found.first()) {
                return Err(format!("an append was told {told:?} and is at {found:?}"));
            }
        }
        if there.is_empty() { Ok(()) } else { Err(format!("nobody wrote {:?}", there.keys())) }
    }

    /// Offers everything again: what was acknowledged is found, the rest is kept now.
    pub async fn try_again(&self, log: &EmbeddedLog) -> Result<(), String> {
        let multi = log.multi_stream().unwrap();
        for attempt in &self.attempts {
            let again = multi.append_many(attempt.parts.clone()).await.map_err(|error| error.to_string())?;
            if let Some(told) = &attempt.answers {
                let same = told.iter().zip(&again).all(|(told, again)| {
                    again.repeated
                        && (told.first, told.last, told.revision) == (again.first, again.last, again.revision)
                });
                if !same {
                    return Err(format!("an append was told {told:?} and then {again:?}"));
                }
            }
        }
        let count = log.head().await.map_err(|error| error.to_string())?.0;
        let wanted: usize = self.attempts.iter().map(|attempt| attempt.records().count()).sum();
        if count == u64::try_from(wanted).unwrap_or_default() {
            Ok(())
        } else {
            Err(format!("there are {count} records where {wanted} were offered"))
        }
    }
}

impl Attempt {
    fn records(&self) -> impl Iterator<Item = (&StreamId, &NewRecord)> {
        self.parts.iter().flat_map(|part| part.records.iter().map(|record| (&part.stream, record)))
    }
}
