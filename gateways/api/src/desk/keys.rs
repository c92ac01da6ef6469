//! Who may do what: the caller, the roles, the keys.

use super::asking::Asking;
use super::control::{Reply, to_its_end, told};
use crate::api::Api;
use crate::dto;
use crate::problem::Problem;
use axum::http::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use stele_commands::access::{Created, KeyInfo, Keys, NewKey};
use stele_domain::access::{Action, Caller, Role, Scope};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;
use stele_domain::time::Timestamp;
use zeroize::Zeroizing;

pub(crate) fn whoami(caller: &Caller) -> dto::WhoAmI {
    dto::WhoAmI {
        actor: caller.actor.to_string(),
        role: caller.role,
        actions: Action::ALL.into_iter().filter(|action| caller.may(*action)).collect(),
        key_id: caller.origin.key_id.clone(),
        address: caller.origin.address.clone(),
    }
}

pub(crate) fn roles() -> dto::RolesAnswer {
    let may = |role: Role| -> BTreeSet<Action> {
        Action::ALL.into_iter().filter(|action| role.permits(*action)).collect()
    };
    let roles = Role::ALL.into_iter().map(|role| dto::RoleInfo { role, actions: may(role) });
    dto::RolesAnswer { roles: roles.collect() }
}

pub(crate) async fn list(api: &Api) -> Result<dto::KeysAnswer, Problem> {
    list_in(&api.keys, &*api.log, &*api.clock).await
}

/// The same, of a log at hand.
pub(crate) async fn list_in(
    keys: &Keys,
    log: &dyn EventLog,
    clock: &dyn Clock,
) -> Result<dto::KeysAnswer, Problem> {
    // The head first: whatever is folded afterwards is at least that new.
    let head = log.head().await?.0;
    let keys = keys.list().await;
    let keys = keys.map_err(|refused| Problem::unread(&refused))?;
    let now = clock.now();
    Ok(dto::KeysAnswer { keys: keys.into_iter().map(|key| shown(key, now)).collect(), as_of: head, head })
}

fn shown(key: KeyInfo, now: Timestamp) -> dto::Key {
    let standing = if key.revoked.is_some() {
        dto::KeyStanding::Revoked
    } else if key.expires_at.is_some_and(|end| end <= now) {
        dto::KeyStanding::Expired
    } else {
        dto::KeyStanding::Valid
    };
    dto::Key {
        key_id: key.key_id,
        owner: key.owner,
        role: key.role,
        actions: key.scope.actions,
        processes: key.scope.processes,
        label: key.label,
        standing,
        created_at: key.created_at,
        created_by: key.created_by.to_string(),
        expires_at: key.expires_at,
        revoked_at: key.revoked.map(|revoked| revoked.at),
        made_with: key.made_with,
    }
}

pub(crate) async fn create(
    api: &Arc<Api>,
    asking: Asking,
    body: dto::CreateKey,
) -> Result<dto::CreatedKey, Problem> {
    create_in(Arc::clone(&api.keys), &*api.clock, asking, body).await
}

/// The same, of a log at hand.
pub(crate) async fn create_in(
    keys: Arc<Keys>,
    clock: &dyn Clock,
    asking: Asking,
    body: dto::CreateKey,
) -> Result<dto::CreatedKey, Problem> {
    let command_id = asking.command_id;
    let expires_at = match (body.expires_at, body.for_ms) {
        (Some(_), Some(_)) => {
            return Err(Problem::field("for_ms", "expires_at says when already: send one of them"));
        }
        (at, None) => at,
        (None, Some(for_ms)) => Some(clock.now().plus_millis(for_ms)),
    };
    let wish = asking.wish("create_key", &body, &body.reason)?;
    let new = NewKey {
        owner: body.owner,
        role: body.role,
        scope: Scope { actions: body.actions, processes: body.processes },
        expires_at,
        label: body.label,
    };
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice())
        .map_err(|error| Problem::internal(format!("the system gave no random bytes: {error}")))?;
    let created = to_its_end(async move { keys.create(wish, new, *secret).await }).await;
    match created.map_err(|no| no.problem(command_id))? {
        Created::New { key_id, text, position } => Ok(dto::CreatedKey {
            command_id,
            key_id,
            key: text.reveal().to_owned(),
            log_position: Some(position.0),
        }),
        Created::Before { key_id } => {
            let detail = format!(
                "key {key_id} was made by this wish before, and a key is shown once: revoke it and make another"
            );
            let problem = Problem::new(StatusCode::CONFLICT, "key-shown-once", detail);
            Err(problem.of_command(command_id))
        }
    }
}

pub(crate) async fn revoke(
    api: &Arc<Api>,
    asking: Asking,
    key_id: &str,
    body: dto::Reason,
) -> Result<Reply<dto::Written>, Problem> {
    revoke_in(Arc::clone(&api.keys), asking, key_id, body).await
}

/// The same, of a log at hand.
pub(crate) async fn revoke_in(
    keys: Arc<Keys>,
    asking: Asking,
    key_id: &str,
    body: dto::Reason,
) -> Result<Reply<dto::Written>, Problem> {
    let wish = asking.wish(&format!("revoke_key {key_id}"), &body, &body.reason)?;
    let key_id = key_id.to_owned();
    let done = to_its_end(async move { keys.revoke(wish, &key_id).await }).await;
    told(asking.command_id, done)
}
