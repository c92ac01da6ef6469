//! The matrix of roles and actions, and what no credential can ever do.

use super::{Action, Caller, Grant, Origin, Role, Scope, same_person};
use crate::ids::Actor;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::BTreeSet;

impl Arbitrary for Role {
    fn arbitrary(source: &mut Gen) -> Self {
        *source.choose(&Self::ALL).unwrap()
    }
}

impl Arbitrary for Action {
    fn arbitrary(source: &mut Gen) -> Self {
        *source.choose(&Self::ALL).unwrap()
    }
}

impl Arbitrary for Scope {
    fn arbitrary(source: &mut Gen) -> Self {
        Self { actions: BTreeSet::arbitrary(source), processes: BTreeSet::new() }
    }
}

impl Arbitrary for Grant {
    fn arbitrary(source: &mut Gen) -> Self {
        Self { role: Role::arbitrary(source), scope: Scope::arbitrary(source) }
    }
}

fn actor(name: &str) -> Actor {
    Actor::try_from(name.to_owned()).unwrap()
}

fn caller(grant: Grant) -> Caller {
    let origin = Origin { key_id: None, address: "unix".to_owned() };
    Caller { actor: actor("person:alice"), role: grant.role, scope: grant.scope, origin }
}

#[test]
fn viewer_and_auditor_never_write() {
    quickcheck::<fn(Scope, Action) -> bool>(|scope, action| {
        [Role::Viewer, Role::Auditor]
            .into_iter()
            .all(|role| !caller(Grant { role, scope: scope.clone() }).may(action) || !action.writes())
    });
}

#[test]
fn no_key_widens_its_role() {
    quickcheck::<fn(Grant, Action) -> bool>(|grant, action| {
        !caller(grant.clone()).may(action) || grant.role.permits(action)
    });
}

/// Down any chain of keys that hand out keys, nobody can do what the first could not; processes are made by full
/// admins alone.
#[test]
fn no_key_hands_out_more_than_it_has() {
    quickcheck::<fn(Grant, Grant, Action) -> bool>(|maker, made, action| {
        if !maker.hands_out(&made) || !made.includes(action) {
            return true;
        }
        let full_admin = maker.role == Role::Admin && maker.scope.actions.is_empty();
        maker.includes(action) || full_admin
    });
}

#[test]
fn only_admins_hand_out_keys_at_all() {
    quickcheck::<fn(Grant, Grant) -> bool>(|maker, made| {
        !maker.hands_out(&made) || maker.role == Role::Admin
    });
}

#[test]
fn the_matrix_is_as_documented() {
    let may = |role: Role| {
        let names = Action::ALL.into_iter().filter(|action| role.permits(*action)).map(Action::name);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(may(Role::Viewer), "read");
    assert_eq!(may(Role::Trader), "read read_log arm disarm refresh set_filter");
    assert_eq!(
        may(Role::Operator),
        "read read_log prove arm approve disarm kill steer refresh set_limits set_filter"
    );
    assert_eq!(
        may(Role::Admin),
        "read read_log prove arm approve disarm kill steer refresh set_limits set_filter manage_keys"
    );
    assert_eq!(may(Role::Auditor), "read read_log prove");
    assert_eq!(may(Role::Service), "read_log append_log");
}

#[test]
fn every_role_and_action_has_a_name_of_its_own_that_finds_it() {
    for role in Role::ALL {
        assert_eq!(Role::named(role.name()), Some(role));
    }
    for action in Action::ALL {
        assert_eq!(Action::named(action.name()), Some(action));
    }
    assert_eq!((Role::named("root"), Action::named("")), (None, None));
}

#[test]
fn whoever_sits_at_the_machine_is_the_same_person_as_with_their_key() {
    assert!(same_person(&actor("operator:alice"), &actor("person:alice")));
    assert!(same_person(&actor("person:Alice"), &actor("person:alice")));
    assert!(!same_person(&actor("person:alice"), &actor("person:bob")));
    assert!(!same_person(&actor("service:alice"), &actor("person:alice")));
}
