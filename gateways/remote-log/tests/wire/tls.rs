//! The wire under TLS: whom the client believes, as whom it comes, and certificates that are replaced while it runs.

use crate::certificates::{Authority, Valid, World, authority, here, keep};
use crate::support::{Owner, clock, record, stream};
use rcgen::SanType;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position, Revision};
use stele_event_log::MemoryLog;
use stele_remote_log::{CannotConnect, Options, RemoteLog, Trust};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// Nothing that works takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Of a client that looks at its files all the time.
const AT_ONCE: Duration = Duration::from_millis(10);
/// What the client shows.
const KEY: &str = "market";

fn pem(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What the owner shows: a certificate of this world.
fn showing(world: &World, name: &str) -> ServerTlsConfig {
    let (chain, key) = (pem(&world.path(&format!("{name}.pem"))), pem(&world.path(&format!("{name}.key"))));
    ServerTlsConfig::new().identity(Identity::from_pem(chain, key))
}

/// The same, and it lets nobody in for whom this world's authority does not vouch.
fn asking(world: &World) -> ServerTlsConfig {
    showing(world, "desk").client_ca_root(Certificate::from_pem(pem(&world.path("ca.pem"))))
}

fn memory() -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::new(clock()))
}

fn trusting(world: &World) -> Trust {
    Trust { ca_file: Some(world.path("ca.pem")), identity: None, look_every: AT_ONCE }
}

/// Trusting, and coming with a certificate of that name.
fn coming_as(world: &World, name: &str) -> Trust {
    let identity = Some((world.path(&format!("{name}.pem")), world.path(&format!("{name}.key"))));
    Trust { identity, ..trusting(world) }
}

fn try_to(address: SocketAddr, trust: Trust) -> Result<RemoteLog, CannotConnect> {
    let (url, key) = (format!("https://{address}"), Some(KEY.to_owned().into()));
    RemoteLog::new(&Options { url, key, plain_key: false, trust })
}

fn to(address: SocketAddr, trust: Trust) -> RemoteLog {
    try_to(address, trust).unwrap()
}

/// Why the owner is not reached.
async fn refused(log: &RemoteLog) -> String {
    let error = timeout(DEADLINE, log.head()).await.expect("an answer").unwrap_err();
    let LogError::Unreachable(words) = &error else { panic!("{error:?}") };
    words.to_string()
}

/// The owner refuses our certificate, or misses one. Under TLS 1.3 it does so after the handshake, so that its reason
/// may be overtaken by the end of the connection.
async fn turned_away(log: &RemoteLog) {
    let words = refused(log).await;
    let said = ["received fatal alert", "how a certificate is refused"];
    assert!(said.iter().any(|part| words.contains(part)), "{words}");
}

/// Asks until there is an answer, as every part of a desk does.
async fn reached(log: &RemoteLog) -> Position {
    let asking = async {
        loop {
            match log.head().await {
                Err(error) if error.is_transient() => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        }
    };
    timeout(DEADLINE, asking).await.expect("an answer in time")
}

#[tokio::test]
async fn under_tls_everything_works_for_whoever_knows_the_authority() {
    let world = World::new();
    let owner = Owner::under(showing(&world, "desk"), memory());
    let log = to(owner.address, trusting(&world));
    let target = stream("order-1");
    let mut follow = log.follow(Position::START, Filter::all());
    log.append(&target, Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    log.append(&target, Expected::Exactly(Revision(1)), vec![record(3)]).await.unwrap();
    let page = log.read_all(Position::START, &Filter::all(), 10).await.unwrap();
    assert_eq!((page.records.len(), log.head().await.unwrap()), (3, Position(3)));
    let mut followed = vec![];
    while followed.len() < 3 {
        followed.extend(timeout(DEADLINE, follow.next(10)).await.expect("a page").unwrap().records);
    }
    assert_eq!(followed, page.records);
}

#[tokio::test]
async fn an_owner_whom_nobody_vouches_for_is_not_believed() {
    let (world, other) = (World::new(), World::new());
    let owner = Owner::under(showing(&world, "desk"), memory());
    let words = refused(&to(owner.address, trusting(&other))).await;
    assert!(words.contains("invalid peer certificate") && words.contains("UnknownIssuer"), "{words}");
}

#[tokio::test]
async fn an_owner_under_another_name_is_not_believed() {
    let world = World::new();
    let elsewhere = vec![SanType::IpAddress(Ipv4Addr::new(127, 0, 0, 2).into())];
    world.issue("other", &world.authority, elsewhere, Valid::Now);
    let owner = Owner::under(showing(&world, "other"), memory());
    let words = refused(&to(owner.address, trusting(&world))).await;
    assert!(words.contains("not valid for name") && words.contains("127.0.0.1"), "{words}");
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_not_believed() {
    let world = World::new();
    world.issue("old", &world.authority, here(), Valid::Ended);
    let owner = Owner::under(showing(&world, "old"), memory());
    let words = refused(&to(owner.address, trusting(&world))).await;
    assert!(words.contains("certificate expired"), "{words}");
}

#[tokio::test]
async fn where_certificates_are_asked_for_nobody_comes_in_without_a_good_one() {
    let (world, stranger) = (World::new(), authority());
    let issue = |name: &str, by: &Authority, valid| {
        world.issue(name, by, vec![SanType::URI("stele://service/m/market".try_into().unwrap())], valid);
    };
    issue("market", &world.authority, Valid::Now);
    issue("old", &world.authority, Valid::Ended);
    issue("eve", &stranger, Valid::Now);
    let owner = Owner::under(asking(&world), memory());
    for trust in [trusting(&world), coming_as(&world, "old"), coming_as(&world, "eve")] {
        turned_away(&to(owner.address, trust)).await;
    }
    assert_eq!(reached(&to(owner.address, coming_as(&world, "market"))).await, Position::START);
}

#[tokio::test]
async fn a_key_is_not_said_to_somebody_who_does_not_speak_tls() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = to(listener.local_addr().unwrap(), trusting(&world));
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 64 * 1024];
        let length = stream.read(&mut heard).await.unwrap();
        // It answers in the clear, as a port without TLS does.
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        heard.truncate(length);
        heard
    });
    let words = refused(&log).await;
    let heard = timeout(DEADLINE, heard).await.expect("a connection").unwrap();
    assert!(!heard.is_empty() && !heard.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{words}");
}

