//! Status, tables, traces, the log, read-your-writes, the proof, probes.

use crate::desk::asked::arm;
use crate::desk::{Desk, PATIENCE, until};
use crate::raw::{get, send};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stele_api::client::{ClientError, EventsQuery, RowsQuery, new_key};
use stele_api::dto::{self, Arming, Heard, Reads, ServiceState};
use stele_domain::ids::EventId;
use stele_domain::operations::alert::event::Kind;
use stele_domain::port::event_log::{Expected, Filter, NewRecord, Position, StreamId};
use stele_projections::compare::{dump, fold_to};
use stele_projections::runner::State;
use stele_projections::{models, schemas};
use stele_read_store::MemoryStore;
use uuid::Uuid;

fn problem<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (u16, String) {
    let error = outcome.expect_err("a problem");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    (problem.status, problem.code.clone())
}

#[tokio::test]
async fn the_status_has_the_account_the_services_and_the_positions() {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let status = desk.current().await.status().await.unwrap();
    assert_eq!((status.account.arming, status.account.limits_version), (Arming::Armed, Some(1)));
    let lease = status.account.lease.clone().unwrap();
    assert_eq!((lease.epoch, lease.holder.as_str(), lease.lapsed), (1, "desk-1", false));
    assert_eq!(status.services.len(), 6);
    assert!(status.services.iter().all(|service| service.state == ServiceState::Running));
    let market = status.services.iter().find(|service| service.service == "market").unwrap();
    assert_eq!((market.runs_here, market.reads), (true, Reads::Nothing));
    let executor = status.services.iter().find(|service| service.service == "executor").unwrap();
    assert_eq!(executor.blocked, None);
    let seen = status.from_tables().unwrap();
    assert_eq!((seen.prices[0].pair.as_str(), seen.prices[0].status.as_str()), ("btc-eure", "none"));
    let head = desk.log.head().await.unwrap().0;
    assert_eq!((seen.as_of, status.head, status.log.head), (head, head, head));
    assert_eq!(status.projections.projections.len(), models::ALL.len());
    assert_eq!(seen.counters.events.get("trading.Armed"), Some(&1));
}

#[tokio::test]
async fn a_service_whose_process_let_its_lease_run_out_is_not_told_as_one_that_knows() {
    let desk = Desk::ready().await;
    let before = desk.current().await.status().await.unwrap();
    let strategy = before.services.iter().find(|service| service.service == "strategy").unwrap();
    assert_eq!(strategy.heard(before.account.lease.as_ref()), Heard::Elsewhere);
    assert_eq!(strategy.blocked, None);
    desk.clock.advance_ms(3_600_000);
    let lease = desk.client.account().await.unwrap().account.lease.unwrap();
    assert!(lease.lapsed);
    let silent = desk.client.status().await.unwrap().services;
    let silent = |name: &str| silent.iter().find(|service| service.service == name).unwrap();
    for name in ["ingest", "strategy"] {
        let service = silent(name);
        assert_eq!(service.heard(Some(&lease)), Heard::Silent(lease.until), "{service:?}");
        assert!(service.blocked.as_ref().unwrap().starts_with("not heard of since"), "{service:?}");
    }
    assert_eq!(silent("executor").blocked.as_deref(), Some("nobody holds the signing lease"));
    // What runs in the process that answers is heard of.
    assert_eq!(silent("market").heard(Some(&lease)), Heard::Here);
}

#[tokio::test]
async fn a_read_that_asks_for_a_write_waits_for_it() {
    let desk = Desk::open().await;
    desk.current().await.tables().await.unwrap();
    let hold = desk.runner.hold().await;
    desk.take_lease().await;
    let written = desk.log.head().await.unwrap().0;
    let client = desk.client.at_least(written);
    let mut reading = tokio::spawn(async move { client.rows("account", &RowsQuery::default()).await });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut reading).await;
    assert!(early.is_err(), "answered before the tables were there: {early:?}");
    drop(hold);
    let page = tokio::time::timeout(PATIENCE, reading).await.expect("an answer").unwrap().unwrap();
    assert!(page.as_of >= written && page.head >= page.as_of);
    assert_eq!(page.rows.len(), 1);
}

