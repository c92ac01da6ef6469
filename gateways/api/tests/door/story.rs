//! One of each event that the desk knows, and what every read makes of them.

use crate::desk::Desk;
use serde_json::Value;
use stele_api::client::{EventsQuery, RowsQuery};
use stele_api::dto::{self, Reads};
use stele_domain::codec::{self, samples};
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CorrelationId, EventId};
use stele_domain::intents::event::Event as Intents;
use stele_domain::operations::event::Event as Operations;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::trading::event::Event as Trading;
use stele_projections::compare::{dump, fold_to};
use stele_projections::{models, schemas};
use stele_read_store::MemoryStore;
use uuid::Uuid;

fn stream(event: &Event) -> StreamId {
    let name = match event {
        Event::Market(_) => "price-btc-eure",
        Event::Intents(Intents::Intake(_)) => "quote-btc-eure",
        Event::Intents(Intents::Filter(_)) => "filter-sample",
        Event::Intents(Intents::Relay(_)) => "relay-near-intents",
        Event::Treasury(_) => "inventory-sample.near",
        Event::Trading(Trading::Account(_)) => "account-sample.near",
        Event::Trading(Trading::Strategy(_)) => "strategy-btc-eure",
        Event::Operations(Operations::Tiering(_)) => "tiering-partitions",
        Event::Operations(Operations::CommandRefused(_)) | Event::Access(_) => "audit-commands",
        Event::Operations(Operations::Service(_)) => "service-sample",
        Event::Operations(Operations::Alert(_)) => "alert-sample",
        Event::Operations(Operations::Parking(_)) => "parking-projections",
    };
    StreamId::new(name).unwrap()
}

async fn told() -> Desk {
    let desk = Desk::open().await;
    for event in samples() {
        let meta = Meta {
            correlation_id: CorrelationId(Uuid::from_u128(1)),
            causation_id: None,
            command: None,
            actor: Actor::try_from("service:sample".to_owned()).unwrap(),
            origin: None,
            occurred_at: desk.clock.now(),
            schema: 1,
        };
        let record = codec::to_record(EventId(Uuid::now_v7()), &event, &meta).unwrap();
        desk.log.append(&stream(&event), Expected::Any, vec![record]).await.unwrap();
    }
    // Past everything that the samples tell of.
    let end = Timestamp::parse("2026-11-20T18:25:00Z").unwrap();
    desk.clock.advance_ms(end.millis_since(desk.clock.now()));
    desk
}

#[tokio::test]
async fn one_quote_is_told_from_any_id_that_belongs_to_it() {
    let desk = told().await;
    let client = desk.current().await;
    let story = client.trace("c9c7e0a2-0d0f-4f5b-9a53-1f4a2f6f4f52").await.unwrap();
    assert_eq!(story.found_by, "quote");
    let decision = &story.decisions[0].decision;
    let command = story.commands[0].result.as_ref().unwrap();
    for (column, row, kind) in [
        ("decision_id", decision, "decision"),
        ("command_id", command, "command"),
        ("quote_hash", command, "quote_hash"),
        ("tx_hash", command, "transaction"),
    ] {
        let id = row[column].as_str().unwrap_or_else(|| panic!("{column} of {row}"));
        let again = client.trace(id).await.unwrap();
        assert_eq!(again.found_by, kind);
        assert_eq!(again.timeline, story.timeline);
    }
    assert!(story.timeline.is_sorted_by_key(|moment| moment.position));
    assert!(decision["gates"].as_array().is_some_and(|gates| !gates.is_empty()), "{decision}");
}

#[tokio::test]
async fn rows_of_a_trace_are_the_rows_of_their_tables() {
    let desk = told().await;
    let client = desk.current().await;
    let story = client.trace("c9c7e0a2-0d0f-4f5b-9a53-1f4a2f6f4f52").await.unwrap();
    for (table, row) in [
        ("quotes", &story.requests[0]),
        ("demands", story.demand.as_ref().unwrap()),
        ("decisions", &story.decisions[0].decision),
        ("results", story.commands[0].result.as_ref().unwrap()),
        ("result_history", &story.commands[0].steps[0]),
    ] {
        let position = row["position"].to_string();
        let query = RowsQuery { filters: vec![("position".to_owned(), position)], ..RowsQuery::default() };
        let page = client.rows(table, &query).await.unwrap();
        let stored: Value = serde_json::from_str(page.rows[0].get()).unwrap();
        assert_eq!(row, &stored, "{table}");
    }
}