#[tokio::test]
async fn somebody_who_accepts_and_is_silent_is_given_up() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = to(listener.local_addr().unwrap(), trusting(&world));
    let silent = tokio::spawn(async move {
        let first = listener.accept().await.unwrap();
        let second = listener.accept().await.unwrap();
        drop((first, second));
    });
    let asking = async {
        while !silent.is_finished() {
            refused(&log).await;
        }
    };
    timeout(DEADLINE, asking).await.expect("another attempt");
}

#[tokio::test]
async fn another_authority_is_believed_when_the_file_names_it_and_nothing_is_restarted() {
    let (world, next) = (World::new(), World::new());
    let mut owner = Owner::under(showing(&world, "desk"), memory());
    let log = to(owner.address, trusting(&world));
    let target = stream("order-1");
    let mut follow = log.follow(Position::START, Filter::all());
    log.append(&target, Expected::NoStream, vec![record(1)]).await.unwrap();
    owner.vanish().await;
    owner.come_back_under(showing(&next, "desk"));
    let untrusted = async { while !refused(&log).await.contains("UnknownIssuer") {} };
    timeout(DEADLINE, untrusted).await.expect("a word about the certificate");
    keep(&world.path("ca.pem"), &pem(&next.path("ca.pem")));
    assert_eq!(reached(&log).await, Position(1));
    log.append(&target, Expected::Exactly(Revision(0)), vec![record(2)]).await.unwrap();
    // The reading that was interrupted goes on with the new authority, too.
    let mut positions = vec![];
    let reading = async {
        while positions.len() < 2 {
            match follow.next(10).await {
                Ok(page) => positions.extend(page.records.iter().map(|record| record.position.0)),
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    };
    timeout(DEADLINE, reading).await.expect("the reading goes on");
    assert_eq!(positions, [1, 2]);
}

#[tokio::test]
async fn a_certificate_of_our_own_that_is_replaced_lets_us_in_and_nothing_is_restarted() {
    let world = World::new();
    world.issue("market", &world.authority, here(), Valid::Ended);
    let owner = Owner::under(asking(&world), memory());
    let log = to(owner.address, coming_as(&world, "market"));
    turned_away(&log).await;
    world.issue("market", &world.authority, here(), Valid::Now);
    assert_eq!(reached(&log).await, Position::START);
}

#[tokio::test]
async fn a_file_that_is_missing_wrong_or_open_to_others_is_named() {
    let world = World::new();
    world.issue("market", &world.authority, here(), Valid::Now);
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let named = |trust: Trust| match try_to(nobody, trust) {
        Err(CannotConnect::File { path, what }) => (path, what),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("nothing was wrong"),
    };
    let nonsense = world.path("nonsense.pem");
    keep(&nonsense, "this is no certificate");
    for (file, word) in [(&world.path("missing.pem"), "No such file"), (&nonsense, "no certificate in it")] {
        let (path, what) = named(Trust { ca_file: Some(file.clone()), ..trusting(&world) });
        assert!(path == *file && what.contains(word), "{what}");
    }
    let (chain, key) = (world.path("market.pem"), world.path("market.key"));
    let own = |chain: &Path, key: &Path| Trust {
        identity: Some((chain.to_owned(), key.to_owned())),
        ..trusting(&world)
    };
    assert_eq!(named(own(&nonsense, &key)).0, nonsense);
    assert_eq!(named(own(&chain, &nonsense)).0, nonsense);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(&key, open).unwrap();
    let (path, what) = named(own(&chain, &key));
    assert!(path == key && what.contains("chmod 600") && what.contains("640"), "{what}");
    let unfit = try_to(nobody, own(&chain, &world.path("desk.key")));
    assert!(matches!(unfit, Err(CannotConnect::Tls(_))), "{:?}", unfit.err());
}
