//! What a run came to: the object for programs, and the promises that it is held against.

use super::seen::Seen;
use crate::exit::{Code, Failure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use stele_projections::compare::Difference;

/// Settlements that every run shows at least.
const SETTLED_MIN: u64 = 3;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub seed: u64,
    pub quotes: u64,
    pub decisions: u64,
    pub skipped: BTreeMap<String, u64>,
    pub commands: u64,
    pub submissions: u64,
    pub results: BTreeMap<String, u64>,
    pub lost_to_rival: u64,
    pub journal: JournalCounts,
    pub open_signatures_at_end: u64,
    pub rows_compared: BTreeMap<String, u64>,
    pub rows_different: u64,
    pub read_model_store: &'static str,
    pub log: LogProved,
    pub second_process: SecondProcess,
    pub quote_to_decision: Percentiles,
    pub quote_to_response: Percentiles,
    pub restarts: u32,
    pub elapsed: Duration,
    /// What became of the offer whose reply was swallowed, when that is known.
    pub swallowed_became: Option<&'static str>,
    /// What the desk sent that no correct solver would.
    pub protocol_violations: Vec<String>,
    pub log_problem: Option<String>,
    pub differences: Vec<Difference>,
}

/// The object for programs, in the order in which it is written. Its names are a public promise.
#[derive(Debug, Serialize)]
pub(crate) struct Object<'r> {
    quotes: u64,
    decisions: u64,
    skipped: &'r BTreeMap<String, u64>,
    commands: u64,
    submissions: u64,
    results: &'r BTreeMap<String, u64>,
    lost_to_rival: u64,
    journal: JournalCounts,
    open_signatures_at_end: u64,
    rows_compared: &'r BTreeMap<String, u64>,
    rows_different: u64,
    read_model_store: &'static str,
    log: &'r LogProved,
    second_process: &'r SecondProcess,
    latency_ms: Latency,
    restarts: u32,
    elapsed_ms: u64,
    swallowed_reply: Option<&'static str>,
    seed: u64,
    holds: BTreeMap<&'static str, bool>,
}

#[derive(Debug, Serialize)]
struct Latency {
    quote_to_decision: Percentiles,
    quote_to_response: Percentiles,
}

/// What the simulator counted.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct JournalCounts {
    pub frames: u64,
    pub distinct_nonces: u64,
    pub distinct_commands: u64,
}

/// What the verification came to.
#[derive(Debug, Serialize)]
pub(crate) struct LogProved {
    pub events: u64,
    pub head: u64,
    pub verified: bool,
    pub checkpoint: String,
}

/// What a process that followed the log over a socket had seen, beside what the log's files hold.
#[derive(Debug, Serialize)]
pub(crate) struct SecondProcess {
    pub events: u64,
    pub position: u64,
    pub digest: String,
    pub same: bool,
    /// Why it has seen nothing, or something else.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl SecondProcess {
    /// Judges what was seen by what is kept.
    ///
    /// # Errors
    ///
    /// What is kept can't be read.
    pub(crate) fn of(seen: Result<Seen, Failure>, kept: Result<Seen, Failure>) -> Result<Self, Failure> {
        let kept = kept?;
        let (seen, problem) = match seen {
            Ok(seen) if seen == kept => (seen, None),
            Ok(seen) => {
                let (events, position) = (kept.events, kept.position);
                let words =
                    format!("the log's files hold {events} events up to {position}, with another digest");
                (seen, Some(words))
            }
            Err(failure) => (Seen { events: 0, position: 0, digest: String::new() }, Some(failure.what)),
        };
        let Seen { events, position, digest } = seen;
        Ok(Self { events, position, digest, same: problem.is_none(), problem })
    }
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Percentiles {
    pub p50: f64,
    pub p99: f64,
}

/// The median and the 99th percentile of spans in microseconds, in milliseconds (nearest rank; zero of none).
pub(crate) fn percentiles(mut micros: Vec<u32>) -> Percentiles {
    micros.sort_unstable();
    let rank = |percent: usize| {
        let nth = micros.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
        micros.get(nth).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    };
    Percentiles { p50: rank(50), p99: rank(99) }
}

/// Something that every run has to show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub name: &'static str,
    pub holds: bool,
    pub words: String,
    /// Whether breaking it means that what is stored or sent is not what it should be.
    proof: bool,
}

