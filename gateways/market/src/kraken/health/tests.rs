//! What is reported of Kraken, and how often.

use super::Health;
use stele_domain::market::reference::event::Link;

/// Nothing is wrong as far as is known: Kraken has said so.
fn online() -> Health {
    let mut health = Health::default();
    health.system_is("online");
    health
}

fn news(health: &mut Health) -> Option<(Link, bool, String)> {
    health.news()
}

#[test]
fn as_long_as_kraken_has_said_nothing_of_its_system_nobody_knows_that_it_is_well() {
    let mut health = Health::default();
    let why = "no word on the state of Kraken's system yet";
    assert_eq!(news(&mut health), Some((Link::Down, false, format!("{why}; not connected yet"))));
    health.stream_is(Link::Alive, "");
    health.book_is(None);
    assert_eq!(news(&mut health), Some((Link::Alive, false, why.into())));
    health.stream_is(Link::Down, "closed (1006)");
    health.poll_answers();
    assert_eq!(news(&mut health), None, "a price by another way is no word on the system");
    health.system_is("online");
    assert_eq!(news(&mut health), Some((Link::Alive, true, "polled, because closed (1006)".into())));
}

#[test]
fn a_change_is_reported_once() {
    let mut health = online();
    assert_eq!(news(&mut health), Some((Link::Down, true, "not connected yet".into())));
    assert_eq!(news(&mut health), None);
    health.stream_is(Link::Alive, "");
    assert_eq!(news(&mut health), Some((Link::Alive, true, "online".into())));
    health.stream_is(Link::Alive, "");
    assert_eq!(news(&mut health), None);
}

#[test]
fn only_online_is_healthy() {
    let mut health = Health::default();
    health.stream_is(Link::Alive, "");
    for system in ["maintenance", "cancel_only", "post_only", "something_new"] {
        health.system_is("online");
        news(&mut health);
        health.system_is(system);
        assert_eq!(news(&mut health), Some((Link::Alive, false, system.into())));
    }
}

#[test]
fn a_book_that_makes_no_sense_is_unhealthy_until_one_does() {
    let mut health = online();
    health.stream_is(Link::Alive, "");
    health.book_is(Some("crossed book"));
    assert_eq!(news(&mut health), Some((Link::Alive, false, "crossed book".into())));
    health.book_is(Some("bid is 0"));
    assert_eq!(news(&mut health), None);
    health.book_is(None);
    assert_eq!(news(&mut health), Some((Link::Alive, true, "online".into())));
}

#[test]
fn polling_keeps_the_source_alive_and_says_so() {
    let mut health = online();
    health.stream_is(Link::Down, "closed (1006)");
    assert_eq!(news(&mut health), Some((Link::Down, true, "closed (1006)".into())));
    health.poll_answers();
    assert_eq!(news(&mut health), Some((Link::Alive, true, "polled, because closed (1006)".into())));
    health.poll_fails("HTTP 503");
    assert_eq!(news(&mut health), Some((Link::Down, true, "closed (1006); polling fails: HTTP 503".into())));
}

#[test]
fn a_lost_connection_does_not_end_a_maintenance() {
    let mut health = Health::default();
    health.stream_is(Link::Alive, "");
    health.system_is("maintenance");
    news(&mut health);
    health.stream_is(Link::Down, "closed (1006)");
    health.poll_answers();
    assert_eq!(news(&mut health), None, "still alive, and still unhealthy");
    health.system_is("online");
    assert_eq!(news(&mut health), Some((Link::Alive, true, "polled, because closed (1006)".into())));
}

#[test]
fn the_streams_return_forgets_how_polling_went() {
    let mut health = online();
    health.poll_answers();
    health.stream_is(Link::Alive, "");
    news(&mut health);
    health.stream_is(Link::Silent, "no ticker message");
    assert_eq!(news(&mut health), Some((Link::Silent, true, "no ticker message".into())));
}
