//! The whole story of one quote, from the request to the release of its coin, told from any id that belongs to
//! it. Facts only: the words for people are the command line's.

use crate::models::account::LimitsRow;
use crate::models::commands::CommandRow;
use crate::models::decisions::DecisionRow;
use crate::models::demands::DemandRow;
use crate::models::inventory::InventoryRow;
use crate::models::prices::ReferencePriceRow;
use crate::models::quotes::QuoteRow;
use crate::models::relay::SettlementRow;
use crate::models::results::{ResultRow, ResultStepRow};
use crate::read::{ReadError, Reader};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stele_domain::ids::{CommandId, CorrelationId, QuoteId};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, Key, ReadStore, ScanQuery};
use stele_domain::time::Timestamp;

/// Most rows of one kind that a story tells.
const ROWS_MAX: usize = 200;

/// What kind of id was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The auction.
    Quote,
    /// The decision.
    Decision,
    /// The command.
    Command,
    /// What was signed.
    QuoteHash,
    /// The settlement transaction.
    Transaction,
}

/// The story of one quote. Rows are as the tables have them, with their log positions and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The id that was asked for.
    pub asked: String,
    /// What it is.
    pub found_by: FoundBy,
    /// The auction.
    pub quote_id: QuoteId,
    /// What every event of the story carries.
    pub correlation_id: CorrelationId,
    /// Everything up to here is told.
    pub as_of: Position,
    /// Tables that no longer have their oldest rows: what is missing here may still be in the log.
    pub cut_tables: Vec<String>,
    /// The request, and its repeats.
    pub requests: Vec<QuoteRow>,
    /// What it meant.
    pub demand: Option<DemandRow>,
    /// What was decided, and what the decision saw.
    pub decisions: Vec<DecisionStory>,
    /// What was commanded, and what became of it.
    pub commands: Vec<CommandStory>,
    /// All of it, in the order of the log.
    pub timeline: Vec<Moment>,
}

/// A decision and what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionStory {
    /// The decision, with every gate's answer.
    pub decision: DecisionRow,
    /// The price that it saw.
    pub price: Option<ReferencePriceRow>,
    /// The balances that it saw.
    pub inventory: Option<InventoryRow>,
    /// The limits that it was held against.
    pub limits: Option<LimitsRow>,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStory {
    /// The command.
    pub command: Option<CommandRow>,
    /// Its result as of now.
    pub result: Option<ResultRow>,
    /// Every step on the way.
    pub steps: Vec<ResultStepRow>,
    /// What the relay said of it.
    pub notices: Vec<SettlementRow>,
    /// The balances that prove its end.
    pub proof: Option<InventoryRow>,
}

/// One event of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Its place in the log.
    pub position: Position,
    /// When it happened.
    pub at: Timestamp,
    /// When the log wrote it down.
    pub recorded_at: Timestamp,
    /// What: `request`, `demand`, `price`, `inventory`, `decision`, `command`, `notice`, or a result's step.
    pub what: String,
    /// The table that has all of it.
    pub table: String,
    /// The heart of it, in a word or the venue's own words.
    pub detail: String,
}

/// Tells the story that an id belongs to; `None` when no table knows the id.
///
/// # Errors
///
/// [`ReadError`].
pub async fn trace(store: &dyn ReadStore, id: &str) -> Result<Option<Trace>, ReadError> {
    let mut reader = Reader::new(store);
    let Some((found_by, quote_id)) = quote_of(&mut reader, id).await? else { return Ok(None) };
    let requests: Vec<QuoteRow> = reader.find("quote_id", &quote_id, ROWS_MAX).await?;
    let demand = reader.find::<DemandRow>("quote_id", &quote_id, 1).await?.pop();
    let mut decisions = vec![];
    for decision in reader.find::<DecisionRow>("quote_id", &quote_id, ROWS_MAX).await? {
        decisions.push(decision_story(&mut reader, decision).await?);
    }
    let mut commands = vec![];
    for id in commands_of(&mut reader, &quote_id).await? {
        commands.push(command_story(&mut reader, id).await?);
    }
    let mut trace = Trace {
        asked: id.to_owned(),
        found_by,
        correlation_id: CorrelationId::of_quote(&quote_id),
        quote_id,
        as_of: reader.as_of(),
        cut_tables: reader.cut_tables(),
        requests,
        demand,
        decisions,
        commands,
        timeline: vec![],
    };
    trace.timeline = trace.moments();
    Ok(Some(trace))
}

