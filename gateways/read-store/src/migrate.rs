//! Migrations: the files of `migrations/`, built in, applied once and in order, each in one transaction together
//! with the note that says so. Nothing is ever half applied.
//!
//! A database whose notes are not those of this build is refused in words that name the file: one that was edited
//! after it was applied, one that is missing here, one that came in between.

mod files;

pub use files::FILES;

use crate::postgres::{Address, AddressError, Failure, Trouble};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use std::fmt::Write;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number: the four digits that its name begins with.
    pub version: i32,
    /// Its name, `0001_read_model.sql`.
    pub file: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The files that were applied, in order; empty when there was nothing to do.
    pub applied: Vec<&'static str>,
    /// The version that the database is at now.
    pub version: i32,
}

/// Why migrations can't be applied, or the ones that were are not ours.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database URL can't be used, or a file that it names.
    #[error(transparent)]
    Url(AddressError),
    /// The server does not answer, or refuses.
    #[error("the migrations can't be read or written")]
    Unavailable(#[source] Trouble),
    /// There is nothing of ours in the database.
    #[error("the database is empty; run `stele db migrate` with the URL of the owner's role")]
    Empty,
    /// The database is older than this build.
    #[error(
        "the database is at migration {at} and this build needs {file}; run `stele db migrate` as the owner"
    )]
    Behind {
        /// The last one that was applied.
        at: i32,
        /// The first one that was not.
        file: &'static str,
    },
    /// The database is newer than this build, or a file was removed.
    #[error(
        "migration {file} was applied to the database and this build does not have it: \
         run a newer build, or bring the file back"
    )]
    Unknown {
        /// Its name.
        file: String,
    },
    /// A file was changed after it was applied.
    #[error(
        "migration {file} was edited after it was applied (applied {applied}, here {here}): \
         bring back what it said, and say what is new in a new migration"
    )]
    Edited {
        /// Its name.
        file: String,
        /// The checksum that was noted, its first digits.
        applied: String,
        /// The checksum of the file of this build, its first digits.
        here: String,
    },
    /// A file has the number of another one.
    #[error(
        "migration number {version} was applied as {applied} and is {here} here: \
         applied migrations keep their names and their order"
    )]
    Renamed {
        /// The number.
        version: i32,
        /// The name that was noted.
        applied: String,
        /// The name here.
        here: &'static str,
    },
    /// A file came in before others that are applied already.
    #[error("migration {file} comes before {last}, which is applied already: give it the next number")]
    OutOfOrder {
        /// The new one.
        file: &'static str,
        /// The last that was applied.
        last: String,
    },
    /// A file's statements failed. Nothing of it was kept.
    #[error(
        "migration {file} failed, and nothing of it was kept; was part of it applied by hand? \
         Then undo that part and run it again"
    )]
    Failed {
        /// Its name.
        file: &'static str,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// A file's statements did not end in time. Nothing of it was kept.
    #[error(
        "migration {file} did not end within {bound:?}, and nothing of it was kept; does somebody hold a lock on its \
         tables (pg_stat_activity shows who)? Run it again when nobody does"
    )]
    TooLong {
        /// Its name.
        file: &'static str,
        /// How long it had.
        bound: Duration,
    },
    /// Another run does not end. Nothing was looked at or changed.
    #[error("{}", still_locked(*.waited, *.holder))]
    Locked {
        /// How long it was waited for.
        waited: Duration,
        /// The server's process of the other run, when it could be found.
        holder: Option<i32>,
    },
}

/// What to do about a run that does not end.
fn still_locked(waited: Duration, holder: Option<i32>) -> String {
    let (which, end) = holder.map_or_else(Default::default, |pid| {
        (
            format!(" (server process {pid})"),
            format!("; if nobody waits for that one any more: SELECT pg_terminate_backend({pid})"),
        )
    });
    format!(
        "another run of the migrations{which} is still at work after {waited:?}, and nothing was changed by this one: \
         wait for it, then run this again{end}"
    )
}

impl MigrateError {
    /// Whether trying again, unchanged, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::TooLong { .. } | Self::Locked { .. } => true,
            Self::Url(_)
            | Self::Empty
            | Self::Behind { .. }
            | Self::Unknown { .. }
            | Self::Edited { .. }
            | Self::Renamed { .. }
            | Self::OutOfOrder { .. }
            | Self::Failed { .. } => false,
        }
    }
}

/// What the database says of one applied migration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    version: i32,
    file: String,
    checksum: String,
}

/// How long a run waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For another run to end, however many files that one applies.
    pub other_run: Duration,
    /// For the statements of one file.
    pub file: Duration,
}

