//! The typed client of the REST door: every call as a method. The command line and the demo speak through it.
//!
//! It never repeats a wish by itself; who gets no answer asks again with the same key.

mod error;
mod lines;
mod transport;

pub use error::ClientError;
pub use lines::Follow;

use crate::dto;
use crate::reading::{MIN_LOG_POSITION, WAIT_MAX};
use axum::http::Method;
use lines::Lines;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use stele_projections::compare;
use transport::{Answer, Call, Transport};
use uuid::Uuid;

/// A client of one desk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    min_position: Option<u64>,
}

/// The answer to a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// What came of it.
    pub answer: T,
    /// True when the desk had carried out this very wish before, and gives its first answer again.
    pub replayed: bool,
}

/// A key for a new wish: the same wish, asked again with the same key, is done once.
#[must_use]
pub fn new_key() -> Uuid {
    Uuid::now_v7()
}

/// Which events are wanted. Empty lists mean all.
#[derive(Debug, Clone, Default)]
pub struct EventsQuery {
    /// The first position; a revision when one stream is read.
    pub from: Option<u64>,
    /// Most events of a page.
    pub limit: Option<usize>,
    /// Stream categories.
    pub categories: Vec<String>,
    /// Event types.
    pub types: Vec<String>,
    /// One stream, whole.
    pub stream: Option<String>,
    /// Newest first.
    pub backward: bool,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct RowsQuery {
    /// Most rows of a page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// `newest` (the default), `oldest`, `key` or `key_desc`.
    pub order: Option<String>,
    /// Columns and the values they must have.
    pub filters: Vec<(String, String)>,
}

impl Client {
    /// A client of the desk behind a Unix socket. Nothing is sent yet.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { transport: Transport::unix(path.into()), min_position: None }
    }

    /// The same client, whose reads show everything up to `position`, or fail: read your own write.
    #[must_use]
    pub fn at_least(&self, position: u64) -> Self {
        Self { min_position: Some(position), ..self.clone() }
    }

    /// The desk on one page.
    pub async fn status(&self) -> Result<dto::Status, ClientError> {
        self.read("/v1/status", &[]).await
    }

    /// The signing account, as it stands.
    pub async fn account(&self) -> Result<dto::AccountAnswer, ClientError> {
        self.read("/v1/account", &[]).await
    }

