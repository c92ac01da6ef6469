//! How current an answer must be: `Min-Log-Position` and `Prefer: wait=<seconds>`, so that whoever wrote can read
//! their own write; or as of when it is asked for: `as_of`.

use crate::api::Api;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::time::Duration;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::StoreError;
use stele_projections::past::AsOf;
use stele_projections::runner::{State, Waited};
use tokio::time::Instant;

/// Longest wait for a position.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// The header that asks for a position.
pub(crate) const MIN_LOG_POSITION: &str = "min-log-position";
/// The header that says how current an answer is.
pub(crate) const LOG_POSITION: &str = "log-position";

/// How current an answer must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    min: Option<Position>,
    wait: Duration,
    /// As of when the tables are asked; `None` for as they are.
    pub(crate) as_of: Option<AsOf>,
}

impl<S: Send + Sync> FromRequestParts<S> for Reading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::new(min(&parts.headers)?, wait(&parts.headers)?))
    }
}

fn min(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(MIN_LOG_POSITION) else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    position.map(Some).ok_or_else(|| Problem::field("Min-Log-Position", "must be a log position"))
}

/// Other preferences are for others; RFC 7240 says to pass over what one does not know, and to take the first of two.
fn wait(headers: &HeaderMap) -> Result<Duration, Problem> {
    let given = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let wait = given.flat_map(preferences).find(|(name, _)| name.eq_ignore_ascii_case("wait"));
    let Some((_, seconds)) = wait else { return Ok(Duration::ZERO) };
    let seconds: u64 = seconds.parse().map_err(|_| Problem::field("Prefer", "wait must be whole seconds"))?;
    Ok(Duration::from_secs(seconds))
}

/// Names and values, without their parameters: `name [= word] *(; parameter)`, with commas between them. A word may stand
/// in quotes, in which commas and semicolons mean nothing.
fn preferences(text: &str) -> impl Iterator<Item = (&str, String)> {
    split(text, ',').into_iter().filter_map(|preference| {
        let first = *split(preference, ';').first()?;
        let (name, value) = first.split_once('=').unwrap_or((first, ""));
        Some((name.trim(), unquoted(value.trim())))
    })
}

/// Split outside of quotes.
fn split(text: &str, by: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let at_sign = |letter: char| {
        match (escaped, letter) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = quoted,
            (false, '"') => quoted = !quoted,
            (false, _) => return letter == by && !quoted,
        }
        false
    };
    text.split(at_sign).collect()
}

/// A word as it is meant: without the quotes and the signs before quoted signs.
fn unquoted(word: &str) -> String {
    let Some(inner) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return word.to_owned();
    };
    let mut escaped = false;
    let meant = |letter: &char| {
        escaped = !escaped && *letter == '\\';
        !escaped
    };
    inner.chars().filter(meant).collect()
}

impl Reading {
    /// At least as current as `min`, for which `wait` is the longest wait; more than [`WAIT_MAX`] counts as that.
    pub(crate) fn new(min: Option<u64>, wait: Duration) -> Self {
        Self { min: min.map(Position), wait: wait.min(WAIT_MAX), as_of: None }
    }

    /// As of a position or a time, as people write it, in this parameter.
    ///
    /// # Errors
    ///
    /// 400 for anything else, and for a wish to be current at the same time.
    pub(crate) fn with_as_of(self, name: &str, text: Option<String>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(self) };
        if self.min.is_some() {
            let why = "a past state is asked for, and one that is current: leave one of the two away";
            return Err(Problem::field(name, why));
        }
        let short: String = text.chars().take(80).collect();
        let why = format!("{short:?} is no log position and no RFC 3339 time");
        let as_of = AsOf::parse(&text).ok_or_else(|| Problem::field(name, why))?;
        Ok(Self { as_of: Some(as_of), ..self })
    }

    /// At least as current as `position` too.
    pub(crate) fn and_at_least(self, position: Option<Position>) -> Self {
        Self { min: self.min.max(position), ..self }
    }

    /// Waits until one projection has come far enough; all of them when `projection` is `None`.
    pub(crate) async fn ready(&self, api: &Api, projection: Option<&str>) -> Result<(), Problem> {
        let Some(min) = self.min else { return Ok(()) };
        let head = api.log.head().await?;
        if min > head {
            let detail =
                format!("the log ends at position {head}: {min} is of another log, or not yet durable");
            return Err(Problem::conflict("position-beyond-head", detail).at(head.0));
        }
        let names: Vec<&str> = match projection {
            Some(name) => vec![name],
            None => {
                api.store.schemas().iter().filter(|schema| !schema.shared).map(|s| s.projection).collect()
            }
        };
        let deadline = Instant::now() + self.wait;
        for name in names {
            reached(api, name, min, deadline).await?;
        }
        Ok(())
    }
}