/// The auction that an id belongs to. Ids of different kinds never look alike, so the order does not matter.
async fn quote_of(reader: &mut Reader<'_>, id: &str) -> Result<Option<(FoundBy, QuoteId)>, ReadError> {
    if let Some(row) = reader.find::<QuoteRow>("quote_id", id, 1).await?.pop() {
        return Ok(Some((FoundBy::Quote, row.quote_id)));
    }
    if let Some(row) = reader.find::<DecisionRow>("quote_id", id, 1).await?.pop() {
        return Ok(Some((FoundBy::Quote, row.quote_id)));
    }
    if let Some(row) = reader.find::<DecisionRow>("decision_id", id, 1).await?.pop() {
        return Ok(Some((FoundBy::Decision, row.quote_id)));
    }
    if let Some(row) = reader.get::<CommandRow>(Key::from(id)).await? {
        return Ok(Some((FoundBy::Command, row.quote_id)));
    }
    if let Some(row) = reader.get::<ResultRow>(Key::from(id)).await? {
        return Ok(Some((FoundBy::Command, row.quote_id)));
    }
    if let Some(row) = reader.find::<ResultRow>("quote_id", id, 1).await?.pop() {
        return Ok(Some((FoundBy::Quote, row.quote_id)));
    }
    if let Some(row) = reader.find::<ResultRow>("quote_hash", id, 1).await?.pop() {
        return Ok(Some((FoundBy::QuoteHash, row.quote_id)));
    }
    if let Some(row) = reader.find::<ResultRow>("tx_hash", id, 1).await?.pop() {
        return Ok(Some((FoundBy::Transaction, row.quote_id)));
    }
    // The relay's notice may name a transaction before the account knows of it.
    let Some(notice) = reader.find::<SettlementRow>("tx_hash", id, 1).await?.pop() else { return Ok(None) };
    let result = reader.find::<ResultRow>("quote_hash", &notice.quote_hash, 1).await?.pop();
    Ok(result.map(|row| (FoundBy::Transaction, row.quote_id)))
}

async fn decision_story(reader: &mut Reader<'_>, decision: DecisionRow) -> Result<DecisionStory, ReadError> {
    let price = match decision.price_position {
        Some(position) => reader.get(position).await?,
        None => None,
    };
    let inventory: Option<InventoryRow> = match decision.inventory_position {
        Some(position) => reader.get(position).await?,
        None => None,
    };
    let account = inventory.as_ref().map(|row| row.account.as_str());
    let limits = limits_of(reader, &decision, account).await?;
    Ok(DecisionStory { decision, price, inventory, limits })
}

/// The limits that a decision was held against. Versions are counted per account, so on a log that has known several
/// accounts the version alone is not enough.
async fn limits_of(
    reader: &mut Reader<'_>,
    decision: &DecisionRow,
    account: Option<&str>,
) -> Result<Option<LimitsRow>, ReadError> {
    let version = ScanQuery::newest(ROWS_MAX).filter("version", Cell::count(decision.limits_version));
    let rows: Vec<LimitsRow> = reader.scan(&version).await?;
    let then = |row: &LimitsRow| row.position <= decision.position;
    Ok(rows.into_iter().find(|row| then(row) && account.is_none_or(|account| row.account == account)))
}

