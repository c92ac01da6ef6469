//! What is read from the aggregates themselves: the newest there is, never from a table.

use crate::api::Api;
use crate::dto::{AccountAnswer, Filter, LimitsAnswer};
use crate::problem::Problem;
use crate::translate;

pub(crate) async fn account(api: &Api) -> Result<AccountAnswer, Problem> {
    // The head first: whatever is folded afterwards is at least that new.
    let head = api.log.head().await?.0;
    let state = api.control.account().await.map_err(|refused| Problem::unread(&refused))?;
    let stream = api.control.account.stream().as_str();
    let account = translate::account::account(stream, &state, api.clock.now());
    Ok(AccountAnswer { account, as_of: head, head })
}

pub(crate) async fn limits(api: &Api) -> Result<LimitsAnswer, Problem> {
    let head = api.log.head().await?.0;
    let state = api.control.account().await.map_err(|refused| Problem::unread(&refused))?;
    let in_force = state.limits_at(api.clock.now());
    let newest =
        state.newest_limits().filter(|newest| in_force.is_none_or(|set| set.version != newest.version));
    Ok(LimitsAnswer {
        in_force: in_force.map(|set| translate::limits::version(set)),
        upcoming: newest.map(|set| translate::limits::version(set)),
        as_of: head,
        head,
    })
}

pub(crate) async fn filter(api: &Api) -> Result<Filter, Problem> {
    let head = api.log.head().await?.0;
    let state = api.control.filter().await.map_err(|refused| Problem::unread(&refused))?;
    let (mode, entries) = translate::filter::outward(&state);
    let configured = api.control.pairs.iter().map(|pair| pair.id.to_string()).collect();
    Ok(Filter { mode, entries, configured, as_of: head, head })
}
