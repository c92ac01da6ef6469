//! Asking the running desk, and what its no's and silences mean for the exit code.

use super::log::KEPT_OUT;
use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use std::future::Future;
use std::time::Duration;
use stele_api::client::{AccessKey, Client, ClientError, Endpoint, Reply, SetupError, new_key};
use stele_api::dto::Problem;
use uuid::Uuid;

/// Waits before a wish is asked for again whose answer did not come. It is the same wish: the desk does it once.
const AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(3)];

/// Asks the configured desk: behind its socket, or behind a port.
pub(crate) fn ask<T, F>(config: &Config, call: impl FnOnce(Client) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let client = client(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    runtime.block_on(call(client)).map_err(|failure| match config.missing_directory() {
        Some(directory) if failure.code == Code::Unavailable => {
            Failure::usage(format!("there is no directory {}", directory.display()))
                .advise("name the desk's data directory with --data; a new one is made by stele serve")
        }
        Some(_) | None => failure,
    })
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

/// Carries a wish to the desk under one id, the given one or a new one: while nobody knows whether it was done it is
/// asked for again. A desk that was never there is not waited for.
pub(crate) async fn wish<T>(
    id: Option<Uuid>,
    once: impl AsyncFn(Uuid) -> Result<Reply<T>, ClientError>,
) -> Result<T, Failure> {
    let id = id.unwrap_or_else(new_key);
    settled(id, repeated(id, once).await)
}

fn settled<T>(id: Uuid, told: Result<Reply<T>, ClientError>) -> Result<T, Failure> {
    Ok(told.map_err(|error| unanswered(error, id))?.answer)
}

/// The same, with the no as it came.
pub(crate) async fn repeated<T>(
    id: Uuid,
    once: impl AsyncFn(Uuid) -> Result<Reply<T>, ClientError>,
) -> Result<Reply<T>, ClientError> {
    repeated_after(&AGAIN, id, once).await
}

async fn repeated_after<T>(
    pauses: &[Duration],
    id: Uuid,
    once: impl AsyncFn(Uuid) -> Result<Reply<T>, ClientError>,
) -> Result<Reply<T>, ClientError> {
    let mut unknown = None;
    for pause in pauses {
        match once(id).await {
            Err(error) if unsettled(&error) || (unknown.is_some() && error.is_transient()) => {
                unknown.get_or_insert(error);
                tokio::time::sleep(*pause).await;
            }
            told => return told,
        }
    }
    match once(id).await {
        // Nobody there by now: what was asked first may have been done all the same.
        Err(error) if error.is_transient() => Err(unknown.unwrap_or(error)),
        told => told,
    }
}

/// Whether the desk may have done it: the answer was lost, or says that nobody knows yet.
pub(crate) fn unsettled(error: &ClientError) -> bool {
    match error {
        ClientError::Lost { .. } => true,
        ClientError::Problem(problem) => matches!(problem.status, 503 | 504),
        ClientError::Unreachable { .. }
        | ClientError::Forbidden { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Protocol { .. } => false,
    }
}

/// A wish of which nobody knows whether it was done, with the way to find out that does it at most once.
pub(crate) fn unanswered(error: ClientError, id: Uuid) -> Failure {
    let (unsettled, lasting) = (unsettled(&error), lasting(&error));
    let failure = Failure::from(error);
    let again = format!(
        "to ask for the very same wish again, which is done once: the same command with --command-id {id}"
    );
    match (unsettled, lasting) {
        (true, _) => failure.advise(format!("`stele status` shows whether it was done; {again}")),
        (false, Some(mend)) => failure.advise(format!("{mend}\n  when it is mended, {again}")),
        (false, None) => failure,
    }
}

/// A stream that the desk has broken off, and why.
pub(crate) fn broken_off(code: &str, detail: &str) -> Failure {
    let exit = match code {
        "log-damaged" => Code::Mismatch,
        "log-lost" => Code::Archive,
        "log-failed" | "event-unreadable" => Code::Error,
        "expired-key" | "revoked-key" | "log-denied" | "archive-denied" => Code::Unauthorised,
        _ => Code::Unavailable,
    };
    Failure { advice: mend(code).map(str::to_owned), ..Failure::new(exit, detail) }
}

/// Whether what a code stands for does not pass by itself.
pub(crate) fn lasts(code: &str) -> bool {
    mend(code).is_some()
}

/// What to do about a desk that can't do it until somebody has mended what it stands on.
fn lasting(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Problem(problem) => mend(&problem.code),
        ClientError::Lost { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Forbidden { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Protocol { .. } => None,
    }
}

/// The same, by the code of the answer.
fn mend(code: &str) -> Option<&'static str> {
    match code {
        "log-damaged" => Some(
            "this will not pass by itself: `stele log verify`, on the machine with the log, names every damaged place; \
             ops/runbooks/backup.md says how to restore",
        ),
        "log-lost" => Some(
            "this will not pass by itself: put the object back as it was, from a copy of the archive or from a backup that was \
             made before the segment was archived; `stele log verify`, on the machine with the log, names what is lost \
             (ops/runbooks/alerts/log-archive-lost.md)",
        ),
        "archive-denied" => Some(KEPT_OUT),
        "event-unreadable" => Some(
            "this will not pass by itself: a newer build may have written it, so look at the versions of all processes; \
             `stele log verify` tells whether the log itself is whole",
        ),
        "log-failed" => Some(
            "this will not pass by itself: look at the desk's log lines and at its disk, then start it again; \
             `stele log verify` tells whether the log is whole",
        ),
        "log-denied" => Some(
            "this will not pass by itself: the log's owner must let this process write there (its key, its role)",
        ),
        "unknown-table" => Some("`stele table` lists them"),
        _ => None,
    }
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
            ClientError::Lost { desk, what } => {
                let words = format!("the desk on {desk} broke off: {what}; whether it was done is not known");
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
    if let Some(mend) = mend(&problem.code) {
        return failure.advise(mend);
    }
    let fields = problem.errors.iter().map(|error| format!("{}: {}", error.field, error.message));
    let fields: Vec<_> = fields.filter(|field| !problem.detail.contains(field.as_str())).collect();
    if fields.is_empty() { failure } else { failure.advise(fields.join("\n  ")) }
}

/// What an answer that says no means for a script. Codes without a dash are rules of the desk.
fn code_of(status: u16, code: &str) -> Code {
    match status {
        401 | 403 => Code::Unauthorised,
        409 if code == "archive-denied" => Code::Unauthorised,
        404 | 409 | 422 if !code.contains('-') => Code::Refused,
        409 | 412 | 422 => Code::Conflict,
        400 => Code::Usage,
        408 | 429 | 502..=504 => Code::Unavailable,
        500 if code == "log-damaged" => Code::Mismatch,
        500 if code == "log-lost" => Code::Archive,
        _ => Code::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::{broken_off, code_of, repeated_after, settled, wish};
    use crate::exit::{Code, Failure};
    use std::cell::RefCell;
    use std::time::Duration;
    use stele_api::client::{ClientError, Reply, new_key};
    use stele_api::dto::Problem;

    fn lost() -> ClientError {
        ClientError::Lost { desk: "desk".to_owned(), what: "connection reset".to_owned() }
    }

    fn away() -> ClientError {
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        ClientError::Unreachable { desk: "desk".to_owned(), source }
    }

    fn problem(status: u16, code: &str) -> ClientError {
        let said = serde_json::json!({ "type": "about:blank", "title": "no", "status": status, "detail": "no", "code": code });
        ClientError::Problem(Box::new(serde_json::from_value::<Problem>(said).unwrap()))
    }

    /// Asks a desk that answers so, one after the other; what came of it, and the ids it was asked with.
    async fn asked(
        answers: impl IntoIterator<Item = Result<u32, ClientError>>,
    ) -> (Result<u32, Failure>, Vec<uuid::Uuid>) {
        let answers: RefCell<Vec<_>> = RefCell::new(answers.into_iter().collect());
        let ids = RefCell::new(vec![]);
        let id = new_key();
        let came = repeated_after(&[Duration::ZERO; 3], id, async |id| {
            ids.borrow_mut().push(id);
            answers.borrow_mut().remove(0).map(|answer| Reply { answer, replayed: false })
        });
        let came = settled(id, came.await);
        (came, ids.into_inner())
    }

    #[tokio::test]
    async fn a_wish_whose_answer_is_lost_is_asked_for_again_under_the_same_id() {
        let (came, ids) = asked([Err(lost()), Err(away()), Err(problem(503, "busy")), Ok(7)]).await;
        assert_eq!(came.unwrap(), 7);
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[tokio::test]
    async fn a_wish_that_is_never_answered_says_under_which_id_it_can_be_asked_for_again() {
        let (came, ids) = asked([Err(lost()), Err(lost()), Err(lost()), Err(away())]).await;
        let failure = came.unwrap_err();
        assert_eq!(failure.code, Code::Unavailable);
        let words = failure.to_string();
        assert!(
            words.contains(&format!("--command-id {}", ids[0])) && words.contains("not known"),
            "{words}"
        );
        assert!(!words.contains("same key"), "{words}");
    }

    #[tokio::test]
    async fn a_no_and_a_desk_that_is_not_there_are_told_at_once() {
        for no in [away(), problem(409, "killed"), problem(429, "rate-limited")] {
            let (came, ids) = asked([Err(no), Ok(1)]).await;
            assert!(came.is_err());
            assert_eq!(ids.len(), 1);
        }
        // The first answer was lost, the second is a rule's: that one stands.
        let (came, ids) = asked([Err(lost()), Err(problem(409, "killed")), Ok(1)]).await;
        assert_eq!((came.unwrap_err().code, ids.len()), (Code::Refused, 2));
    }

    #[tokio::test]
    async fn what_does_not_pass_by_itself_is_told_at_once_with_what_to_do() {
        for (status, code, says) in [
            (500, "log-damaged", "stele log verify"),
            (500, "log-lost", "put the object back"),
            (409, "archive-denied", "policy of the bucket"),
            (500, "log-failed", "start it again"),
            (500, "event-unreadable", "versions"),
            (409, "log-denied", "owner"),
        ] {
            let (came, ids) = asked([Err(problem(status, code)), Ok(1)]).await;
            assert_eq!(ids.len(), 1, "{code} is not asked for again");
            let words = came.unwrap_err().to_string();
            for word in ["will not pass by itself", says, &format!("--command-id {}", ids[0])] {
                assert!(words.contains(word), "{word:?} is missing: {words}");
            }
            assert!(Failure::from(problem(status, code)).to_string().contains(says));
        }
    }

    #[tokio::test]
    async fn an_id_that_is_given_is_the_one_that_is_used() {
        let given = new_key();
        let used = wish(Some(given), async |id| Ok(Reply { answer: id, replayed: true })).await.unwrap();
        assert_eq!(used, given);
    }

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
            (500, "log-damaged", Code::Mismatch),
            (500, "log-lost", Code::Archive),
            (409, "archive-denied", Code::Unauthorised),
            (500, "log-failed", Code::Error),
            (500, "event-unreadable", Code::Error),
            (409, "log-denied", Code::Conflict),
            (404, "unknown-position", Code::Error),
            (404, "unknown_request", Code::Refused),
            (404, "unknown_key", Code::Refused),
        ] {
            assert_eq!(code_of(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_stream_that_is_broken_off_ends_as_a_question_about_the_same_would() {
        for (code, expected) in [
            ("log-damaged", Code::Mismatch),
            ("log-lost", Code::Archive),
            ("archive-denied", Code::Unauthorised),
            ("log-failed", Code::Error),
            ("log-unavailable", Code::Unavailable),
        ] {
            assert_eq!(broken_off(code, "no").code, expected, "{code}");
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
