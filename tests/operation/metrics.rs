//! The metrics of a desk that trades, against the catalogue.

use crate::catalogue::catalogue;
use crate::exposition::{Metric, read};
use crate::scene::{Fleet, Member, Scene, Setup, selling};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use stele_api::client::Client;
use stele_api::dto::CreateKey;
use stele_domain::access::Role;
use stele_proto::api::v1::GetStatusRequest;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::streams::read_req::options::all_options::AllOption;
use stele_proto::kurrent::client::streams::read_req::options::{AllOptions, CountOption, StreamOption};
use stele_proto::kurrent::client::streams::streams_client::StreamsClient;
use stele_proto::kurrent::client::streams::{ReadReq, read_req};
use stele_proto::kurrent::v2::streams_service_client::StreamsServiceClient;
use stele_proto::kurrent::v2::{AppendRecord, AppendRecordsRequest, SchemaInfo};
use stele_simulator::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A desk that has traded once, was refused a wish, and was killed.
async fn lived() -> (Scene, BTreeMap<String, Metric>) {
    let scene = Scene::armed(Setup::default()).await;
    let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.becomes(&quote, "settled").await;
    scene.client.kill(stele_api::client::new_key(), "enough").await.expect("a kill");
    let metrics = scene
        .until("the gauges show the kill", async || {
            let metrics = read(&scene.client.metrics().await.ok()?);
            let killed = metrics.get("arm_state")?.samples.first()?.1;
            (killed < 0.0).then_some(metrics)
        })
        .await;
    (scene, metrics)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_shows_the_metrics_of_the_catalogue_and_no_others() {
    let (_scene, shown) = lived().await;
    let catalogue = catalogue();
    let names: BTreeSet<&String> = shown.keys().collect();
    let listed: BTreeSet<&String> = catalogue.keys().collect();
    let unlisted: Vec<_> = names.difference(&listed).collect();
    assert!(unlisted.is_empty(), "not in the catalogue: {unlisted:?}");
    let always: BTreeSet<&String> =
        catalogue.iter().filter(|(_, entry)| !entry.sometimes).map(|(name, _)| name).collect();
    let missing: Vec<_> = always.difference(&names).collect();
    assert!(missing.is_empty(), "in the catalogue and not shown: {missing:?}");
    are_as_the_catalogue_says(&shown);
}

fn are_as_the_catalogue_says(shown: &BTreeMap<String, Metric>) {
    let catalogue = catalogue();
    for (name, metric) in shown {
        let entry = catalogue.get(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        assert_eq!((&entry.kind, &entry.meaning), (&metric.kind, &metric.help), "{name}");
        assert_eq!(entry.labels, metric.labels, "labels of {name}");
    }
}

/// What only a server in trouble, or one that has run for months, shows.
const RARE: [&str; 2] = ["postgres_troubles_total", "postgres_rows_cut_total"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_some_desks_show_is_as_the_catalogue_says_too() {
    let mut shown = on_postgresql().await;
    shown.extend(in_several_processes().await);
    shown.extend(over_the_kurrentdb_protocol().await);
    are_as_the_catalogue_says(&shown);
    let catalogue = catalogue();
    let sometimes =
        catalogue.iter().filter(|(name, entry)| entry.sometimes && !RARE.contains(&name.as_str()));
    let missing: Vec<_> = sometimes.map(|(name, _)| name).filter(|name| !shown.contains_key(*name)).collect();
    assert!(missing.is_empty(), "in the catalogue and shown by no desk: {missing:?}");
}

fn free_address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").to_string()
}

/// Somebody who speaks the KurrentDB protocol: without a key, and then with one.
async fn a_client_of_others(scene: &Scene, address: &str) {
    let wish = CreateKey {
        owner: "shop".to_owned(),
        role: Role::Service,
        label: "a test".to_owned(),
        actions: BTreeSet::new(),
        processes: ["outside".to_owned()].into(),
        expires_at: None,
        for_ms: None,
        reason: "a test".to_owned(),
    };
    let key = scene.client.create_key(stele_api::client::new_key(), &wish).await.expect("a key").answer.key;
    let mut client = StreamsServiceClient::connect(format!("http://{address}")).await.expect("a connection");
    let record = AppendRecord {
        stream: Some("orders-1".to_owned()),
        schema: Some(SchemaInfo { format: 1, name: "Placed".to_owned(), id: None }),
        ..AppendRecord::default()
    };
    let append = AppendRecordsRequest { records: vec![record], checks: vec![] };
    let refused = client.append_records(append.clone()).await.expect_err("no key was shown");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let bearer: tonic::metadata::MetadataValue<_> = format!("Bearer {key}").parse().expect("a header");
    let mut request = tonic::Request::new(append);
    request.metadata_mut().insert("authorization", bearer.clone());
    client.append_records(request).await.expect("it is kept");
    let start = AllOptions { all_option: Some(AllOption::Start(Empty {})) };
    let options = read_req::Options {
        stream_option: Some(StreamOption::All(start)),
        count_option: Some(CountOption::Count(1)),
        ..read_req::Options::default()
    };
    let mut request = tonic::Request::new(ReadReq { options: Some(options) });
    request.metadata_mut().insert("authorization", bearer);
    let mut reader = StreamsClient::connect(format!("http://{address}")).await.expect("a connection");
    let mut read = reader.read(request).await.expect("a reading").into_inner();
    assert!(read.message().await.expect("an event").is_some());
}

/// A desk on a private PostgreSQL, a stranger at its door, and a client of others.
async fn on_postgresql() -> BTreeMap<String, Metric> {
    let (listen, kurrent) = (free_address(), free_address());
    // A server that root starts runs as somebody else, who has to get through to its files.
    let place =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o711)).tempdir().expect("a folder");
    let data = place.path().join("data");
    std::fs::DirBuilder::new().mode(0o711).create(&data).expect("a folder");
    let lake = place.path().join("lake");
    std::fs::create_dir(&lake).expect("a folder");
    let setup = Setup::default()
        .with("database.private", true)
        .with("desk.data_dir", data.to_string_lossy().into_owned())
        .with("kurrent.listen", kurrent.clone())
        .with("kurrent.categories", vec!["*".to_owned()])
        .with("log.witness", place.path().join("witness").to_string_lossy().into_owned())
        .with("log.witness_every_ms", 1_000)
        .with("lake.url", lake.to_string_lossy().into_owned())
        .with("lake.every_ms", 500)
        .with("api.listen", listen.clone());
    let scene = Scene::started(setup).await;
    a_client_of_others(&scene, &kurrent).await;
    let mut stranger = TradingServiceClient::connect(format!("http://{listen}")).await.expect("a connection");
    let answer = stranger.get_status(GetStatusRequest::default()).await;
    assert_eq!(answer.expect_err("no key was shown").code(), tonic::Code::Unauthenticated);
    let metrics = scene
        .until("the witness was told", async || {
            let metrics = read(&scene.client.metrics().await.ok()?);
            let told = metrics.get("log_witness_commits")?.samples.iter().any(|(_, commits)| *commits > 0.0);
            told.then_some(metrics)
        })
        .await;
    let value = |name: &str, label: &str| -> f64 {
        let samples = metrics[name].samples.iter().filter(|(labels, _)| labels.contains(label));
        samples.map(|(_, value)| value).sum()
    };
    assert!((value("postgres_up", "") - 1.0).abs() < f64::EPSILON, "PostgreSQL answers");
    assert!(value("postgres_query_seconds", "") > 0.0, "statements are timed");
    assert!(value("log_witness_failing", "") + value("log_witness_contradicted", "") < 1.0, "and agrees");
    assert!(
        (value("auth_refusals_total", "no-credential") - 2.0).abs() < f64::EPSILON,
        "the strangers at both doors are counted"
    );
    metrics
}

