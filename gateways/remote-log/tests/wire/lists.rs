//! Who may read and append what, as the service answers it.

use crate::support::{Owner, clock, record, stat, stream};
use std::sync::Arc;
use stele_domain::access::Action;
use stele_domain::port::event_log::{
    Direction, EventLog, Expected, Filter, LogError, NewRecord, Position, Revision,
};
use stele_event_log::MemoryLog;

fn typed(number: u64, event_type: &str) -> NewRecord {
    NewRecord { event_type: event_type.into(), ..record(number) }
}

#[tokio::test]
async fn a_process_appends_what_its_roles_are_for_and_nothing_else() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let strategy = owner.client("strategy");
    let decided = vec![typed(1, "trading.Decided")];
    strategy.append(&stream("strategy-btc-eure"), Expected::Any, decided).await.unwrap();

    let armed = vec![typed(2, "trading.Armed")];
    let account = stream("account-desk.near");
    let denied = strategy.append(&account, Expected::Any, armed).await.unwrap_err();
    let LogError::Denied(words) = &denied else { panic!("{denied:?}") };
    for part in ["strategy", "trading.Armed", "category account"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(!denied.is_transient());
    assert_eq!(strategy.head().await.unwrap(), Position(1), "something was kept");

    let denials = owner.denials.lock().unwrap();
    let told: Vec<_> = denials.iter().map(|denial| (denial.caller.actor.as_str(), denial.action)).collect();
    assert_eq!(told, [("service:strategy", Action::AppendLog)]);
}

#[tokio::test]
async fn a_role_appends_to_the_streams_of_its_own_desk_and_not_to_those_of_another() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let whole = owner.client("market+ingest+strategy+executor+api");
    for (name, event_type) in [
        ("account-other.near", "trading.LeaseTaken"),
        ("account-other.near", "trading.Armed"),
        ("account-desk.near2", "trading.SubmissionStarted"),
        ("price-eth-eure", "market.PriceObserved"),
        ("quote-eth-eure", "intents.QuoteReceived"),
        ("strategy-btc-eure-2", "trading.Decided"),
        ("filter-other-venue", "intents.FilterSet"),
    ] {
        let offer = vec![typed(1, event_type)];
        let denied = whole.append(&stream(name), Expected::NoStream, offer).await.unwrap_err();
        let LogError::Denied(words) = &denied else { panic!("{name}: {denied:?}") };
        for part in [event_type, name, "no stream of this desk's account, pair and services"] {
            assert!(words.contains(part), "{words}");
        }
    }
    assert_eq!(whole.head().await.unwrap(), Position::START, "something was kept");
    assert_eq!(owner.denials.lock().unwrap().len(), 7, "every attempt is told");
    let taken = vec![typed(1, "trading.LeaseTaken")];
    whole.append(&stream("account-desk.near"), Expected::NoStream, taken).await.unwrap();
}

#[tokio::test]
async fn one_foreign_fact_in_a_batch_refuses_all_of_it() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let executor = owner.client("executor");
    let batch = vec![typed(1, "trading.LeaseTaken"), typed(2, "trading.Armed")];
    let outcome = executor.append(&stream("account-desk.near"), Expected::NoStream, batch).await;
    assert!(matches!(outcome, Err(LogError::Denied(_))), "{outcome:?}");
    assert_eq!(executor.head().await.unwrap(), Position::START);
}

#[tokio::test]
async fn a_process_of_two_roles_has_both_lists() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let both = owner.client("market+ingest");
    for (number, name, event_type) in
        [(1, "price-btc-eure", "market.PriceObserved"), (2, "quote-btc-eure", "intents.QuoteReceived")]
    {
        both.append(&stream(name), Expected::Any, vec![typed(number, event_type)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_without_process_roles_appends_nothing() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let nobody = owner.client("gardener");
    let offer = vec![typed(1, "market.PriceObserved")];
    let denied = nobody.append(&stream("price-btc-eure"), Expected::Any, offer).await.unwrap_err();
    assert!(denied.to_string().contains("without any role"), "{denied}");
}

#[tokio::test]
async fn persons_append_nothing_whatever_their_role() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let operator = owner.client("operator");
    let offer = vec![typed(1, "trading.Killed")];
    let outcome = operator.append(&stream("account-desk.near"), Expected::Any, offer).await;
    assert!(matches!(outcome, Err(LogError::Denied(_))), "{outcome:?}");
    // Reading is theirs.
    assert_eq!(operator.head().await.unwrap(), Position::START);
}

#[tokio::test]
async fn who_may_not_read_the_log_reads_nothing_of_it() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let viewer = owner.client("viewer");
    let denied = |error: LogError| matches!(error, LogError::Denied(_));
    assert!(denied(viewer.head().await.unwrap_err()));
    assert!(denied(viewer.read_all(Position::START, &Filter::all(), 10).await.unwrap_err()));
    let page = viewer.read_stream(&stream("order-1"), Revision(0), Direction::Forward, 10).await;
    assert!(denied(page.unwrap_err()));
    assert!(denied(viewer.follow(Position::START, Filter::all()).next(10).await.unwrap_err()));
    assert_eq!(owner.denials.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_wrong_key_is_no_reason_to_try_again() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let error = owner.client("stranger").head().await.unwrap_err();
    assert!(matches!(&error, LogError::Denied(_)) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn the_numbers_of_the_log_are_told_to_whoever_may_read_it() {
    let owner = Owner::listing(Arc::new(MemoryLog::new(clock())));
    let told = owner.client("strategy").stat().await.unwrap();
    assert_eq!(told, stat());
    assert!(matches!(owner.client("viewer").stat().await, Err(LogError::Denied(_))));
}
