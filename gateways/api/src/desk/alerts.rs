//! What needs a person now: the last word of each alert, read from the log and never from a table.

use crate::api::Api;
use crate::dto::{Alert, AlertsAnswer};
use crate::problem::Problem;
use futures_util::future::try_join_all;
use stele_commands::control::Fault;
use stele_commands::streams;
use stele_domain::causes::with_causes;
use stele_domain::event::Event;
use stele_domain::operations::alert;
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::event::Event as Operations;
use stele_domain::port::event_log::{Direction, Revision};
use stele_domain::{codec, operations};

/// Every alert that is raised.
pub(crate) async fn answer(api: &Api) -> Result<AlertsAnswer, Problem> {
    // The head first: whatever is read afterwards is at least that new.
    let head = api.log.head().await?.0;
    Ok(AlertsAnswer { alerts: raised(api).await?, as_of: head, head })
}

/// Every alert that is raised, in the order of the kinds.
pub(crate) async fn raised(api: &Api) -> Result<Vec<Alert>, Problem> {
    let last = try_join_all(Kind::ALL.map(|kind| last_word(api, kind))).await?;
    Ok(last.into_iter().flatten().collect())
}

/// The newest fact of an alert says all of it; `None` when nobody is needed.
async fn last_word(api: &Api, kind: Kind) -> Result<Option<Alert>, Problem> {
    let stream = streams::alert(kind).map_err(|error| Problem::internal(error.to_string()))?;
    let newest = api.log.read_stream(&stream, Revision(u64::MAX), Direction::Backward, 1).await?;
    let Some(record) = newest.first() else { return Ok(None) };
    let recorded = codec::recorded(record);
    let recorded = recorded.map_err(|error| {
        let detail = format!("event {} of {stream} can't be read: {}", record.position, with_causes(&error));
        Problem::lasting(Fault::Unreadable, detail)
    })?;
    let Event::Operations(Operations::Alert(said)) = recorded.event else { return Ok(None) };
    Ok(match said {
        operations::alert::Event::AlertRaised(fact) => Some(told(fact)),
        operations::alert::Event::AlertCleared(_) => None,
    })
}

fn told(fact: alert::event::AlertRaised) -> Alert {
    Alert {
        kind: fact.kind.name().to_owned(),
        detail: fact.detail,
        raised_at: Some(fact.at),
        waits_for_person: fact.kind.waits_for_a_person(),
    }
}

/// The kind of that name.
///
/// # Errors
///
/// 404 `unknown-alert`, with the kinds that there are.
pub(crate) fn kind_named(name: &str) -> Result<Kind, Problem> {
    Kind::named(name).ok_or_else(|| {
        let short: String = name.chars().take(80).collect();
        let names = Kind::ALL.map(Kind::name).join(", ");
        Problem::not_found("unknown-alert", format!("there is no alert {short:?}: {names}"))
    })
}
