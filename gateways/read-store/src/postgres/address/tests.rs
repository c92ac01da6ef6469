//! Database URLs: what is taken as it is meant, and what is refused before it could mean less.

use super::{Address, AddressError, mode, parameters};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgSslMode;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tempfile::TempDir;

fn refused(url: &str) -> String {
    let error = Address::of(url, "test").expect_err(url);
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

fn with(query: &str) -> String {
    format!("postgres://stele_app:hush@db.example/stele?{query}")
}

/// An authority's certificate, one of it and its key, and what is wrong with files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        files.write("own ca.pem", &certificate.pem(), 0o644);
        files.write("app.key", &key.serialize_pem(), 0o600);
        files.write("open.key", &key.serialize_pem(), 0o604);
        files.write("empty.pem", "", 0o600);
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        files.write("locked.key", locked, 0o600);
        files
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string().replace(' ', "%20")
    }
}

#[test]
fn what_the_url_asks_for_is_what_the_driver_is_given() {
    let files = Files::new();
    let (ca, key) = (files.named("own ca.pem"), files.named("app.key"));
    let url = with(&format!("sslmode=verify-full&sslrootcert={ca}&sslcert={ca}&sslkey={key}"));
    let address = Address::of(&url, "test").unwrap();
    let given = address.options.to_url_lossy();
    let given: Vec<(String, String)> =
        given.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    for (name, value) in [
        ("sslmode", "verify-full".to_owned()),
        ("sslrootcert", format!("file: {}", files.path("own ca.pem").display())),
        ("sslcert", format!("file: {}", files.path("own ca.pem").display())),
        ("sslkey", format!("file: {}", files.path("app.key").display())),
        ("statement-cache-capacity", "512".to_owned()),
    ] {
        assert!(given.contains(&(name.to_owned(), value)), "{name}: {given:?}");
    }
    assert_eq!(address.options.get_application_name(), Some("test"));
    let own = Address::of(&with("application_name=desk-2&statement-cache-capacity=0"), "test").unwrap();
    assert_eq!(own.options.get_application_name(), Some("desk-2"));
    assert!(own.options.to_url_lossy().as_str().contains("statement-cache-capacity=0"));
}

#[test]
fn what_would_protect_less_than_it_says_is_refused_with_what_to_do() {
    let files = Files::new();
    let (ca, key) = (files.named("own ca.pem"), files.named("app.key"));
    for (query, what, instead) in [
        ("ssl_mode=verify-full".to_owned(), "parameter 1", "sslrootcert"),
        ("sslmode=verify_full".to_owned(), "sslmode (in the database URL)", "verify-full"),
        ("sslmode=verify-full&sslmode=disable".to_owned(), "sslmode stands twice", "which one"),
        ("sslmode=allow".to_owned(), "sslmode=allow", "say require"),
        (format!("sslmode=verify-ca&sslrootcert={ca}"), "sslmode=verify-ca", "say verify-full"),
        (format!("sslmode=require&sslrootcert={ca}"), "sslrootcert", "sslmode=verify-full"),
        (format!("sslrootcert={ca}"), "sslrootcert", "sslmode=verify-full"),
        ("sslmode=verify-full&sslrootcert=system".to_owned(), "sslrootcert=system", "leave it out"),
        (format!("sslmode=require&sslcert={ca}"), "sslcert and no sslkey", "belong together"),
        (format!("sslmode=require&sslkey={key}"), "sslkey and no sslcert", "belong together"),
        (format!("sslcert={ca}&sslkey={key}"), "sslcert", "require or verify-full"),
        ("sslmode=require&channel_binding=require".to_owned(), "channel_binding", "verify-full"),
        ("target_session_attrs=read-write".to_owned(), "target_session_attrs", "host"),
    ] {
        let said = refused(&with(&query));
        assert!(said.contains(what) && said.contains(instead) && !said.contains("hush"), "{query}: {said}");
    }
}

#[test]
fn a_file_that_can_not_serve_is_named_before_anything_is_tried() {
    let files = Files::new();
    let (ca, away) = (files.named("own ca.pem"), files.named("away.pem"));
    let verified = "sslmode=verify-full";
    for (query, file, why) in [
        (format!("{verified}&sslrootcert={away}"), "away.pem", "No such file"),
        (format!("{verified}&sslrootcert={}", files.named("empty.pem")), "empty.pem", "no certificate"),
        (
            format!("{verified}&sslcert={ca}&sslkey={}", files.named("empty.pem")),
            "empty.pem",
            "no private key",
        ),
        (format!("{verified}&sslcert={ca}&sslkey={}", files.named("open.key")), "open.key", "chmod 600"),
        (
            format!("{verified}&sslcert={ca}&sslkey={}", files.named("locked.key")),
            "locked.key",
            "pass phrase",
        ),
    ] {
        let said = refused(&with(&query));
        assert!(said.contains(file) && said.contains(why), "{query}: {said}");
    }
}

#[test]
fn a_password_that_was_not_escaped_is_not_repeated() {
    for url in [
        "postgres://stele_app:hu?sh=hush&hush@db/stele",
        "postgres://stele_app:hush#hush@db/stele",
        "postgres://stele_app:hu/hush@db/stele",
        "postgres://stele_app:p@db/stele?password=p&hush=1",
        "postgres://stele_app:p@db:hush/stele",
    ] {
        let error = Address::of(url, "test").expect_err(url);
        let said = format!("{} {error:?}", refused(url));
        assert!(!said.contains("hush"), "{url}: {said}");
    }
}

#[test]
fn the_environment_counts_where_the_url_says_nothing_and_a_typing_error_in_it_is_none() {
    let nothing = parameters("postgres://db/stele").unwrap();
    assert!(matches!(mode(&nothing, None), Ok(PgSslMode::Prefer)));
    assert!(matches!(mode(&nothing, Some("verify-full".to_owned())), Ok(PgSslMode::VerifyFull)));
    let misspelt = mode(&nothing, Some("verify_full".to_owned()));
    assert!(matches!(misspelt, Err(AddressError::Mode { origin: "from PGSSLMODE" })), "{misspelt:?}");
    let disabled = parameters("postgres://db/stele?sslmode=disable").unwrap();
    assert!(matches!(mode(&disabled, Some("verify-full".to_owned())), Ok(PgSslMode::Disable)));
}
