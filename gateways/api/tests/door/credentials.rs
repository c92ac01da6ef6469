//! Who is let in: keys, roles, rates, and what is written down of those who are not.

use crate::desk::asked::{arm, limits};
use crate::desk::{Desk, HandClock, Network, PATIENCE};
use crate::raw::{Raw, exchange, send, send_to};
use std::collections::BTreeSet;
use stele_api::client::new_key;
use stele_api::{Pace, RateOptions, dto};
use stele_domain::access::{Action, Role};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Filter, Position, Record};
use tokio::net::UnixStream;

async fn get(net: &Network, target: &str, headers: &[&str]) -> Raw {
    send_to(net.address, "GET", target, headers, b"").await
}

async fn post(net: &Network, target: &str, key: &str, body: &str) -> Raw {
    let headers = ["content-type: application/json", key];
    send_to(net.address, "POST", target, &headers, body.as_bytes()).await
}

/// Events of one type, as soon as there are any.
async fn recorded(desk: &Desk, event_type: &str) -> Vec<Record> {
    let filter = Filter { categories: vec![], event_types: vec![event_type.to_owned()] };
    let mut follow = desk.log.follow(Position(1), filter);
    let found = async {
        loop {
            let page = follow.next(100).await.unwrap();
            if !page.records.is_empty() {
                return page.records;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("an event of that type")
}

fn data(record: &Record) -> serde_json::Value {
    serde_json::from_slice(&record.data).unwrap()
}

#[tokio::test]
async fn without_a_key_only_what_everybody_may_see_is_shown() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let no = get(&net, "/v1/status", &[]).await;
    no.problem(401, "no-credential");
    assert!(no.head.contains("www-authenticate: bearer"), "{}", no.head);
    post(&net, "/v1/account/kill", "x-nothing: 1", "{}").await.problem(401, "no-credential");
    for open in ["/livez", "/openapi.json", "/"] {
        assert_eq!(get(&net, open, &[]).await.status, 200, "{open}");
    }
    for closed in
        ["/readyz", "/metrics", "/statusz", "/v1/stream", "/v1/log/follow", "/v1/proof", "/v1/whoami"]
    {
        get(&net, closed, &[]).await.problem(401, "no-credential");
    }
}

#[tokio::test]
async fn a_key_says_who_asks_and_from_where() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Viewer).await;
    let me = get(&net, "/v1/whoami", &[&key.header()]).await;
    let me: dto::WhoAmI = serde_json::from_str(&me.body).unwrap();
    assert_eq!((me.actor.as_str(), me.role, me.key_id), ("person:ann", Role::Viewer, Some(key.id.clone())));
    assert_eq!((me.address.as_str(), me.actions), ("127.0.0.1", BTreeSet::from([Action::Read])));
    // The same key at the machine's own socket has no more power than anywhere else.
    let lent = UnixStream::connect(&desk.path).await.unwrap();
    let body = br#"{"reason":"by a script"}"#;
    let headers = ["content-type: application/json", &key.header()];
    exchange(lent, "POST", "/v1/account/disarm", &headers, body).await.problem(403, "forbidden");
    // And without it, whoever stands there owns the desk.
    let me = send(&desk.path, "GET", "/v1/whoami", &[], b"").await;
    assert_eq!((&me.json()["role"], &me.json()["address"]), (&"admin".into(), &"unix".into()));
}

#[tokio::test]
async fn a_key_that_is_wrong_expired_or_revoked_says_so() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Admin).await;
    let status = async |header: &str| get(&net, "/v1/status", &[header]).await;
    assert_eq!(status(&key.header()).await.status, 200);

    let mut changed = key.text.clone().into_bytes();
    let at = changed.len() - 20;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for nonsense in [&changed, "stele_", "hunter2", "", &"x".repeat(5_000)] {
        status(&format!("authorization: Bearer {nonsense}")).await.problem(401, "bad-key");
    }
    status("authorization: Basic YW5uOmh1bnRlcjI=").await.problem(401, "bad-key");

    let soon = HandClock::now(&desk.clock).plus_millis(60_000);
    let short = desk.key_until("bob", Role::Viewer, Some(soon)).await;
    assert_eq!(status(&short.header()).await.status, 200);
    desk.clock.advance_ms(60_000);
    status(&short.header()).await.problem(401, "expired-key");

    let other = desk.key("eve", Role::Viewer).await;
    let path = format!("/v1/keys/{}", other.id);
    let body = br#"{"reason":"she has left"}"#;
    let headers = ["content-type: application/json", &key.header()];
    assert_eq!(send_to(net.address, "DELETE", &path, &headers, body).await.status, 200);
    status(&other.header()).await.problem(401, "revoked-key");
}

