//! How a no is said: a status with the trailers that clients of this protocol look at, a batch's error, and the details of
//! the second generation.

use crate::name::{InvalidName, Name};
use crate::observe;
use bytes::Bytes;
use prost::Message as _;
use prost_types::Any;
use stele_domain::port::event_log::{APPEND_BYTES_MAX, Expected, LogError};
use stele_proto::kurrent::client;
use stele_proto::kurrent::client::streams::batch_append_resp;
use stele_proto::kurrent::client::wrong_expected_version::{
    CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Believed,
};
use stele_proto::kurrent::v2::errors;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// What stands before the name of a message in an `Any`.
const TYPE_PREFIX: &str = "type.googleapis.com/";
const FIRST: &str = "event_store.client";
const SECOND: &str = "kurrentdb.protocol.v2.streams.errors";

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum No {
    /// The stream is not where the writer believed.
    #[error(
        "WrongExpectedVersion. Stream: {stream}, Expected version: {}, Actual version: {}",
        number(*.expected), state(*.actual)
    )]
    WrongVersion {
        /// The stream.
        stream: Name,
        /// What the writer believed.
        expected: Expected,
        /// Its last revision; `None` when it has no event.
        actual: Option<u64>,
    },
    /// The stream is deleted.
    #[error("Event stream '{0}' is deleted.")]
    Deleted(Name),
    /// Conditions of an append to several streams do not hold.
    #[error("{} of the conditions do not hold; the first is of stream {}", .0.len(), .0.first().map_or("", |v| v.stream.as_str()))]
    Violations(Vec<Violation>),
    /// A session names a stream twice.
    #[error("stream {0} was named before in this session")]
    Twice(Name),
    /// The caller is not known.
    #[error("{0}")]
    Stranger(String),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// More than one append may carry.
    #[error("an append has at most {APPEND_BYTES_MAX} bytes and 4096 events: send less at once")]
    TooLarge,
    /// A key that every event needs.
    #[error("an event has no {0:?} among its metadata")]
    Missing(&'static str),
    /// The request makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// There is no room now.
    #[error("{0}")]
    Busy(String),
    /// The caller took too long.
    #[error("{0}")]
    Late(String),
    /// The desk is closing.
    #[error("the desk is closing: connect again")]
    Closing,
    /// The log's no.
    #[error("{0}")]
    Log(#[from] LogError),
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its place among the conditions.
    pub index: usize,
    /// Of which stream.
    pub stream: Name,
    /// What the writer believed.
    pub expected: i64,
    /// What is so.
    pub actual: i64,
}

impl From<InvalidName> for No {
    fn from(error: InvalidName) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What was believed, as a number.
pub fn number(expected: Expected) -> i64 {
    match expected {
        Expected::NoStream => -1,
        Expected::Any => -2,
        Expected::Exists => -4,
        Expected::Exactly(revision) => i64::try_from(revision.0).unwrap_or(i64::MAX),
    }
}

/// Where a stream is, as a number.
pub fn state(actual: Option<u64>) -> i64 {
    actual.map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX))
}