impl Default for Bounds {
    /// Half an hour for another run, ten minutes for each file.
    fn default() -> Self {
        Self { other_run: Duration::from_mins(30), file: Duration::from_mins(10) }
    }
}

/// Longest that the server may take over a connection, and over a question that waits for nobody.
const ANSWER: Duration = Duration::from_secs(10);

/// The lock that keeps two runs apart. The number is arbitrary and stays; the server shows it in two halves.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(7363746101)";
const LOCK: &str = "SELECT pg_advisory_lock(7363746101)";
const HOLDER: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND classid::bigint << 32 | objid::bigint = 7363746101 AND objsubid = 1 LIMIT 1";
/// The largest `statement_timeout`.
const SERVER_MS_MAX: u128 = 0x7fff_ffff;
/// What is said after every run.
const GRANTS_FILE: &str = "grants.sql";
const NOTES_TABLE: &str = "CREATE SCHEMA IF NOT EXISTS stele; \
     CREATE TABLE IF NOT EXISTS stele.migrations (\
     version integer NOT NULL PRIMARY KEY, \
     file text COLLATE \"C\" NOT NULL, \
     checksum text COLLATE \"C\" NOT NULL, \
     applied_at timestamptz NOT NULL DEFAULT now(), \
     took_ms bigint NOT NULL)";
const NOTES: &str = "SELECT version, file, checksum FROM stele.migrations ORDER BY version";
const NOTE: &str = "INSERT INTO stele.migrations (version, file, checksum, took_ms) VALUES ($1, $2, $3, $4)";

/// Applies what is missing, as the role that owns the tables, and grants the desk's role `stele_app` what it
/// needs when there is such a role. Two runs at once wait for each other. Running it again changes nothing.
///
/// # Errors
///
/// [`MigrateError`] names the file.
pub async fn migrate(url_owner: &str) -> Result<Migrated, MigrateError> {
    apply(url_owner, FILES).await
}

/// The same with other files, for those who test them.
///
/// # Errors
///
/// [`MigrateError`] names the file.
pub async fn apply(url_owner: &str, files: &[Migration]) -> Result<Migrated, MigrateError> {
    apply_within(url_owner, files, Bounds::default()).await
}

/// The same with other bounds, too.
///
/// # Errors
///
/// [`MigrateError`] names the file.
pub async fn apply_within(
    url_owner: &str,
    files: &[Migration],
    bounds: Bounds,
) -> Result<Migrated, MigrateError> {
    let address = Address::of(url_owner, "stele-migrate").map_err(MigrateError::Url)?;
    let mut connection =
        answered(async { address.connect().await.map_err(MigrateError::Unavailable) }).await?;
    wait_for_others(&mut connection, bounds.other_run).await?;
    gives_up_after(&mut connection, bounds.file).await?;
    if answered(notes(&mut connection)).await?.is_none() {
        answered(execute(&mut connection, NOTES_TABLE)).await?;
    }
    let notes = answered(notes(&mut connection)).await?.unwrap_or_default();
    let mut applied = vec![];
    for migration in pending(&notes, files)? {
        within(bounds.file, migration.file, one(&mut connection, migration)).await?;
        applied.push(migration.file);
    }
    let grants = async {
        let granted = sqlx::raw_sql(files::GRANTS).execute(&mut connection).await;
        granted.map(drop).map_err(|source| MigrateError::Failed { file: GRANTS_FILE, source })
    };
    within(bounds.file, GRANTS_FILE, grants).await?;
    // The lock goes with the connection; a farewell that is not heard changes nothing.
    drop(timeout(ANSWER, connection.close()).await);
    let version = files.last().map_or(0, |migration| migration.version);
    Ok(Migrated { applied, version })
}

/// Takes the lock. Another run may be long at work and all is well, so waiting for it has a bound of its own.
async fn wait_for_others(connection: &mut PgConnection, bound: Duration) -> Result<(), MigrateError> {
    let free = sqlx::query_scalar(TRY_LOCK).persistent(false).fetch_one(&mut *connection);
    if answered(async { free.await.map_err(unavailable) }).await? {
        return Ok(());
    }
    let holder = sqlx::query_scalar(HOLDER).persistent(false).fetch_optional(&mut *connection);
    let holder = answered(async { holder.await.map_err(unavailable) }).await?;
    crate::observe::waits_for_another_run(holder, bound);
    gives_up_after(connection, bound).await?;
    let got = timeout(bound, execute(connection, LOCK)).await;
    got.unwrap_or(Err(MigrateError::Locked { waited: bound, holder }))
}

