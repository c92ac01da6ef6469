//! The audit as its users meet it: a desk in good order agrees, each kind of tampering is named, and a report is believed as
//! it was signed or not at all.

use crate::database::Database;
use crate::disks::{a_log, segments};
use crate::support::{Desk, Run, World, command, run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const KEY: &str = "stele-data/log/key.pub";

/// What is not known of a log without a witness.
pub const LOG_END: &str = "whether the end of the log was cut off";

/// What the checker in Python says of reports, one line each, and how it ended.
pub fn python(key: &Path, reports: &[PathBuf]) -> (i32, Vec<Value>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tools/verifier/bin/python");
    assert!(python.exists(), "the Python checker is not installed here: run ops/install/verifier");
    let mut command = Command::new(python);
    command.arg(root.join("tests/verifier/report.py")).arg("--key").arg(key).args(reports);
    let output = command.output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let said = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), said)
}

pub fn report_in(world: &World, file: &str) -> Value {
    let text = std::fs::read_to_string(world.path().join(file)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["report"].clone()
}

pub fn table<'r>(report: &'r Value, name: &str) -> &'r Value {
    let projections = report["projections"].as_array().unwrap().iter();
    let tables = projections.flat_map(|projection| projection["tables"].as_array().unwrap());
    tables.into_iter().find(|table| table["table"] == name).unwrap()
}

/// The tables that differ.
fn accused(report: &Value) -> Vec<&str> {
    let projections = report["projections"].as_array().unwrap().iter();
    let tables = projections.flat_map(|projection| projection["tables"].as_array().unwrap());
    tables.filter(|table| table["verdict"] == "differs").filter_map(|table| table["table"].as_str()).collect()
}

/// What a report says that was not looked at.
pub fn unseen(report: &Value) -> Vec<&str> {
    report["not_looked_at"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect()
}

/// A report in which something was changed, in many ways.
fn changed(directory: &Path, report: &[u8]) -> Vec<PathBuf> {
    let mut all = vec![];
    let mut kept = |name: String, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        all.push(path);
    };
    let (length, step) = (report.len(), report.len() / 40);
    for (nth, at) in (0..length).step_by(step).chain(length - 110..length).enumerate() {
        let mut bytes = report.to_vec();
        bytes[at] ^= 1 << (nth % 7);
        kept(format!("flipped-{at}.json"), &bytes);
    }
    kept("cut.json".to_owned(), &report[..length - 1]);
    kept("half.json".to_owned(), &report[..length / 2]);
    kept("longer.json".to_owned(), &[report, b"\n"].concat());
    kept("empty.json".to_owned(), b"");
    let text = std::str::from_utf8(report).unwrap();
    let reformatted = text.replace("\"rows_deleted\": 0", "\"rows_deleted\":0");
    assert_ne!(reformatted, text);
    kept("reformatted.json".to_owned(), reformatted.as_bytes());
    all
}

