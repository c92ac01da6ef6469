//! The newest events of the log: page after page towards its beginning until as many are found as are wanted, through
//! the desk or, on its machine, without it; then, when that is wanted, what comes.

use super::desk::{ask, broken_off};
use super::log::{one_line, or_offline};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::offline;
use stele_api::client::{Client, ClientError, EventsQuery, offline as of};
use stele_api::dto::{Event, EventsPage, FollowLine};

/// Which events are wanted.
pub(super) struct Wanted {
    pub lines: u32,
    pub categories: Vec<String>,
    pub types: Vec<String>,
    pub stream: Option<String>,
    pub follow: bool,
}

pub(super) fn run(wanted: Wanted, config: &Config, json: bool) -> Outcome {
    let query = EventsQuery {
        limit: usize::try_from(wanted.lines).ok(),
        categories: wanted.categories,
        types: wanted.types,
        stream: wanted.stream,
        backward: true,
        ..EventsQuery::default()
    };
    ask(config, |client| async move {
        let mut search = Search::of(&query);
        let ended = tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Code::Error, "interrupted")),
            looked = looked(&mut search, &client, config, wanted.follow) => looked,
        };
        // What was found is shown whatever came afterwards.
        search.found.iter().rev().try_for_each(|event| one_line(event, json))?;
        if let Err(failure) = ended {
            return Err(Failure { what: format!("{}{}", failure.what, search.how_far()), ..failure });
        }
        if !wanted.follow {
            return Ok(());
        }
        tokio::select! {
            biased;
            // That is how it is meant to end.
            _ = tokio::signal::ctrl_c() => Ok(()),
            ended = go_on(&client, &query, search.head.saturating_add(1), json) => ended,
        }
    })
}

async fn looked(search: &mut Search, client: &Client, config: &Config, follow: bool) -> Result<(), Failure> {
    let told = search.go(async |query| client.events(&query).await).await;
    if follow {
        // What is to come needs a desk that runs.
        return Ok(told?);
    }
    let directory = config.log_dir();
    or_offline(told, config, || {
        offline::reading(config, &directory, async |log| {
            Ok(search.go(async |query| of::events(&*log, &query).await).await?)
        })
    })
    .await
}

/// A search from the newest event towards the first.
struct Search {
    /// The next page.
    query: EventsQuery,
    wanted: usize,
    /// Newest first.
    found: Vec<Event>,
    /// The end of the log when the search began.
    head: u64,
    /// Nothing that is wanted and was not found stands here or later.
    looked_to: Option<u64>,
}

impl Search {
    fn of(query: &EventsQuery) -> Self {
        let wanted = query.limit.unwrap_or_default();
        Self { query: query.clone(), wanted, found: vec![], head: 0, looked_to: None }
    }

    /// Looks until everything is found or the beginning is reached. Called again after an error it goes on where it was.
    async fn go(
        &mut self,
        page: impl AsyncFn(EventsQuery) -> Result<EventsPage, ClientError>,
    ) -> Result<(), ClientError> {
        while self.found.len() < self.wanted {
            self.query.limit = Some(self.wanted.saturating_sub(self.found.len()));
            let page = page(self.query.clone()).await?;
            if self.looked_to.is_none() {
                self.head = page.as_of;
            }
            self.found.extend(page.events);
            self.query.from = page.next;
            let Some(next) = page.next else {
                self.looked_to = Some(1);
                return Ok(());
            };
            self.looked_to = Some(next.saturating_add(1));
        }
        Ok(())
    }

    /// For whoever is told less than they wanted.
    fn how_far(&self) -> String {
        match self.looked_to {
            Some(revision) if self.query.stream.is_some() => {
                format!("; the stream was looked through from its end back to revision {revision}")
            }
            Some(position) => {
                format!("; the log was looked through from position {} back to {position}", self.head)
            }
            None => String::new(),
        }
    }
}

