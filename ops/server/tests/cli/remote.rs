//! A desk on another machine, as its operators meet it: over TCP, with a key in a file.

use crate::support::{Desk, Run, World, command, run, stele};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::channel;

/// What of a key nobody else may know: it may hold underscores, the id before it does not.
fn secret_of(key: &str) -> &str {
    key.trim().splitn(3, '_').nth(2).unwrap().rsplit_once('_').unwrap().0
}

/// What stands in the log of this type, oldest first.
fn told(world: &World, event_type: &str) -> Vec<Value> {
    let tail = world.stele(&["log", "tail", "-n", "1000", "--json", "--type", event_type]).exits(0);
    tail.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asks from afar until the answer is as wanted.
fn until(desk: &Desk, args: &[&str], key: &Path, wanted: impl Fn(&Run) -> bool) -> Run {
    let began = std::time::Instant::now();
    loop {
        let run = desk.remote(args, Some(key));
        if wanted(&run) {
            return run;
        }
        assert!(began.elapsed().as_secs() < 60, "{args:?} never answered as wanted: {run:?}");
    }
}

#[test]
fn an_operator_with_a_key_arms_trades_traces_and_kills_over_tcp() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    let operator = world.key("operator", "ada");
    let set =
        ["limits", "set", "--from-config", "notional_max=1000", "buy_base_open_max=3000", "cooldown_ms=0"];
    desk.remote(&[&set[..], &["--reason", "from afar"]].concat(), Some(&operator)).exits(0);
    world.awake();
    desk.remote(&["arm", "strategy", "--reason", "a trade from afar", "--for", "5m"], Some(&operator))
        .exits(0);
    let quote = world.taker_gives_btc(200_000);
    let story = until(&desk, &["trace", &quote], &operator, |run| run.stdout.contains("SETTLED"));
    assert!(story.stdout.contains("Decision: OFFER"), "{story:?}");
    let watched = desk.remote(&["watch", "--from", "1", "--until-settled"], Some(&operator)).exits(0).stdout;
    for words in ["Decided", "OFFER", "EURe for 0.002 BTC", "SubmissionSettled", "Armed"] {
        assert!(watched.contains(words), "{words:?} is missing in\n{watched}");
    }
    let killed = desk.remote(&["kill", "--json", "--reason", "seen enough"], Some(&operator)).exits(0).json();
    assert_eq!((&killed["fenced"], &killed["outcome"]), (&Value::from(true), &Value::from("recorded")));

    let armed = told(&world, "trading.Armed");
    assert_eq!(armed[0]["metadata"]["actor"], "person:ada");
    let origin = &armed[0]["metadata"]["origin"];
    assert_eq!(origin["address"], "127.0.0.1", "{origin}");
    let key_id = std::fs::read_to_string(&operator).unwrap().split('_').nth(1).unwrap().to_owned();
    assert_eq!(origin["key_id"], key_id.as_str(), "{origin}");
}

#[test]
fn a_wrong_password_at_a_kurrentdb_door_is_told_as_one_and_no_address_waits_by_a_wrong_scheme() {
    let world = World::quiet();
    let mut desk = Desk::start(command(world.path(), &["serve", "--kurrent-listen", "127.0.0.1:0"]));
    let address = desk.logged("kurrent.listening")["address"].as_str().unwrap().to_owned();
    desk.logged("desk.ready");
    let log = |url: &str| world.stele(&["serve", "--roles", "strategy", "--log", url]);
    let wrong = log(&format!("kurrentdb://ann:hush@{address}?tls=false")).exits(6);
    assert!(!wrong.stderr.contains("hush"), "{wrong:?}");
    wrong.complains_of(&["log.url", "password", "log.key_file"]);
    let nobody = log(&format!("kurrentdb://{address}?tls=false")).exits(6);
    nobody.complains_of(&["names no user"]);
    log(&format!("kurent://ann:hush@{address}")).exits(2).complains_of(&["kurrentdb://", "https://"]);
}

