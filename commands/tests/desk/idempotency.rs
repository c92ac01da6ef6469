//! One id, one request of one person: whatever it is about, whatever came of it, and whoever is asked again.

use crate::desk::{Desk, limits};
use crate::door::{Door, caller, root, wish};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use stele_commands::control::{Done, Refused, Wish};
use stele_domain::access::Role;
use stele_domain::access::attempt::Outcome;
use stele_domain::event::Event;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::service::event::Service;
use stele_domain::trading::account::event::Mode;
use stele_domain::trading::limits::Limits;
use tokio::sync::{Notify, Semaphore};

/// The same id with another body.
fn other_body(asked: &Wish) -> Wish {
    Wish { digest: "another".to_owned(), ..asked.clone() }
}

fn reused(result: &Result<Done, Refused>) -> bool {
    matches!(result, Err(Refused::IdReused(_)))
}

#[tokio::test]
async fn an_id_that_was_used_on_one_aggregate_is_refused_on_any_other() {
    let door = Door::new();
    let asked = wish(root(), "lunch time");
    door.control.set_limits(asked.clone(), limits(), None, None).await.unwrap();
    let again = other_body(&asked);
    assert!(reused(&door.control.reset_filter(again.clone()).await));
    assert!(reused(&door.control.pause(again.clone(), Service::Market).await));
    assert!(reused(&door.control.disarm(again.clone()).await));
    assert!(matches!(door.control.refresh(again.clone(), Service::Market).await, Err(Refused::IdReused(_))));
    assert!(matches!(door.keys.revoke(again, "0123456789ab").await, Err(Refused::IdReused(_))));
    let refused = door.of_type("operations.CommandRefused").await;
    assert_eq!(refused.len(), 5, "each of them is kept");
}

#[tokio::test]
async fn an_id_is_one_persons() {
    let door = Door::new();
    let asked = wish(caller(Role::Operator, "olga"), "lunch time");
    door.control.disarm(asked.clone()).await.unwrap();
    let other = Wish { caller: caller(Role::Operator, "otto"), ..asked };
    assert!(reused(&door.control.disarm(other).await));
}

#[tokio::test]
async fn what_was_already_so_is_not_done_when_the_wish_comes_again_later() {
    let door = Door::new();
    door.armable(limits()).await;
    let until = door.desk.clock_in_ms(60_000);
    let arm = |asked: Wish| door.control.arm(asked, Mode::Full, None, until);
    arm(wish(root(), "morning")).await.unwrap();
    let late = wish(root(), "morning");
    assert_eq!(arm(late.clone()).await, Ok(Done::AlreadySo));
    door.control.disarm(wish(root(), "lunch time")).await.unwrap();
    assert_eq!(arm(late).await, Ok(Done::AlreadySo), "the answer of then");
    let armed = door.of_type("trading.Armed").await;
    assert_eq!(armed.len(), 1, "a repeated wish arms nothing");
}

#[tokio::test]
async fn a_kill_that_comes_again_after_somebody_stood_down_kills_again() {
    let door = Door::new();
    door.armable(limits()).await;
    let asked = wish(root(), "smoke");
    let first = door.control.kill(asked.clone()).await.unwrap();
    let again = door.control.kill(asked.clone()).await.unwrap();
    let Done::Recorded(position) = first.done else { panic!("{first:?}") };
    assert_eq!(again.done, Done::Repeated(position), "while it is killed, the first answer is true");
    door.control.disarm(wish(root(), "all clear")).await.unwrap();
    let later = door.control.kill(asked).await.unwrap();
    assert!(matches!(later.done, Done::Recorded(later) if later > position), "{later:?}");
    assert_eq!(door.desk.account_types().await.last(), Some(&"trading.Killed"));
}

#[tokio::test]
async fn what_was_refused_is_refused_again_and_kept_once() {
    let door = Door::new();
    let until = door.desk.clock_in_ms(60_000);
    let asked = wish(root(), "morning");
    let first = door.control.arm(asked.clone(), Mode::Full, None, until).await;
    door.armable(limits()).await;
    let again = door.control.arm(asked, Mode::Full, None, until).await;
    assert!(matches!(&first, Err(Refused::Rule { code, .. }) if code == "no_executor"));
    assert_eq!(first, again, "the answer of then, though it could be done by now");
    assert_eq!(door.of_type("operations.CommandRefused").await.len(), 1);
}

