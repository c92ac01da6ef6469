//! A PostgreSQL of our own, for a desk that has none: installed binaries, a folder, a Unix socket and nothing
//! else. It starts and ends with us, and holds nothing that does not follow from the log.
//!
//! Who may connect is who may enter the folder of its socket: the account that runs it, and root. The desk works
//! in it as the same least-privileged role as anywhere else.

mod binaries;
mod places;
mod process;

pub use binaries::{Binaries, Tried};

use crate::migrate::{self, MigrateError};
use crate::observe;
use places::Places;
use process::Process;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _};
use std::fmt::Write;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a server may take until it answers: it may have a crash to recover from.
const START: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(20);

/// The role that owns the private server.
const ADMINISTRATOR: &str = "stele_admin";
/// The role that the desk works as.
const APP: &str = "stele_app";
const DATABASE: &str = "stele";
const ROLES: &str = include_str!("../../../ops/postgres-role.sql");

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// PostgreSQL is not installed, or not in the version that the data need.
    #[error("{}", no_binaries(*.major, .tried))]
    NoBinaries {
        /// The version that the data are of, when there are any.
        major: Option<u32>,
        /// Where it was looked for.
        tried: Vec<Tried>,
    },
    /// We are root, and there is nobody to become.
    #[error("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")]
    NoAccount,
    /// The account can't get to its folder.
    #[error(
        "the database runs as {account}, who can't enter {}; choose another data directory, or: chmod o+x {}",
        .folder.display(), .folder.display()
    )]
    Closed {
        /// The folder that is closed.
        folder: PathBuf,
        /// Who can't enter.
        account: String,
    },
    /// A folder that should be ours alone is somebody else's.
    #[error("{} is not a folder of ours alone; remove it", .0.display())]
    NotOurs(PathBuf),
    /// The folder of a server that another account runs.
    #[error(
        "{} is of the account with the number {uid}, whose PostgreSQL it is; as root it would be taken over, and that account \
         could not go on: run this as it", .folder.display()
    )]
    Theirs {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Where a file of ours should be, there is a link, a pipe, or something of somebody else.
    #[error(
        "{} is not a plain file of ours: a link, a pipe, or somebody else's. Was it put there to lead the desk to another \
         file? Look at it, remove it, and start again",
        .0.display()
    )]
    Planted(PathBuf),
    /// Another desk runs the server of this folder.
    #[error("another process runs the database in {}; stop it, or use another data directory", .0.display())]
    Taken(PathBuf),
    /// A server that nobody owns any more does not end.
    #[error("a database of a desk that is gone runs as process {pid} and does not end; end it")]
    Orphan {
        /// Its process.
        pid: u32,
    },
    /// A file or folder.
    #[error("{}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("the database's folder can't be set up: {said}")]
    Setup {
        /// What it said.
        said: String,
    },
    /// The server can't be started at all.
    #[error("the database can't be started")]
    Start {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server does not come up.
    #[error("the database does not come up ({why}); its last words in {}: {said}", .log.display())]
    NotUp {
        /// Why.
        why: String,
        /// Where it writes.
        log: PathBuf,
        /// The end of what it wrote.
        said: String,
    },
    /// Roles and database can't be made.
    #[error("the database can't be prepared")]
    Prepare(#[source] sqlx::Error),
    /// The tables can't be made.
    #[error("the tables can't be made")]
    Migrate(#[from] MigrateError),
}

impl PrivateError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// The three ways out, to be copied.
fn no_binaries(major: Option<u32>, tried: &[Tried]) -> String {
    let wanted = major.map_or(String::new(), |major| format!(" {major} (the version of the data)"));
    let mut text = format!("PostgreSQL{wanted} is not installed here. Any of these helps:\n");
    text.push_str("  sudo apt-get install postgresql            # or: brew install postgresql@18\n");
    text.push_str("  export PG_BINDIR=/path/to/postgresql/bin   # where postgres and initdb are\n");
    text.push_str(
        "  export DATABASE_URL=postgres://stele_app:password@host/stele   # a server that runs already\n",
    );
    if major.is_some() {
        text.push_str("Or move the folder `data` of the database away: it holds nothing that does not follow from the log.\n");
    }
    text.push_str("Looked at:");
    for tried in tried {
        // Writing to a string can't fail.
        let _ = write!(text, "\n  {tried}");
    }
    text
}

/// A private server that runs. Dropping it ends it, and waits for that; [`PrivateServer::stop`] does the same
/// without holding up anybody else.
pub struct PrivateServer {
    process: Process,
    places: Places,
    binaries: Binaries,
    /// Held as long as the server is ours.
    _lock: File,
}

impl PrivateServer {
    /// Starts the server of this folder, set up and migrated. What a desk that was killed left behind, files or a
    /// running server, is cleared away first.
    ///
    /// # Errors
    ///
    /// [`PrivateError`] says what to do.
    pub async fn start(folder: &Path) -> Result<Self, PrivateError> {
        let server = Self::start_bare(folder, None).await?;
        server.prepare().await?;
        migrate::migrate(&server.owner_url()).await?;
        Ok(server)
    }

    /// The desk's URL for whoever only reads: in the server of this folder that another process runs, else in one that is
    /// started, for as long as it is kept.
    ///
    /// # Errors
    ///
    /// [`PrivateError`] says what to do.
    pub async fn to_read(folder: &Path) -> Result<(String, Option<Self>), PrivateError> {
        match Self::start(folder).await {
            Ok(server) => Ok((server.app_url(), Some(server))),
            // That its folders are ours alone was seen on the way to its lock.
            Err(PrivateError::Taken(root)) => {
                Ok((url_in(&places::socket_folder(&root), APP, DATABASE), None))
            }
            Err(error) => Err(error),
        }
    }

    /// The server without database, roles and tables of ours, run by these binaries or by those that are found.
    ///
    /// # Errors
    ///
    /// [`PrivateError`] says what to do.
    pub async fn start_bare(folder: &Path, with: Option<Binaries>) -> Result<Self, PrivateError> {
        let folder = folder.to_owned();
        // Looking for binaries, setting up and stopping an orphan all wait for other processes.
        let begun = tokio::task::spawn_blocking(move || Self::begin(&folder, with)).await;
        let server = begun.map_err(|error| PrivateError::Start { source: error.into() })??;
        server.comes_up().await?;
        let pid = server.process.pid().unwrap_or_default();
        observe::private_started(&server.places.root, &server.binaries.directory, pid);
        Ok(server)
    }

    fn begin(folder: &Path, with: Option<Binaries>) -> Result<Self, PrivateError> {
        let places = Places::make(folder)?;
        let lock = lock(&places)?;
        let tried = binaries::search();
        let major = places.major();
        let Some(binaries) = with.or_else(|| binaries::choose(&tried, major)) else {
            return Err(PrivateError::NoBinaries { major, tried });
        };
        process::stop_orphan(&places)?;
        if major.is_none() {
            set_up(&places, &binaries)?;
        }
        // Here and not only on the thread that starts it: what is wrong is said as it is.
        process::log(&places)?;
        observe::private_begins();
        let process = Process::start(&places, &binaries)?;
        Ok(Self { process, places, binaries, _lock: lock })
    }

    /// The desk's URL.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url(APP, DATABASE)
    }

    /// The URL for migrations.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url("stele_owner", DATABASE)
    }

    /// The URL of whoever may do everything in this server.
    #[must_use]
    pub fn administrator_url(&self) -> String {
        self.url(ADMINISTRATOR, "postgres")
    }

    /// Its process id; `None` while it is being started again.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The binaries that it runs.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Ends it: first politely, after 15 seconds urgently, after 20 by force.
    pub async fn stop(self) {
        // A task that can't be waited for ends the server all the same, when it is dropped.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// The URL for a role and a database of this server.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        url_in(&self.places.sockets, role, database)
    }

    /// Waits until somebody answers on the socket.
    async fn comes_up(&self) -> Result<(), PrivateError> {
        let until = Instant::now() + START;
        loop {
            let why = match self.connect().await {
                Ok(connection) => {
                    drop(connection.close().await);
                    return Ok(());
                }
                Err(error) => error.to_string(),
            };
            let died = self.process.died();
            if died.is_some() || Instant::now() > until {
                let (log, said) = (self.places.log.clone(), last_words(&self.places));
                return Err(PrivateError::NotUp { why: died.unwrap_or(why), log, said });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options: PgConnectOptions = self.administrator_url().parse()?;
        let connected = timeout(Duration::from_secs(5), options.disable_statement_logging().connect()).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Makes roles and database; whatever is there already, stays.
    ///
    /// # Errors
    ///
    /// [`PrivateError::Prepare`].
    pub async fn prepare(&self) -> Result<(), PrivateError> {
        let mut connection = self.connect().await.map_err(PrivateError::Prepare)?;
        let lines = ROLES.lines().filter(|line| !line.starts_with("--"));
        let statements = lines.collect::<Vec<_>>().join("\n");
        for statement in statements.split_terminator(';').filter(|statement| !statement.trim().is_empty()) {
            match sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await {
                Ok(_) => {}
                // duplicate_object, duplicate_database
                Err(sqlx::Error::Database(said))
                    if said.code().is_some_and(|code| code == "42710" || code == "42P04") => {}
                Err(error) => return Err(PrivateError::Prepare(error)),
            }
        }
        drop(connection.close().await);
        Ok(())
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.process.stop();
        if !self.places.sockets.starts_with(&self.places.root) {
            // Empty by now; one that isn't is not ours to empty.
            let _ = std::fs::remove_dir(&self.places.sockets);
        }
    }
}

/// The URL for a role and a database of the server whose socket is in this folder.
fn url_in(sockets: &Path, role: &str, database: &str) -> String {
    let sockets = encoded(&sockets.display().to_string());
    format!(
        "postgres:///{}?host={sockets}&port=5432&user={}&sslmode=disable",
        encoded(database),
        encoded(role)
    )
}

/// What was looked at to find PostgreSQL, step by step: for `stele db doctor`.
#[must_use]
pub fn doctor() -> Vec<Tried> {
    binaries::search()
}

/// One desk per folder.
fn lock(places: &Places) -> Result<File, PrivateError> {
    let file = places.append(&places.lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PrivateError::Taken(places.root.clone())),
        Err(TryLockError::Error(error)) => Err(PrivateError::file(&places.lock, error)),
    }
}

/// Makes the server's folder beside its place and moves it there when it is whole.
fn set_up(places: &Places, binaries: &Binaries) -> Result<(), PrivateError> {
    let half = places.root.join("data.half");
    if half.exists() {
        std::fs::remove_dir_all(&half).map_err(|error| PrivateError::file(&half, error))?;
    }
    let mut command = process::as_account(places, &binaries.directory.join("initdb"), false);
    command.arg("-D").arg(&half).args(["--username", ADMINISTRATOR, "--auth", "trust"]);
    command.args(["--encoding", "UTF8", "--locale", "C"]).current_dir(&places.root);
    let said = command.output().map_err(|source| PrivateError::Start { source })?;
    if !said.status.success() {
        let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        return Err(PrivateError::Setup { said });
    }
    std::fs::rename(&half, &places.data).map_err(|error| PrivateError::file(&half, error))
}

/// The end of the server's log, for whoever asks why it does not come up.
fn last_words(places: &Places) -> String {
    const LINES: usize = 6;
    const BYTES: u64 = 16 << 10;
    let text = match places.end_of(&places.log, BYTES) {
        Ok(text) => text,
        Err(error) => return error.to_string(),
    };
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join(" | ")
}

/// Percent-encoded, but for what a URL's query leaves alone.
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