/// A standby executor works on another process's log; it is asked as Prometheus asks it, without a key.
async fn in_several_processes() -> BTreeMap<String, Metric> {
    let mut fleet = Fleet::armed_under_tls(Setup::default()).await;
    fleet.start(Member::Standby);
    let probes = fleet.probes.clone();
    let mut shown = fleet
        .scene
        .until("the standby's gauges", async || {
            let stands_by = scraped(&probes, "/readyz").await?.contains("holds the signing lease");
            let metrics = read(&scraped(&probes, "/metrics").await?);
            (stands_by && metrics.contains_key("lease_held")).then_some(metrics)
        })
        .await;
    assert!(shown["lease_held"].samples.iter().all(|(_, value)| *value < 1.0), "the standby holds no lease");
    let blocked = shown["service_blocked"].samples.iter().find(|(labels, _)| labels.contains("executor"));
    assert!(
        blocked.is_some_and(|(_, value)| *value < 1.0),
        "standing by is what a standby is for: {blocked:?}"
    );
    ends_in_the_future(&shown, "log.ca_file");
    let owner = Client::unix(fleet.scene.file("owner.s"));
    let owners = read(&owner.metrics().await.expect("the owner's metrics"));
    ends_in_the_future(&owners, "api.tls_certificate_file");
    shown.extend(owners);
    shown
}

