//! Every store against the one suite: memory, a directory, and a real server that speaks S3.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[path = "../../../tests/support/s3_server.rs"]
mod server;
#[path = "../../../tests/conformance/blob_store/suite.rs"]
mod suite;

use secrecy::SecretString;
use server::S3Server;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use stele_blob_store::{
    Address, Credentials, MemoryBlobs, OpenError, Options, open, open_changing, open_in_the_end,
};
use stele_domain::port::blob_store::{BlobError, BlobName, BlobStore, ChangingBlobs, Put};

fn name(text: &str) -> BlobName {
    BlobName::new(text).unwrap()
}

fn options(server: &S3Server) -> Options {
    Options {
        region: "eu-west-1".to_owned(),
        endpoint: server.endpoint(),
        plain_http: true,
        credentials: Some(Credentials {
            access_key_id: "desk".to_owned(),
            secret_access_key: SecretString::from("secret".to_owned()),
        }),
        request_max: Duration::from_secs(10),
        ..Options::default()
    }
}

#[tokio::test]
async fn memory_keeps_every_rule() {
    suite::every_rule(async || Arc::new(MemoryBlobs::default()) as Arc<dyn BlobStore>).await;
}

#[tokio::test]
async fn a_directory_keeps_every_rule_on_one_thread() {
    let place = tempfile::tempdir().unwrap();
    let nth = AtomicU32::new(0);
    suite::every_rule(async || {
        let directory = place.path().join(format!("store {}", nth.fetch_add(1, Ordering::SeqCst)));
        std::fs::create_dir(&directory).unwrap();
        open(&Address::Directory(directory), &Options::default()).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_directory_that_came_after_it_was_opened_keeps_every_rule() {
    let place = tempfile::tempdir().unwrap();
    let nth = AtomicU32::new(0);
    suite::every_rule(async || {
        let directory = place.path().join(format!("store {}", nth.fetch_add(1, Ordering::SeqCst)));
        let opened = open_in_the_end(&Address::Directory(directory.clone()), &Options::default());
        std::fs::create_dir(&directory).unwrap();
        opened.unwrap().0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_s3_keeps_every_rule() {
    let server = S3Server::start().await;
    let nth = AtomicU32::new(0);
    suite::every_rule(async || {
        let bucket = format!("bucket-{}", nth.fetch_add(1, Ordering::SeqCst));
        server.make_bucket(&bucket).await;
        let address = Address::parse(&format!("s3://{bucket}/a/prefix")).unwrap();
        open(&address, &options(&server)).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_no_missing_blob() {
    let server = S3Server::start().await;
    let store = open(&Address::parse("s3://nowhere").unwrap(), &options(&server)).unwrap();
    let refused = store.put(&name("a"), b"a".to_vec()).await.unwrap_err();
    assert!(matches!(refused, BlobError::Denied { .. }), "{refused:?}");
    let refused = store.get_range(&name("a"), 0..1).await.unwrap_err();
    assert!(matches!(refused, BlobError::Denied { .. }), "{refused:?}");
    // Of a blob alone a store tells nothing but that it is not there.
    let refused = store.head(&name("a")).await.unwrap_err();
    assert!(matches!(refused, BlobError::Denied { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_disk_that_was_unmounted_loses_no_blob_and_takes_none() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    std::fs::create_dir(&directory).unwrap();
    let store = open(&Address::Directory(directory.clone()), &Options::default()).unwrap();
    assert_eq!(store.put(&name("log/1.seg"), b"bytes".to_vec()).await.unwrap(), Put::Kept);
    let away = place.path().join("away");
    std::fs::rename(&directory, &away).unwrap();
    for mounted_on in [false, true] {
        if mounted_on {
            std::fs::create_dir(&directory).unwrap();
        }
        let head = store.head(&name("log/1.seg")).await.unwrap_err();
        let read = store.get_range(&name("log/1.seg"), 0..1).await.unwrap_err();
        let put = store.put(&name("log/2.seg"), b"bytes".to_vec()).await.unwrap_err();
        for refused in [head, read, put] {
            assert!(matches!(refused, BlobError::Unreachable { .. }), "{refused:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "something is under the mount point");
    std::fs::remove_dir(&directory).unwrap();
    std::fs::rename(&away, &directory).unwrap();
    assert_eq!(store.get(&name("log/1.seg")).await.unwrap(), b"bytes");
}

#[tokio::test]
async fn what_a_put_left_is_removed_by_a_later_one_and_nobody_else_may_look() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&Address::Directory(place.path().to_owned()), &Options::default()).unwrap();
    assert_eq!(store.put(&name("log/1.seg"), b"bytes".to_vec()).await.unwrap(), Put::Kept);
    let directory = place.path().join("log");
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let (left, young) = (directory.join("2.seg#1"), directory.join("2.seg#2"));
    std::fs::write(&young, b"of a put under way").unwrap();
    let old = std::fs::File::create(&left).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_hours(2)).unwrap();
    assert_eq!(store.put(&name("log/2.seg"), b"bytes".to_vec()).await.unwrap(), Put::Kept);
    assert!(!left.exists() && young.exists());
}

/// Whoever tidies removes directories as soon as they are empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_whose_directory_somebody_removes_meanwhile_is_removed_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let address = Address::Directory(place.path().to_owned());
    let store: Arc<dyn ChangingBlobs> = open_changing(&address, &Options::default()).unwrap();
    let directory = place.path().join("_doctor");
    let is_over = Arc::new(AtomicBool::new(false));
    let tidying = std::thread::spawn({
        let (directory, is_over) = (directory.clone(), Arc::clone(&is_over));
        move || {
            while !is_over.load(Ordering::SeqCst) {
                let _ = std::fs::remove_dir(&directory);
            }
        }
    });
    for nth in 0..200 {
        let blob = name(&format!("_doctor/{nth}"));
        while std::fs::write(directory.join(nth.to_string()), b"bytes").is_err() {
            let _ = std::fs::create_dir(&directory);
        }
        store.remove(&blob).await.unwrap();
        store.remove(&blob).await.unwrap();
        assert!(matches!(store.get(&blob).await, Err(BlobError::Missing { .. })));
    }
    is_over.store(true, Ordering::SeqCst);
    tidying.join().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_within_the_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options {
        endpoint: format!("http://{}", silent.local_addr().unwrap()),
        plain_http: true,
        credentials: Some(Credentials {
            access_key_id: "desk".to_owned(),
            secret_access_key: SecretString::from("secret".to_owned()),
        }),
        request_max: Duration::from_millis(300),
        ..Options::default()
    };
    let store = open(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
    let begun = std::time::Instant::now();
    let refused = store.put(&name("a"), b"a".to_vec()).await.unwrap_err();
    assert!(matches!(refused, BlobError::Unreachable { .. }) && refused.is_transient(), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let words = format!("{refused:?} {options:?}");
    assert!(!words.contains("secret\""), "{words}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("unmounted");
    let error = open(&Address::Directory(directory.clone()), &Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Directory { .. }) && !directory.exists(), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_mounted_later_is_a_store_from_then_on_and_does_not_answer_before() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("unmounted");
    let address = Address::Directory(directory.clone());
    let (store, away) = open_in_the_end(&address, &Options::default()).unwrap();
    assert!(matches!(away, Some(OpenError::Directory { .. })) && store.url() == address.to_string());
    for _ in 0..2 {
        let error = store.put(&name("log/1.seg"), b"bytes".to_vec()).await.unwrap_err();
        assert!(matches!(error, BlobError::Unreachable { .. }) && error.is_transient(), "{error}");
        assert!(stele_domain::causes::with_causes(&error).contains("mount its disk"), "{error:?}");
    }
    assert!(!directory.exists(), "it was made");
    std::fs::create_dir(&directory).unwrap();
    assert_eq!(store.put(&name("log/1.seg"), b"bytes".to_vec()).await.unwrap(), Put::Kept);
    assert_eq!(store.get(&name("log/1.seg")).await.unwrap(), b"bytes");
    let (_, there) = open_in_the_end(&address, &Options::default()).unwrap();
    assert!(there.is_none(), "{there:?}");
}

#[tokio::test]
async fn what_a_directory_keeps_is_a_file_of_that_name_and_nothing_else_is_left() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&Address::Directory(place.path().to_owned()), &Options::default()).unwrap();
    for _ in 0..2 {
        let put = store.put(&name("log/1.seg"), b"bytes".to_vec()).await.unwrap();
        assert!(matches!(put, Put::Kept | Put::There));
    }
    assert_eq!(std::fs::read(place.path().join("log/1.seg")).unwrap(), b"bytes");
    assert_eq!(std::fs::read_dir(place.path().join("log")).unwrap().count(), 1);
    let read_only = std::fs::Permissions::from_mode(0o500);
    std::fs::set_permissions(place.path().join("log"), read_only).unwrap();
    let refused = store.put(&name("log/2.seg"), b"bytes".to_vec()).await;
    std::fs::set_permissions(place.path().join("log"), std::fs::Permissions::from_mode(0o700)).unwrap();
    // Whoever may do everything is not refused.
    match refused {
        Ok(put) => assert_eq!(put, Put::Kept),
        Err(refused) => assert!(matches!(refused, BlobError::Denied { .. }), "{refused:?}"),
    }
}