impl No {
    /// For metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WrongVersion { .. } | Self::Violations(_) => "conflict",
            Self::Deleted(_) => "deleted",
            Self::Stranger(_) => "stranger",
            Self::Denied(_) => "denied",
            Self::TooLarge => "too_large",
            Self::Twice(_) | Self::Missing(_) | Self::Malformed(_) => "malformed",
            Self::Busy(_) => "busy",
            Self::Late(_) => "late",
            Self::Closing => "closing",
            Self::Log(_) => "log",
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::WrongVersion { .. } | Self::Deleted(_) | Self::Violations(_) => Code::FailedPrecondition,
            Self::Stranger(_) => Code::Unauthenticated,
            Self::Denied(_) => Code::PermissionDenied,
            Self::TooLarge | Self::Missing(_) | Self::Malformed(_) => Code::InvalidArgument,
            Self::Busy(_) | Self::Closing => Code::Unavailable,
            Self::Late(_) | Self::Twice(_) => Code::Aborted,
            Self::Log(error) => match error {
                LogError::Conflict { .. } | LogError::Owned { .. } => Code::FailedPrecondition,
                LogError::Invalid(_) => Code::InvalidArgument,
                LogError::Full => Code::ResourceExhausted,
                LogError::Stopped(_) => Code::Internal,
                LogError::Damaged { .. } | LogError::Lost(_) => Code::DataLoss,
                LogError::Denied(_) => Code::PermissionDenied,
                LogError::Unreachable(_) => Code::Unavailable,
            },
        }
    }

    /// As clients of the first generation read it.
    pub fn status(&self) -> Status {
        observe::refused(self);
        let mut trailers = MetadataMap::new();
        let mut say = |key: &'static str, value: &str| {
            // What no header can hold is left out; the message has it.
            if let Ok(value) = MetadataValue::try_from(value) {
                trailers.insert(key, value);
            }
        };
        match self {
            Self::WrongVersion { stream, expected, actual } => {
                say("exception", "wrong-expected-version");
                say("stream-name", stream.as_str());
                say("expected-version", &number(*expected).to_string());
                say("actual-version", &state(*actual).to_string());
            }
            Self::Deleted(stream) => {
                say("exception", "stream-deleted");
                say("stream-name", stream.as_str());
            }
            Self::Stranger(_) | Self::Denied(_) => say("exception", "access-denied"),
            Self::TooLarge => {
                say("exception", "maximum-append-size-exceeded");
                say("maximum-append-size", &APPEND_BYTES_MAX.to_string());
            }
            Self::Missing(key) => {
                say("exception", "missing-required-metadata-property");
                say("required-metadata-properties", key);
            }
            Self::Violations(_)
            | Self::Twice(_)
            | Self::Malformed(_)
            | Self::Busy(_)
            | Self::Late(_)
            | Self::Closing
            | Self::Log(_) => {}
        }
        Status::with_metadata(self.code(), self.to_string(), trailers)
    }

    /// As one append of a batch is answered.
    pub fn in_batch(&self) -> batch_append_resp::Error {
        observe::refused(self);
        let (code, details) = match self {
            Self::WrongVersion { expected, actual, .. } => {
                (Code::AlreadyExists, any(FIRST, "WrongExpectedVersion", &wrong_version(*expected, *actual)))
            }
            Self::Deleted(stream) => {
                let stream_identifier = Some(identifier(stream));
                (Code::NotFound, any(FIRST, "StreamDeleted", &client::StreamDeleted { stream_identifier }))
            }
            Self::Stranger(_) | Self::Denied(_) | Self::Log(LogError::Denied(_)) => {
                (Code::PermissionDenied, any(FIRST, "AccessDenied", &client::AccessDenied {}))
            }
            Self::TooLarge => {
                let max_append_size = u32::try_from(APPEND_BYTES_MAX).unwrap_or(u32::MAX);
                let size = client::MaximumAppendSizeExceeded { max_append_size };
                (Code::InvalidArgument, any(FIRST, "MaximumAppendSizeExceeded", &size))
            }
            Self::Missing(_) | Self::Malformed(_) | Self::Log(LogError::Invalid(_)) => {
                let bad = client::BadRequest { message: self.to_string() };
                (Code::InvalidArgument, any(FIRST, "BadRequest", &bad))
            }
            Self::Late(_) | Self::Log(LogError::Unreachable(_)) => {
                (Code::DeadlineExceeded, any(FIRST, "Timeout", &client::Timeout {}))
            }
            // The protocol has no word for these, so the code says it: clients hand it on, and who repeats an append in vain
            // is told what it is up against.
            Self::Log(
                LogError::Full
                | LogError::Stopped(_)
                | LogError::Damaged { .. }
                | LogError::Lost(_)
                | LogError::Owned { .. }
                | LogError::Conflict { .. },
            ) => (self.code(), any(FIRST, "Unknown", &client::Unknown {})),
            Self::Violations(_) | Self::Twice(_) | Self::Busy(_) | Self::Closing => {
                (Code::Unknown, any(FIRST, "Unknown", &client::Unknown {}))
            }
        };
        batch_append_resp::Error { code: i32::from(code), message: self.to_string(), details: Some(details) }
    }

    /// As clients of the second generation read it.
    pub fn second(&self) -> Status {
        let details = match self {
            Self::WrongVersion { stream, expected, actual } => any(
                SECOND,
                "StreamRevisionConflictErrorDetails",
                &errors::StreamRevisionConflictErrorDetails {
                    stream: stream.as_str().to_owned(),
                    expected_revision: number(*expected),
                    actual_revision: state(*actual),
                },
            ),
            Self::Deleted(stream) => any(
                SECOND,
                "StreamTombstonedErrorDetails",
                &errors::StreamTombstonedErrorDetails { stream: stream.as_str().to_owned() },
            ),
            Self::Twice(stream) => any(
                SECOND,
                "StreamAlreadyInAppendSessionErrorDetails",
                &errors::StreamAlreadyInAppendSessionErrorDetails { stream: stream.as_str().to_owned() },
            ),
            Self::Violations(violations) => {
                any(SECOND, "AppendConsistencyViolationErrorDetails", &violated(violations))
            }
            Self::TooLarge => {
                let most = i32::try_from(APPEND_BYTES_MAX).unwrap_or(i32::MAX);
                let size = errors::AppendTransactionSizeExceededErrorDetails { size: most, max_size: most };
                any(SECOND, "AppendTransactionSizeExceededErrorDetails", &size)
            }
            Self::Stranger(_)
            | Self::Denied(_)
            | Self::Missing(_)
            | Self::Malformed(_)
            | Self::Busy(_)
            | Self::Late(_)
            | Self::Closing
            | Self::Log(_) => return self.status(),
        };
        observe::refused(self);
        let code = if matches!(self, Self::TooLarge) { Code::Aborted } else { self.code() };
        let message = self.to_string();
        let whole = tonic_types::pb::Status {
            code: i32::from(code),
            message: message.clone(),
            details: vec![details],
        };
        Status::with_details(code, message, whole.encode_to_vec().into())
    }
}