#[test]
fn arming_without_a_key_exits_with_6_and_is_an_event() {
    let world = World::quiet();
    let desk = world.serve();
    let arm = ["arm", "--reason", "nobody knows me", "--for", "1m"];
    desk.remote(&arm, None).exits(6).complains(&["no-credential", "--key-file"]);
    let refused = world.event("access.StrangersRefused");
    assert_eq!(refused["data"]["address"], "127.0.0.1", "{refused}");
    assert_eq!(refused["data"]["codes"]["no-credential"], 1, "{refused}");
}

#[test]
fn a_key_that_may_not_do_it_exits_with_6_and_is_an_event() {
    let world = World::quiet();
    let desk = world.serve();
    let viewer = world.key("viewer", "eve");
    desk.remote(&["status"], Some(&viewer)).exits(0);
    let kill = desk.remote(&["kill", "--reason", "just trying"], Some(&viewer)).exits(6);
    kill.complains(&["viewer", "kill", "(forbidden)"]);
    let attempted = world.event("access.Attempted");
    assert_eq!(attempted["data"]["action"], "kill", "{attempted}");
    assert_eq!(attempted["data"]["outcome"], "refused", "{attempted}");
    assert_eq!(attempted["metadata"]["actor"], "person:eve", "{attempted}");
    desk.remote(&["keys", "list"], Some(&viewer)).exits(6);
    desk.remote(&["log", "tail"], Some(&viewer)).exits(6);
}

#[test]
fn a_scope_takes_away_what_the_role_would_allow() {
    let world = World::quiet();
    let desk = world.serve();
    let out = world.path().join("narrow.key");
    let narrow = ["--role", "operator", "--owner", "bob", "--scope", "read", "--scope", "kill", "--out"];
    let create = [&["keys", "create"][..], &narrow, &[out.to_str().unwrap()]].concat();
    world.stele(&create).exits(0);
    let who = desk.remote(&["whoami", "--json"], Some(&out)).exits(0).json();
    assert_eq!(who["actor"], "person:bob");
    assert_eq!(who["actions"], serde_json::json!(["read", "kill"]));
    desk.remote(&["disarm", "--reason", "not in scope"], Some(&out)).exits(6);
    desk.remote(&["kill", "--reason", "in scope"], Some(&out)).exits(0);
}

#[test]
fn a_revoked_key_opens_nothing_from_then_on() {
    let world = World::quiet();
    let desk = world.serve();
    let admin = world.key("admin", "root-of-it-all");
    let operator = world.key("operator", "ada");
    let id = std::fs::read_to_string(&operator).unwrap().split('_').nth(1).unwrap().to_owned();
    desk.remote(&["status"], Some(&operator)).exits(0);
    desk.remote(&["keys", "revoke", &id, "--reason", "ada has left"], Some(&admin)).exits(0);
    desk.remote(&["status"], Some(&operator)).exits(6).complains(&["revoked-key"]);
    let list = desk.remote(&["keys", "list"], Some(&admin)).exits(0).stdout;
    assert!(list.contains(&id) && list.contains("REVOKED") && list.contains("ada"), "{list}");
    let again = desk.remote(&["keys", "revoke", &id, "--reason", "once more"], Some(&admin)).exits(0).stdout;
    assert!(again.contains("already"), "{again}");
    let secret = std::fs::read_to_string(&operator).unwrap();
    let secret = secret_of(&secret);
    assert!(!desk.said.join("\n").contains(secret) && !list.contains(secret), "a secret was said");
    let log = world.stele(&["log", "tail", "-n", "1000", "--json"]).exits(0).stdout;
    assert!(!log.contains(secret), "a secret is in the log");
}

#[test]
fn a_key_file_that_others_can_read_is_refused_before_anything_is_sent() {
    let world = World::quiet();
    let desk = world.serve();
    let operator = world.key("operator", "ada");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&operator), 0o600, "made for its owner alone");
    std::fs::set_permissions(&operator, std::fs::Permissions::from_mode(0o644)).unwrap();
    desk.remote(&["status"], Some(&operator)).exits(2).complains(&["open to others", "chmod 600"]);
    std::fs::write(world.path().join("other"), "no key at all").unwrap();
    let other = world.path().join("other");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    desk.remote(&["status"], Some(&other)).exits(2).complains(&["holds no key"]);
    let missing = world.path().join("missing");
    desk.remote(&["status"], Some(&missing)).exits(2).complains(&["can't be read"]);
}

