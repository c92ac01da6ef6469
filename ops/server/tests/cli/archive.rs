//! Segments of a desk's log in a directory and in a store that speaks S3, by the real binary.

use crate::audit::{LOG_END, report_in, table, unseen};
use crate::disks::a_log;
use crate::s3_server::S3Server;
use crate::support::{Desk, World, command, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Small logs are compared with what they archive: nothing stays because it is new.
const SETTINGS: &str = "[log.archive]\nkeep_events = 0\nkeep_segments = 0\n";

fn with(world: &World, settings: &str) {
    let file = world.path().join("stele.toml");
    let before = fs::read_to_string(&file).unwrap();
    let before = before.split("[log.archive]").next().unwrap();
    fs::write(&file, format!("{before}{settings}")).unwrap();
}

fn segments(data: &Path) -> usize {
    let names = fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|end| end == "seg")).count()
}

/// A log in a directory of objects; and the objects.
fn archived() -> (World, PathBuf, PathBuf) {
    let (world, data) = a_log();
    with(&world, SETTINGS);
    let objects = world.path().join("objects");
    fs::create_dir(&objects).unwrap();
    let to = format!("file://{}", objects.display());
    let before = segments(&data);
    let told = world.stele(&["log", "archive", "--to", &to, "--json"]).exits(0).json();
    assert_eq!(told["segments"].as_u64().unwrap(), u64::try_from(before).unwrap() - 1, "{told}");
    assert_eq!((segments(&data), told["in_archive"]["urls"][0].as_str()), (1, Some(to.as_str())));
    (world, data, objects)
}

fn object(objects: &Path) -> PathBuf {
    let log = fs::read_dir(objects).unwrap().next().unwrap().unwrap().path();
    let mut all: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all[0].clone()
}

