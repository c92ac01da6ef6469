//! States that are written down beside their streams: they save reading, and change nothing.

use crate::desk::{Desk, HandClock, limits, someone, start};
use crate::moody::Moody;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::envelope::Outcome;
use stele_commands::ledger::{Checked, Ledger, SNAPSHOT_TYPE};
use stele_commands::service::ServiceError;
use stele_commands::snapshots::{SNAPSHOT_EVERY, Snapshots};
use stele_commands::stop::channel;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::decider::fold;
use stele_domain::event::Event;
use stele_domain::ids::EventId;
use stele_domain::intents;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{
    Direction, Expected, Filter, LogError, NewRecord, Position, Record, Revision, StreamId,
};
use stele_domain::time::Timestamp;
use stele_domain::trading;
use stele_domain::trading::account::{Account, Command, State};
use uuid::Uuid;

const NOT_AT_ALL: Duration = Duration::ZERO;

fn moody() -> (Arc<Moody>, Desk) {
    let clock: Arc<HandClock> = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    (log.clone(), Desk::on(log, clock))
}

/// A ledger that has read nothing yet, as after a start.
fn anew(desk: &Desk) -> Ledger<Account> {
    Ledger::new(desk.log.clone(), Desk::account_stream())
}

fn lease(at: Timestamp) -> Command {
    Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 1_000, at }
}

fn set_limits(version: u64, at: Timestamp) -> Command {
    let mut limits = limits();
    limits.cooldown_ms = version;
    Command::SetLimits {
        limits: Box::new(limits),
        shown: None,
        effective_from: at,
        reason: "test".to_owned(),
        by: someone(),
        at,
    }
}

fn snapshots() -> StreamId {
    streams::snapshot(&Desk::account_stream()).unwrap()
}

/// The keeper of the desk's snapshots.
fn keeper(desk: &Desk) -> Snapshots {
    let (account, pair) = ("solver.near".to_owned().try_into().unwrap(), crate::desk::pair().id);
    Snapshots::new(&desk.log, desk.clock.clone(), &account, &pair).unwrap()
}

/// Writes the state down as it is now.
async fn write_down(desk: &Desk) {
    assert!(anew(desk).keep_snapshot(&someone(), start(), 1).await.unwrap().is_some());
}

async fn newest(desk: &Desk) -> Record {
    let read = desk.log.read_stream(&snapshots(), Revision(u64::MAX), Direction::Backward, 1).await;
    read.unwrap().pop().unwrap()
}

/// Puts a snapshot there that differs from the newest one as told.
async fn forge(desk: &Desk, alter: impl Fn(&str) -> String) {
    let Record { event_type, data, metadata, .. } = newest(desk).await;
    let altered = alter(std::str::from_utf8(&data).unwrap());
    assert_ne!(altered.as_bytes(), data.as_ref(), "nothing was altered");
    let data = Arc::from(altered.into_bytes());
    let record = NewRecord { event_id: EventId(Uuid::now_v7()), event_type, data, metadata };
    desk.log.append(&snapshots(), Expected::Any, vec![record]).await.unwrap();
}

/// What the account's stream leads to from its first record.
async fn from_zero(desk: &Desk) -> State {
    let records =
        desk.log.read_stream(&Desk::account_stream(), Revision(0), Direction::Forward, 10_000).await.unwrap();
    let events: Vec<_> = records
        .iter()
        .filter_map(|record| {
            let event = codec::recorded(record).unwrap().event;
            if let Event::Trading(trading::event::Event::Account(event)) = event { Some(event) } else { None }
        })
        .collect();
    assert_eq!(events.len(), records.len());
    fold::<Account>(&events)
}

/// The wishes of an evening, each with its digest.
fn wishes(desk: &Desk) -> Vec<stele_commands::envelope::Envelope<Command>> {
    let at = |n: u64| start().plus_millis(n * 10);
    let commands = (0..12).map(|n| match n % 4 {
        0 => lease(at(n)),
        1 | 2 => set_limits(n, at(n)),
        _ => Command::Kill { reason: format!("test {n}"), at: at(n) },
    });
    let wish = |command| {
        let mut wish = desk.wish(command);
        wish.digest = Some(wish.command_id.0.to_string());
        wish
    };
    commands.map(wish).collect()
}