async fn reached(api: &Api, name: &str, min: Position, deadline: Instant) -> Result<(), Problem> {
    if api.store.checkpoint(name).await?.position >= min {
        return Ok(());
    }
    let reached = tokio::time::timeout_at(deadline, api.store.reached(name, min));
    tokio::select! {
        biased;
        reached = reached => match reached {
            Ok(reached) => reached.map(|_| ()).map_err(Problem::from),
            Err(_) => Err(behind(api, name, min).await?),
        },
        stuck = stuck(api, min) => Err(stuck),
    }
}

/// Ends when waiting makes no sense any more; never while the runner works, or when it is another process's.
async fn stuck(api: &Api, min: Position) -> Problem {
    if let Some(runner) = &api.projections
        && let Err(Waited::Unavailable { at, state }) = runner.reached(min, WAIT_MAX).await
    {
        let detail = format!("the tables are at position {at} and don't move: {}", words(&state));
        return Problem::unavailable("projection-unavailable", detail).at(at.0);
    }
    std::future::pending().await
}

fn words(state: &State) -> String {
    match state {
        State::Starting => "the projections start".to_owned(),
        State::CatchingUp | State::Live => "the projections work".to_owned(),
        State::Paused => "the projections are paused (stele resume projections)".to_owned(),
        State::Draining => "the projections are draining".to_owned(),
        State::Ended => "the projections have ended".to_owned(),
        State::Blocked { why } => format!("the projections are blocked: {why}"),
        State::Faulted { why } => format!("the projections have failed: {why}"),
    }
}

async fn behind(api: &Api, name: &str, min: Position) -> Result<Problem, StoreError> {
    // A runner that does not work at all is the better answer, even to those who can't wait.
    if let Some(runner) = &api.projections
        && !runner.status().state.is_working()
    {
        return Ok(stuck(api, min).await);
    }
    let at = api.store.checkpoint(name).await?.position;
    let detail = format!(
        "projection {name} is at position {at} and {min} was asked for: wait longer (Prefer: wait=5)"
    );
    Ok(Problem::unavailable("projection-behind", detail).at(at.0))
}

#[cfg(test)]
mod tests {
    use super::wait;
    use axum::http::{HeaderMap, HeaderValue};

    fn asked(lines: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", HeaderValue::from_static(line));
        }
        wait(&headers).ok().map(|wait| wait.as_secs())
    }

    #[test]
    fn a_preference_is_read_by_its_grammar() {
        for lines in [
            &["wait=5"][..],
            &["Wait=5"],
            &["WAIT = 5"],
            &[r#"wait="5""#],
            &[r#"wait="\5""#],
            &["wait=5; foo=1"],
            &["respond-async, wait=5"],
            &["respond-async", "wait=5"],
            &["wait=5, wait=3", "wait=soon"],
            &[r#"x="a, wait=3; \", wait=4", wait=5"#],
        ] {
            assert_eq!(asked(lines), Some(5), "{lines:?}");
        }
        for lines in [&[][..], &["respond-async"], &["waiting=5"], &[r#"x="wait=5""#], &["x; wait=5"], &[""]]
        {
            assert_eq!(asked(lines), Some(0), "{lines:?}: others' preferences are passed over");
        }
        for lines in [&["wait=soon"][..], &["wait"], &["wait="], &["wait=-1"], &["wait=1.5"], &[r#"wait="5"#]]
        {
            assert_eq!(asked(lines), None, "{lines:?}");
        }
    }
}
