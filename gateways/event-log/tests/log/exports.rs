//! Lines of an export become a log that is the same but for its name, or nothing at all.

use crate::support::{Ticking, clock, record, stream};
use quickcheck::{Arbitrary, Gen};
use sha2::{Digest as _, Sha256};
use std::io::{BufReader, Cursor};
use std::path::Path;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog, Expected, Filter, NewRecord, Position, Record, StreamAppend};
use stele_event_log::{
    EmbeddedLog, ExportError, ExportOptions, Exported, ImportError, Imported, Options, VerifyOptions, export,
    import, verify,
};
use tempfile::TempDir;
use uuid::Uuid;

fn options(clock: &Arc<Ticking>) -> Options {
    Options::new(Arc::clone(clock) as _).with_segment_bytes(8 * 1024)
}

/// One append: streams with their records, and how long after the one before it.
#[derive(Debug, Clone)]
struct Commit {
    streams: Vec<(u8, Vec<Vec<u8>>)>,
    later: u8,
}

impl Arbitrary for Commit {
    fn arbitrary(g: &mut Gen) -> Self {
        let first = u8::arbitrary(g) % 5;
        let streams = (0..=u8::arbitrary(g) % 3).map(|nth| {
            let records = (0..=usize::arbitrary(g) % 3).map(|_| Vec::arbitrary(g)).collect();
            ((first + nth) % 5, records)
        });
        Self { streams: streams.collect(), later: u8::arbitrary(g) }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A log of these commits in `directory`, closed.
fn written(directory: &Path, commits: &[Commit]) -> Vec<Record> {
    let clock = clock();
    let (log, _) = EmbeddedLog::open(directory, options(&clock)).unwrap();
    run(async {
        let mut number = 0;
        let mut now = 1_000_000;
        for commit in commits {
            now += i64::from(commit.later) * 10_000;
            clock.set(now);
            let appends = commit.streams.iter().map(|(name, records)| StreamAppend {
                stream: stream(&format!("{}-{name}", "órder")),
                expected: Expected::Any,
                records: records
                    .iter()
                    .map(|bytes| {
                        number += 1;
                        NewRecord {
                            event_id: EventId(Uuid::from_u128(number)),
                            event_type: "test.Kept".into(),
                            data: bytes.clone().into(),
                            metadata: bytes.iter().rev().copied().collect::<Vec<_>>().into(),
                        }
                    })
                    .collect(),
            });
            log.multi_stream().unwrap().append_many(appends.collect()).await.unwrap();
        }
        let records = log.read_all(Position(1), &Filter::all(), usize::MAX).await.unwrap().records;
        log.close().await.unwrap();
        records
    })
}

fn lines(directory: &Path, options: &ExportOptions) -> Result<(Vec<u8>, Exported), ExportError> {
    let mut lines = vec![];
    let exported = export(directory, options, &mut lines)?;
    Ok((lines, exported))
}

fn imported(lines: &[u8], directory: &Path) -> Result<Imported, ImportError> {
    // Small reads: a line comes in pieces.
    import(BufReader::with_capacity(7, Cursor::new(lines)), directory, options(&clock()))
}

fn all(directory: &Path) -> Vec<Record> {
    let (log, _) = EmbeddedLog::open(directory, options(&clock())).unwrap();
    run(log.read_all(Position(1), &Filter::all(), usize::MAX)).unwrap().records
}

#[test]
fn what_was_exported_and_imported_is_the_same_log_under_another_name() {
    #[expect(clippy::needless_pass_by_value, reason = "quickcheck gives what it made")]
    fn law(commits: Vec<Commit>) -> bool {
        let place = tempfile::tempdir().unwrap();
        let (old, new) = (place.path().join("old"), place.path().join("new"));
        let records = written(&old, &commits);
        let (lines, exported) = lines(&old, &ExportOptions::default()).unwrap();
        let imported = imported(&lines, &new).unwrap();
        let before = verify(&old, &VerifyOptions::default()).unwrap();
        // The tree is over payloads and positions, so it is the same; nothing that the old key signed is about it.
        let same_tree = imported.verified.root == before.root
            && imported.verified.stat.commits == before.stat.commits
            && imported.from == exported.log
            && imported.verified.stat.log != exported.log;
        let (again, _) = self::lines(&new, &ExportOptions::default()).unwrap();
        let without_header = |lines: &[u8]| {
            let text: Vec<_> = lines.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::to_vec).collect();
            text[..text.len() - 2].to_vec()
        };
        same_tree && all(&new) == records && without_header(&again) == without_header(&lines)
    }
    quickcheck::QuickCheck::new().tests(40).quickcheck(law as fn(Vec<Commit>) -> bool);
}

/// A log with text, JSON, and bytes that are neither.
fn mixed(place: &TempDir) -> Vec<u8> {
    let directory = place.path().join("mixed");
    let data =
        [b"{\"a\": 1}".to_vec(), vec![0xff, 0xfe, 0, 1], "ü\u{0}\u{2028}\"\\".into(), vec![], vec![0xc3]];
    let commits: Vec<Commit> =
        data.iter().map(|bytes| Commit { streams: vec![(1, vec![bytes.clone()])], later: 1 }).collect();
    written(&directory, &commits);
    lines(&directory, &ExportOptions::default()).unwrap().0
}

#[test]
fn bytes_that_are_no_text_come_back_and_text_stays_readable() {
    let place = tempfile::tempdir().unwrap();
    let lines = mixed(&place);
    let text = String::from_utf8(lines.clone()).unwrap();
    assert!(
        text.contains(r#""data":"{\"a\": 1}""#) && text.contains(r#""data":{"base64":"//4AAQ=="}"#),
        "{text}"
    );
    let new = place.path().join("new");
    imported(&lines, &new).unwrap();
    assert_eq!(all(&new), all(&place.path().join("mixed")));
}

#[test]
fn a_file_that_was_cut_anywhere_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    let lines = mixed(&place);
    let ends: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at] == b'\n').flat_map(|at| [at, at + 1]).collect();
    for (nth, end) in ends[..ends.len() - 1].iter().chain(&[0, 1, 100]).enumerate() {
        let error = imported(&lines[..*end], &place.path().join(format!("cut-{nth}"))).unwrap_err();
        assert!(matches!(error, ImportError::Cut { .. }), "{end} bytes: {error}");
    }
}

