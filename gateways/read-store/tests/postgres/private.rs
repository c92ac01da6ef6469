//! The private server: set up once, started and stopped with us, found again after anything.

use crate::server::{folder, own_server, run, signal, versions};
use rustix::process::{Pid, Signal, test_kill_process};
use std::path::Path;
use std::time::{Duration, Instant};
use stele_read_store::PrivateServer;
use stele_read_store::private::{PrivateError, doctor};

fn runs(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

fn words(error: &PrivateError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

#[tokio::test]
async fn it_starts_in_an_empty_folder_and_again_in_the_same_one() {
    let folder = folder();
    let place = folder.path().join("pg");
    let server = PrivateServer::start(&place).await.unwrap();
    run(&server.app_url(), "INSERT INTO read_model.event_counts VALUES ('a.B', 1, 1, 1, now())")
        .await
        .unwrap();
    let pid = server.pid().unwrap();
    server.stop().await;
    assert!(!runs(pid));
    let server = PrivateServer::start(&place).await.unwrap();
    run(&server.app_url(), "DELETE FROM read_model.event_counts WHERE event_type = 'a.B'").await.unwrap();
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_works_all_the_same() {
    let folder = folder();
    let place = folder.path().join("long".repeat(40)).join("pg");
    std::fs::create_dir_all(&place).unwrap();
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    assert!(server.app_url().contains("/tmp/stele-"), "{}", server.app_url());
    run(&server.administrator_url(), "SELECT 1").await.unwrap();
    let url = server.app_url();
    let sockets = url.split("host=").nth(1).unwrap().split('&').next().unwrap();
    assert!(Path::new(sockets).exists());
    server.stop().await;
    assert!(!Path::new(sockets).exists(), "{sockets} is left behind");
}

#[tokio::test]
async fn only_a_socket_listens() {
    let server = own_server().await;
    let sql = "DO $$ BEGIN
        ASSERT current_setting('listen_addresses') = '', 'it listens';
        ASSERT current_setting('unix_socket_permissions') = '0700', 'its socket is open';
        END $$";
    run(&server.private.administrator_url(), sql).await.unwrap();
    let host = server.private.app_url();
    let sockets = host.split("host=").nth(1).unwrap().split('&').next().unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(sockets).unwrap());
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test]
async fn as_root_it_runs_as_somebody_else() {
    let server = own_server().await;
    let pid = server.private.pid().unwrap();
    let said =
        std::process::Command::new("ps").args(["-o", "uid=", "-p", &pid.to_string()]).output().unwrap();
    let uid: u32 = String::from_utf8_lossy(&said.stdout).trim().parse().unwrap();
    assert_ne!(uid, 0, "PostgreSQL runs as root");
    if !rustix::process::geteuid().is_root() {
        assert_eq!(uid, rustix::process::geteuid().as_raw());
    }
}

#[tokio::test]
async fn a_second_desk_in_the_same_folder_is_refused() {
    let folder = folder();
    let place = folder.path().join("pg");
    let first = PrivateServer::start_bare(&place, None).await.unwrap();
    let second = PrivateServer::start_bare(&place, None).await.err().unwrap();
    assert!(matches!(second, PrivateError::Taken(_)), "{second:?}");
    assert!(runs(first.pid().unwrap()), "the first is left alone");
}

#[tokio::test]
async fn whoever_only_reads_finds_the_server_of_another_process_and_starts_one_where_none_runs() {
    let folder = folder();
    let place = folder.path().join("pg");
    let desk = PrivateServer::start(&place).await.unwrap();
    let (url, started) = PrivateServer::to_read(&place).await.unwrap();
    assert!(started.is_none() && url == desk.app_url(), "{url}");
    run(&url, "SELECT 1").await.unwrap();
    desk.stop().await;
    let (url, started) = PrivateServer::to_read(&place).await.unwrap();
    run(&url, "SELECT 1").await.unwrap();
    assert_eq!(url, started.unwrap().app_url());
}

/// The account that runs the server owns the folder, and could put a link there for root to follow.
#[tokio::test]
async fn what_was_planted_where_the_desk_writes_is_refused_and_not_followed() {
    let folder = folder();
    let place = folder.path().join("pg");
    std::fs::create_dir_all(&place).unwrap();
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "nobody else's words").unwrap();
    for name in ["lock", "server.log"] {
        let there = place.join(name);
        let refused = async |what: &str| {
            let error = PrivateServer::start_bare(&place, None).await.err().unwrap();
            let said = words(&error);
            assert!(matches!(&error, PrivateError::Planted(path) if path.ends_with(name)), "{what}: {said}");
            assert!(said.contains(name) && said.contains("remove it, and start again"), "{what}: {said}");
            assert!(!said.contains("nobody else's words"), "{what}: {said}");
            std::fs::remove_file(&there).unwrap();
        };
        std::os::unix::fs::symlink(&precious, &there).unwrap();
        refused("a link").await;
        std::os::unix::fs::symlink(folder.path().join("made"), &there).unwrap();
        refused("a link to nothing yet").await;
        assert!(!folder.path().join("made").exists());
        std::fs::hard_link(&precious, &there).unwrap();
        refused("a second name").await;
        assert!(std::process::Command::new("mkfifo").arg(&there).status().unwrap().success());
        refused("a pipe").await;
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "nobody else's words");
    // What is our own is taken up, and begun anew when it is too long.
    std::fs::write(place.join("server.log"), vec![b'x'; 11 << 20]).unwrap();
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    assert!(std::fs::metadata(place.join("server.log")).unwrap().len() < 1 << 20);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_planted_while_the_server_runs_is_not_followed_when_it_dies() {
    let folder = folder();
    let place = folder.path().join("pg");
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "").unwrap();
    std::fs::remove_file(place.join("server.log")).unwrap();
    std::os::unix::fs::symlink(&precious, place.join("server.log")).unwrap();
    let first = server.pid().unwrap();
    signal(first, Signal::KILL);
    let began = Instant::now();
    while server.pid().is_some() {
        assert!(began.elapsed() < Duration::from_mins(1), "its death is not noticed");
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(place.join("server.log")).unwrap();
    while server.pid().is_none_or(|pid| pid == first) {
        assert!(began.elapsed() < Duration::from_mins(1), "it is not started again when the link is gone");
        tokio::task::yield_now().await;
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "");
}

/// Where the desk that is to be killed finds its folder.
const DESK_FOLDER: &str = "STELE_TEST_DESK_FOLDER";

/// Runs twice: as the test, and in a process of its own as the desk that is killed.
#[tokio::test]
async fn it_ends_with_a_desk_that_is_killed() {
    if let Some(place) = std::env::var_os(DESK_FOLDER) {
        let server = PrivateServer::start_bare(Path::new(&place), None).await.unwrap();
        println!("desk: {}", server.pid().unwrap());
        return std::future::pending().await;
    }
    let folder = folder();
    let mut desk = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "private::it_ends_with_a_desk_that_is_killed", "--nocapture"])
        .env(DESK_FOLDER, folder.path().join("pg"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(desk.stdout.take().unwrap());
    let pid = std::io::BufRead::lines(said)
        .find_map(|line| line.unwrap().split("desk: ").nth(1).map(|pid| pid.trim().parse::<u32>().unwrap()));
    let pid = pid.expect("the desk starts its server");
    assert!(runs(pid));
    desk.kill().unwrap();
    desk.wait().unwrap();
    let began = Instant::now();
    while runs(pid) {
        assert!(began.elapsed() < Duration::from_mins(1), "process {pid} outlives its desk");
        tokio::task::yield_now().await;
    }
}

/// Starts a server that nobody looks after, as a desk that was killed would leave it.
fn orphan(place: &Path) -> u32 {
    let text = std::fs::read_to_string(place.join("data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn what_a_killed_desk_left_running_is_stopped_and_started_anew() {
    let folder = folder();
    let place = folder.path().join("pg");
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    let binaries = server.binaries().clone();
    server.stop().await;
    let owner = std::fs::metadata(place.join("data")).unwrap();
    let (uid, gid) =
        (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
    let mut command = std::process::Command::new(binaries.directory.join("postgres"));
    command.arg("-D").arg(place.canonicalize().unwrap().join("data")).arg("-k").arg(place.join("run"));
    command.args(["-c", "listen_addresses="]).current_dir(&place).stderr(std::process::Stdio::null());
    std::os::unix::process::CommandExt::uid(&mut command, uid);
    std::os::unix::process::CommandExt::gid(&mut command, gid);
    let mut left = command.spawn().unwrap();
    while !std::fs::read_to_string(place.join("data/postmaster.pid")).is_ok_and(|text| text.contains("ready"))
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(orphan(&place), left.id());
    // The process is our child here, so somebody must take note of its end.
    let ended = std::thread::spawn(move || left.wait().unwrap());
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    ended.join().unwrap();
    run(&server.administrator_url(), "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn the_number_of_somebody_else_in_a_stale_note_does_not_stop_it() {
    let folder = folder();
    let place = folder.path().join("pg");
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    server.stop().await;
    let note = place.join("data/postmaster.pid");
    std::fs::write(&note, format!("{}\n{}\n0\n5432\n/tmp\n\n\nready\n", std::process::id(), place.display()))
        .unwrap();
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    assert!(runs(std::process::id()) && server.pid() != Some(std::process::id()));
}

#[tokio::test]
async fn a_setup_that_was_cut_off_is_begun_again() {
    let folder = folder();
    let place = folder.path().join("pg");
    std::fs::create_dir_all(place.join("data.half/base")).unwrap();
    std::fs::write(place.join("data.half/PG_VERSION"), "15\n").unwrap();
    let server = PrivateServer::start(&place).await.unwrap();
    run(&server.app_url(), "SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_is_started_again() {
    let server = own_server().await;
    let first = server.private.pid().unwrap();
    signal(first, Signal::KILL);
    let began = Instant::now();
    while server.private.pid().is_none_or(|pid| pid == first) {
        assert!(began.elapsed() < Duration::from_mins(1), "it is not started again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn data_of_a_version_that_is_not_installed_are_named_with_three_ways_out() {
    let folder = folder();
    let place = folder.path().join("pg");
    std::fs::create_dir_all(place.join("data")).unwrap();
    std::fs::write(place.join("data/PG_VERSION"), "9\n").unwrap();
    let error = PrivateServer::start(&place).await.err().unwrap();
    let said = words(&error);
    for part in [
        "PostgreSQL 9 (the version of the data)",
        "apt-get install postgresql",
        "PG_BINDIR=",
        "DATABASE_URL=",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_can_not_come_up_shows_its_last_words() {
    let folder = folder();
    let place = folder.path().join("pg");
    let server = PrivateServer::start_bare(&place, None).await.unwrap();
    server.stop().await;
    std::fs::write(place.join("data/postgresql.conf"), "nonsense = here\n").unwrap();
    let error = PrivateServer::start_bare(&place, None).await.err().unwrap();
    let said = words(&error);
    assert!(matches!(error, PrivateError::NotUp { .. }) && said.contains("nonsense"), "{said}");
}

#[tokio::test]
async fn a_folder_that_the_server_can_not_enter_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let closed = folder();
    std::fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let error = PrivateServer::start_bare(&closed.path().join("pg"), None).await.err().unwrap();
    let said = words(&error);
    assert!(matches!(error, PrivateError::Closed { .. }) && said.contains("chmod o+x"), "{said}");
}

#[test]
fn the_search_tells_every_step() {
    let steps: Vec<String> = doctor().iter().map(ToString::to_string).collect();
    for first in ["PG_BINDIR", "pg_config", "PATH", "/usr/lib/postgresql"] {
        assert!(steps.iter().any(|step| step.starts_with(first)), "{first} is missing: {steps:#?}");
    }
    assert!(!versions().is_empty());
}
