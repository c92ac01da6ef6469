//! One quote's whole story.

use super::rows::{row, table_of};
use crate::dto;
use crate::grpc::words::{as_of_then, moment};
use crate::problem::Problem;
use serde_json::Value;
use stele_domain::port::read_store::Schema;
use stele_proto::api::v1 as pb;

/// Where each part's rows are from.
struct Rows<'s> {
    schemas: &'s [Schema],
}

pub(crate) fn trace(schemas: &[Schema], trace: &dto::Trace) -> Result<pb::TraceResponse, Problem> {
    let rows = Rows { schemas };
    Ok(pb::TraceResponse {
        asked: trace.asked.clone(),
        found_by: trace.found_by.clone(),
        quote_id: trace.quote_id.clone(),
        correlation_id: trace.correlation_id.to_string(),
        cut_tables: trace.cut_tables.clone(),
        requests: rows.all("quotes", &trace.requests)?,
        demand: rows.one("demands", trace.demand.as_ref())?,
        decisions: trace.decisions.iter().map(|story| rows.decision(story)).collect::<Result<_, _>>()?,
        commands: trace.commands.iter().map(|story| rows.command(story)).collect::<Result<_, _>>()?,
        timeline: trace.timeline.iter().map(moment_of).collect(),
        as_of: Some(as_of_then(trace.as_of, trace.as_of_time, trace.head)),
    })
}

impl Rows<'_> {
    fn decision(&self, story: &dto::DecisionStory) -> Result<pb::DecisionStory, Problem> {
        Ok(pb::DecisionStory {
            decision: self.one("decisions", Some(&story.decision))?,
            price: self.one("reference_prices", story.price.as_ref())?,
            inventory: self.one("inventory", story.inventory.as_ref())?,
            limits: self.one("limits_history", story.limits.as_ref())?,
        })
    }

    fn command(&self, story: &dto::CommandStory) -> Result<pb::CommandStory, Problem> {
        Ok(pb::CommandStory {
            command: self.one("commands", story.command.as_ref())?,
            result: self.one("results", story.result.as_ref())?,
            steps: self.all("result_history", &story.steps)?,
            notices: self.all("settlement_notices", &story.notices)?,
            proof: self.one("inventory", story.proof.as_ref())?,
        })
    }

    fn one(&self, table: &str, found: Option<&Value>) -> Result<Option<pb::Row>, Problem> {
        let table = table_of(self.schemas, table)?;
        found.map(|object| row(table, object)).transpose()
    }

    fn all(&self, table: &str, found: &[Value]) -> Result<Vec<pb::Row>, Problem> {
        let table = table_of(self.schemas, table)?;
        found.iter().map(|object| row(table, object)).collect()
    }
}

fn moment_of(told: &dto::Moment) -> pb::Moment {
    pb::Moment {
        position: told.position,
        at: Some(moment(told.at)),
        recorded_at: Some(moment(told.recorded_at)),
        what: told.what.clone(),
        table: told.table.clone(),
        detail: told.detail.clone(),
    }
}