/// The lines of a small export, each as text.
fn small(place: &TempDir) -> Vec<String> {
    String::from_utf8(mixed(place)).unwrap().lines().map(str::to_owned).collect()
}

/// The lines with a trailer that is right about their digest.
fn signed(mut lines: Vec<String>) -> Vec<String> {
    let trailer = lines.pop().unwrap();
    let before = lines.join("\n") + "\n";
    let digest: Vec<String> = Sha256::digest(before).iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = digest.concat();
    let (count, _) = trailer.split_once("\"sha256\":").unwrap();
    lines.push(format!("{count}\"sha256\":\"{digest}\"}}}}"));
    lines
}

#[test]
fn lines_that_are_not_those_that_were_exported_are_refused_each_in_its_own_words() {
    let place = tempfile::tempdir().unwrap();
    let good = small(&place);
    let with = |nth: usize, line: &str| {
        let mut lines = good.clone();
        line.clone_into(&mut lines[nth]);
        lines
    };
    let without = |nth: usize| [&good[..nth], &good[nth + 1..]].concat();
    let swapped = [&good[..2], &[good[3].clone(), good[2].clone()], &good[4..]].concat();
    let long = with(1, &"x".repeat(40 * 1024 * 1024));
    let cases: Vec<(Vec<String>, &str)> = vec![
        (without(2), "line 3 should be position 2, and is position 3"),
        (swapped, "line 3 should be position 2, and is position 3"),
        (without(5), "line 6 should be the trailer after position 5, and is the trailer after position 4"),
        (with(1, &good[1].replace("{\\\"a\\\": 1}", "{\\\"a\\\": 2}")), "their digest is "),
        (
            with(2, &good[2].replace("\"commit\":1", "\"commit\":7")),
            "line 3 should be of commit 1, and is of commit 7",
        ),
        (
            signed(with(2, &good[2].replace("\"revision\":1", "\"revision\":2"))),
            "is at revision 0 and not at revision 1",
        ),
        (with(2, &good[2].replace("//4AAQ==", "//4AAQ")), "the base64 is wrong"),
        (
            with(2, &good[2].replace("recorded_at_us\":1", "recorded_at_us\":-1")),
            "before the event before it",
        ),
        (with(0, &good[0].replace("\"from\":1", "\"from\":2")), "begins with position 2"),
        (with(0, &good[0].replace("\"version\":1", "\"version\":2")), "it has version 2"),
        (with(3, &good[0]), "there is a second header"),
        (with(4, "not JSON"), "line 5 is no line of an export"),
        ([&good[..], &good[1..2]].concat(), "there is something after the trailer"),
        (good[1..].to_vec(), "an export begins with a header"),
        (long, "line 2 is longer than"),
    ];
    for (nth, (lines, words)) in cases.into_iter().enumerate() {
        let text = format!("{}\n", lines.join("\n"));
        let error = imported(text.as_bytes(), &place.path().join(format!("bad-{nth}"))).unwrap_err();
        assert!(error.to_string().contains(words), "{nth}: {error}, and not {words}");
    }
}

