//! Pages that follow one another: what a cursor is good for, and what it shows.

use crate::desk::Desk;
use crate::desk::asked::arm;
use crate::raw::{Raw, get};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use stele_api::client::new_key;

async fn armed(desk: &Desk, numbers: std::ops::Range<u32>) {
    for n in numbers {
        desk.client.arm(new_key(), &arm(&format!("arming number {n}"))).await.unwrap();
    }
    desk.current().await.tables().await.unwrap();
}

fn cursor(page: &Raw) -> String {
    page.json()["next_cursor"].as_str().unwrap_or_else(|| panic!("{}", page.body)).to_owned()
}

fn details(page: &Raw) -> Vec<String> {
    let page = page.json();
    let rows = page["rows"].as_array().unwrap();
    rows.iter().map(|row| row["detail"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_cursor_of_another_question_is_refused_with_what_is_other() {
    let desk = Desk::ready().await;
    armed(&desk, 0..5).await;
    let page = get(&desk.path, "/v1/tables/arming_history?limit=2&step=armed").await;
    let cursor = cursor(&page);
    assert!(
        page.head.contains("link: </v1/tables/arming_history?limit=2&step=armed&cursor="),
        "{}",
        page.head
    );
    let ask = async |target: &str| get(&desk.path, &format!("{target}&cursor={cursor}")).await;
    assert_eq!(
        ask("/v1/tables/arming_history?limit=1&step=armed").await.status,
        200,
        "another limit will do"
    );
    for (target, what) in [
        ("/v1/tables/limits_history?limit=2", "table"),
        ("/v1/tables/arming_history?limit=2&step=armed&order=oldest", "order"),
        ("/v1/tables/arming_history?limit=2&step=killed", "filters"),
        ("/v1/tables/arming_history?limit=2", "filters"),
        ("/v1/tables/arming_history/dump?", "order"),
    ] {
        let no = ask(target).await;
        let problem = no.problem(400, "bad-cursor");
        assert_eq!(problem["errors"][0]["field"], "cursor");
        assert!(problem["detail"].as_str().unwrap().contains(what), "{target}: {problem}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_log_or_one_that_was_changed_is_refused() {
    let desk = Desk::ready().await;
    armed(&desk, 0..5).await;
    let cursor = cursor(&get(&desk.path, "/v1/tables/arming_history?limit=2").await);
    let ask = async |cursor: &str| {
        get(&desk.path, &format!("/v1/tables/arming_history?limit=2&cursor={cursor}")).await
    };
    let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    // The seal covers all of it: not even a position can be changed by hand.
    let at = bytes.windows(4).position(|window| window == b"\"at\"").unwrap() + 5;
    bytes[at] ^= 1;
    for text in [URL_SAFE_NO_PAD.encode(&bytes), "nothing".to_owned(), "%00".to_owned(), "e30".to_owned()] {
        ask(&text).await.problem(400, "bad-cursor");
    }
    let other = Desk::ready_as(8).await;
    armed(&other, 0..5).await;
    let foreign = self::cursor(&get(&other.path, "/v1/tables/arming_history?limit=2").await);
    let no = ask(&foreign).await.problem(400, "bad-cursor");
    assert!(no["detail"].as_str().unwrap().contains("log"), "{no}");
    assert_eq!(ask(&cursor).await.status, 200);
}

#[tokio::test]
async fn the_pages_of_one_walk_show_what_there_was_when_it_began() {
    let desk = Desk::ready().await;
    armed(&desk, 0..4).await;
    for (order, expected) in [("oldest", [0, 1, 2, 3]), ("newest", [3, 2, 1, 0]), ("key", [0, 1, 2, 3])] {
        let first =
            get(&desk.path, &format!("/v1/tables/arming_history?limit=3&step=armed&order={order}")).await;
        let began = first.json()["as_of"].clone();
        let mut seen = details(&first);
        let mut next = cursor(&first);
        // Meanwhile life goes on.
        armed(&desk, 100..103).await;
        loop {
            let target = format!("/v1/tables/arming_history?limit=3&step=armed&order={order}&cursor={next}");
            let page = get(&desk.path, &target).await;
            assert_eq!(page.json()["as_of"], began, "{order}");
            seen.extend(details(&page));
            let Value::String(cursor) = &page.json()["next_cursor"] else { break };
            next.clone_from(cursor);
        }
        let of_then: Vec<String> =
            seen.into_iter().filter(|detail| detail.len() == "arming number 0".len()).collect();
        let expected: Vec<String> = expected.iter().map(|n| format!("arming number {n}")).collect();
        assert_eq!(of_then, expected, "{order}");
    }
}