#[test]
fn an_archived_log_is_the_log_to_every_command_and_to_its_desk() {
    let (world, data, _objects) = archived();
    let lines = fs::read_to_string(world.path().join("lines")).unwrap();
    // The export that was made before it was archived is a part of the one after it.
    let head = lines.lines().count() - 2;
    let exported = world.stele(&["log", "export"]).exits(0).stdout;
    assert!(exported.lines().skip(1).take(head).eq(lines.lines().skip(1).take(head)));
    let verified = world.stele(&["log", "verify", "--json"]).exits(0).json();
    assert!(verified["archived_segments"].as_u64().unwrap() > 0 && verified["left_out_before"].is_null());
    let local = world.stele(&["log", "verify", "--local"]).exits(0).stdout;
    assert!(local.contains("NOT looked at") && local.contains("in the archive"), "{local}");
    world.stele(&["log", "get", "1"]).exits(0);
    let told = world.stele(&["log", "stat"]).exits(0).stdout;
    assert!(told.contains("in the archive"), "{told}");
    // A backup has no objects and says so; a restore reads them.
    let (kept, restored) = (world.path().join("kept"), world.path().join("restored"));
    let made = world.stele(&["log", "backup", kept.to_str().unwrap()]).exits(0).stdout;
    assert!(made.contains("The archive is a part of it, and was not copied"), "{made}");
    world
        .stele(&["log", "restore", kept.to_str().unwrap(), "--data-dir", restored.to_str().unwrap()])
        .exits(0);
    let mut desk = world.serve_on(&restored);
    // The desk tells of its archive, also whoever has no files of it.
    let answer = World::get_from(&restored, "/v1/log/stat");
    let told: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let by_files = world.stele(&["log", "stat", "--json"]).exits(0).json();
    let counts = |told: &Value| ["segments", "bytes", "events"].map(|what| told["archive"][what].as_u64());
    assert!(counts(&told)[0] > Some(0), "{told}");
    assert_eq!(counts(&told), counts(&by_files));
    let refused = world.stele(&["log", "archive", "--data", restored.to_str().unwrap(), "--to", "/tmp"]);
    refused.exits(5).complains(&["a desk that runs archives by itself"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    let back = world.stele(&["log", "archive", "--fetch", "--json"]).exits(0).json();
    assert_eq!((&back["in_archive"]["segments"], segments(&data) > 2), (&0.into(), true), "{back}");
}

#[test]
fn an_object_that_is_lost_or_changed_has_its_own_words_and_code() {
    let (world, data, objects) = archived();
    let object = object(&objects);
    let whole = fs::read(&object).unwrap();
    let name = object.file_name().unwrap().to_str().unwrap().to_owned();
    let mut changed = whole.clone();
    changed[5_000] ^= 1;
    fs::write(&object, changed).unwrap();
    for args in [&["log", "verify"][..], &["log", "export"]] {
        world.stele(args).exits(14).complains_of(&[&name, "at byte", "is not what was archived"]);
    }
    fs::remove_file(&object).unwrap();
    for args in [&["log", "verify"][..], &["log", "export"], &["log", "archive", "--fetch"]] {
        world.stele(args).exits(14).complains_of(&[&name, "is missing", "Put the object back"]);
    }
    world.stele(&["log", "get", "1"]).exits(14).complains_of(&["(log-lost)", &name, "put the object back"]);
    for args in [&["trace", "nobody"][..], &["log", "prove", "1"]] {
        world.stele(args).exits(14).complains_of(&[&name, "Put the object back"]);
    }
    world.stele(&["log", "verify", "--local"]).exits(0);
    fs::write(&object, &whole).unwrap();
    world.stele(&["log", "verify"]).exits(0);
    // A directory that is not there is no archive without objects.
    let away = world.path().join("away");
    fs::rename(&objects, &away).unwrap();
    world.stele(&["log", "verify"]).exits(7).complains_of(&["make it, or mount its disk"]);
    let kept = world.path().join("kept");
    world.stele(&["log", "backup", kept.to_str().unwrap()]).exits(0);
    // A segment that is nowhere is missing as ever.
    fs::rename(&away, &objects).unwrap();
    fs::remove_file(data.join("log/archive")).unwrap();
    world.stele(&["log", "verify"]).exits(12);
}

#[test]
fn an_archive_that_is_away_is_named_and_keeps_nobody_from_what_is_here() {
    let (world, data, objects) = archived();
    let away = world.path().join("away");
    fs::rename(&objects, &away).unwrap();
    // What is here is read as ever; what is there is not, and the words say where it is.
    let last = world.stele(&["log", "tail", "-n", "1", "--json"]).exits(0).json();
    let last = last["position"].as_u64().map_or_else(|| panic!("no position: {last}"), |at| at.to_string());
    world.stele(&["log", "get", &last]).exits(0);
    for args in [&["log", "get", "1"][..], &["trace", "nobody"], &["trace", "nobody", "--as-of", "1"]] {
        world.stele(args).exits(7).complains_of(&["the archive", "mount its disk"]);
    }
    let put = world.stele(&["log", "archive", "--to", objects.to_str().unwrap()]).exits(7);
    put.complains(&["the archive of the log is away", "mount its disk"]);
    // A desk opens its log without it, says what it waits for, and goes on when it is there.
    let mut desk = Desk::start(command(world.path(), &["serve", "--data", data.to_str().unwrap()]));
    let said = desk.logged("archive.away").to_string();
    assert!(said.contains("mount its disk"), "{said}");
    let said = desk.logged("start.awaits");
    assert!(said["error"].as_str().is_some_and(|why| why.contains("the archive, file://")), "{said}");
    fs::rename(&away, &objects).unwrap();
    desk.logged("desk.ready");
    assert_eq!(desk.signalled("TERM").0, 0);
    // Whoever waits can be told to end.
    fs::rename(&objects, &away).unwrap();
    fs::remove_dir_all(data.join("log-fetched")).unwrap();
    let mut desk = Desk::start(command(world.path(), &["serve", "--data", data.to_str().unwrap()]));
    desk.logged("start.awaits");
    assert_eq!(desk.signalled("TERM").0, 0);
}

/// Settings for a bucket behind this address.
fn in_a_bucket(world: &World, endpoint: &str, more: &str) -> String {
    let secret = world.key_file("secret", 0o600);
    format!(
        "{SETTINGS}url = \"s3://desk-archive/logs\"\nendpoint = \"{endpoint}\"\nplain_http = true\nregion = \"eu-west-1\"\n\
         access_key_id = \"desk\"\nsecret_access_key_file = \"{}\"\n{more}",
        secret.display()
    )
}

/// Something that gives every question over HTTP the same answer, as long as the test runs; where it is.
fn answering(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever asks may leave before the answer.
            let _ = answered(&stream, status, body);
        }
    });
    endpoint
}

