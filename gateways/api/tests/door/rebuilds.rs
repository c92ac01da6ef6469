//! Rebuilds over the door: started by whoever steers, seen by whoever reads.

use crate::desk::Desk;
use stele_api::client::new_key;
use stele_api::dto::{RebuildPhase, StartRebuild};

fn wish() -> StartRebuild {
    StartRebuild { reason: "a row looks wrong".to_owned(), from_zero: false, despite_difference: false }
}

#[tokio::test]
async fn a_rebuild_is_started_once_for_each_wish_and_told_of() {
    let desk = Desk::ready().await;
    let key = new_key();
    let begun = desk.client.rebuild(key, "all", &wish()).await.unwrap();
    assert_eq!(begun.answer.command_id, key);
    assert!(begun.answer.projections.contains(&"quotes".to_owned()));
    let known = loop {
        let known = desk.client.rebuilds("all").await.unwrap();
        let under_way = |phase| matches!(phase, RebuildPhase::Folding | RebuildPhase::Comparing);
        if !known.rebuilds.iter().any(|rebuild| under_way(rebuild.phase)) {
            break known;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(known.rebuilds.len(), begun.answer.projections.len());
    for rebuild in &known.rebuilds {
        assert_eq!(rebuild.phase, RebuildPhase::Swapped, "{rebuild:?}");
        assert!(rebuild.by.ends_with("on desk-1"), "{rebuild:?}");
    }
    let one = desk.client.rebuilds("quotes").await.unwrap();
    assert_eq!((one.rebuilds.len(), one.rebuilds[0].projection.as_str()), (1, "quotes"));
    // The same wish again is the same rebuild.
    desk.client.rebuild(key, "all", &wish()).await.unwrap();
    let again = desk.client.rebuilds("quotes").await.unwrap();
    assert_eq!(again.rebuilds, one.rebuilds);
    desk.client.drop_old(new_key(), "quotes", "seen").await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_rebuilt_is_refused_by_name() {
    let desk = Desk::ready().await;
    let said = desk.client.rebuild(new_key(), "orders", &wish()).await.unwrap_err();
    let problem = said.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (404, "unknown-projection"));
    assert!(problem.detail.contains("event_counts"), "{}", problem.detail);
    let said = desk.client.rebuilds("orders").await.unwrap_err();
    assert_eq!(said.problem().unwrap().status, 404);
}
