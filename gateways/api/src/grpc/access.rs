//! Who a caller is, roles and keys.

use super::outward::{access as told, control};
use super::{inward, visitor, wished};
use crate::api::Api;
use crate::desk::keys;
use crate::dto;
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::access_service_server::AccessService;
use tonic::{Request, Response, Status};

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AccessService for Service {
    async fn who_am_i(&self, request: Request<pb::WhoAmIRequest>) -> Answer<pb::WhoAmIResponse> {
        Ok(Response::new(told::whoami(keys::whoami(&visitor(&request)?.caller))))
    }

    async fn list_roles(&self, _: Request<pb::ListRolesRequest>) -> Answer<pb::ListRolesResponse> {
        Ok(Response::new(told::roles(keys::roles())))
    }

    async fn create_key(&self, request: Request<pb::CreateKeyRequest>) -> Answer<pb::CreateKeyResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let reply = keys::create(&self.0, asking, inward::create_key(message)?).await?;
        Ok(Response::new(told::created(reply)))
    }

    async fn revoke_key(&self, request: Request<pb::RevokeKeyRequest>) -> Answer<pb::RevokeKeyResponse> {
        let (asking, message) = wished(request, |message| &message.idempotency_key)?;
        let body = dto::Reason { reason: message.reason };
        let reply = keys::revoke(&self.0, asking, &message.key_id, body).await?;
        let receipt = Some(control::receipt(&reply.answer, reply.replayed));
        Ok(Response::new(pb::RevokeKeyResponse { receipt }))
    }

    async fn list_keys(&self, _: Request<pb::ListKeysRequest>) -> Answer<pb::ListKeysResponse> {
        Ok(Response::new(told::keys(keys::list(&self.0).await?)))
    }
}
