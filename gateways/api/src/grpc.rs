//! The gRPC door: `stele.api.v1`, health, reflection and gRPC-Web over one application state.
//!
//! It reads messages, asks [`desk`](crate::desk) once, and writes messages; whatever REST answers to the same
//! question, it answers too, with the same code. It decides nothing and parses nothing twice.

mod access;
mod audits;
pub(crate) mod beside;
mod control;
mod deadline;
mod guard;
mod health;
mod inward;
mod log;
mod methods;
mod no;
mod outward;
mod progress;
mod projections;
mod tail;
mod trading;
mod watch;
mod words;

use crate::api::{Api, Visitor};
use crate::asked::BODY_BYTES_MAX;
use crate::desk::asking::Asking;
use crate::problem::Problem;
use axum::{Router, middleware};
use deadline::Deadline;
use std::sync::Arc;
use stele_proto::api::v1::access_service_server::AccessServiceServer;
use stele_proto::api::v1::audit_service_server::AuditServiceServer;
use stele_proto::api::v1::control_service_server::ControlServiceServer;
use stele_proto::api::v1::log_service_server::LogServiceServer;
use stele_proto::api::v1::projection_service_server::ProjectionServiceServer;
use stele_proto::api::v1::trading_service_server::TradingServiceServer;
use tonic::service::Routes;
use tonic::{Request, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_web::GrpcWebLayer;

/// Most bytes of a message that is received: as at the REST door.
pub(crate) const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Every service. Requests whose content type begins with `application/grpc` belong here, gRPC-Web's included; what
/// the door knows of the caller is in their extensions.
pub(crate) fn routes(api: &Arc<Api>) -> Router {
    let mut services = Routes::builder();
    services
        .add_service(
            ControlServiceServer::new(control::Service(Arc::clone(api)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            TradingServiceServer::new(trading::Service(Arc::clone(api)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            LogServiceServer::new(log::Service(Arc::clone(api))).max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            AccessServiceServer::new(access::Service(Arc::clone(api)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            ProjectionServiceServer::new(projections::Service(Arc::clone(api)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            AuditServiceServer::new(audits::Service(Arc::clone(api)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            HealthServer::new(health::Service::new(api)).max_decoding_message_size(guard::HEALTH_BYTES_MAX),
        );
    reflected(&mut services);
    services
        .routes()
        .into_axum_router()
        .layer(middleware::from_fn_with_state(Arc::clone(api), guard::guarded))
        .layer(GrpcWebLayer::new())
}

/// The definitions, as the build compiled them: both versions of reflection, because older clients know only the
/// first.
#[expect(clippy::expect_used, reason = "the descriptors are part of the build; a test reads them back")]
fn reflected(services: &mut tonic::service::RoutesBuilder) {
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(stele_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    services
        .add_service(
            described()
                .build_v1()
                .expect("the descriptors of this build are readable")
                .max_decoding_message_size(guard::REFLECTION_BYTES_MAX),
        )
        .add_service(
            described()
                .build_v1alpha()
                .expect("the descriptors of this build are readable")
                .max_decoding_message_size(guard::REFLECTION_BYTES_MAX),
        );
}

/// Who asks, as the guard found out.
fn visitor<T>(request: &Request<T>) -> Result<Visitor, Status> {
    let found = request.extensions().get::<Visitor>().cloned();
    found.ok_or_else(|| Problem::internal("a method was reached without its guard").into())
}

/// When the caller has gone.
fn deadline_of<T>(request: &Request<T>) -> Deadline {
    request.extensions().get::<Deadline>().copied().unwrap_or(Deadline(None))
}

/// A wish: who asks, under which id, and for what.
fn wished<T>(request: Request<T>, key: impl FnOnce(&T) -> &str) -> Result<(Asking, T), Status> {
    let visitor = visitor(&request)?;
    let message = request.into_inner();
    let key = words::idempotency_key(key(&message))?;
    Ok((Asking::new(&visitor, Some(key)), message))
}