#[tokio::test]
async fn a_restart_remembers_ids_and_answers_of_every_kind() {
    let door = Door::new();
    let open = door.open();
    let (recorded, refused, already) =
        (wish(root(), "limits"), wish(root(), "morning"), wish(root(), "calm"));
    let until = door.desk.clock_in_ms(60_000);
    let set = door.control.set_limits(recorded.clone(), limits(), None, None).await.unwrap();
    let Done::Recorded(position) = set else { panic!("{set:?}") };
    let no = door.control.arm(refused.clone(), Mode::Full, None, until).await.unwrap_err();
    assert_eq!(door.control.disarm(already.clone()).await, Ok(Done::AlreadySo));
    open.close().await;

    let later = door.recalled().await;
    assert!(reused(&later.control.reset_filter(other_body(&recorded)).await));
    assert!(reused(&later.control.reset_filter(other_body(&refused)).await));
    assert!(reused(&later.control.reset_filter(other_body(&already)).await));
    let again = later.control.set_limits(recorded, limits(), None, None).await;
    assert_eq!(again, Ok(Done::Repeated(position)));
    assert_eq!(later.control.arm(refused, Mode::Full, None, until).await, Err(no));
    later.armable(limits()).await;
    later.control.arm(wish(root(), "morning"), Mode::Full, None, until).await.unwrap();
    assert_eq!(later.control.disarm(already).await, Ok(Done::AlreadySo), "and it stays armed");
    assert_eq!(later.of_type("trading.Disarmed").await.len(), 0);
}

#[tokio::test]
async fn an_id_that_another_process_took_is_known_here_a_moment_later() {
    let here = Door::new();
    let open = here.open();
    let there = here.beside();
    // Asking here makes an id known, so each round has one of its own, and gives the follower longer to get there.
    let known = async {
        for round in 1_u32.. {
            let asked = wish(root(), "limits");
            let changed = Limits { open_offers_max: round, ..limits() };
            there.control.set_limits(asked.clone(), changed, None, None).await.unwrap();
            for _ in 0..1_u64 << round {
                tokio::task::yield_now().await;
            }
            if reused(&here.control.reset_filter(other_body(&asked)).await) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), known).await.expect("the follower gets there");
    open.close().await;
}