fn violated(violations: &[Violation]) -> errors::AppendConsistencyViolationErrorDetails {
    use errors::consistency_violation::{StreamStateViolation, Type};
    let violations = violations.iter().map(|violation| {
        let state = StreamStateViolation {
            stream: violation.stream.as_str().to_owned(),
            expected_state: violation.expected,
            actual_state: violation.actual,
        };
        let check_index = i32::try_from(violation.index).unwrap_or(i32::MAX);
        errors::ConsistencyViolation { check_index, r#type: Some(Type::StreamState(state)) }
    });
    errors::AppendConsistencyViolationErrorDetails { violations: violations.collect() }
}

fn wrong_version(expected: Expected, actual: Option<u64>) -> client::WrongExpectedVersion {
    let none = client::Empty {};
    client::WrongExpectedVersion {
        current_stream_revision_option: Some(
            actual.map_or(Current::CurrentNoStream(none), Current::CurrentStreamRevision),
        ),
        expected_stream_position_option: Some(match expected {
            Expected::Any => Believed::ExpectedAny(none),
            Expected::NoStream => Believed::ExpectedNoStream(none),
            Expected::Exists => Believed::ExpectedStreamExists(none),
            Expected::Exactly(revision) => Believed::ExpectedStreamPosition(revision.0),
        }),
    }
}

/// A stream's name as a message.
pub fn identifier(stream: &Name) -> client::StreamIdentifier {
    client::StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_str().as_bytes()) }
}

fn any(package: &str, name: &str, message: &impl prost::Message) -> Any {
    Any { type_url: format!("{TYPE_PREFIX}{package}.{name}"), value: message.encode_to_vec() }
}
