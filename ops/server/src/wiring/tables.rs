//! Where the tables are: memory, a PostgreSQL of ours, somebody's PostgreSQL, or another process.

use super::core::own_directory;
use super::elsewhere::TablesElsewhere;
use super::roles::{Role, Roles};
use super::secret;
use crate::config::{Config, DatabaseAt};
use crate::exit::{Code, Failure, chain};
use crate::observe;
use secrecy::ExposeSecret as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::read_store::{ReadStore, Rebuilding, Schema};
use stele_domain::port::tiering::Histories;
use stele_projections::models;
use stele_read_store::{MemoryStore, Options, PostgresStore, PrivateError, PrivateServer};
use tokio::task::JoinHandle;
use tokio::time::{Instant as Moment, timeout_at};

/// Where the private server keeps its files, in the data directory.
const FOLDER: &str = "postgres";

/// A private server that is being started, so that whoever is told to end meanwhile can end it, too.
#[derive(Default)]
pub(super) struct Starting(Option<JoinHandle<Result<PrivateServer, PrivateError>>>);

impl Starting {
    async fn server(&mut self, folder: PathBuf) -> Result<PrivateServer, Failure> {
        let task = self.0.insert(tokio::spawn(async move { PrivateServer::start(&folder).await }));
        let started = task.await;
        self.0 = None;
        started.map_err(|error| Failure::error(&error))?.map_err(|error| not_started(&error))
    }

    /// Ends what has been started so far, and waits for that until then. The operating system ends what is left when
    /// this process is gone.
    pub(super) async fn give_up(self, until: Moment) {
        let Some(task) = self.0 else { return };
        task.abort();
        match timeout_at(until, task).await {
            // It had just come up.
            Ok(Ok(Ok(server))) => end(server, until).await,
            // Dropped while it was starting, or never begun.
            Ok(Ok(Err(_)) | Err(_)) => {}
            Err(_) => observe::database_cut_off(),
        }
    }
}

async fn end(server: PrivateServer, until: Moment) {
    if timeout_at(until, server.stop()).await.is_err() {
        observe::database_cut_off();
    }
}

/// The tables, and the server that is ours as long as they are needed.
pub(super) struct Tables {
    pub store: Arc<dyn ReadStore>,
    pub rebuilding: Arc<dyn Rebuilding>,
    /// Of tables that have partitions: those in PostgreSQL.
    pub histories: Option<Arc<dyn Histories>>,
    private: Option<PrivateServer>,
}

impl Tables {
    /// Opens what the configuration names. A PostgreSQL that does not answer is no reason not to start: reads say so,
    /// and the rest goes on.
    pub(super) async fn open(
        config: &Config,
        roles: &Roles,
        starting: &mut Starting,
    ) -> Result<Self, Failure> {
        let schemas = stele_projections::schemas(models::ALL);
        let writes = roles.has(Role::Projections);
        // A strict strategy looks how far they are.
        let reads = roles.has(Role::Api) || (config.database.strict && roles.has(Role::Strategy));
        let elsewhere = || Ok(Self::of(TablesElsewhere::of(schemas.clone()), None));
        match &config.database.at {
            DatabaseAt::Memory if writes => {
                let store = MemoryStore::new(&schemas).map_err(|error| Failure::error(&error))?;
                Ok(Self::of(Arc::new(store), None))
            }
            DatabaseAt::Private if writes => {
                let began = Instant::now();
                own_directory(&config.data_dir)?;
                let_through(&config.data_dir)?;
                let server = starting.server(config.data_dir.join(FOLDER)).await?;
                observe::private_database(began.elapsed().as_secs_f64());
                let store = postgres(&server.app_url(), &schemas, config, writes)?;
                Ok(Self::in_postgres(store, Some(server)))
            }
            DatabaseAt::Url { url, password_file } if writes || reads => {
                let url = with_password(url, password_file.as_deref())?;
                Ok(Self::in_postgres(postgres(&url, &schemas, config, writes)?, None))
            }
            DatabaseAt::Private if reads => Err(Failure::usage(
                "configuration: `database.private`: the private PostgreSQL is for the process that keeps the tables: \
                 add the role `projections`, or set `database.url` in both",
            )),
            DatabaseAt::Memory | DatabaseAt::Private | DatabaseAt::Url { .. } => elsewhere(),
        }
    }

    fn of<T: ReadStore + Rebuilding + 'static>(tables: Arc<T>, private: Option<PrivateServer>) -> Self {
        Self { store: Arc::<T>::clone(&tables), rebuilding: tables, histories: None, private }
    }

    fn in_postgres(tables: Arc<PostgresStore>, private: Option<PrivateServer>) -> Self {
        let histories: Arc<dyn Histories> = Arc::<PostgresStore>::clone(&tables);
        Self { histories: Some(histories), ..Self::of(tables, private) }
    }

    /// Ends the private server, when everybody is done with it, and waits for that until then.
    pub(super) async fn close(self, until: Moment) {
        if let Some(server) = self.private {
            end(server, until).await;
        }
    }
}

/// The tables in PostgreSQL for a command that works without a desk. Nothing is emptied by opening them.
pub(crate) struct TablesHere {
    pub store: Arc<dyn ReadStore>,
    pub rebuilding: Arc<dyn Rebuilding>,
    pub histories: Arc<dyn Histories>,
}