    /// Lets offers be made, for a time.
    pub async fn arm(&self, key: Uuid, wish: &dto::Arm) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, "/v1/account/arm", key, wish).await
    }

    /// Lets no more offers be made; also the way back from KILLED.
    pub async fn disarm(&self, key: Uuid, reason: &str) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, "/v1/account/disarm", key, &why(reason)).await
    }

    /// Stops everything, from any state.
    pub async fn kill(&self, key: Uuid, reason: &str) -> Result<Reply<dto::Killed>, ClientError> {
        self.wish(Method::POST, "/v1/account/kill", key, &why(reason)).await
    }

    /// The limits as they stand.
    pub async fn limits(&self) -> Result<dto::LimitsAnswer, ClientError> {
        self.read("/v1/limits", &[]).await
    }

    /// Sets all limits.
    pub async fn set_limits(
        &self,
        key: Uuid,
        wish: &dto::SetLimits,
    ) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::PUT, "/v1/limits", key, wish).await
    }

    /// The pair filter as it stands.
    pub async fn filter(&self) -> Result<dto::Filter, ClientError> {
        self.read("/v1/filter", &[]).await
    }

    /// Sets the pair filter.
    pub async fn set_filter(
        &self,
        key: Uuid,
        wish: &dto::SetFilter,
    ) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::PUT, "/v1/filter", key, wish).await
    }

    /// Goes back to the configured pairs.
    pub async fn reset_filter(&self, key: Uuid, reason: &str) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::DELETE, "/v1/filter", key, &why(reason)).await
    }

    /// Lets a service take no new work.
    pub async fn pause(
        &self,
        key: Uuid,
        service: &str,
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, &of_service(service, "pause"), key, &why(reason)).await
    }

    /// Lets a service take work again.
    pub async fn resume(
        &self,
        key: Uuid,
        service: &str,
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, &of_service(service, "resume"), key, &why(reason)).await
    }

    /// Lets a service finish what is in flight, and take nothing new.
    pub async fn drain(
        &self,
        key: Uuid,
        service: &str,
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, &of_service(service, "drain"), key, &why(reason)).await
    }

    /// Makes a reading service look now.
    pub async fn refresh(&self, service: &str) -> Result<dto::Refreshed, ClientError> {
        let call = Call::new(Method::POST, &of_service(service, "refresh"), &[]);
        self.transport.ask(call).await?.json()
    }

    /// Every table, with its columns.
    pub async fn tables(&self) -> Result<dto::TablesAnswer, ClientError> {
        self.read("/v1/tables", &[]).await
    }

    /// A page of rows.
    pub async fn rows(&self, table: &str, query: &RowsQuery) -> Result<dto::TablePage, ClientError> {
        let mut params: Vec<(&str, String)> = vec![];
        params.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        params.extend(query.after.clone().map(|after| ("after", after)));
        params.extend(query.order.clone().map(|order| ("order", order)));
        params.extend(query.filters.iter().map(|(column, value)| (column.as_str(), value.clone())));
        self.read(&format!("/v1/tables/{}", transport::encoded(table)), &params).await
    }

    /// A page of rows for the proof.
    pub async fn dump_page(&self, table: &str, after: Option<&str>) -> Result<dto::DumpPage, ClientError> {
        let params: Vec<(&str, String)> =
            after.map(|after| ("after", after.to_owned())).into_iter().collect();
        self.read(&format!("/v1/tables/{}/dump", transport::encoded(table)), &params).await
    }

    /// One quote's whole story, by any id that belongs to it.
    pub async fn trace(&self, id: &str) -> Result<dto::Trace, ClientError> {
        self.read(&format!("/v1/trace/{}", transport::encoded(id)), &[]).await
    }

    /// The log in numbers.
    pub async fn log_stat(&self) -> Result<dto::LogStat, ClientError> {
        self.read("/v1/log/stat", &[]).await
    }

    /// A page of events.
    pub async fn events(&self, query: &EventsQuery) -> Result<dto::EventsPage, ClientError> {
        let mut params = filters(&query.categories, &query.types);
        params.extend(query.from.map(|from| ("from", from.to_string())));
        params.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        params.extend(query.stream.clone().map(|stream| ("stream", stream)));
        params.extend(query.backward.then(|| ("backward", "true".to_owned())));
        self.read("/v1/log/events", &params).await
    }

    /// One event.
    pub async fn event(&self, position: u64) -> Result<dto::Event, ClientError> {
        self.read(&format!("/v1/log/events/{position}"), &[]).await
    }

    /// Follows the log from a position on; from now on without one.
    pub async fn follow(
        &self,
        from: Option<u64>,
        categories: &[String],
        types: &[String],
    ) -> Result<Follow, ClientError> {
        let mut params = filters(categories, types);
        params.extend(from.map(|from| ("from", from.to_string())));
        let body = self.transport.stream(self.call(Method::GET, "/v1/log/follow", &params)).await?;
        Ok(Follow::new(body))
    }

    /// A freshly signed checkpoint.
    pub async fn checkpoint(&self) -> Result<dto::CheckpointAnswer, ClientError> {
        self.transport.ask(Call::new(Method::POST, "/v1/log/checkpoint", &[])).await?.json()
    }

    /// Every row of every table as of one position, ready to be compared with a fold of the log.
    pub async fn proof(&self) -> Result<compare::Dump, ClientError> {
        let body = self.transport.stream(self.call(Method::GET, "/v1/proof", &[])).await?;
        Lines::new(body).proof().await
    }

    /// Whether the process answers.
    pub async fn live(&self) -> Result<dto::Health, ClientError> {
        self.read("/livez", &[]).await
    }

    /// Whether everything works: the checks, passed or not.
    pub async fn ready(&self) -> Result<dto::Ready, ClientError> {
        self.transport.ask_any(self.call(Method::GET, "/readyz", &[])).await?.json()
    }

    /// Positions.
    pub async fn statusz(&self) -> Result<dto::Statusz, ClientError> {
        self.read("/statusz", &[]).await
    }

    /// The metrics, in the text form that Prometheus reads.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        self.transport.ask(self.call(Method::GET, "/metrics", &[])).await?.text()
    }

    fn call(&self, method: Method, path: &str, params: &[(&str, String)]) -> Call {
        let mut call = Call::new(method, path, params);
        if let Some(position) = self.min_position {
            call = call.header(MIN_LOG_POSITION, &position.to_string());
            call = call.header("prefer", &format!("wait={}", WAIT_MAX.as_secs()));
        }
        call
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, String)],
    ) -> Result<T, ClientError> {
        self.transport.ask(self.call(Method::GET, path, params)).await?.json()
    }

    async fn wish<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Uuid,
        wish: &(impl Serialize + Sync),
    ) -> Result<Reply<T>, ClientError> {
        let call = Call::new(method, path, &[]).header("idempotency-key", &key.to_string()).json(wish);
        let answer: Answer = self.transport.ask(call).await?;
        let replayed = answer.header("idempotent-replayed") == Some("true");
        Ok(Reply { answer: answer.json()?, replayed })
    }
}

fn why(reason: &str) -> dto::Reason {
    dto::Reason { reason: reason.to_owned() }
}

fn of_service(service: &str, action: &str) -> String {
    format!("/v1/services/{}/{action}", transport::encoded(service))
}

fn filters(categories: &[String], types: &[String]) -> Vec<(&'static str, String)> {
    let categories = categories.iter().map(|name| ("category", name.clone()));
    categories.chain(types.iter().map(|name| ("type", name.clone()))).collect()
}