fn answered(stream: &TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let question = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let told = if question.starts_with("HEAD ") { "" } else { body };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n\
         connection: close\r\n\r\n{told}",
        body.len()
    )
}

#[test]
fn an_archive_that_lets_nobody_in_says_so_and_what_to_look_at() {
    let (world, _data, _objects) = archived();
    let endpoint = answering("403 Forbidden", "");
    with(&world, &in_a_bucket(&world, &endpoint, ""));
    for args in [
        &["log", "verify"][..],
        &["log", "get", "1"],
        &["log", "prove", "1"],
        &["trace", "nobody"],
        &["log", "archive", "--fetch"],
    ] {
        let run = world.stele(args).exits(6);
        run.complains_of(&["does not let this process", "credentials", "policy of the bucket"]);
    }
}

#[test]
fn what_answers_everything_with_a_page_is_told_as_no_store_and_no_other_log_is_accused() {
    let (world, data) = a_log();
    let before = segments(&data);
    let endpoint = answering("200 OK", "<html>Please log in.</html>");
    with(&world, &in_a_bucket(&world, &endpoint, ""));
    let run = world.stele(&["log", "archive"]).exits(7);
    run.complains_of(&["does not give back what it is sent", "speaks S3", "log.archive.endpoint"]);
    assert_eq!(segments(&data), before);
}

#[test]
fn whoever_waits_for_an_archive_that_hangs_is_told_what_for() {
    let (world, _data, _objects) = archived();
    // It takes every question, and answers none.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap());
    with(&world, &in_a_bucket(&world, &endpoint, "request_ms_max = 1500\n"));
    for args in [&["log", "verify"][..], &["log", "get", "1"], &["log", "archive", "--fetch"]] {
        let run = world.stele(args).exits(7);
        assert_eq!(run.stderr.matches("has not answered for 750 ms").count(), 1, "{}", run.stderr);
        run.complains_of(&["s3://desk-archive/logs has not", "log.archive.request_ms_max"]);
    }
}

#[test]
fn what_the_archive_has_lost_ends_alike_through_the_doors_of_a_desk_and_without_it() {
    let (world, data) = a_log();
    let objects = world.path().join("objects");
    fs::create_dir(&objects).unwrap();
    // Nothing of the log is kept in memory, and nobody looks back.
    let text = fs::read_to_string(world.path().join("stele.toml")).unwrap();
    let text = text.replace("[log]\n", "[read_models]\nstate_every_events = 0\n[log]\ncache_bytes = 0\n");
    fs::write(world.path().join("stele.toml"), text).unwrap();
    with(&world, &format!("{SETTINGS}url = \"file://{}\"\n", objects.display()));
    let mut desk = world.serve();
    // A segment that was archived after everybody had read it where it was: nobody has fetched it.
    let already = objects_in(&objects);
    let is_gone = |object: &PathBuf| !data.join("log").join(object.file_name().unwrap()).exists();
    let newest = (1..2_000).find_map(|nth| {
        let change = format!("cooldown_ms={}", nth % 100 + 1);
        world.stele(&["limits", "set", &change, "--reason", "one more event"]).exits(0);
        objects_in(&objects).pop().filter(|newest| !already.contains(newest) && is_gone(newest))
    });
    let newest = newest.unwrap();
    fs::remove_file(&newest).unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    let position = name.trim_end_matches(".seg").trim_start_matches('0').to_owned();
    let get = ["log", "get", &position];
    world.stele(&get).exits(14).complains(&["(log-lost)", &name, "put the object back"]);
    assert_eq!(desk.signalled("TERM").0, 0);
    world.stele(&get).exits(14).complains_of(&["(log-lost)", &name, "put the object back"]);
    assert!(segments(&data) > 0);
}

