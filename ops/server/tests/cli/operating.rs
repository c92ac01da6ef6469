//! A desk as its supervisor and its operators meet it: signals at bad moments, probes, wishes that are asked for again,
//! streams that break off, words of others on the terminal.

use crate::support::{Desk, World, command, stele};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a supervisor may wait before it loses patience.
const DRAIN_MAX: Duration = Duration::from_secs(25);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder that another user gets through, too: a database of root's runs as one.
fn passable() -> tempfile::TempDir {
    let through = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(through).tempdir_in("/tmp").unwrap()
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A desk in `folder` that keeps its tables in a private PostgreSQL.
fn with_private_tables(world: &World, folder: &Path) -> Command {
    let data = folder.join("data");
    command(world.path(), &["serve", "--postgres", "--data", data.to_str().unwrap()])
}

fn place(said: &[String], event: &str) -> usize {
    let named = |line: &String| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line.get("event").is_some_and(|e| e == event))
    };
    said.iter().position(named).unwrap_or_else(|| panic!("no {event} in\n{}", said.join("\n")))
}

#[test]
fn a_desk_hears_sigterm_while_its_database_is_still_starting() {
    let (world, folder) = (World::quiet(), passable());
    // A PostgreSQL that recovers for longer than anybody wants to wait.
    script(&folder.path().join("initdb"), "mkdir -p \"$2\" && echo 17 > \"$2/PG_VERSION\"");
    let hangs = "[ \"$1\" = --version ] && { echo 'postgres (PostgreSQL) 17.0'; exit; }\n\
                 touch \"$2/begun\"; exec sleep 600";
    script(&folder.path().join("postgres"), hangs);
    let mut serve = with_private_tables(&world, folder.path());
    serve.env("PG_BINDIR", folder.path());
    let mut desk = Desk::start(serve);
    let began = Instant::now();
    while !folder.path().join("data/postgres/data/begun").exists() {
        assert!(began.elapsed() < PATIENCE, "the database was never started");
        std::thread::yield_now();
    }
    let (code, took) = desk.signalled("TERM");
    assert_eq!(code, 0, "{}", desk.said.join("\n"));
    assert!(took < DRAIN_MAX, "stopping took {took:?}");
    assert!(place(&desk.said, "desk.stopping") < place(&desk.said, "log.closed"));
}

#[test]
fn the_log_is_closed_before_the_database_is_waited_for() {
    let (world, folder) = (World::quiet(), passable());
    let mut desk = Desk::start(with_private_tables(&world, folder.path()));
    desk.logged("desk.ready");
    let (code, took) = desk.signalled("TERM");
    assert_eq!(code, 0, "{}", desk.said.join("\n"));
    assert!(took < DRAIN_MAX, "stopping took {took:?}");
    let (closed, stopped) = (place(&desk.said, "log.closed"), place(&desk.said, "postgres.private_stopped"));
    assert!(closed < stopped, "{}", desk.said.join("\n"));
}

