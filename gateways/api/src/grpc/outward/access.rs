//! Who a caller is, roles and keys.

use crate::dto::{self, KeyStanding};
use crate::grpc::words::{as_of, moment, moment_or_none};
use stele_domain::access::{Action, Role};
use stele_proto::api::v1 as pb;

pub(crate) fn whoami(who: dto::WhoAmI) -> pb::WhoAmIResponse {
    pb::WhoAmIResponse {
        actor: who.actor,
        role: role(who.role).into(),
        actions: names(who.actions),
        key_id: who.key_id,
        address: who.address,
    }
}

pub(crate) fn roles(answer: dto::RolesAnswer) -> pb::ListRolesResponse {
    let told =
        |info: dto::RoleInfo| pb::RoleInfo { role: role(info.role).into(), actions: names(info.actions) };
    pb::ListRolesResponse { roles: answer.roles.into_iter().map(told).collect() }
}

pub(crate) fn keys(answer: dto::KeysAnswer) -> pb::ListKeysResponse {
    pb::ListKeysResponse {
        keys: answer.keys.into_iter().map(key).collect(),
        as_of: Some(as_of(answer.as_of, answer.head)),
    }
}

fn key(key: dto::Key) -> pb::Key {
    let standing = match key.standing {
        KeyStanding::Valid => pb::KeyStanding::Valid,
        KeyStanding::Expired => pb::KeyStanding::Expired,
        KeyStanding::Revoked => pb::KeyStanding::Revoked,
    };
    pb::Key {
        key_id: key.key_id,
        owner: key.owner,
        role: role(key.role).into(),
        scope: Some(pb::Scope {
            actions: names(key.actions),
            processes: key.processes.into_iter().collect(),
        }),
        label: key.label,
        standing: standing.into(),
        created_at: Some(moment(key.created_at)),
        created_by: key.created_by,
        expires_at: moment_or_none(key.expires_at),
        revoked_at: moment_or_none(key.revoked_at),
        made_with: key.made_with,
    }
}

/// The one message that has a secret in it: it goes out, and is kept nowhere.
pub(crate) fn created(key: dto::CreatedKey) -> pb::CreateKeyResponse {
    let receipt = pb::Receipt {
        command_id: key.command_id.to_string(),
        outcome: pb::Outcome::Recorded.into(),
        log_position: key.log_position,
        replayed: false,
    };
    pb::CreateKeyResponse { receipt: Some(receipt), key_id: key.key_id, secret: key.key }
}

fn names(actions: impl IntoIterator<Item = Action>) -> Vec<String> {
    actions.into_iter().map(|action| action.name().to_owned()).collect()
}

fn role(role: Role) -> pb::Role {
    match role {
        Role::Viewer => pb::Role::Viewer,
        Role::Trader => pb::Role::Trader,
        Role::Operator => pb::Role::Operator,
        Role::Admin => pb::Role::Admin,
        Role::Auditor => pb::Role::Auditor,
        Role::Service => pb::Role::Service,
    }
}