#[tokio::test]
async fn a_role_that_may_not_is_refused_and_written_down() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    desk.audited(&net.stop);
    let key = desk.key("vic", Role::Viewer).await;
    let no = post(&net, "/v1/account/kill", &key.header(), r#"{"reason":"let me try"}"#).await;
    no.problem(403, "forbidden");
    assert_eq!(desk.client.account().await.unwrap().account.arming, dto::Arming::Disarmed);
    let attempts = recorded(&desk, "access.Attempted").await;
    let attempt = data(&attempts[0]);
    assert_eq!((&attempt["action"], &attempt["code"]), (&"kill".into(), &"forbidden".into()));
    let meta: serde_json::Value = serde_json::from_slice(&attempts[0].metadata).unwrap();
    assert_eq!((&meta["actor"], &meta["origin"]["key_id"]), (&"person:vic".into(), &key.id.into()));
}

#[tokio::test]
async fn what_each_role_may_do_is_what_the_doors_let_it_do() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let tries = [
        ("GET", "/v1/status", Action::Read),
        ("GET", "/v1/log/stat", Action::ReadLog),
        ("POST", "/v1/log/checkpoint", Action::Prove),
        ("POST", "/v1/audits", Action::Prove),
        ("GET", "/v1/audits", Action::Prove),
        ("GET", "/v1/audits/00000000-0000-0000-0000-000000000001", Action::Prove),
        ("GET", "/v1/audits/00000000-0000-0000-0000-000000000001/report", Action::Prove),
        ("POST", "/v1/account/arm", Action::Arm),
        ("POST", "/v1/account/approve", Action::Approve),
        ("POST", "/v1/account/disarm", Action::Disarm),
        ("POST", "/v1/account/kill", Action::Kill),
        ("POST", "/v1/services/market/pause", Action::Steer),
        ("POST", "/v1/services/market/refresh", Action::Refresh),
        ("POST", "/v1/alerts/unmatched_credit/clear", Action::Steer),
        ("GET", "/v1/alerts", Action::Read),
        ("GET", "/v1/projections/all/rebuild", Action::Read),
        ("POST", "/v1/projections/all/rebuild", Action::Steer),
        ("DELETE", "/v1/projections/all/rebuild/old", Action::Steer),
        ("GET", "/v1/projections/all/parked", Action::Read),
        ("POST", "/v1/projections/quotes/parked/7/retry", Action::Steer),
        ("POST", "/v1/projections/quotes/parked/7/skip", Action::Steer),
        ("PUT", "/v1/limits", Action::SetLimits),
        ("PUT", "/v1/filter", Action::SetFilter),
        ("GET", "/v1/keys", Action::ManageKeys),
        ("POST", "/v1/keys", Action::ManageKeys),
    ];
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Service) {
        let key = desk.key(role.name(), role).await;
        for (method, target, action) in tries {
            let body: &[u8] = if method == "GET" { b"" } else { br#"{"unknown":1}"# };
            let headers = ["content-type: application/json", &key.header()];
            let answer = send_to(net.address, method, target, &headers, body).await;
            // Who may is refused for the unknown field, and nobody else gets that far.
            assert_eq!(
                answer.status != 403,
                role.permits(action),
                "{role} {method} {target}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn keys_are_made_shown_once_listed_and_taken_back() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let admin = desk.key("ann", Role::Admin).await;
    let name = new_key();
    let id = format!("idempotency-key: {name}");
    let headers = ["content-type: application/json", &admin.header(), &id];
    let body = br#"{"owner":"bob","role":"trader","label":"desk 2","for_ms":60000,"reason":"he trades now"}"#;
    let made = send_to(net.address, "POST", "/v1/keys", &headers, body).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let made: dto::CreatedKey = serde_json::from_str(&made.body).unwrap();
    assert!(
        made.key.starts_with(&format!("stele_{}_", made.key_id)) && !format!("{made:?}").contains(&made.key)
    );
    // What was shown is never shown again.
    let again = send_to(net.address, "POST", "/v1/keys", &headers, body).await;
    again.problem(409, "key-shown-once");
    assert!(!again.body.contains(&made.key));

    let list = get(&net, "/v1/keys", &[&admin.header()]).await;
    assert!(!list.body.contains("hash") && !list.body.contains(&made.key), "{}", list.body);
    let list: dto::KeysAnswer = serde_json::from_str(&list.body).unwrap();
    let bob = list.keys.iter().find(|key| key.owner == "bob").unwrap();
    // Whoever has the key that it was made with could have kept a copy; that one was made at the machine.
    assert_eq!(bob.made_with.as_ref(), Some(&admin.id));
    assert_eq!(list.keys.iter().find(|key| key.owner == "ann").unwrap().made_with, None);
    assert_eq!(
        (bob.role, bob.standing, bob.label.as_str()),
        (Role::Trader, dto::KeyStanding::Valid, "desk 2")
    );

    let header = format!("authorization: Bearer {}", made.key);
    assert_eq!(get(&net, "/v1/whoami", &[&header]).await.status, 200);
    let unknown = br#"{"reason":"never seen"}"#;
    let headers = ["content-type: application/json", &admin.header()];
    send_to(net.address, "DELETE", "/v1/keys/nothing", &headers, unknown).await.problem(404, "unknown_key");
    let body = r#"{"owner":"Bob!","role":"trader","label":"x","reason":"he trades now"}"#;
    post(&net, "/v1/keys", &admin.header(), body).await.problem(422, "bad_owner");
}

#[tokio::test]
async fn whoever_asks_too_fast_waits_and_never_in_order_to_stop() {
    let slow = Pace::new(1, 3);
    let rates = RateOptions { reads: slow, writes: slow, strangers: slow };
    let desk = Desk::ready_paced(rates).await;
    let net = desk.networked().await;
    let ann = desk.key("ann", Role::Operator).await.header();
    for left in [2, 1, 0] {
        let answer = get(&net, "/v1/account", &[&ann]).await;
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains(&format!("ratelimit: \"reads\";r={left};t=1")), "{}", answer.head);
        assert!(answer.head.contains("ratelimit-policy: \"reads\";q=3;w=3"), "{}", answer.head);
    }
    let no = get(&net, "/v1/account", &[&ann]).await;
    no.problem(429, "rate-limited");
    assert!(no.head.contains("retry-after: 1"), "{}", no.head);
    // Another key of hers is the same person; somebody else is not.
    let second = desk.key("ann", Role::Viewer).await.header();
    get(&net, "/v1/account", &[&second]).await.problem(429, "rate-limited");
    let bob = desk.key("bob", Role::Viewer).await.header();
    assert_eq!(get(&net, "/v1/account", &[&bob]).await.status, 200);
    for _ in 0..20 {
        assert_eq!(post(&net, "/v1/account/kill", &ann, "{}").await.status, 200);
        assert_eq!(post(&net, "/v1/account/disarm", &ann, "{}").await.status, 200);
    }
    // Strangers run out of patience too, and a key from the same address does not pay for it.
    for _ in 0..3 {
        get(&net, "/v1/account", &[]).await.problem(401, "no-credential");
    }
    get(&net, "/v1/account", &[]).await.problem(429, "rate-limited");
    assert_eq!(post(&net, "/v1/account/kill", &ann, "{}").await.status, 200);
    // The machine's own socket is not slowed down.
    for _ in 0..20 {
        desk.client.account().await.unwrap();
    }
}

#[tokio::test]
async fn arming_can_need_two_persons_and_two_keys_of_one_are_one() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let wish = dto::SetLimits {
        limits: dto::Limits { second_person: true, ..limits() },
        limits_version: None,
        effective_from: None,
        reason: "four eyes from now on".to_owned(),
    };
    desk.client.set_limits(new_key(), &wish).await.unwrap();
    let ann = desk.key("ann", Role::Operator).await.header();
    let body = serde_json::to_string(&arm("opening the desk")).unwrap();
    let asked = post(&net, "/v1/account/arm", &ann, &body).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let asked: dto::Written = serde_json::from_str(&asked.body).unwrap();
    let approval = asked.approval.unwrap();
    assert_eq!(asked.outcome, dto::Outcome::ApprovalNeeded);
    let account = desk.client.account().await.unwrap().account;
    assert_eq!(account.arming, dto::Arming::Disarmed);
    assert_eq!(account.arm_request.unwrap().request_id, approval.request_id);
    let hash = desk.client.limits().await.unwrap().in_force.unwrap().hash;
    assert_eq!(hash, approval.limits_hash);

    let approve = |hash: &str| {
        format!(
            r#"{{"request_id":"{}","limits_hash":"{hash}","reason":"looked at it"}}"#,
            approval.request_id
        )
    };
    let other_key = desk.key("ann", Role::Admin).await.header();
    post(&net, "/v1/account/approve", &other_key, &approve(&hash)).await.problem(409, "same_person");
    let bob = desk.key("bob", Role::Operator).await.header();
    post(&net, "/v1/account/approve", &bob, &approve(&"0".repeat(64))).await.problem(409, "limits_changed");
    assert_eq!(post(&net, "/v1/account/approve", &bob, &approve(&hash)).await.status, 200);
    assert_eq!(desk.client.account().await.unwrap().account.arming, dto::Arming::Armed);
    let eve = desk.key("eve", Role::Operator).await.header();
    let late = post(&net, "/v1/account/approve", &eve, &approve(&hash)).await;
    assert_eq!((late.status, &late.json()["outcome"]), (200, &"already_so".into()));
}

#[tokio::test]
async fn a_wish_that_comes_again_with_another_body_is_refused_also_elsewhere() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let ann = desk.key("ann", Role::Operator).await.header();
    let id = format!("idempotency-key: {}", new_key());
    let headers = ["content-type: application/json", &ann, &id];
    let send = async |target: &str, body: &str| {
        send_to(net.address, "POST", target, &headers, body.as_bytes()).await
    };
    let first = send("/v1/services/market/pause", r#"{"reason":"maintenance"}"#).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = send("/v1/services/market/pause", r#"{"reason":"maintenance"}"#).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
    let other = send("/v1/services/market/pause", r#"{"reason":"something else"}"#).await;
    other.problem(422, "idempotency-key-reused");
    // Of another aggregate: the id names one wish of the desk, not one of a stream.
    let elsewhere = send("/v1/services/inventory/pause", r#"{"reason":"maintenance"}"#).await;
    elsewhere.problem(422, "idempotency-key-reused");
}
