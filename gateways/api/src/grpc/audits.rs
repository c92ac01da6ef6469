//! Audits: begun, looked at, watched, and their reports.

use super::outward::audits as told;
use super::progress::{self, Progress, Seen, late, stalled};
use super::{deadline_of, visitor, wished};
use crate::api::Api;
use crate::desk::{audits, visit};
use crate::doors::Room;
use crate::dto;
use crate::handover::{handed_over, in_pieces};
use futures_util::stream;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::audit_service_server::AuditService;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AuditService for Service {
    type WatchAuditStream = Progress<pb::WatchAuditResponse>;
    type GetAuditReportStream = Progress<pb::GetAuditReportResponse>;

    async fn start_audit(&self, request: Request<pb::StartAuditRequest>) -> Answer<pb::StartAuditResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let pb::StartAuditRequest { idempotency_key: _, reason, projection, position } = message;
        let body = dto::StartAudit { projection, position, reason };
        let audit = audits::start(&self.0, asking, body).await?;
        Ok(Response::new(pb::StartAuditResponse { audit: Some(told::audit(&audit)) }))
    }

    async fn list_audits(&self, _: Request<pb::ListAuditsRequest>) -> Answer<pb::ListAuditsResponse> {
        let audits = self.0.audits.list().iter().map(told::audit).collect();
        Ok(Response::new(pb::ListAuditsResponse { audits }))
    }

    async fn get_audit(&self, request: Request<pb::GetAuditRequest>) -> Answer<pb::GetAuditResponse> {
        let audit = audits::get(&self.0, audits::named(&request.into_inner().id)?)?;
        Ok(Response::new(pb::GetAuditResponse { audit: Some(told::audit(&audit)) }))
    }

    async fn watch_audit(&self, request: Request<pb::WatchAuditRequest>) -> Answer<Self::WatchAuditStream> {
        let (visitor, deadline) = (visitor(&request)?, deadline_of(&request));
        let id = audits::named(&request.into_inner().id)?;
        // Nobody waits for a stream to hear that there is no such audit.
        audits::get(&self.0, id)?;
        let api = Arc::clone(&self.0);
        let look = move || {
            let seen = audits::get(&api, id).map(|audit| Seen {
                over: audit.state != dto::AuditState::Running,
                told: pb::WatchAuditResponse { audit: Some(told::audit(&audit)) },
            });
            let looked: PortFuture<'static, _> = Box::pin(std::future::ready(seen));
            looked
        };
        Ok(Response::new(progress::open(&self.0, visitor, deadline, look)?))
    }

    /// In parts, since a report may be larger than the longest message that most clients take.
    async fn get_audit_report(
        &self,
        request: Request<pb::GetAuditReportRequest>,
    ) -> Answer<Self::GetAuditReportStream> {
        let (visitor, deadline) = (visitor(&request)?, deadline_of(&request));
        let seat = self.0.doors.rooms.seat(Room::Reads, &visit::who(&visitor.caller))?;
        let report = audits::report(&self.0, audits::named(&request.into_inner().id)?)?;
        let parts = in_pieces(report).map(move |part| {
            let _ = &seat;
            Ok(pb::GetAuditReportResponse { part: part.to_vec() })
        });
        let cut = move || {
            let is_over = deadline.0.is_some_and(|until| until <= Instant::now());
            Err(Status::from(if is_over { late() } else { stalled() }))
        };
        Ok(Response::new(Box::pin(handed_over(stream::iter(parts), deadline.0, cut))))
    }
}
