//! What the process tells of itself while it runs: its gauges, and traces where a collector is named.

use super::core::Core;
use super::parts::Parts;
use super::roles::{Role, Roles};
use crate::config::Config;
use crate::telemetry::{self, Subject, Tracing, Vitals};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use stele_domain::port::read_store::ReadStore;
use stele_lake::figures::Figures;
use stele_projections::runner::Handle;

/// Parts of this process that have figures of their own.
pub(super) struct Shown {
    pub store: Arc<dyn ReadStore>,
    pub projections: Option<Handle>,
    pub lake: Option<Arc<Figures>>,
}

/// Starts the sampler of the gauges, and tracing in the process that folds the log anyway.
pub(super) fn start(
    config: &Config,
    core: &Core,
    roles: &Roles,
    shown: Shown,
    metrics: PrometheusHandle,
    parts: &mut Parts,
) -> Vitals {
    let subject = Subject {
        log: Arc::clone(&core.log),
        clock: Arc::clone(&core.clock),
        account: Arc::clone(&core.account),
        account_id: core.account_id.clone(),
        pair: config.pair.id.clone(),
        price: core.streams.price.clone(),
        inventory: core.streams.inventory.clone(),
        instance: config.instance.clone(),
        version: crate::VERSION,
        roles: roles.names(),
        data_dir: config.data_dir.clone(),
        store: shown.store,
        projections: shown.projections,
        lake: shown.lake,
        health: parts.health(),
        certificates: telemetry::certificates_of(config),
    };
    let vitals = Vitals::new(subject, metrics);
    let (sampler, stop) = (vitals.clone(), parts.stop());
    parts.spawn("the sampler of the gauges", async move {
        sampler.watch(stop).await;
        Ok(())
    });
    if let (Some(options), true) = (&config.telemetry.traces, roles.has(Role::Projections)) {
        let tracing = Tracing {
            log: Arc::clone(&core.log),
            options: options.clone(),
            instance: config.instance.clone(),
            version: crate::VERSION,
        };
        let stop = parts.stop();
        parts.spawn("traces", async move {
            telemetry::trace(tracing, stop).await;
            Ok(())
        });
    }
    vitals
}