async fn commands_of(reader: &mut Reader<'_>, quote_id: &QuoteId) -> Result<BTreeSet<CommandId>, ReadError> {
    let commands = reader.find::<CommandRow>("quote_id", quote_id, ROWS_MAX).await?;
    let results = reader.find::<ResultRow>("quote_id", quote_id, ROWS_MAX).await?;
    let commands = commands.into_iter().map(|row| row.command_id);
    Ok(commands.chain(results.into_iter().map(|row| row.command_id)).collect())
}

async fn command_story(reader: &mut Reader<'_>, id: CommandId) -> Result<CommandStory, ReadError> {
    let command = reader.get(id).await?;
    let result: Option<ResultRow> = reader.get(id).await?;
    let steps = reader.find("command_id", id, ROWS_MAX).await?;
    let notices = match result.as_ref().and_then(|result| result.quote_hash.as_ref()) {
        Some(hash) => reader.find("quote_hash", hash, ROWS_MAX).await?,
        None => vec![],
    };
    let proof = match result.as_ref().and_then(|result| result.proof_event_id) {
        Some(event) => reader.find("event_id", event, 1).await?.pop(),
        None => None,
    };
    Ok(CommandStory { command, result, steps, notices, proof })
}

impl Trace {
    fn moments(&self) -> Vec<Moment> {
        let mut moments = vec![];
        for row in &self.requests {
            moments.push(moment::<QuoteRow>(
                row.position,
                row.received_at,
                row.recorded_at,
                "request",
                &row.detail,
            ));
        }
        if let Some(row) = &self.demand {
            let detail = row.direction.name();
            moments.push(moment::<DemandRow>(
                row.position,
                row.received_at,
                row.recorded_at,
                "demand",
                detail,
            ));
        }
        self.decisions.iter().for_each(|story| story.moments(&mut moments));
        self.commands.iter().for_each(|story| story.moments(&mut moments));
        moments.sort_by(|a, b| (a.position, &a.table).cmp(&(b.position, &b.table)));
        moments.dedup();
        moments
    }
}

impl DecisionStory {
    fn moments(&self, moments: &mut Vec<Moment>) {
        if let Some(row) = &self.price {
            let at = row.priced_at;
            moments.push(moment::<ReferencePriceRow>(
                row.position,
                at,
                row.recorded_at,
                "price",
                &row.status,
            ));
        }
        if let Some(row) = &self.inventory {
            moments.push(inventory(row, "inventory"));
        }
        let row = &self.decision;
        let detail = row.decision_reason.map_or(row.decision.as_str(), |reason| reason.code());
        moments.push(moment::<DecisionRow>(
            row.position,
            row.decided_at,
            row.recorded_at,
            "decision",
            detail,
        ));
    }
}

impl CommandStory {
    fn moments(&self, moments: &mut Vec<Moment>) {
        if let Some(row) = &self.command {
            let at = row.commanded_at;
            moments.push(moment::<CommandRow>(
                row.position,
                at,
                row.recorded_at,
                "command",
                row.direction.name(),
            ));
        }
        for row in &self.steps {
            let detail = row.refusal.map_or(row.detail.as_str(), |refusal| refusal.code());
            moments.push(moment::<ResultStepRow>(row.position, row.at, row.recorded_at, &row.step, detail));
        }
        for row in &self.notices {
            let detail = row.tx_hash.as_deref().unwrap_or_default();
            moments.push(moment::<SettlementRow>(
                row.position,
                row.received_at,
                row.recorded_at,
                "notice",
                detail,
            ));
        }
        if let Some(row) = &self.proof {
            moments.push(inventory(row, "proof"));
        }
    }
}

fn inventory(row: &InventoryRow, what: &str) -> Moment {
    let detail = format!("block {}", row.height);
    moment::<InventoryRow>(row.position, row.observed_at, row.recorded_at, what, &detail)
}

fn moment<R: crate::projection::TableRow>(
    position: Position,
    at: Timestamp,
    recorded_at: Timestamp,
    what: &str,
    detail: &str,
) -> Moment {
    let (what, table, detail) = (what.to_owned(), R::TABLE.name.to_owned(), detail.to_owned());
    Moment { position, at, recorded_at, what, table, detail }
}
