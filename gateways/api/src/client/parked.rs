//! Asking for events that projections could not take in.

use super::{Client, ClientError, Reply, of_projection, why};
use crate::dto;
use axum::http::Method;
use uuid::Uuid;

impl Client {
    /// Events that a projection, or any of `all`, could not take in.
    pub async fn parked(&self, projection: &str) -> Result<dto::ParkedAnswer, ClientError> {
        self.read(&of_projection(projection, "parked"), &[]).await
    }

    /// One of them, and what was said of it.
    pub async fn parked_event(
        &self,
        projection: &str,
        position: u64,
    ) -> Result<dto::ParkedDetail, ClientError> {
        self.read(&of_projection(projection, &format!("parked/{position}")), &[]).await
    }

    /// Has a parked event tried again by the next rebuild.
    pub async fn retry_parked(
        &self,
        key: Uuid,
        (projection, position): (&str, u64),
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        let path = of_projection(projection, &format!("parked/{position}/retry"));
        self.wish(Method::POST, &path, key, &why(reason)).await
    }

    /// Leaves a parked event out for good.
    pub async fn skip_parked(
        &self,
        key: Uuid,
        (projection, position): (&str, u64),
        reason: &str,
    ) -> Result<Reply<dto::Written>, ClientError> {
        let path = of_projection(projection, &format!("parked/{position}/skip"));
        self.wish(Method::POST, &path, key, &why(reason)).await
    }
}