#[test]
fn an_import_changes_no_directory_that_holds_anything() {
    let place = tempfile::tempdir().unwrap();
    let lines = mixed(&place);
    let mixed = place.path().join("mixed");
    let before = all(&mixed);
    assert!(matches!(imported(&lines, &mixed).unwrap_err(), ImportError::NotEmpty(_)));
    assert_eq!(all(&mixed), before);
}

#[test]
fn a_range_is_exported_exactly_and_one_that_is_not_there_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let commits = vec![Commit { streams: vec![(1, vec![vec![1]; 3]), (2, vec![vec![2]; 2])], later: 1 }; 60];
    written(&directory, &commits);
    let range = |from: u64, to: u64| ExportOptions {
        from: Some(Position(from)),
        to: Some(Position(to)),
        ..ExportOptions::default()
    };
    for (from, to) in [(1, 1), (2, 9), (147, 153), (300, 300), (7, 6)] {
        let (lines, exported) = lines(&directory, &range(from, to)).unwrap();
        let text = String::from_utf8(lines).unwrap();
        let positions: Vec<u64> = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("{\"event\":{\"position\":")?.split(',').next()?.parse().ok()
            })
            .collect();
        assert_eq!(positions, (from..=to).collect::<Vec<_>>());
        assert_eq!(exported.events, to + 1 - from);
    }
    for (from, to) in [(1, 301), (302, 301), (9, 7)] {
        let error = lines(&directory, &range(from, to)).unwrap_err();
        assert!(matches!(error, ExportError::Range { head: 300, .. }), "{from} to {to}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_an_owner_only_what_it_signed_is_exported() {
    let place = tempfile::tempdir().unwrap();
    let (log, _) = EmbeddedLog::open(place.path(), options(&clock())).unwrap();
    for number in 0..50 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    let durable = log.checkpoint().unwrap();
    for number in 50..60 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    assert!(matches!(lines(place.path(), &ExportOptions::default()).unwrap_err(), ExportError::Owned));
    let options = ExportOptions { durable: Some(durable), ..ExportOptions::default() };
    let (_, exported) = lines(place.path(), &options).unwrap();
    assert_eq!((exported.events, exported.to), (50, Position(50)));
}
