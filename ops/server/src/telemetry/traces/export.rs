//! The way to the collector: batches out, one at a time, each within a limit.

use super::story::Span;
use crate::observe;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::time::{Duration, SystemTime};
use stele_domain::time::Timestamp;
use tokio::sync::mpsc;

/// Longest wait for the collector to take a batch.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// A collector, reachable or not.
pub(super) struct Exporter {
    collector: SpanExporter,
    endpoint: String,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Connects when the first batch goes out.
    pub(super) fn new(endpoint: &str, instance: &str, version: &'static str) -> Result<Self, String> {
        let builder =
            SpanExporter::builder().with_tonic().with_endpoint(endpoint.to_owned()).with_timeout(EXPORT_MAX);
        let mut collector = builder.build().map_err(|error| error.to_string())?;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "stele"),
            KeyValue::new("service.version", version),
            KeyValue::new("service.instance.id", instance.to_owned()),
        ]);
        collector.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("stele").with_version(version).build();
        Ok(Self { collector, endpoint: endpoint.to_owned(), scope })
    }

    /// Sends what comes; what the collector does not take is dropped. Says once that it is away, and once that it is
    /// back.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Vec<Span>>) {
        let mut away = false;
        while let Some(batch) = waiting.recv().await {
            let count = batch.len();
            let spans = batch.into_iter().map(|span| self.data(span)).collect();
            let sent = tokio::time::timeout(EXPORT_MAX, self.collector.export(spans)).await;
            let why = match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", EXPORT_MAX.as_secs())),
            };
            observe::spans(if why.is_none() { "sent" } else { "dropped" }, count);
            match (&why, away) {
                (Some(why), false) => observe::collector_away(&self.endpoint, why),
                (None, true) => observe::collector_back(&self.endpoint),
                (Some(_), true) | (None, false) => {}
            }
            away = why.is_some();
        }
    }

    fn data(&self, span: Span) -> SpanData {
        let context = SpanContext::new(
            TraceId::from(span.trace),
            SpanId::from(span.id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        SpanData {
            span_context: context,
            parent_span_id: if span.parent == 0 { SpanId::INVALID } else { SpanId::from(span.parent) },
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: span.name.into(),
            start_time: moment(span.start),
            end_time: moment(span.end),
            attributes: span.attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.failed.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0))
}