#[tokio::test]
async fn a_snapshot_and_what_came_after_it_lead_to_what_the_whole_stream_leads_to_wherever_it_was_written() {
    for written_after in 0..12 {
        let desk = Desk::new();
        let wishes = wishes(&desk);
        let mut first = vec![];
        for (n, wish) in wishes.iter().enumerate() {
            first.push(desk.account.handle(wish.clone()).await.unwrap());
            if n == written_after {
                write_down(&desk).await;
            }
            let begun = anew(&desk);
            assert_eq!(
                begun.look(State::clone).await.unwrap(),
                from_zero(&desk).await,
                "{written_after}, {n}"
            );
        }
        // Ids of before are known as well as those of after, to who began with the snapshot.
        let begun = anew(&desk);
        for (wish, outcome) in wishes.iter().zip(first) {
            let again = begun.handle(wish.clone()).await.unwrap();
            match outcome.last() {
                Some(last) => assert_eq!(again, Outcome::Repeated { last }),
                None => assert_eq!(again, Outcome::AlreadySo),
            }
        }
    }
}

#[tokio::test]
async fn who_begins_with_a_snapshot_reads_what_came_after_it_and_no_more() {
    let (log, desk) = moody();
    for n in 0..40 {
        desk.account.handle(desk.wish(set_limits(n, start().plus_millis(n)))).await.unwrap();
    }
    let before = log.records_read();
    anew(&desk).look(|_| ()).await.unwrap();
    assert_eq!(log.records_read() - before, 40, "there is no snapshot yet");
    write_down(&desk).await;
    for n in 40..43 {
        desk.account.handle(desk.wish(set_limits(n, start().plus_millis(n)))).await.unwrap();
    }
    let before = log.records_read();
    anew(&desk).look(|_| ()).await.unwrap();
    // The snapshot, the record that it names, and the three after it.
    assert_eq!(log.records_read() - before, 5);
}

#[tokio::test]
async fn a_state_is_written_down_when_enough_came_and_not_again_before() {
    let desk = Desk::new();
    let keeper = anew(&desk);
    for n in 0..7 {
        desk.account.handle(desk.wish(set_limits(n, start().plus_millis(n)))).await.unwrap();
        let kept = keeper.keep_snapshot(&someone(), start(), 3).await.unwrap();
        assert_eq!(kept.is_some(), n == 2 || n == 5, "after {} records", n + 1);
    }
    // A start does not forget when that was.
    assert_eq!(anew(&desk).keep_snapshot(&someone(), start(), 2).await.unwrap(), None);
    assert!(anew(&desk).keep_snapshot(&someone(), start(), 1).await.unwrap().is_some());
    let record = newest(&desk).await;
    assert_eq!(&*record.event_type, SNAPSHOT_TYPE);
    assert!(codec::recorded(&record).unwrap_err().is_foreign(), "who folds events must pass it over");
}

#[tokio::test]
async fn nothing_is_written_down_of_a_stream_that_is_empty() {
    let desk = Desk::new();
    assert_eq!(anew(&desk).keep_snapshot(&someone(), start(), 0).await.unwrap(), None);
}