#[tokio::test]
async fn a_read_behind_a_paused_projection_fails_at_once() {
    let desk = Desk::with_resting_tables().await;
    desk.take_lease().await;
    let headers = ["min-log-position: 1", "prefer: wait=5"];
    let answer = send(&desk.path, "GET", "/v1/tables/account", &headers, b"").await;
    let no = answer.problem(503, "projection-unavailable");
    assert_eq!(no["log_position"], 0);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    // Without the wish to read one's own write, what there is will do.
    let answer = get(&desk.path, "/v1/tables/account").await;
    assert_eq!((answer.status, &answer.json()["as_of"], &answer.json()["head"]), (200, &0.into(), &1.into()));
}

#[tokio::test]
async fn what_a_newer_build_wrote_stands_at_the_doors_by_name() {
    let desk = Desk::ready().await;
    let head = desk.log.head().await.unwrap();
    desk.runner.reached(head, PATIENCE).await.unwrap();
    let record = NewRecord {
        event_id: EventId(Uuid::from_u128(7)),
        event_type: "intents.Teleported".into(),
        data: Arc::from(*b"{}"),
        metadata: Arc::from(*b"{}"),
    };
    let stream = StreamId::new("quote-btc-eure").unwrap();
    let at = desk.log.append(&stream, Expected::Any, vec![record]).await.unwrap().last;
    until(&desk.runner, |state| matches!(state, State::Faulted { .. })).await;
    let status = desk.client.status().await.unwrap();
    assert_eq!((status.projections.state.as_str(), status.as_of), ("faulted", Some(head.0)));
    for word in ["intents.Teleported", &format!("at position {at}"), "a newer build wrote it"] {
        assert!(status.projections.why.contains(word), "{word}: {}", status.projections.why);
    }
    let headers = [format!("min-log-position: {at}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let answer = send(&desk.path, "GET", "/v1/tables/account", &headers, b"").await;
    let no = answer.problem(503, "projection-unavailable");
    assert!(no["detail"].as_str().unwrap().contains("a newer build wrote it"), "{no}");
}

#[tokio::test]
async fn a_read_that_can_not_wait_is_told_that_the_tables_are_behind() {
    let desk = Desk::open().await;
    desk.take_lease().await;
    desk.current().await.tables().await.unwrap();
    // Held, not paused: the runner works and gets nowhere.
    let hold = desk.runner.hold().await;
    desk.client.kill(new_key(), "something is wrong").await.unwrap();
    let headers = ["min-log-position: 2", "prefer: respond-async, wait=0"];
    let answer = send(&desk.path, "GET", "/v1/tables/account", &headers, b"").await;
    assert_eq!(answer.problem(503, "projection-behind")["log_position"], 1);
    drop(hold);
    assert_eq!(desk.current().await.rows("account", &RowsQuery::default()).await.unwrap().as_of, 2);
}

#[tokio::test]
async fn a_position_beyond_the_head_is_of_another_log() {
    let desk = Desk::ready().await;
    let head = desk.log.head().await.unwrap().0;
    let answer =
        send(&desk.path, "GET", "/v1/tables", &[&format!("min-log-position: {}", head + 1)], b"").await;
    assert_eq!(answer.problem(409, "position-beyond-head")["log_position"], head);
    send(&desk.path, "GET", "/v1/tables", &["min-log-position: -1"], b"")
        .await
        .names(400, "Min-Log-Position");
    let headers = ["min-log-position: 1", "prefer: wait=soon"];
    send(&desk.path, "GET", "/v1/tables", &headers, b"").await.names(400, "Prefer");
}

#[tokio::test]
async fn tables_are_listed_with_what_their_columns_mean() {
    let desk = Desk::ready().await;
    let answer = desk.client.tables().await.unwrap();
    let names: Vec<&str> = answer.tables.iter().map(|table| table.name.as_str()).collect();
    let all: Vec<&str> = models::tables().map(|table| table.name).collect();
    assert_eq!(names, all);
    assert!(answer.tables.iter().all(|table| !table.doc.is_empty()));
    assert!(answer.tables.iter().flat_map(|table| &table.columns).all(|column| !column.doc.is_empty()));
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    let desk = Desk::ready().await;
    for n in 0..7 {
        desk.client.arm(new_key(), &arm(&format!("arming number {n}"))).await.unwrap();
    }
    let client = desk.current().await;
    let mut query = RowsQuery { limit: Some(3), order: Some("oldest".to_owned()), ..RowsQuery::default() };
    let mut reasons = vec![];
    loop {
        let page = client.rows("arming_history", &query).await.unwrap();
        assert!(page.rows.len() <= 3);
        for row in &page.rows {
            let row: Value = serde_json::from_str(row.get()).unwrap();
            reasons.extend((row["step"] == "armed").then(|| row["detail"].as_str().unwrap().to_owned()));
        }
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..7).map(|n| format!("arming number {n}")).collect();
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_table_and_order_only() {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let client = desk.current().await;
    let query = RowsQuery { limit: Some(1), ..RowsQuery::default() };
    let next = client.rows("arming_history", &query).await.unwrap().next_cursor.expect("another page");
    let other = RowsQuery { cursor: Some(next.clone()), ..RowsQuery::default() };
    assert_eq!(problem(client.rows("limits_history", &other).await), (400, "bad-cursor".to_owned()));
    let reordered = RowsQuery { order: Some("oldest".to_owned()), ..other };
    assert_eq!(problem(client.rows("arming_history", &reordered).await), (400, "bad-cursor".to_owned()));
}

#[tokio::test]
async fn rows_are_filtered_by_columns() {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let client = desk.current().await;
    let step = |step: &str| RowsQuery {
        filters: vec![("step".to_owned(), step.to_owned())],
        ..RowsQuery::default()
    };
    assert_eq!(client.rows("arming_history", &step("armed")).await.unwrap().rows.len(), 1);
    assert_eq!(client.rows("arming_history", &step("killed")).await.unwrap().rows.len(), 0);
    let empty =
        RowsQuery { filters: vec![("armed_until".to_owned(), "null".to_owned())], ..RowsQuery::default() };
    assert_eq!(client.rows("account", &empty).await.unwrap().rows.len(), 0);
}

#[tokio::test]
async fn what_nobody_knows_is_not_found() {
    let desk = Desk::ready().await;
    let client = desk.current().await;
    assert_eq!(problem(client.trace("no-such-quote").await), (404, "unknown-id".to_owned()));
    assert_eq!(
        problem(client.rows("no_such_table", &RowsQuery::default()).await),
        (404, "unknown-table".to_owned())
    );
    assert_eq!(problem(client.event(9_999).await), (404, "unknown-position".to_owned()));
}

#[tokio::test]
async fn the_log_is_read_both_ways_and_by_stream() {
    let desk = Desk::ready().await;
    for n in 0..5 {
        desk.client.arm(new_key(), &arm(&format!("arming number {n}"))).await.unwrap();
    }
    let head = desk.log.head().await.unwrap().0;
    let positions =
        |page: &stele_api::dto::EventsPage| page.events.iter().map(|e| e.position).collect::<Vec<_>>();

    let first = desk.client.events(&EventsQuery { limit: Some(4), ..EventsQuery::default() }).await.unwrap();
    assert_eq!((positions(&first), first.next, first.head), (vec![1, 2, 3, 4], Some(5), head));
    let whole = desk.client.events(&EventsQuery::default()).await.unwrap();
    assert_eq!((whole.events.len() as u64, whole.next), (head, None));

    let tail = EventsQuery { limit: Some(3), backward: true, ..EventsQuery::default() };
    let page = desk.client.events(&tail).await.unwrap();
    assert_eq!((positions(&page), page.next), (vec![head, head - 1, head - 2], Some(head - 3)));
    let rest = EventsQuery { from: page.next, limit: None, ..tail };
    let rest = desk.client.events(&rest).await.unwrap();
    assert_eq!((positions(&rest), rest.next), ((1..=head - 3).rev().collect(), None));

    let armed =
        EventsQuery { types: vec!["trading.Armed".to_owned()], backward: true, ..EventsQuery::default() };
    assert_eq!(desk.client.events(&armed).await.unwrap().events.len(), 5);
    let stream = EventsQuery { stream: Some("account-desk.near".to_owned()), ..EventsQuery::default() };
    let page = desk.client.events(&stream).await.unwrap();
    let revisions: Vec<u64> = page.events.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (0..7).collect::<Vec<_>>());
    let last = EventsQuery { limit: Some(1), backward: true, ..stream };
    assert_eq!(desk.client.events(&last).await.unwrap().events[0].revision, 6);
}

#[tokio::test]
async fn an_event_is_shown_as_it_is_stored() {
    let desk = Desk::ready().await;
    let position =
        desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap().answer.log_position.unwrap();
    let event = desk.client.event(position).await.unwrap();
    let page = desk.log.read_all(Position(position), &Filter::all(), 1).await;
    let record = page.unwrap().records.remove(0);
    assert_eq!(event.event_type, "trading.Armed");
    assert_eq!(event.data.unwrap().get().as_bytes(), &*record.data);
    assert_eq!(event.metadata.unwrap().get().as_bytes(), &*record.metadata);
}

#[tokio::test]
async fn the_proof_equals_a_fold_of_the_log_by_somebody_else() {
    let desk = Desk::ready().await;
    for n in 0..20 {
        desk.client.arm(new_key(), &arm(&format!("arming number {n}"))).await.unwrap();
    }
    let live = desk.current().await.proof().await.unwrap();
    let position = live.position.unwrap();
    assert_eq!(position, desk.log.head().await.unwrap());
    let store = MemoryStore::new(&schemas(models::ALL)).unwrap();
    fold_to(&*desk.log, &store, models::ALL, position, |_| {}).await.unwrap();
    let comparison = live.compare(&dump(&store).await.unwrap()).unwrap();
    assert_eq!(comparison.rows_different, 0, "{:?}", comparison.differences);
    assert!(comparison.rows_compared["arming_history"] >= 20);
    // The projections go on afterwards.
    desk.client.kill(new_key(), "something is wrong").await.unwrap();
    desk.current().await.status().await.unwrap();
}

#[tokio::test]
async fn a_log_without_files_says_that_it_signs_no_checkpoints() {
    let desk = Desk::ready().await;
    assert_eq!(problem(desk.client.checkpoint().await), (409, "no-checkpoints".to_owned()));
    let stat = desk.client.log_stat().await.unwrap();
    assert_eq!(stat.events, desk.log.head().await.unwrap().0);
}

#[tokio::test]
async fn probes_say_whether_the_desk_lives_and_whether_it_is_ready() {
    let desk = Desk::ready().await;
    desk.current().await.status().await.unwrap();
    assert_eq!(desk.client.live().await.unwrap().instance, "desk-1");
    let ready = desk.client.ready().await.unwrap();
    assert!(ready.ready, "{ready:?}");
    assert_eq!(desk.client.metrics().await.unwrap(), "desk_up 1\n");
    assert!(desk.client.statusz().await.unwrap().log.reachable);

    // A role that runs may still have something to say, which a person must see.
    *desk.remark.lock().unwrap() = "stands by".to_owned();
    let ready = desk.client.ready().await.unwrap();
    let market = ready.checks.iter().find(|check| check.name == "market").unwrap();
    assert_eq!((market.ok, market.detail.as_str(), ready.ready), (true, "stands by", true));

    desk.healthy.store(false, std::sync::atomic::Ordering::SeqCst);
    let ready = desk.client.ready().await.unwrap();
    let failed: Vec<_> =
        ready.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!((ready.ready, failed), (false, vec!["market"]));
    assert_eq!(get(&desk.path, "/readyz").await.status, 503);
}

#[tokio::test]
async fn while_the_tables_are_away_reads_say_so_and_the_rest_of_the_desk_goes_on() {
    let desk = Desk::ready().await;
    desk.current().await.tables().await.unwrap();
    desk.away.store(true, std::sync::atomic::Ordering::SeqCst);
    for target in ["/v1/tables", "/v1/tables/account", "/v1/tables/account/dump", "/v1/trace/x"] {
        let no = get(&desk.path, target).await;
        let problem = no.problem(503, "tables-unavailable");
        assert!(problem["detail"].as_str().unwrap().contains("connection refused"), "{problem}");
        assert!(no.head.contains("retry-after: 1"), "{}", no.head);
    }
    // What is folded from the log needs no table, and a kill least of all.
    assert_eq!(desk.client.account().await.unwrap().account.arming, Arming::Disarmed);
    assert!(desk.client.kill(new_key(), "something is wrong").await.unwrap().answer.fenced);
    desk.away.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(get(&desk.path, "/v1/tables/account").await.status, 200);
}

#[tokio::test]
async fn the_status_tells_all_that_the_log_knows_while_the_tables_are_away() {
    let desk = Desk::ready().await;
    desk.raise(Kind::UnexpectedDrop, "less than was expected").await;
    let before = desk.current().await.status().await.unwrap();
    assert!(before.from_tables().is_some() && before.tables_unavailable.is_none());
    desk.away.store(true, std::sync::atomic::Ordering::SeqCst);

    let answer = get(&desk.path, "/v1/status").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for absent in ["prices", "inventory", "relays", "counters", "as_of"] {
        assert!(answer.json()[absent].is_null(), "{absent}: {}", answer.body);
    }
    let status = desk.client.status().await.unwrap();
    assert!(status.tables_unavailable.as_ref().unwrap().contains("connection refused"), "{status:?}");
    assert_eq!((&status.account, &status.alerts), (&before.account, &before.alerts));
    assert_eq!((status.log.reachable, status.head), (true, desk.log.head().await.unwrap().0));
    let state = |status: &dto::Status| -> Vec<_> {
        status.services.iter().map(|one| (one.service.clone(), one.state, one.runs_here)).collect()
    };
    assert_eq!(state(&status), state(&before));
    let ingest = &status.services[0];
    assert_eq!((ingest.reads, ingest.last_success_at, &ingest.blocked), (dto::Reads::Unknown, None, &None));

    // Whoever needs to see a position can't be shown it, and is told so.
    let position = format!("min-log-position: {}", before.head);
    let no = send(&desk.path, "GET", "/v1/status", &[&position], b"").await;
    no.problem(503, "tables-unavailable");
    desk.away.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(desk.client.status().await.unwrap().from_tables().is_some());
}

#[tokio::test]
async fn a_row_that_no_build_wrote_costs_the_status_only_what_comes_from_its_table() {
    let desk = Desk::ready().await;
    let before = desk.current().await.status().await.unwrap();
    desk.odd.store(true, std::sync::atomic::Ordering::SeqCst);
    let status = desk.client.status().await.unwrap();
    let why = status.tables_unavailable.as_ref().unwrap();
    assert!(why.contains("table quotes") && why.contains("received"), "{why}");
    let from_tables = |status: &dto::Status| {
        (status.prices.clone(), status.inventory.clone(), status.relays.clone(), status.counters.clone())
    };
    assert_eq!((from_tables(&status), status.as_of), (from_tables(&before), before.as_of));
    assert!(status.from_tables().is_some());
    let ingest = status.services.iter().find(|service| service.service == "ingest").unwrap();
    assert_eq!((ingest.reads, ingest.blocked.as_ref()), (Reads::Unknown, Some(why)));
}

#[tokio::test]
async fn a_database_that_hangs_keeps_no_status_waiting() {
    let desk = Desk::ready().await;
    tokio::time::pause();
    desk.hanging.store(true, std::sync::atomic::Ordering::SeqCst);
    let status = desk.client.status().await.unwrap();
    assert!(status.tables_unavailable.unwrap().contains("within 5 s") && status.prices.is_none());
}

#[tokio::test]
async fn the_document_and_its_page_are_served_from_this_desk_alone() {
    let desk = Desk::ready().await;
    let document = get(&desk.path, "/openapi.json").await.json();
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &"0.1.0".into()));
    let page = get(&desk.path, "/").await;
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert!(page.body.starts_with("<!doctype html>") && page.body.contains("/v1/account/kill"));
    // What the document says of methods is what the router answers to.
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        let answer = send(&desk.path, "PATCH", &path, &[], b"").await;
        answer.problem(405, "method-not-allowed");
        let allowed = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap().to_owned();
        let mut allowed: Vec<&str> = allowed.split(',').filter(|method| *method != "head").collect();
        allowed.sort_unstable();
        let methods: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}
