//! The log: pages of events, one event, numbers, checkpoints.

use super::{Answer, json};
use crate::api::Api;
use crate::asked::{Asked, Empty};
use crate::desk::log::{self, LIMIT_DEFAULT, LIMIT_MAX, Question};
use crate::dto::{ConsistencyProof, EventProof};
use crate::params::{Params, Segment};
use crate::problem::Problem;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn stat(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let stat = log::stat(&api).await?;
    json(&stat, Some(stat.as_of))
}

pub(crate) async fn checkpoint(State(api): State<Arc<Api>>, _: Asked<Empty>) -> Answer {
    let checkpoint = log::checkpoint(&api).await?;
    json(&checkpoint, Some(checkpoint.head))
}

pub(crate) async fn event(State(api): State<Arc<Api>>, Segment(position): Segment, params: Params) -> Answer {
    params.finish()?;
    let (event, head) = log::event(&api, place(&position)?).await?;
    json(&event, Some(head))
}

pub(crate) async fn prove(State(api): State<Arc<Api>>, Segment(position): Segment, params: Params) -> Answer {
    params.finish()?;
    let position = place(&position)?;
    let proof = log::prove(&api, position).await?;
    let (first, leaf) = (proof.first.0, proof.leaf_index);
    let told = EventProof::new(position, first, leaf, &proof.payload, &proof.path, &proof.checkpoint);
    json(&told, None)
}

pub(crate) async fn consistency(State(api): State<Arc<Api>>, mut params: Params) -> Answer {
    let old = params.parse("old_commits", "a number of commits")?.unwrap_or_default();
    let new = params.parse("new_commits", "a number of commits")?;
    params.finish()?;
    let proof = log::consistency(&api, old, new).await?;
    json(&ConsistencyProof::new(proof.old_size, proof.new_size, &proof.path, &proof.checkpoint), None)
}

fn place(position: &str) -> Result<u64, Problem> {
    position.parse().map_err(|_| Problem::field("position", "must be a log position, from 1 on"))
}

pub(crate) async fn events(State(api): State<Arc<Api>>, mut params: Params) -> Answer {
    let question = Question {
        categories: params.take_all("category"),
        types: params.take_all("type"),
        stream: params.take("stream")?,
        from: params.parse("from", "a position")?,
        limit: params.limit(LIMIT_DEFAULT, LIMIT_MAX)?,
        backward: params.parse("backward", "true or false")?.unwrap_or(false),
    };
    params.finish()?;
    let page = log::events(&api, question).await?;
    json(&page, Some(page.as_of))
}
