//! Answers that say no: `application/problem+json` (RFC 9457) with a stable code.
//!
//! Codes with underscores are the desk's own rules, as they stand in the log; codes with dashes are the door's.

use crate::dto;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stele_commands::control::Refused;
use stele_domain::port::event_log::LogError;
use stele_domain::port::read_store::StoreError;
use uuid::Uuid;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Rules about what was asked; the others are about how things stand.
const RULES_ON_CONTENT: [&str; 6] =
    ["reason_missing", "limits_invalid", "bad_expiry", "unknown_pair", "unknown_tokens", "too_many_entries"];

/// A no on its way out. Boxed, because it travels in every result.
#[derive(Debug)]
pub(crate) struct Problem(Box<dto::Problem>);

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(dto::Problem {
            kind: format!("urn:stele:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            errors: vec![],
            log_position: None,
            command_id: None,
        }))
    }

    /// A field, a parameter or a header that can't be read.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad-request", format!("{field}: {message}"));
        problem.0.errors.push(dto::FieldError { field: field.to_owned(), message });
        problem
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn unavailable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The words for a stream that can't send a problem any more.
    pub(crate) fn into_detail(self) -> String {
        self.0.detail
    }

    pub(crate) fn of_command(mut self, command_id: Uuid) -> Self {
        self.0.command_id = Some(command_id);
        self
    }

    pub(crate) fn at(mut self, log_position: u64) -> Self {
        self.0.log_position = Some(log_position);
        self
    }

    /// A person's wish that came to nothing.
    pub(crate) fn refused(refused: &Refused, command_id: Uuid) -> Self {
        let problem = match refused {
            Refused::Rule { code, message } => {
                let on_content = RULES_ON_CONTENT.contains(code);
                let status = if on_content { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::CONFLICT };
                Self::new(status, code, message)
            }
            Refused::IdReused(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", refused.to_string())
            }
            Refused::NotHere(_) => Self::new(StatusCode::CONFLICT, "not-here", refused.to_string()),
            Refused::Unavailable(_) => {
                let detail = format!(
                    "{refused}; whether it was done is not known: ask again with the same Idempotency-Key"
                );
                Self::unavailable("desk-unavailable", detail)
            }
        };
        problem.of_command(command_id)
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        Self::unavailable("log-unavailable", error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::UnknownTable(name) => Self::not_found(
                "unknown-table",
                format!("there is no table {name:?}: GET /v1/tables lists them"),
            ),
            StoreError::BadQuery { column, why, .. } => Self::field(column, *why),
            StoreError::Unavailable(_)
            | StoreError::Conflict { .. }
            | StoreError::OtherVersion { .. }
            | StoreError::UnknownProjection(_)
            | StoreError::Misfit(_)
            | StoreError::Invalid(_) => Self::unavailable("tables-unavailable", error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem is strings and numbers: it always has a JSON form.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
