//! The event log on a KurrentDB server: connected to, and waited for at the start.

use super::{remote, secret};
use crate::config::EventStoreAt;
use crate::exit::{Code, Failure, chain};
use stele_api::{LogAdmin, LogStat};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog as _, Filter, LogError, Position};
use stele_eventstore::{Address, EventStoreLog};
use uuid::Uuid;

/// Connects and waits until the server answers; one that does not let this process in ends it.
pub(super) async fn connect(at: &EventStoreAt) -> Result<EventStoreLog, Failure> {
    let key = at.key_file.as_deref().map(|path| secret::line("log.key_file", path)).transpose()?;
    let unusable = |words: String| Failure::usage(format!("configuration: `log.url`: {words}"));
    let address = Address::read(&at.address, key.as_ref()).map_err(|error| unusable(chain(&error)))?;
    if address.tells_its_user_in_the_clear() && !at.plain_key {
        return Err(unusable(format!(
            "{address} is another machine, and whoever listens on the way would read the user or key: leave `tls=false` out, \
             or set `log.plain_http = true` where the network between is yours"
        )));
    }
    let log = EventStoreLog::new(&address).map_err(|error| Failure::error(&error))?;
    match remote::answers(&log, &address.to_string()).await {
        Ok(()) => Ok(log),
        Err(failure) if failure.code == Code::Unauthorised => Err(not_let_in(&address)),
        Err(failure) => Err(failure),
    }
}

/// Nothing was asked yet but where the log ends: it is about who asks, and not about what is done.
fn not_let_in(address: &Address) -> Failure {
    let (what, advice) = if address.has_user() {
        (
            "does not know the user of `log.url`, or knows another password or key",
            "compare name and password (at the door of a desk: the id or the owner of a key and the key itself, or the key \
             alone in log.key_file). If they are right, the user may not read there, or the key was taken back or has run out",
        )
    } else {
        (
            "wants to know who asks, and `log.url` names no user",
            "write kurrentdb://USER:PASSWORD@HOST:2113, or put a key of the desk behind that door into log.key_file",
        )
    };
    Failure::new(Code::Unauthorised, format!("the KurrentDB server {address} {what}")).advise(advice)
}

/// What can be told of such a log: who it is. It counts by itself, signs no checkpoints, and has no tree to prove by.
pub(super) struct Unproven(pub(super) EventStoreLog);

impl LogAdmin for Unproven {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        let words = "the log is on a KurrentDB server, which keeps its own numbers: ask there (/stats)";
        Box::pin(std::future::ready(Err(LogError::Denied(words.to_owned()))))
    }

    /// The id of its first record.
    fn identity(&self) -> PortFuture<'_, Result<Uuid, LogError>> {
        Box::pin(async {
            let page = self.0.read_all(Position::START, &Filter::all(), 1).await?;
            let first =
                page.records.first().ok_or_else(|| LogError::Unreachable("the log is empty".into()))?;
            Ok(first.event_id.0)
        })
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::not_let_in;
    use crate::exit::Code;
    use stele_eventstore::Address;

    #[test]
    fn who_is_not_let_in_is_told_whether_it_is_the_password_or_that_there_is_none() {
        let of = |text: &str| not_let_in(&Address::read(text, None).unwrap());
        let wrong = of("kurrentdb://ann:hush@db.example:2113");
        assert!(wrong.code == Code::Unauthorised && wrong.what.contains("password"), "{wrong}");
        assert!(wrong.what.contains("db.example") && !wrong.to_string().contains("hush"), "{wrong}");
        let nobody = of("kurrentdb://db.example:2113");
        assert!(nobody.what.contains("names no user") && nobody.to_string().contains("USER"), "{nobody}");
    }
}
