//! Keys: made, taken back, and never so that nobody could make another.

use super::command::Create;
use super::event::{KeyCreated, KeyRevoked};
use super::{Command, Event, KEYS_MAX, Keyring, Rejection, Standing, VALIDITY_MS_MAX};
use crate::access::role::{Action, Grant, Role, Scope};
use crate::decider::{Decider, fold};
use crate::ids::Actor;
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::BTreeSet;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000_i64.saturating_add(ms))
}

fn root() -> Actor {
    Actor::try_from("operator:root".to_owned()).unwrap()
}

fn admin() -> Grant {
    Grant { role: Role::Admin, scope: Scope::default() }
}

fn narrowed(actions: &[Action]) -> Scope {
    Scope { actions: actions.iter().copied().collect(), processes: BTreeSet::new() }
}

fn new(key_id: &str, role: Role) -> Create {
    Create {
        key_id: key_id.to_owned(),
        owner: "alice".to_owned(),
        role,
        scope: Scope::default(),
        hash: "00".repeat(32),
        expires_at: None,
        label: "laptop".to_owned(),
        reason: "first day".to_owned(),
        by: root(),
        made_with: None,
        may: admin(),
        at: at(0),
    }
}

fn create(new: Create) -> Command {
    Command::Create(Box::new(new))
}

fn made(new: Create) -> Event {
    Event::KeyCreated(KeyCreated {
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
    })
}

fn revoke(key_id: &str) -> Command {
    Command::Revoke { key_id: key_id.to_owned(), reason: "left".to_owned(), by: root(), at: at(10) }
}

fn revoked(key_id: &str) -> Event {
    let (key_id, reason) = (key_id.to_owned(), "left".to_owned());
    Event::KeyRevoked(KeyRevoked { key_id, reason, by: root(), at: at(10) })
}

fn refused(new: Create, rejection: Rejection) {
    given::<Keyring>([]).when(create(new)).then_rejected(rejection);
}

#[test]
fn a_key_is_made_for_somebody() {
    given::<Keyring>([]).when(create(new("k1", Role::Trader))).then([made(new("k1", Role::Trader))]);
}

#[test]
fn the_same_key_again_changes_nothing_and_another_of_its_id_is_refused() {
    let history = [made(new("k1", Role::Trader))];
    given::<Keyring>(history.clone()).when(create(new("k1", Role::Trader))).then_nothing();
    given::<Keyring>(history)
        .when(create(new("k1", Role::Admin)))
        .then_rejected(Rejection::KeyExists("k1".to_owned()));
}

#[test]
fn a_key_needs_a_reason_an_owner_and_a_label() {
    for reason in ["", "ok", &"x".repeat(501)] {
        refused(Create { reason: reason.to_owned(), ..new("k1", Role::Viewer) }, Rejection::ReasonMissing);
    }
    for owner in ["", "Alice", "al ice", "-alice", "al_ice", "ä", &"a".repeat(65)] {
        let bad = Rejection::BadOwner(owner.chars().take(64).collect());
        refused(Create { owner: owner.to_owned(), ..new("k1", Role::Viewer) }, bad);
    }
    for label in ["", " ", "two\nlines", &"x".repeat(81)] {
        refused(Create { label: label.to_owned(), ..new("k1", Role::Viewer) }, Rejection::BadLabel);
    }
    let longest = Create { owner: "a".repeat(64), label: "ü".repeat(80), ..new("k1", Role::Viewer) };
    given::<Keyring>([]).when(create(longest.clone())).then([made(longest)]);
}

fn person(name: &str) -> Actor {
    Actor::try_from(format!("person:{name}")).unwrap()
}

/// A key for `owner`, made by `by` who came with a key.
fn handed_on(key_id: &str, owner: &str, by: &str, with: Option<&str>) -> Create {
    Create {
        owner: owner.to_owned(),
        by: person(by),
        made_with: with.map(str::to_owned),
        ..new(key_id, Role::Admin)
    }
}

#[test]
fn a_key_ends_with_the_one_that_made_it_at_the_latest() {
    let first = Create { expires_at: Some(at(100)), ..new("k1", Role::Admin) };
    let history = [made(first.clone())];
    let until = |expires_at| Create { expires_at, ..handed_on("k2", "bob", "alice", Some("k1")) };
    for end in [None, Some(at(101))] {
        given::<Keyring>(history.clone())
            .when(create(until(end)))
            .then_rejected(Rejection::OutlivesMaker(at(100)));
    }
    given::<Keyring>(history).when(create(until(Some(at(100))))).then([made(until(Some(at(100))))]);
    let endless = [made(new("k1", Role::Admin))];
    given::<Keyring>(endless.clone()).when(create(until(None))).then([made(until(None))]);
    // It was taken back while the wish was on its way.
    let [endless] = endless;
    let late = Create { expires_at: Some(at(500)), at: at(20), ..until(None) };
    given::<Keyring>([endless, made(new("k9", Role::Admin)), revoked("k1")])
        .when(create(late))
        .then_rejected(Rejection::OutlivesMaker(at(10)));
}

