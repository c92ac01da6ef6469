//! One instance signs at a time.

use crate::decider::fold;
use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::event::{Killed, LeaseRenewed, LeaseTaken, Mode};
use crate::trading::account::state::Arming;
use crate::trading::account::{Account, Command, Event, LEASE_MS_MAX, Rejection};
use crate::trading::fixtures::{armed, at, leased, micros_after, open, ready};

/// `desk-1` holds the first lease until 600 s in the story.
fn take(holder: &str, at: Timestamp) -> Command {
    Command::TakeLease { holder: holder.to_owned(), ttl_ms: 30_000, at }
}

fn taken(epoch: u64, holder: &str, at: Timestamp) -> Event {
    Event::LeaseTaken(LeaseTaken { epoch, holder: holder.to_owned(), at, until: at.plus_millis(30_000) })
}

fn renew(epoch: u64, at: Timestamp) -> Command {
    Command::RenewLease { epoch, ttl_ms: 30_000, at }
}

#[test]
fn the_first_lease_has_epoch_one() {
    given::<Account>([]).when(take("desk-1", at(0))).then([taken(1, "desk-1", at(0))]);
}

#[test]
fn another_instance_waits_until_the_lease_has_lapsed() {
    let just_before = micros_after(at(600_000), -1);
    let held = Rejection::LeaseHeld { holder: "desk-1".to_owned(), until: at(600_000) };
    given::<Account>([leased(1)]).when(take("desk-2", just_before)).then_rejected(held);
    given::<Account>([leased(1)]).when(take("desk-2", at(600_000))).then([taken(2, "desk-2", at(600_000))]);
}

#[test]
fn the_same_instance_does_not_wait_for_itself() {
    given::<Account>([leased(1)]).when(take("desk-1", at(0))).then([taken(2, "desk-1", at(0))]);
}

#[test]
fn a_restart_within_the_same_moment_is_a_new_epoch_all_the_same() {
    let history = [taken(1, "desk-1", at(0)), armed(Mode::Full)];
    given::<Account>(history).when(take("desk-1", at(0))).then([taken(2, "desk-1", at(0))]);
}

#[test]
fn a_lease_has_a_length_and_a_longest_one() {
    for ttl_ms in [0, LEASE_MS_MAX.saturating_add(1), u64::MAX] {
        let bad = Rejection::BadTtl { ttl_ms, max: LEASE_MS_MAX };
        let take = Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms, at: at(0) };
        given::<Account>([]).when(take).then_rejected(bad.clone());
        given::<Account>([leased(1)])
            .when(Command::RenewLease { epoch: 1, ttl_ms, at: at(0) })
            .then_rejected(bad);
    }
}

#[test]
fn a_new_lease_disarms() {
    let mut history = ready();
    history.push(taken(2, "desk-1", at(0)));
    assert_eq!(*fold::<Account>(&history).arming(), Arming::Disarmed);
}

#[test]
fn a_new_lease_leaves_a_killed_account_killed() {
    let mut history = ready();
    history.push(Event::Killed(Killed { reason: "smoke".to_owned(), open: vec![], at: at(1) }));
    history.push(taken(2, "desk-1", at(2)));
    assert_eq!(*fold::<Account>(&history).arming(), Arming::Killed { at: at(1) });
}

#[test]
fn a_new_lease_keeps_every_reservation() {
    let mut history = open([1, 2]);
    history.push(taken(2, "desk-1", at(20)));
    assert_eq!(fold::<Account>(&history).open().len(), 2);
}

#[test]
fn renewing_moves_the_end_and_nothing_else() {
    let history = [taken(1, "desk-1", at(0)), armed(Mode::Full)];
    let renewed = Event::LeaseRenewed(LeaseRenewed { epoch: 1, until: at(40_000) });
    given::<Account>(history.clone()).when(renew(1, at(10_000))).then([renewed.clone()]);
    let state = fold::<Account>(history.iter().chain([&renewed]));
    assert!(matches!(state.arming(), Arming::Armed(_)));
    assert_eq!(state.lease().map(|lease| lease.until), Some(at(40_000)));
}

#[test]
fn renewing_to_an_earlier_end_changes_nothing() {
    given::<Account>([taken(1, "desk-1", at(0))]).when(renew(1, at(0))).then_nothing();
    given::<Account>([leased(1)]).when(renew(1, at(0))).then_nothing();
}

#[test]
fn a_lease_that_is_returned_ends_at_once_and_nobody_waits_for_it() {
    let back = Command::ReturnLease { epoch: 1, at: at(5) };
    let ended = Event::LeaseRenewed(LeaseRenewed { epoch: 1, until: at(5) });
    given::<Account>([leased(1)]).when(back.clone()).then([ended.clone()]);
    // Once more, or after it has run out, it changes nothing.
    given::<Account>([leased(1), ended.clone()]).when(back).then_nothing();
    given::<Account>([leased(1)]).when(Command::ReturnLease { epoch: 1, at: at(600_000) }).then_nothing();
    given::<Account>([leased(1), ended]).when(take("desk-2", at(5))).then([taken(2, "desk-2", at(5))]);
}

#[test]
fn nobody_returns_the_lease_of_another() {
    let lost = Rejection::LeaseLost { asked: 1, current: 2 };
    let history = [leased(1), taken(2, "desk-1", at(0))];
    given::<Account>(history).when(Command::ReturnLease { epoch: 1, at: at(5) }).then_rejected(lost);
}

#[test]
fn an_old_epoch_renews_nothing() {
    let history = [leased(1), taken(2, "desk-1", at(0))];
    let lost = Rejection::LeaseLost { asked: 1, current: 2 };
    given::<Account>(history).when(renew(1, at(5))).then_rejected(lost);
    given::<Account>([]).when(renew(1, at(5))).then_rejected(Rejection::LeaseLost { asked: 1, current: 0 });
}

#[test]
fn a_lapsed_lease_that_nobody_took_can_be_renewed() {
    let renewed = Event::LeaseRenewed(LeaseRenewed { epoch: 1, until: at(70_000) });
    given::<Account>([taken(1, "desk-1", at(0))]).when(renew(1, at(40_000))).then([renewed]);
}

#[test]
fn a_renewal_of_an_older_lease_found_in_history_does_not_move_the_newer_one() {
    let history =
        [taken(2, "desk-1", at(0)), Event::LeaseRenewed(LeaseRenewed { epoch: 1, until: at(900_000) })];
    assert_eq!(fold::<Account>(&history).lease().map(|lease| lease.until), Some(at(30_000)));
}
