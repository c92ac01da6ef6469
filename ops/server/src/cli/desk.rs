//! Asking the running desk, and what its no's and silences mean for the exit code.

use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use std::future::Future;
use stele_api::client::{Client, ClientError};

/// Asks the desk behind the configured socket.
pub(crate) fn ask<T, F>(config: &Config, call: impl FnOnce(Client) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    runtime.block_on(call(Client::unix(&config.socket)))
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let words = chain(&error);
        match &error {
            ClientError::Unreachable { path, .. } => Self::new(
                Code::Unavailable,
                format!("no desk answers on {}", path.display()),
            )
            .advise(
                "start one with `stele serve`, or name the socket of one that runs with --socket or --data",
            ),
            ClientError::Forbidden { .. } => Self::new(Code::Unauthorised, words),
            ClientError::Lost { .. } => {
                Self::new(Code::Unavailable, words).advise("`stele status` shows whether it was done")
            }
            ClientError::Protocol { .. } => {
                Self::new(Code::Error, words).advise("the desk and this command may be of different versions")
            }
            ClientError::Problem(problem) => {
                let code = code_of(problem.status, &problem.code);
                let fields = problem.errors.iter().map(|error| format!("{}: {}", error.field, error.message));
                let fields: Vec<_> =
                    fields.filter(|field| !problem.detail.contains(field.as_str())).collect();
                let failure = Self::new(code, format!("{} ({})", problem.detail, problem.code));
                if fields.is_empty() { failure } else { failure.advise(fields.join("\n  ")) }
            }
        }
    }
}

/// What an answer that says no means for a script. Codes without a dash are rules of the desk.
fn code_of(status: u16, code: &str) -> Code {
    match status {
        409 | 422 if !code.contains('-') => Code::Refused,
        401 | 403 => Code::Unauthorised,
        409 | 412 | 422 => Code::Conflict,
        400 => Code::Usage,
        408 | 429 | 502..=504 => Code::Unavailable,
        _ => Code::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::code_of;
    use crate::exit::Code;

    #[test]
    fn a_no_of_a_rule_is_told_from_a_no_of_the_door() {
        for (status, code, expected) in [
            (409, "limits_not_set", Code::Refused),
            (422, "limits_invalid", Code::Refused),
            (409, "killed", Code::Refused),
            (409, "not-here", Code::Conflict),
            (422, "idempotency-key-reused", Code::Conflict),
            (403, "stranger", Code::Unauthorised),
            (400, "bad-request", Code::Usage),
            (503, "projection-behind", Code::Unavailable),
            (404, "unknown-position", Code::Error),
        ] {
            assert_eq!(code_of(status, code), expected, "{status} {code}");
        }
    }
}
