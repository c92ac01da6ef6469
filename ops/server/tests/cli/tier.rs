//! Partitions of histories by hand, by the real binary: into the lake, out of the tables, verified, read and brought back.

use crate::audit::{KEY, python, report_in, table};
use crate::database::Database;
use crate::disks::a_log;
use crate::support::{Desk, Run, World, command, run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Cell, Change, ColumnKind, ReadStore as _, Row};
use stele_domain::time::Timestamp;
use stele_projections::digest::{Changed, Digests};
use stele_projections::models;
use stele_read_store::migrate::migrate;
use stele_read_store::{Options, PostgresStore};

/// A log that no desk owns, a database whose quotes are old, and a lake.
struct Old {
    world: World,
    database: Database,
    lake: PathBuf,
}

impl Old {
    fn new() -> Self {
        let (world, _data) = a_log();
        let database = Database::start();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(migrate(&database.running().owner_url())).unwrap();
        database.sql(
            "UPDATE read_model.storage_policy SET partition_span = 1000000, keep_rows = 1 WHERE table_name = 'quotes'",
        );
        runtime.block_on(fill(&database.running().app_url()));
        let lake = world.path().join("lake");
        fs::create_dir(&lake).unwrap();
        Self { world, database, lake }
    }

    fn tier(&self, args: &[&str]) -> Run {
        let url = format!("file://{}", self.lake.display());
        let mut command = command(self.world.path(), &[&["tier"], args, &["--url", &url]].concat());
        command.env("DATABASE_URL", self.database.running().app_url());
        run(command)
    }

    /// The desk of this log has the lake from now on.
    fn configure(&self) {
        let settings = self.world.path().join("stele.toml");
        let before = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, format!("{before}\n[lake]\nurl = \"file://{}\"\n", self.lake.display()))
            .unwrap();
    }
}

/// Nine quotes in each of two partitions, and one in a third.
async fn fill(url: &str) {
    let schemas = stele_projections::schemas(models::ALL);
    let store = PostgresStore::open(url, &schemas, Options::default()).await.unwrap();
    let projection = models::ALL.iter().find(|projection| projection.name == "quotes").unwrap();
    let table = &projection.tables[0];
    let nothing = Digests::default();
    let (mut digests, mut puts) = (Changed::of(&nothing), vec![]);
    for position in (1..10).chain(1_000_001..1_000_010).chain([2_000_001]) {
        let cells = table.columns.iter().map(|column| match column.kind {
            ColumnKind::Int64 => Cell::Int(position),
            ColumnKind::Timestamp => Cell::Time(Timestamp::from_micros(1_700_000_000_000_000 + position)),
            ColumnKind::Text
            | ColumnKind::Bool
            | ColumnKind::Units
            | ColumnKind::Decimal
            | ColumnKind::Json => Cell::text(column.name),
        });
        let row = Row(cells.collect());
        digests.append(table, &row);
        puts.push(Change::Put { table: table.name, row });
    }
    let batch = Batch {
        projection: projection.name,
        version: projection.version,
        expected: Position::START,
        checkpoint: Position(2_000_002),
        event_id: None,
        changes: puts,
        digests: digests.finish().to_vec(),
    };
    store.apply(batch).await.unwrap();
}

/// Beside the answer, which tells of all partitions, what is wrong.
fn said(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is not said: {run:?}");
    }
}

fn became(told: &Value) -> Vec<&str> {
    told["partitions"].as_array().unwrap().iter().map(|one| one["became"].as_str().unwrap()).collect()
}

fn why(told: &Value) -> Vec<&str> {
    told["partitions"].as_array().unwrap().iter().map(|one| one["why"].as_str().unwrap()).collect()
}

