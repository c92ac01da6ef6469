//! What an error of the client crate means for the log's callers.

use eventstore::Error;
use stele_domain::port::event_log::LogError;
use tonic::Code;

/// An outcome that is not known: the same call may be made again with the same ids.
pub fn unreachable(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::Unreachable(what.into())
}

/// Why a call failed, where no stream was found in another state than believed.
///
/// The crate folds most codes into text. What is not known to be a lasting no counts as "no answer": asking again with the
/// same ids does no harm.
pub fn failed(error: Error) -> LogError {
    match error {
        Error::AccessDenied => LogError::Denied(
            "the KurrentDB server does not let this user do it: see the user in `log.url` and what it may"
                .to_owned(),
        ),
        Error::ResourceDeleted => {
            LogError::Denied("the stream was deleted on the KurrentDB server".to_owned())
        }
        Error::UnsupportedFeature => LogError::Denied(
            "the KurrentDB server does not know the call: it needs version 21.10 or newer".to_owned(),
        ),
        // The crate's own `Code` is of an older tonic; the numbers are gRPC's.
        Error::Grpc { code, message } => match Code::from(i32::from(code)) {
            Code::InvalidArgument | Code::OutOfRange => LogError::Invalid(message),
            Code::PermissionDenied | Code::Unauthenticated | Code::NotFound => LogError::Denied(message),
            Code::ResourceExhausted => exhausted(&message),
            Code::DataLoss => {
                LogError::Damaged { file: "the KurrentDB server".to_owned(), offset: 0, what: message }
            }
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable => unreachable(Error::Grpc { code, message }),
        },
        other @ (Error::ServerError(_)
        | Error::NotLeaderException(_)
        | Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::InternalParsingError(_)
        | Error::ResourceAlreadyExists
        | Error::ResourceNotFound
        | Error::InternalClientError
        | Error::DeadlineExceeded
        | Error::InitializationError(_)
        | Error::IllegalStateError(_)
        | Error::WrongExpectedVersion { .. }) => unreachable(other),
    }
}

/// Servers, and the crates on the way to them, say it of a disk without room, of messages beyond a limit, and of whatever
/// else has one: only the words tell which.
fn exhausted(message: &str) -> LogError {
    let words = message.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if has(&["disk", "space", "storage"]) {
        return LogError::Full;
    }
    if words.contains("message") && has(&["larger", "exceeds", "too large", "size"]) {
        return LogError::Invalid(format!(
            "the KurrentDB server, or the way to it, refuses the size: {message}"
        ));
    }
    unreachable(format!("the KurrentDB server is at a limit of its own: {message}"))
}

/// Whether the client would go on answering this without ever trying again.
pub fn lasting(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionClosed
            | Error::GrpcConnectionError(_)
            | Error::InitializationError(_)
            | Error::IllegalStateError(_)
            | Error::InternalClientError
    )
}

/// Whether the connection, and not the request, may be to blame.
pub fn of_the_way(error: &Error) -> bool {
    lasting(error) || matches!(error, Error::ServerError(_) | Error::DeadlineExceeded)
}

#[cfg(test)]
mod tests {
    use super::failed;
    use eventstore::Error;
    use stele_domain::port::event_log::LogError;

    #[test]
    fn only_a_disk_without_room_is_a_full_log() {
        let exhausted = |words: &str| failed(Error::Grpc { code: 8.into(), message: words.to_owned() });
        assert!(matches!(exhausted("There is not enough space on the disk."), LogError::Full));
        let large = exhausted("Received message exceeds the maximum configured message size.");
        assert!(
            matches!(&large, LogError::Invalid(what) if what.contains("maximum configured")),
            "{large:?}"
        );
        let busy = exhausted("too many requests of this user");
        assert!(matches!(busy, LogError::Unreachable(_)) && busy.is_transient(), "{busy:?}");
        assert!(stele_domain::causes::with_causes(&busy).contains("too many requests"), "{busy:?}");
    }
}