#[test]
fn everybody_who_had_a_hand_in_a_key_is_found() {
    let keys = [
        made(new("k1", Role::Admin)),
        made(handed_on("k2", "bob", "alice", Some("k1"))),
        made(handed_on("k3", "carol", "bob", Some("k2"))),
        made(handed_on("k4", "bob", "dora", None)),
        made(handed_on("k5", "emil", "bob", Some("k4"))),
        // An old fact: either of Bob's keys may have made it.
        made(handed_on("k6", "fred", "bob", None)),
    ];
    let ring = fold::<Keyring>(&keys);
    let makers = |id| ring.makers(id).into_iter().map(String::from).collect::<Vec<_>>().join(" ");
    assert_eq!(makers("k1"), "operator:root");
    assert_eq!(makers("k3"), "operator:root person:alice person:bob");
    assert_eq!(makers("k5"), "person:bob person:dora");
    assert_eq!(makers("k6"), "operator:root person:alice person:bob person:dora");
    assert_eq!(makers("unknown"), "");
    assert_eq!(ring.made_with("k1").into_iter().collect::<Vec<_>>(), ["k2", "k3"]);
    assert_eq!(ring.made_with("k3").len(), 0);
}

#[test]
fn keys_that_made_each_other_are_looked_through_once() {
    let circle = [
        made(handed_on("k1", "alice", "bob", Some("k2"))),
        made(handed_on("k2", "bob", "alice", Some("k1"))),
    ];
    let ring = fold::<Keyring>(&circle);
    assert_eq!(ring.makers("k1"), BTreeSet::from([person("alice"), person("bob")]));
    assert_eq!(ring.made_with("k1").len(), 2);
}

#[test]
fn a_key_ends_in_the_future_and_within_five_years() {
    let until = |end| Create { expires_at: Some(end), ..new("k1", Role::Viewer) };
    let last = at(0).plus_millis(VALIDITY_MS_MAX);
    for end in [at(-1), at(0), last.plus_millis(1)] {
        refused(until(end), Rejection::BadExpiry(end));
    }
    for end in [at(1), last] {
        given::<Keyring>([]).when(create(until(end))).then([made(until(end))]);
    }
}

#[test]
fn a_scope_names_only_what_the_role_may_do() {
    let scope = narrowed(&[Action::Read, Action::Kill]);
    let beyond = Rejection::ScopeBeyondRole { role: Role::Viewer, action: Action::Kill };
    refused(Create { scope, ..new("k1", Role::Viewer) }, beyond);
}