#[test]
fn old_partitions_go_to_the_lake_leave_the_tables_and_come_back() {
    let old = Old::new();
    let nothing = old.tier(&["list", "--json"]).exits(0).json();
    assert_eq!(nothing["partitions"][0]["tier_due"], true, "{nothing}");
    // No retention: they go to the lake and stay.
    let told = old.tier(&["run", "--json"]).exits(0).json();
    assert_eq!(became(&told), ["tiered", "tiered", "stays"], "{told}");
    assert_eq!(why(&told), ["retention_keeps", "retention_keeps", "written_into"], "{told}");
    old.database
        .sql("UPDATE read_model.storage_policy SET retention = '90 days' WHERE table_name = 'quotes'");
    let told = old.tier(&["run", "--json"]).exits(0).json();
    assert_eq!(became(&told), ["left", "left", "stays"], "{told}");
    let words = old.tier(&["verify"]).exits(0).stdout;
    assert!(words.contains("2 partitions with 18 rows are in the lake as they were kept"), "{words}");
    let rows = old.tier(&["rows", "quotes", "--from", "9", "--to", "2000001"]).exits(0).stdout;
    let at = |line: &str| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap();
    let rows: Vec<u64> = rows.lines().map(at).collect();
    assert_eq!((rows.len(), rows[0], rows[10]), (11, 9, 2_000_001));
    let told = old.tier(&["restore", "quotes", "--from", "1500000", "--json"]).exits(0).json();
    assert_eq!((&told["partitions"], &told["rows"]), (&1.into(), &9.into()), "{told}");
    let told = old.tier(&["run", "--json"]).exits(0).json();
    assert_eq!(became(&told), ["held", "stays"], "{told}");
    let listed = old.tier(&["list"]).exits(0).stdout;
    assert!(listed.contains("history/manifests/quotes.v1-00000000000000000000"), "{listed}");
    let facts = old.world.stele(&["log", "export"]).exits(0).stdout;
    let of = |name: &str| facts.lines().filter(|line| line.contains(name)).count();
    assert_eq!((of("operations.PartitionTiered"), of("operations.PartitionRestored")), (2, 1));
    assert!(facts.lines().any(|line| line.contains("PartitionTiered") && line.contains("operator:")));
}

#[test]
fn a_run_says_of_each_partition_why_it_was_tiered_or_left() {
    let old = Old::new();
    let told = old.tier(&["run", "--older-than", "30000d", "--json"]).exits(0).json();
    assert_eq!(became(&told), ["stays", "stays", "stays"], "{told}");
    assert_eq!(why(&told), ["too_young", "too_young", "written_into"], "{told}");
    let young = told["partitions"][0]["reason"].as_str().unwrap();
    assert!(young.contains("2023-11-14") && young.contains("not older than 30000 d"), "{young}");
    assert_eq!(told["asked"]["older_than_s"], 2_592_000_000_u64, "{told}");
    let told = old.tier(&["run", "--older-than", "30d", "--keep", "--json"]).exits(0).json();
    assert_eq!(why(&told), ["asked_to_keep", "asked_to_keep", "written_into"], "{told}");
    let words = old.tier(&["run", "--older-than", "30d", "--table", "quotes"]).exits(0).stdout;
    for said in [
        "in the lake",
        "older than 30 d",
        "still writes into it",
        "other histories than quotes were not looked at",
    ] {
        assert!(words.contains(said), "{said:?} is not said:\n{words}");
    }
}

#[test]
fn what_differs_is_named_with_exit_code_8_and_what_is_not_there_with_2() {
    let old = Old::new();
    old.database.sql("UPDATE read_model.quotes SET pair = 'other' WHERE position = 1000003");
    let run = old.tier(&["run", "--older-than", "90d"]).exits(8);
    said(&run, &["quotes from 1000000 to 2000000, in the tables", "nothing of these was taken away"]);
    let manifests = old.lake.join("history/manifests");
    let manifest = fs::read_dir(&manifests).unwrap().next().unwrap().unwrap().path();
    fs::write(manifest, b"{}").unwrap();
    let run = old.tier(&["verify"]).exits(8);
    said(&run, &["quotes from 0 to 1000000, in the lake", "is not what the log says"]);
    old.tier(&["restore", "quotes"]).exits(8);
    old.tier(&["restore", "services"]).exits(2).complains(&["there is no history"]);
    old.tier(&["restore", "quotes", "--from", "7000000"])
        .exits(2)
        .complains(&["is in the lake as this build knows it"]);
    old.tier(&["run", "--table", "services"]).exits(2);
    for command in ["list", "verify"] {
        let no = ["there is no history \"typo\"", "histories are the tables whose rows never change"];
        old.tier(&[command, "--table", "typo"]).exits(2).complains(&no);
    }
}

