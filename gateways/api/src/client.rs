//! The typed client of the REST door: every call as a method, over the machine's own socket or a network. The
//! command line and the demo speak through it.
//!
//! It never repeats a wish by itself; who gets no answer asks again with the same idempotency key.

mod connect;
mod endpoint;
mod error;
mod key;
mod lines;
mod live;
mod parked;
mod setup;
mod tls;
mod transport;

pub mod offline;

pub use endpoint::{Endpoint, Server, Tcp};
pub use error::ClientError;
pub use key::AccessKey;
pub use lines::Follow;
pub use live::{Heard, Live};
pub use setup::SetupError;
pub use tls::Trust;

use crate::dto;
use crate::reading::{MIN_LOG_POSITION, WAIT_MAX};
use axum::http::Method;
use endpoint::Way;
use lines::Lines;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// `newest` (the default), `oldest`, `key` or `key_desc`.
    pub order: Option<String>,
    /// Columns and the values they must have.
    pub filters: Vec<(String, String)>,
    /// As of which position or RFC 3339 time; now without it.
    pub as_of: Option<String>,
}

impl Client {
    /// A client of the desk behind a Unix socket. Nothing is sent yet.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        let path: PathBuf = path.into();
        let desk = path.display().to_string();
        let way = Way::Unix(Arc::from(path));
        Self { transport: Transport::over(way, None, &desk), min_position: None }
    }

    /// A client of the desk at an endpoint. Certificates are read; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the endpoint, and what to do about it.
    pub fn to(endpoint: &Endpoint) -> Result<Self, SetupError> {
        Ok(Self { transport: Transport::to(endpoint)?, min_position: None })
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

    /// Agrees to an arming that another person has asked for.
    pub async fn approve(&self, key: Uuid, wish: &dto::Approve) -> Result<Reply<dto::Written>, ClientError> {
        self.wish(Method::POST, "/v1/account/approve", key, wish).await
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

    /// What needs a person now.
    pub async fn alerts(&self) -> Result<dto::AlertsAnswer, ClientError> {
        self.read("/v1/alerts", &[]).await
    }

    /// Clears an alert that waits for a person.
    pub async fn clear_alert(
        &self,
        key: Uuid,
        kind: &str,
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        let path = format!("/v1/alerts/{}/clear", transport::encoded(kind));
        self.wish(Method::POST, &path, key, &why(reason)).await
    }

    /// Makes a reading service look now.
    pub async fn refresh(&self, service: &str) -> Result<dto::Refreshed, ClientError> {
        let call = Call::new(Method::POST, &of_service(service, "refresh"), &[]);
        self.transport.ask(call).await?.json()
    }

    /// Lets a projection, or `all`, be folded anew.
    pub async fn rebuild(
        &self,
        key: Uuid,
        projection: &str,
        wish: &dto::StartRebuild,
    ) -> Result<Reply<dto::RebuildAnswer>, ClientError> {
        self.wish(Method::POST, &of_projection(projection, "rebuild"), key, wish).await
    }

    /// The rebuilds of a projection, or of `all`.
    pub async fn rebuilds(&self, projection: &str) -> Result<dto::RebuildsAnswer, ClientError> {
        self.read(&of_projection(projection, "rebuild"), &[]).await
    }

    /// Drops the tables that a rebuild has replaced.
    pub async fn drop_old(
        &self,
        key: Uuid,
        projection: &str,
        reason: &str,
    ) -> Result<Reply<dto::RebuildAnswer>, ClientError> {
        self.wish(Method::DELETE, &of_projection(projection, "rebuild/old"), key, &why(reason)).await
    }

    /// Every table, with its columns.
    pub async fn tables(&self) -> Result<dto::TablesAnswer, ClientError> {
        self.read("/v1/tables", &[]).await
    }

    /// A page of rows.
    pub async fn rows(&self, table: &str, query: &RowsQuery) -> Result<dto::TablePage, ClientError> {
        let mut params: Vec<(&str, String)> = vec![];
        params.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        params.extend(query.cursor.clone().map(|cursor| ("cursor", cursor)));
        params.extend(query.order.clone().map(|order| ("order", order)));
        params.extend(query.as_of.clone().map(|as_of| ("as_of", as_of)));
        params.extend(query.filters.iter().map(|(column, value)| (column.as_str(), value.clone())));
        self.read(&format!("/v1/tables/{}", transport::encoded(table)), &params).await
    }

    /// A page of rows for the proof.
    pub async fn dump_page(&self, table: &str, cursor: Option<&str>) -> Result<dto::DumpPage, ClientError> {
        let params: Vec<(&str, String)> =
            cursor.map(|cursor| ("cursor", cursor.to_owned())).into_iter().collect();
        self.read(&format!("/v1/tables/{}/dump", transport::encoded(table)), &params).await
    }

    /// One quote's whole story, by any id that belongs to it.
    pub async fn trace(&self, id: &str) -> Result<dto::Trace, ClientError> {
        self.trace_as_of(id, None).await
    }

    /// The same as of a position or an RFC 3339 time.
    pub async fn trace_as_of(&self, id: &str, as_of: Option<&str>) -> Result<dto::Trace, ClientError> {
        let params: Vec<(&str, String)> =
            as_of.map(|as_of| ("as_of", as_of.to_owned())).into_iter().collect();
        self.read(&format!("/v1/trace/{}", transport::encoded(id)), &params).await
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

    /// A proof that an event is in the log.
    pub async fn prove(&self, position: u64) -> Result<dto::EventProof, ClientError> {
        self.read(&format!("/v1/log/events/{position}/proof"), &[]).await
    }

    /// A proof that the log goes on from an earlier size, to a later one or to everything that is durable.
    pub async fn prove_consistency(
        &self,
        old_commits: u64,
        new_commits: Option<u64>,
    ) -> Result<dto::ConsistencyProof, ClientError> {
        let mut params = vec![("old_commits", old_commits.to_string())];
        params.extend(new_commits.map(|commits| ("new_commits", commits.to_string())));
        self.read("/v1/log/consistency", &params).await
    }

    /// Follows one stream of the log from a position on; from now on without one.
    pub async fn follow_stream(&self, from: Option<u64>, stream: &str) -> Result<Follow, ClientError> {
        let mut params = vec![("stream", stream.to_owned())];
        params.extend(from.map(|from| ("from", from.to_string())));
        let body = self.transport.stream(self.call(Method::GET, "/v1/log/follow", &params)).await?;
        Ok(Follow::new(body))
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

    /// Begins an audit; the key is its id.
    pub async fn start_audit(
        &self,
        key: Uuid,
        wanted: &dto::StartAudit,
    ) -> Result<Reply<dto::Audit>, ClientError> {
        self.wish(Method::POST, "/v1/audits", key, wanted).await
    }

    /// The audits that the desk remembers.
    pub async fn audits(&self) -> Result<dto::AuditsAnswer, ClientError> {
        self.read("/v1/audits", &[]).await
    }

    /// How an audit stands.
    pub async fn audit(&self, id: Uuid) -> Result<dto::Audit, ClientError> {
        self.read(&format!("/v1/audits/{id}"), &[]).await
    }

    /// The signed report of an audit, byte for byte.
    pub async fn audit_report(&self, id: Uuid) -> Result<String, ClientError> {
        self.transport.ask(Call::new(Method::GET, &format!("/v1/audits/{id}/report"), &[])).await?.text()
    }

    /// Every row of every table as of one position, ready to be compared with a fold of the log.
    pub async fn proof(&self) -> Result<compare::Dump, ClientError> {
        let body = self.transport.stream(self.call(Method::GET, "/v1/proof", &[])).await?;
        Lines::new(body).proof().await
    }

    /// Events of these topics as they happen: from now on, or after a position that was the last heard. No topic
    /// means all.
    pub async fn listen(&self, topics: &[&str], after: Option<u64>) -> Result<Live, ClientError> {
        let params: Vec<(&str, String)> =
            if topics.is_empty() { vec![] } else { vec![("topics", topics.join(","))] };
        let mut call = Call::new(Method::GET, "/v1/stream", &params).header("accept", "text/event-stream");
        if let Some(after) = after {
            call = call.header("last-event-id", &after.to_string());
        }
        Ok(Live::new(self.transport.stream(call).await?))
    }

    /// Who the caller is to the desk.
    pub async fn whoami(&self) -> Result<dto::WhoAmI, ClientError> {
        self.read("/v1/whoami", &[]).await
    }

    /// Every key there ever was, without secrets.
    pub async fn keys(&self) -> Result<dto::KeysAnswer, ClientError> {
        self.read("/v1/keys", &[]).await
    }

    /// Makes a key, which is in this answer and in no other.
    pub async fn create_key(
        &self,
        key: Uuid,
        wish: &dto::CreateKey,
    ) -> Result<Reply<dto::CreatedKey>, ClientError> {
        self.wish(Method::POST, "/v1/keys", key, wish).await
    }

    /// Makes a key open nothing any more.
    pub async fn revoke_key(
        &self,
        key: Uuid,
        key_id: &str,
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        let path = format!("/v1/keys/{}", transport::encoded(key_id));
        self.wish(Method::DELETE, &path, key, &why(reason)).await
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

fn of_projection(projection: &str, action: &str) -> String {
    format!("/v1/projections/{}/{action}", transport::encoded(projection))
}

fn of_service(service: &str, action: &str) -> String {
    format!("/v1/services/{}/{action}", transport::encoded(service))
}

fn filters(categories: &[String], types: &[String]) -> Vec<(&'static str, String)> {
    let categories = categories.iter().map(|name| ("category", name.clone()));
    categories.chain(types.iter().map(|name| ("type", name.clone()))).collect()
}

#[cfg(test)]
mod tests;
