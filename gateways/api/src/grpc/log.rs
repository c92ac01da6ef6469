//! The log itself: pages, single events, numbers, proofs. The stream is in `tail.rs`.

use super::outward::log as told;
use super::tail::{self, Tailing};
use super::words::{as_of, page_refused, page_size};
use super::{deadline_of, visitor};
use crate::api::Api;
use crate::desk::log::{self, LIMIT_DEFAULT, Question};
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::log_service_server::LogService;
use tonic::{Request, Response, Status};

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LogService for Service {
    type TailStream = Tailing;

    async fn tail(&self, request: Request<pb::TailRequest>) -> Answer<Tailing> {
        let (visitor, deadline) = (visitor(&request)?, deadline_of(&request));
        let tailing = tail::open(&self.0, request.into_inner(), visitor, deadline).await?;
        Ok(Response::new(tailing))
    }

    async fn list(&self, request: Request<pb::ListRequest>) -> Answer<pb::ListResponse> {
        let message = request.into_inner();
        let question = Question {
            categories: message.categories,
            types: message.event_types,
            stream: Some(message.stream).filter(|stream| !stream.is_empty()),
            from: message.from,
            limit: page_size(message.page_size, LIMIT_DEFAULT),
            backward: message.backward,
        };
        let found = log::records_in(&*self.0.log, question).await.map_err(page_refused)?;
        Ok(Response::new(pb::ListResponse {
            events: found.records.iter().map(told::event).collect(),
            next: found.next,
            as_of: Some(as_of(found.head, found.head)),
        }))
    }

    async fn get(&self, request: Request<pb::GetRequest>) -> Answer<pb::GetResponse> {
        let (record, head) = log::record_in(&*self.0.log, request.into_inner().position).await?;
        Ok(Response::new(pb::GetResponse { event: Some(told::event(&record)), head }))
    }

    async fn stat(&self, _: Request<pb::StatRequest>) -> Answer<pb::StatResponse> {
        Ok(Response::new(told::stat(&log::stat(&self.0).await?)))
    }

    async fn checkpoint(&self, _: Request<pb::CheckpointRequest>) -> Answer<pb::CheckpointResponse> {
        let answer = log::checkpoint(&self.0).await?;
        Ok(Response::new(pb::CheckpointResponse { checkpoint: answer.checkpoint, head: answer.head }))
    }

    async fn prove(&self, request: Request<pb::ProveRequest>) -> Answer<pb::ProveResponse> {
        let position = request.into_inner().position;
        Ok(Response::new(told::proof(position, log::prove(&self.0, position).await?)))
    }

    async fn prove_consistency(
        &self,
        request: Request<pb::ProveConsistencyRequest>,
    ) -> Answer<pb::ProveConsistencyResponse> {
        let asked = request.into_inner();
        let proof = log::consistency(&self.0, asked.old_commits, asked.new_commits).await?;
        Ok(Response::new(told::consistency(proof)))
    }
}