#[test]
fn a_running_desk_audits_itself_and_two_checkers_believe_its_report_and_none_that_was_changed() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let said = world.stele(&["audit", "--report", "audit.json"]).exits(0).stdout;
    assert!(
        said.contains("Every row that was compared follows from the log") && said.contains("limits_history"),
        "{said}"
    );
    world.stele(&["audit", "--report", "audit.json"]).exits(5).complains(&["is there already"]);
    let json = world.stele(&["audit", "--json", "--projection", "account"]).exits(0);
    assert_eq!(
        (&json.json()["report"]["verdict"], json.json()["report"]["projections"].as_array().unwrap().len()),
        (&"agrees".into(), 1)
    );
    std::fs::write(world.path().join("printed.json"), &json.stdout).unwrap();
    assert_eq!(desk.signalled("TERM").0, 0);

    let report = report_in(&world, "audit.json");
    // Without a witness nobody knows how long the log was; all else was looked at.
    assert_eq!((&report["verdict"], unseen(&report)), (&"agrees".into(), vec![LOG_END]));
    let limits = table(&report, "limits_history");
    assert!(
        limits["rows_live"] == limits["rows_folded"] && limits["rows_live"].as_u64() >= Some(1),
        "{limits}"
    );
    let part = &limits["parts"][0];
    assert!(
        part["folded"].is_string() && part["folded"] == part["stored"] && part["folded"] == part["scanned"]
    );

    // Away from everything but the key.
    let away = tempfile::tempdir().unwrap();
    let kept = |name: &str, bytes: &[u8]| {
        let path = away.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let key = kept("key.pub", &std::fs::read(world.path().join(KEY)).unwrap());
    let bytes = std::fs::read(world.path().join("audit.json")).unwrap();
    let check = |path: &Path, key: &Path| {
        run(command(away.path(), &["audit", "check", path.to_str().unwrap(), "--key", key.to_str().unwrap()]))
    };
    let whole = kept("whole.json", &bytes);
    let words = check(&whole, &key).exits(0).stdout;
    assert!(words.contains("not a byte of it was changed"), "{words}");
    let printed = kept("printed.json", &std::fs::read(world.path().join("printed.json")).unwrap());
    check(&printed, &key).exits(0);
    assert_eq!(python(&key, &[whole.clone(), printed]).0, 0);
    run(command(away.path(), &["audit", "check", "whole.json"])).exits(2).complains(&["--key"]);

    let changed = changed(away.path(), &bytes);
    let (code, said) = python(&key, &changed);
    assert_eq!((code, said.len()), (8, changed.len()));
    for (path, said) in changed.iter().zip(said) {
        assert_eq!(said["believed"], false, "{}: {said}", path.display());
        let own = check(path, &key);
        // What is no text at all can't be read.
        let unread = own.code == 2 && own.stderr.contains("can't be read");
        assert!(own.code == 8 || unread, "{}: {own:?}", path.display());
    }

    // Somebody else's key, and a report of another log.
    let other = World::quiet();
    assert_eq!(other.serve().signalled("TERM").0, 0);
    let stranger = kept("stranger.pub", &std::fs::read(other.path().join(KEY)).unwrap());
    check(&whole, &stranger).exits(8).complains(&["no signature by"]);
    assert_eq!(python(&stranger, std::slice::from_ref(&whole)).0, 8);
}

#[test]
fn without_a_desk_the_log_is_audited_and_it_is_said_that_there_was_nothing_to_compare() {
    let (world, data) = a_log();
    let audited = world.stele(&["audit", "--report", "audit.json"]).exits(0);
    assert!(
        audited.stdout.contains("nothing to compare") && audited.stdout.contains("NOT looked at"),
        "{audited:?}"
    );
    let report = report_in(&world, "audit.json");
    assert_eq!((&report["verdict"], &report["log"]["verified"]), (&"not_compared".into(), &true.into()));
    assert!(table(&report, "limits_history")["rows_folded"].as_u64() >= Some(1));
    world.stele(&["audit", "check", "audit.json"]).exits(0);
    world
        .stele(&["audit", "--projection", "dreams"])
        .exits(2)
        .complains(&["there is no projection \"dreams\""]);
    world.stele(&["audit", "--position", "1000000"]).exits(2).complains(&["the log ends at"]);
    assert!(
        std::fs::read_dir(&data)
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("audit-") }),
        "the room is gone"
    );
}

#[test]
fn a_key_that_could_sign_nothing_that_is_believed_is_named_before_an_audit_begins() {
    let (world, data) = a_log();
    let (_other, other) = a_log();
    let (key, public) = (data.join("log/key"), data.join("log/key.pub"));
    let kept = |path: &Path| std::fs::read(path).unwrap();
    let (private_bytes, public_bytes) = (kept(&key), kept(&public));
    let audit = ["audit", "--report", "none.json"];

    std::fs::remove_file(&public).unwrap();
    world.stele(&audit).exits(12).complains(&["log/key.pub is missing", "nothing was changed"]);
    let verified = world.stele(&["log", "verify"]).exits(12);
    assert!(verified.stderr.contains("key.pub is missing: the log is there"), "{verified:?}");
    std::fs::write(&public, &public_bytes).unwrap();

    std::fs::copy(other.join("log/key"), &key).unwrap();
    let refused = world.stele(&audit).exits(11);
    assert!(refused.stderr.contains("log/key is a key of stele.log/"), "{refused:?}");
    assert!(
        refused.stderr.contains("key.pub") && !refused.stderr.contains("not to be believed"),
        "{refused:?}"
    );
    std::fs::write(&key, b"no key").unwrap();
    world.stele(&audit).exits(8).complains(&["log/key is no key of a log"]);
    std::fs::remove_file(&key).unwrap();
    world.stele(&audit).exits(12).complains(&["log/key is missing"]);
    assert!(!world.path().join("none.json").exists());
    std::fs::write(&key, private_bytes).unwrap();
    world.stele(&audit).exits(0);
}

