//! Answers that say no: `application/problem+json` (RFC 9457) with a stable code.
//!
//! Codes with underscores are the desk's own rules, as they stand in the log; codes with dashes are the door's.

use crate::dto;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stele_commands::control::{Fault, Refused};
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::StoreError;
use stele_projections::FoldError;
use stele_projections::compare::CompareError;
use stele_projections::past::PastError;
use uuid::Uuid;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// The code of a log that holds something else than was written.
pub(crate) const LOG_DAMAGED: &str = "log-damaged";

/// The code of a log whose archive has lost a part of it: that is put back, where damage is restored.
pub(crate) const LOG_LOST: &str = "log-lost";

/// After how many seconds to ask again what could not be answered now.
const RETRY_AFTER_S: u64 = 1;

/// Rules about what was asked; the others are about how things stand.
const RULES_ON_CONTENT: [&str; 10] = [
    "reason_missing",
    "limits_invalid",
    "bad_expiry",
    "unknown_pair",
    "unknown_tokens",
    "too_many_entries",
    "bad_owner",
    "bad_label",
    "scope_beyond_role",
    "bad_processes",
];

/// Rules about what was named and is not there.
const RULES_ON_NAMES: [&str; 2] = ["unknown_key", "unknown_request"];

/// A no on its way out. Boxed, because it travels in every result.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<No>);

#[derive(Debug, Clone)]
struct No {
    said: dto::Problem,
    /// Whole seconds after which asking again may help.
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let said = dto::Problem {
            kind: format!("urn:stele:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            errors: vec![],
            log_position: None,
            command_id: None,
        };
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self(Box::new(No { said, retry_after_s }))
    }

    /// A field, a parameter or a header that can't be read.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::field_as("bad-request", field, message)
    }

    /// The same, under a code of its own.
    pub(crate) fn field_as(code: &str, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, format!("{field}: {message}"));
        problem.0.said.errors.push(dto::FieldError { field: field.to_owned(), message });
        problem
    }

    /// Several at once; at least one.
    pub(crate) fn fields(errors: Vec<dto::FieldError>) -> Self {
        let named: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let first = errors.first().map(|error| error.message.as_str()).unwrap_or_default();
        let mut problem = Self::bad_request(format!("{}: {first}", named.join(", ")));
        problem.0.said.errors = errors;
        problem
    }

    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
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

    /// A position that the log has not come to.
    pub(crate) fn beyond(head: Position) -> Self {
        let detail = format!("the log ends at position {head}: what is to come can't be asked for by number");
        Self::conflict("position-beyond-head", detail).at(head.0)
    }

    /// What is said, for doors that say it in another form.
    pub(crate) fn said(&self) -> &dto::Problem {
        &self.0.said
    }

    /// The words.
    pub(crate) fn detail(&self) -> &str {
        &self.0.said.detail
    }

    /// The same with another name for a field, where doors call it differently.
    pub(crate) fn renamed(mut self, field: &str, name: &str) -> Self {
        for error in self.0.said.errors.iter_mut().filter(|error| error.field == field) {
            name.clone_into(&mut error.field);
        }
        let detail = &mut self.0.said.detail;
        if let Some(rest) = detail.strip_prefix(field).filter(|rest| rest.starts_with(':')) {
            *detail = format!("{name}{rest}");
        }
        self
    }

    /// Asking again may help after this many seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// After how many seconds asking again may help.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    pub(crate) fn of_command(mut self, command_id: Uuid) -> Self {
        self.0.said.command_id = Some(command_id);
        self
    }

    pub(crate) fn at(mut self, log_position: u64) -> Self {
        self.0.said.log_position = Some(log_position);
        self
    }

    /// A person's wish that came to nothing.
    pub(crate) fn refused(refused: &Refused, command_id: Uuid) -> Self {
        let problem = match refused {
            Refused::Rule { code, message } => {
                let status = if RULES_ON_CONTENT.contains(&code.as_ref()) {
                    StatusCode::UNPROCESSABLE_ENTITY
                } else if RULES_ON_NAMES.contains(&code.as_ref()) {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::CONFLICT
                };
                Self::new(status, code, message)
            }
            Refused::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, "forbidden", refused.to_string()),
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
            Refused::Failed { fault, .. } => {
                let detail = format!(
                    "{refused}; this does not pass by itself, and whether it was done is not known: when it is \
                     mended, ask again with the same Idempotency-Key"
                );
                Self::lasting(*fault, detail)
            }
        };
        problem.of_command(command_id)
    }

    /// What was to be read of the desk itself, and was not.
    pub(crate) fn unread(refused: &Refused) -> Self {
        match refused {
            Refused::Failed { fault, .. } => Self::lasting(*fault, refused.to_string()),
            Refused::Unavailable(_)
            | Refused::Forbidden { .. }
            | Refused::Rule { .. }
            | Refused::IdReused(_)
            | Refused::NotHere(_) => Self::unavailable("desk-unavailable", refused.to_string()),
        }
    }

    /// What somebody has to mend before it can be asked again: never a 503, and never with `Retry-After`.
    pub(crate) fn lasting(fault: Fault, detail: impl Into<String>) -> Self {
        let failed = |code, detail| Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail);
        match fault {
            Fault::Damaged => failed(LOG_DAMAGED, detail.into()),
            Fault::Lost => failed(LOG_LOST, detail.into()),
            Fault::Unreadable => failed("event-unreadable", detail.into()),
            Fault::Stopped => failed("log-failed", detail.into()),
            // It is this process that may not, whoever asks it: no credential of the caller's would help.
            Fault::Denied => Self::conflict("log-denied", detail),
            Fault::KeptOut => Self::conflict("archive-denied", detail),
        }
    }
}

