//! A server of the KurrentDB protocol that nobody takes for a desk's: of itself it says what a node of a cluster says, and
//! what touches streams it hands on to a door, with whatever the door answers.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::server_features::server_features_server::{
    ServerFeatures, ServerFeaturesServer,
};
use stele_proto::kurrent::client::server_features::{SupportedMethod, SupportedMethods};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// What it offers: persistent subscriptions are what tells a server from the door of a desk.
const METHODS: [(&str, &[&str]); 2] = [
    ("event_store.client.streams.streams", &["read", "append", "batchappend", "delete", "tombstone"]),
    ("event_store.client.persistent_subscriptions.persistentsubscriptions", &["create", "read", "list"]),
];

/// The server, which ends when this is dropped.
pub struct NobodysServer {
    pub address: SocketAddr,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl NobodysServer {
    /// Opens it before this door. Must be called within a runtime.
    pub fn before(door: SocketAddr) -> Self {
        let door = Endpoint::from_shared(format!("http://{door}")).expect("an address").connect_lazy();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
        // Without it every answer waits for the one before to be confirmed.
        let incoming = incoming.with_nodelay(Some(true));
        let address = incoming.local_addr().expect("its address");
        let router =
            Server::builder().add_service(ServerFeaturesServer::new(Cluster)).add_service(Through(door));
        let serving = tokio::spawn(router.serve_with_incoming(incoming));
        Self { address, serving }
    }
}

impl Drop for NobodysServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a cluster says of itself.
struct Cluster;

#[tonic::async_trait]
impl ServerFeatures for Cluster {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().flat_map(|(service, methods)| {
            methods.iter().map(|method| SupportedMethod {
                method_name: (*method).to_owned(),
                service_name: (*service).to_owned(),
                features: vec![],
            })
        });
        let event_store_server_version = "26.1.0".to_owned();
        Ok(Response::new(SupportedMethods { methods: methods.collect(), event_store_server_version }))
    }
}

/// Hands on what touches streams.
#[derive(Clone)]
struct Through(Channel);

impl NamedService for Through {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl Service<http::Request<Body>> for Through {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut door = self.0.clone();
        Box::pin(async move {
            let ready = poll_fn(|context| door.poll_ready(context)).await;
            let answer = match ready {
                Ok(()) => door.call(request).await,
                Err(error) => Err(error),
            };
            Ok(answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
        })
    }
}
