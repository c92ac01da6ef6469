//! The past of tables that leave something out: what is said of parked events holds for every answer, whenever it was said.

use crate::parking::say;
use crate::past::{Opens, difference, rebuilt, stories};
use crate::support::{ALL, log_of};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::operations::parking::event::{Event as Fact, EventParked, ParkedSkipped};
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::time::Timestamp;
use stele_projections::past::{Opened, Past};
use tempfile::TempDir;

/// What a rebuild leaves out, an answer about the past leaves out too, whenever that was said: of an event in the kept
/// states, of one behind them, and before a start.
#[tokio::test]
async fn states_from_before_something_was_said_of_a_parked_event_are_made_anew() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(2)).await;
    let folded_there = |past: Arc<Past>, log: Arc<dyn EventLog>, at: Position| async move {
        let agrees = async {
            loop {
                if let Ok(view) = past.at(at).await
                    && difference(&*view, &*rebuilt(&*log, at).await).await.is_none()
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), agrees).await.unwrap();
    };
    let quotes = positions_of(&*log, "intents.QuoteReceived").await;
    let [early, late] = quotes[..] else { panic!("{quotes:?}") };
    // One state, right before the later of the two.
    let every = late - 1;
    assert!(early <= every && log.head().await.unwrap().0 + 3 < 2 * every, "{early}, {late}");

    let opened = Opens::anew(directory.path());
    let (past, end, keeping) = opened.keep(&log, every);
    kept(&past, every).await;
    for position in [late, early] {
        let before = past.at(Position(late)).await.unwrap();
        say(&*log, quote_parked(position)).await;
        let whole = rebuilt(&*log, Position(late)).await;
        assert!(difference(&*before, &*whole).await.is_some(), "{position} is left out from now on");
        // The states stay for as long as somebody reads them.
        drop(before);
        folded_there(Arc::clone(&past), Arc::clone(&log), Position(late)).await;
        kept(&past, every).await;
    }
    assert_eq!(opened.how(), [Opened::AsTheyAre, Opened::Anew], "only for the event that they had");
    end.send(true).unwrap();
    keeping.await.unwrap();

    // Said while nobody listened.
    let skipped = ParkedSkipped {
        projection: "quotes".to_owned(),
        version: version_of("quotes"),
        position: Position(early),
        reason: "made up".to_owned(),
        at: Timestamp::from_millis(1_795_199_078_000),
    };
    say(&*log, Fact::ParkedSkipped(skipped)).await;
    let opened = Opens::anew(directory.path());
    let (past, end, keeping) = opened.keep(&log, every);
    folded_there(Arc::clone(&past), Arc::clone(&log), Position(late)).await;
    assert_eq!(opened.how(), [Opened::AsTheyAre, Opened::Anew]);
    end.send(true).unwrap();
    keeping.await.unwrap();
}

/// That the quote at this position is left out of the tables of quotes.
pub fn quote_parked(position: u64) -> Fact {
    Fact::EventParked(EventParked {
        projection: "quotes".to_owned(),
        version: version_of("quotes"),
        position: Position(position),
        event_type: "intents.QuoteReceived".to_owned(),
        reason: "table quotes: the check says no".to_owned(),
        attempt: 1,
        at: Timestamp::from_millis(1_795_199_078_000),
    })
}

/// Waits until there is that one state.
async fn kept(past: &Past, position: u64) {
    let there = async {
        while past.kept().await.ok().is_none_or(|kept| kept != [Position(position)]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), there).await.unwrap();
}

fn version_of(projection: &str) -> u32 {
    ALL.iter().find(|one| one.name == projection).unwrap().version
}

/// Where events of a type stand in the log.
pub async fn positions_of(log: &dyn EventLog, event_type: &str) -> Vec<u64> {
    let page = log.read_all(Position(1), &Filter::all(), 1_000).await.unwrap();
    page.records.iter().filter(|record| &*record.event_type == event_type).map(|one| one.position.0).collect()
}