/// The end of the certificate that this setting names.
fn ends_in_the_future(shown: &BTreeMap<String, Metric>, setting: &str) {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
    let ends = &shown["certificate_expiry_timestamp_seconds"].samples;
    let end = ends.iter().find(|(labels, _)| labels.contains(setting));
    assert!(end.is_some_and(|(_, end)| *end > now), "{setting}: {ends:?}");
}

/// A process that works on the log of another by the client of KurrentDB.
async fn over_the_kurrentdb_protocol() -> BTreeMap<String, Metric> {
    let fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    read(&fleet.scene.client.metrics().await.expect("metrics"))
}

/// What a process answers on its port for probes.
async fn scraped(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gauges_say_how_the_desk_stands() {
    let (scene, shown) = lived().await;
    let value = |name: &str| shown[name].samples.first().expect("a sample").1;
    let sum = |name: &str, label: &str| -> f64 {
        let samples = shown[name].samples.iter().filter(|(labels, _)| labels.contains(label));
        samples.map(|(_, value)| value).sum()
    };
    assert!((value("arm_state") + 1.0).abs() < f64::EPSILON, "killed");
    for up in
        ["ready", "log_writable", "log_reachable", "relay_connected", "lease_held", "projections_working"]
    {
        assert!((value(up) - 1.0).abs() < f64::EPSILON, "{up} is {}", value(up));
    }
    for age in ["price_age_seconds", "inventory_age_seconds", "projection_heartbeat_age_seconds"] {
        assert!((0.0..60.0).contains(&value(age)), "{age} is {}", value(age));
    }
    assert!(value("lease_remaining_seconds") > 0.0, "the lease holds");
    assert!(value("data_disk_free_bytes") > 0.0 && value("process_resident_memory_bytes") > 1e6);
    assert!(sum("commands_total", "type=\"execute\",outcome=\"accepted\"") >= 1.0, "an offer was accepted");
    assert!(sum("commands_total", "type=\"kill\",outcome=\"done\"") >= 1.0, "a kill was done");
    assert!(sum("decisions_total", "outcome=\"act\"") >= 1.0, "a decision was to act");
    let head = scene.client.log_stat().await.expect("numbers of the log").head;
    let shown_head = value("log_head_position");
    assert!(shown_head > 0.0, "the head is {shown_head}, the log is at {head:?}");
}

/// Whoever asks for paths, methods or words that do not exist must not be able to make new series.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_can_make_series() {
    let scene = Scene::started(Setup::default()).await;
    let series = async || {
        let metrics = read(&scene.client.metrics().await.expect("metrics"));
        metrics.values().map(|metric| metric.samples.len()).sum::<usize>()
    };
    // The first of each kind may make a series: an unknown table, a story that is not there.
    let knock = async |round: usize| {
        let word = format!("nothing-{round}");
        let _ = scene.client.rows(&word, &stele_api::client::RowsQuery::default()).await;
        let _ = scene.client.trace(&word).await;
        let _ = scene.client.refresh(&word).await;
    };
    knock(0).await;
    series().await;
    let before = series().await;
    for round in 1..=30 {
        knock(round).await;
    }
    let after = series().await;
    assert!(after <= before + 4, "{before} series became {after}");
}
