//! `ops/compose/make-roles` as the container runs it, on a real PostgreSQL that asks everybody for a password: the roles
//! that it makes, what they may, and that it can be run again, also after it was cut off.

use crate::scene::binary::binary;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use stele_acceptance::root;
use stele_read_store::PrivateServer;
use tempfile::TempDir;

const ADMIN: &str = "admin's \"own\" \\ word";
const OWNER: &str = "the owner's first word";
const APP: &str = "100% of the desk's $word: 'quoted'";

/// A PostgreSQL where nobody gets in without a password, and the secrets that compose would mount.
struct World {
    server: PrivateServer,
    place: TempDir,
}

impl World {
    async fn started() -> Self {
        let place = tempfile::Builder::new().prefix("pg").tempdir().expect("a folder");
        // Root's PostgreSQL runs as somebody else, who has to get through.
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o711)).expect("ours");
        let folder = place.path().join("server");
        let server = PrivateServer::start_bare(&folder, None).await;
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        std::fs::create_dir(place.path().join("secrets")).expect("a folder");
        let world = Self { server, place };
        world.secret("admin", ADMIN);
        world.secret("owner", OWNER);
        world.secret("app", APP);
        let quoted = ADMIN.replace('\'', "''");
        let made = world.as_administrator(&format!(
            "CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{quoted}'; CREATE ROLE bystander LOGIN PASSWORD 'b'"
        ));
        assert!(made.status.success(), "{made:?}");
        let rules = "local all stele_admin trust\nlocal all all scram-sha-256\n";
        std::fs::write(folder.join("data/pg_hba.conf"), rules).expect("the server's rules");
        assert!(world.as_administrator("SELECT pg_reload_conf()").status.success());
        world
    }

    fn secret(&self, whose: &str, word: &str) {
        let path = self.place.path().join("secrets").join(format!("postgres_{whose}_password"));
        std::fs::write(&path, format!("{word}\n")).expect("a secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
    }

    /// The folder of the server's socket, as a variable of psql and in an address.
    fn socket(&self) -> String {
        let url = self.server.administrator_url();
        let host = url.split("host=").nth(1).and_then(|rest| rest.split('&').next()).expect("a host");
        host.to_owned()
    }

    fn with_psql(&self, command: &mut Command) -> Output {
        let binaries = &self.server.binaries().directory;
        assert!(binaries.join("psql").is_file(), "no psql in {}", binaries.display());
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("PGHOST", self.socket()).output().expect("it runs")
    }

    /// The script, with what compose gives it.
    fn make_roles(&self) -> Output {
        let mut script = Command::new("/bin/bash");
        script
            .arg(root().join("ops/compose/make-roles"))
            .env("SECRETS", self.place.path().join("secrets"))
            .env("ROLES", root().join("ops/postgres-role.sql"));
        self.with_psql(&mut script)
    }

    fn made(&self) {
        let output = self.make_roles();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        for word in [ADMIN, OWNER, APP] {
            assert!(!said.contains(word), "it says a password: {said}");
        }
    }

    fn as_administrator(&self, sql: &str) -> Output {
        self.psql("stele_admin", "", "postgres", sql)
    }

    fn psql(&self, role: &str, password: &str, database: &str, sql: &str) -> Output {
        let mut psql = Command::new(self.server.binaries().directory.join("psql"));
        psql.args(["--no-psqlrc", "--no-password", "--no-align", "--tuples-only", "--quiet"])
            .args(["--set", "ON_ERROR_STOP=1", "--set", "VERBOSITY=sqlstate"])
            .args(["--username", role, "--dbname", database, "--command", sql])
            .env("PGPASSWORD", password);
        self.with_psql(&mut psql)
    }

    /// What a question of one value is answered.
    fn asked(&self, role: &str, password: &str, sql: &str) -> String {
        let output = self.psql(role, password, "stele", sql);
        assert!(output.status.success(), "{role}: {sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn gets_in(&self, role: &str, password: &str) -> bool {
        let output = self.psql(role, password, "stele", "SELECT 1");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("password authentication failed"), "{said}");
        output.status.success()
    }

    /// `stele db …` with the settings that compose gives to a container, as this role.
    fn stele_db(&self, role: &str, secret: &str, verb: &str) -> Output {
        let password = self.place.path().join("secrets").join(format!("postgres_{secret}_password"));
        // As in compose, but for the host: the socket takes its place.
        let url = format!("postgres://{role}@localhost/stele?host={}", self.socket());
        Command::new(binary())
            .args(["db", verb])
            .current_dir(self.place.path())
            .env("STELE__DATABASE__URL", url)
            .env("STELE__DATABASE__PASSWORD_FILE", password)
            .env("STELE__DESK__DATA_DIR", self.place.path().join("data"))
            .output()
            .expect("it runs")
    }
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_makes_two_roles_of_which_one_migrates_and_the_other_only_keeps_rows() {
    let world = World::started().await;
    world.made();
    for (role, password) in [("stele_owner", OWNER), ("stele_app", APP)] {
        assert!(world.gets_in(role, password), "{role} with its secret");
        assert!(!world.gets_in(role, "another word"), "{role} with any word");
        let more = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls \
                    FROM pg_roles WHERE rolname = current_user";
        assert_eq!(world.asked(role, password, more), "f", "{role} may more than it needs");
    }
    let member = "SELECT pg_has_role('stele_app', 'stele_owner', 'member')";
    assert_eq!(world.asked("stele_app", APP, member), "f", "the desk's role can become the owner");
    let others = world.psql("bystander", "b", "stele", "SELECT 1");
    assert!(!others.status.success(), "the database is open to every role of the server");

    let too_little = world.stele_db("stele_app", "app", "migrate");
    let said = String::from_utf8_lossy(&too_little.stderr);
    assert!(
        !too_little.status.success() && said.contains("lacks a privilege"),
        "the desk's role migrates: {said}"
    );
    succeeded(&world.stele_db("stele_owner", "owner", "migrate"));
    succeeded(&world.stele_db("stele_app", "app", "doctor"));
    for forbidden in [
        "CREATE TABLE mine (a int)",
        "CREATE TABLE read_model.mine (a int)",
        "CREATE TABLE stele.mine (a int)",
        "CREATE SCHEMA mine",
        "DROP TABLE read_model.quotes",
        "CREATE ROLE mine",
        "COPY read_model.quotes TO PROGRAM 'true'",
    ] {
        let output = world.psql("stele_app", APP, "stele", forbidden);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("42501"), "{forbidden}: {said}");
    }
    world.asked("stele_app", APP, "DELETE FROM read_model.services");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_run_again_keeps_everything_and_changes_a_password_that_was_changed() {
    let world = World::started().await;
    world.made();
    succeeded(&world.stele_db("stele_owner", "owner", "migrate"));
    let row = "INSERT INTO read_model.event_counts VALUES ('a.B', 7, 7, 7, now())";
    world.asked("stele_app", APP, row);
    world.made();
    let kept = "SELECT count FROM read_model.event_counts WHERE event_type = 'a.B'";
    assert_eq!(world.asked("stele_app", APP, kept), "7");
    let second = "the desk's second word";
    world.secret("app", second);
    world.made();
    assert!(world.gets_in("stele_app", second) && !world.gets_in("stele_app", APP));
    assert!(world.gets_in("stele_owner", OWNER), "the other password stays");
    assert_eq!(world.asked("stele_app", second, kept), "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_ends_what_an_earlier_run_began_and_says_no_without_the_right_password() {
    let world = World::started().await;
    // A run that was cut off before it made the database, and one before the database was closed to others.
    assert!(world.as_administrator("CREATE ROLE stele_owner LOGIN").status.success());
    world.made();
    assert!(world.gets_in("stele_owner", OWNER) && world.gets_in("stele_app", APP));
    let opened = "GRANT CONNECT ON DATABASE stele TO PUBLIC; REVOKE CONNECT ON DATABASE stele FROM stele_app";
    assert!(world.as_administrator(opened).status.success());
    world.made();
    assert!(!world.psql("bystander", "b", "stele", "SELECT 1").status.success());
    assert!(world.gets_in("stele_app", APP));
    // The database alone was lost.
    assert!(world.as_administrator("DROP DATABASE stele WITH (FORCE)").status.success());
    world.made();
    succeeded(&world.stele_db("stele_owner", "owner", "migrate"));

    world.secret("admin", "another word");
    let refused = world.make_roles();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("password authentication failed"), "{said}");
    let missing = world.place.path().join("secrets/postgres_app_password");
    world.secret("admin", ADMIN);
    std::fs::remove_file(missing).expect("ours");
    assert!(!world.make_roles().status.success(), "without a secret it sets no empty password");
    assert!(world.gets_in("stele_app", APP));
}

#[test]
fn the_script_is_what_compose_runs() {
    let compose = stele_acceptance::text(&root().join("ops/compose/compose.yaml"));
    for line in ["\"./make-roles:/make-roles:ro\"", "\"../postgres-role.sql:/postgres-role.sql:ro\""] {
        assert!(compose.contains(line), "compose does not mount {line}");
    }
    assert!(Path::new(&root().join("ops/compose/make-roles")).is_file());
}
