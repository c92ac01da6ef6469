//! What this server can do, told to everybody: clients ask before they have said who they are.

use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::server_features::server_features_server::ServerFeatures;
use stele_proto::kurrent::client::server_features::{SupportedMethod, SupportedMethods};
use tonic::{Request, Response, Status};

/// The protocol's version: that of the server which first spoke the second generation as it is spoken here.
const VERSION: &str = "26.1.0";

/// Every method, in the lower case that clients look for. Persistent subscriptions are not among them.
const METHODS: [(&str, &[&str]); 4] = [
    ("event_store.client.streams.streams", &["read", "append", "batchappend", "delete", "tombstone"]),
    ("event_store.client.server_features.serverfeatures", &["getsupportedmethods"]),
    ("event_store.client.gossip.gossip", &["read"]),
    ("kurrentdb.protocol.v2.streams.streamsservice", &["appendsession", "appendrecords"]),
];

/// Answers everybody.
#[derive(Debug, Clone, Copy)]
pub struct Features;

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().flat_map(|(service, methods)| {
            methods.iter().map(|method| SupportedMethod {
                method_name: (*method).to_owned(),
                service_name: (*service).to_owned(),
                features: vec![],
            })
        });
        let event_store_server_version = VERSION.to_owned();
        Ok(Response::new(SupportedMethods { methods: methods.collect(), event_store_server_version }))
    }
}
