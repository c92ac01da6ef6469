//! A desk on a log that refuses every append to more than one stream: it arms, trades, stops and fails closed all the same,
//! because no rule of safety needs two streams to change at once. The log is nobody's of the desk and stands behind the
//! door that ships; it counts what it refuses.

use crate::crashes::Trading;
use crate::scene::{ACCOUNT, Fleet, LogOfOthers, Member, Setup, selling};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use stele_api::client::new_key;
use stele_api::dto::Arming;
use stele_domain::port::event_log::{Direction, EventLog as _, Record, Revision, StreamId};
use stele_eventstore::{Address, EventStoreLog};
use stele_proto::kurrent::v2::streams_service_client::StreamsServiceClient;
use stele_proto::kurrent::v2::{AppendRecord, AppendRecordsRequest, SchemaInfo};
use stele_simulator::Outcome;
use tonic::Request;

/// More records than the account of a scenario ever has.
const RECORDS_MAX: usize = 4_096;

/// The account's whole story.
async fn story(door: &LogOfOthers) -> Vec<Record> {
    let account = StreamId::new(&format!("account-{ACCOUNT}")).expect("a name");
    let read = door.log.read_stream(&account, Revision(0), Direction::Forward, RECORDS_MAX).await;
    read.expect("the account")
}

/// Offers one record to each of these streams, in one append.
async fn offered_to(at: SocketAddr, streams: &[&str]) -> Result<(), tonic::Status> {
    let mut client = StreamsServiceClient::connect(format!("http://{at}")).await.expect("a connection");
    let record = |stream: &&str| AppendRecord {
        schema: Some(SchemaInfo { format: 1, name: "test.Happened".to_owned(), id: None }),
        data: "{}".into(),
        stream: Some((*stream).to_owned()),
        ..AppendRecord::default()
    };
    let records = streams.iter().map(record).collect();
    let mut request = Request::new(AppendRecordsRequest { records, checks: vec![] });
    request.metadata_mut().insert("authorization", "Bearer outside".parse().expect("a header"));
    client.append_records(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_whose_log_refuses_appends_to_several_streams_arms_trades_and_keeps_within_its_limits() {
    let door = LogOfOthers::open();
    let setup = Setup::default().limited(|limits| {
        limits.open_offers_max = 1;
        limits.open_offers_per_partner_max = 1;
        limits.uncertain_offers_max = 1;
    });
    let fleet = Fleet::armed_on_a_log_of_others(setup, door.address.port()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    let told = fleet.scene.becomes(&first, "settled").await;
    assert_eq!(
        (told.decisions(), told.commands(), told.reservation()),
        (1, 1, "released"),
        "{}",
        told.brief()
    );
    let traffic = Trading::begin(&fleet.scene);
    fleet.scene.until("trading", async || (fleet.scene.offers() >= 6).then_some(())).await;
    traffic.end();

    // As the log has it: at no moment was more than one offer reserved.
    let (mut open, mut most) = (0_i32, 0);
    for record in story(&door).await {
        open += match &*record.event_type {
            "trading.SubmissionStarted" => 1,
            "trading.ReservationReleased" => -1,
            _ => 0,
        };
        most = most.max(open);
    }
    assert_eq!(most, 1, "the limit of open offers");
    fleet.scene.at_most_once().await;

    assert_eq!(door.log.refused(), 0, "the desk has asked for an append to several streams");
    let one = offered_to(door.address, &["orders-1"]).await;
    assert!(one.is_ok(), "one stream is taken: {one:?}");
    let several = offered_to(door.address, &["orders-1", "orders-2"]).await.expect_err("it is refused");
    assert!(several.message().contains("one stream only"), "{several:?}");
    assert_eq!(door.log.refused(), 1, "what refuses is on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_and_a_log_that_is_away_stop_such_a_desk() {
    let mut door = LogOfOthers::open();
    let fleet = Fleet::armed_on_a_log_of_others(Setup::default(), door.address.port()).await;
    let traffic = Trading::begin(&fleet.scene);
    fleet.scene.until("trading", async || (fleet.scene.offers() >= 5).then_some(())).await;

    // Without its log nothing is signed: an offer is fixed there before it is sent.
    let before = story(&door).await.len();
    door.close().await;
    let ready = async || {
        let ready = fleet.scene.client.ready().await.map(|ready| ready.ready);
        (ready.ok() != Some(true)).then_some(())
    };
    fleet.scene.until("a desk without its log says so", ready).await;
    let started = |story: &[Record]| {
        story.iter().filter(|record| &*record.event_type == "trading.SubmissionStarted").count()
    };
    let kept = story(&door).await;
    assert!(kept.len() >= before, "the log is shorter than it was");
    let fixed = started(&kept);
    assert!(fleet.scene.offers() <= u64::try_from(fixed).expect("a number"), "an offer that was not fixed");
    door.serve();
    fleet.sees().await;
    let on = async || {
        fleet.scene.arm_if_disarmed().await;
        (started(&story(&door).await) > fixed + 2).then_some(())
    };
    fleet.scene.until("it goes on when the log is back", on).await;

    // Its process may have a call under way that ended with the door; the kill is one, however often it is asked for.
    let key = new_key();
    let taken = async || fleet.scene.client.kill(key, "a scenario").await.ok();
    let killed = fleet.scene.until("a kill", taken).await.answer;
    assert!(killed.fenced, "{killed:?}\n{}", fleet.last_words());
    let sent = fleet.scene.offers();
    let decided = async || {
        let skipped = fleet.scene.client.status().await.ok()?.counters?.skipped;
        (skipped.get("killed").copied().unwrap_or(0) >= 10).then_some(())
    };
    fleet.scene.until("ten requests were decided after the kill", decided).await;
    traffic.end();
    assert_eq!(fleet.scene.offers(), sent, "a frame came after the kill");
    assert_eq!(fleet.scene.account().await.arming, Arming::Killed);

    // The story of the account by itself: nothing starts behind the kill, whatever other streams hold.
    let mut counts = BTreeMap::new();
    let kept = story(&door).await;
    let behind = kept.iter().skip_while(|record| &*record.event_type != "trading.Killed");
    for record in behind {
        *counts.entry(&*record.event_type).or_insert(0) += 1;
    }
    assert_eq!(
        (counts.get("trading.Killed"), counts.get("trading.SubmissionStarted")),
        (Some(&1), None),
        "{counts:?}"
    );
    assert_eq!(counts.get("trading.KillConfirmed"), Some(&1), "the executor gave its word: {counts:?}");
    assert_eq!(door.log.refused(), 0, "the desk has asked for an append to several streams");
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_such_a_desk_does_not_append_to_another_accounts_or_pairs_streams() {
    let door = LogOfOthers::open();
    let roles = Member::Owner.roles().join(",") + ",strategy,executor,api";
    let text = format!("kurrentdb://{}?tls=false", door.address);
    let address = Address::read(&text, Some(&roles.into())).expect("an address");
    let log = EventStoreLog::new(&address).expect("a log");
    crate::processes_kurrent::refused_elsewhere(&log).await;
    assert_eq!(door.log.head().await.expect("the end").0, 0, "something was kept");
}