#[tokio::test]
async fn a_wish_whose_answer_got_lost_is_answered_when_it_comes_again() {
    let clock = crate::desk::HandClock::at(crate::desk::start());
    let log = std::sync::Arc::new(crate::moody::Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    let asked = wish(root(), "limits");
    log.fill(true);
    let lost = door.control.set_limits(asked.clone(), limits(), None, None).await;
    assert!(matches!(lost, Err(Refused::Unavailable(_))));
    assert!(reused(&door.control.set_limits(other_body(&asked), limits(), None, None).await));
    log.fill(false);
    let again = door.control.set_limits(asked, limits(), None, None).await;
    assert!(matches!(again, Ok(Done::Recorded(_))));
}

/// What happened, in order.
#[derive(Default)]
struct Course(Mutex<Vec<&'static str>>);

impl Course {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn told(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Work that says when it begins, and is done once the gate is closed behind it.
async fn until_closed(course: &Course, gate: &Semaphore) -> Result<(), &'static str> {
    course.note("begun");
    drop(gate.acquire().await);
    Ok(())
}

/// Work that says when it begins, and is done at once.
fn at_once(course: &Course) -> impl Future<Output = Result<(), &'static str>> + Send {
    let begin = || course.note("begun again");
    std::future::poll_fn(move |_| {
        begin();
        std::task::Poll::Ready(Ok(()))
    })
}

#[tokio::test]
async fn what_takes_its_time_is_begun_once_and_who_asks_meanwhile_gets_its_answer() {
    let door = Door::new();
    let open = door.open();
    let (asked, course, gate) = (wish(root(), "a row looks wrong"), Course::default(), Semaphore::new(0));
    let ask = |asked: Wish| door.control.rebuild(asked, until_closed(&course, &gate), |_| None);
    let meanwhile = async {
        while course.told().is_empty() {
            tokio::task::yield_now().await;
        }
        let other = ask(other_body(&asked)).await;
        assert!(matches!(other, Err(Refused::IdReused(_))), "{other:?}");
        gate.close();
    };
    let (first, second, ()) = tokio::join!(ask(asked.clone()), ask(asked.clone()), meanwhile);
    assert_eq!((first, second), (Ok(Ok(())), Ok(Ok(()))));
    assert_eq!(ask(asked).await, Ok(Ok(())));
    assert_eq!(course.told(), ["begun"], "neither meanwhile nor later");
    open.close().await;
    let kept: Vec<_> = door.attempted().await.into_iter().map(|(_, tried)| tried.outcome).collect();
    assert_eq!(kept, [Outcome::Done]);
}

#[tokio::test]
async fn what_came_to_nothing_is_begun_again_by_one_of_those_who_wait() {
    let door = Door::new();
    let (asked, course, gate) = (wish(root(), "a row looks wrong"), Course::default(), Semaphore::new(0));
    let fails = async {
        drop(gate.acquire().await);
        course.note("failed");
        Err::<(), &str>("no room")
    };
    let first = door.control.rebuild(asked.clone(), fails, |_| None);
    let waits = || door.control.rebuild(asked.clone(), at_once(&course), |_| None);
    let (first, second, third, ()) = tokio::join!(first, waits(), waits(), async { gate.close() });
    assert_eq!((first, second, third), (Ok(Err("no room")), Ok(Ok(())), Ok(Ok(()))));
    assert_eq!(course.told(), ["failed", "begun again"]);
}

#[tokio::test]
async fn what_is_given_up_is_begun_by_whoever_waits() {
    let door = Door::new();
    let (asked, course, given_up) = (wish(root(), "a row looks wrong"), Course::default(), Notify::new());
    let gate = Semaphore::new(0);
    let first = async {
        let hangs = door.control.rebuild(asked.clone(), until_closed(&course, &gate), |_| None);
        tokio::select! {
            biased;
            ended = hangs => panic!("nobody has closed the gate: {ended:?}"),
            () = given_up.notified() => course.note("given up"),
        }
    };
    let second = door.control.rebuild(asked.clone(), at_once(&course), |_| None);
    let ((), second, ()) = tokio::join!(first, second, async { given_up.notify_one() });
    assert_eq!(second, Ok(Ok(())));
    assert_eq!(course.told(), ["begun", "given up", "begun again"]);
}

#[tokio::test]
async fn why_work_was_not_begun_is_kept_and_the_same_wish_is_done_when_it_can_be() {
    let door = Door::new();
    let asked = wish(root(), "a row looks wrong");
    let no = |why: &&'static str| {
        (*why != "the tables are away").then(|| ("rebuild-under-way".to_owned(), (*why).to_owned()))
    };
    let ask =
        |came: Result<(), &'static str>| door.control.rebuild(asked.clone(), std::future::ready(came), no);
    for why in ["bob is at it", "the tables are away"] {
        assert_eq!(ask(Err(why)).await, Ok(Err(why)));
    }
    let kept = door.of_type("operations.CommandRefused").await;
    assert_eq!(kept.len(), 1, "trouble of ours is no answer: {kept:?}");
    let Event::Operations(Operations::CommandRefused(refused)) = &kept[0].event else { panic!("{kept:?}") };
    let words = (refused.action.as_str(), refused.code.as_str(), refused.detail.as_str());
    assert_eq!(words, ("rebuild", "rebuild-under-way", "bob is at it"));
    assert_eq!((refused.command_id, refused.reason.as_str()), (asked.command_id, "a row looks wrong"));
    let later = door.recalled().await;
    let later = later.control.rebuild(asked.clone(), std::future::ready(Ok(())), no).await;
    assert_eq!(later, Ok(Ok(())), "nor is it one after a restart");
    assert_eq!(ask(Ok(())).await, Ok(Ok(())));
}

#[tokio::test]
async fn an_effect_is_not_had_twice_while_its_refusal_is_written_down() {
    let clock = crate::desk::HandClock::at(crate::desk::start());
    let log = std::sync::Arc::new(crate::moody::Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    let (asked, begun) = (wish(root(), "to be sure"), AtomicU32::new(0));
    let ask = || {
        door.control.audit(asked.clone(), || {
            begun.fetch_add(1, Ordering::SeqCst);
            Err(Refused::Rule { code: "audit_runs".into(), message: "one is at it".to_owned() })
        })
    };
    log.deafen(true);
    tokio::select! {
        biased;
        ended = async { tokio::join!(ask(), ask()) } => panic!("the log has answered: {ended:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    log.deafen(false);
    let refused = ask().await;
    assert!(matches!(&refused, Err(Refused::Rule { code, .. }) if code == "audit_runs"), "{refused:?}");
    assert_eq!(ask().await, refused);
    assert_eq!(begun.load(Ordering::SeqCst), 2, "those before were given up without an answer");
    assert_eq!(door.of_type("operations.CommandRefused").await.len(), 1);
}
