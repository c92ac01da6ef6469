//! Who is let in, who is not, and what stands in the log of it.

use crate::desk::Desk;
use crate::door::{Door, caller, key_of, root, wish};
use crate::moody::Moody;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_commands::access::{
    BAD_KEY, Created, EXPIRED_KEY, FORBIDDEN, NO_CREDENTIAL, NewKey, RATE_LIMITED, REVOKED_KEY,
};
use stele_commands::attempts::QUEUE_MAX;
use stele_commands::control::{Done, Refused};
use stele_domain::access::attempt::{AttemptsUnkept, Outcome, StrangersRefused};
use stele_domain::access::event::Event as Access;
use stele_domain::access::{Action, Role, Scope};
use stele_domain::event::Event;

const HOME: &str = "192.0.2.9";

async fn strangers(door: &Door) -> Vec<StrangersRefused> {
    let all = door.of_type("access.StrangersRefused").await.into_iter();
    all.filter_map(|recorded| {
        if let Event::Access(Access::StrangersRefused(strangers)) = recorded.event {
            Some(strangers)
        } else {
            None
        }
    })
    .collect()
}

async fn unkept(door: &Door) -> Vec<AttemptsUnkept> {
    let all = door.of_type("access.AttemptsUnkept").await.into_iter();
    all.filter_map(|recorded| {
        if let Event::Access(Access::AttemptsUnkept(unkept)) = recorded.event { Some(unkept) } else { None }
    })
    .collect()
}

#[tokio::test]
async fn a_key_is_shown_once_and_lets_its_owner_in() {
    let door = Door::new();
    let text = door.key("alice", Role::Trader, 1).await;
    let alice = door.gatekeeper.authenticate(&text, HOME).unwrap();
    assert_eq!((alice.actor.as_str(), alice.role), ("person:alice", Role::Trader));
    assert_eq!(alice.origin.address, HOME);
    assert!(text.contains(alice.origin.key_id.as_deref().unwrap()));
    assert!(alice.may(Action::Arm) && !alice.may(Action::Kill));
}

#[tokio::test]
async fn neither_the_secret_nor_the_text_of_a_key_is_in_the_log_or_in_the_list() {
    let door = Door::new();
    let text = door.key("alice", Role::Trader, 1).await;
    // It may have a `_` of its own.
    let secret = text.rsplit_once('_').unwrap().0.splitn(3, '_').nth(2).unwrap().to_owned();
    for recorded in door.desk.history().await {
        let stored = format!("{recorded:?}");
        assert!(!stored.contains(&secret) && !stored.contains(&text));
    }
    let listed = door.keys.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].owner.as_str(), listed[0].revoked.clone()), (1, "alice", None));
    assert!(!format!("{listed:?}").contains(&secret));
}

