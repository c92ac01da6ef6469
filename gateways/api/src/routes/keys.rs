//! Who may do what: the caller, the roles, the keys.

use super::{Answer, json};
use crate::api::{Api, Visitor};
use crate::asked::Asked;
use crate::desk::keys;
use crate::dto;
use crate::params::{Params, Segment};
use axum::Extension;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn whoami(Extension(visitor): Extension<Visitor>, params: Params) -> Answer {
    params.finish()?;
    json(&keys::whoami(&visitor.caller), None)
}

pub(crate) async fn roles(params: Params) -> Answer {
    params.finish()?;
    json(&keys::roles(), None)
}

pub(crate) async fn list(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let keys = keys::list(&api).await?;
    json(&keys, Some(keys.as_of))
}

pub(crate) async fn create(State(api): State<Arc<Api>>, asked: Asked<dto::CreateKey>) -> Answer {
    let created = keys::create(&api, asked.asking, asked.body).await?;
    json(&created, created.log_position)
}

pub(crate) async fn revoke(
    State(api): State<Arc<Api>>,
    Segment(key_id): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    super::control::written(&keys::revoke(&api, asked.asking, &key_id, asked.body).await?)
}
