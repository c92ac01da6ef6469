//! The event log's contract over the official client, with a real server behind it: the protocol door of a desk.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod cluster;
mod faults;
mod server;

#[path = "../../../../tests/conformance/event_log/suite.rs"]
mod suite;

use server::Server;
use std::sync::Arc;
use stele_domain::port::event_log::EventLog;

#[test]
fn it_keeps_the_contract_of_the_event_log() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let servers = std::cell::RefCell::new(vec![]);
    runtime.block_on(suite::every_rule(|| {
        let server = Server::open();
        let log: Arc<dyn EventLog> = Arc::new(server.client());
        servers.borrow_mut().push(server);
        log
    }));
}
