//! Wishes: arm, disarm, kill, limits, filter, alerts, and the switches of the services.

use super::{Answer, json};
use crate::api::Api;
use crate::asked::Asked;
use crate::desk::control::{self, Reply};
use crate::dto::{self, Outcome, Written};
use crate::params::Segment;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use std::sync::Arc;

/// Says that an answer is the first one again.
const REPLAYED: &str = "idempotent-replayed";

pub(crate) async fn arm(State(api): State<Arc<Api>>, asked: Asked<dto::Arm>) -> Answer {
    written(&control::arm(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn approve(State(api): State<Arc<Api>>, asked: Asked<dto::Approve>) -> Answer {
    written(&control::approve(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn disarm(State(api): State<Arc<Api>>, asked: Asked<dto::ReasonOrNone>) -> Answer {
    written(&control::disarm(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn kill(State(api): State<Arc<Api>>, asked: Asked<dto::ReasonOrNone>) -> Answer {
    let reply = control::kill(&api, asked.asking, asked.body).await?;
    Ok(marked(json(&reply.answer, reply.answer.log_position)?, reply.replayed))
}

pub(crate) async fn set_limits(State(api): State<Arc<Api>>, asked: Asked<dto::SetLimits>) -> Answer {
    written(&control::set_limits(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn set_filter(State(api): State<Arc<Api>>, asked: Asked<dto::SetFilter>) -> Answer {
    written(&control::set_filter(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn reset_filter(State(api): State<Arc<Api>>, asked: Asked<dto::Reason>) -> Answer {
    written(&control::reset_filter(&api, asked.asking, asked.body).await?)
}

pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&control::pause(&api, asked.asking, &service, asked.body).await?)
}

pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&control::resume(&api, asked.asking, &service, asked.body).await?)
}

pub(crate) async fn drain(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&control::drain(&api, asked.asking, &service, asked.body).await?)
}

pub(crate) async fn refresh(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::ReasonOrNone>,
) -> Answer {
    json(&control::refresh(&api, asked.asking, &service, asked.body).await?, None)
}

pub(crate) async fn clear_alert(
    State(api): State<Arc<Api>>,
    Segment(kind): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&control::clear_alert(&api, asked.asking, &kind, asked.body).await?)
}

pub(super) fn written(reply: &Reply<Written>) -> Answer {
    let mut response = json(&reply.answer, reply.answer.log_position)?;
    *response.status_mut() = match reply.answer.outcome {
        Outcome::Recorded | Outcome::AlreadySo => StatusCode::OK,
        Outcome::ApprovalNeeded => StatusCode::ACCEPTED,
    };
    Ok(marked(response, reply.replayed))
}

fn marked(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
