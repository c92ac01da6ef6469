//! How the log's no crosses the wire: a status that any gRPC client understands, with the exact reason among its
//! details (`google.rpc.Status`), so that nothing is lost on the way.

use crate::wire::{Malformed, expected_in, expected_out, stream};
use prost::Message as _;
use prost_types::Any;
use std::error::Error;
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::{LogError, Revision};
use stele_proto::log::v1 as proto;
use tonic::{Code, Status};

/// What stands before the name of a message in an `Any`.
const TYPE_PREFIX: &str = "type.googleapis.com/";
/// The name of the message that says it exactly.
const FAILURE: &str = "stele.log.v1.LogFailure";

/// A peer that can't be understood, or none at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Words(String);

/// The log's no as a status.
pub fn status(error: &LogError) -> Status {
    let (code, why) = match error {
        LogError::Conflict { stream, expected, actual } => {
            let conflict = proto::Conflict {
                stream: stream.as_str().to_owned(),
                expected: Some(expected_out(*expected)),
                actual: actual.map(|revision| revision.0),
            };
            (Code::Aborted, proto::log_failure::Why::Conflict(conflict))
        }
        LogError::Invalid(what) => {
            let invalid = proto::Invalid { what: what.clone() };
            (Code::InvalidArgument, proto::log_failure::Why::Invalid(invalid))
        }
        LogError::Full => (Code::ResourceExhausted, proto::log_failure::Why::Full(proto::Full {})),
        LogError::Stopped(what) => {
            let stopped = proto::Stopped { what: what.clone() };
            (Code::Internal, proto::log_failure::Why::Stopped(stopped))
        }
        LogError::Damaged { file, offset, what } => {
            let damaged = proto::Damaged { file: file.clone(), offset: *offset, what: what.clone() };
            (Code::DataLoss, proto::log_failure::Why::Damaged(damaged))
        }
        LogError::Lost(source) => {
            let lost = proto::Lost { what: with_causes(&**source) };
            (Code::DataLoss, proto::log_failure::Why::Lost(lost))
        }
        LogError::Owned { directory, owner } => {
            let owned = proto::Owned { directory: directory.clone(), owner: owner.clone() };
            (Code::FailedPrecondition, proto::log_failure::Why::Owned(owned))
        }
        LogError::Denied(what) => {
            let denied = proto::Denied { what: what.clone() };
            (Code::PermissionDenied, proto::log_failure::Why::Denied(denied))
        }
        LogError::Unreachable(source) => {
            let unreachable = proto::Unreachable { what: source.to_string() };
            (Code::Unavailable, proto::log_failure::Why::Unreachable(unreachable))
        }
    };
    with_details(code, error.to_string(), &proto::LogFailure { why: Some(why) })
}

/// A no that is the service's own: the caller may not do this.
pub fn denied(what: String) -> Status {
    status(&LogError::Denied(what))
}

/// A message that the service can't make sense of.
pub fn malformed(error: &Malformed) -> Status {
    status(&LogError::Invalid(error.to_string()))
}

fn with_details(code: Code, message: String, failure: &proto::LogFailure) -> Status {
    let detail = Any { type_url: format!("{TYPE_PREFIX}{FAILURE}"), value: failure.encode_to_vec() };
    let whole =
        tonic_types::pb::Status { code: i32::from(code), message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, whole.encode_to_vec().into())
}

/// The status of an answer as the log's no.
///
/// Whatever is not known to have been said by the log itself leaves the outcome open.
pub fn error(status: &Status) -> LogError {
    if let Some(exact) = exact(status) {
        return exact;
    }
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => LogError::Denied(status.message().to_owned()),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => unreachable(words(status)),
    }
}

/// What a status says, with its first cause: that a certificate was not believed may stand only there.
fn words(status: &Status) -> String {
    let mut words = format!("{}: {}", status.code(), status.message());
    let mut first = status.source();
    while let Some(cause) = first.and_then(Error::source) {
        first = Some(cause);
    }
    if let Some(cause) = first.map(ToString::to_string).filter(|cause| !words.contains(cause)) {
        words.push_str(": ");
        words.push_str(&cause);
    }
    // Whether the reason came through before the connection was gone is a race that the peer has no part in.
    if matches!(status.code(), Code::Cancelled | Code::Unknown) && status.source().is_some() {
        words.push_str(
            " before there was an answer; under TLS this is how a certificate is refused, or missed",
        );
    }
    words
}

/// An answer that can't be understood.
pub fn garbled(error: &Malformed) -> LogError {
    unreachable(format!("the answer can't be read: {error}"))
}

pub fn unreachable(what: String) -> LogError {
    LogError::Unreachable(Box::new(Words(what)))
}

fn exact(status: &Status) -> Option<LogError> {
    let whole = tonic_types::pb::Status::decode(status.details()).ok()?;
    let detail = whole.details.iter().find(|any| any.type_url.rsplit('/').next() == Some(FAILURE))?;
    let failure = proto::LogFailure::decode(detail.value.as_slice()).ok()?;
    said(failure.why?).ok()
}

fn said(why: proto::log_failure::Why) -> Result<LogError, Malformed> {
    use proto::log_failure::Why;
    Ok(match why {
        Why::Conflict(conflict) => LogError::Conflict {
            stream: stream(&conflict.stream)?,
            expected: expected_in(conflict.expected)?,
            actual: conflict.actual.map(Revision),
        },
        Why::Invalid(invalid) => LogError::Invalid(invalid.what),
        Why::Full(_) => LogError::Full,
        Why::Stopped(stopped) => LogError::Stopped(stopped.what),
        Why::Damaged(damaged) => {
            LogError::Damaged { file: damaged.file, offset: damaged.offset, what: damaged.what }
        }
        Why::Lost(lost) => LogError::Lost(Box::new(Words(lost.what))),
        Why::Owned(owned) => LogError::Owned { directory: owned.directory, owner: owned.owner },
        Why::Unreachable(unreachable) => LogError::Unreachable(Box::new(Words(unreachable.what))),
        Why::Denied(denied) => LogError::Denied(denied.what),
    })
}

#[cfg(test)]
mod tests;