/// Audits a log to which something was done, and puts the file back.
fn faulty(world: &World, path: &Path, change: impl FnOnce(&Path)) -> (Run, Value) {
    let whole = std::fs::read(path).unwrap();
    change(path);
    let name = "faulty.json";
    let run = world.stele(&["audit", "--report", name]).exits(8);
    let report = report_in(world, name);
    world.stele(&["audit", "check", name]).exits(0);
    assert_eq!((&report["verdict"], &report["log"]["verified"]), (&"differs".into(), &false.into()));
    assert_eq!(report["projections"], Value::Array(vec![]), "what follows from it proves nothing");
    std::fs::remove_file(world.path().join(name)).unwrap();
    std::fs::write(path, whole).unwrap();
    (run, report["log"]["fault"].clone())
}

#[test]
fn a_flipped_byte_a_missing_segment_and_one_of_another_log_are_each_said_with_file_and_offset() {
    let (world, data) = a_log();
    let all = segments(&data);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let (run, fault) = faulty(&world, &all[0], |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[5_000] ^= 0x10;
        std::fs::write(path, bytes).unwrap();
    });
    let run = run.complains_of(&[&name(&all[0]), "at byte", "audit-failed.md"]);
    assert!(run.stdout.contains("NOT what was written"), "{run:?}");
    assert_eq!((&fault["kind"], &fault["file"]), (&"damaged".into(), &name(&all[0]).into()));
    assert!((4_096..=5_000).contains(&fault["offset"].as_u64().unwrap()), "{fault}");

    let (run, fault) = faulty(&world, &all[1], |path| std::fs::remove_file(path).unwrap());
    run.complains_of(&[&name(&all[1]), "missing"]);
    assert_eq!((&fault["kind"], &fault["file"]), (&"missing".into(), &name(&all[1]).into()));

    let (_other, other) = a_log();
    let (run, fault) = faulty(&world, &all[1], |path| {
        std::fs::copy(&segments(&other)[1], path).unwrap();
    });
    run.complains_of(&["another log"]);
    assert_eq!(fault["kind"], "foreign");
    world.stele(&["audit"]).exits(0);
}

/// A desk whose tables are in PostgreSQL, and that has some.
fn on_postgres() -> (World, Database, Desk) {
    let (world, database) = (World::quiet(), Database::start());
    let with = |args: &[&str], url: String| {
        let mut command = command(world.path(), args);
        command.env("DATABASE_URL", url);
        command
    };
    run(with(&["db", "migrate"], database.running().owner_url())).exits(0);
    let mut desk = Desk::start(with(&["serve"], database.running().app_url()));
    desk.logged("desk.ready");
    world.set_limits();
    for cooldown in ["cooldown_ms=1", "cooldown_ms=2"] {
        world.stele(&["limits", "set", cooldown, "--reason", "one more row"]).exits(0);
    }
    world.awake();
    (world, database, desk)
}