async fn go_on(client: &Client, query: &EventsQuery, from: u64, json: bool) -> Outcome {
    let mut lines = match &query.stream {
        Some(stream) => client.follow_stream(Some(from), stream).await?,
        None => client.follow(Some(from), &query.categories, &query.types).await?,
    };
    while let Some(line) = lines.next().await? {
        match line {
            FollowLine::Event(event) => one_line(&event, json)?,
            FollowLine::CaughtUp { .. } | FollowLine::Heartbeat { .. } => {}
            FollowLine::Closing { next } => {
                return Err(Failure::new(
                    Code::Unavailable,
                    format!("the desk has stopped; go on from position {next}"),
                ));
            }
            FollowLine::Failed { code, detail, .. } => return Err(broken_off(&code, &detail)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Search;
    use serde_json::json;
    use stele_api::client::{ClientError, EventsQuery};
    use stele_api::dto::EventsPage;

    /// How many positions a desk looks at before it hands a page over, found or not.
    const STRETCH: u64 = 100;
    const HEAD: u64 = 1_000;

    /// A desk whose log has an event that is wanted at each of these positions.
    fn page(query: &EventsQuery, at: &[u64]) -> EventsPage {
        let last = query.from.unwrap_or(HEAD);
        let first = last.saturating_sub(STRETCH - 1).max(1);
        let mut found: Vec<u64> = at.iter().copied().filter(|at| (first..=last).contains(at)).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        let limit = query.limit.unwrap();
        let next = found.get(limit).copied().or((first > 1).then(|| first - 1));
        found.truncate(limit);
        let events = found.iter().map(|position| json!({
            "position": position, "stream": "account-x", "revision": 0, "type": "trading.Killed", "data": null,
            "event_id": "0192f0c1-2345-7890-abcd-ef0123456789", "recorded_at": "2026-11-20T12:00:00.000000Z",
            "metadata": null,
        }));
        let events: Vec<_> = events.collect();
        serde_json::from_value(json!({ "events": events, "next": next, "as_of": HEAD, "head": HEAD }))
            .unwrap()
    }

    async fn search(lines: usize, at: &[u64]) -> Search {
        let mut search =
            Search::of(&EventsQuery { limit: Some(lines), backward: true, ..EventsQuery::default() });
        search.go(async |query| Ok(page(&query, at))).await.unwrap();
        search
    }

    fn positions(search: &Search) -> Vec<u64> {
        search.found.iter().map(|event| event.position).collect()
    }

    #[tokio::test]
    async fn what_is_older_than_many_pages_is_found() {
        let one = search(20, &[3]).await;
        assert_eq!((positions(&one), one.looked_to), (vec![3], Some(1)));
        let some = search(3, &[1, 2, 3, 450, 999, 1_000]).await;
        assert_eq!((positions(&some), some.looked_to), (vec![1_000, 999, 450], Some(401)));
        let many = search(2, &[951, 952, 953]).await;
        assert_eq!((positions(&many), many.looked_to), (vec![953, 952], Some(952)));
        let none = search(20, &[]).await;
        assert_eq!((positions(&none), none.looked_to, none.head), (vec![], Some(1), HEAD));
    }

    #[tokio::test]
    async fn a_search_that_is_broken_off_says_how_far_it_came_and_goes_on_there() {
        let mut search =
            Search::of(&EventsQuery { limit: Some(5), backward: true, ..EventsQuery::default() });
        let answer = async |query: EventsQuery| match query.from {
            Some(from) if from <= 700 => {
                Err(ClientError::Lost { desk: "d".to_owned(), what: "gone".to_owned() })
            }
            Some(_) | None => Ok(page(&query, &[950, 5])),
        };
        assert!(search.go(answer).await.is_err());
        assert_eq!(search.how_far(), "; the log was looked through from position 1000 back to 701");
        search.go(async |query| Ok(page(&query, &[950, 5]))).await.unwrap();
        assert_eq!(positions(&search), [950, 5]);
    }
}
