//! Query parameters: each is asked for by name, and what nobody asked for is refused by name.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use std::str::FromStr;

/// Most parameters of one request.
const PARAMS_MAX: usize = 64;

/// The parameters of a request that were not taken yet.
#[derive(Debug)]
pub(crate) struct Params {
    left: Vec<(String, String)>,
}

impl Params {
    /// A parameter that may be given once.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut given = self.take_all(name);
        if given.len() > 1 {
            return Err(Problem::field(name, "given more than once"));
        }
        Ok(given.pop())
    }

    /// A parameter that may be given often.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (given, left) = std::mem::take(&mut self.left).into_iter().partition(|(key, _)| key == name);
        self.left = left;
        let given: Vec<(String, String)> = given;
        given.into_iter().map(|(_, value)| value).collect()
    }

    /// A parameter of a kind.
    pub(crate) fn parse<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let short: String = text.chars().take(80).collect();
        text.parse().map(Some).map_err(|_| Problem::field(name, format!("{short:?} is not {what}")))
    }

    /// A limit between one and `max`.
    pub(crate) fn limit(&mut self, default: usize, max: usize) -> Result<usize, Problem> {
        let limit = self.parse("limit", "a whole number")?.unwrap_or(default);
        if (1..=max).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::field("limit", format!("must be 1 to {max}")))
        }
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> Vec<(String, String)> {
        self.left
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::field(name, "unknown parameter")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(left) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
        if left.len() > PARAMS_MAX {
            return Err(Problem::bad_request(format!("more than {PARAMS_MAX} parameters")));
        }
        Ok(Self { left })
    }
}

/// The two variable parts of a path.
#[derive(Debug)]
pub(crate) struct Segments(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(Self(first, second))
    }
}

/// The one variable part of a path.
#[derive(Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(Self(text))
    }
}
