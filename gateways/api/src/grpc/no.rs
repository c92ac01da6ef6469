//! A no, as gRPC says it: a status with `ErrorInfo` (its reason is the problem's code), the fields that are wrong,
//! what stands against it, and when to ask again.

use crate::handover::STALL_MAX;
use crate::problem::{LOG_DAMAGED, LOG_LOST, Problem};
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// Whose codes these are.
pub(crate) const DOMAIN: &str = "stele";

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        status(&problem)
    }
}

pub(crate) fn status(problem: &Problem) -> Status {
    let said = problem.said();
    let code = code(said.status, &said.code);
    let mut details = ErrorDetails::new();
    let position = said.log_position.map(|position| ("log_position".to_owned(), position.to_string()));
    let command = said.command_id.map(|id| ("command_id".to_owned(), id.to_string()));
    let metadata: HashMap<String, String> = position.into_iter().chain(command).collect();
    details.set_error_info(&said.code, DOMAIN, metadata);
    if !said.errors.is_empty() {
        let wrong = said.errors.iter().map(|error| FieldViolation::new(&error.field, &error.message));
        details.set_bad_request(wrong.collect::<Vec<_>>());
    }
    if code == Code::FailedPrecondition {
        let stands_against = PreconditionViolation::new(&said.code, DOMAIN, &said.detail);
        details.set_precondition_failure(vec![stands_against]);
    }
    if let Some(seconds) = problem.retry_after_s() {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    if let Some(id) = said.command_id {
        details.set_request_info(id.to_string(), "");
    }
    Status::with_error_details(code, &said.detail, details)
}

/// The gRPC code of a problem: by its HTTP status, which every problem has.
fn code(status: u16, code: &str) -> Code {
    match StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
        StatusCode::UNPROCESSABLE_ENTITY if code == "idempotency-key-reused" => Code::AlreadyExists,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND if code == "unknown-route" => Code::Unimplemented,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR if [LOG_DAMAGED, LOG_LOST].contains(&code) => Code::DataLoss,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

/// The answer of a request that is refused before its method is reached: a status and no message.
pub(crate) fn answer(problem: &Problem) -> Response {
    status(problem).into_http()
}

/// The end of a stream that nobody reads.
pub(super) fn stalled() -> Problem {
    let detail = format!(
        "nothing of the stream was taken for {} s: go on after the last position that came",
        STALL_MAX.as_secs()
    );
    Problem::unavailable("stalled", detail)
}

#[cfg(test)]
mod tests {
    use super::{DOMAIN, status};
    use crate::problem::Problem;
    use axum::http::StatusCode;
    use tonic::Code;
    use tonic_types::StatusExt;
    use uuid::Uuid;

    #[test]
    fn a_problem_keeps_its_code_fields_and_command_on_the_way() {
        let id = Uuid::from_u128(7);
        let told = status(&Problem::field("limits.notional_max", "is no amount").of_command(id));
        let details = told.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (told.code(), info.reason.as_str(), info.domain.as_str()),
            (Code::InvalidArgument, "bad-request", DOMAIN)
        );
        assert_eq!(info.metadata.get("command_id"), Some(&id.to_string()));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "limits.notional_max");
        assert_eq!(details.request_info().unwrap().request_id, id.to_string());
        assert!(details.retry_info().is_none() && details.precondition_failure().is_none());
    }

    #[test]
    fn what_stands_against_a_wish_is_a_precondition_and_what_may_pass_says_when() {
        let against = status(&Problem::conflict("limits_changed", "others are in force"));
        let violation = against.get_details_precondition_failure().unwrap().violations.remove(0);
        assert_eq!((against.code(), violation.r#type.as_str()), (Code::FailedPrecondition, "limits_changed"));
        let later = status(&Problem::unavailable("busy", "full"));
        assert!(later.get_details_retry_info().unwrap().retry_delay.is_some());
        assert_eq!(later.code(), Code::Unavailable);
    }

    #[test]
    fn every_status_that_a_problem_may_have_has_a_code_of_its_own_kind() {
        for (http, code) in [
            (StatusCode::BAD_REQUEST, Code::InvalidArgument),
            (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
            (StatusCode::FORBIDDEN, Code::PermissionDenied),
            (StatusCode::NOT_FOUND, Code::NotFound),
            (StatusCode::METHOD_NOT_ALLOWED, Code::Internal),
            (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
            (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted),
            (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
            (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded),
        ] {
            assert_eq!(status(&Problem::new(http, "some-code", "words")).code(), code, "{http}");
        }
    }
}