/// The objects of the log in a directory, oldest first.
fn objects_in(objects: &Path) -> Vec<PathBuf> {
    let Some(log) = fs::read_dir(objects).unwrap().next() else { return vec![] };
    let entries = fs::read_dir(log.unwrap().path()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    all.sort();
    all
}

#[test]
fn an_audit_reads_segments_that_are_in_the_archive_alone_and_names_the_object_that_was_changed() {
    let (world, data, objects) = archived();
    let all = segments(&data);
    let whole = world.stele(&["log", "verify", "--json"]).exits(0).json();
    // Without a desk, and by one that folded its tables from the archive.
    world.stele(&["audit", "--report", "alone.json"]).exits(0);
    let mut desk = world.serve();
    world.stele(&["audit", "--report", "running.json"]).exits(0);
    let report = report_in(&world, "running.json");
    assert_eq!((&report["verdict"], unseen(&report)), (&"agrees".into(), vec![LOG_END]));
    let limits = table(&report, "limits_history");
    assert!(
        limits["rows_live"].as_u64() >= Some(1) && limits["rows_live"] == limits["rows_folded"],
        "{limits}"
    );
    assert!(all == 1 && report["log"]["segments"].as_u64() > Some(2), "{}", report["log"]);
    assert!(report["log"]["events"].as_u64() >= whole["events"].as_u64(), "{}", report["log"]);

    let object = object(&objects);
    let name = object.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(&object).unwrap();
    let mut changed = bytes.clone();
    changed[5_000] ^= 1;
    fs::write(&object, changed).unwrap();
    let accused = |file: &str| {
        let run = world.stele(&["audit", "--report", file]).exits(8);
        assert!(run.stderr.contains(&name), "{run:?}");
        let report = report_in(&world, file);
        assert_eq!((&report["verdict"], &report["log"]["verified"]), (&"differs".into(), &false.into()));
        assert_eq!(report["log"]["fault"]["kind"], "archive", "{report}");
        assert!(report["log"]["fault"]["what"].as_str().unwrap().contains(&name), "{report}");
        world.stele(&["audit", "check", file]).exits(0);
    };
    accused("changed.json");
    assert_eq!(desk.signalled("TERM").0, 0);
    accused("changed-alone.json");
    fs::remove_file(&object).unwrap();
    accused("missing.json");
    fs::write(&object, bytes).unwrap();
    world.stele(&["audit", "--report", "mended.json"]).exits(0);
}

#[test]
fn a_desk_archives_to_s3_by_itself_and_reads_from_there() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(S3Server::start());
    runtime.block_on(server.make_bucket("desk-archive"));
    let (world, data) = a_log();
    let secret = world.key_file("secret", 0o600);
    let settings = format!(
        "{SETTINGS}url = \"s3://desk-archive/logs\"\nendpoint = \"{}\"\nplain_http = true\nregion = \"eu-west-1\"\n\
         access_key_id = \"desk\"\nsecret_access_key_file = \"{}\"\n",
        server.endpoint(),
        secret.display()
    );
    with(&world, &settings);
    let mut desk = world.serve();
    desk.logged("log.archived");
    world.stele(&["log", "get", "1"]).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);
    assert!(segments(&data) < 3 || data.join("log/archive").exists());
    world.stele(&["log", "verify"]).exits(0);
    world.stele(&["log", "archive", "--fetch"]).exits(0);
    let printed = run(command(world.path(), &["config", "print"])).exits(0).stdout;
    assert!(!printed.contains("secret\n\""), "{printed}");
}
