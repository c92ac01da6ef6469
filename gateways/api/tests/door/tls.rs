//! The door to the network under TLS, with and without client certificates.

use crate::certificates::{Authority, Valid, World, authority, here, keep};
use crate::desk::{Desk, Network};
use crate::raw::exchange;
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_api::{DoorError, TcpDoor, TcpOptions, TlsFiles};
use stele_domain::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Of a door that looks at its files all the time.
const AT_ONCE: Duration = Duration::from_millis(10);
/// Nothing that works takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(30);

fn uri(uri: &str) -> Vec<SanType> {
    vec![SanType::URI(uri.try_into().unwrap())]
}

impl World {
    fn client(&self, name: &str, uri: &str) -> u64 {
        self.issue(name, &self.authority, self::uri(uri), Valid::Now)
    }

    /// Writes the list of certificates that the authority has taken back, holding to the end of a year.
    fn take_back(&self, numbers: &[u64], year: i32) {
        keep(&self.path("crl.pem"), &list_of(&self.authority, numbers, year));
    }

    fn files(&self, client_required: bool) -> TlsFiles {
        TlsFiles {
            chain: self.path("desk.pem"),
            key: self.path("desk.key"),
            client_ca: Some(self.path("ca.pem")),
            client_crl: None,
            client_required,
            look_every: AT_ONCE,
        }
    }

    /// A connection with the certificate of that name.
    async fn connect(
        &self,
        net: &Network,
        name: Option<&str>,
        protocol: &[u8],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match name {
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(net.address).await?;
        let to = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        TlsConnector::from(Arc::new(config)).connect(to, stream).await
    }
}

fn list_of(authority: &Authority, numbers: &[u64], year: i32) -> String {
    let revoked = |number: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*number),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 12, 31),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: numbers.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(authority).unwrap().pem().unwrap()
}

fn under(tls: TlsFiles) -> TcpOptions {
    TcpOptions { tls: Some(tls), ..TcpOptions::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))) }
}

async fn whoami(stream: TlsStream<TcpStream>, headers: &[&str]) -> crate::raw::Raw {
    exchange(stream, "GET", "/v1/whoami", headers, b"").await
}

#[tokio::test]
async fn a_certificate_says_who_asks_and_a_key_says_it_better() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    world.client("ann", "stele://person/ann/operator");
    let ann = async || world.connect(&net, Some("ann"), b"http/1.1").await.unwrap();
    let me = whoami(ann().await, &[]).await.json();
    assert_eq!(
        (&me["actor"], &me["role"], &me["key_id"]),
        (&"person:ann".into(), &"operator".into(), &().into())
    );
    // Kill needs operator, and she is one.
    let killed = exchange(ann().await, "POST", "/v1/account/kill", &[], b"").await;
    assert_eq!(killed.status, 200, "{}", killed.body);
    let key = desk.key("bob", Role::Viewer).await;
    let me = whoami(ann().await, &[&key.header()]).await.json();
    assert_eq!((&me["actor"], &me["role"]), (&"person:bob".into(), &"viewer".into()));
    // Nobody is anybody without a certificate, a key, or with a certificate that names nobody.
    let none = world.connect(&net, None, b"http/1.1").await.unwrap();
    whoami(none, &[]).await.problem(401, "no-credential");
    let none = world.connect(&net, None, b"http/1.1").await.unwrap();
    assert_eq!(whoami(none, &[&key.header()]).await.status, 200);
    world.client("king", "stele://person/king/king");
    let king = world.connect(&net, Some("king"), b"http/1.1").await.unwrap();
    whoami(king, &[]).await.problem(401, "no-credential");
}

#[tokio::test]
async fn where_certificates_are_asked_for_nobody_comes_in_without_one() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(true))).await;
    let other = authority();
    world.issue("eve", &other, uri("stele://person/eve/admin"), Valid::Now);
    world.issue("late", &world.authority, uri("stele://person/late/admin"), Valid::Ended);
    for name in [None, Some("eve"), Some("late")] {
        // With TLS 1.3 the client hears of it with its first read.
        let Ok(stream) = world.connect(&net, name, b"http/1.1").await else { continue };
        let asked = tokio::spawn(async move { whoami(stream, &[]).await.status });
        assert!(asked.await.is_err(), "{name:?} came in");
    }
    world.client("ann", "stele://person/ann/viewer");
    let ann = world.connect(&net, Some("ann"), b"http/1.1").await.unwrap();
    assert_eq!(whoami(ann, &[]).await.status, 200);
}

