//! How the keyring decides.

use super::command::{Command, Create};
use super::event::{Event, KeyCreated, KeyRevoked};
use super::rejection::Rejection;
use super::state::{Key, Standing, State};
use crate::access::role::{Role, Scope};
use crate::ids::Actor;
use crate::time::Timestamp;

/// Most keys that are taken at the same time.
pub const KEYS_MAX: usize = 1_000;
/// Longest life of a key that has an end: five years, in milliseconds.
pub const VALIDITY_MS_MAX: u64 = 5 * 366 * 24 * 60 * 60 * 1_000;
/// Longest name of an owner, in bytes.
const OWNER_BYTES_MAX: usize = 64;
/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 80;
/// Most roles of one process, and longest name of one, in bytes.
const PROCESSES_MAX: usize = 16;
const PROCESS_BYTES_MAX: usize = 32;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Create(create) => self::create(state, *create),
        Command::Revoke { key_id, reason, by, at } => revoke(state, key_id, reason, by, at),
    }
}

fn create(state: &State, new: Create) -> Result<Vec<Event>, Rejection> {
    reasoned(&new.reason)?;
    named(&new.owner)?;
    labelled(&new.label)?;
    narrowed(new.role, &new.scope)?;
    if let Some(end) =
        new.expires_at.filter(|end| *end <= new.at || *end > new.at.plus_millis(VALIDITY_MS_MAX))
    {
        return Err(Rejection::BadExpiry(end));
    }
    let made = KeyCreated {
        key_id: new.key_id,
        owner: new.owner,
        role: new.role,
        scope: new.scope,
        hash: new.hash,
        expires_at: new.expires_at,
        label: new.label,
        reason: new.reason,
        by: new.by,
        made_with: new.made_with,
        at: new.at,
    };
    let asked = crate::access::role::Grant { role: made.role, scope: made.scope.clone() };
    if !new.may.hands_out(&asked) {
        return Err(Rejection::Widens);
    }
    within_makers_time(state, &made)?;
    match state.key(&made.key_id) {
        Some(key) if key.created == made => return Ok(vec![]),
        Some(_) => return Err(Rejection::KeyExists(made.key_id)),
        None => {}
    }
    if state.keys().values().filter(|key| key.standing(made.at) == Standing::Valid).count() >= KEYS_MAX {
        return Err(Rejection::TooManyKeys);
    }
    Ok(vec![Event::KeyCreated(made)])
}

/// What a key hands out ends with it at the latest. One that was taken back meanwhile hands out nothing any more.
fn within_makers_time(state: &State, made: &KeyCreated) -> Result<(), Rejection> {
    let maker = made.made_with.as_deref().and_then(|id| state.key(id));
    match maker.and_then(Key::end) {
        Some(end) if made.expires_at.is_none_or(|asked| asked > end) => Err(Rejection::OutlivesMaker(end)),
        Some(_) | None => Ok(()),
    }
}

fn revoke(
    state: &State,
    key_id: String,
    reason: String,
    by: Actor,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    reasoned(&reason)?;
    let Some(key) = state.key(&key_id) else { return Err(Rejection::UnknownKey(cut(&key_id))) };
    if key.revoked.is_some() {
        return Ok(vec![]);
    }
    let others = || state.keys().values().any(|other| other.created.key_id != key_id && other.manages(at));
    if key.manages(at) && !others() {
        return Err(Rejection::LastAdmin(key_id));
    }
    Ok(vec![Event::KeyRevoked(KeyRevoked { key_id, reason, by, at })])
}

/// What somebody typed for a name, short enough to be said again.
fn cut(text: &str) -> String {
    text.chars().take(OWNER_BYTES_MAX).collect()
}

fn named(owner: &str) -> Result<(), Rejection> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = owner.len() <= OWNER_BYTES_MAX
        && owner.starts_with(letter)
        && owner.chars().all(|c| letter(c) || matches!(c, '.' | '-' | '@'));
    if fits { Ok(()) } else { Err(Rejection::BadOwner(cut(owner))) }
}

fn labelled(label: &str) -> Result<(), Rejection> {
    let fits = !label.trim().is_empty()
        && label.chars().count() <= LABEL_CHARS_MAX
        && !label.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Rejection::BadLabel) }
}

fn narrowed(role: Role, scope: &Scope) -> Result<(), Rejection> {
    if let Some(action) = scope.actions.iter().copied().find(|action| !role.permits(*action)) {
        return Err(Rejection::ScopeBeyondRole { role, action });
    }
    let names_fit = scope.processes.iter().all(|name| {
        (1..=PROCESS_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
    });
    let expected = match role {
        Role::Service => (1..=PROCESSES_MAX).contains(&scope.processes.len()),
        Role::Viewer | Role::Trader | Role::Operator | Role::Admin | Role::Auditor => {
            scope.processes.is_empty()
        }
    };
    if names_fit && expected { Ok(()) } else { Err(Rejection::BadProcesses) }
}

fn reasoned(reason: &str) -> Result<(), Rejection> {
    if crate::reason::suffices(reason) { Ok(()) } else { Err(Rejection::ReasonMissing) }
}
