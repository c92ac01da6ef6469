//! The embedded log and the memory log answer any series of appends alike, whatever happens to the files between.

use crate::support::{clock, options, record, stream};
use quickcheck::{Arbitrary, Gen};
use std::sync::Arc;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, LogError, Position, Record, Revision, StreamAppend,
};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, MemoryLog, Options};

#[derive(Debug, Clone)]
enum Step {
    /// Appends to one to three streams of four, ids from a small range, so that repetitions are common.
    Append(Vec<(u8, Expected, u64, usize)>),
    /// Closes the embedded log and opens it again.
    Reopen,
    /// The process dies and the log is opened again.
    Kill,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 16 {
            0 => Self::Reopen,
            1 => Self::Kill,
            _ => {
                let parts = usize::from(u8::arbitrary(g) % 3) + 1;
                let first = u8::arbitrary(g);
                let part = |nth: usize, g: &mut Gen| {
                    let name = first.wrapping_add(u8::try_from(nth).unwrap()) % 4;
                    let expected = match u8::arbitrary(g) % 5 {
                        0 => Expected::Any,
                        1 => Expected::Exists,
                        2 => Expected::NoStream,
                        _ => Expected::Exactly(Revision(u64::from(u8::arbitrary(g) % 8))),
                    };
                    (name, expected, u64::from(u8::arbitrary(g) % 6), usize::from(u8::arbitrary(g) % 4))
                };
                Self::Append((0..parts).map(|nth| part(nth, g)).collect())
            }
        }
    }
}

fn offer(parts: &[(u8, Expected, u64, usize)]) -> Vec<StreamAppend> {
    let part = |(name, expected, first, count): &(u8, Expected, u64, usize)| StreamAppend {
        stream: stream(&format!("s-{name}")),
        expected: *expected,
        records: (*first..).map(record).take(*count).collect(),
    };
    parts.iter().map(part).collect()
}

fn comparable(answer: Result<Vec<Appended>, LogError>) -> Result<Vec<Appended>, String> {
    answer.map_err(|error| error.to_string())
}

/// All records without their times, which differ.
async fn everything(log: &dyn EventLog) -> Vec<Record> {
    let mut records = log.read_all(Position(1), &Filter::all(), usize::MAX).await.unwrap().records;
    for record in &mut records {
        record.recorded_at = stele_domain::time::Timestamp::default();
    }
    records
}

fn open(disk: &SimulatedDisk, options: Options) -> EmbeddedLog {
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
}

#[test]
fn memory_and_embedded_answer_alike() {
    #[expect(clippy::needless_pass_by_value, reason = "the property runner hands values over")]
    fn law(steps: Vec<Step>, cached: bool) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let options = || if cached { options() } else { options().with_cache_bytes(0) };
            let disk = SimulatedDisk::new();
            let memory = MemoryLog::new(clock());
            let mut embedded = open(&disk, options());
            for step in &steps {
                match step {
                    Step::Append(parts) => {
                        let expected = memory.multi_stream().unwrap().append_many(offer(parts)).await;
                        let actual = embedded.multi_stream().unwrap().append_many(offer(parts)).await;
                        assert_eq!(comparable(actual), comparable(expected), "{parts:?}");
                    }
                    Step::Reopen => {
                        embedded.close().await.unwrap();
                        drop(embedded);
                        embedded = open(&disk, options());
                    }
                    Step::Kill => {
                        disk.kill_process();
                        drop(embedded);
                        embedded = open(&disk, options());
                    }
                }
            }
            for name in 0..4 {
                let name = stream(&format!("s-{name}"));
                let ids = async |log: &dyn EventLog| {
                    let read =
                        log.read_stream(&name, Revision(u64::MAX), Direction::Backward, 1_000).await.unwrap();
                    read.iter().map(|record| (record.position, record.event_id)).collect::<Vec<_>>()
                };
                assert_eq!(ids(&memory).await, ids(&embedded).await);
            }
            everything(&memory).await == everything(&embedded).await
        })
    }
    quickcheck::QuickCheck::new().tests(60).quickcheck(law as fn(Vec<Step>, bool) -> bool);
}
