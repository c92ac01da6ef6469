//! The database of the tables, as whoever looks after it meets it: a real PostgreSQL, our files in it.

use crate::support::{Run, command, run};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use stele_read_store::PrivateServer;
use tempfile::TempDir;

/// A PostgreSQL with our roles and database in it, and nothing else.
pub struct Database {
    _directory: TempDir,
    runtime: tokio::runtime::Runtime,
    server: Option<PrivateServer>,
}

impl Database {
    pub fn start() -> Self {
        // Root's database runs as somebody else, who has to get through.
        let through = std::fs::Permissions::from_mode(0o711);
        let directory = tempfile::Builder::new().permissions(through).tempdir_in("/tmp").unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(async {
            let server = PrivateServer::start_bare(&directory.path().join("pg"), None).await.unwrap();
            server.prepare().await.unwrap();
            server
        });
        Self { _directory: directory, runtime, server: Some(server) }
    }

    pub fn running(&self) -> &PrivateServer {
        self.server.as_ref().unwrap()
    }

    pub fn sql(&self, statement: &str) {
        let psql = self.running().binaries().directory.join("psql");
        let url = self.running().owner_url();
        let said =
            Command::new(psql).args(["-v", "ON_ERROR_STOP=1", "-c", statement, &url]).output().unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}

impl Database {
    /// Ends it, for whoever still talks to it too.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
    }
}

fn db(directory: &Path, url: &str, args: &[&str]) -> Run {
    let mut command = command(directory, &[&["db"], args].concat());
    command.env("DATABASE_URL", url);
    run(command)
}

#[test]
fn a_database_is_brought_up_to_date_once_and_one_that_was_tampered_with_exits_with_8() {
    let server = Database::start();
    let away = tempfile::tempdir().unwrap();
    let (owner, app) = (server.running().owner_url(), server.running().app_url());
    db(away.path(), &app, &["doctor"]).exits(1).complains(&["stele db migrate"]);
    // The desk's own role makes no tables.
    db(away.path(), &app, &["migrate"]).exits(6).complains(&["lacks a privilege", "as the owner"]);
    let first = db(away.path(), &owner, &["migrate", "--json"]).exits(0).json();
    assert!(
        first["version"].as_u64().unwrap() >= 1 && !first["applied"].as_array().unwrap().is_empty(),
        "{first}"
    );
    let again = db(away.path(), &owner, &["migrate"]).exits(0).stdout;
    assert!(again.contains("Nothing to do"), "{again}");
    db(away.path(), &app, &["doctor"]).exits(0);
    server.sql("UPDATE stele.migrations SET checksum = 'of another file' WHERE version = 1");
    for (url, verb) in [(&app, "doctor"), (&owner, "migrate")] {
        db(away.path(), url, &[verb]).exits(8).complains(&["was edited after it was applied"]);
    }
}

#[test]
fn a_database_that_does_not_answer_exits_with_7_and_an_address_that_is_none_with_2() {
    let away = tempfile::tempdir().unwrap();
    for verb in ["doctor", "migrate"] {
        db(away.path(), "postgres://nobody:hush@127.0.0.1:1/none", &[verb]).exits(7);
        let wrong = db(away.path(), "mysql://nobody:hush@127.0.0.1/none", &[verb]).exits(2);
        assert!(!wrong.stderr.contains("hush"), "a password was said: {}", wrong.stderr);
    }
}

#[test]
fn without_a_database_the_doctor_says_where_the_tables_are_and_what_could_be_started() {
    let away = tempfile::tempdir().unwrap();
    let said = db(away.path(), "", &["doctor"]).exits(0).stdout;
    assert!(said.contains("in memory") && said.contains("PG_BINDIR"), "{said}");
    let json = db(away.path(), "", &["doctor", "--json"]).exits(0).json();
    assert_eq!((&json["store"], &json["ok"]), (&"memory".into(), &true.into()));
}