/// Makes the server end a statement a little after we would: it may not hear that we are gone, and would keep the lock.
async fn gives_up_after(connection: &mut PgConnection, bound: Duration) -> Result<(), MigrateError> {
    let bound_ms = bound.saturating_add(ANSWER).as_millis().min(SERVER_MS_MAX);
    answered(execute(connection, &format!("SET statement_timeout = {bound_ms}"))).await
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), MigrateError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(unavailable)
}

/// A question that waits for nobody.
async fn answered<T>(asked: impl Future<Output = Result<T, MigrateError>>) -> Result<T, MigrateError> {
    let silent = |_| MigrateError::Unavailable(Trouble::Silent(ANSWER));
    timeout(ANSWER, asked).await.map_err(silent)?
}

/// A file within its bound.
async fn within<T>(
    bound: Duration,
    file: &'static str,
    applied: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, MigrateError> {
    timeout(bound, applied).await.unwrap_or(Err(MigrateError::TooLong { file, bound }))
}

/// Whether the database has exactly the migrations of this build.
pub(crate) async fn verify(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let notes = notes(connection).await?.ok_or(MigrateError::Empty)?;
    let last = notes.last().map_or(0, |note| note.version);
    match pending(&notes, FILES)?.first() {
        None => Ok(()),
        Some(_) if notes.is_empty() => Err(MigrateError::Empty),
        Some(migration) => Err(MigrateError::Behind { at: last, file: migration.file }),
    }
}

/// What was applied; `None` when there is no table to say so.
async fn notes(connection: &mut PgConnection) -> Result<Option<Vec<Note>>, MigrateError> {
    let rows = match sqlx::query(NOTES).persistent(false).fetch_all(connection).await {
        Ok(rows) => rows,
        Err(sqlx::Error::Database(said))
            if said.code().is_some_and(|code| code == "42P01" || code == "3F000") =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unavailable(error)),
    };
    let note = |row: &sqlx::postgres::PgRow| {
        Ok(Note { version: row.try_get(0)?, file: row.try_get(1)?, checksum: row.try_get(2)? })
    };
    rows.iter().map(note).collect::<Result<_, sqlx::Error>>().map(Some).map_err(unavailable)
}

/// The files that are still to be applied, when all that were applied are ours.
fn pending<'f>(notes: &[Note], files: &'f [Migration]) -> Result<Vec<&'f Migration>, MigrateError> {
    for note in notes {
        let Some(here) = files.iter().find(|migration| migration.version == note.version) else {
            return Err(MigrateError::Unknown { file: note.file.clone() });
        };
        if here.file != note.file {
            let (version, applied) = (note.version, note.file.clone());
            return Err(MigrateError::Renamed { version, applied, here: here.file });
        }
        let checksum = checksum(here.sql);
        if checksum != note.checksum {
            let short = |digits: &str| digits.chars().take(12).collect();
            let (applied, here) = (short(&note.checksum), short(&checksum));
            return Err(MigrateError::Edited { file: note.file.clone(), applied, here });
        }
    }
    let is_new = |migration: &&Migration| notes.iter().all(|note| note.version != migration.version);
    let new: Vec<&Migration> = files.iter().filter(is_new).collect();
    if let (Some(first), Some(last)) = (new.first(), notes.last())
        && first.version < last.version
    {
        return Err(MigrateError::OutOfOrder { file: first.file, last: last.file.clone() });
    }
    Ok(new)
}

/// Applies one file and notes it, or does neither.
async fn one(connection: &mut PgConnection, migration: &Migration) -> Result<(), MigrateError> {
    let began = Instant::now();
    let failed = |source| MigrateError::Failed { file: migration.file, source };
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    let statements = AssertSqlSafe(migration.sql);
    sqlx::raw_sql(statements).execute(&mut *transaction).await.map_err(failed)?;
    let note = sqlx::query(NOTE)
        .persistent(false)
        .bind(migration.version)
        .bind(migration.file)
        .bind(checksum(migration.sql))
        .bind(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    note.execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    crate::observe::migrated(migration.version, migration.file, began.elapsed());
    Ok(())
}

/// SHA-256 over the text with line ends as on every machine, in hexadecimal digits.
fn checksum(sql: &str) -> String {
    let digest = Sha256::digest(sql.replace("\r\n", "\n").as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn unavailable(error: sqlx::Error) -> MigrateError {
    MigrateError::Unavailable(Failure::from(error).into_trouble())
}

#[cfg(test)]
mod tests;