#[tokio::test]
async fn a_snapshot_that_can_t_be_believed_is_passed_over() {
    type Alter = fn(&str) -> String;
    let cases: [(&str, Alter); 6] = [
        ("another build's", |text| text.replacen("\"form\":\"", "\"form\":\"0", 1)),
        ("another stream's", |text| text.replacen("account-solver.near", "account-other.near", 1)),
        ("of a record that is not there", |text| text.replacen("\"revision\":1,", "\"revision\":7,", 1)),
        ("of another record", |text| text.replacen("\"revision\":1,", "\"revision\":0,", 1)),
        ("of no state", |text| text.replacen("\"last_command\":", "\"never\":", 1)),
        ("no snapshot", |_| "{".to_owned()),
    ];
    for (what, alter) in cases {
        let desk = Desk::new();
        desk.account.handle(desk.wish(lease(start()))).await.unwrap();
        desk.account.handle(desk.wish(set_limits(1, start()))).await.unwrap();
        write_down(&desk).await;
        // Were it believed, nobody would be asked who holds the lease.
        forge(&desk, |text| alter(&text.replacen("\"epoch\":1", "\"epoch\":9", 1))).await;
        assert_eq!(anew(&desk).look(State::epoch).await.unwrap(), 1, "{what}");
        // It is followed by one that is right, though no record came since.
        write_down(&desk).await;
        assert_eq!(anew(&desk).look(State::epoch).await.unwrap(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_snapshot_that_lies_is_found_by_reading_the_stream_and_followed_by_the_right_one() {
    let desk = Desk::new();
    desk.account.handle(desk.wish(lease(start()))).await.unwrap();
    desk.account.handle(desk.wish(set_limits(1, start()))).await.unwrap();
    assert_eq!(anew(&desk).check_snapshot(&someone(), start(), NOT_AT_ALL).await.unwrap(), Checked::None);
    write_down(&desk).await;
    desk.account.handle(desk.wish(set_limits(2, start()))).await.unwrap();
    let same = Checked::Same(Revision(1));
    assert_eq!(anew(&desk).check_snapshot(&someone(), start(), NOT_AT_ALL).await.unwrap(), same);
    forge(&desk, |text| text.replacen("\"epoch\":1", "\"epoch\":9", 1)).await;
    assert_eq!(anew(&desk).look(State::epoch).await.unwrap(), 9, "the test forges nothing");
    let differs = Checked::Differs { last: Revision(1), mended: true };
    assert_eq!(anew(&desk).check_snapshot(&someone(), start(), NOT_AT_ALL).await.unwrap(), differs);
    assert_eq!(anew(&desk).look(State::clone).await.unwrap(), from_zero(&desk).await);
    assert_eq!(anew(&desk).check_snapshot(&someone(), start(), NOT_AT_ALL).await.unwrap(), same);
}

#[tokio::test]
async fn a_process_that_finds_a_lie_ends_and_the_next_one_starts_from_the_truth() {
    let desk = Desk::new();
    desk.account.handle(desk.wish(lease(start()))).await.unwrap();
    write_down(&desk).await;
    forge(&desk, |text| text.replacen("\"epoch\":1", "\"epoch\":9", 1)).await;
    let (_stopper, stop) = channel();
    let ended = tokio::time::timeout(Duration::from_secs(10), keeper(&desk).run(stop)).await.unwrap();
    assert!(
        matches!(&ended, Err(ServiceError::Stream(why)) if why.contains("is written, start")),
        "{ended:?}"
    );
    assert_eq!(anew(&desk).look(State::epoch).await.unwrap(), 1);
    let (stopper, stop) = channel();
    let running = tokio::spawn(keeper(&desk).run(stop));
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_process_that_finds_a_lie_ends_where_the_log_does_not_take_the_truth() {
    let whys: [fn() -> LogError; 4] = [
        || LogError::Denied("on nobody's list".to_owned()),
        || LogError::Invalid("more than this server takes".to_owned()),
        || LogError::Full,
        || LogError::Unreachable("connection refused".into()),
    ];
    for why in whys {
        let (log, desk) = moody();
        desk.account.handle(desk.wish(lease(start()))).await.unwrap();
        write_down(&desk).await;
        forge(&desk, |text| text.replacen("\"epoch\":1", "\"epoch\":9", 1)).await;
        log.forbid(streams::SNAPSHOT, why);
        let (_stopper, stop) = channel();
        let ended = tokio::time::timeout(Duration::from_secs(10), keeper(&desk).run(stop)).await.unwrap();
        let Err(ServiceError::Stream(words)) = ended else { panic!("{ended:?} where {}", why()) };
        assert!(words.contains("account-solver.near") && words.contains("could not be written"), "{words}");
        assert_eq!(log.forbidden_asked(), 1);
    }
}

#[tokio::test]
async fn a_keeper_that_may_not_read_ends_and_does_not_pass_for_one_that_may_not_write() {
    let (log, desk) = moody();
    log.breaks(Some(|| LogError::Denied("on nobody's list".to_owned())));
    let (_stopper, stop) = channel();
    let ended = tokio::time::timeout(Duration::from_secs(10), keeper(&desk).run(stop)).await.unwrap();
    assert!(matches!(&ended, Err(ServiceError::Log(LogError::Denied(_)))), "{ended:?}");
}

#[tokio::test]
async fn the_keeper_writes_down_the_streams_that_have_grown_enough_and_no_others() {
    let desk = Desk::new();
    let renewed = trading::account::event::LeaseRenewed { epoch: 1, until: start() };
    let renewed = trading::account::Event::LeaseRenewed(renewed);
    for _ in 0..SNAPSHOT_EVERY {
        let event = Event::Trading(trading::event::Event::Account(renewed.clone()));
        desk.append(Desk::account_stream(), event).await;
    }
    let connected = intents::relay::event::RelayConnected { at: start() };
    for _ in 1..SNAPSHOT_EVERY {
        let event = intents::relay::Event::RelayConnected(connected.clone());
        desk.append(streams::relay().unwrap(), Event::Intents(intents::event::Event::Relay(event))).await;
    }
    let (stopper, stop) = channel();
    let running = tokio::spawn(keeper(&desk).run(stop));
    let mut follow = desk.log.follow(Position::START, Filter::categories(&[streams::SNAPSHOT]));
    let kept = async {
        loop {
            if let Some(record) = follow.next(1_000).await.unwrap().records.first() {
                return record.stream.clone();
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), kept).await.unwrap(), snapshots());
    stopper.stop();
    running.await.unwrap().unwrap();
    let page =
        desk.log.read_all(Position::START, &Filter::categories(&[streams::SNAPSHOT]), 10).await.unwrap();
    assert_eq!(page.records.len(), 1);
}

/// Grows two streams by enough for a snapshot each, in a log that refuses snapshots with this, and runs the keeper until it
/// has offered so many of them or has ended.
async fn refused(why: fn() -> LogError, offers: u64) -> (Arc<Moody>, Result<(), ServiceError>) {
    let (log, desk) = moody();
    let renewed = trading::account::event::LeaseRenewed { epoch: 1, until: start() };
    let connected = intents::relay::event::RelayConnected { at: start() };
    for _ in 0..SNAPSHOT_EVERY {
        let event = trading::account::Event::LeaseRenewed(renewed.clone());
        desk.append(Desk::account_stream(), Event::Trading(trading::event::Event::Account(event))).await;
        let event = intents::relay::Event::RelayConnected(connected.clone());
        desk.append(streams::relay().unwrap(), Event::Intents(intents::event::Event::Relay(event))).await;
    }
    log.forbid(streams::SNAPSHOT, why);
    let (stopper, stop) = channel();
    let running = tokio::spawn(keeper(&desk).run(stop));
    let tried = async {
        while log.forbidden_asked() < offers && !running.is_finished() {
            tokio::task::yield_now().await;
        }
        // Whatever it does about the last no, it has the time to.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), tried).await.unwrap();
    assert!(!running.is_finished(), "it has ended by itself");
    stopper.stop();
    let ended = running.await.unwrap();
    (log, ended)
}

#[tokio::test]
async fn a_keeper_that_may_write_nothing_down_asks_once_and_ends_no_process() {
    let (log, ended) = refused(|| LogError::Denied("on nobody's list".to_owned()), 1).await;
    ended.unwrap();
    assert_eq!(log.forbidden_asked(), 1, "the other stream's was offered, too");
}

#[tokio::test]
async fn a_keeper_that_may_read_no_more_in_the_middle_of_its_work_ends_no_process() {
    let (log, desk) = moody();
    let renewed = trading::account::event::LeaseRenewed { epoch: 1, until: start() };
    for _ in 0..SNAPSHOT_EVERY {
        let event = trading::account::Event::LeaseRenewed(renewed.clone());
        desk.append(Desk::account_stream(), Event::Trading(trading::event::Event::Account(event))).await;
    }
    // The account's state is taken, and the next stream may not be read.
    log.closes_after(streams::SNAPSHOT);
    let (stopper, stop) = channel();
    let keeping = tokio::spawn(keeper(&desk).run(stop));
    let closed = async {
        while !log.is_broken() && !keeping.is_finished() {
            tokio::task::yield_now().await;
        }
        // Whatever it does about the no, it has the time to.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
    assert!(!keeping.is_finished(), "it has ended by itself");
    stopper.stop();
    keeping.await.unwrap().unwrap();
    log.breaks(None);
    assert_eq!(newest(&desk).await.stream, snapshots());
}

#[tokio::test]
async fn a_state_that_the_log_does_not_take_leaves_the_other_streams_theirs() {
    let (log, ended) = refused(|| LogError::Invalid("more than this server takes".to_owned()), 2).await;
    ended.unwrap();
    assert_eq!(log.forbidden_asked(), 2);
}

#[tokio::test]
async fn a_batch_that_failed_costs_no_reading_and_leaves_nothing_behind() {
    let (log, desk) = moody();
    let batch = || vec![desk.wish(lease(start())), desk.wish(set_limits(1, desk.clock.now()))];
    desk.account.handle_all(batch()).await.unwrap();
    for full in [true, false, true] {
        let before = log.records_read();
        log.fill(full);
        let kept = desk.account.handle_all(vec![
            desk.wish(lease(start())),
            desk.wish(set_limits(7, desk.clock.now())),
            desk.wish(lease(start())),
        ]);
        assert_eq!(kept.await.is_err(), full);
        assert_eq!(log.records_read(), before, "records were read again");
    }
    assert_eq!(desk.account.look(State::clone).await.unwrap(), from_zero(&desk).await);
}
