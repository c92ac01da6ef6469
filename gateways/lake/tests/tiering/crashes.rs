//! Whoever tiers and dies, meets another, or can't reach the lake: the next one finishes, and no row is lost or doubled.

use crate::desk::{Desk, Dying, quotes};
use crate::proxy::{Proxy, Spoil};
use crate::s3_server::S3Server;
use crate::support::{Fault, Faulty, memory};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stele_blob_store::{Address, Credentials, Options, open_changing};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Row, StoreError};
use stele_domain::port::tiering::{Histories, KeptDigest, Look, Partition};
use stele_projections::tier::Outcome;

const LEFT: [(u64, Outcome); 3] = [(0, Outcome::Left), (1, Outcome::Left), (2, Outcome::Stays)];

/// A run to the end leads to where any run leads: everything that may leave is in the lake and gone from the tables.
async fn is_finished(desk: &Desk, what: &str) {
    let last = desk.ran("quotes", &quotes()).await;
    let left = LEFT.iter().skip(LEFT.len() - last.len());
    assert!(last.iter().eq(left), "{what}: {last:?}");
    assert_eq!(desk.live("quotes").await.1, 17, "{what}");
    desk.is_whole("quotes").await;
    assert_eq!(desk.facts_of("operations.PartitionTiered").await, 2, "{what}: each is said once");
    let told = desk.tierer().verify(Some("quotes"), |_| ()).await.unwrap();
    assert_eq!((told.sound.len(), told.different), (2, vec![]), "{what}");
}

/// Changes of the lake before the first row: writers race for names.
const RACE: u64 = 24;

async fn at_every_change(faults: &[Fault]) {
    let counting = Faulty::counting(memory());
    let mut desk = Desk::of_quotes(counting.clone(), 2).await;
    is_finished(&desk, "nothing happens").await;
    let count = counting.changes.load(Ordering::SeqCst);
    assert!((RACE + 10..RACE + 40).contains(&count), "{count}");
    for (at, fault) in (RACE - 2..count).flat_map(|at| faults.iter().map(move |fault| (at, *fault))) {
        let inner = memory();
        desk.again(Arc::clone(&inner), 2).await;
        let spoiled: Arc<dyn ChangingBlobs> = Faulty::new(inner, at, fault);
        let died = desk.over(spoiled, desk.facts(), desk.store.clone());
        // What it says does not matter: a process that dies says nothing.
        let _ = died.run(&quotes()).await;
        is_finished(&desk, &format!("{fault:?} at change {at}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_in_front_of_any_change_of_the_lake_is_finished_by_the_next() {
    at_every_change(&[Fault::DiesBefore]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_after_any_change_of_the_lake_is_finished_by_the_next() {
    at_every_change(&[Fault::DiesAfter]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_lake_that_is_lost_and_a_lake_that_is_full_are_finished_by_the_next() {
    at_every_change(&[Fault::AnswerLost, Fault::Full]).await;
}

/// Histories that fail: the process dies in front of taking a partition away, or after it.
struct DyingHistories {
    inner: Arc<dyn Histories>,
    after: bool,
    dead: AtomicBool,
}

impl Histories for DyingHistories {
    fn partitions(&self, older_than_s: Option<u64>) -> PortFuture<'_, Result<Vec<Partition>, StoreError>> {
        self.inner.partitions(older_than_s)
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        kept: &'a [KeptDigest],
    ) -> PortFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            if self.after && !self.dead.swap(true, Ordering::SeqCst) {
                self.inner.drop_partition(partition, kept).await?;
            }
            Err(StoreError::Unavailable("the process has died".into()))
        })
    }

    fn begin_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        self.inner.begin_restore(table, from, to)
    }

    fn restore_rows<'a>(&'a self, table: &'a str, rows: Vec<Row>) -> PortFuture<'a, Result<(), StoreError>> {
        self.inner.restore_rows(table, rows)
    }

    fn finish_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
        rows: u64,
        look: &'a mut Look<'a>,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        self.inner.finish_restore(table, from, to, rows, look)
    }
}

#[tokio::test]
async fn a_process_that_dies_around_the_fact_or_the_partition_is_finished_by_the_next() {
    for after in [false, true] {
        let desk = Desk::of_quotes(memory(), 2).await;
        let facts = Arc::new(Dying { inner: desk.facts(), after });
        let died = desk.over(desk.blobs.clone(), facts, desk.store.clone());
        let said = died.run(&quotes()).await.unwrap();
        assert!(said.iter().all(|done| done.outcome != Outcome::Left), "nothing leaves without its fact");
        is_finished(&desk, &format!("around the fact, after: {after}")).await;

        let desk = Desk::of_quotes(memory(), 2).await;
        let dead = AtomicBool::new(false);
        let histories = Arc::new(DyingHistories { inner: desk.store.clone(), after, dead });
        let died = desk.over(desk.blobs.clone(), desk.facts(), histories);
        let _ = died.run(&quotes()).await;
        is_finished(&desk, &format!("around the partition, after: {after}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_that_tier_at_once_leave_every_row_once() {
    let mut desk = Desk::of_quotes(memory(), 2).await;
    for _ in 0..4 {
        desk.again(memory(), 2).await;
        let (one, other, third) = (desk.tierer(), desk.tierer(), desk.tierer());
        let asked = quotes();
        let (one, other, third) = tokio::join!(one.run(&asked), other.run(&asked), third.run(&asked));
        for said in [one, other, third] {
            for done in said.unwrap() {
                // Whoever was slower says that somebody else is at it, and never that something differs.
                assert!(!matches!(done.outcome, Outcome::Differs(_)), "{done:?}");
            }
        }
        is_finished(&desk, "three at once").await;
    }
}

/// After the tables are folded anew their old rows are there again: they leave again, and are counted once.
#[tokio::test]
async fn rows_that_a_rebuild_brings_back_leave_again_by_the_same_proof_and_are_never_counted_twice() {
    let mut desk = Desk::of_quotes(memory(), 2).await;
    is_finished(&desk, "before").await;
    let facts = desk.facts_of("operations.PartitionTiered").await;
    let log = Arc::clone(&desk.log);
    desk.again(desk.blobs.clone(), 2).await;
    desk.log = log;
    assert_eq!(desk.live("quotes").await.1, 0, "all of it is there");
    desk.is_whole("quotes").await;
    assert_eq!(desk.ran("quotes", &quotes()).await, LEFT);
    desk.is_whole("quotes").await;
    assert_eq!(desk.live("quotes").await.1, 17);
    assert_eq!(desk.facts_of("operations.PartitionTiered").await, facts, "what was known is not said again");
}

/// A store in a bucket behind an address.
fn bucket(endpoint: &str) -> Arc<dyn ChangingBlobs> {
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
    open_changing(&Address::parse("s3://lake/desk").unwrap(), &options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_500_late_or_not_at_all_costs_time_and_no_row() {
    for spoil in [Spoil::ServerError, Spoil::Late(Duration::from_millis(40)), Spoil::AnswerLost] {
        let server = S3Server::start().await;
        server.make_bucket("lake").await;
        let endpoint = server.endpoint();
        let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
        let proxy = Proxy::start(behind, 5, spoil).await;
        let desk = Desk::of_quotes(bucket(&endpoint), 2).await;
        let spoiled = desk.over(bucket(&proxy.address), desk.facts(), desk.store.clone());
        let _ = spoiled.run(&quotes()).await;
        assert!(proxy.spoiled.load(Ordering::SeqCst) > 0, "{spoil:?}");
        desk.is_whole("quotes").await;
        is_finished(&desk, &format!("{spoil:?}")).await;
    }
}
