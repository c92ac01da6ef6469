//! A desk behind a TCP door that vouches for whoever says their role.

use crate::desk::{Desk, PATIENCE};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use stele_api::{TcpDoor, TcpOptions, Visitor};
use stele_commands::stop::{self, Stop, Stopper};
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_proto::api::v1::access_service_client::AccessServiceClient;
use stele_proto::api::v1::audit_service_client::AuditServiceClient;
use stele_proto::api::v1::control_service_client::ControlServiceClient;
use stele_proto::api::v1::log_service_client::LogServiceClient;
use stele_proto::api::v1::projection_service_client::ProjectionServiceClient;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use tokio::task::JoinHandle;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request as Call, Status};
use tonic_types::StatusExt;

/// The header that says what the caller is.
pub const ROLE: &str = "x-role";

pub struct Served {
    pub desk: Desk,
    pub address: SocketAddr,
    pub stopper: Stopper,
    pub door: JoinHandle<()>,
}

/// Says the role with every call; nothing with `None`.
#[derive(Clone)]
pub struct As(pub Option<Role>);

impl Interceptor for As {
    fn call(&mut self, mut call: Call<()>) -> Result<Call<()>, Status> {
        if let Some(role) = self.0 {
            call.metadata_mut().insert(ROLE, MetadataValue::from_static(role.name()));
        }
        Ok(call)
    }
}

pub type Way = InterceptedService<Channel, As>;

impl Served {
    pub async fn ready() -> Self {
        Self::of(Desk::ready().await).await
    }

    pub async fn open() -> Self {
        Self::of(Desk::open().await).await
    }

    pub async fn of(desk: Desk) -> Self {
        let (stopper, stop) = stop::channel();
        let options = TcpOptions::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let door = TcpDoor::open(options).await.unwrap();
        let address = door.address();
        let router = desk.router().layer(middleware::from_fn_with_state(stop.clone(), vouch));
        let door = tokio::spawn(door.serve(router, stop));
        Self { desk, address, stopper, door }
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn way(&self, role: Option<Role>) -> Way {
        InterceptedService::new(self.channel().await, As(role))
    }

    pub async fn control(&self, role: Role) -> ControlServiceClient<Way> {
        ControlServiceClient::new(self.way(Some(role)).await)
    }

    pub async fn trading(&self, role: Role) -> TradingServiceClient<Way> {
        TradingServiceClient::new(self.way(Some(role)).await)
    }

    pub async fn log(&self, role: Role) -> LogServiceClient<Way> {
        LogServiceClient::new(self.way(Some(role)).await)
    }

    pub async fn access(&self, role: Role) -> AccessServiceClient<Way> {
        AccessServiceClient::new(self.way(Some(role)).await)
    }

    pub async fn projections(&self, role: Role) -> ProjectionServiceClient<Way> {
        ProjectionServiceClient::new(self.way(Some(role)).await)
    }

    pub async fn audits(&self, role: Role) -> AuditServiceClient<Way> {
        AuditServiceClient::new(self.way(Some(role)).await)
    }
}

/// A caller of this role: two of them are the same person.
pub fn caller(role: Role) -> Caller {
    Caller {
        actor: Actor::try_from(format!("person:{role}")).unwrap(),
        role,
        scope: Scope::default(),
        origin: Origin { key_id: None, address: "unix".to_owned() },
    }
}

/// The same, at a door that never closes.
pub fn visitor(role: Role) -> Visitor {
    let (stopper, stop) = stop::channel();
    // A lost stopper is a stop.
    std::mem::forget(stopper);
    Visitor { caller: caller(role), stop }
}

async fn vouch(State(stop): State<Stop>, mut request: Request, next: Next) -> Response {
    let role = request.headers().get(ROLE).and_then(|name| Role::named(name.to_str().ok()?));
    if let Some(role) = role {
        request.extensions_mut().insert(Visitor { caller: caller(role), stop });
    }
    next.run(request).await
}

/// The gRPC code and the code of the problem.
pub fn codes(status: &Status) -> (Code, String) {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

/// Nothing hangs for ever.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}
