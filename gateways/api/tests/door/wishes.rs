//! Arm, disarm, kill, limits, filter, services: what came of it, and what the log says.

use crate::desk::asked::{arm, limits};
use crate::desk::{Desk, Key, PATIENCE};
use crate::raw;
use std::sync::atomic::Ordering;
use stele_api::client::{ClientError, Reply, new_key};
use stele_api::dto::{self, Arming, Outcome};
use stele_domain::access::Role;
use stele_domain::codec;
use stele_domain::operations::alert::event::Kind;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Filter, Position};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use uuid::Uuid;

fn refused(outcome: Result<Reply<dto::Written>, ClientError>, status: u16, code: &str) -> dto::Problem {
    let error = outcome.expect_err("refused");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}")).clone();
    assert_eq!((problem.status, problem.code.as_str()), (status, code), "{}", problem.detail);
    problem
}

async fn arming(desk: &Desk) -> Arming {
    desk.client.account().await.unwrap().account.arming
}

#[tokio::test]
async fn armed_disarmed_and_killed_the_account_says_so() {
    let desk = Desk::ready().await;
    assert_eq!(arming(&desk).await, Arming::Disarmed);

    let armed = desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    assert_eq!((armed.answer.outcome, armed.replayed), (Outcome::Recorded, false));
    let account = desk.client.account().await.unwrap().account;
    assert_eq!(account.arming, Arming::Armed);
    let terms = account.armed.unwrap();
    assert_eq!((terms.reason.as_str(), terms.limits_version, terms.expired), ("opening the desk", 1, false));
    assert_eq!(terms.until, desk.clock.now().plus_millis(600_000));

    desk.client.disarm(new_key(), "lunch").await.unwrap();
    assert_eq!(arming(&desk).await, Arming::Disarmed);

    let killed = desk.client.kill(new_key(), "something is wrong").await.unwrap().answer;
    assert!(killed.fenced && killed.open_signatures.is_empty());
    assert_eq!(arming(&desk).await, Arming::Killed);
    let no = refused(desk.client.arm(new_key(), &arm("too early")).await, 409, "killed");
    assert!(no.detail.contains("stele disarm"), "{}", no.detail);
    desk.client.disarm(new_key(), "looked at it").await.unwrap();
    assert_eq!(arming(&desk).await, Arming::Disarmed);
}

#[tokio::test]
async fn an_arming_that_has_run_out_counts_as_disarmed() {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("for ten minutes")).await.unwrap();
    desk.clock.advance_ms(599_999);
    assert_eq!(arming(&desk).await, Arming::Armed);
    desk.clock.advance_ms(1);
    let account = desk.client.account().await.unwrap().account;
    assert_eq!((account.arming, account.armed.unwrap().expired), (Arming::Disarmed, true));
}

#[tokio::test]
async fn the_same_key_and_body_give_the_first_answer_again() {
    let desk = Desk::ready().await;
    let key = new_key();
    let first = desk.client.arm(key, &arm("opening the desk")).await.unwrap();
    let head = desk.log.head().await.unwrap();
    desk.clock.advance_ms(1_000);
    let again = desk.client.arm(key, &arm("opening the desk")).await.unwrap();
    assert_eq!((again.answer, again.replayed), (first.answer, true));
    assert_eq!(desk.log.head().await.unwrap(), head, "nothing was recorded the second time");
}