#[tokio::test]
async fn the_same_command_makes_one_key_and_shows_it_once() {
    let door = Door::new();
    let asked = wish(root(), "for a test");
    let first = door.keys.create(asked.clone(), key_of("alice", Role::Viewer), [1; 32]).await.unwrap();
    let again = door.keys.create(asked, key_of("alice", Role::Viewer), [2; 32]).await.unwrap();
    let (Created::New { key_id: one, .. }, Created::Before { key_id: other }) = (first, again) else {
        panic!("one key, shown once")
    };
    assert_eq!((one == other, door.keys.list().await.unwrap().len()), (true, 1));
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_key_and_nonsense_are_told_apart_by_nobody() {
    let door = Door::new();
    let text = door.key("alice", Role::Trader, 1).await;
    let elsewhere = Door::new().key("alice", Role::Trader, 2).await;
    let id = &text[6..18];
    let forged = Door::new();
    let asked = stele_commands::control::Wish { ..wish(root(), "for a test") };
    forged.keys.create(asked, key_of("x", Role::Admin), [9; 32]).await.unwrap();
    for presented in [elsewhere.as_str(), "stele_nonsense", "", id] {
        let denied = door.gatekeeper.authenticate(presented, HOME).unwrap_err();
        assert_eq!(denied.code, BAD_KEY);
        assert_eq!(denied, door.gatekeeper.authenticate("stele_", HOME).unwrap_err());
    }
}

#[tokio::test]
async fn a_key_is_over_at_its_end_and_says_so_only_to_who_has_the_secret() {
    let door = Door::new();
    let end = door.desk.clock_in_ms(1_000);
    let new = stele_commands::access::NewKey { expires_at: Some(end), ..key_of("alice", Role::Viewer) };
    let made = door.keys.create(wish(root(), "for a test"), new, [1; 32]).await.unwrap();
    let Created::New { text, .. } = made else { panic!("a new key") };
    door.desk.clock.advance_ms(999);
    assert!(door.gatekeeper.authenticate(text.reveal(), HOME).is_ok());
    door.desk.clock.advance_ms(1);
    assert_eq!(door.gatekeeper.authenticate(text.reveal(), HOME).unwrap_err().code, EXPIRED_KEY);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_here_and_a_moment_later_in_another_process() {
    let door = Door::new();
    let text = door.key("alice", Role::Operator, 1).await;
    let other = door.recalled().await;
    let open = other.open();
    assert!(other.gatekeeper.authenticate(&text, HOME).is_ok());
    let key_id = text[6..18].to_owned();
    door.keys.revoke(wish(root(), "lost it"), &key_id).await.unwrap();
    assert_eq!(door.gatekeeper.authenticate(&text, HOME).unwrap_err().code, REVOKED_KEY);
    let known = async {
        while other.gatekeeper.authenticate(&text, HOME).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), known).await.expect("the follower sees it");
    open.close().await;
}

#[tokio::test]
async fn the_last_admin_key_stays_and_the_machine_itself_can_always_make_another() {
    let door = Door::new();
    let text = door.key("alice", Role::Admin, 1).await;
    let key_id = text[6..18].to_owned();
    let refused = door.keys.revoke(wish(root(), "tidying up"), &key_id).await.unwrap_err();
    assert!(matches!(&refused, Refused::Rule { code, .. } if code == "last_admin"), "{refused}");
    door.key("bob", Role::Admin, 2).await;
    let revoked = door.keys.revoke(wish(root(), "tidying up"), &key_id).await;
    assert!(matches!(revoked, Ok(Done::Recorded(_))));
}

#[tokio::test]
async fn another_pepper_knows_none_of_the_keys() {
    let door = Door::new();
    let text = door.key("alice", Role::Admin, 1).await;
    let pepper = stele_commands::access::Pepper::new([8; 32]);
    let other = stele_commands::access::Gatekeeper::new(pepper, door.wishes.clone()).unwrap();
    other.load().await.unwrap();
    assert_eq!(other.authenticate(&text, HOME).unwrap_err().code, BAD_KEY);
}

#[tokio::test]
async fn a_narrowed_key_may_only_what_its_scope_names() {
    let door = Door::new();
    let scope = Scope { actions: [Action::Read, Action::Kill].into(), processes: [].into() };
    let new = stele_commands::access::NewKey { scope, ..key_of("pager", Role::Operator) };
    let made = door.keys.create(wish(root(), "for a test"), new, [1; 32]).await.unwrap();
    let Created::New { text, .. } = made else { panic!("a new key") };
    let pager = door.gatekeeper.authenticate(text.reveal(), HOME).unwrap();
    assert_eq!(door.gatekeeper.admit(&pager, Action::Kill), Ok(()));
    let denied = door.gatekeeper.admit(&pager, Action::Arm).unwrap_err();
    assert_eq!(denied.code, FORBIDDEN);
    assert!(denied.message.contains("narrowed"), "{denied}");
}

#[tokio::test]
async fn control_refuses_whatever_a_door_let_through_and_the_fence_stays_open() {
    let door = Door::new();
    let open = door.open();
    let kill = door.control.kill(wish(caller(Role::Trader, "tom"), "smoke")).await.unwrap_err();
    assert_eq!(kill, Refused::Forbidden { action: Action::Kill, role: Role::Trader });
    let viewer = || caller(Role::Viewer, "vera");
    let arm = door.control.disarm(wish(viewer(), "why not")).await.unwrap_err();
    assert_eq!(arm, Refused::Forbidden { action: Action::Disarm, role: Role::Viewer });
    open.close().await;
    assert!(door.desk.account_types().await.is_empty());
    let kept = door.attempted().await;
    let words: Vec<_> = kept.iter().map(|(_, tried)| (tried.action.as_str(), tried.code.as_str())).collect();
    assert_eq!(words, [("kill", FORBIDDEN), ("disarm", FORBIDDEN)]);
    let (recorded, tried) = &kept[0];
    assert_eq!((recorded.meta.actor.as_str(), tried.reason.as_str()), ("person:tom", "smoke"));
    let origin = recorded.meta.origin.as_ref().unwrap();
    assert_eq!((origin.key_id.as_deref(), origin.address.as_str()), (Some("0123456789ab"), "192.0.2.1"));
}

#[tokio::test]
async fn a_recorded_command_says_with_which_key_and_from_where() {
    let door = Door::new();
    door.control.kill(wish(caller(Role::Operator, "olga"), "smoke")).await.unwrap();
    let killed = door.of_type("trading.Killed").await;
    let origin = killed[0].meta.origin.as_ref().unwrap();
    assert_eq!((killed[0].meta.actor.as_str(), origin.address.as_str()), ("person:olga", "192.0.2.1"));
}

#[tokio::test]
async fn refusals_of_one_caller_are_kept_once_and_then_counted() {
    let door = Door::new();
    let open = door.open();
    let tom = caller(Role::Trader, "tom");
    for _ in 0..50 {
        door.gatekeeper.admit(&tom, Action::Kill).unwrap_err();
        door.gatekeeper.limited(&tom, Action::Read, RATE_LIMITED);
    }
    open.close().await;
    let kept = door.attempted().await;
    let counts: Vec<_> =
        kept.iter().map(|(_, tried)| (tried.action.as_str(), tried.code.as_str(), tried.count)).collect();
    assert_eq!(
        counts,
        [
            ("kill", FORBIDDEN, 1),
            ("read", RATE_LIMITED, 1),
            ("read", RATE_LIMITED, 49),
            ("kill", FORBIDDEN, 49)
        ]
    );
}

#[tokio::test]
async fn what_was_already_so_and_what_leaves_no_fact_is_kept_with_its_reason() {
    let door = Door::new();
    let open = door.open();
    assert_eq!(door.control.disarm(wish(root(), "to be sure")).await, Ok(Done::AlreadySo));
    let market = stele_domain::operations::service::event::Service::Market;
    door.control.refresh(wish(root(), "looks old"), market).await.unwrap();
    open.close().await;
    let kept = door.attempted().await;
    let words: Vec<_> =
        kept.iter().map(|(_, tried)| (tried.outcome, tried.action.as_str(), tried.reason.as_str())).collect();
    assert_eq!(
        words,
        [(Outcome::AlreadySo, "disarm", "to be sure"), (Outcome::Done, "refresh", "looks old")]
    );
}

#[tokio::test]
async fn a_thousand_strangers_of_one_address_are_two_events() {
    let door = Door::new();
    let open = door.open();
    for n in 0..1_000 {
        if n % 2 == 0 {
            door.gatekeeper.stranger(HOME, NO_CREDENTIAL);
        } else {
            door.gatekeeper.authenticate("stele_guess", HOME).unwrap_err();
        }
    }
    open.close().await;
    let kept = strangers(&door).await;
    assert_eq!(kept.iter().map(|some| some.count).collect::<Vec<_>>(), [1, 999]);
    assert_eq!((kept[1].codes[BAD_KEY], kept[1].codes[NO_CREDENTIAL]), (500, 499));
    assert_eq!(kept[1].address, HOME);
}

#[tokio::test]
async fn strangers_of_a_minute_are_written_down_when_it_is_over() {
    let door = Door::new();
    let open = door.open();
    door.gatekeeper.stranger(HOME, NO_CREDENTIAL);
    door.gatekeeper.stranger(HOME, NO_CREDENTIAL);
    door.desk.clock.advance_ms(60_000);
    let two =
        |event: &Event| matches!(event, Event::Access(Access::StrangersRefused(some)) if some.count == 1);
    let first = door.desk.until(two).await;
    let mut follow =
        door.desk.log.follow(first.position.next(), stele_domain::port::event_log::Filter::all());
    let second = tokio::time::timeout(Duration::from_secs(10), follow.next(1)).await.unwrap().unwrap();
    assert_eq!(&*second.records[0].event_type, "access.StrangersRefused");
    open.close().await;
}

/// The log answers nothing while a crowd knocks; the numbers must all be there when it answers again.
#[tokio::test]
async fn a_flood_while_the_log_is_away_is_counted_to_the_last_and_blocks_nobody() {
    let clock = crate::desk::HandClock::at(crate::desk::start());
    let log = Arc::new(Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    log.fill(true);
    let open = door.open();
    let began = Instant::now();
    let crowd = 20 * QUEUE_MAX;
    for n in 0..crowd {
        door.gatekeeper.stranger(&format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255), BAD_KEY);
    }
    for n in 0..2 * QUEUE_MAX {
        let tom = caller(Role::Viewer, &format!("tom{n}"));
        door.gatekeeper.admit(&tom, Action::Kill).unwrap_err();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "turning away never waits");
    log.fill(false);
    open.close().await;
    let from_strangers: u64 = strangers(&door).await.iter().map(|some| some.count).sum();
    let from_known: u64 = door.attempted().await.iter().map(|(_, tried)| tried.count).sum();
    let rest: u64 = unkept(&door).await.iter().map(|some| some.count).sum();
    assert_eq!(from_strangers + from_known + rest, u64::try_from(crowd + 2 * QUEUE_MAX).unwrap());
    assert!(rest > 0, "more came than the queue and the counts hold");
    assert!(door.desk.history().await.len() < 4 * QUEUE_MAX, "a flood leaves few events");
}

#[tokio::test]
async fn a_kill_goes_through_while_a_flood_fills_the_queue() {
    let door = Door::new();
    // Nobody writes attempts down: the queue is full and stays so.
    for n in 0..4 * QUEUE_MAX {
        let tom = caller(Role::Viewer, &format!("tom{n}"));
        door.gatekeeper.admit(&tom, Action::Kill).unwrap_err();
        door.gatekeeper.stranger(&format!("10.0.{}.{}", n >> 8 & 255, n & 255), BAD_KEY);
    }
    let killed = door.control.kill(wish(caller(Role::Operator, "olga"), "smoke"));
    let proof =
        tokio::time::timeout(Duration::from_secs(5), killed).await.expect("nothing blocks it").unwrap();
    assert!(matches!(proof.done, Done::Recorded(_)));
}

#[tokio::test]
async fn a_key_hands_out_none_that_outlives_it_and_what_it_made_is_found() {
    let door = Door::new();
    let end = door.desk.clock_in_ms(60_000);
    let made = door.keys.create(
        wish(root(), "for tonight"),
        NewKey { expires_at: Some(end), ..key_of("alice", Role::Admin) },
        [3; 32],
    );
    let Ok(Created::New { text, key_id, .. }) = made.await else { panic!("a new key") };
    let alice = door.gatekeeper.authenticate(text.reveal(), "192.0.2.9").unwrap();
    let hand_on = |expires_at| {
        let new = NewKey { expires_at, ..key_of("bob", Role::Viewer) };
        door.keys.create(wish(alice.clone(), "for a friend"), new, [4; 32])
    };
    for longer in [None, Some(end.plus_millis(1))] {
        let refused = hand_on(longer).await;
        assert!(
            matches!(&refused, Err(Refused::Rule { code, .. }) if code == "outlives_maker"),
            "{refused:?}"
        );
    }
    let Ok(Created::New { key_id: handed_on, .. }) = hand_on(Some(end)).await else { panic!("a new key") };
    let left = door.keys.made_with(&key_id).await.unwrap();
    assert_eq!(left.iter().map(|key| key.key_id.as_str()).collect::<Vec<_>>(), [handed_on.as_str()]);
    assert_eq!(left[0].made_with.as_deref(), Some(key_id.as_str()));
}