#[tokio::test]
async fn http_2_is_chosen_in_the_handshake() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    let stream = world.connect(&net, None, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let stream = world.connect(&net, None, b"http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_holds_up_nobody() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    let _silent: Vec<TcpStream> =
        futures_util::future::join_all((0..50).map(|_| TcpStream::connect(net.address)))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
    let key = desk.key("bob", Role::Viewer).await;
    let stream = world.connect(&net, None, b"http/1.1").await.unwrap();
    assert_eq!(whoami(stream, &[&key.header()]).await.status, 200);
    net.stopper.stop();
    tokio::time::timeout(Duration::from_secs(10), net.served).await.expect("over in time").unwrap();
}

async fn refused(files: TlsFiles) -> (PathBuf, String) {
    let error = TcpDoor::open(under(files)).await.err().expect("no door");
    let DoorError::Tls { path, what } = error else { panic!("{error}") };
    (path, what)
}

#[tokio::test]
async fn a_file_that_is_missing_wrong_or_of_somebody_else_is_named() {
    let world = World::new();
    let write = |name: &str, text: &str| {
        std::fs::write(world.path(name), text).unwrap();
        world.path(name)
    };
    let files = world.files(false);
    let missing = world.path("missing.pem");
    assert_eq!(refused(TlsFiles { chain: missing.clone(), ..files.clone() }).await.0, missing);
    let nonsense = write("nonsense.pem", "this is no certificate");
    assert_eq!(refused(TlsFiles { chain: nonsense.clone(), ..files.clone() }).await.0, nonsense);
    assert_eq!(refused(TlsFiles { key: nonsense.clone(), ..files.clone() }).await.0, nonsense);
    assert_eq!(refused(TlsFiles { client_ca: Some(nonsense.clone()), ..files.clone() }).await.0, nonsense);
    let other = World::new();
    let (path, what) = refused(TlsFiles { key: other.path("desk.key"), ..files }).await;
    assert_eq!(path, other.path("desk.key"));
    assert!(what.contains(&*Path::new("desk.pem").to_string_lossy()), "{what}");
}

/// The certificate that the door shows.
async fn shown(world: &World, net: &Network) -> Option<CertificateDer<'static>> {
    let stream = world.connect(net, None, b"http/1.1").await.ok()?;
    stream.get_ref().1.peer_certificates()?.first().cloned().map(CertificateDer::into_owned)
}

fn of_the_desk(world: &World) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(world.path("desk.pem")).unwrap()
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let asking = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_shown_to_the_next_caller_and_nobody_is_cut_off() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    let key = desk.key("bob", Role::Viewer).await;
    let before = of_the_desk(&world);
    assert_eq!(shown(&world, &net).await.as_ref(), Some(&before));
    let old = world.connect(&net, None, b"http/1.1").await.unwrap();
    world.issue("desk", &world.authority, here(), Valid::Now);
    let after = of_the_desk(&world);
    assert_ne!(before, after);
    until("the new certificate", async || shown(&world, &net).await.as_ref() == Some(&after)).await;
    assert_eq!(whoami(old, &[&key.header()]).await.status, 200);
}

#[tokio::test]
async fn files_that_can_t_be_used_leave_the_door_as_it_is_until_they_can() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    let before = of_the_desk(&world);
    keep(&world.path("desk.key"), "this is no key");
    world.client("ann", "stele://person/ann/operator");
    // Long enough for many looks: the calls themselves take their time.
    for _ in 0..20 {
        assert_eq!(shown(&world, &net).await.as_ref(), Some(&before));
        let ann = world.connect(&net, Some("ann"), b"http/1.1").await.unwrap();
        assert_eq!(whoami(ann, &[]).await.status, 200);
    }
    world.issue("desk", &world.authority, here(), Valid::Now);
    let after = of_the_desk(&world);
    until("the new certificate", async || shown(&world, &net).await.as_ref() == Some(&after)).await;
}

#[tokio::test]
async fn an_authority_that_is_taken_out_vouches_for_nobody_any_more() {
    let (desk, world, heir) = (Desk::ready().await, World::new(), authority());
    let clients = world.path("clients.pem");
    let first = world.authority.pem();
    keep(&clients, &first);
    let files = TlsFiles { client_ca: Some(clients.clone()), ..world.files(true) };
    let net = desk.network(under(files)).await;
    world.client("ann", "stele://person/ann/viewer");
    world.issue("bob", &heir, uri("stele://person/bob/viewer"), Valid::Now);
    let enters = async |name: &str| {
        let Ok(stream) = world.connect(&net, Some(name), b"http/1.1").await else { return false };
        tokio::spawn(async move { whoami(stream, &[]).await.status }).await.is_ok_and(|status| status == 200)
    };
    assert!(enters("ann").await && !enters("bob").await);
    // While one authority follows the other, both are named.
    keep(&clients, &(first + &heir.pem()));
    until("bob", async || enters("bob").await).await;
    assert!(enters("ann").await);
    keep(&clients, &heir.pem());
    until("ann is a stranger", async || !enters("ann").await).await;
    assert!(enters("bob").await);
}

/// Whether somebody with the certificate of that name is answered.
async fn enters(world: &World, net: &Network, name: &str) -> bool {
    let Ok(stream) = world.connect(net, Some(name), b"http/1.1").await else { return false };
    tokio::spawn(async move { whoami(stream, &[]).await.status }).await.is_ok_and(|status| status == 200)
}

