//! Probes for a process without doors: whether it lives, whether it is ready, and its metrics. For the machines that
//! look after it; nothing of the desk can be read or changed here. The doors answer the same questions in the same words.

use crate::api::{Build, RoleHealth};
use crate::desk::ready::readiness;
use crate::dto::{Health, Ready};
use crate::observe;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use stele_domain::port::event_log::EventLog;
use stele_projections::runner::Handle;

/// The text form that Prometheus reads.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the probes look at.
pub struct Probes {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The runner of the projections, when it runs here.
    pub projections: Option<Handle>,
    /// How the roles of this process are.
    pub health: Arc<dyn Fn() -> Vec<RoleHealth> + Send + Sync>,
    /// The metrics, in the text form that Prometheus reads.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What runs here.
    pub build: Build,
}

/// `/livez`, `/readyz` and `/metrics`, for everybody who can reach them.
pub fn probes(probes: Probes) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(probes))
}

async fn livez(State(probes): State<Arc<Probes>>) -> Response {
    alive(&probes.build)
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Response {
    readied(probes.ready().await)
}

async fn metrics(State(probes): State<Arc<Probes>>) -> Response {
    measured(&probes.ready().await, &*probes.metrics)
}

impl Probes {
    async fn ready(&self) -> Ready {
        readiness(&*self.log, self.projections.as_ref(), (self.health)()).await
    }
}

/// The process answers; nothing else is asked.
pub(crate) fn alive(build: &Build) -> Response {
    let (version, instance) = (build.version.clone(), build.instance.clone());
    Json(Health { status: "live".to_owned(), version, instance }).into_response()
}

/// Whether everything works: 200 or 503, with each part.
pub(crate) fn readied(ready: Ready) -> Response {
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

/// The metrics of a process, and among them whether it is ready now.
pub(crate) fn measured(ready: &Ready, metrics: &(dyn Fn() -> String + Send + Sync)) -> Response {
    observe::readiness(ready.ready);
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Probes, probes};
    use crate::api::{Build, RoleHealth};
    use axum::body::Body;
    use axum::http::Request;
    use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use stele_domain::operations::service::event::Service;
    use stele_domain::port::clock::Clock;
    use stele_domain::time::Timestamp;
    use stele_event_log::MemoryLog;
    use tower::ServiceExt;

    struct Standstill;

    impl Clock for Standstill {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_790_000_000_000)
        }
    }

    /// Remembers `ready`, as bits; no number until it is set.
    struct Only(Arc<Told>);

    struct Told(AtomicU64);

    impl GaugeFn for Told {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            self.0.store(value.to_bits(), Ordering::SeqCst);
        }
    }

    impl Recorder for Only {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            if key.name() == "ready" { Gauge::from_arc(Arc::clone(&self.0)) } else { Gauge::noop() }
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[tokio::test]
    async fn the_metrics_of_a_process_without_doors_say_whether_it_is_ready() {
        let told = Arc::new(Told(AtomicU64::new(f64::NAN.to_bits())));
        let only = Only(Arc::clone(&told));
        let _recorder = metrics::set_default_local_recorder(&only);
        let running = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&running);
        let router = probes(Probes {
            log: Arc::new(MemoryLog::new(Arc::new(Standstill))),
            projections: None,
            health: Arc::new(move || {
                let running = seen.load(Ordering::SeqCst);
                vec![RoleHealth { service: Service::Executor, running, why: "stands by".to_owned() }]
            }),
            metrics: Arc::new(|| "desk_up 1\n".to_owned()),
            build: Build { version: "0.1.0".to_owned(), instance: "desk-1".to_owned() },
        });
        for (is, value) in [(true, 1.0_f64), (false, 0.0)] {
            running.store(is, Ordering::SeqCst);
            let asked = Request::get("/metrics").body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(asked).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(told.0.load(Ordering::SeqCst), value.to_bits(), "ready while running is {is}");
        }
    }
}
