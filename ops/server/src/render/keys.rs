//! Keys and roles for people.

use super::table;
use super::units::moment;
use std::collections::BTreeSet;
use stele_api::dto::{Key, KeyStanding, KeysAnswer, WhoAmI};
use stele_domain::access::{Action, Role};

/// Every key; none of this is secret.
pub(crate) fn list(answer: &KeysAnswer) -> String {
    if answer.keys.is_empty() {
        return "There are no keys. The first one: stele keys create --role admin --owner NAME --out FILE"
            .to_owned();
    }
    let mut table =
        table::framed(&["key", "owner", "role", "narrowed to", "for", "made", "until", "standing"]);
    for key in &answer.keys {
        let actions = key.actions.iter().map(|action| action.name().to_owned());
        let narrowed: Vec<_> = actions.chain(key.processes.iter().cloned()).collect();
        table.add_row([
            key.key_id.clone(),
            key.owner.clone(),
            key.role.name().to_owned(),
            narrowed.join(", "),
            key.label.clone(),
            made(key),
            key.expires_at.map_or_else(|| "for ever".to_owned(), moment),
            standing(key.standing).to_owned(),
        ]);
    }
    table.to_string()
}

/// When a key was made, by whom, and with which key: whoever has that one could have kept a copy of this one.
fn made(key: &Key) -> String {
    let with = key.made_with.as_ref().map_or_else(String::new, |with| format!(" with {with}"));
    format!("{} by {}{with}", moment(key.created_at), key.created_by)
}

fn standing(standing: KeyStanding) -> &'static str {
    match standing {
        KeyStanding::Valid => "valid",
        KeyStanding::Expired => "expired",
        KeyStanding::Revoked => "REVOKED",
    }
}

/// Who one is.
pub(crate) fn who(who: &WhoAmI) -> String {
    let names = |actions: &BTreeSet<Action>| {
        actions.iter().map(|action| action.name()).collect::<Vec<_>>().join(", ")
    };
    let mut rows = vec![("acts as", who.actor.clone()), ("role", who.role.name().to_owned())];
    rows.push(("may", names(&who.actions)));
    if let Some(key) = &who.key_id {
        rows.push(("with key", key.clone()));
    }
    rows.push(("from", who.address.clone()));
    table::facts(rows)
}

/// The matrix: who may do what.
pub(crate) fn matrix() -> String {
    let header = ["action".to_owned()].into_iter().chain(Role::ALL.map(|role| role.name().to_owned()));
    let mut table = table::framed(&header.collect::<Vec<_>>());
    for action in Action::ALL {
        let marks = Role::ALL.map(|role| if role.permits(action) { "yes" } else { "" }.to_owned());
        table.add_row([action.name().to_owned()].into_iter().chain(marks));
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::matrix;
    use stele_domain::access::{Action, Role};

    #[test]
    fn the_matrix_has_every_action_and_every_role() {
        let text = matrix();
        for word in Role::ALL.map(Role::name).into_iter().chain(Action::ALL.map(Action::name)) {
            assert!(text.contains(word), "{word} is missing in\n{text}");
        }
        let kill = text.lines().find(|line| line.contains(" kill ")).unwrap();
        assert_eq!(kill.matches("yes").count(), 2, "operator and admin: {kill}");
    }
}
