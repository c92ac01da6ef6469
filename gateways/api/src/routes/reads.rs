//! What is read from the aggregates themselves.

use super::{Answer, json};
use crate::api::Api;
use crate::desk;
use crate::params::Params;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn account(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let account = desk::reads::account(&api).await?;
    json(&account, Some(account.as_of))
}

pub(crate) async fn limits(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let limits = desk::reads::limits(&api).await?;
    json(&limits, Some(limits.as_of))
}

pub(crate) async fn filter(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let filter = desk::reads::filter(&api).await?;
    json(&filter, Some(filter.as_of))
}

pub(crate) async fn alerts(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    let alerts = desk::alerts::answer(&api).await?;
    json(&alerts, Some(alerts.as_of))
}
