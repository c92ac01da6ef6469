//! Asking the running desk, and what its no's and silences mean for the exit code.

use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use std::future::Future;
use stele_api::client::{AccessKey, Client, ClientError, Endpoint, SetupError};
use stele_api::dto::Problem;

/// Asks the configured desk: behind its socket, or behind a port.
pub(crate) fn ask<T, F>(config: &Config, call: impl FnOnce(Client) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let client = client(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    runtime.block_on(call(client))
}

/// A client of the configured desk.
pub(crate) fn client(config: &Config) -> Result<Client, Failure> {
    let to = &config.client;
    let Some(server) = &to.server else {
        if to.key_by_flag {
            return Err(Failure::usage("--key-file: behind the socket you are yourself, and no key is used")
                .advise("name the desk that the key is for with --server"));
        }
        return Ok(Client::unix(&config.socket));
    };
    let endpoint = Endpoint {
        server: server.clone(),
        key: to.key_file.as_deref().map(AccessKey::load).transpose()?,
        trust: to.trust.clone(),
        plain_key: to.plain_key,
    };
    Ok(Client::to(&endpoint)?)
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::usage(chain(&error))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let words = chain(&error);
        match &error {
            ClientError::Unreachable { desk, source } => unreachable(desk, source),
            ClientError::Forbidden { .. } | ClientError::Untrusted { .. } => {
                Self::new(Code::Unauthorised, words)
            }
            ClientError::Lost { .. } => {
                Self::new(Code::Unavailable, words).advise("`stele status` shows whether it was done")
            }
            ClientError::Protocol { .. } => {
                Self::new(Code::Error, words).advise("the desk and this command may be of different versions")
            }
            ClientError::Problem(problem) => refused(problem),
        }
    }
}

fn unreachable(desk: &str, source: &std::io::Error) -> Failure {
    if desk.contains("://") {
        return Failure::new(Code::Unavailable, format!("no desk answers on {desk}: {source}")).advise(
            "is it running there, with a door on that port (`api.listen`)? Is the network between open?",
        );
    }
    Failure::new(Code::Unavailable, format!("no desk answers on {desk}"))
        .advise("start one with `stele serve`, or name one that runs with --socket, --data or --server")
}

fn refused(problem: &Problem) -> Failure {
    let code = code_of(problem.status, &problem.code);
    let failure = Failure::new(code, format!("{} ({})", problem.detail, problem.code));
    if problem.code == "no-credential" {
        return failure
            .advise("name the file with your key: --key-file FILE, STELE_KEY_FILE or client.key_file");
    }
    let fields = problem.errors.iter().map(|error| format!("{}: {}", error.field, error.message));
    let fields: Vec<_> = fields.filter(|field| !problem.detail.contains(field.as_str())).collect();
    if fields.is_empty() { failure } else { failure.advise(fields.join("\n  ")) }
}

/// What an answer that says no means for a script. Codes without a dash are rules of the desk.
fn code_of(status: u16, code: &str) -> Code {
    match status {
        401 | 403 => Code::Unauthorised,
        409 | 422 if !code.contains('-') => Code::Refused,
        409 | 412 | 422 => Code::Conflict,
        400 => Code::Usage,
        408 | 429 | 502..=504 => Code::Unavailable,
        _ => Code::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::code_of;
    use crate::exit::{Code, Failure};
    use stele_api::client::ClientError;

    #[test]
    fn a_no_of_a_rule_is_told_from_a_no_of_the_door() {
        for (status, code, expected) in [
            (409, "limits_not_set", Code::Refused),
            (422, "limits_invalid", Code::Refused),
            (409, "killed", Code::Refused),
            (409, "not-here", Code::Conflict),
            (422, "idempotency-key-reused", Code::Conflict),
            (401, "no-credential", Code::Unauthorised),
            (401, "expired-key", Code::Unauthorised),
            (403, "forbidden", Code::Unauthorised),
            (400, "bad-request", Code::Usage),
            (429, "rate-limited", Code::Unavailable),
            (503, "projection-behind", Code::Unavailable),
            (404, "unknown-position", Code::Error),
        ] {
            assert_eq!(code_of(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_desk_elsewhere_that_is_down_is_not_told_to_be_started_here() {
        let source = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let desk = "https://desk.example:8420".to_owned();
        let failure = Failure::from(ClientError::Unreachable { desk, source: source() });
        assert_eq!(failure.code, Code::Unavailable);
        assert!(!failure.to_string().contains("stele serve"), "{failure}");
        let desk = "stele-data/stele.sock".to_owned();
        let failure = Failure::from(ClientError::Unreachable { desk, source: source() });
        assert!(failure.to_string().contains("stele serve"), "{failure}");
    }

    #[test]
    fn a_certificate_that_is_not_believed_is_no_outage() {
        let error = ClientError::Untrusted { desk: "https://d:1".to_owned(), what: "expired".to_owned() };
        assert_eq!(Failure::from(error).code, Code::Unauthorised);
    }
}
