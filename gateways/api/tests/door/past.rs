//! As of when: positions and times, pages of one walk, and what is refused.

use crate::desk::Desk;
use crate::desk::asked::arm;
use crate::raw::get;
use serde_json::Value;
use stele_api::client::{ClientError, RowsQuery, new_key};
use stele_api::dto::TablePage;
use stele_domain::port::event_log::{Filter, Position};

fn problem<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (u16, String) {
    let error = outcome.expect_err("a problem");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    (problem.status, problem.code.clone())
}

fn as_of(position: impl std::fmt::Display) -> RowsQuery {
    RowsQuery { as_of: Some(position.to_string()), ..RowsQuery::default() }
}

fn rows(page: &TablePage) -> Vec<Value> {
    page.rows.iter().map(|row| serde_json::from_str(row.get()).unwrap()).collect()
}

/// A desk that was armed and disarmed, a second apart; where it was armed, and where the log ends.
async fn lived() -> (Desk, u64, u64) {
    let desk = Desk::ready().await;
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let armed = desk.log.head().await.unwrap().0;
    desk.clock.advance_ms(1_000);
    desk.client.disarm(new_key(), "a break").await.unwrap();
    let head = desk.log.head().await.unwrap().0;
    desk.keep_past(3).await;
    (desk, armed, head)
}

#[tokio::test]
async fn a_table_is_shown_as_of_a_position_and_as_of_a_time() {
    let (desk, armed, head) = lived().await;
    let client = &desk.client;
    let now = desk.current().await.rows("account", &RowsQuery::default()).await.unwrap();
    assert_eq!(rows(&now)[0]["arming"], "disarmed");
    let then = client.rows("account", &as_of(armed)).await.unwrap();
    assert_eq!((then.as_of, then.head), (armed, head));
    assert_eq!(rows(&then)[0]["arming"], "armed");

    let page = desk.log.read_all(Position(armed), &Filter::all(), 1).await.unwrap();
    let written = page.records[0].recorded_at;
    let at = client.rows("account", &as_of(written)).await.unwrap();
    assert_eq!((at.as_of, at.as_of_time), (armed, Some(written)));
    assert_eq!((then.as_of_time, now.as_of_time), (Some(written), None));
    let long_ago = client.rows("account", &as_of("2020-01-01T00:00:00Z")).await.unwrap();
    assert_eq!((long_ago.as_of, long_ago.as_of_time, long_ago.rows.len()), (0, None, 0));
    assert_eq!(client.rows("account", &as_of(head)).await.unwrap().rows.len(), now.rows.len());
}

