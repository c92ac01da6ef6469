//! What can be read: the desk on one page, its tables, one quote's whole story, and decisions as they are made.

use super::outward::{rows, status as page, trace};
use super::watch::{self, Watching};
use super::words::{as_of_then, page_refused, page_size};
use super::{deadline_of, inward, visitor};
use crate::api::Api;
use crate::desk::status;
use crate::desk::tables::{self, LIMIT_DEFAULT, Question};
use crate::problem::Problem;
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::trading_service_server::TradingService;
use tonic::{Request, Response, Status};

/// Most filters of one question.
const FILTERS_MAX: usize = 64;

/// The service over one desk.
pub(super) struct Service(pub(super) Arc<Api>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TradingService for Service {
    type WatchDecisionsStream = Watching;

    async fn get_status(&self, request: Request<pb::GetStatusRequest>) -> Answer<pb::GetStatusResponse> {
        let reading = inward::reading(request.into_inner().freshness)?;
        Ok(Response::new(page::answer(&status::status(&self.0, reading).await?)))
    }

    async fn list_tables(&self, request: Request<pb::ListTablesRequest>) -> Answer<pb::ListTablesResponse> {
        let reading = inward::reading(request.into_inner().freshness)?;
        Ok(Response::new(rows::tables(&tables::list(&self.0, reading).await?)))
    }

    async fn query_table(&self, request: Request<pb::QueryTableRequest>) -> Answer<pb::QueryTableResponse> {
        let message = request.into_inner();
        let reading = inward::reading(message.freshness)?;
        if message.filters.len() > FILTERS_MAX {
            let too_many = format!("more than {FILTERS_MAX} of them");
            return Err(Problem::field("filters", too_many).into());
        }
        let question = Question {
            order: Some(inward::order(message.order)),
            limit: Some(page_size(message.page_size, LIMIT_DEFAULT)),
            cursor: Some(message.page_token).filter(|token| !token.is_empty()),
            filters: message.filters.into_iter().map(|filter| (filter.column, filter.value)).collect(),
        };
        let page = tables::page(&self.0, &message.table, question, reading).await.map_err(page_refused)?;
        let table = rows::table_of(self.0.store.schemas(), &page.table)?;
        let rows = page.rows.iter().map(|row| rows::row_of_text(table, row));
        Ok(Response::new(pb::QueryTableResponse {
            rows: rows.collect::<Result<_, Problem>>()?,
            table: page.table,
            next_page_token: page.next_cursor.unwrap_or_default(),
            cut_rows: page.cut_rows,
            as_of: Some(as_of_then(page.as_of, page.as_of_time, page.head)),
        }))
    }

    async fn trace(&self, request: Request<pb::TraceRequest>) -> Answer<pb::TraceResponse> {
        let message = request.into_inner();
        let reading = inward::reading(message.freshness)?;
        let found = status::trace(&self.0, &message.id, reading).await?;
        Ok(Response::new(trace::trace(self.0.store.schemas(), &found)?))
    }

    async fn watch_decisions(&self, request: Request<pb::WatchDecisionsRequest>) -> Answer<Watching> {
        let (visitor, deadline) = (visitor(&request)?, deadline_of(&request));
        let from = request.into_inner().from_position;
        Ok(Response::new(watch::open(&self.0, from, visitor, deadline).await?))
    }
}
