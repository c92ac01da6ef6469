//! Events that projections could not take in: read from the log and never from a table, since a table is what has the gap.
//!
//! Listed and shown is what the versions lack that this build folds. What another version parked waits for a person only
//! where that one is folded: asked of a build that has it. The log keeps all of it, and a wish is for every version.

use super::asking::Asking;
use super::control::Reply;
use super::control::written;
use crate::api::Api;
use crate::dto::{self, ParkedAnswer, ParkedDetail, ParkedEvent, ParkedState, ParkedStep, Written};
use crate::problem::Problem;
use std::sync::Arc;
use stele_commands::control::Control;
use stele_domain::event::Recorded;
use stele_domain::operations::parking::event::Event as Fact;
use stele_domain::operations::parking::{Entry, Phase};
use stele_domain::port::event_log::Position;
use stele_projections::parking::Parked;
use stele_projections::projection::Registered;

/// Those of a projection, or of `all`.
pub(crate) async fn list(api: &Api, name: &str) -> Result<ParkedAnswer, Problem> {
    let projections = super::rebuilds::named(name)?;
    let meant =
        |name: &str, version: u32| projections.iter().any(|one| (one.name, one.version) == (name, version));
    // The head first: whatever is read afterwards is at least that new.
    let as_of = api.log.head().await?.0;
    let known = Parked::of(&*api.log).await?;
    let all = known.state().all().filter(|(name, version, ..)| meant(name, *version));
    let parked = all.map(|(name, version, at, entry)| told(name, version, at, entry)).collect();
    Ok(ParkedAnswer { parked, as_of })
}

/// One of them, with everything that was said of it.
pub(crate) async fn show(api: &Api, name: &str, position: &str) -> Result<ParkedDetail, Problem> {
    let (projection, position) = meant(name, position)?;
    let mut steps = vec![];
    let (name, version) = (projection.name, projection.version);
    let tell = |recorded: &Recorded, fact: &Fact| {
        if about(fact) == (name, version, position) {
            steps.push(step(recorded, fact));
        }
    };
    let known = Parked::told(&*api.log, tell).await?;
    let found = known.state().of(name, version).find(|(at, _)| *at == position);
    let Some((_, entry)) = found else {
        let detail =
            format!("projection {name} (version {version}) has no parked event at position {position}");
        return Err(Problem::not_found("not-parked", detail));
    };
    Ok(ParkedDetail { parked: told(name, version, position, entry), steps })
}

pub(crate) async fn retry(
    api: &Arc<Api>,
    asking: Asking,
    (name, position): (&str, &str),
    body: dto::Reason,
) -> Result<Reply<Written>, Problem> {
    let (projection, position) = meant(name, position)?;
    let projection = projection.name.to_owned();
    let wish = asking.wish(&format!("retry_parked {projection} {position}"), &body, &body.reason)?;
    written(api, &asking, |control| async move { control.retry_parked(wish, projection, position).await })
        .await
}

pub(crate) async fn skip(
    api: &Arc<Api>,
    asking: Asking,
    (name, position): (&str, &str),
    body: dto::Reason,
) -> Result<Reply<Written>, Problem> {
    let (projection, position) = meant(name, position)?;
    let projection = projection.name.to_owned();
    let wish = asking.wish(&format!("skip_parked {projection} {position}"), &body, &body.reason)?;
    let named = projection.clone();
    let skip = |control: Arc<Control>| async move { control.skip_parked(wish, named, position).await };
    let mut reply = written(api, &asking, skip).await?;
    // It is done, also where nobody can say what else there is.
    let known = Parked::of(&*api.log).await.ok();
    reply.answer.remark = known.and_then(|known| tried_again(&known, &projection, position));
    Ok(reply)
}

/// The versions that try an event again although it was skipped, in words; nothing where none does.
fn tried_again(known: &Parked, projection: &str, position: Position) -> Option<String> {
    let meant = (projection, position, Phase::Retried);
    let all = known.state().all().filter(|(name, _, at, entry)| (*name, *at, entry.phase) == meant);
    let versions: Vec<String> = all.map(|(_, version, ..)| version.to_string()).collect();
    if versions.is_empty() {
        return None;
    }
    Some(format!(
        "version {} of {projection} tries the event again: its next rebuild takes it in, or parks it anew",
        versions.join(", ")
    ))
}

fn meant(name: &str, position: &str) -> Result<(Registered, Position), Problem> {
    let projections = super::rebuilds::named(name)?;
    let [projection] = projections.as_slice() else {
        return Err(Problem::bad_request("one projection is meant here, by its name".to_owned()));
    };
    let position = position.parse::<u64>().ok().filter(|position| *position > 0);
    let position = position
        .ok_or_else(|| Problem::bad_request("a position of the log is a number from 1".to_owned()))?;
    Ok((*projection, Position(position)))
}

fn about(fact: &Fact) -> (&str, u32, Position) {
    match fact {
        Fact::EventParked(fact) => (&fact.projection, fact.version, fact.position),
        Fact::ParkedRetried(fact) => (&fact.projection, fact.version, fact.position),
        Fact::ParkedSkipped(fact) => (&fact.projection, fact.version, fact.position),
    }
}

fn step(recorded: &Recorded, fact: &Fact) -> ParkedStep {
    let (state, reason, at) = match fact {
        Fact::EventParked(fact) => (ParkedState::Parked, &fact.reason, fact.at),
        Fact::ParkedRetried(fact) => (ParkedState::Retried, &fact.reason, fact.at),
        Fact::ParkedSkipped(fact) => (ParkedState::Skipped, &fact.reason, fact.at),
    };
    let by = recorded.meta.actor.as_str().to_owned();
    ParkedStep { log_position: recorded.position.0, at, by, state, reason: reason.clone() }
}

fn told(projection: &str, version: u32, position: Position, entry: &Entry) -> ParkedEvent {
    ParkedEvent {
        projection: projection.to_owned(),
        version,
        position: position.0,
        event_type: entry.event_type.clone(),
        why: entry.reason.clone(),
        attempt: entry.attempt,
        state: match entry.phase {
            Phase::Parked => ParkedState::Parked,
            Phase::Retried => ParkedState::Retried,
            Phase::Skipped => ParkedState::Skipped,
        },
    }
}