#[test]
fn a_key_is_named_by_variable_and_by_configuration_too() {
    let world = World::quiet();
    let desk = world.serve();
    let viewer = world.key("viewer", "eve");
    let away = tempfile::tempdir().unwrap();
    let mut whoami = command(away.path(), &["whoami", "--json", "--server", &desk.server()]);
    whoami.env("STELE_KEY_FILE", &viewer);
    assert_eq!(run(whoami).exits(0).json()["actor"], "person:eve");
    let text = format!("[client]\nserver = \"{}\"\nkey_file = \"{}\"\n", desk.server(), viewer.display());
    std::fs::write(away.path().join("stele.toml"), text).unwrap();
    assert_eq!(stele(away.path(), &["whoami", "--json"]).exits(0).json()["actor"], "person:eve");
    // On the machine itself nobody needs a key, and a key would be of no use.
    assert!(
        world.stele(&["whoami", "--json"]).exits(0).json()["actor"]
            .as_str()
            .unwrap()
            .starts_with("operator:")
    );
    let key = viewer.to_str().unwrap();
    world.stele(&["whoami", "--key-file", key]).exits(2).complains(&["--server"]);
}

#[test]
fn a_desk_elsewhere_that_is_down_exits_with_7() {
    let world = World::quiet();
    let mut desk = world.serve();
    let viewer = world.key("viewer", "eve");
    desk.signalled("TERM");
    let status = desk.remote(&["status"], Some(&viewer)).exits(7);
    status.complains(&["no desk answers on http://127.0.0.1:", "api.listen"]);
    // A log of this machine is not what a desk elsewhere would have said.
    let stat = world.stele(&["log", "stat", "--server", &desk.server()]).exits(7);
    assert!(stat.stdout.is_empty());
}

#[test]
fn an_address_that_is_none_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for server in ["desk.example:8420", "http://desk/v1", "ftp://desk"] {
        stele(directory.path(), &["status", "--server", server])
            .exits(2)
            .complains(&["client.server", "http"]);
    }
    let both = ["status", "--server", "http://127.0.0.1:1", "--socket", "x.sock"];
    stele(directory.path(), &both).exits(2).complains(&["--socket"]);
}

#[test]
fn a_key_is_not_sent_to_another_machine_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "stele_k1_0123456789_00000000").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    // An address of nobody (RFC 5737): nothing may go out to it.
    let args = ["status", "--server", "http://192.0.2.1:8420", "--key-file", key.to_str().unwrap()];
    stele(directory.path(), &args).exits(2).complains(&["in the clear", "https://", "--plain-http"]);
}

