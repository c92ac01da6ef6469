//! What an operator relies on: metrics, alerts, runbooks, the dashboard, log lines, traces, deployments, guides.
//!
//! Each is compared with the running program or with each other, so that none can go stale: a metric that is renamed, an
//! alert without a page, a setting that is gone, a command in a guide that does not exist.
#![expect(clippy::expect_used, clippy::panic, reason = "the support of tests is test code too")]

mod alerts;
mod catalogue;
mod dashboard;
mod deployments;
mod exposition;
mod guides;
mod lines;
mod metrics;
mod rebuild;
mod roles;
#[path = "../scenarios"]
mod shared {
    //! The worlds of the scenarios, which use all of it.
    #![expect(dead_code, unused_imports, reason = "shared with the scenarios")]
    pub mod scene;
}
mod traces;
mod yaml;

use shared::scene;
