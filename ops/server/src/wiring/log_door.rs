//! The log of this process for the other processes of the desk, on the same port as everything else.

use std::sync::Arc;
use stele_api::Beside;
use stele_commands::access::Gatekeeper;
use stele_commands::stop::Stop;
use stele_event_log::EmbeddedLog;
use stele_remote_log::{LogService, Stat};
use tokio::sync::watch;
use tonic::service::Routes;

/// What the paths of its methods begin with.
const PREFIX: &str = "/stele.log.v1.EventLog/";

/// The service over the log that is ours. Denials are kept as attempts.
pub(super) fn service(log: &Arc<EmbeddedLog>, gatekeeper: Arc<Gatekeeper>, mut stop: Stop) -> Beside {
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        stop.requested().await;
        end.send_replace(true);
    });
    let hear = move |denial: stele_remote_log::Denial| {
        gatekeeper.denied(&denial.caller, denial.action, &denial.what);
    };
    let numbers = Arc::clone(log);
    let service = LogService::new(Arc::<EmbeddedLog>::clone(log), hear, ended).with_stat(move || {
        let stat = numbers.stat();
        Stat {
            log: stat.log,
            events: stat.events,
            commits: stat.commits,
            bytes: stat.bytes,
            streams: stat.streams,
            segments: stat.segments,
            head: stat.head,
            categories: stat.categories,
        }
    });
    let service = Routes::new(service.into_server()).into_axum_router();
    Beside { prefix: PREFIX, service }
}