impl TablesHere {
    /// Opens what the configuration names, and the private server where it is one.
    pub(crate) async fn open(config: &Config) -> Result<(Self, Option<PrivateServer>), Failure> {
        let (url, server) = match &config.database.at {
            DatabaseAt::Private => {
                let server = PrivateServer::start(&config.data_dir.join(FOLDER)).await;
                let server = server.map_err(|error| not_started(&error))?;
                (server.app_url(), Some(server))
            }
            DatabaseAt::Memory | DatabaseAt::Url { .. } => (named(config)?, None),
        };
        Ok((Self::at(&url, config)?, server))
    }

    /// The same for whoever only reads: where a desk runs the private server, it is asked beside that desk.
    pub(crate) async fn open_to_read(config: &Config) -> Result<(Self, Option<PrivateServer>), Failure> {
        let (url, server) = match &config.database.at {
            DatabaseAt::Private => {
                let found = PrivateServer::to_read(&config.data_dir.join(FOLDER)).await;
                found.map_err(|error| not_reached(&error))?
            }
            DatabaseAt::Memory | DatabaseAt::Url { .. } => (named(config)?, None),
        };
        Ok((Self::at(&url, config)?, server))
    }

    fn at(url: &str, config: &Config) -> Result<Self, Failure> {
        let tables = postgres(url, &stele_projections::schemas(models::ALL), config, false)?;
        let store: Arc<dyn ReadStore> = Arc::<PostgresStore>::clone(&tables);
        let rebuilding: Arc<dyn Rebuilding> = Arc::<PostgresStore>::clone(&tables);
        Ok(Self { store, rebuilding, histories: tables })
    }
}

/// The address of a PostgreSQL that is somebody's.
fn named(config: &Config) -> Result<String, Failure> {
    match &config.database.at {
        DatabaseAt::Memory => Err(Failure::usage(
            "the tables are kept in memory, and each start of the desk folds them from the log: there is nothing to \
             work on while none runs",
        )),
        DatabaseAt::Private | DatabaseAt::Url { .. } => database_url(config),
    }
}

fn postgres(
    url: &str,
    schemas: &[Schema],
    config: &Config,
    writes: bool,
) -> Result<Arc<PostgresStore>, Failure> {
    // Rows of an older definition are folded anew by whoever writes; others wait for that.
    let options = Options { readers: config.database.connections, start_over: writes, ..Options::default() };
    let store = PostgresStore::lazy(url, schemas, options);
    store.map_or_else(
        |error| Err(Failure::usage(format!("configuration: `database.url`: {}", chain(&error)))),
        |store| Ok(Arc::new(store)),
    )
}

/// Root's PostgreSQL runs as somebody else, who must get to its folder: passed through, and not looked into. The log's own
/// folder beside it stays its owner's.
fn let_through(data_dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let changed = std::fs::metadata(data_dir).and_then(|meta| {
        let mode = meta.permissions().mode() | 0o011;
        std::fs::set_permissions(data_dir, std::fs::Permissions::from_mode(mode))
    });
    changed.map_err(|error| {
        Failure::new(
            Code::Error,
            format!("{} can't be opened for passing through: {error}", data_dir.display()),
        )
    })
}

fn not_started(error: &PrivateError) -> Failure {
    Failure::new(Code::Unavailable, chain(error))
}

/// The same for whoever only reads, and may be somebody else than the desk is.
fn not_reached(error: &PrivateError) -> Failure {
    let failure = not_started(error);
    if matches!(error, PrivateError::NotOurs(_) | PrivateError::Planted(_) | PrivateError::File { .. }) {
        return failure.advise(
            "who may connect to the private PostgreSQL is the account that the desk runs as: run this command as that one, or \
             give the desk a PostgreSQL of yours (database.url)",
        );
    }
    failure
}

/// The address of the configured database, password and all.
pub(crate) fn database_url(config: &Config) -> Result<String, Failure> {
    match &config.database.at {
        DatabaseAt::Url { url, password_file } => with_password(url, password_file.as_deref()),
        DatabaseAt::Memory | DatabaseAt::Private => {
            Err(Failure::usage("no database is named: set DATABASE_URL or database.url"))
        }
    }
}

/// Puts the password of a file into the address.
fn with_password(url: &str, file: Option<&Path>) -> Result<String, Failure> {
    let Some(file) = file else { return Ok(url.to_owned()) };
    let password = secret::password("database.password_file", file)?;
    let split = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.split_once('@')?;
        (!user.is_empty() && !user.contains([':', '/'])).then_some((scheme, user, host))
    });
    let Some((scheme, user, host)) = split else {
        return Err(Failure::usage(
            "configuration: `database.password_file`: `database.url` must name the user that the password is of, and no \
             password: postgres://user@host/database",
        ));
    };
    Ok(format!("{scheme}://{user}:{}@{host}", encoded(password.expose_secret())))
}

/// As it may stand in an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::with_password;
    use std::io::Write as _;

    #[test]
    fn a_password_with_signs_of_an_address_in_it_stays_a_password() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"p@ss:w/rd\n").unwrap();
        let url = with_password("postgres://desk@db.example:5432/stele?sslmode=require", Some(file.path()))
            .unwrap();
        assert_eq!(url, "postgres://desk:p%40ss%3Aw%2Frd@db.example:5432/stele?sslmode=require");
        for without_user in ["postgres://db.example/stele", "postgres://desk:other@db.example/stele"] {
            assert!(with_password(without_user, Some(file.path())).is_err(), "{without_user}");
        }
    }
}