impl Report {
    /// The object for programs.
    pub(crate) fn object(&self) -> Object<'_> {
        let promises = self.promises();
        Object {
            quotes: self.quotes,
            decisions: self.decisions,
            skipped: &self.skipped,
            commands: self.commands,
            submissions: self.submissions,
            results: &self.results,
            lost_to_rival: self.lost_to_rival,
            journal: self.journal,
            open_signatures_at_end: self.open_signatures_at_end,
            rows_compared: &self.rows_compared,
            rows_different: self.rows_different,
            read_model_store: self.read_model_store,
            log: &self.log,
            second_process: &self.second_process,
            latency_ms: Latency {
                quote_to_decision: self.quote_to_decision,
                quote_to_response: self.quote_to_response,
            },
            restarts: self.restarts,
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            swallowed_reply: self.swallowed_became,
            seed: self.seed,
            holds: promises.iter().map(|promise| (promise.name, promise.holds)).collect(),
        }
    }

    fn result(&self, state: &str) -> u64 {
        self.results.get(state).copied().unwrap_or_default()
    }

    /// Everything that was promised, in the order of the run.
    pub(crate) fn promises(&self) -> Vec<Promise> {
        self.shown().into_iter().chain(self.proved()).collect()
    }

    /// What a run has to show.
    fn shown(&self) -> [Promise; 6] {
        let of = |name, holds, words| Promise { name, holds, words, proof: false };
        let disarmed = self.skipped.get("disarmed").copied().unwrap_or_default();
        let (settled, expired) = (self.result("settled"), self.result("expired_unfilled"));
        let (lost, open) = (self.lost_to_rival, self.open_signatures_at_end);
        let resolved = match self.swallowed_became {
            Some(became) => format!("was looked up: {}", became.replace('_', " ")),
            None => "was not resolved".to_owned(),
        };
        [
            of(
                "refused_while_disarmed",
                disarmed > 0,
                format!("{} refused while nobody had armed it", count(disarmed, "request")),
            ),
            of(
                "settled",
                settled >= SETTLED_MIN,
                format!("{} settled, each seen in a block", count(settled, "offer")),
            ),
            of("lost_to_rival", lost > 0, format!("{} lost to a rival", count(lost, "auction"))),
            of(
                "expired_unfilled",
                expired > 0,
                format!("{} expired unfilled, proved by a later block", count(expired, "offer")),
            ),
            of(
                "swallowed_reply_resolved",
                self.swallowed_became.is_some(),
                format!("the offer without a reply {resolved}"),
            ),
            of("nothing_open", open == 0, format!("{} open at the end", count(open, "signature"))),
        ]
    }

    /// What others than the desk have to confirm.
    fn proved(&self) -> [Promise; 5] {
        let of = |name, holds, words| Promise { name, holds, words, proof: true };
        let JournalCounts { frames, distinct_nonces, distinct_commands } = self.journal;
        let once = frames == distinct_nonces && frames == distinct_commands && frames > 0;
        let sent = if once { "nothing sent twice" } else { "these should be equal" };
        let violations = u64::try_from(self.protocol_violations.len()).unwrap_or(u64::MAX);
        let kept = match violations {
            0 => "every frame was one that a correct solver sends".to_owned(),
            _ => format!(
                "{} that no correct solver sends: {}",
                count(violations, "frame"),
                self.protocol_violations.join("; ")
            ),
        };
        let log = match &self.log_problem {
            None => format!(
                "the log of {} events verifies, against a checkpoint of the living desk",
                self.log.events
            ),
            Some(why) => format!("the log does not verify: {why}"),
        };
        let (rows, tables) = (self.rows_compared.values().sum::<u64>(), self.rows_compared.len());
        let different = self.rows_different;
        let journal = format!(
            "{frames} frames, {distinct_nonces} nonces, {distinct_commands} commands at the market: {sent}"
        );
        [
            of("nothing_sent_twice", once, journal),
            of("protocol_kept", violations == 0, kept),
            of("log_verified", self.log.verified, log),
            of("second_process_saw_the_same", self.second_process.same, self.second_process.words()),
            of(
                "rows_equal",
                different == 0 && rows > 0,
                format!("{rows} rows of {tables} tables folded again from the log: {different} differ"),
            ),
        ]
    }

    /// The end of the run: well, or what was broken.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let promises = self.promises();
        let broken: Vec<&Promise> = promises.iter().filter(|promise| !promise.holds).collect();
        if broken.is_empty() {
            return Ok(());
        }
        let code = if broken.iter().any(|promise| promise.proof) { Code::Mismatch } else { Code::Error };
        let named = broken.iter().map(|promise| format!("{} ({})", promise.name, promise.words));
        let mut what = format!("the demo did not hold: {}", named.collect::<Vec<_>>().join("; "));
        if let Some(first) = self.differences.first() {
            let difference = format!(
                "\n  first difference: table {}, key {}\n    live    {}\n    from log {}",
                first.table,
                first.key,
                first.live.as_deref().unwrap_or("no such row"),
                first.folded.as_deref().unwrap_or("no such row"),
            );
            what.push_str(&difference);
        }
        Err(Failure::new(code, what))
    }
}

