//! What the write lists let through, and how credentials are read.

use super::{Outside, Writes, is_called, presented};
use crate::name::Name;
use std::collections::BTreeSet;
use std::sync::Arc;
use stele_domain::access::{Action, Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::event_log::StreamId;

/// A process with a key.
pub(crate) fn process(owner: &str, processes: &[&str]) -> Caller {
    let processes = processes.iter().map(|name| (*name).to_owned()).collect();
    let scope = Scope { actions: BTreeSet::new(), processes };
    let origin = Origin { key_id: Some("0123456789ab".to_owned()), address: "192.0.2.7".to_owned() };
    Caller { actor: Actor::try_from(format!("service:{owner}")).unwrap(), role: Role::Service, scope, origin }
}

fn writes(outside: Outside) -> Writes {
    fn desk(caller: &Caller, stream: &StreamId, event_type: &str) -> bool {
        caller.scope.processes.contains("strategy")
            && stream.category() == "strategy"
            && event_type == "trading.Decided"
    }
    let reserved = ["account", "strategy"].map(str::to_owned).into();
    Writes { desk: Arc::new(desk), reserved, outside }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn nobody_passes_by_the_gates() {
    for outside in [
        Outside::Nothing,
        Outside::Everything,
        Outside::Categories(["account", "strategy", "$settings"].map(str::to_owned).into()),
    ] {
        let writes = writes(outside);
        let caller = process("shop", &["outside", "strategy"]);
        for stream in
            ["account-1", "account", "$$account-1", "$$account", "$settings", "$$$settings", "$$$$a-1"]
        {
            let stream = name(stream);
            assert!(writes.append(&caller, &stream, ["trading.Decided"]).is_err(), "{stream}");
            assert!(writes.delete(&caller, &stream).is_err(), "{stream}");
        }
        let decisions = name("strategy-btc-eure");
        assert!(writes.append(&caller, &decisions, ["trading.Decided"]).is_ok());
        assert!(writes.append(&caller, &decisions, ["trading.Decided", "trading.Armed"]).is_err());
        assert!(writes.delete(&caller, &decisions).is_err());
    }
}

#[test]
fn outside_categories_are_for_whom_they_were_given_to() {
    let listed = writes(Outside::Categories(["orders".to_owned()].into()));
    let shop = process("shop", &["outside"]);
    for stream in ["orders-1", "orders", "$$orders-1"] {
        assert!(listed.append(&shop, &name(stream), ["Placed"]).is_ok(), "{stream}");
        assert!(
            listed.append(&process("desk", &["strategy"]), &name(stream), ["Placed"]).is_err(),
            "{stream}"
        );
        assert!(writes(Outside::Nothing).append(&shop, &name(stream), ["Placed"]).is_err(), "{stream}");
    }
    assert!(listed.append(&shop, &name("carts-1"), ["Placed"]).is_err());
    assert!(writes(Outside::Everything).append(&shop, &name("carts-1"), ["Placed"]).is_ok());
}

#[test]
fn persons_and_narrowed_keys_append_nothing() {
    let writes = writes(Outside::Everything);
    for role in [Role::Viewer, Role::Trader, Role::Operator, Role::Admin, Role::Auditor] {
        let person = Caller { role, ..process("ann", &["outside"]) };
        let refused = writes.append(&person, &name("orders-1"), ["Placed"]).unwrap_err();
        assert!(refused.contains(role.name()), "{refused}");
        assert!(writes.delete(&person, &name("orders-1")).is_err());
    }
    let mut narrowed = process("shop", &["outside"]);
    narrowed.scope.actions = [Action::ReadLog].into();
    assert!(writes.append(&narrowed, &name("orders-1"), ["Placed"]).is_err());
}

#[test]
fn a_denial_names_process_category_and_stream_and_not_more_than_is_fit_to_be_shown() {
    let writes = writes(Outside::Nothing);
    let long = name(&format!("orders-{}", "x".repeat(400)));
    let refused = writes.append(&process("shop", &["outside"]), &long, ["Placed"]).unwrap_err();
    assert!(refused.contains("outside") && refused.contains("orders") && refused.len() < 300, "{refused}");
}

#[test]
fn credentials_come_as_bearer_or_basic() {
    let basic = |text: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    assert_eq!(presented("Bearer stele_x"), Some((None, "stele_x".to_owned())));
    assert_eq!(presented("bearer  stele_x "), Some((None, "stele_x".to_owned())));
    assert_eq!(presented(&basic("shop:stele_a:b")), Some((Some("shop".to_owned()), "stele_a:b".to_owned())));
    for wrong in ["", "Bearer", "Basic !", "Digest x", &basic("nothing"), "Basic /w=="] {
        assert_eq!(presented(wrong), None, "{wrong}");
    }
}

#[test]
fn a_user_is_the_keys_id_or_its_owner_and_nobody_else() {
    let caller = process("shop", &["outside"]);
    assert!(is_called(&caller, "shop") && is_called(&caller, "0123456789ab"));
    for other in ["", "service:shop", "admin", "0123456789a"] {
        assert!(!is_called(&caller, other), "{other}");
    }
}
