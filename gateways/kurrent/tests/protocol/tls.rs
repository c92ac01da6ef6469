//! The door under TLS, with the official client; and files that are no certificates.

use crate::support::{Desk, events, shown};
use kurrentdb::{AppendToStreamOptions, Client, ClientSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use stele_kurrent::{CannotOpen, Options, Server, TlsFiles};

/// An authority, and a certificate for this machine, as files.
fn files(directory: &Path) -> (PathBuf, TlsFiles) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let tls =
        TlsFiles { chain: write("desk.pem", certificate.pem()), key: write("desk.key", key.serialize_pem()) };
    (write("ca.pem", authority.pem()), tls)
}

#[tokio::test]
async fn a_client_under_tls_reads_what_it_appends_and_one_without_gets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, tls) = files(directory.path());
    let desk = Desk::under(tls).await;
    let ca = ca.display();
    let text = format!("kurrentdb://outside:outside@{}?tlsCaFile={ca}&discoveryInterval=5", desk.address);
    let client = Client::new(text.parse::<ClientSettings>().unwrap()).unwrap();
    client
        .append_to_stream("orders-1", &AppendToStreamOptions::default(), events("Placed", 2))
        .await
        .unwrap();
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [0, 1]);
    // In the clear there is nobody to talk to.
    assert!(shown(&desk.client(), "orders-1").await.is_err());
}

#[tokio::test]
async fn files_that_are_no_certificates_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (_, tls) = files(directory.path());
    let other = tempfile::tempdir().unwrap();
    let (ca, others) = files(other.path());
    let missing = directory.path().join("missing.pem");
    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    let empty = directory.path().join("empty.pem");
    for (chain, key, wrong) in [
        (missing.clone(), tls.key.clone(), &missing),
        (empty.clone(), tls.key.clone(), &empty),
        (tls.chain.clone(), missing.clone(), &missing),
        (tls.chain.clone(), ca.clone(), &ca),
        (tls.chain.clone(), others.key.clone(), &others.key),
    ] {
        let options =
            Options { tls: Some(TlsFiles { chain, key }), ..Options::plain("127.0.0.1:0".parse().unwrap()) };
        let refused = Server::open(options).await.unwrap_err();
        assert!(matches!(&refused, CannotOpen::Tls { path, .. } if path == wrong), "{refused}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let desk = Desk::open().await;
    let refused = Server::open(Options::plain(desk.address)).await.unwrap_err();
    assert!(refused.to_string().contains(&desk.address.to_string()), "{refused}");
}
