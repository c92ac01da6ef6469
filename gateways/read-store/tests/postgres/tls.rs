//! TLS to a server, as a managed one offers it: over TCP, with a certificate of an authority of its own.
//!
//! The private server has only a socket, so these tests run the same binaries on its data with TLS and a port.

use crate::server::{folder, run, signal, versions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustix::process::Signal;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stele_domain::port::read_store::{Key, ReadStore, Schema, StoreError};
use stele_projections::{models, schemas};
use stele_read_store::migrate::migrate;
use stele_read_store::private::Binaries;
use stele_read_store::{MigrateError, OpenError, Options, PostgresStore, PrivateServer};
use tempfile::TempDir;

/// What the desk's role and the owner's log in with.
const PASSWORD: &str = "p@ss:hush";
const ESCAPED: &str = "p%40ss%3Ahush";
/// Longest that a server may take to come up.
const UP: Duration = Duration::from_mins(1);

type Authority = CertifiedIssuer<'static, KeyPair>;

/// The desk's side of certificates: what an operator would be given.
struct Certificates {
    folder: TempDir,
    ours: Authority,
}

impl Certificates {
    fn new() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap(), ours: authority("ours") };
        made.write("ca.pem", &made.ours.pem());
        made.write("other-ca.pem", &authority("another").pem());
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A client's certificate and key, under a file name.
    fn client(&self, file: &str, role: &str, by: &Authority) -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = name(role);
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{file}.pem"), &params.signed_by(&key, by).unwrap().pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
        let shown = |end: &str| self.path(&format!("{file}.{end}")).display().to_string();
        format!("&sslcert={}&sslkey={}", shown("pem"), shown("key"))
    }

    fn verified(&self) -> String {
        format!("sslmode=verify-full&sslrootcert={}", self.path("ca.pem").display())
    }
}

fn authority(called: &str) -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = name(called);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// A server on a port of this machine, whose certificate is for `localhost`.
struct Managed {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Managed {
    /// With TLS, where a certificate by `authority` is given; else without.
    async fn start(tls: Option<&Authority>, with: &Binaries) -> Self {
        let folder = folder();
        let place = folder.path().join("pg");
        let private = PrivateServer::start_bare(&place, Some(with.clone())).await.unwrap();
        private.prepare().await.unwrap();
        migrate(&private.owner_url()).await.unwrap();
        for role in ["stele_app", "stele_owner"] {
            let sql = format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'");
            run(&private.administrator_url(), &sql).await.unwrap();
        }
        private.stop().await;
        let data = place.join("data");
        // The desk by password; the owner by password and by a certificate in its name.
        let rules = "host    stele stele_app   127.0.0.1/32 scram-sha-256\n\
                     hostssl stele stele_owner 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n";
        own(&data, "pg_hba.conf", rules);
        let mut settings = vec!["fsync=off".to_owned(), "unix_socket_directories=".to_owned()];
        if let Some(authority) = tls {
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            own(&data, "server.crt", &params.signed_by(&key, authority).unwrap().pem());
            own(&data, "server.key", &key.serialize_pem());
            own(&data, "clients.pem", &authority.pem());
            settings.extend(["ssl=on".to_owned(), "ssl_ca_file=clients.pem".to_owned()]);
        }
        let (process, port) = listening(&with.directory, &data, &settings);
        Self { process, port, _folder: folder }
    }

    fn url(&self, role: &str, host: &str, query: &str) -> String {
        format!("postgres://{role}:{ESCAPED}@{host}:{}/stele?{query}", self.port)
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        signal(self.process.id(), Signal::INT);
        self.process.wait().unwrap();
    }
}

/// Puts a file into the server's folder that belongs to its account.
fn own(data: &Path, file: &str, text: &str) {
    let owner = std::fs::metadata(data).unwrap();
    let path = data.join(file);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// A server that listens. A port that was free may be taken by the time it comes up: then the next one.
fn listening(binaries: &Path, data: &Path, settings: &[String]) -> (Child, u16) {
    let owner = std::fs::metadata(data).unwrap();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(binaries.join("postgres"));
        command.arg("-D").arg(data).args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut process = command
            .current_dir(data)
            .uid(owner.uid())
            .gid(owner.gid())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while process.try_wait().unwrap().is_none() {
            let note = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if note.lines().last().is_some_and(|last| last.trim() == "ready") {
                return (process, port);
            }
            assert!(began.elapsed() < UP, "the server does not come up");
            std::thread::yield_now();
        }
    }
}

fn tables() -> Vec<Schema> {
    schemas(models::ALL)
}

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(url, &tables(), Options::default()).await
}

/// All that is said about a refusal; it never holds the password, however it is printed.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let said = causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"));
    let all = format!("{said} {error:?}");
    assert!(!all.contains("hush"), "{all}");
    said
}