/// Only what may pass by itself is to be asked for again.
impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let detail = with_causes(&error);
        match Fault::of_log(&error) {
            None => Self::unavailable("log-unavailable", detail),
            Some(fault) => Self::lasting(fault, detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::UnknownTable(name) => Self::not_found(
                "unknown-table",
                format!("there is no table {name:?}: the list of tables has those that there are"),
            ),
            StoreError::BadQuery { column, why, .. } => Self::field(column, *why),
            StoreError::Unavailable(_) => Self::unavailable("tables-unavailable", with_causes(&error)),
            // As for a wish that another process decides: asked again, this one says the same.
            StoreError::Elsewhere(_) => Self::conflict("not-here", with_causes(&error)),
            StoreError::Rebuilding { .. } => Self::conflict("rebuild-under-way", with_causes(&error)),
            StoreError::OldTables { .. } => Self::conflict("old-tables-kept", with_causes(&error)),
            StoreError::Conflict { .. }
            | StoreError::OtherVersion { .. }
            | StoreError::Undigested { .. }
            | StoreError::UnknownProjection(_)
            | StoreError::Misfit(_)
            | StoreError::Refused { .. }
            | StoreError::Invalid(_)
            | StoreError::Damaged(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "tables-failed", with_causes(&error))
            }
        }
    }
}

impl From<PastError> for Problem {
    fn from(error: PastError) -> Self {
        let detail = with_causes(&error);
        match error {
            PastError::BeyondHead { head, .. } => Self::conflict("position-beyond-head", detail).at(head.0),
            PastError::Future { .. } => Self::field("as_of", detail),
            PastError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-at-once", detail).retry_after(1)
            }
            PastError::NotOpen | PastError::TooFar { .. } => Self::unavailable("past-unavailable", detail),
            PastError::TablesBehind { at, .. } => Self::unavailable("projection-behind", detail).at(at.0),
            PastError::Log(error) => Self::from(error),
            PastError::Store(StoreError::Damaged(_)) => {
                Self::unavailable("past-unavailable", format!("{detail}; they are made anew"))
            }
            PastError::Store(error) => Self::from(error),
            PastError::Fold(cause) => unfolded(*cause, detail),
            PastError::Ended(_) => Self::internal(detail),
        }
    }
}