#[test]
fn whatever_is_done_to_the_rows_in_postgresql_is_named_while_the_desk_runs() {
    let (world, database, mut desk) = on_postgres();
    let audited = |file: &str, code: i32| {
        world.stele(&["audit", "--report", file]).exits(code);
        report_in(&world, file)
    };
    let shows = |line: &str| {
        let metrics = world.get("/metrics");
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in {metrics}");
    };
    shows("audit_timestamp_seconds 0");
    assert_eq!(accused(&audited("honest.json", 0)), Vec::<&str>::new());
    shows("audits_total{verdict=\"agrees\"} 1");
    shows("audit_differs 0");

    database.sql("UPDATE read_model.limits_history SET reason = 'nothing to see' WHERE version = 2");
    let report = audited("changed.json", 8);
    world.stele(&["audit", "show", "--report", "shown.json"]).exits(8);
    assert_eq!(report_in(&world, "shown.json"), report);
    assert_eq!(accused(&report), ["limits_history"]);
    let changed = table(&report, "limits_history");
    let row = &changed["differences"][0];
    assert_eq!((&changed["rows_changed"], &row["deed"]), (&1.into(), &"changed".into()));
    assert!(
        row["live"].as_str().unwrap().contains("nothing to see")
            && row["folded"].as_str().unwrap().contains("one more row")
    );
    assert_eq!(row["last_event"]["event_type"], "trading.LimitsSet");
    shows("audit_differs 1");
    // What was not looked at takes nothing back.
    world.stele(&["audit", "--projection", "quotes"]).exits(0);
    shows("audit_differs 1");
    database.sql("UPDATE read_model.limits_history SET reason = 'one more row' WHERE version = 2");

    database.sql("CREATE TABLE public.kept AS SELECT * FROM read_model.services WHERE service = 'market'");
    database.sql("DELETE FROM read_model.services WHERE service = 'market'");
    let report = audited("deleted.json", 8);
    assert_eq!(accused(&report), ["services"]);
    let row = &table(&report, "services")["differences"][0];
    assert_eq!(
        (&row["deed"], &row["key"], &row["live"]),
        (&"deleted".into(), &"[\"market\"]".into(), &Value::Null)
    );
    assert_eq!(row["last_event"]["event_type"], "operations.ServiceStarted");
    database.sql("INSERT INTO read_model.services SELECT * FROM public.kept");

    database.sql(
        "INSERT INTO read_model.event_counts (event_type, position, last_position, count, last_at) SELECT 'trading.Invented', position, last_position, count, last_at FROM read_model.event_counts LIMIT 1",
    );
    let report = audited("added.json", 8);
    assert_eq!(accused(&report), ["event_counts"]);
    let row = &table(&report, "event_counts")["differences"][0];
    assert_eq!(
        (&row["deed"], &row["folded"], &row["last_event"]),
        (&"added".into(), &Value::Null, &Value::Null)
    );
    database.sql("DELETE FROM read_model.event_counts WHERE event_type = 'trading.Invented'");
    assert_eq!(accused(&audited("mended.json", 0)), Vec::<&str>::new());
    shows("audit_differs 0");
    shows("audit_running 0");
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn without_a_desk_the_tables_of_the_configured_database_are_held_beside_the_log() {
    let (world, database, mut desk) = on_postgres();
    assert_eq!(desk.signalled("TERM").0, 0);
    let alone = |file: &str, code: i32| {
        let mut command = command(world.path(), &["audit", "--report", file]);
        command.env("DATABASE_URL", database.running().app_url());
        run(command).exits(code);
        report_in(&world, file)
    };
    assert_eq!(alone("alone.json", 0)["verdict"], "agrees");
    database.sql("UPDATE read_model.digests SET value = set_byte(value, 0, get_byte(value, 0) # 1) WHERE table_name = 'limits_history'");
    let report = alone("digest.json", 8);
    let told = table(&report, "limits_history");
    assert_eq!((accused(&report), &told["rows_changed"]), (vec!["limits_history"], &0.into()));
    assert!(
        told["parts"][0]["folded"] == told["parts"][0]["scanned"]
            && told["parts"][0]["folded"] != told["parts"][0]["stored"]
    );
    database.sql("UPDATE read_model.digests SET value = set_byte(value, 0, get_byte(value, 0) # 1) WHERE table_name = 'limits_history'");

    // Somebody removes the oldest row, and has the table say that it was dropped for its age.
    database
        .sql("CREATE TABLE public.kept AS SELECT * FROM read_model.limits_history ORDER BY position LIMIT 1");
    database
        .sql("DELETE FROM read_model.limits_history WHERE position IN (SELECT position FROM public.kept)");
    database.sql("UPDATE read_model.storage_policy SET cut_rows = 1 WHERE table_name = 'limits_history'");
    let report = alone("lost.json", 8);
    let told = table(&report, "limits_history");
    assert_eq!((accused(&report), &told["rows_deleted"]), (vec!["limits_history"], &0.into()));
    assert_eq!((&told["lost"]["rows"], &told["rows_older"]), (&1.into(), &0.into()), "{told}");
    let path = world.path().join("lost.json");
    assert_eq!(python(&world.path().join(KEY), &[path]).0, 0);
    let words = world.stele(&["audit", "check", "lost.json"]).exits(0).stdout;
    assert!(words.contains("LOST: 1 rows from position"), "{words}");
    database.sql("INSERT INTO read_model.limits_history SELECT * FROM public.kept");
    database.sql("UPDATE read_model.storage_policy SET cut_rows = 0 WHERE table_name = 'limits_history'");
    assert_eq!(alone("found.json", 0)["verdict"], "agrees");

    // A row behind the end of the log is nobody's.
    database.sql("UPDATE read_model.checkpoints SET position = position + 1000, digested_to = digested_to + 1000 WHERE projection = 'quotes'");
    let report = alone("ahead.json", 8);
    let projections = report["projections"].as_array().unwrap();
    let quotes = projections.iter().find(|projection| projection["projection"] == "quotes").unwrap();
    assert!(quotes["why"].as_str().unwrap().contains("the log ends at"), "{quotes}");
}

#[test]
fn an_audit_whose_database_is_away_ends_the_same_through_the_desk_and_without() {
    let (world, mut database, mut desk) = on_postgres();
    let url = database.running().app_url();
    database.stop();
    world.stele(&["audit"]).exits(7).complains(&["the audit came to nothing"]);
    world.stele(&["audit", "show"]).exits(7).complains(&["the audit came to nothing"]);
    desk.signalled("TERM");
    let mut alone = command(world.path(), &["audit"]);
    alone.env("DATABASE_URL", url);
    run(alone).exits(7);
}

#[test]
fn who_may_not_prove_may_not_audit() {
    let world = World::quiet();
    let desk = world.serve();
    let (auditor, viewer) = (world.key("auditor", "una"), world.key("viewer", "vic"));
    desk.remote(&["audit"], Some(&viewer)).exits(6);
    let said = desk.remote(&["audit", "--json"], Some(&auditor)).exits(0).json();
    assert_eq!(said["report"]["asked"]["by"], "person:una");
    desk.remote(&["audit", "show"], Some(&viewer)).exits(6);
    assert_eq!(desk.remote(&["audit", "show", "--json"], Some(&auditor)).exits(0).json(), said);
}

#[test]
fn an_audit_that_the_desk_did_is_shown_again_as_it_ended() {
    let world = World::quiet();
    world.stele(&["audit", "show"]).exits(7).complains(&["no desk answers"]);
    let mut desk = world.serve();
    world.stele(&["audit", "show"]).exits(1).complains(&["the desk remembers no audit"]);
    let first = world.stele(&["audit", "--json"]).exits(0).stdout;
    let second = world.stele(&["audit", "--json", "--projection", "account"]).exits(0).stdout;
    assert_eq!(world.stele(&["audit", "show", "--json"]).exits(0).stdout, second, "the newest");

    let answer = world.get("/v1/audits");
    let body = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
    let known: Value = serde_json::from_str(body).unwrap();
    let id = known["audits"][1]["id"].as_str().unwrap();
    let words = world.stele(&["audit", "show", id, "--report", "first.json"]).exits(0).stdout;
    assert!(words.contains("Every row that was compared follows from the log"), "{words}");
    assert_eq!(std::fs::read_to_string(world.path().join("first.json")).unwrap(), first);
    world.stele(&["audit", "show", id, "--report", "first.json"]).exits(5).complains(&["is there already"]);

    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    world.stele(&["audit", "show", nobody]).exits(1).complains(&["unknown-audit"]);
    world.stele(&["audit", "show", "yesterday"]).exits(2);
    assert_eq!(desk.signalled("TERM").0, 0);
}
