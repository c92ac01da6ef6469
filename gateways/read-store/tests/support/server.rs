//! Real servers: one per version that is installed here, shared by the tests of a process and gone with the last
//! of them; and databases in them, each made from a template in some milliseconds.

use crate::ddl::ddl;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use stele_domain::port::read_store::{Schema, Table};
use stele_read_store::migrate::migrate;
use stele_read_store::private::{Binaries, doctor};
use stele_read_store::{Options, PostgresStore, PrivateServer};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A server, and the folder that goes with it.
pub struct Server {
    pub private: PrivateServer,
    names: AtomicU32,
    templates: Mutex<BTreeMap<String, String>>,
    _folder: TempDir,
}

/// Every version that is installed, lowest first. At least one: see `ops/install/postgres`.
pub fn versions() -> Vec<Binaries> {
    let mut found: Vec<Binaries> = doctor().into_iter().filter_map(|tried| tried.outcome.ok()).collect();
    // The ones of `ops/install/postgres`, wherever the test runs.
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let entries = std::fs::read_dir(tools).into_iter().flatten().flatten();
    found.extend(entries.filter_map(|entry| Binaries::at(&entry.path().join("bin")).ok()));
    let mut versions = BTreeMap::new();
    for binaries in found {
        versions.entry(binaries.major).or_insert(binaries);
    }
    assert!(!versions.is_empty(), "no PostgreSQL is installed here: run ops/install/postgres");
    versions.into_values().collect()
}

/// The shared server of the lowest version.
pub async fn server() -> Arc<Server> {
    server_of(&versions()[0]).await
}

/// The shared server of this version.
pub async fn server_of(binaries: &Binaries) -> Arc<Server> {
    static SERVERS: Mutex<BTreeMap<u32, Weak<Server>>> = Mutex::const_new(BTreeMap::new());
    let mut servers = SERVERS.lock().await;
    if let Some(server) = servers.get(&binaries.major).and_then(Weak::upgrade) {
        return server;
    }
    let server = Arc::new(own_server_of(binaries).await);
    servers.insert(binaries.major, Arc::downgrade(&server));
    server
}

/// A server for one test alone, which may do to it what it likes.
pub async fn own_server() -> Server {
    own_server_of(&versions()[0]).await
}

async fn own_server_of(binaries: &Binaries) -> Server {
    let folder = folder();
    let private = PrivateServer::start_bare(&folder.path().join("pg"), Some(binaries.clone())).await.unwrap();
    // Nothing here must outlive a crash of the machine.
    for setting in ["fsync", "full_page_writes"] {
        run(&private.administrator_url(), &format!("ALTER SYSTEM SET {setting} = off")).await.unwrap();
    }
    run(&private.administrator_url(), "SELECT pg_reload_conf()").await.unwrap();
    private.prepare().await.unwrap();
    migrate(&private.owner_url()).await.unwrap();
    Server { private, names: AtomicU32::new(0), templates: Mutex::default(), _folder: folder }
}

/// A folder that the server's account can reach, whoever runs the tests.
pub fn folder() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("stele-pg-").permissions(open).tempdir().unwrap()
}

/// One database of a server.
pub struct Database {
    pub server: Arc<Server>,
    pub name: String,
}

impl Database {
    /// The desk's URL.
    pub fn app_url(&self) -> String {
        self.server.private.url("stele_app", &self.name)
    }

    pub fn owner_url(&self) -> String {
        self.server.private.url("stele_owner", &self.name)
    }

    /// Runs statements as somebody.
    pub async fn run(&self, role: &str, sql: &str) -> Result<(), sqlx::Error> {
        run(&self.server.private.url(role, &self.name), sql).await
    }

    /// A connection of somebody.
    pub async fn connect(&self, role: &str) -> PgConnection {
        connect(&self.server.private.url(role, &self.name)).await
    }

    /// The store as the desk opens it.
    pub async fn store(&self, schemas: &[Schema]) -> PostgresStore {
        PostgresStore::open(&self.app_url(), schemas, Options::default()).await.unwrap()
    }
}

impl Server {
    /// Kills it as the kernel would: at once, without a word.
    pub fn kill(&self) {
        let pid = self.private.pid().unwrap();
        signal(pid, Signal::KILL);
    }

    /// A database with the migrations and nothing else.
    pub async fn database(self: &Arc<Self>) -> Database {
        self.copy_of("stele").await
    }

    /// A database with the tables of these schemas too, which no migration makes.
    pub async fn database_with(self: &Arc<Self>, schemas: &[Schema], span: u64) -> Database {
        let mut templates = self.templates.lock().await;
        let tables = schemas.iter().flat_map(|schema| schema.tables);
        let sql = tables.map(|table: &Table| ddl(table, span)).collect::<Vec<_>>().join("\n");
        if let Some(template) = templates.get(&sql) {
            let template = template.clone();
            drop(templates);
            return self.copy_of(&template).await;
        }
        let template = self.copy_of("stele").await;
        template.run("stele_owner", &sql).await.unwrap();
        // Grants are said anew for the new tables.
        migrate(&template.owner_url()).await.unwrap();
        templates.insert(sql, template.name.clone());
        drop(templates);
        self.copy_of(&template.name).await
    }

    async fn copy_of(self: &Arc<Self>, template: &str) -> Database {
        let name = format!("t{}", self.names.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER stele_owner");
        run(&self.private.administrator_url(), &sql).await.unwrap();
        Database { server: self.clone(), name }
    }
}

/// Sends a signal to a process of a server.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Runs statements at a URL.
pub async fn run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(url).await;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
    sqlx::Connection::close(connection).await?;
    done.map(|_| ())
}

/// A connection to a URL.
pub async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}
