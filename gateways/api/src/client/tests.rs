//! The ways to a desk: what arrives there, and what a broken way is called.
use super::{AccessKey, Client, ClientError, Endpoint, Server, SetupError, Trust};
use axum::Router;
use axum::http::{HeaderMap, Uri};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a request showed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: String,
    host: String,
    authorization: Option<String>,
}

/// A door that notes what comes in and says that it is alive.
#[derive(Clone, Default)]
struct Door {
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Door {
    fn router(&self) -> Router {
        let seen = Arc::clone(&self.seen);
        Router::new().fallback(async move |uri: Uri, headers: HeaderMap| {
            let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(Seen {
                path: uri.path().to_owned(),
                host: text("host").unwrap_or_default(),
                authorization: text("authorization"),
            });
            axum::Json(serde_json::json!({ "live": true, "status": "ok", "version": "1", "instance": "t" }))
        })
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    async fn plain(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(axum::serve(listener, self.router()).into_future());
        port
    }

    async fn tls(&self, config: ServerConfig) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, router) = (TlsAcceptor::from(Arc::new(config)), self.router());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.ok()?;
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let io = hyper_util::rt::TokioIo::new(stream);
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.ok()
                });
            }
        });
        port
    }
}

/// An authority with a certificate for the desk and one for a client.
struct Papers {
    directory: TempDir,
}

impl Papers {
    fn issue() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let papers = Self { directory };
        papers.keep("ca.pem", &authority.pem(), 0o644);
        for (name, host) in [("desk", "localhost"), ("client", "ada")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            papers.keep(&format!("{name}.pem"), &params.signed_by(&key, &authority).unwrap().pem(), 0o644);
            papers.keep(&format!("{name}.key"), &key.serialize_pem(), 0o600);
        }
        papers
    }

    fn keep(&self, name: &str, text: &str, mode: u32) {
        let path = self.at(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn server(&self, wants_client: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(self.at("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(self.at("desk.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.at("desk.key")).unwrap();
        builder.with_single_cert(chain, key).unwrap()
    }

    fn trust(&self, with_identity: bool) -> Trust {
        let identity = with_identity.then(|| (self.at("client.pem"), self.at("client.key")));
        Trust { ca_file: Some(self.at("ca.pem")), identity }
    }
}

fn endpoint(server: &str, trust: Trust) -> Endpoint {
    let key = AccessKey::read("stele_k1_secret_00000000");
    Endpoint { server: Server::parse(server).unwrap(), key, trust, plain_key: false }
}

fn client(endpoint: &Endpoint) -> Client {
    Client::to(endpoint).unwrap()
}

#[tokio::test]
async fn over_tcp_the_key_and_the_host_are_shown_with_every_call() {
    let door = Door::default();
    let port = door.plain().await;
    let client = client(&endpoint(&format!("http://127.0.0.1:{port}"), Trust::default()));
    let _ = client.live().await;
    let expected = Seen {
        path: "/livez".to_owned(),
        host: format!("127.0.0.1:{port}"),
        authorization: Some("Bearer stele_k1_secret_00000000".to_owned()),
    };
    assert_eq!(door.last(), expected);
    let _ = client.follow(None, &[], &[]).await;
    assert_eq!(door.last(), Seen { path: "/v1/log/follow".to_owned(), ..expected });
}

#[tokio::test]
async fn over_tls_a_desk_is_believed_when_the_named_authority_vouches_for_it() {
    let (door, papers) = (Door::default(), Papers::issue());
    let port = door.tls(papers.server(false)).await;
    let server = format!("https://localhost:{port}");
    let _ = client(&endpoint(&server, papers.trust(false))).live().await;
    assert_eq!(door.last().authorization.as_deref(), Some("Bearer stele_k1_secret_00000000"));
}

#[tokio::test]
async fn a_desk_that_nobody_vouches_for_gets_no_key() {
    let (door, papers, others) = (Door::default(), Papers::issue(), Papers::issue());
    let port = door.tls(papers.server(false)).await;
    for (host, trust) in [("localhost", others.trust(false)), ("127.0.0.1", papers.trust(false))] {
        let error = client(&endpoint(&format!("https://{host}:{port}"), trust)).live().await.unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{host}: {error:?}");
        assert!(error.to_string().contains("--ca-file"), "{error}");
        assert!(!error.is_transient(), "{error}");
    }
    assert!(door.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_desk_that_wants_a_client_certificate_is_told_from_one_that_is_gone() {
    let (door, papers) = (Door::default(), Papers::issue());
    let port = door.tls(papers.server(true)).await;
    let server = format!("https://localhost:{port}");
    let error = client(&endpoint(&server, papers.trust(false))).live().await.unwrap_err();
    assert!(matches!(&error, ClientError::Untrusted { what, .. } if what.contains("--cert")), "{error:?}");
    let _ = client(&Endpoint { key: None, ..endpoint(&server, papers.trust(true)) }).live().await;
    assert_eq!(door.last().authorization, None);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = client(&endpoint(&format!("http://127.0.0.1:{port}"), Trust::default())).live().await;
    let error = error.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.is_transient(), "{error:?}");
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let papers = Papers::issue();
    let with = |ca: &str, identity: Option<(&str, &str)>| {
        let identity = identity.map(|(chain, key)| (papers.at(chain), papers.at(key)));
        let trust = Trust { ca_file: Some(papers.at(ca)), identity };
        Client::to(&endpoint("https://localhost:1", trust)).map(|_| ())
    };
    papers.keep("empty.pem", "", 0o600);
    papers.keep("open.key", &std::fs::read_to_string(papers.at("client.key")).unwrap(), 0o644);
    let names = |path: &Path, name: &str| path.ends_with(name);
    assert!(
        matches!(with("empty.pem", None), Err(SetupError::Certificates { path, .. }) if names(&path, "empty.pem"))
    );
    assert!(
        matches!(with("missing.pem", None), Err(SetupError::Certificates { path, .. }) if names(&path, "missing.pem"))
    );
    assert!(matches!(
        with("ca.pem", Some(("client.pem", "empty.pem"))),
        Err(SetupError::Certificates { path, .. }) if names(&path, "empty.pem")
    ));
    assert!(matches!(
        with("ca.pem", Some(("client.pem", "open.key"))),
        Err(SetupError::KeyFileOpen { path, .. }) if names(&path, "open.key")
    ));
    with("ca.pem", Some(("client.pem", "client.key"))).unwrap();
}
