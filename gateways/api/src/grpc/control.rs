//! Wishes, and what is folded from the log.

use super::outward::status::{alerts as raised, named_service};
use super::outward::{account, control as told};
use super::{inward, wished};
use crate::api::Api;
use crate::desk::{alerts, control, reads};
use crate::dto;
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::control_service_server::ControlService;
use tonic::{Request, Response, Status};

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ControlService for Service {
    async fn arm(&self, request: Request<pb::ArmRequest>) -> Answer<pb::ArmResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = control::arm(&self.0, asking, inward::arm(&message)?).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::ArmResponse { receipt, approval: told::approval(&reply.answer) }))
    }

    async fn approve(&self, request: Request<pb::ApproveRequest>) -> Answer<pb::ApproveResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = control::approve(&self.0, asking, inward::approve(message)?).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::ApproveResponse { receipt }))
    }

    async fn disarm(&self, request: Request<pb::DisarmRequest>) -> Answer<pb::DisarmResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = control::disarm(&self.0, asking, dto::ReasonOrNone { reason: message.reason }).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::DisarmResponse { receipt }))
    }

    async fn kill(&self, request: Request<pb::KillRequest>) -> Answer<pb::KillResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = control::kill(&self.0, asking, dto::ReasonOrNone { reason: message.reason }).await?;
        Ok(Response::new(told::killed(&reply.answer, reply.replayed)))
    }

    async fn pause(&self, request: Request<pb::PauseRequest>) -> Answer<pb::PauseResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let service = inward::service(message.service)?;
        let body = dto::Reason { reason: message.reason };
        let reply = control::pause(&self.0, asking, service, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::PauseResponse { receipt }))
    }

    async fn resume(&self, request: Request<pb::ResumeRequest>) -> Answer<pb::ResumeResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let service = inward::service(message.service)?;
        let body = dto::Reason { reason: message.reason };
        let reply = control::resume(&self.0, asking, service, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::ResumeResponse { receipt }))
    }

    async fn drain(&self, request: Request<pb::DrainRequest>) -> Answer<pb::DrainResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let service = inward::service(message.service)?;
        let body = dto::Reason { reason: message.reason };
        let reply = control::drain(&self.0, asking, service, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::DrainResponse { receipt }))
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Answer<pb::RefreshResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let service = inward::service(message.service)?;
        let body = dto::ReasonOrNone { reason: message.reason };
        let refreshed = control::refresh(&self.0, asking, service, body).await?;
        Ok(Response::new(pb::RefreshResponse { service: named_service(&refreshed.service).into() }))
    }

    async fn set_limits(&self, request: Request<pb::SetLimitsRequest>) -> Answer<pb::SetLimitsResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = control::set_limits(&self.0, asking, inward::set_limits(message)?).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::SetLimitsResponse { receipt }))
    }

    async fn get_limits(&self, _: Request<pb::GetLimitsRequest>) -> Answer<pb::GetLimitsResponse> {
        Ok(Response::new(account::limits_answer(&reads::limits(&self.0).await?)))
    }

    async fn set_pair_filter(
        &self,
        request: Request<pb::SetPairFilterRequest>,
    ) -> Answer<pb::SetPairFilterResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let body = dto::SetFilter { entries: message.entries, reason: message.reason };
        let reply = control::set_filter(&self.0, asking, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::SetPairFilterResponse { receipt }))
    }

    async fn reset_pair_filter(
        &self,
        request: Request<pb::ResetPairFilterRequest>,
    ) -> Answer<pb::ResetPairFilterResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let body = dto::Reason { reason: message.reason };
        let reply = control::reset_filter(&self.0, asking, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::ResetPairFilterResponse { receipt }))
    }

    async fn get_pair_filter(
        &self,
        _: Request<pb::GetPairFilterRequest>,
    ) -> Answer<pb::GetPairFilterResponse> {
        Ok(Response::new(account::filter(&reads::filter(&self.0).await?)))
    }

    async fn get_account(&self, _: Request<pb::GetAccountRequest>) -> Answer<pb::GetAccountResponse> {
        Ok(Response::new(account::answer(&reads::account(&self.0).await?)))
    }

    async fn list_alerts(&self, _: Request<pb::ListAlertsRequest>) -> Answer<pb::ListAlertsResponse> {
        Ok(Response::new(raised(&alerts::answer(&self.0).await?)))
    }

    async fn clear_alert(&self, request: Request<pb::ClearAlertRequest>) -> Answer<pb::ClearAlertResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let body = dto::Reason { reason: message.reason };
        let reply = control::clear_alert(&self.0, asking, &message.kind, body).await?;
        let receipt = Some(told::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::ClearAlertResponse { receipt }))
    }
}
