//! Whole runs of the demo, held against what they promise.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a desk that is told to end may take.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Every table that the proof has to compare rows of, because every run fills it.
const TABLES_FILLED: [&str; 12] = [
    "account",
    "arming_history",
    "balances",
    "commands",
    "decisions",
    "demands",
    "event_counts",
    "inventory",
    "quotes",
    "reference_prices",
    "result_history",
    "results",
];

fn stele() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stele"));
    // What the caller has configured for another desk is not for this one.
    command.env("STELE__RELAY__URL", "ws://203.0.113.1/ws").env("HTTP_PROXY", "http://203.0.113.1:9");
    command.stdin(Stdio::null());
    command
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} ended with {}: {errors}", command.get_args(), output.status);
    output
}

fn number(report: &Value, pointer: &str) -> u64 {
    let found = report.pointer(pointer);
    found.and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} is no count in {report:#}"))
}

/// Runs the demo for programs and holds it against everything that it promises.
fn a_run_that_keeps_its_promises(seed: &str, span: &str, more: &[&str], store: &str) -> Value {
    let output = ran(stele().args(["demo", "--json", "--for", span, "--seed", seed]).args(more));
    let report: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
    promises_are_kept(&report, store);
    report
}

fn promises_are_kept(report: &Value, store: &str) {
    assert!(number(report, "/skipped/disarmed") >= 1);
    assert!(number(report, "/results/settled") >= 3);
    assert!(number(report, "/results/expired_unfilled") >= 1);
    assert!(number(report, "/lost_to_rival") >= 1);
    let swallowed = report["swallowed_reply"].as_str();
    assert!(matches!(swallowed, Some("settled" | "expired_unfilled")), "{swallowed:?}");
    assert_eq!(number(report, "/restarts"), 1);

    let frames = number(report, "/journal/frames");
    assert!(frames >= 7, "{frames} frames");
    assert_eq!(number(report, "/journal/distinct_nonces"), frames);
    assert_eq!(number(report, "/journal/distinct_commands"), frames);
    assert!(number(report, "/submissions") >= frames, "a frame left that the log does not know");
    assert!(number(report, "/commands") >= number(report, "/submissions"));
    assert!(number(report, "/decisions") >= number(report, "/commands"));
    let results = report["results"].as_object().unwrap();
    let ended: u64 = results.values().filter_map(Value::as_u64).sum();
    assert_eq!(ended, number(report, "/commands"), "every command has exactly one result: {results:?}");
    assert_eq!(number(report, "/open_signatures_at_end"), 0);

    assert_eq!(number(report, "/rows_different"), 0);
    for table in TABLES_FILLED {
        assert!(number(report, &format!("/rows_compared/{table}")) > 0, "no rows of {table} were compared");
    }
    assert_eq!(report["read_model_store"], store);
    assert_eq!(report["log"]["verified"], true);
    assert_eq!(number(report, "/log/events"), number(report, "/log/head"));
    let checkpoint = report["log"]["checkpoint"].as_str().unwrap();
    assert!(
        checkpoint.starts_with("stele.log/") && checkpoint.contains("\n\u{2014} stele.log/"),
        "{checkpoint}"
    );

    // The second process followed over a socket what the files hold, through the crash.
    assert_eq!(report["second_process"]["same"], true, "{}", report["second_process"]);
    let seen = number(report, "/second_process/events");
    assert_eq!(number(report, "/second_process/position"), seen);
    assert!(seen > 100 && seen <= number(report, "/log/events"), "{seen}");
    assert_eq!(report["second_process"]["digest"].as_str().map(str::len), Some(64));

    for span in ["quote_to_decision", "quote_to_response"] {
        let of = |rank: &str| report["latency_ms"][span][rank].as_f64().unwrap();
        assert!(0.0 < of("p50") && of("p50") <= of("p99"), "{span}: {}", report["latency_ms"][span]);
    }
    let holds = report["holds"].as_object().unwrap();
    assert!(holds.len() >= 11 && holds.values().all(|holds| holds == true), "{holds:?}");
}

#[test]
fn a_demo_for_programs_keeps_every_promise() {
    let report = a_run_that_keeps_its_promises("7", "20s", &[], "memory");
    assert_eq!(number(&report, "/seed"), 7);
    assert!(number(&report, "/elapsed_ms") >= 20_000);
}

#[test]
fn another_market_and_too_short_a_time_keep_every_promise_all_the_same() {
    // `ops/test --long` tries many markets.
    let markets = if std::env::var_os("STELE_LONG").is_some() { 25 } else { 1 };
    for seed in 12_345..12_345 + markets {
        a_run_that_keeps_its_promises(&seed.to_string(), "1s", &[], "memory");
    }
}