#[test]
fn a_process_with_doors_answers_probes_where_it_is_told_to() {
    let world = World::quiet();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut serve = command(world.path(), &["serve"]);
    serve.env("STELE__API__PROBE_LISTEN", free.to_string());
    let mut desk = Desk::start(serve);
    desk.logged("desk.ready");
    let mut probe = TcpStream::connect(free).unwrap();
    write!(probe, "GET /livez HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_simulated_world_ends_in_good_order_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = command(folder.path(), &["simulator", "--listen", "127.0.0.1:0", "--json"]);
    let mut world = world.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(world.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(Command::new("kill").args(["-TERM", &world.id().to_string()]).status().unwrap().success());
    assert_eq!(world.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watch_pauses_before_it_listens_again() {
    let away = tempfile::tempdir().unwrap();
    let desk = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", desk.local_addr().unwrap());
    let mut watch = command(away.path(), &["watch", "--server", &server]);
    let mut watch = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // A desk that lets in and has nothing but a failure to tell.
    let stream = "event: failed\ndata: {\"detail\":\"the log can't be read\"}\n\n";
    let mut came = vec![];
    while came.len() < 4 {
        let (mut caller, _) = desk.accept().unwrap();
        came.push(Instant::now());
        let mut request = BufReader::new(caller.try_clone().unwrap()).lines().map_while(Result::ok);
        assert!(request.any(|line| line.is_empty()));
        let length = stream.len();
        write!(
            caller,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{stream}"
        )
        .unwrap();
    }
    let _ = watch.kill();
    let _ = watch.wait();
    for pair in came.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(400), "{:?}", pair[1] - pair[0]);
    }
}

#[test]
fn a_wish_that_is_asked_for_again_by_its_id_is_done_once() {
    let world = World::quiet().with_key();
    let _desk = world.serve();
    world.set_limits();
    let id = "0192f0c1-2345-7890-abcd-ef0123456789";
    let arm = ["arm", "--reason", "one arming", "--for", "5m", "--command-id", id, "--json"];
    let first = world.stele(&arm).exits(0).json();
    let again = world.stele(&arm).exits(0).json();
    assert_eq!((&first["command_id"], &first), (&id.into(), &again));
    let pause = ["pause", "all", "--reason", "once each", "--command-id", id];
    let paused = world.stele(&pause);
    assert!(!paused.stderr.contains("idempotency-key-reused"), "{paused:?}");
    let told = world.stele(&["log", "tail", "-n", "1000", "--json", "--type", "trading.Armed"]).exits(0);
    assert_eq!(told.stdout.lines().count(), 1, "{told:?}");
}

#[test]
fn limits_from_a_file_do_not_undo_unseen_what_somebody_has_changed_since() {
    let world = World::quiet();
    let _desk = world.serve();
    world.set_limits();
    let printed = world.stele(&["limits", "get", "--json"]).exits(0).stdout;
    std::fs::write(world.path().join("limits.json"), printed).unwrap();
    world.stele(&["limits", "set", "edge_min_bps=4%", "--reason", "somebody else"]).exits(0);
    let stale = ["limits", "set", "--file", "limits.json", "cooldown_ms=1s", "--reason", "from a file"];
    let refused = world.stele(&stale);
    assert!(refused.code == 3 || refused.code == 5, "{refused:?}");
    let now = world.stele(&["limits", "get", "--json"]).exits(0).json();
    assert_eq!(now["in_force"]["limits"]["edge_min_bps"], 400, "{now}");
}

#[test]
fn names_that_the_desk_does_not_know_are_a_no_of_a_rule() {
    let world = World::quiet();
    let _desk = world.serve();
    world.set_limits();
    let nobody = "0192f0c1-2345-7890-abcd-ef0123456789";
    let zeros = "0".repeat(64);
    let approve = ["approve", nobody, "--limits-hash", &zeros, "--reason", "never asked for"];
    let refused = world.stele(&approve).exits(3);
    assert!(refused.stderr.contains("unknown_request"), "{refused:?}");
    world.stele(&["keys", "revoke", "000000000000", "--reason", "never made"]).exits(3);
}

#[test]
fn too_many_lines_are_refused_by_the_name_that_the_command_line_has() {
    let folder = tempfile::tempdir().unwrap();
    let refused = stele(folder.path(), &["log", "tail", "-n", "5000"]).exits(2);
    assert!(refused.stderr.contains("--lines") && refused.stderr.contains("1000"), "{refused:?}");
}

#[test]
fn what_others_wrote_is_json_for_programs_and_harmless_for_terminals() {
    let world = World::quiet();
    let mut desk = world.serve();
    // Eight-bit control and a mark that turns the order: JSON lets both stand as they are.
    let reason = "look \u{9b}2J\u{202e} here";
    let kill = ["kill", "--reason", reason];
    let killed = world.stele(&kill);
    if killed.code != 0 {
        // A desk that takes no such reasons has nothing to show.
        return;
    }
    let steers = |text: &str| {
        text.chars().any(|letter| letter != '\n' && (letter.is_control() || letter == '\u{202e}'))
    };
    let newest = ["log", "tail", "-n", "1", "--type", "trading.Killed"];
    let line = world.stele(&newest).exits(0).stdout;
    assert!(line.contains("look ·2J· here") && !steers(&line), "{line:?}");
    let json = world.stele(&[&newest[..], &["--json"]].concat()).exits(0);
    assert!(!steers(&json.stdout), "{json:?}");
    assert_eq!(json.json()["data"]["reason"], reason);
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn a_refused_start_says_in_the_log_what_a_supervisor_would_only_see_as_a_number() {
    let world = World::quiet();
    let mut first = world.serve();
    let mut second = Desk::start(command(world.path(), &["serve"]));
    let ended = second.logged("desk.ended");
    assert_eq!((&ended["code"], second.ended()), (&5.into(), 5), "{ended}");
    assert!(ended["why"].as_str().unwrap().contains("belongs to another process"), "{ended}");
    assert_eq!(first.signalled("TERM").0, 0);
}
