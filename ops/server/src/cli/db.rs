//! The database of the tables: which one would be used, whether it is in order, and bringing it up to date.

use super::args::DbCommand;
use super::progress::Progress;
use super::{say, say_json};
use crate::config::{Config, DatabaseAt};
use crate::exit::{Code, Failure, Outcome, chain};
use crate::wiring::database_url;
use serde_json::json;
use std::future::Future;
use stele_projections::models;
use stele_read_store::private;
use stele_read_store::{MigrateError, OpenError, Options, PostgresStore, Trouble, migrate};

pub(super) fn run(command: DbCommand, config: &Config, json: bool) -> Outcome {
    match command {
        DbCommand::Doctor => doctor(config, json),
        DbCommand::Migrate => migrated(config, json),
    }
}

fn doctor(config: &Config, json: bool) -> Outcome {
    match &config.database.at {
        DatabaseAt::Memory => {
            let words = "The tables are kept in memory and folded from the log at every start. \
                         Name a PostgreSQL with DATABASE_URL, or start a private one with --postgres.";
            binaries(words, "memory", json)
        }
        DatabaseAt::Private => {
            binaries("The tables are kept in a private PostgreSQL, in the data directory.", "private", json)
        }
        DatabaseAt::Url { .. } => {
            let url = database_url(config)?;
            let schemas = stele_projections::schemas(models::ALL);
            let opened = blocking(PostgresStore::open(&url, &schemas, Options::default()))?;
            opened.map_err(|error| not_open(&error))?;
            let words = "The database answers, and its tables are what this build expects.";
            if json { say_json(&json!({ "store": "postgresql", "ok": true })) } else { say(words) }
        }
    }
}

/// What a private server would be run by.
fn binaries(words: &str, store: &str, json: bool) -> Outcome {
    let tried = private::doctor();
    let found = tried.iter().find_map(|tried| tried.outcome.as_ref().ok());
    let ok = found.is_some() || store == "memory";
    if json {
        say_json(&json!({
            "store": store,
            "ok": ok,
            "binaries": found.map(|found| json!({ "directory": found.directory, "major": found.major })),
            "looked_at": tried.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        let looked = tried.iter().map(|tried| format!("\n  {tried}"));
        say(&format!("{words}\nInstalled binaries were looked for here:{}", looked.collect::<String>()))?;
    }
    if ok {
        return Ok(());
    }
    Err(Failure::new(Code::Unavailable, "PostgreSQL is not installed here").advise(
        "sudo apt-get install postgresql, or set PG_BINDIR to the directory with postgres and initdb",
    ))
}

fn migrated(config: &Config, json: bool) -> Outcome {
    match &config.database.at {
        DatabaseAt::Url { .. } => {}
        DatabaseAt::Private => {
            return Err(Failure::usage("a private database is brought up to date by each start of its desk"));
        }
        DatabaseAt::Memory => {
            return Err(Failure::usage("no database is named, and tables in memory need no migrations")
                .advise("DATABASE_URL=postgres://stele_owner@HOST/stele stele db migrate"));
        }
    }
    let url = database_url(config)?;
    let progress = Progress::of_what("applying migrations", json);
    let done = blocking(migrate::migrate(&url))?;
    drop(progress);
    let done = done.map_err(|error| not_migrated(&error))?;
    if json {
        return say_json(&json!({ "applied": done.applied, "version": done.version }));
    }
    if done.applied.is_empty() {
        return say(&format!("Nothing to do: the database is at migration {}.", done.version));
    }
    say(&format!("Applied {}. The database is at migration {}.", done.applied.join(", "), done.version))
}

fn blocking<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::error(&error))?.block_on(work))
}

fn not_open(error: &OpenError) -> Failure {
    let code = match error {
        OpenError::Url(_) => Code::Usage,
        OpenError::Definitions(_) => Code::Error,
        OpenError::Unavailable(_) => Code::Unavailable,
        OpenError::Migrations(error) => return not_migrated(error),
        OpenError::Drifted { .. } => Code::Mismatch,
    };
    Failure::new(code, chain(error))
}

fn not_migrated(error: &MigrateError) -> Failure {
    let code = match error {
        MigrateError::Url(_) => Code::Usage,
        // The server answers, and says that this role may not.
        MigrateError::Unavailable(Trouble::Denied(_)) => Code::Unauthorised,
        MigrateError::Unavailable(_) | MigrateError::TooLong { .. } => Code::Unavailable,
        MigrateError::Locked { .. } => Code::Conflict,
        MigrateError::Empty | MigrateError::Behind { .. } | MigrateError::Failed { .. } => Code::Error,
        // What is stored is not what this build has written.
        MigrateError::Unknown { .. }
        | MigrateError::Edited { .. }
        | MigrateError::Renamed { .. }
        | MigrateError::OutOfOrder { .. } => Code::Mismatch,
    };
    Failure::new(code, chain(error))
}

#[cfg(test)]
mod tests {
    use super::not_migrated;
    use crate::exit::Code;
    use stele_read_store::MigrateError;

    #[test]
    fn a_database_that_is_not_ours_is_told_from_one_that_is_behind() {
        let edited = MigrateError::Edited {
            file: "0001_read_model.sql".to_owned(),
            applied: "aa".to_owned(),
            here: "bb".to_owned(),
        };
        assert_eq!(not_migrated(&edited).code, Code::Mismatch);
        let behind = MigrateError::Behind { at: 1, file: "0002_more.sql" };
        let failure = not_migrated(&behind);
        assert_eq!(failure.code, Code::Error);
        assert!(failure.what.contains("stele db migrate"), "{}", failure.what);
    }
}
