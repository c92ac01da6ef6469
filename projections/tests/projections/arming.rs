//! Requests to arm, from the request to whatever ended it: the table against the account that decides.

use crate::support::{ALL, block_on, empty_store, folded};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use stele_domain::codec;
use stele_domain::decider::Decider as _;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CommandId, CorrelationId, EventId, derived};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, StreamId};
use stele_domain::port::read_store::ScanQuery;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::Asker;
use stele_domain::trading::account::event::{DisarmCause, Event as Desk, Mode};
use stele_domain::trading::account::state::Fate;
use stele_domain::trading::account::{Account, Command, Rejection, State};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::limits::Limits;
use stele_event_log::MemoryLog;
use stele_projections::compare::fold_to;
use stele_projections::models::account::ArmingStepRow;
use stele_projections::models::arm_requests::{ArmRequestRow, ArmWaitingRow, RequestState};
use stele_projections::projection::TableRow;
use stele_projections::read::Reader;

const MINUTE: i64 = 60_000;
/// How long a lease holds: longer than any story here.
const LEASE_MS: u64 = 10 * 60 * 1_000;
/// When stories begin, in milliseconds.
const BEGIN: i64 = 1_795_199_078_000;

/// What can happen at an account.
#[derive(Debug, Clone, Copy)]
enum Move {
    Ask,
    /// The request before the last, or the last.
    Approve {
        last: bool,
    },
    Limits {
        in_minutes: i64,
    },
    Disarm,
    Kill,
    NewLease,
    Wait {
        minutes: i64,
    },
}

impl Arbitrary for Move {
    fn arbitrary(source: &mut Gen) -> Self {
        let minutes = i64::from(u8::arbitrary(source) % 12);
        match u8::arbitrary(source) % 16 {
            0..5 => Self::Ask,
            5 | 6 => Self::Approve { last: bool::arbitrary(source) },
            7 | 8 => Self::Limits { in_minutes: minutes },
            9 => Self::Disarm,
            10 => Self::Kill,
            11 => Self::NewLease,
            _ => Self::Wait { minutes },
        }
    }
}

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// An account, its log, and the clock of both.
struct Story {
    clock: Arc<Hand>,
    log: Arc<dyn EventLog>,
    state: State,
    asked: Vec<CommandId>,
    limits: Limits,
}

fn sample_limits() -> Limits {
    let of = |event: &Event| {
        let Event::Trading(Trading::Account(Desk::LimitsSet(set))) = event else { return None };
        Some(set.limits.clone())
    };
    let limits = codec::samples().iter().find_map(of).expect("a sample of limits");
    Limits { second_person: true, ..limits }
}

fn person(name: &str) -> Actor {
    Actor::try_from(format!("person:{name}")).unwrap()
}

