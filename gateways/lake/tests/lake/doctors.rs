//! Several doctors and publishers at once over a directory: each tidies up what is its own, and nothing else.

use crate::support::{HandClock, log_of, publish};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use stele_lake::doctor::{Examined, examine};
use tokio::sync::Notify;

/// A store that holds whoever works with it in front of the call with a number, until it is let go on.
struct Held {
    inner: Arc<dyn ChangingBlobs>,
    at: u64,
    calls: AtomicU64,
    /// What was put through it and not removed.
    own: Mutex<BTreeSet<BlobName>>,
    reached: Notify,
    go: Notify,
}

impl Held {
    fn at(inner: &Arc<dyn ChangingBlobs>, at: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            at,
            calls: AtomicU64::new(0),
            own: Mutex::default(),
            reached: Notify::new(),
            go: Notify::new(),
        })
    }

    async fn called(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            self.reached.notify_one();
            self.go.notified().await;
        }
    }

    fn own(&self) -> MutexGuard<'_, BTreeSet<BlobName>> {
        self.own.lock().unwrap()
    }
}

/// A whole examination, without tables: two writers race once.
async fn is_well(store: &Arc<dyn ChangingBlobs>, what: &str) {
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let examined = examine(store, clock, &[], (2, 1)).await;
    assert!(examined.as_ref().is_ok_and(Examined::is_ok), "{what}: {examined:?}");
}

/// What is left in a directory of doctors and races.
fn left_in(place: &Path) -> Vec<String> {
    let all = std::fs::read_dir(place).unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("_doctor")).collect()
}

/// In a directory, names with a slash in them leave a directory behind: an empty one.
fn is_tidy(place: &Path, what: &str) {
    let removed = std::fs::remove_dir(place.join("_doctor"));
    assert!(removed.is_ok(), "{what}: {removed:?}");
    assert_eq!(left_in(place), Vec::<String>::new(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_leaves_nothing_of_its_race_in_a_directory_and_doctors_do_not_disturb_each_other() {
    let place = tempfile::tempdir().unwrap();
    let options = stele_blob_store::Options { shared: true, ..stele_blob_store::Options::default() };
    let address = stele_blob_store::Address::Directory(place.path().to_owned());
    let store = stele_blob_store::open_changing(&address, &options).unwrap();
    publish(&store, &*log_of(60).await).await.unwrap();
    assert_eq!(left_in(place.path()), Vec::<String>::new());
    let counted = Held::at(&store, u64::MAX);
    let through: Arc<dyn ChangingBlobs> = Arc::<Held>::clone(&counted);
    is_well(&through, "alone").await;
    is_tidy(place.path(), "alone");
    let calls = counted.calls.load(Ordering::SeqCst);
    // Five for its rights, four for the race, three for the time.
    assert!(calls >= 12, "only {calls} calls");
    // One doctor stands still in front of each of its calls, between what it lists and what it removes among them, while another
    // one comes, does everything and goes.
    for at in 0..calls {
        let held = Held::at(&store, at);
        let through: Arc<dyn ChangingBlobs> = Arc::<Held>::clone(&held);
        let what = format!("one held in front of call {at}");
        let other = async {
            held.reached.notified().await;
            let own = held.own().clone();
            is_well(&store, &what).await;
            for name in own {
                assert!(store.head(&name).await.is_ok(), "{what}: the other one has removed {name}");
            }
            held.go.notify_one();
        };
        tokio::join!(is_well(&through, &what), other);
        is_tidy(place.path(), &what);
    }
}

impl BlobStore for Held {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(async move {
            self.called().await;
            let put = self.inner.put(name, bytes).await?;
            self.own().insert(name.clone());
            Ok(put)
        })
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move {
            self.called().await;
            self.inner.get(name).await
        })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        self.inner.get_range(name, range)
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        self.inner.head(name)
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        Box::pin(async move {
            self.called().await;
            self.inner.list(under, after, limit).await
        })
    }
}

impl ChangingBlobs for Held {
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(async move {
            self.called().await;
            self.inner.replace(name, bytes).await
        })
    }

    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(async move {
            self.called().await;
            self.own().remove(name);
            self.inner.remove(name).await
        })
    }

    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>> {
        Box::pin(async move {
            self.called().await;
            self.inner.kept_at(name).await
        })
    }
}