#[tokio::test]
async fn a_body_in_another_order_and_with_other_spaces_is_the_same_body() {
    let desk = Desk::ready().await;
    let key = format!("idempotency-key: {}", new_key());
    let headers = ["content-type: application/json; charset=utf-8", key.as_str()];
    let one = br#"{"reason":"opening the desk","mode":"reducing","for_ms":60000}"#;
    let other = br#"{ "for_ms": 60000, "mode": "reducing", "reason": "opening the desk" }"#;
    let first = raw::send(&desk.path, "POST", "/v1/account/arm", &headers, one).await;
    let again = raw::send(&desk.path, "POST", "/v1/account/arm", &headers, other).await;
    assert_eq!((first.status, again.status), (200, 200), "{}", again.body);
    assert_eq!(first.body, again.body);
    assert!(!first.head.contains("idempotent-replayed") && again.head.contains("idempotent-replayed: true"));
    assert_eq!(arming(&desk).await, Arming::Reducing);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused_and_the_attempt_recorded() {
    let desk = Desk::ready().await;
    let key = new_key();
    desk.client.arm(key, &arm("opening the desk")).await.unwrap();
    let no = refused(desk.client.arm(key, &arm("another wish")).await, 422, "idempotency-key-reused");
    assert_eq!(no.command_id, Some(key));
    // Another route is another wish, even with an equal body.
    refused(desk.client.disarm(key, "opening the desk").await, 422, "idempotency-key-reused");
    let rows = desk
        .current()
        .await
        .rows("refused_commands", &stele_api::client::RowsQuery::default())
        .await
        .unwrap();
    assert_eq!(rows.rows.len(), 2);
}

#[tokio::test]
async fn rules_that_say_no_are_problems_with_their_code() {
    let desk = Desk::open().await;
    refused(desk.client.arm(new_key(), &arm("nobody could sign")).await, 409, "no_executor");
    desk.take_lease().await;
    refused(desk.client.arm(new_key(), &arm("no limits yet")).await, 409, "no_limits");
    let wish = dto::SetLimits {
        limits: limits(),
        limits_version: None,
        effective_from: None,
        reason: "first limits".to_owned(),
    };
    desk.client.set_limits(new_key(), &wish).await.unwrap();
    refused(desk.client.arm(new_key(), &arm(" ")).await, 422, "reason_missing");
    let moved = dto::Arm { limits_version: Some(7), ..arm("was shown others") };
    refused(desk.client.arm(new_key(), &moved).await, 409, "limits_moved");
    let too_long = dto::Arm { for_ms: Some(86_400_001), ..arm("for a day and a millisecond") };
    refused(desk.client.arm(new_key(), &too_long).await, 422, "bad_expiry");
    let paused = desk.client.pause(new_key(), "market", "never started").await;
    refused(paused, 409, "never_started");
}

#[tokio::test]
async fn a_kill_needs_no_words_and_no_body() {
    let desk = Desk::open().await;
    let answer = raw::send(&desk.path, "POST", "/v1/account/kill", &[], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let killed: dto::Killed = serde_json::from_value(answer.json()).unwrap();
    assert!(answer.head.contains(&format!("log-position: {}", killed.log_position.unwrap())));
    assert_eq!(arming(&desk).await, Arming::Killed);
}

#[tokio::test]
async fn a_kill_is_carried_out_although_the_caller_hangs_up() {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let head = desk.log.head().await.unwrap();
    // A frame is being written: the kill waits for it, and meanwhile its caller goes away.
    let permit = desk.control.fence.permit().await;
    let mut caller = UnixStream::connect(&desk.path).await.unwrap();
    let request = b"POST /v1/account/kill HTTP/1.1\r\nhost: desk\r\ncontent-length: 0\r\n\r\n";
    caller.write_all(request).await.unwrap();
    // The door has read the request once the fence is being closed.
    let fence = desk.control.fence.clone();
    let closing = async {
        while tokio::time::timeout(std::time::Duration::ZERO, fence.permit()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closing).await.expect("the kill begins");
    drop(caller);
    // The frame stays stuck until the kill gives up on it: time enough to notice that the caller is gone.
    let mut follow = desk.log.follow(head.next(), Filter::categories(&["account"]));
    let page = tokio::time::timeout(PATIENCE, follow.next(1)).await.expect("the kill is recorded").unwrap();
    assert_eq!(&*page.records[0].event_type, "trading.Killed");
    drop(permit);
}

#[tokio::test]
async fn the_actor_is_the_user_behind_the_socket_and_the_key_is_the_command() {
    let desk = Desk::ready().await;
    let key = new_key();
    let written = desk.client.arm(key, &arm("opening the desk")).await.unwrap().answer;
    let position = Position(written.log_position.unwrap());
    let page = desk.log.read_all(position, &Filter::all(), 1).await.unwrap();
    let meta = codec::decode_meta(&page.records[0].metadata).unwrap();
    assert!(meta.actor.as_str().starts_with("operator:"), "{}", meta.actor);
    assert_eq!((written.command_id, meta.command.unwrap().command_id.0), (key, key));
}

#[tokio::test]
async fn limits_are_read_as_they_were_set_and_hold_from_when_they_say() {
    let desk = Desk::ready().await;
    let answer = desk.client.limits().await.unwrap();
    assert_eq!(answer.upcoming, None);
    let in_force = answer.in_force.unwrap();
    assert_eq!(
        (in_force.version, &in_force.limits, in_force.reason.as_str()),
        (1, &limits(), "first limits")
    );

    let later = desk.clock.now().plus_millis(1_000);
    let wider = dto::Limits { edge_min_bps: 150, ..limits() };
    let wish = dto::SetLimits {
        limits: wider.clone(),
        limits_version: None,
        effective_from: Some(later),
        reason: "from later on".to_owned(),
    };
    desk.client.set_limits(new_key(), &wish).await.unwrap();
    let answer = desk.client.limits().await.unwrap();
    assert_eq!((answer.in_force.unwrap().version, answer.upcoming.unwrap().limits), (1, wider.clone()));
    desk.clock.advance_ms(1_000);
    let answer = desk.client.limits().await.unwrap();
    assert_eq!((answer.in_force.unwrap().limits, answer.upcoming), (wider, None));

    let same = dto::SetLimits { effective_from: None, ..wish };
    let again = desk.client.set_limits(new_key(), &same).await.unwrap().answer;
    assert_eq!((again.outcome, again.log_position), (Outcome::AlreadySo, None));
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_with_the_field_or_the_rule() {
    let desk = Desk::ready().await;
    let set = async |limits: dto::Limits| {
        let wish = dto::SetLimits {
            limits,
            limits_version: None,
            effective_from: None,
            reason: "trying".to_owned(),
        };
        desk.client.set_limits(new_key(), &wish).await
    };
    let no =
        refused(set(dto::Limits { notional_max: "-5".to_owned(), ..limits() }).await, 400, "bad-request");
    assert_eq!(no.errors[0].field, "limits.notional_max");
    let no = refused(set(dto::Limits { edge_min_bps: 6_000, ..limits() }).await, 422, "limits_invalid");
    assert!(no.detail.contains("60.00%"), "{}", no.detail);
}

#[tokio::test]
async fn the_filter_is_set_read_and_reset() {
    let desk = Desk::ready().await;
    let filter = desk.client.filter().await.unwrap();
    assert_eq!((filter.mode, filter.configured), (dto::FilterMode::Configured, vec!["btc-eure".to_owned()]));

    let line = "nep141:nbtc.bridge.near->nep141:gnosis-eure.omft.near".to_owned();
    let set = dto::SetFilter { entries: vec![line.clone()], reason: "only sellers".to_owned() };
    desk.client.set_filter(new_key(), &set).await.unwrap();
    let filter = desk.client.filter().await.unwrap();
    assert_eq!((filter.mode, filter.entries), (dto::FilterMode::Only, vec![line]));

    let unknown = dto::SetFilter { entries: vec!["eth-eure".to_owned()], reason: "widen it".to_owned() };
    refused(desk.client.set_filter(new_key(), &unknown).await, 422, "unknown_pair");
    let nonsense = dto::SetFilter { entries: vec!["btc-eure".to_owned(), "BTC".to_owned()], ..unknown };
    let no = refused(desk.client.set_filter(new_key(), &nonsense).await, 400, "bad-request");
    assert_eq!(no.errors[0].field, "entries[1]");

    desk.client.reset_filter(new_key(), "all of them again").await.unwrap();
    assert_eq!(desk.client.filter().await.unwrap().mode, dto::FilterMode::Configured);
}

#[tokio::test]
async fn a_service_is_paused_resumed_and_drained() {
    let desk = Desk::ready().await;
    let state = async |name: &str| {
        let status = desk.current().await.status().await.unwrap();
        status.services.into_iter().find(|service| service.service == name).unwrap()
    };
    desk.client.pause(new_key(), "executor", "checking balances").await.unwrap();
    let paused = state("executor").await;
    assert_eq!((paused.state, paused.reason.as_str()), (dto::ServiceState::Paused, "checking balances"));
    desk.client.resume(new_key(), "executor", "balances are right").await.unwrap();
    assert_eq!(state("executor").await.state, dto::ServiceState::Running);
    desk.client.drain(new_key(), "executor", "closing time").await.unwrap();
    assert_eq!(state("executor").await.state, dto::ServiceState::Draining);
    let no = desk.client.pause(new_key(), "executor", "while it drains").await;
    refused(no, 409, "draining");
}

#[tokio::test]
async fn a_refresh_rings_the_bell_of_a_reading_service_only() {
    let desk = Desk::ready().await;
    let rung = desk.control.bells.market.notified();
    assert_eq!(desk.client.refresh("market").await.unwrap().service, "market");
    tokio::time::timeout(PATIENCE, rung).await.expect("the bell rings");
    let no = desk.client.refresh("strategy").await.unwrap_err();
    assert_eq!((no.code(), no.problem().unwrap().status), (Some("nothing_to_refresh"), 409));
}

#[tokio::test]
async fn a_dead_role_is_shown_with_why() {
    let desk = Desk::ready().await;
    desk.healthy.store(false, Ordering::SeqCst);
    let status = desk.current().await.status().await.unwrap();
    let market = status.services.into_iter().find(|service| service.service == "market").unwrap();
    assert_eq!(
        (market.runs_here, market.blocked.as_deref()),
        (false, Some("not running: the price feed panicked"))
    );
}

#[tokio::test]
async fn without_a_key_one_is_made_and_told() {
    let desk = Desk::ready().await;
    let body = r#"{"reason":"opening the desk","mode":"full","for_ms":60000}"#;
    let first = raw::json(&desk.path, "POST", "/v1/account/arm", body).await;
    let written: dto::Written = serde_json::from_value(first.json()).unwrap();
    assert_ne!(written.command_id, Uuid::nil());
    let key = format!("idempotency-key: {}", written.command_id);
    let headers = ["content-type: application/json", key.as_str()];
    let again = raw::send(&desk.path, "POST", "/v1/account/arm", &headers, body.as_bytes()).await;
    assert_eq!(first.body, again.body);
}

#[tokio::test]
async fn an_alert_is_listed_until_a_person_says_what_they_found() {
    let desk = Desk::ready().await;
    assert_eq!(desk.client.alerts().await.unwrap().alerts, []);
    desk.raise(Kind::UnmatchedCredit, "0.5 BTC more than was expected").await;
    desk.raise(Kind::PriceBlocked, "no usable price: spread").await;
    let raised = desk.client.alerts().await.unwrap();
    let shown: Vec<_> =
        raised.alerts.iter().map(|alert| (alert.kind.as_str(), alert.waits_for_person)).collect();
    assert_eq!(shown, [("price_blocked", false), ("unmatched_credit", true)]);
    assert_eq!(raised.as_of, desk.log.head().await.unwrap().0);
    assert_eq!(desk.current().await.status().await.unwrap().alerts, raised.alerts);

    let key = new_key();
    let clear = async |kind: &str, reason: &str| desk.client.clear_alert(key, kind, reason).await;
    let cleared = clear("unmatched_credit", "a deposit of our own").await.unwrap();
    assert_eq!((cleared.answer.outcome, cleared.replayed), (Outcome::Recorded, false));
    assert!(clear("unmatched_credit", "a deposit of our own").await.unwrap().replayed);
    refused(clear("unmatched_credit", "something else").await, 422, "idempotency-key-reused");
    let left = desk.client.alerts().await.unwrap().alerts;
    assert_eq!(left.iter().map(|alert| alert.kind.as_str()).collect::<Vec<_>>(), ["price_blocked"]);

    let quiet = desk.client.clear_alert(new_key(), "unexpected_drop", "nothing there").await.unwrap();
    assert_eq!((quiet.answer.outcome, quiet.answer.log_position), (Outcome::AlreadySo, None));
    for (kind, reason, status, code) in [
        ("unmatched_credit", "", 422, "reason_missing"),
        ("price_blocked", "it looks fine to me", 409, "clears_itself"),
        ("bad_weather", "it rains", 404, "unknown-alert"),
    ] {
        let no = refused(desk.client.clear_alert(new_key(), kind, reason).await, status, code);
        let listed = Kind::ALL.iter().all(|kind| no.detail.contains(kind.name()));
        assert_eq!(listed, code == "unknown-alert", "{}", no.detail);
    }
}

#[tokio::test]
async fn the_way_back_after_a_kill_that_waits_for_another_person_is_shown_until_they_agree() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let both = dto::SetLimits {
        limits: dto::Limits { second_person: true, ..limits() },
        limits_version: None,
        effective_from: None,
        reason: "four eyes".to_owned(),
    };
    desk.client.set_limits(new_key(), &both).await.unwrap();
    desk.client.kill(new_key(), "something is wrong").await.unwrap();
    let (ann, bob) = (desk.key("ann", Role::Operator).await, desk.key("bob", Role::Operator).await);
    let disarm = async |key: &Key| {
        let headers = ["content-type: application/json", &key.header()];
        raw::send_to(net.address, "POST", "/v1/account/disarm", &headers, br#"{"reason":"looked at it"}"#)
            .await
    };
    assert_eq!(desk.client.account().await.unwrap().account.stand_down_request, None);
    let asked = disarm(&ann).await;
    assert_eq!((asked.status, &asked.json()["outcome"]), (202, &"approval_needed".into()), "{}", asked.body);

    let account = desk.client.account().await.unwrap().account;
    let waiting = account.stand_down_request.clone().unwrap();
    assert_eq!(account.arming, Arming::Killed);
    assert_eq!((waiting.by.as_str(), waiting.reason.as_str()), ("person:ann", "looked at it"));
    assert_eq!(asked.json()["approval"]["request_id"], waiting.request_id.to_string());
    assert_eq!(desk.client.status().await.unwrap().account.stand_down_request, Some(waiting));

    assert_eq!(disarm(&bob).await.status, 200);
    let account = desk.client.account().await.unwrap().account;
    assert_eq!((account.arming, account.stand_down_request), (Arming::Disarmed, None));
}
