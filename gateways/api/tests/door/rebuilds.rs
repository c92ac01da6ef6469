//! Rebuilds over the door: started by whoever steers, seen by whoever reads.

use crate::desk::Desk;
use stele_api::client::new_key;
use stele_api::dto::{RebuildPhase, RebuildsAnswer, StartRebuild};
use stele_domain::port::event_log::{Filter, Position};

fn wish() -> StartRebuild {
    StartRebuild { reason: "a row looks wrong".to_owned(), from_zero: false, despite_difference: false }
}

/// What is known of all rebuilds, once none is under way.
async fn ended(desk: &Desk) -> RebuildsAnswer {
    loop {
        let known = desk.client.rebuilds("all").await.unwrap();
        let under_way = |phase| matches!(phase, RebuildPhase::Folding | RebuildPhase::Comparing);
        if !known.rebuilds.iter().any(|rebuild| under_way(rebuild.phase)) {
            return known;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_rebuild_is_started_once_for_each_wish_and_told_of() {
    let desk = Desk::ready().await;
    let key = new_key();
    let begun = desk.client.rebuild(key, "all", &wish()).await.unwrap();
    assert_eq!(begun.answer.command_id, key);
    assert!(begun.answer.projections.contains(&"quotes".to_owned()));
    let known = ended(&desk).await;
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
async fn a_rebuild_that_is_refused_is_kept_and_the_same_wish_begins_it_later() {
    let desk = Desk::ready().await;
    // Nothing is swapped while the tables are held: the first one stays under way.
    let hold = desk.runner.hold().await;
    desk.client.rebuild(new_key(), "quotes", &wish()).await.unwrap();
    let key = new_key();
    let said = desk.client.rebuild(key, "quotes", &wish()).await.unwrap_err();
    let problem = said.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (409, "rebuild-under-way"));
    drop(hold);
    ended(&desk).await;
    desk.client.rebuild(key, "quotes", &wish()).await.unwrap();
    let page = desk.log.read_all(Position(1), &Filter::all(), 1_000).await.unwrap();
    let refused = page.records.iter().filter(|record| &*record.event_type == "operations.CommandRefused");
    let refused: Vec<_> = refused.map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("rebuild-under-way") && refused[0].contains(&key.to_string()), "{refused:?}");
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