/// A live stream that goes on, of somebody with the certificate of that name.
async fn listening(world: &World, net: &Network, name: &str) -> TlsStream<TcpStream> {
    let mut stream = world.connect(net, Some(name), b"http/1.1").await.unwrap();
    stream.write_all(b"GET /v1/stream HTTP/1.1\r\nhost: desk\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// Waits until nothing more comes.
async fn ended(mut stream: TlsStream<TcpStream>) {
    let mut rest = vec![];
    let end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("it ends");
    // Cut off in the middle, or with a word of goodbye: either is an end.
    drop(end);
}

#[tokio::test]
async fn a_certificate_that_is_taken_back_opens_nothing_more_and_what_it_had_opened_ends() {
    let (desk, world) = (Desk::ready().await, World::new());
    let ann = world.client("ann", "stele://person/ann/operator");
    world.client("bob", "stele://person/bob/operator");
    world.take_back(&[], 2099);
    let files = TlsFiles { client_crl: Some(world.path("crl.pem")), ..world.files(false) };
    let net = desk.network(under(files)).await;
    assert!(enters(&world, &net, "ann").await && enters(&world, &net, "bob").await);
    let of_ann = listening(&world, &net, "ann").await;
    let mut of_bob = listening(&world, &net, "bob").await;
    let idle = world.connect(&net, Some("ann"), b"http/1.1").await.unwrap();
    world.take_back(&[ann], 2099);
    ended(of_ann).await;
    ended(idle).await;
    assert!(!enters(&world, &net, "ann").await && enters(&world, &net, "bob").await);
    // Others are not cut off.
    desk.client.kill(uuid::Uuid::now_v7(), "to be told of").await.unwrap();
    let mut more = [0; 64];
    assert!(of_bob.read(&mut more).await.unwrap() > 0);
}

#[tokio::test]
async fn a_list_that_can_t_be_used_keeps_the_door_shut_at_the_start_and_the_last_one_in_use_later() {
    let (desk, world) = (Desk::ready().await, World::new());
    let ann = world.client("ann", "stele://person/ann/operator");
    world.client("bob", "stele://person/bob/operator");
    let crl = world.path("crl.pem");
    let files = TlsFiles { client_crl: Some(crl.clone()), ..world.files(false) };
    assert_eq!(refused(files.clone()).await.0, crl, "it is not there");
    for text in ["", "no list", &world.authority.pem()] {
        keep(&crl, text);
        assert_eq!(refused(files.clone()).await.0, crl);
    }
    world.take_back(&[ann], 2021);
    let (path, what) = refused(files.clone()).await;
    assert!(path == crl && what.contains("has ended"), "{what}");
    world.take_back(&[ann], 2099);
    let net = desk.network(under(files)).await;
    for year in [2021, 2099] {
        if year == 2021 {
            // Nobody is on it, but it has ended.
            world.take_back(&[], year);
        } else {
            keep(&crl, "no list");
        }
        for _ in 0..20 {
            assert!(!enters(&world, &net, "ann").await && enters(&world, &net, "bob").await);
        }
    }
    world.take_back(&[], 2099);
    until("ann is let in again", async || enters(&world, &net, "ann").await).await;
}

#[tokio::test]
async fn where_a_list_is_asked_for_an_authority_without_one_vouches_for_nobody() {
    let (desk, world, other) = (Desk::ready().await, World::new(), authority());
    world.client("ann", "stele://person/ann/operator");
    world.issue("eve", &other, uri("stele://person/eve/admin"), Valid::Now);
    let clients = world.path("clients.pem");
    keep(&clients, &(world.authority.pem() + &other.pem()));
    world.take_back(&[], 2099);
    let files =
        TlsFiles { client_ca: Some(clients), client_crl: Some(world.path("crl.pem")), ..world.files(false) };
    let net = desk.network(under(files)).await;
    assert!(enters(&world, &net, "ann").await && !enters(&world, &net, "eve").await);
    keep(&world.path("crl.pem"), &(list_of(&world.authority, &[], 2099) + &list_of(&other, &[], 2099)));
    until("both have a list", async || enters(&world, &net, "eve").await).await;
}

#[tokio::test]
async fn a_connection_does_not_outlive_the_certificate_that_it_came_with() {
    let (desk, world) = (Desk::ready().await, World::new());
    let net = desk.network(under(world.files(false))).await;
    world.issue("ann", &world.authority, uri("stele://person/ann/viewer"), Valid::ForSeconds(3));
    let of_ann = listening(&world, &net, "ann").await;
    ended(of_ann).await;
    assert!(!enters(&world, &net, "ann").await);
}

#[tokio::test]
async fn an_authority_that_is_taken_out_ends_what_it_had_vouched_for() {
    let (desk, world, heir) = (Desk::ready().await, World::new(), authority());
    let clients = world.path("clients.pem");
    keep(&clients, &world.authority.pem());
    let files = TlsFiles { client_ca: Some(clients.clone()), ..world.files(false) };
    let net = desk.network(under(files)).await;
    world.client("ann", "stele://person/ann/viewer");
    let of_ann = listening(&world, &net, "ann").await;
    keep(&clients, &heir.pem());
    ended(of_ann).await;
}

#[tokio::test]
async fn a_private_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let key = world.path("desk.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (path, what) = refused(world.files(false)).await;
    assert!(path == key && what.contains("mode 640") && what.contains("chmod 600"), "{what}");
}