async fn refused(url: &str) -> String {
    let error = open(url).await.err().unwrap_or_else(|| panic!("it was let in"));
    words(&error)
}

/// How the connections of the desk's role are protected, as the server says.
async fn protected(url: &str) -> bool {
    let sql =
        "DO $$ BEGIN ASSERT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'no TLS'; END $$";
    run(url, sql).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_is_reached_as_the_url_says_and_an_impostor_is_not() {
    for binaries in versions() {
        reached_as_the_url_says(&binaries).await;
    }
}

async fn reached_as_the_url_says(binaries: &Binaries) {
    let certificates = Certificates::new();
    let server = Managed::start(Some(&certificates.ours), binaries).await;
    let app = |host: &str, query: &str| server.url("stele_app", host, query);

    let verified = app("localhost", &certificates.verified());
    for url in [app("127.0.0.1", "sslmode=require"), verified.clone()] {
        let store = open(&url).await.unwrap_or_else(|error| panic!("{url}: {}", words(&error)));
        assert!(store.get("quotes", &Key::from("none")).await.unwrap().value.is_none());
        assert!(protected(&url).await, "{url} is not encrypted");
    }
    assert!(!protected(&app("localhost", "sslmode=disable")).await, "the test can't tell");

    let other = format!("sslmode=verify-full&sslrootcert={}", certificates.path("other-ca.pem").display());
    for query in [other.as_str(), "sslmode=verify-full"] {
        let said = refused(&app("localhost", query)).await;
        assert!(said.contains("of another authority") && said.contains("`sslrootcert`"), "{said}");
    }
    let said = refused(&app("127.0.0.1", &certificates.verified())).await;
    assert!(said.contains("for another host") && said.contains("localhost"), "{said}");
    let wrong = verified.replace(ESCAPED, "hush-hush");
    let said = refused(&wrong).await;
    assert!(said.contains("refuses our role, password") && said.contains("authentication failed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_lets_in_whom_it_names_and_nobody_else() {
    let certificates = Certificates::new();
    let server = Managed::start(Some(&certificates.ours), &versions()[0]).await;
    let owner =
        |more: &str| server.url("stele_owner", "localhost", &format!("{}{more}", certificates.verified()));
    let own = certificates.client("owner", "stele_owner", &certificates.ours);
    open(&owner(&own)).await.unwrap_or_else(|error| panic!("{}", words(&error)));
    // Migrations go the same way.
    assert!(migrate(&owner(&own)).await.unwrap().applied.is_empty());

    let said = refused(&owner("")).await;
    assert!(said.contains("requires a valid client certificate"), "{said}");
    let said = refused(&owner(&certificates.client("app", "stele_app", &certificates.ours))).await;
    assert!(said.contains("refuses our role"), "{said}");
    let stranger = certificates.client("stranger", "stele_owner", &authority("another"));
    let said = refused(&owner(&stranger)).await;
    assert!(said.contains("does not take our certificate") && said.contains("`sslcert`"), "{said}");
    let refused = migrate(&owner(&stranger)).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Unavailable(_)), "{}", words(&refused));
    assert!(words(&refused).contains("does not take our certificate"), "{}", words(&refused));
    std::fs::copy(certificates.path("app.key"), certificates.path("owner.key")).unwrap();
    let error = open(&owner(&own)).await.err().unwrap();
    assert!(words(&error).contains("`sslkey` is not the key of `sslcert`"), "{}", words(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_the_url_demands_it_and_only_there() {
    let certificates = Certificates::new();
    let server = Managed::start(None, &versions()[0]).await;
    for query in ["sslmode=require", &certificates.verified()] {
        let url = server.url("stele_app", "localhost", query);
        let said = refused(&url).await;
        assert!(said.contains("offers no TLS") && said.contains("turn `ssl` on"), "{said}");
        let refused = migrate(&url).await.unwrap_err();
        assert!(words(&refused).contains("offers no TLS"), "{}", words(&refused));
    }
    open(&server.url("stele_app", "localhost", "")).await.unwrap();
}

/// To the driver, a file that is gone looks like a server that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_file_that_goes_away_later_is_named_and_a_renewed_one_counts() {
    let certificates = Certificates::new();
    let server = Managed::start(Some(&certificates.ours), &versions()[0]).await;
    let url = server.url("stele_app", "localhost", &certificates.verified());
    let store = PostgresStore::lazy(&url, &tables(), Options::default()).unwrap();
    std::fs::remove_file(certificates.path("ca.pem")).unwrap();
    let error = store.get("quotes", &Key::from("none")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let said = words(&error);
    assert!(said.contains("ca.pem") && said.contains("can't be read"), "{said}");
    certificates.write("ca.pem", &certificates.ours.pem());
    store.get("quotes", &Key::from("none")).await.unwrap();
}