impl SecondProcess {
    fn words(&self) -> String {
        let (events, problem) = (self.events, &self.problem);
        match problem {
            None => format!(
                "a second process followed the log through the crash: {events} events, byte for byte those of its files"
            ),
            Some(why) => format!("a second process saw {}: {why}", count(events, "event")),
        }
    }
}

/// `1 offer`, `2 offers`.
fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::{JournalCounts, LogProved, Percentiles, Report, SecondProcess, Seen, percentiles};
    use crate::exit::{Code, Failure};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn seen(position: u64) -> Seen {
        Seen { events: position, position, digest: "00".repeat(32) }
    }

    #[test]
    fn a_second_process_that_saw_less_else_or_nothing_is_named() {
        let other = Seen { digest: "01".repeat(32), ..seen(90) };
        let away = Failure::new(Code::Error, "it ended");
        for (seen, words) in
            [(Ok(seen(89)), "90 events"), (Ok(other), "another digest"), (Err(away), "it ended")]
        {
            let mut report = good();
            report.second_process = SecondProcess::of(seen, Ok(self::seen(90))).unwrap();
            let failure = report.verdict().unwrap_err();
            assert_eq!(failure.code, Code::Mismatch);
            assert!(
                failure.what.contains("second_process_saw_the_same") && failure.what.contains(words),
                "{failure:?}"
            );
        }
    }

    fn good() -> Report {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Report {
            seed: 7,
            quotes: 40,
            decisions: 40,
            skipped: counts(&[("disarmed", 1)]),
            commands: 12,
            submissions: 12,
            results: counts(&[("settled", 3), ("expired_unfilled", 1)]),
            lost_to_rival: 1,
            journal: JournalCounts { frames: 12, distinct_nonces: 12, distinct_commands: 12 },
            open_signatures_at_end: 0,
            rows_compared: BTreeMap::from([("decisions".to_owned(), 40)]),
            rows_different: 0,
            read_model_store: "memory",
            log: LogProved { events: 100, head: 100, verified: true, checkpoint: String::new() },
            second_process: SecondProcess::of(Ok(seen(90)), Ok(seen(90))).unwrap(),
            quote_to_decision: Percentiles::default(),
            quote_to_response: Percentiles::default(),
            restarts: 1,
            elapsed: Duration::from_secs(20),
            swallowed_became: Some("settled"),
            protocol_violations: vec![],
            log_problem: None,
            differences: vec![],
        }
    }

    #[test]
    fn a_run_that_keeps_every_promise_ends_well() {
        assert!(good().verdict().is_ok());
        assert!(good().promises().iter().all(|promise| promise.holds));
    }

    #[test]
    fn each_broken_promise_is_named_and_ends_the_run_with_its_own_code() {
        type Breaks = fn(&mut Report);
        let cases: [(&str, Code, Breaks); 10] = [
            ("refused_while_disarmed", Code::Error, |r| r.skipped.clear()),
            ("settled", Code::Error, |r| r.results.retain(|name, _| name != "settled")),
            ("lost_to_rival", Code::Error, |r| r.lost_to_rival = 0),
            ("expired_unfilled", Code::Error, |r| r.results.retain(|name, _| name != "expired_unfilled")),
            ("swallowed_reply_resolved", Code::Error, |r| r.swallowed_became = None),
            ("nothing_open", Code::Error, |r| r.open_signatures_at_end = 1),
            ("nothing_sent_twice", Code::Mismatch, |r| r.journal.frames = 13),
            ("protocol_kept", Code::Mismatch, |r| r.protocol_violations.push("a binary frame".to_owned())),
            ("log_verified", Code::Mismatch, |r| r.log.verified = false),
            ("rows_equal", Code::Mismatch, |r| r.rows_different = 1),
        ];
        for (name, code, breaks) in cases {
            let mut report = good();
            breaks(&mut report);
            let failure = report.verdict().unwrap_err();
            assert_eq!(failure.code, code, "{name}");
            assert!(failure.what.contains(name), "{name} is not in {}", failure.what);
        }
    }

    #[test]
    fn a_journal_without_frames_proves_nothing() {
        let mut report = good();
        report.journal = JournalCounts { frames: 0, distinct_nonces: 0, distinct_commands: 0 };
        assert_eq!(report.verdict().unwrap_err().code, Code::Mismatch);
    }

    #[test]
    fn percentiles_are_nearest_ranks_in_milliseconds() {
        let spans = percentiles((1..=200).rev().collect());
        assert_eq!((spans.p50.to_string(), spans.p99.to_string()), ("0.1".to_owned(), "0.198".to_owned()));
        assert_eq!(percentiles(vec![]).p99.to_string(), "0");
    }
}
