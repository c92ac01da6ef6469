//! Streams of which the newest records say all: what stands before them changes nothing.

use stele_commands::aggregate::Aggregate;
use stele_domain::codec;
use stele_domain::decider::fold;
use stele_domain::event::Event;
use stele_domain::ids::{QuoteId, derived};
use stele_domain::intents::intake::state::RECENT_QUOTES_MAX;
use stele_domain::intents::intake::{self, Intake};
use stele_domain::port::event_log::Position;
use stele_domain::trading::strategy::state::RECENT_MAX;
use stele_domain::trading::strategy::{self, Strategy};

/// The first sample that is wanted.
fn sample<E>(wanted: impl Fn(Event) -> Option<E>) -> E {
    codec::samples().into_iter().find_map(wanted).unwrap()
}

fn quote(n: usize) -> QuoteId {
    QuoteId::try_from(derived("quote", &[&n.to_string()]).to_string()).unwrap()
}

/// Whether the records that a start reads lead to where all of them lead.
fn is_said_by_the_newest<D: Aggregate<State: PartialEq>>(history: &[D::Event]) -> bool {
    let read = usize::try_from(D::HISTORY_MAX.unwrap()).unwrap();
    assert!(history.len() > read, "{} records are read anyway", history.len());
    fold::<D>(&history[history.len() - read..]) == fold::<D>(history)
}

#[test]
fn the_newest_records_of_a_strategy_say_all_that_it_remembers() {
    let of_strategy = |event| Strategy::unwrap(event);
    let decided =
        sample(
            |event| {
                if let Some(strategy::Event::Decided(fact)) = of_strategy(event) { Some(fact) } else { None }
            },
        );
    let commanded = sample(|event| {
        if let Some(strategy::Event::ExecutionCommanded(fact)) = of_strategy(event) {
            Some(fact)
        } else {
            None
        }
    });
    // Each decision with its command, and every third.
    for with_command in [1, 3] {
        let history: Vec<_> = (0..2 * RECENT_MAX + 7)
            .flat_map(|n| {
                let mut decided = decided.clone();
                (decided.quote_id, decided.demand_position) = (quote(n), Position(u64::try_from(n).unwrap()));
                let command =
                    (n % with_command == 0).then(|| strategy::Event::ExecutionCommanded(commanded.clone()));
                [Some(strategy::Event::Decided(decided)), command].into_iter().flatten()
            })
            .collect();
        assert!(is_said_by_the_newest::<Strategy>(&history), "one command in {with_command}");
    }
}

/// A story of requests, of which each that is due is asked for twice.
fn requests(count: usize, twice: impl Fn(usize) -> bool) -> Vec<intake::Event> {
    let received = sample(|event| {
        if let Some(intake::Event::QuoteReceived(fact)) = Intake::unwrap(event) { Some(fact) } else { None }
    });
    let normalised = sample(|event| {
        if let Some(intake::Event::DemandNormalised(fact)) = Intake::unwrap(event) {
            Some(fact)
        } else {
            None
        }
    });
    let repeated = sample(|event| {
        if let Some(intake::Event::DuplicateReceived(fact)) = Intake::unwrap(event) {
            Some(fact)
        } else {
            None
        }
    });
    let story = |n| {
        let (mut received, mut normalised, mut repeated) =
            (received.clone(), normalised.clone(), repeated.clone());
        received.quote_id = quote(n);
        normalised.quote_id = quote(n);
        repeated.quote_id = quote(n);
        let repeat = twice(n).then_some(intake::Event::DuplicateReceived(repeated));
        [
            Some(intake::Event::QuoteReceived(received)),
            Some(intake::Event::DemandNormalised(normalised)),
            repeat,
        ]
        .into_iter()
        .flatten()
    };
    (0..count).flat_map(story).collect()
}

#[test]
fn the_newest_records_of_requests_say_all_that_is_remembered_and_a_repeat_costs_one_of_the_oldest_at_most() {
    let count = RECENT_QUOTES_MAX + 5;
    assert!(is_said_by_the_newest::<Intake>(&requests(count, |_| false)));
    // Ten repeats among the newest.
    let history = requests(count, |n| n + 10 >= count);
    let read = usize::try_from(Intake::HISTORY_MAX.unwrap()).unwrap();
    let (newest, all) = (fold::<Intake>(&history[history.len() - read..]), fold::<Intake>(&history));
    let forgotten: Vec<_> =
        (0..count).filter(|n| all.knows(&quote(*n)) && !newest.knows(&quote(*n))).collect();
    assert_eq!(forgotten, [5, 6, 7, 8, 9], "of the oldest that are remembered");
}
