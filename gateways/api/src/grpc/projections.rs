//! What projections could not take in, and their rebuilds.

use super::outward::control::receipt;
use super::outward::projections as told;
use super::progress::{self, Progress, Seen};
use super::{deadline_of, visitor, wished};
use crate::api::Api;
use crate::desk::{parked, rebuilds};
use crate::dto;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::projection_service_server::ProjectionService;
use tonic::{Request, Response, Status};

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ProjectionService for Service {
    type WatchRebuildsStream = Progress<pb::WatchRebuildsResponse>;

    async fn list_parked(&self, request: Request<pb::ListParkedRequest>) -> Answer<pb::ListParkedResponse> {
        let known = parked::list(&self.0, &request.into_inner().projection).await?;
        Ok(Response::new(told::list(&known)))
    }

    async fn get_parked(&self, request: Request<pb::GetParkedRequest>) -> Answer<pb::GetParkedResponse> {
        let pb::GetParkedRequest { projection, position } = request.into_inner();
        let detail = parked::show(&self.0, &projection, &position.to_string()).await?;
        Ok(Response::new(told::detail(&detail)))
    }

    async fn retry_parked(
        &self,
        request: Request<pb::RetryParkedRequest>,
    ) -> Answer<pb::RetryParkedResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let pb::RetryParkedRequest { idempotency_key: _, reason, projection, position } = message;
        let at = (projection.as_str(), position.to_string());
        let reply = parked::retry(&self.0, asking, (at.0, &at.1), dto::Reason { reason }).await?;
        let receipt = Some(receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::RetryParkedResponse { receipt }))
    }

    async fn skip_parked(&self, request: Request<pb::SkipParkedRequest>) -> Answer<pb::SkipParkedResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let pb::SkipParkedRequest { idempotency_key: _, reason, projection, position } = message;
        let at = (projection.as_str(), position.to_string());
        let reply = parked::skip(&self.0, asking, (at.0, &at.1), dto::Reason { reason }).await?;
        let receipt = Some(receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::SkipParkedResponse { receipt, remark: reply.answer.remark }))
    }

    async fn list_rebuilds(
        &self,
        request: Request<pb::ListRebuildsRequest>,
    ) -> Answer<pb::ListRebuildsResponse> {
        let known = rebuilds::list(&self.0, &request.into_inner().projection).await?;
        Ok(Response::new(told::rebuilds(&known)))
    }

    async fn watch_rebuilds(
        &self,
        request: Request<pb::WatchRebuildsRequest>,
    ) -> Answer<Self::WatchRebuildsStream> {
        let (visitor, deadline) = (visitor(&request)?, deadline_of(&request));
        let name = request.into_inner().projection;
        // Nobody waits for a stream to hear that there is no such projection.
        rebuilds::named(&name)?;
        let api = Arc::clone(&self.0);
        let look = move || {
            let (api, name) = (Arc::clone(&api), name.clone());
            let looked: PortFuture<'static, _> = Box::pin(async move {
                let known = rebuilds::list(&api, &name).await?;
                let over = !known.rebuilds.iter().any(told::is_under_way);
                Ok(Seen { told: told::progress(&known), over })
            });
            looked
        };
        Ok(Response::new(progress::open(&self.0, visitor, deadline, look)?))
    }

    async fn start_rebuild(
        &self,
        request: Request<pb::StartRebuildRequest>,
    ) -> Answer<pb::StartRebuildResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let pb::StartRebuildRequest { idempotency_key: _, reason, projection, from_zero, despite_difference } =
            message;
        let body = dto::StartRebuild { reason, from_zero, despite_difference };
        let begun = rebuilds::start(&self.0, asking, &projection, body).await?;
        let (command_id, projections) = (begun.command_id.to_string(), begun.projections);
        Ok(Response::new(pb::StartRebuildResponse { command_id, projections }))
    }

    async fn drop_replaced(
        &self,
        request: Request<pb::DropReplacedRequest>,
    ) -> Answer<pb::DropReplacedResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let pb::DropReplacedRequest { idempotency_key: _, reason, projection } = message;
        let dropped = rebuilds::drop_old(&self.0, asking, &projection, dto::Reason { reason }).await?;
        let (command_id, projections) = (dropped.command_id.to_string(), dropped.projections);
        Ok(Response::new(pb::DropReplacedResponse { command_id, projections }))
    }
}