/// Files of the lake's history of quotes, in order.
fn data_files(old: &Old) -> Vec<PathBuf> {
    let days = fs::read_dir(old.lake.join("history/quotes.v1")).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("dt="));
    let mut all: Vec<PathBuf> =
        days.flat_map(|day| fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path())).collect();
    all.sort();
    all
}

/// What a signed report says, that both checkers believe; and what was said on the way.
fn audited(old: &Old, file: &str, code: i32) -> (Value, Run) {
    let run = old.world.stele(&["audit", "--report", file]).exits(code);
    old.world.stele(&["audit", "check", file]).exits(0);
    let path = old.world.path().join(file);
    let (ended, said) = python(&old.world.path().join(KEY), std::slice::from_ref(&path));
    assert_eq!(ended, 0, "{said:?}");
    (report_in(&old.world, file), run)
}

fn unseen(report: &Value) -> Vec<&str> {
    let all = report["not_looked_at"].as_array().unwrap().iter();
    let lake = all.filter(|one| one["what"].as_str().unwrap().contains("quotes in the lake, 2 partitions"));
    lake.map(|one| one["why"].as_str().unwrap()).collect()
}

#[test]
fn an_audit_reads_the_lake_names_what_differs_there_and_says_when_there_is_none() {
    let old = Old::new();
    old.tier(&["run", "--json"]).exits(0);
    let (report, _) = audited(&old, "none.json", 0);
    assert!(matches!(unseen(&report)[..], [why] if why.contains("no lake is configured")), "{report}");

    old.configure();
    let (report, run) = audited(&old, "whole.json", 0);
    assert!(matches!(unseen(&report)[..], [why] if why.contains("up to which was folded")), "{report}");
    assert!(run.stdout.contains("2 of 2 partitions were read"), "{run:?}");
    let [first, second] = &table(&report, "quotes")["tiered"].as_array().unwrap()[..] else {
        panic!("{report}")
    };
    assert_eq!((&first["verdict"], &second["rows"]), (&"agrees".into(), &9.into()));
    assert_eq!(second["event"]["event_type"], "operations.PartitionTiered");
    let facts = old.world.stele(&["log", "export"]).exits(0).stdout;
    let event = second["event"]["event_id"].as_str().unwrap();
    let fact = facts.lines().find(|line| line.contains(event)).unwrap();
    assert!(fact.contains(second["manifest_blake3"].as_str().unwrap()), "{fact}");
    assert!(old.lake.join(second["manifest"].as_str().unwrap()).is_file());

    let file = data_files(&old).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    for (spoiled, words) in [(Some(changed), "not those that were put there"), (None, "there is no")] {
        match spoiled {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let (report, run) = audited(&old, &format!("{}.json", words.replace(' ', "-")), 8);
        said(&run, &["table quotes, from ", "in the lake: history/quotes.v1/", &name, words]);
        assert!(run.stdout.contains("operations.PartitionTiered"), "{run:?}");
        let all = table(&report, "quotes")["tiered"].as_array().unwrap();
        let wrong: Vec<&Value> = all.iter().filter_map(|one| one["wrong"].as_array()).flatten().collect();
        let [wrong] = wrong[..] else { panic!("{report}") };
        assert!(wrong["file"].as_str().unwrap().ends_with(&name), "{wrong}");
        assert_eq!(wrong["parts"].as_array().unwrap().len(), 1);
    }
    fs::write(&file, whole).unwrap();
    audited(&old, "mended.json", 0);
}

#[test]
fn who_only_looks_does_so_beside_a_running_desk_and_whoever_moves_rows_does_not() {
    let old = Old::new();
    old.tier(&["run", "--json"]).exits(0);
    let mut desk = old.world.serve();
    let listed = old.tier(&["list", "--json"]).exits(0).json();
    assert!(listed["partitions"].as_array().is_some_and(|all| all.len() >= 2), "{listed}");
    let words = old.tier(&["verify"]).exits(0).stdout;
    assert!(words.contains("2 partitions with 18 rows are in the lake as they were kept"), "{words}");
    let rows = old.tier(&["rows", "quotes", "--from", "9", "--to", "2000001"]).exits(0).stdout;
    assert_eq!(rows.lines().count(), 11, "{rows}");
    old.tier(&["run"]).exits(5).complains(&["belongs to another process"]);
    // The desk has lost nothing by it.
    old.world.stele(&["log", "verify"]).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn the_private_postgresql_of_a_running_desk_is_asked_beside_it_and_moved_by_nobody_else() {
    let world = World::quiet();
    let settings = world.path().join("stele.toml");
    let before = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{before}\n[database]\nprivate = true\n")).unwrap();
    // Another user gets through, too: a database of root's runs as one.
    let through = fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(through).tempdir_in("/tmp").unwrap();
    let (data, lake) = (folder.path().join("data"), folder.path().join("lake"));
    fs::create_dir(&lake).unwrap();
    let (data, url) = (data.to_str().unwrap(), format!("file://{}", lake.display()));
    let tier = |args: &[&str]| {
        run(command(world.path(), &[&["tier"], args, &["--url", &url, "--data", data]].concat()))
    };
    let mut desk = Desk::start(command(world.path(), &["serve", "--data", data]));
    desk.logged("desk.ready");
    for args in [&["list"][..], &["verify"], &["rows", "quotes"]] {
        tier(args).exits(0);
    }
    tier(&["run"]).exits(5).complains(&["belongs to another process"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    // No desk runs it: it is started for as long as it takes.
    tier(&["list"]).exits(0);
}

/// The desk has its log open, goes on writing, and publishes to the same lake meanwhile.
#[test]
fn a_running_desk_reads_the_lake_in_its_audit_and_names_the_file_that_was_changed() {
    let old = Old::new();
    old.tier(&["run", "--json"]).exits(0);
    old.configure();
    let mut desk = old.world.serve();
    let (report, run) = audited(&old, "running.json", 0);
    assert_eq!(report["tables"]["kept_in"], "the memory of the running desk");
    assert!(run.stdout.contains("2 of 2 partitions were read"), "{run:?}");
    assert!(matches!(unseen(&report)[..], [why] if why.contains("up to which was folded")), "{report}");
    assert_eq!(table(&report, "limits_history")["verdict"], "agrees");
    let first = &table(&report, "quotes")["tiered"][0];
    assert_eq!((&first["verdict"], &first["rows"]), (&"agrees".into(), &9.into()), "{first}");

    let file = data_files(&old).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let (report, run) = audited(&old, "changed.json", 8);
    said(&run, &["in the lake: history/quotes.v1/", &name, "not those that were put there"]);
    assert_eq!(table(&report, "quotes")["verdict"], "differs");
    fs::write(&file, whole).unwrap();
    audited(&old, "mended.json", 0);
    let began = Instant::now();
    while !old.lake.join("fact_price").exists() {
        assert!(began.elapsed() < Duration::from_mins(1), "the desk has published nothing");
        std::thread::yield_now();
    }
    assert_eq!(desk.signalled("TERM").0, 0);
    let left = fs::read_dir(&old.lake).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("_doctor")).collect();
    assert!(left.is_empty(), "the desk has left {left:?} in the lake");
}
