//! The door under TLS, with the official client; and what is no certificate.

use crate::support::{Desk, events, shown};
use eventstore::{AppendToStreamOptions, Client, ClientSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use stele_kurrent::{CannotOpen, Options, Server, Tls};

/// An authority as a file, and a certificate for this machine.
fn papers(directory: &Path) -> (PathBuf, Tls) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let ca = directory.join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    (ca, Tls { chain: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes().into() })
}

#[tokio::test]
async fn a_client_under_tls_reads_what_it_appends_and_one_without_gets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, tls) = papers(directory.path());
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
async fn what_is_no_certificate_or_no_key_of_it_is_refused_by_name_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (_, Tls { chain, key }) = papers(directory.path());
    let (_, others) = papers(directory.path());
    for (chain, key, of_the_chain) in [
        (vec![], key.clone(), true),
        (key.to_vec(), key.clone(), true),
        (chain.clone(), chain.clone().into(), false),
        (chain.clone(), vec![].into(), false),
        (chain.clone(), others.key.clone(), false),
    ] {
        let tls = Tls { chain, key };
        assert_eq!(format!("{tls:?}"), "Tls(..)");
        let options = Options { tls: Some(tls), ..Options::plain("127.0.0.1:0".parse().unwrap()) };
        match Server::open(options).unwrap_err() {
            CannotOpen::Certificate(_) => assert!(of_the_chain),
            CannotOpen::PrivateKey(_) => assert!(!of_the_chain),
            CannotOpen::Address { address, .. } => panic!("{address} is free"),
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let desk = Desk::open();
    let refused = Server::open(Options::plain(desk.address)).unwrap_err();
    assert!(refused.to_string().contains(&desk.address.to_string()), "{refused}");
}