#[tokio::test]
async fn all_pages_of_a_walk_show_one_moment_whatever_happens_meanwhile() {
    let (desk, armed, _) = lived().await;
    let client = &desk.client;
    let query = RowsQuery { limit: Some(1), ..as_of(armed) };
    let first = client.rows("event_counts", &query).await.unwrap();
    let cursor = first.next_cursor.clone().expect("another page");
    desk.client.kill(new_key(), "enough").await.unwrap();
    let mut all = rows(&first);
    let mut query = RowsQuery { cursor: Some(cursor.clone()), ..query };
    loop {
        let page = client.rows("event_counts", &query).await.unwrap();
        assert_eq!(page.as_of, armed);
        all.extend(rows(&page));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    let whole = client.rows("event_counts", &RowsQuery { limit: Some(1_000), ..as_of(armed) }).await.unwrap();
    assert_eq!(all, rows(&whole));
    assert!(all.iter().all(|row| row["event_type"] != "trading.Disarmed"), "{all:?}");

    // A cursor is of its own moment, and of none.
    let elsewhere = RowsQuery { cursor: Some(cursor.clone()), limit: Some(1), ..as_of(armed - 1) };
    assert_eq!(problem(client.rows("event_counts", &elsewhere).await), (400, "bad-request".to_owned()));
    let live = RowsQuery { cursor: Some(cursor), limit: Some(1), ..RowsQuery::default() };
    assert_eq!(problem(client.rows("event_counts", &live).await), (400, "bad-cursor".to_owned()));
}

#[tokio::test]
async fn what_can_t_be_said_of_the_past_is_refused_by_name() {
    let (desk, armed, head) = lived().await;
    let client = &desk.client;
    let beyond = client.rows("account", &as_of(head + 1)).await;
    assert_eq!(problem(beyond), (409, "position-beyond-head".to_owned()));
    for (target, field) in [
        ("/v1/tables/account?as_of=2100-01-01T00:00:00Z", "as_of"),
        ("/v1/tables/account?as_of=yesterday", "as_of"),
        ("/v1/tables/account?as_of=1&as_of=2", "as_of"),
        ("/v1/status?as_of=1", "as_of"),
        ("/v1/account?as_of=1", "as_of"),
    ] {
        get(&desk.path, target).await.names(400, field);
    }
    let both = client.at_least(head).rows("account", &as_of(armed)).await;
    assert_eq!(problem(both), (400, "bad-request".to_owned()));
    let unknown = client.trace_as_of("nobody", Some("1")).await.expect_err("nobody knows it");
    let said = unknown.problem().unwrap();
    assert!(said.code == "unknown-id" && said.detail.contains("as of position 1"), "{}", said.detail);
}

#[tokio::test]
async fn the_list_and_the_dump_are_as_of_a_position_too() {
    let (desk, armed, _) = lived().await;
    desk.current().await.tables().await.unwrap();
    let list = get(&desk.path, &format!("/v1/tables?as_of={armed}")).await;
    assert_eq!((list.status, list.json()["as_of"].as_u64()), (200, Some(armed)));
    let dump = get(&desk.path, &format!("/v1/tables/account/dump?as_of={armed}")).await.json();
    assert_eq!(dump["position"].as_u64(), Some(armed));
    assert!(dump["rows"][0]["row"].as_str().unwrap().contains("armed"), "{dump}");
}

/// In memory only the last events of a history are there: one that had rows is not shown as empty.
#[tokio::test]
async fn a_history_of_which_nothing_is_kept_any_more_is_said_to_be_gone() {
    let (desk, _, _) = lived().await;
    for _ in 0..3 {
        desk.clock.advance_ms(1_000);
        desk.client.arm(new_key(), &arm("going on")).await.unwrap();
        desk.client.disarm(new_key(), "a break").await.unwrap();
    }
    let head = desk.log.head().await.unwrap().0;
    let last = Position(head / 3 * 3);
    while !desk.past.kept().await.unwrap().contains(&last) {
        tokio::task::yield_now().await;
    }
    let arming = desk.client.rows("arming_history", &as_of(head)).await.unwrap();
    assert!(!arming.rows.is_empty() && arming.cut_rows > 0, "the last of it is there: {arming:?}");
    let first = get(&desk.path, "/v1/tables/limits_history?as_of=2").await;
    assert_eq!(first.status, 200);
    let gone = get(&desk.path, &format!("/v1/tables/limits_history?as_of={head}")).await;
    gone.problem(410, "past-cut");
    let none = get(&desk.path, "/v1/tables/arming_history?as_of=1").await;
    assert_eq!(none.status, 200, "there was none yet");
}

/// Whoever asks about the past finds no room; whoever asks about now does.
#[tokio::test]
async fn the_past_has_room_of_its_own() {
    let (desk, armed, _) = lived().await;
    let mut places = vec![];
    while let Ok(place) = desk.past.enter() {
        places.push(place);
    }
    let target = format!("/v1/tables/account?as_of={armed}");
    get(&desk.path, &target).await.problem(429, "too-many-at-once");
    assert_eq!(get(&desk.path, "/v1/tables/account").await.status, 200);
    places.pop();
    assert_eq!(get(&desk.path, &target).await.status, 200);
}

#[tokio::test]
async fn before_the_states_are_open_the_past_is_not_there_yet() {
    let desk = Desk::ready().await;
    let answer = get(&desk.path, "/v1/tables/account?as_of=1").await;
    answer.problem(503, "past-unavailable");
    assert!(answer.head.contains("retry-after"), "{}", answer.head);
}
