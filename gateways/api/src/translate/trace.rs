//! One quote's story, as it is told.

use crate::dto;
use crate::problem::Problem;
use serde::Serialize;
use serde_json::Value;
use stele_projections::trace::{CommandStory, DecisionStory, FoundBy, Moment, Trace};

pub(crate) fn trace(trace: &Trace, head: u64) -> Result<dto::Trace, Problem> {
    Ok(dto::Trace {
        asked: trace.asked.clone(),
        found_by: match trace.found_by {
            FoundBy::Quote => "quote",
            FoundBy::Decision => "decision",
            FoundBy::Command => "command",
            FoundBy::QuoteHash => "quote_hash",
            FoundBy::Transaction => "transaction",
        }
        .to_owned(),
        quote_id: trace.quote_id.to_string(),
        correlation_id: trace.correlation_id.0,
        cut_tables: trace.cut_tables.clone(),
        requests: rows(&trace.requests)?,
        demand: trace.demand.as_ref().map(row).transpose()?,
        decisions: trace.decisions.iter().map(decision).collect::<Result<_, _>>()?,
        commands: trace.commands.iter().map(command).collect::<Result<_, _>>()?,
        timeline: trace.timeline.iter().map(moment).collect(),
        as_of: trace.as_of.0,
        as_of_time: None,
        head: head.max(trace.as_of.0),
    })
}

fn decision(story: &DecisionStory) -> Result<dto::DecisionStory, Problem> {
    Ok(dto::DecisionStory {
        decision: row(&story.decision)?,
        price: story.price.as_ref().map(row).transpose()?,
        inventory: story.inventory.as_ref().map(row).transpose()?,
        limits: story.limits.as_ref().map(row).transpose()?,
    })
}

fn command(story: &CommandStory) -> Result<dto::CommandStory, Problem> {
    Ok(dto::CommandStory {
        command: story.command.as_ref().map(row).transpose()?,
        result: story.result.as_ref().map(row).transpose()?,
        steps: rows(&story.steps)?,
        notices: rows(&story.notices)?,
        proof: story.proof.as_ref().map(row).transpose()?,
    })
}

fn moment(moment: &Moment) -> dto::Moment {
    dto::Moment {
        position: moment.position.0,
        at: moment.at,
        recorded_at: moment.recorded_at,
        what: moment.what.clone(),
        table: moment.table.clone(),
        detail: moment.detail.clone(),
    }
}

fn rows<R: Serialize>(found: &[R]) -> Result<Vec<Value>, Problem> {
    found.iter().map(row).collect()
}

/// A row as an object by column name: its fields are named after its columns.
fn row<R: Serialize>(row: &R) -> Result<Value, Problem> {
    serde_json::to_value(row).map_err(|error| Problem::internal(format!("a row has no JSON form: {error}")))
}