/// What lies between a past state and what was asked for can't be folded: where that is the log's doing, it is told as such.
fn unfolded(cause: CompareError, detail: String) -> Problem {
    match cause {
        CompareError::Log(error) | CompareError::Fold(FoldError::Parking { source: error, .. }) => {
            Problem::from(error)
        }
        CompareError::Fold(_)
        | CompareError::Newer(_)
        | CompareError::Store(_)
        | CompareError::Short { .. }
        | CompareError::Moved { .. }
        | CompareError::OutOfOrder(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "tables-failed", detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let No { said, retry_after_s } = *self.0;
        let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem is strings and numbers: it always has a JSON form.
        let body = serde_json::to_vec(&said).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stele\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use axum::http::header;
    use axum::response::IntoResponse;
    use std::sync::Arc;
    use stele_domain::port::blob_store::BlobError;
    use stele_domain::port::event_log::{Expected, LogError, Position, StreamId};
    use stele_domain::port::read_store::{Misfit, StoreError};
    use stele_projections::compare::CompareError;
    use stele_projections::past::PastError;
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    fn every_error() -> Vec<(LogError, u16, &'static str, Code)> {
        let conflict = LogError::Conflict {
            stream: StreamId::new("account-desk.near").unwrap(),
            expected: Expected::NoStream,
            actual: None,
        };
        let damaged = LogError::Damaged { file: "1.log".to_owned(), offset: 7, what: "a sum".to_owned() };
        let owned = LogError::Owned { directory: "data".to_owned(), owner: "pid 7".to_owned() };
        vec![
            (LogError::Unreachable("gone".into()), 503, "log-unavailable", Code::Unavailable),
            (LogError::Full, 503, "log-unavailable", Code::Unavailable),
            (LogError::Denied("not yours".to_owned()), 409, "log-denied", Code::FailedPrecondition),
            (conflict, 500, "log-failed", Code::Internal),
            (LogError::Invalid("empty".to_owned()), 500, "log-failed", Code::Internal),
            (LogError::Stopped("fsync".to_owned()), 500, "log-failed", Code::Internal),
            (damaged, 500, "log-damaged", Code::DataLoss),
            (LogError::Lost("put it back".into()), 500, "log-lost", Code::DataLoss),
            (owned, 500, "log-failed", Code::Internal),
        ]
    }

    /// As the log tells it: the archive's word, shared, somewhere behind it.
    fn denied() -> LogError {
        let source = "403 Forbidden".into();
        let said = BlobError::Denied { store: "s3://archive".to_owned(), source };
        LogError::Unreachable(Box::new(std::io::Error::other(std::io::Error::other(Reading(Arc::new(said))))))
    }

    /// What was tried.
    #[derive(Debug, thiserror::Error)]
    #[error("reading a segment failed")]
    struct Reading(#[source] Arc<BlobError>);

    #[test]
    fn an_archive_that_lets_nobody_in_is_a_matter_of_rights_and_not_to_be_asked_again() {
        let problem = Problem::from(denied());
        let said = problem.said();
        assert_eq!((said.status, said.code.as_str()), (409, "archive-denied"));
        assert!(said.detail.contains("does not let this process"), "{}", said.detail);
        assert!(problem.retry_after_s().is_none());
        let away = BlobError::Unreachable { store: "s3://archive".to_owned(), source: "gone".into() };
        let away = Problem::from(LogError::Unreachable(Box::new(away)));
        assert_eq!((away.said().code.as_str(), away.retry_after_s().is_some()), ("log-unavailable", true));
    }

    #[test]
    fn a_past_that_the_log_keeps_from_being_folded_is_told_as_of_the_log() {
        let of_the_log = |error: LogError| PastError::from(CompareError::Log(error));
        let (short, head) = (Position(7), Position(2));
        for (error, status, code, again) in [
            (of_the_log(LogError::Unreachable("late".into())), 503, "log-unavailable", true),
            (of_the_log(LogError::Lost("put it back".into())), 500, "log-lost", false),
            (of_the_log(denied()), 409, "archive-denied", false),
            (PastError::from(CompareError::Short { head, position: short }), 500, "tables-failed", false),
        ] {
            let problem = Problem::from(error);
            let said = problem.said();
            assert_eq!((said.status, said.code.as_str()), (status, code), "{}", said.detail);
            assert_eq!(problem.retry_after_s().is_some(), again, "{code}");
        }
    }

    #[test]
    fn tables_that_can_t_answer_as_they_are_are_not_to_be_asked_again() {
        let conflict = StoreError::Conflict {
            projection: "orders".to_owned(),
            expected: Position(1),
            actual: Position(2),
        };
        let other = StoreError::OtherVersion { projection: "orders".to_owned(), stored: 1, offered: 2 };
        let (position, digested) = (Position(2), Position(1));
        let undigested = StoreError::Undigested { projection: "orders".to_owned(), position, digested };
        let misfit = Misfit { table: "orders", column: "id".to_owned(), why: "is no text".to_owned() };
        for (error, status, code) in [
            (StoreError::Unavailable("gone".into()), 503, "tables-unavailable"),
            (conflict, 500, "tables-failed"),
            (other, 500, "tables-failed"),
            (undigested, 500, "tables-failed"),
            (StoreError::UnknownProjection("orders".to_owned()), 500, "tables-failed"),
            (StoreError::Misfit(misfit), 500, "tables-failed"),
            (StoreError::Invalid("empty".to_owned()), 500, "tables-failed"),
            (StoreError::Damaged("a row".to_owned()), 500, "tables-failed"),
            (StoreError::Elsewhere("in another process".to_owned()), 409, "not-here"),
            (StoreError::UnknownTable("order".to_owned()), 404, "unknown-table"),
            (
                StoreError::BadQuery { table: "orders", column: "id".to_owned(), why: "no" },
                400,
                "bad-request",
            ),
        ] {
            let (words, transient) = (error.to_string(), error.is_transient());
            let problem = Problem::from(error);
            assert_eq!((problem.said().status, problem.said().code.as_str()), (status, code), "{words}");
            assert_eq!(problem.retry_after_s().is_some(), transient, "{words}");
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_to_be_asked_for_again() {
        for (error, status, code, grpc) in every_error() {
            let (words, transient) = (error.to_string(), error.is_transient());
            let problem = Problem::from(error);
            let said = problem.said();
            assert_eq!((said.status, said.code.as_str()), (status, code), "{words}");
            assert_eq!(said.kind, format!("urn:stele:problem:{code}"));
            assert!(said.detail.starts_with(&words), "{}", said.detail);
            let told = Status::from(problem.clone());
            assert_eq!((told.code(), told.get_details_retry_info().is_some()), (grpc, transient), "{words}");
            let response = problem.into_response();
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), transient, "{words}");
        }
    }
}