#[test]
fn a_demo_with_its_tables_in_postgresql_keeps_every_promise_and_equal_rows() {
    use std::os::unix::fs::PermissionsExt as _;
    // Root's database runs as somebody else, who has to get through.
    let through = std::fs::Permissions::from_mode(0o711);
    let parent = tempfile::Builder::new().permissions(through).tempdir_in("/tmp").unwrap();
    let data = parent.path().join("kept");
    let more = ["--postgres", "--data", data.to_str().unwrap()];
    a_run_that_keeps_its_promises("9", "5s", &more, "postgresql");
    assert!(data.join("postgres/data/PG_VERSION").is_file(), "no database was there");
}

#[test]
fn a_demo_that_is_killed_leaves_no_desk_behind() {
    let parent = tempfile::tempdir().unwrap();
    let mut child = stele()
        .args(["demo", "--data"])
        .arg(parent.path().join("kept"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let desk = desk_of(&mut lines);
    child.kill().unwrap();
    child.wait().unwrap();
    // The desk is nobody's child any more, so there is nothing to wait for but its name.
    let began = Instant::now();
    while runs(desk) {
        assert!(began.elapsed() < DRAIN_MAX, "the desk outlived the demo");
        std::thread::yield_now();
    }
}

/// Whether a process runs; one that has ended and that nobody has asked about doesn't.
fn runs(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or("Z").starts_with('Z'))
}

/// The process of the desk, as a demo says it.
fn desk_of(lines: &mut impl Iterator<Item = String>) -> rustix::process::Pid {
    let ready = lines.find(|line| line.contains("is ready, its log in")).expect("the desk became ready");
    let pid = ready.split_whitespace().skip_while(|word| *word != "process").nth(1).unwrap();
    rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap()
}

#[test]
fn what_a_demo_keeps_can_be_verified_traced_and_proved_again() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("kept");
    let args = ["demo", "--json", "--for", "1s", "--seed", "3", "--data"];
    let output = ran(stele().args(args).arg(&data));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    promises_are_kept(&report, "memory");

    // The log, by itself and against the checkpoint that was taken out of the living desk.
    let checkpoint = data.join("checkpoint.txt");
    assert_eq!(std::fs::read_to_string(&checkpoint).unwrap(), report["log"]["checkpoint"].as_str().unwrap());
    let verified =
        ran(stele().args(["log", "verify", "--json", "--data"]).arg(&data).arg("--against").arg(&checkpoint));
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&verified["verified"], &verified["events"]), (&Value::Bool(true), &report["log"]["events"]));

    // One quote's story, told by the log alone.
    let command = settled_command(&data);
    let told = ran(stele().args(["trace", &command, "--data"]).arg(&data));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("SETTLED") && told.contains(&command), "{told}");

    // The proof again; and a copy of the tables that was touched is found out.
    let tables = data.join("tables.json");
    let proved = ran(stele().args(["demo", "--compare"]).arg(&tables).arg("--data").arg(&data));
    assert!(String::from_utf8_lossy(&proved.stdout).contains(": 0 differ"));
    let touched =
        std::fs::read_to_string(&tables).unwrap().replacen(r#"\"settled\""#, r#"\"expired_unfilled\""#, 1);
    std::fs::write(&tables, touched).unwrap();
    let refused = stele().args(["demo", "--compare"]).arg(&tables).arg("--data").arg(&data).output().unwrap();
    assert_eq!(refused.status.code(), Some(8), "{}", String::from_utf8_lossy(&refused.stderr));

    // The same place a second time is refused, and left alone.
    let again = stele().args(["demo", "--data"]).arg(&data).output().unwrap();
    assert_eq!(again.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
}

/// A command that was settled, from the copy of the live tables.
fn settled_command(data: &Path) -> String {
    let tables: Value = serde_json::from_slice(&std::fs::read(data.join("tables.json")).unwrap()).unwrap();
    let results = tables["tables"]["results"].as_object().unwrap();
    let (key, _) = results.iter().find(|(_, row)| row.as_str().unwrap().contains(r#""settled""#)).unwrap();
    let key: Vec<String> = serde_json::from_str(key).unwrap();
    key[0].clone()
}

#[test]
fn an_interrupted_demo_leaves_no_process_and_no_files() {
    let parent = tempfile::tempdir().unwrap();
    let mut child = stele()
        .args(["demo", "--seed", "2"])
        .env("TMPDIR", parent.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let desk = desk_of(&mut lines);
    lines.find(|line| line.contains("settled")).expect("a trade");

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(words.contains("interrupted"), "{words}");
    assert!(rustix::process::test_kill_process(desk).is_err(), "the desk outlived the demo");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "temporary files were left behind");
}

#[test]
fn without_a_terminal_there_are_no_colours_and_no_moving_lines() {
    let output = ran(stele().args(["demo", "--for", "1s", "--seed", "4"]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "an escape sequence was written to a pipe");
    for chapter in ["Nobody has armed it", "A lost reply and a crash", "The end, and the proofs", "What next"]
    {
        assert!(text.contains(chapter), "{chapter:?} is not told");
    }
    assert!(!text.contains('✗'), "{text}");
}