#[test]
fn two_persons_arm_where_the_limits_ask_for_it() {
    let world = World::quiet().with_key();
    let desk = world.serve();
    let (ada, bob) = (world.key("operator", "ada"), world.key("operator", "bob"));
    let limits = ["limits", "set", "--from-config", "second_person=true", "--reason", "four eyes"];
    world.stele(&limits).exits(0);
    let arm = desk.remote(&["arm", "--reason", "ada wants to", "--for", "5m"], Some(&ada)).exits(4);
    let line = arm.stderr.lines().find(|line| line.contains("stele approve")).unwrap();
    // What is handed on shows the limits: nobody agrees by pasting it.
    assert!(!line.contains("--limits-hash"), "{line}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let approve = [&words[1..3], &["--reason", "seen with the risk desk"]].concat();
    // Seen without a terminal: shown, and nothing is approved.
    let seen = desk.remote(&approve, Some(&bob)).exits(4);
    for shown in ["four eyes", "ada wants to", "notional_max", "--limits-hash"] {
        assert!(seen.stderr.contains(shown), "{shown} is missing in {}", seen.stderr);
    }
    // A script that has seen them names them by their hash; it is shown them all the same.
    let hash = seen.stderr.split_whitespace().last().unwrap();
    let by_script = [&approve[..], &["--limits-hash", hash]].concat();
    // Whoever asked is nobody's second person.
    desk.remote(&by_script, Some(&ada)).exits(3).complains(&["same_person"]);
    let zeros = "0".repeat(64);
    let other = [&approve[..], &["--limits-hash", &zeros]].concat();
    desk.remote(&other, Some(&bob)).exits(3).complains(&["limits_changed", "four eyes"]);
    // An approval without a reason is none.
    desk.remote(&approve[..2], Some(&bob)).exits(2).complains(&["--reason"]);
    desk.remote(&by_script, Some(&bob)).exits(0);
    assert_eq!(desk.remote(&["status", "--json"], Some(&bob)).exits(0).json()["account"]["arming"], "armed");
    assert_eq!(told(&world, "trading.ArmApproved")[0]["metadata"]["actor"], "person:bob");
    let json = desk.remote(&["arm", "--reason", "again", "--for", "6m", "--json"], Some(&ada)).exits(4);
    assert_eq!(json.json()["outcome"], "approval_needed");
}

#[test]
fn under_tls_a_desk_and_a_person_know_each_other_by_certificate() {
    let world = World::quiet();
    let papers = Papers::issue(world.path());
    let mut serve = command(world.path(), &["serve"]);
    for (key, file) in
        [("CERTIFICATE_FILE", "desk.pem"), ("KEY_FILE", "desk.key"), ("CLIENT_CA_FILE", "ca.pem")]
    {
        serve.env(format!("STELE__API__TLS_{key}"), papers.at(file));
    }
    let mut desk = Desk::start(serve);
    desk.logged("desk.ready");
    let server = desk.server().replace("http://127.0.0.1", "https://localhost");
    let away = tempfile::tempdir().unwrap();
    let ask =
        |more: &[&str]| stele(away.path(), &[&["whoami", "--json", "--server", &server], more].concat());
    let (ca, cert, cert_key) = (papers.at("ca.pem"), papers.at("ada.pem"), papers.at("ada.key"));

    // Nobody vouches for it: nothing is said to it.
    ask(&[]).exits(6).complains(&["--ca-file"]);
    let with_certificate = ask(&["--ca-file", &ca, "--cert", &cert, "--cert-key", &cert_key]).exits(0).json();
    assert_eq!(
        (&with_certificate["actor"], &with_certificate["role"]),
        (&"person:ada".into(), &"operator".into())
    );
    assert_eq!(with_certificate["key_id"], Value::Null);
    let viewer = world.key("viewer", "eve");
    let with_key = ask(&["--ca-file", &ca, "--key-file", viewer.to_str().unwrap()]).exits(0).json();
    assert_eq!(with_key["actor"], "person:eve");
    ask(&["--ca-file", &ca]).exits(6);
}

/// An authority, and certificates of the desk and of a person that it vouches for.
struct Papers<'d> {
    directory: &'d Path,
}

impl<'d> Papers<'d> {
    fn issue(directory: &'d Path) -> Self {
        let papers = Self { directory };
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        papers.keep("ca.pem", &authority.pem());
        let mut desk = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        desk.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut ada = CertificateParams::new(vec![]).unwrap();
        ada.subject_alt_names = vec![SanType::URI("stele://person/ada/operator".try_into().unwrap())];
        ada.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        for (name, params) in [("desk", desk), ("ada", ada)] {
            let key = KeyPair::generate().unwrap();
            papers.keep(&format!("{name}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
            papers.keep(&format!("{name}.key"), &key.serialize_pem());
        }
        papers
    }

    fn keep(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn at(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_watch_goes_on_where_it_was_after_the_desk_has_died_and_come_back() {
    let world = World::quiet();
    let mut desk = world.serve();
    world.set_limits();
    let mut watch = command(world.path(), &["watch", "--json", "--from", "1"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (sender, lines) = channel();
    let stdout = watch.stdout.take().unwrap();
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    let next = |wanted: &str| loop {
        let line = lines
            .recv_timeout(std::time::Duration::from_mins(1))
            .unwrap_or_else(|_| panic!("no {wanted} came"));
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["type"] == wanted {
            return event["position"].as_u64().unwrap();
        }
    };
    let before = next("trading.LimitsSet");
    assert_eq!(desk.signalled("KILL").0, -1);
    let desk = world.serve();
    world.stele(&["kill", "--reason", "still watching?"]).exits(0);
    assert!(next("trading.Killed") > before);
    let _ = watch.kill();
    let _ = watch.wait();
    drop(desk);
}
