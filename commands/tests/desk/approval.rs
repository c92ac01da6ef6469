//! Four eyes, from the wish of one person to the approval of another.

use crate::desk::limits;
use crate::door::{Door, caller, key_of, root, wish};
use stele_commands::access::Created;
use stele_commands::control::{Approval, Done, Refused, limits_hash};
use stele_domain::access::{Caller, Role};
use stele_domain::trading::account::event::Mode;
use stele_domain::trading::limits::Limits;

async fn ask(door: &Door) -> Approval {
    let until = door.desk.clock_in_ms(3_600_000);
    let asked = door.control.arm(wish(caller(Role::Trader, "tom"), "open"), Mode::Full, None, until).await;
    let approval = if let Ok(Done::ApprovalNeeded(approval)) = asked { Some(approval) } else { None };
    approval.expect("it is to be approved")
}

/// The rule that said no.
fn code(refused: &Result<Done, Refused>) -> &str {
    if let Err(Refused::Rule { code, .. }) = refused { code } else { "no rule" }
}

#[tokio::test]
async fn one_person_asks_another_approves_and_the_account_is_armed() {
    let door = Door::two_people().await;
    let approval = ask(&door).await;
    let in_force = door.control.limits().await.unwrap().unwrap();
    assert_eq!(approval.limits_hash, limits_hash(&in_force.limits));
    let olga = wish(caller(Role::Operator, "olga"), "seen");
    let done = door.control.approve(olga, approval.request_id, approval.limits_hash).await;
    assert!(matches!(done, Ok(Done::Recorded(_))));
    let types = door.desk.account_types().await;
    assert_eq!(types[types.len() - 3..], ["trading.ArmRequested", "trading.ArmApproved", "trading.Armed"]);
}

#[tokio::test]
async fn the_same_wish_again_is_answered_with_the_same_request() {
    let door = Door::two_people().await;
    let until = door.desk.clock_in_ms(3_600_000);
    let asked = wish(caller(Role::Trader, "tom"), "open");
    let first = door.control.arm(asked.clone(), Mode::Full, None, until).await.unwrap();
    let again = door.control.arm(asked, Mode::Full, None, until).await.unwrap();
    assert_eq!(first, again);
    let anew = door.control.arm(wish(caller(Role::Trader, "tom"), "open"), Mode::Full, None, until).await;
    let (Done::ApprovalNeeded(first), Ok(Done::ApprovalNeeded(anew))) = (first, anew) else {
        panic!("asked")
    };
    assert_eq!(first.request_id, anew.request_id, "asking for the same finds what waits");
    assert_eq!(door.control.arm_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_role_and_no_second_key_lets_a_person_approve_their_own_request() {
    let door = Door::two_people().await;
    let approval = ask(&door).await;
    for role in [Role::Operator, Role::Admin] {
        let own = wish(caller(role, "tom"), "seen");
        let refused = door.control.approve(own, approval.request_id, approval.limits_hash.clone()).await;
        assert_eq!(code(&refused), "same_person");
    }
    let text = door.key("tom", Role::Admin, 3).await;
    let with_key = door.gatekeeper.authenticate(&text, "192.0.2.9").unwrap();
    let refused =
        door.control.approve(wish(with_key, "seen"), approval.request_id, approval.limits_hash.clone()).await;
    assert_eq!(code(&refused), "same_person");
    let trader = wish(caller(Role::Trader, "tina"), "seen");
    let refused = door.control.approve(trader, approval.request_id, approval.limits_hash).await;
    assert!(matches!(refused, Err(Refused::Forbidden { .. })));
}

#[tokio::test]
async fn an_approval_of_other_limits_is_refused() {
    let door = Door::two_people().await;
    let approval = ask(&door).await;
    let other = Limits { second_person: true, open_offers_max: 9, ..limits() };
    let wrong = door.control.approve(wish(root(), "seen"), approval.request_id, limits_hash(&other)).await;
    assert_eq!(code(&wrong), "limits_changed");
    door.control.set_limits(wish(root(), "one less"), other.clone(), None, None).await.unwrap();
    for hash in [limits_hash(&other), approval.limits_hash] {
        let moved = door.control.approve(wish(root(), "seen"), approval.request_id, hash).await;
        assert_eq!(code(&moved), "limits_changed");
    }
}

#[tokio::test]
async fn a_request_runs_out_after_a_quarter_of_an_hour() {
    let door = Door::two_people().await;
    let approval = ask(&door).await;
    door.desk.clock.advance_ms(15 * 60 * 1_000);
    let late = door.control.approve(wish(root(), "seen"), approval.request_id, approval.limits_hash).await;
    assert_eq!(code(&late), "request_expired");
}

#[tokio::test]
async fn the_hash_of_limits_does_not_depend_on_how_they_were_written() {
    let read: Limits = serde_json::from_str(&serde_json::to_string(&limits()).unwrap()).unwrap();
    assert_eq!(limits_hash(&read), limits_hash(&limits()));
    let two = Limits { second_person: true, ..limits() };
    assert_ne!(limits_hash(&two), limits_hash(&limits()));
    assert_eq!(limits_hash(&two).len(), 64);
}

#[tokio::test]
async fn an_approval_with_a_key_that_the_asker_made_is_refused_also_through_others() {
    let door = Door::two_people().await;
    let alice = door.gatekeeper.authenticate(&door.key("alice", Role::Admin, 3).await, "192.0.2.9").unwrap();
    let by = |maker: &Caller, owner: &str, secret: u8| {
        door.keys.create(wish(maker.clone(), "for a friend"), key_of(owner, Role::Admin), [secret; 32])
    };
    let text = |made: Result<Created, Refused>| match made {
        Ok(Created::New { text, .. }) => text.reveal().to_owned(),
        other => panic!("a new key: {other:?}"),
    };
    let bob = text(by(&alice, "bob", 4).await);
    let bob = door.gatekeeper.authenticate(&bob, "192.0.2.9").unwrap();
    let carol = text(by(&bob, "carol", 5).await);
    let carol = door.gatekeeper.authenticate(&carol, "192.0.2.9").unwrap();
    let until = door.desk.clock_in_ms(3_600_000);
    let asked = door.control.arm(wish(alice, "open"), Mode::Full, None, until).await;
    let Ok(Done::ApprovalNeeded(asked)) = asked else { panic!("it is to be approved: {asked:?}") };
    for helper in [bob, carol] {
        let refused =
            door.control.approve(wish(helper, "seen"), asked.request_id, asked.limits_hash.clone()).await;
        assert_eq!(code(&refused), "key_of_asker");
    }
    let dora = door.gatekeeper.authenticate(&door.key("dora", Role::Operator, 6).await, "192.0.2.9").unwrap();
    let done = door.control.approve(wish(dora, "seen"), asked.request_id, asked.limits_hash).await;
    assert!(matches!(done, Ok(Done::Recorded(_))), "{done:?}");
}
