//! Rebuilds: begun by whoever steers the services, told of to everybody who may read.

use super::asking::Asking;
use super::control::to_its_end;
use crate::api::Api;
use crate::dto;
use crate::problem::Problem;
use std::sync::Arc;
use stele_domain::causes::with_causes;
use stele_domain::port::read_store::StoreError;
use stele_projections::models;
use stele_projections::projection::Registered;
use stele_projections::rebuild::{Asked, RebuildError};

/// What stands for every projection.
pub(crate) const ALL: &str = "all";

/// The codes of what is a no to whoever asks. Any other is trouble of ours.
const REFUSALS: [&str; 4] = ["rebuild-under-way", "old-tables-kept", "rebuild-blocked", "not-here"];

pub(crate) async fn start(
    api: &Arc<Api>,
    asking: Asking,
    name: &str,
    body: dto::StartRebuild,
) -> Result<dto::RebuildAnswer, Problem> {
    let projections = named(name)?;
    let wish = asking.wish(&format!("rebuild {name}"), &body, &body.reason)?;
    let command_id = asking.command_id;
    let by = format!("{} on {}", wish.caller.actor.as_str(), api.build.instance);
    let names: Vec<String> = projections.iter().map(|projection| projection.name.to_owned()).collect();
    let dto::StartRebuild { reason: _, from_zero, despite_difference } = body;
    let asked = Asked { projections, by, from_zero, despite_difference };
    let (control, rebuilds) = (Arc::clone(&api.control), api.rebuilds.clone());
    // Only once it is known that the wish is new: to begin shows everybody a rebuild that goes on.
    let start = async move {
        let job = rebuilds.begin(asked).await.map_err(not_begun)?.ok_or_else(elsewhere)?;
        rebuilds.go_on(job);
        Ok::<_, Problem>(())
    };
    let begun = to_its_end(async move { control.rebuild(wish, start, refusal).await });
    begun.await.map_err(|no| no.problem(command_id))??;
    Ok(dto::RebuildAnswer { command_id, projections: names })
}

pub(crate) async fn drop_old(
    api: &Arc<Api>,
    asking: Asking,
    name: &str,
    body: dto::Reason,
) -> Result<dto::RebuildAnswer, Problem> {
    let projections = named(name)?;
    let wish = asking.wish(&format!("drop_old {name}"), &body, &body.reason)?;
    let command_id = asking.command_id;
    let names: Vec<String> = projections.iter().map(|projection| projection.name.to_owned()).collect();
    let (control, rebuilds) = (Arc::clone(&api.control), api.rebuilds.clone());
    let drop = async move {
        for projection in projections {
            rebuilds.drop_old(projection.name).await?;
        }
        Ok::<_, Problem>(())
    };
    let dropped = to_its_end(async move { control.rebuild(wish, drop, refusal).await });
    dropped.await.map_err(|no| no.problem(command_id))??;
    Ok(dto::RebuildAnswer { command_id, projections: names })
}

pub(crate) async fn list(api: &Api, name: &str) -> Result<dto::RebuildsAnswer, Problem> {
    let projections = named(name)?;
    let meant = |name: &str| projections.iter().any(|projection| projection.name == name);
    let mut known = api.rebuilds.known().await?;
    known.rebuilds.retain(|rebuild| meant(&rebuild.projection));
    known.old.retain(|old| meant(&old.projection));
    Ok(dto::RebuildsAnswer::of(&known.rebuilds, &known.old))
}

/// The projections that are meant.
///
/// # Errors
///
/// 404 `unknown-projection` for a name that none has.
pub(crate) fn named(name: &str) -> Result<Vec<Registered>, Problem> {
    let found = models::ALL.iter().filter(|projection| name == ALL || projection.name == name);
    let found: Vec<Registered> = found.copied().collect();
    if found.is_empty() {
        let names: Vec<&str> = models::ALL.iter().map(|projection| projection.name).collect();
        let short: String = name.chars().take(80).collect();
        let detail = format!("there is no projection {short:?}: {ALL}, {}", names.join(", "));
        return Err(Problem::not_found("unknown-projection", detail));
    }
    Ok(found)
}

fn refusal(problem: &Problem) -> Option<(String, String)> {
    let said = problem.said();
    REFUSALS.contains(&said.code.as_str()).then(|| (said.code.clone(), said.detail.clone()))
}

fn elsewhere() -> Problem {
    let detail = "the projections run in another process: give that one the role `api` too, and ask there";
    Problem::conflict("not-here", detail)
}

fn not_begun(error: RebuildError) -> Problem {
    match error {
        RebuildError::Store(StoreError::Invalid(why)) => Problem::conflict("rebuild-blocked", why),
        RebuildError::Store(error) => Problem::from(error),
        RebuildError::Log(error) => Problem::from(error),
        other @ (RebuildError::Fold(_)
        | RebuildError::Newer(_)
        | RebuildError::Scan(_)
        | RebuildError::Short { .. }
        | RebuildError::Unsettled { .. }
        | RebuildError::Lost(_)) => Problem::internal(with_causes(&other)),
    }
}