impl Story {
    /// With an executor and limits that ask for a second person.
    async fn new() -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(BEGIN)));
        let log = Arc::new(MemoryLog::new(clock.clone()));
        let mut desk = Self { clock, log, state: State::default(), asked: vec![], limits: sample_limits() };
        desk.moves(Move::NewLease).await;
        desk.moves(Move::Limits { in_minutes: 0 }).await;
        desk
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn commands(&mut self, command: Command) {
        let events = Account::decide(&self.state, command).unwrap_or_default();
        for event in events {
            self.state = Account::evolve(std::mem::take(&mut self.state), &event);
            let number = self.log.head().await.unwrap().next().0.to_string();
            let meta = Meta {
                correlation_id: CorrelationId(derived("test", &["arming"])),
                causation_id: None,
                command: None,
                actor: person("alice"),
                origin: None,
                occurred_at: self.now(),
                schema: codec::SCHEMA_VERSION,
            };
            let event = Event::Trading(Trading::Account(event));
            let record = codec::to_record(EventId(derived("test", &[&number])), &event, &meta).unwrap();
            let stream = StreamId::new("account-solver.near").unwrap();
            self.log.append(&stream, Expected::Any, vec![record]).await.unwrap();
        }
    }

    async fn moves(&mut self, this: Move) {
        self.clock.0.fetch_add(1, Ordering::Relaxed);
        let (at, why) = (self.now(), || "a story".to_owned());
        let command = match this {
            Move::Ask => self.ask(at),
            Move::Approve { last } => {
                let mut newest = self.asked.iter().rev();
                let id = if last { newest.next() } else { newest.nth(1) };
                let Some(id) = id.copied() else { return };
                self.approval(id)
            }
            Move::Limits { in_minutes } => {
                self.limits.cooldown_ms += 1;
                Command::SetLimits {
                    limits: Box::new(self.limits.clone()),
                    shown: None,
                    effective_from: Timestamp::from_millis(at.millis() + in_minutes * MINUTE),
                    reason: why(),
                    by: person("alice"),
                    at,
                }
            }
            Move::Disarm => Command::Disarm { cause: DisarmCause::Operator, reason: why(), at },
            Move::Kill => Command::Kill { reason: why(), at },
            Move::NewLease => Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: LEASE_MS, at },
            Move::Wait { minutes } => {
                self.clock.0.fetch_add(minutes * MINUTE, Ordering::Relaxed);
                return;
            }
        };
        self.commands(command).await;
    }

    fn ask(&mut self, at: Timestamp) -> Command {
        let request_id = CommandId(derived("test", &["request", &self.asked.len().to_string()]));
        self.asked.push(request_id);
        Command::Arm {
            mode: Mode::Full,
            limits_version: None,
            until: at.plus_millis(60 * 60 * 1_000),
            // Asking for the same twice is asking once.
            reason: format!("wish {}", self.asked.len()),
            strategy_start: 0,
            asker: Asker {
                by: person("alice"),
                request_id,
                limits_version: self.state.limits_at(at).map_or(0, |set| set.version),
                limits_hash: "of what was shown".to_owned(),
            },
            at,
        }
    }

    fn approval(&self, request_id: CommandId) -> Command {
        let (limits_hash, reason) = ("of what was shown".to_owned(), String::new());
        let makers = std::collections::BTreeSet::new();
        Command::Approve { request_id, limits_hash, reason, by: person("bob"), makers, at: self.now() }
    }

    /// The executor is alive, which is how tables hear that time has passed.
    async fn sign_of_life(&mut self) {
        let (epoch, ttl_ms, at) = (self.state.epoch(), LEASE_MS, self.now());
        self.commands(Command::RenewLease { epoch, ttl_ms, at }).await;
    }

    async fn rows<R: TableRow>(&self) -> Vec<R> {
        let store = empty_store(ALL);
        fold_to(&*self.log, &*store, ALL, self.log.head().await.unwrap(), |_| {}).await.unwrap();
        Reader::new(&*store).scan(&ScanQuery::newest(100)).await.unwrap()
    }

    async fn states(&self) -> Vec<RequestState> {
        let mut rows: Vec<ArmRequestRow> = self.rows().await;
        rows.sort_by_key(|row| row.position);
        rows.iter().map(|row| row.state).collect()
    }

    /// Fails unless the table says of every request what the account would.
    async fn agrees(&self) {
        let rows: Vec<ArmRequestRow> = self.rows().await;
        for request in self.state.requests() {
            let id = request.asked.request_id;
            let row = rows.iter().find(|row| row.request_id == id).expect("a row for each request");
            let answer = Account::decide(&self.state, self.approval(id));
            let by_time = matches!(row.state, RequestState::Expired | RequestState::LimitsChanged);
            let agrees = match (request.fate, &answer) {
                (Fate::Approved, _) => row.state == RequestState::Approved,
                // What had ended by time before that stays so in the table.
                (Fate::Superseded, _) => row.state == RequestState::Superseded || by_time,
                (Fate::Withdrawn, _) => row.state == RequestState::Withdrawn || by_time,
                (Fate::Waiting, Ok(_)) => row.state == RequestState::Requested,
                // Of two ends the account names one, and the table the earlier.
                (Fate::Waiting, Err(Rejection::RequestExpired { .. } | Rejection::LimitsChanged(_))) => {
                    by_time
                }
                (Fate::Waiting, Err(_)) => false,
            };
            assert!(agrees, "{:?} and {answer:?} at {:?}: {row:?}", request.fate, self.now());
            assert_eq!(row.ended_at.is_none(), row.state == RequestState::Requested, "{row:?}");
        }
    }
}

