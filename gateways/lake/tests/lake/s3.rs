//! The lake on a real server that speaks S3, and on a directory: the same rows, also when the server answers 500, late, or not
//! after it did what it was asked.

use crate::proxy::{Proxy, Spoil};
use crate::server::S3Server;
use crate::support::{HandClock, log_of, memory, open, publish, told};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stele_blob_store::{Address, Credentials, Options, open_changing};
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_lake::doctor::{ROUNDS, WRITERS, examine};
use stele_lake::facts;

/// A store in a bucket behind an address.
fn bucket(endpoint: &str, bucket: &str) -> Arc<dyn ChangingBlobs> {
    let options = Options {
        region: "eu-west-1".to_owned(),
        endpoint: endpoint.to_owned(),
        plain_http: true,
        credentials: Some(Credentials {
            access_key_id: "desk".to_owned(),
            secret_access_key: SecretString::from("secret".to_owned()),
        }),
        request_max: Duration::from_secs(10),
        ..Options::default()
    };
    open_changing(&Address::parse(&format!("s3://{bucket}/lake")).unwrap(), &options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_a_directory_and_memory_hold_the_same_rows() {
    let log = log_of(150).await;
    let in_memory = memory();
    publish(&in_memory, &*log).await.unwrap();
    let right = told(&in_memory, &*log).await;
    let server = S3Server::start().await;
    server.make_bucket("lake").await;
    let in_bucket = bucket(&server.endpoint(), "lake");
    let place = tempfile::tempdir().unwrap();
    let options = Options { shared: true, ..Options::default() };
    let on_disk = open_changing(&Address::Directory(place.path().to_owned()), &options).unwrap();
    for store in [&in_bucket, &on_disk] {
        let clock: Arc<dyn Clock> = HandClock::now_shared();
        let examined = examine(store, clock, facts::ALL, (WRITERS, ROUNDS)).await.unwrap();
        assert!(examined.is_ok(), "{examined:?}");
        publish(store, &*log).await.unwrap();
        assert_eq!(told(store, &*log).await, right, "{}", store.url());
        let mut files = 0;
        for table in open(store).await.unwrap().tables() {
            files += table.files();
        }
        assert!(files >= facts::ALL.len());
    }
}

async fn spoiled(spoil: Spoil) {
    let log = log_of(80).await;
    let in_memory = memory();
    publish(&in_memory, &*log).await.unwrap();
    let right = told(&in_memory, &*log).await;
    let server = S3Server::start().await;
    for every in [4, 7] {
        let name = format!("lake-{every}");
        server.make_bucket(&name).await;
        let proxy = Proxy::start(server.endpoint(), every, spoil).await;
        let through = bucket(&proxy.address, &name);
        // As the service does: whatever passes is tried again.
        let mut tries = 0;
        while let Err(error) = publish(&through, &*log).await {
            tries += 1;
            assert!(error.is_transient() && tries < 100, "{error:?}");
        }
        assert!(proxy.spoiled.load(Ordering::SeqCst) > 5, "nothing was spoiled");
        let straight = bucket(&server.endpoint(), &name);
        assert_eq!(told(&straight, &*log).await, right, "every {every}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_answers_are_lost_gets_puts_twice_and_keeps_every_row_once() {
    spoiled(Spoil::AnswerLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_500_keeps_every_row_once() {
    spoiled(Spoil::ServerError).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_keeps_every_row_once() {
    spoiled(Spoil::Late(Duration::from_millis(120))).await;
}
