//! Who a client certificate names: a URI in its subject alternative names.
//!
//! `stele://person/<owner>/<role>` for people and `stele://service/<owner>/<process>,<process>` for processes of
//! the desk, which may append what those processes write.

use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;

/// The caller whom the URIs of a certificate name; `None` unless exactly one of them is ours and makes sense.
pub(super) fn caller<'u>(uris: impl IntoIterator<Item = &'u str>, address: &str) -> Option<Caller> {
    let mut ours = uris.into_iter().filter_map(|uri| uri.strip_prefix("stele://"));
    let (Some(name), None) = (ours.next(), ours.next()) else { return None };
    let mut parts = name.split('/');
    let (Some(kind), Some(owner), Some(last), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if owner.is_empty() || !owner.chars().all(plain) {
        return None;
    }
    let (role, scope) = match kind {
        "person" => (Role::named(last).filter(|role| *role != Role::Service)?, Scope::default()),
        "service" => {
            let processes = last.split(',').filter(|process| !process.is_empty()).map(str::to_owned);
            (Role::Service, Scope { processes: processes.collect(), ..Scope::default() })
        }
        _ => return None,
    };
    let actor = Actor::try_from(format!("{kind}:{owner}")).ok()?;
    Some(Caller { actor, role, scope, origin: Origin { key_id: None, address: address.to_owned() } })
}

#[cfg(test)]
mod tests {
    use super::caller;
    use stele_domain::access::Role;

    #[test]
    fn a_person_and_a_process_are_named_by_one_uri() {
        let ann = caller(["https://example.org/ann", "stele://person/ann/operator"], "192.0.2.7").unwrap();
        assert_eq!((ann.actor.as_str(), ann.role), ("person:ann", Role::Operator));
        assert_eq!((ann.origin.address.as_str(), ann.origin.key_id), ("192.0.2.7", None));
        let process = caller(["stele://service/feeds-1/market,ingest"], "192.0.2.7").unwrap();
        assert_eq!((process.actor.as_str(), process.role), ("service:feeds-1", Role::Service));
        assert_eq!(process.scope.processes.into_iter().collect::<Vec<_>>(), ["ingest", "market"]);
    }

    #[test]
    fn what_is_not_said_clearly_names_nobody() {
        for uris in [
            &["stele://person/ann/king"][..],
            &["stele://person/ann/service"],
            &["stele://person/ann"],
            &["stele://person//admin"],
            &["stele://person/ann/admin/more"],
            &["stele://person/a%6En/admin"],
            &["stele://robot/ann/admin"],
            &["stele://person/ann/viewer", "stele://person/ann/admin"],
            &["spiffe://person/ann/admin"],
            &[],
        ] {
            assert!(caller(uris.iter().copied(), "192.0.2.7").is_none(), "{uris:?}");
        }
    }
}
