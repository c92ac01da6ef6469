//! A witness behind TLS: it is believed by whom the configuration names and by nobody else.

use crate::certificates::{Valid, World, authority, here};
use crate::outside::{Memory, TestWitness};
use crate::server::vouched_for;
use crate::{commits, fill, open};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use stele_event_log::{Witness, WitnessError};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Stands before a witness and speaks TLS with the certificate of that name.
async fn front(world: &World, name: &str, to: SocketAddr) -> String {
    let chain = vec![CertificateDer::from_pem_file(world.path(&format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(world.path(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not believe the certificate goes away.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(to).await.unwrap();
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok();
            });
        }
    });
    format!("https://{address}/prefix")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_when_the_named_authority_vouches_for_it_and_else_not() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let log = open(&directory);
    let memory = Arc::new(Memory::default());
    let inside = TestWitness::start("127.0.0.1:0", &[log.verifier().to_string()], &memory);
    let world = World::new();
    world.issue("stranger", &authority(), here(), Valid::Now);
    world.issue("ended", &world.authority, here(), Valid::Ended);
    fill(&log, 3, "a").await;

    for name in ["stranger", "ended"] {
        let url = front(&world, name, inside.address).await;
        let options = vouched_for(url, Some(world.path("ca.pem")));
        let witness = Witness::new(Arc::clone(&log), &directory, &options).unwrap();
        let refused = witness.export().await.unwrap_err();
        assert!(matches!(&refused, WitnessError::Away(_)), "{name}: {refused}");
    }
    let url = front(&world, "desk", inside.address).await;
    let unnamed = Witness::new(Arc::clone(&log), &directory, &vouched_for(url.clone(), None)).unwrap();
    assert!(matches!(unnamed.export().await, Err(WitnessError::Away(_))), "nobody named the authority");
    assert!(memory.answers().is_empty(), "nothing was sent to whom nobody vouches for");

    let named = vouched_for(url, Some(world.path("ca.pem")));
    Witness::new(Arc::clone(&log), &directory, &named).unwrap().begin().await.unwrap();
    assert_eq!(memory.size(log.verifier().name()), Some(commits(&log)));
}

#[tokio::test]
async fn a_file_without_authorities_is_named_before_anything_is_sent() {
    let place = tempfile::tempdir().unwrap();
    let log = open(&place.path().join("log"));
    let file = place.path().join("ca.pem");
    let complaint = |expected: &str| {
        let options = vouched_for("https://127.0.0.1:1/w".to_owned(), Some(file.clone()));
        let error = Witness::new(Arc::clone(&log), &place.path().join("log"), &options).err().unwrap();
        let words = error.to_string();
        assert!(matches!(error, WitnessError::Unusable(_)), "{words}");
        assert!(words.contains("ca.pem") && words.contains(expected), "{words}");
    };
    complaint("No such file");
    fs::write(&file, "no certificate\n").unwrap();
    complaint("no certificate (PEM)");
    fs::write(&file, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    complaint("more than 1048576 bytes");
}