#[tokio::test]
async fn the_status_shows_prices_balances_relays_alerts_and_counters() {
    let desk = told().await;
    let status = desk.current().await.status().await.unwrap();
    let seen = status.from_tables().unwrap();
    let price = &seen.prices[0];
    assert!(price.status != "none" && !price.sources.is_empty(), "{price:?}");
    assert!(!seen.inventory.balances.is_empty() && seen.inventory.height.is_some());
    assert!(seen.inventory.age_ms.is_some_and(|age| age > 0));
    assert_eq!(seen.relays.len(), 1);
    assert_eq!(seen.counters.quotes, 1);
    assert_eq!(seen.counters.submissions, 1);
    let events: u64 = seen.counters.events.values().sum();
    assert_eq!(events, status.head, "every event is counted once");
    let inventory = service(&status, "inventory");
    assert!(inventory.last_success_at.is_some() && inventory.reads != Reads::Nothing, "{inventory:?}");
    // The relay's last word in the samples is that it is gone.
    let ingest = service(&status, "ingest");
    assert_eq!(ingest.reads, Reads::Stale);
    assert!(ingest.blocked.as_ref().is_some_and(|why| why.contains("not connected")), "{ingest:?}");
}

fn service(status: &dto::Status, name: &str) -> dto::ServiceStatus {
    status.services.iter().find(|service| service.service == name).cloned().unwrap()
}

#[tokio::test]
async fn every_table_is_proved_row_by_row() {
    let desk = told().await;
    let live = desk.current().await.proof().await.unwrap();
    let store = MemoryStore::new(&schemas(models::ALL)).unwrap();
    fold_to(&*desk.log, &store, models::ALL, live.position.unwrap(), |_| {}).await.unwrap();
    let comparison = live.compare(&dump(&store).await.unwrap()).unwrap();
    assert_eq!(comparison.rows_different, 0, "{:?}", comparison.differences);
    let names: Vec<&str> = models::tables().map(|table| table.name).collect();
    assert_eq!(live.tables.len(), names.len());
    for name in names {
        let page = desk.current().await.dump_page(name, None).await.unwrap();
        let rows = u64::try_from(page.rows.len()).unwrap();
        assert_eq!((page.next_cursor, Some(&rows)), (None, comparison.rows_compared.get(name)), "{name}");
        // The samples park nothing, and release what they reserve.
        let empty = ["parked_events", "reservations", "open_results"].contains(&name);
        assert!(rows > 0 || empty, "no sample reaches {name}");
    }
}

#[tokio::test]
async fn what_others_have_written_is_shown_word_for_word() {
    let desk = Desk::open().await;
    let pretty = b"{\n  \"whole\": 1.0,\n  \"text\": \"line\\nbreak\"\n}\n";
    let record = NewRecord {
        event_id: EventId(Uuid::now_v7()),
        event_type: "other.Happened".into(),
        data: pretty.as_slice().into(),
        metadata: b"\xff\x00 no JSON".as_slice().into(),
    };
    let stream = StreamId::new("other-system").unwrap();
    desk.log.append(&stream, Expected::NoStream, vec![record]).await.unwrap();
    let query = EventsQuery { categories: vec!["other".to_owned()], ..EventsQuery::default() };
    let event = desk.client.events(&query).await.unwrap().events.remove(0);
    assert_eq!(event.data.unwrap().get(), r#"{   "whole": 1.0,   "text": "line\nbreak" }"#);
    assert_eq!(
        (event.metadata.is_none(), event.metadata_base64.as_deref()),
        (true, Some("/wAgbm8gSlNPTg=="))
    );
    // On one line, so that a follower can tell where it ends.
    let mut follow = desk.client.follow(Some(1), &[], &[]).await.unwrap();
    assert!(
        matches!(follow.next().await.unwrap(), Some(dto::FollowLine::Event(event)) if event.position == 1)
    );
}
