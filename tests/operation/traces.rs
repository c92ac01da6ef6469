//! Traces, as a collector receives them: one per quote, from its arrival to its end, and none that holds the desk up.

use crate::scene::{Scene, Setup, selling};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stele_domain::ids::{CorrelationId, QuoteId};
use stele_simulator::Outcome;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<BTreeSet<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            for attribute in resource.resource.iter().flat_map(|resource| &resource.attributes) {
                let Some(Any::StringValue(text)) = attribute.value.clone().and_then(|value| value.value)
                else {
                    continue;
                };
                self.services.lock().expect("services").insert(format!("{}={text}", attribute.key));
            }
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().expect("spans").extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens; gives its address. Ends with the test.
    async fn started() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        (collector, endpoint)
    }

    /// Spans of a quote by their names.
    fn of(&self, quote: &str) -> BTreeMap<String, Span> {
        let id = QuoteId::try_from(quote.to_owned()).expect("an id");
        let trace = CorrelationId::of_quote(&id).0.as_bytes().to_vec();
        let spans = self.spans.lock().expect("spans");
        let of_it = spans.iter().filter(|span| span.trace_id == trace);
        of_it.map(|span| (span.name.clone(), span.clone())).collect()
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    let value = found.value.clone()?.value?;
    let Any::StringValue(text) = value else { panic!("{key} is no text: {value:?}") };
    Some(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_is_one_trace_from_its_arrival_to_the_release_of_its_coin() {
    let (collector, endpoint) = Collector::started().await;
    let scene = Scene::armed(Setup::default().with("telemetry.otlp_endpoint", endpoint)).await;
    let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.released(&quote).await;
    let spans = scene
        .until("the whole trace", async || {
            let spans = collector.of(&quote);
            spans.contains_key("quote").then_some(spans)
        })
        .await;
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    assert_eq!(names, ["decide", "fix", "quote", "release", "settle", "submit"]);
    let whole = &spans["quote"];
    assert!(whole.parent_span_id.is_empty(), "the root has no parent");
    assert_eq!(attribute(whole, "result").as_deref(), Some("settled"));
    let mut end = whole.start_time_unix_nano;
    for name in ["decide", "fix", "submit", "settle", "release"] {
        let span = &spans[name];
        assert_eq!(span.parent_span_id, whole.span_id, "{name} belongs to the quote");
        assert!(span.start_time_unix_nano >= end, "{name} begins before what led to it ended");
        assert!(span.end_time_unix_nano <= whole.end_time_unix_nano, "{name} ends after the quote");
        assert_eq!(attribute(span, "quote_id"), Some(quote.clone()));
        end = span.start_time_unix_nano;
    }
    assert_eq!(attribute(&spans["decide"], "decision").as_deref(), Some("act"));
    assert!(attribute(&spans["submit"], "command_id").is_some());
    let services = collector.services.lock().expect("services").clone();
    assert!(services.contains("service.name=stele") && services.contains("service.instance.id=scenario"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skipped_quote_is_a_trace_unless_they_are_left_out() {
    for (skipped, expected) in [(true, vec!["decide", "quote"]), (false, vec![])] {
        let (collector, endpoint) = Collector::started().await;
        let setup = Setup::default()
            .with("telemetry.otlp_endpoint", endpoint)
            .with("telemetry.otlp_skipped", skipped);
        let scene = Scene::started(setup).await;
        let quote = scene.asks(selling(Outcome::DeskWins));
        scene.decided(&quote).await;
        scene.set_limits().await;
        scene.arm().await;
        // What is acted on later is told after it.
        let acted = scene.until_acted(|| selling(Outcome::DeskWins)).await;
        scene
            .until("a later trace", async || collector.of(&acted).contains_key("decide").then_some(()))
            .await;
        assert_eq!(collector.of(&quote).keys().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_slows_nothing_and_ends_nothing() {
    // Takes connections and says nothing for ever.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            held.push(socket);
        }
    });
    let mut scene = Scene::armed(Setup::default().with("telemetry.otlp_endpoint", endpoint)).await;
    for _ in 0..3 {
        let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
        scene.becomes(&quote, "settled").await;
    }
    scene
        .until("it is said that traces are dropped", async || {
            scene.desk.words().contains("telemetry.collector_away").then_some(())
        })
        .await;
    scene.at_most_once().await;
    let began = std::time::Instant::now();
    scene.desk.stop().await;
    assert!(began.elapsed() < Duration::from_secs(20), "the stop waited for the collector");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_is_said_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let setup = Setup::default().with("telemetry.otlp_endpoint", format!("http://{free}"));
    let scene = Scene::armed(setup).await;
    for _ in 0..3 {
        let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
        scene.becomes(&quote, "settled").await;
    }
    scene
        .until("dropped spans are counted", async || {
            let metrics = scene.client.metrics().await.ok()?;
            let metrics = crate::exposition::read(&metrics);
            let dropped = metrics["trace_spans_total"].samples.iter();
            dropped.clone().any(|(labels, value)| labels.contains("dropped") && *value > 5.0).then_some(())
        })
        .await;
    assert_eq!(scene.desk.words().matches("telemetry.collector_away").count(), 1);
}