#[test]
fn a_service_names_its_processes_and_nobody_else_does() {
    let of = |names: &[&str]| Scope {
        actions: BTreeSet::new(),
        processes: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    refused(new("k1", Role::Service), Rejection::BadProcesses);
    for names in [&["Market"][..], &[""], &["a b"]] {
        refused(Create { scope: of(names), ..new("k1", Role::Service) }, Rejection::BadProcesses);
    }
    refused(Create { scope: of(&["market"]), ..new("k1", Role::Admin) }, Rejection::BadProcesses);
    let market = Create { scope: of(&["market", "ingest"]), ..new("k1", Role::Service) };
    given::<Keyring>([]).when(create(market.clone())).then([made(market)]);
}

#[test]
fn nobody_makes_a_key_that_may_do_more_than_they_may() {
    let keys_only = Grant { role: Role::Admin, scope: narrowed(&[Action::ManageKeys]) };
    let operator = Grant { role: Role::Operator, scope: Scope::default() };
    for may in [keys_only.clone(), operator] {
        refused(Create { may, ..new("k1", Role::Trader) }, Rejection::Widens);
    }
    let scope = narrowed(&[Action::ManageKeys]);
    let alike = Create { may: keys_only, scope, ..new("k1", Role::Admin) };
    given::<Keyring>([]).when(create(alike.clone())).then([made(alike)]);
}

#[test]
fn there_are_at_most_a_thousand_keys_that_are_taken() {
    let mut history: Vec<Event> = (0..KEYS_MAX).map(|n| made(new(&format!("k{n}"), Role::Viewer))).collect();
    given::<Keyring>(history.clone())
        .when(create(new("one-more", Role::Viewer)))
        .then_rejected(Rejection::TooManyKeys);
    history.push(revoked("k0"));
    given::<Keyring>(history)
        .when(create(new("one-more", Role::Viewer)))
        .then([made(new("one-more", Role::Viewer))]);
}

#[test]
fn a_key_is_taken_back_once() {
    let history = [made(new("k1", Role::Trader))];
    given::<Keyring>(history.clone()).when(revoke("k1")).then([revoked("k1")]);
    let twice = history.into_iter().chain([revoked("k1")]);
    given::<Keyring>(twice).when(revoke("k1")).then_nothing();
    given::<Keyring>([]).when(revoke("k1")).then_rejected(Rejection::UnknownKey("k1".to_owned()));
}

#[test]
fn the_last_key_that_manages_keys_is_not_taken_back() {
    let one = vec![made(new("k1", Role::Admin)), made(new("k2", Role::Trader))];
    let last = Rejection::LastAdmin("k1".to_owned());
    given::<Keyring>(one.clone()).when(revoke("k1")).then_rejected(last.clone());
    given::<Keyring>(one.clone()).when(revoke("k2")).then([revoked("k2")]);

    let ends = Create { expires_at: Some(at(10)), ..new("k3", Role::Admin) };
    let over = one.iter().cloned().chain([made(ends)]);
    given::<Keyring>(over).when(revoke("k1")).then_rejected(last.clone());

    let reads = Create { scope: narrowed(&[Action::Read]), ..new("k3", Role::Admin) };
    let unable = one.iter().cloned().chain([made(reads)]);
    given::<Keyring>(unable).when(revoke("k1")).then_rejected(last);

    let another = one.into_iter().chain([made(new("k3", Role::Admin))]);
    given::<Keyring>(another).when(revoke("k1")).then([revoked("k1")]);
}

#[test]
fn a_key_is_over_at_the_exact_moment() {
    let ends = Create { expires_at: Some(at(100)), ..new("k1", Role::Viewer) };
    let state = fold::<Keyring>(&[made(ends)]);
    let standing = |ms| state.key("k1").map(|key| key.standing(at(ms)));
    assert_eq!(standing(99), Some(Standing::Valid));
    assert_eq!(standing(100), Some(Standing::Expired));
}

#[test]
fn no_fact_brings_a_revoked_key_back() {
    let history = [made(new("k1", Role::Viewer)), revoked("k1"), made(new("k1", Role::Admin))];
    let state = fold::<Keyring>(&history);
    let key = state.key("k1").unwrap();
    assert_eq!((key.standing(at(20)), key.created.role), (Standing::Revoked, Role::Viewer));
}

/// Wishes about three keys, by makers of every kind.
#[derive(Debug, Clone)]
struct Story(Vec<Command>);

impl Arbitrary for Story {
    fn arbitrary(source: &mut Gen) -> Self {
        let moments: Vec<u16> = Vec::arbitrary(source);
        let wish = |ms: u16| {
            let key_id = format!("k{}", ms % 3);
            let now = at(i64::from(ms));
            if bool::arbitrary(source) {
                let Command::Revoke { reason, by, .. } = revoke(&key_id) else { panic!("a revocation") };
                return Command::Revoke { key_id, reason, by, at: now };
            }
            let expires_at = bool::arbitrary(source).then(|| now.plus_millis(5_000));
            let role = if bool::arbitrary(source) { Role::Admin } else { Role::arbitrary(source) };
            create(Create { may: Grant::arbitrary(source), expires_at, at: now, ..new(&key_id, role) })
        };
        Self(moments.into_iter().map(wish).collect())
    }
}

#[test]
fn repeating_a_wish_changes_nothing_and_no_revocation_leaves_nobody_to_manage_keys() {
    fn moment(command: &Command) -> Timestamp {
        match command {
            Command::Create(create) => create.at,
            Command::Revoke { at, .. } => *at,
        }
    }
    QuickCheck::new().tests(500).quickcheck::<fn(Story) -> bool>(|story| {
        let mut state = super::State::default();
        story.0.into_iter().all(|command| {
            let Ok(events) = Keyring::decide(&state, command.clone()) else { return true };
            let (before, now) = (state.clone(), moment(&command));
            state = events.iter().fold(state.clone(), Keyring::evolve);
            let managed = |state: &super::State| state.keys().values().any(|key| key.manages(now));
            let locked_out =
                matches!(command, Command::Revoke { .. }) && managed(&before) && !managed(&state);
            !locked_out && Keyring::decide(&state, command) == Ok(vec![])
        })
    });
}