#[test]
fn the_table_says_of_every_request_what_the_account_would() {
    fn law(moves: Vec<Move>, ends: Vec<u8>) -> bool {
        block_on(async move {
            let mut desk = Story::new().await;
            // The account remembers sixteen requests.
            for this in moves.into_iter().take(16) {
                desk.moves(this).await;
                desk.sign_of_life().await;
                desk.agrees().await;
            }
            let mut ends: Vec<u64> = ends.into_iter().map(|end| u64::from(end) % 40).collect();
            ends.sort_unstable();
            folded(&*desk.log, ALL, &[]).await == folded(&*desk.log, ALL, &ends).await
        })
    }
    QuickCheck::new().tests(150).quickcheck(law as fn(Vec<Move>, Vec<u8>) -> bool);
}

#[tokio::test]
async fn each_end_has_its_name_and_its_moment() {
    let mut desk = Story::new().await;
    let ends: [(&[Move], RequestState); 6] = [
        (&[Move::Ask], RequestState::Superseded),
        (&[Move::Ask, Move::Disarm], RequestState::Withdrawn),
        (&[Move::Ask, Move::NewLease], RequestState::Withdrawn),
        (&[Move::Ask, Move::Limits { in_minutes: 0 }], RequestState::LimitsChanged),
        (&[Move::Ask, Move::Wait { minutes: 15 }], RequestState::Expired),
        (&[Move::Ask, Move::Approve { last: true }], RequestState::Approved),
    ];
    for this in ends.iter().flat_map(|(moves, _)| moves.iter()) {
        desk.moves(*this).await;
        desk.sign_of_life().await;
    }
    assert_eq!(desk.states().await, ends.map(|(_, state)| state));
    let rows: Vec<ArmRequestRow> = desk.rows().await;
    let expired = rows.iter().find(|row| row.state == RequestState::Expired).unwrap();
    assert_eq!(expired.ended_at, Some(expired.expires_at), "when it ended, not when that was heard of");
    let [account] = &desk.rows::<ArmWaitingRow>().await[..] else { panic!("one account") };
    assert!(account.waiting.is_none(), "{account:?}");
}

#[tokio::test]
async fn a_request_that_is_approved_after_a_new_start_of_the_strategy_ends_and_nothing_waits() {
    let mut desk = Story::new().await;
    desk.moves(Move::Ask).await;
    desk.moves(Move::Approve { last: true }).await;
    // The executor sees that what was approved was asked for an earlier start.
    let at = desk.now();
    desk.commands(Command::ExpireArming { strategy_start: 1, at }).await;
    assert_eq!(desk.states().await, [RequestState::Approved]);
    let steps: Vec<ArmingStepRow> = desk.rows().await;
    let newest = steps.first().unwrap();
    assert!(newest.step == "disarmed" && newest.detail.contains("start 1 has followed"), "{newest:?}");
    let [account] = &desk.rows::<ArmWaitingRow>().await[..] else { panic!("one account") };
    assert!(account.waiting.is_none(), "{account:?}");

    // One that nobody approves any more ends by time.
    desk.moves(Move::Ask).await;
    desk.moves(Move::Wait { minutes: 15 }).await;
    desk.sign_of_life().await;
    assert_eq!(desk.states().await, [RequestState::Approved, RequestState::Expired]);
}

#[tokio::test]
async fn a_request_stays_requested_until_a_fact_is_later_than_its_end() {
    let mut desk = Story::new().await;
    desk.moves(Move::Ask).await;
    desk.moves(Move::Wait { minutes: 14 }).await;
    desk.sign_of_life().await;
    assert_eq!(desk.states().await, [RequestState::Requested]);
    desk.moves(Move::Wait { minutes: 1 }).await;
    assert_eq!(desk.states().await, [RequestState::Requested], "no fact has told the time");
    desk.sign_of_life().await;
    assert_eq!(desk.states().await, [RequestState::Expired]);
}

#[tokio::test]
async fn limits_that_were_set_for_later_before_the_request_end_it_when_they_take_effect() {
    let mut desk = Story::new().await;
    desk.moves(Move::Limits { in_minutes: 5 }).await;
    desk.moves(Move::Ask).await;
    desk.moves(Move::Wait { minutes: 4 }).await;
    desk.sign_of_life().await;
    assert_eq!(desk.states().await, [RequestState::Requested]);
    desk.moves(Move::Wait { minutes: 1 }).await;
    desk.sign_of_life().await;
    assert_eq!(desk.states().await, [RequestState::LimitsChanged]);
}
