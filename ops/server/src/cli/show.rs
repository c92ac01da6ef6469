//! Looking: the status page, one quote's story, read models.

use super::args::{TableArgs, TraceArgs};
use super::desk::ask;
use super::log::or_offline;
use super::progress::Progress;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::{offline, render};
use stele_api::client::RowsQuery;
use stele_api::dto::{self, TableInfo, TablePage};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::ReadStore as _;
use stele_projections::models;
use stele_projections::past::AsOf;
use stele_projections::trace::Trace;

pub(super) fn status(config: &Config, json: bool) -> Outcome {
    let status = ask(config, |client| async move { Ok(client.status().await?) })?;
    if json { say_json(&status) } else { say(&render::status::page(&status, &config.pair)) }
}

pub(super) fn trace(args: &TraceArgs, config: &Config, json: bool) -> Outcome {
    let trace = ask(config, |client| async move {
        // A story is told of a desk that has ended, too: everything is in its log.
        let told = client.trace_as_of(&args.id, args.as_of.as_deref()).await;
        or_offline(told, config, || from_log(args, config, json)).await
    })?;
    if json {
        return say_json(&trace);
    }
    // The rows of the story are those of the tables: the door passes them on as they are.
    let trace = serde_json::to_value(&trace).and_then(serde_json::from_value::<Trace>);
    say(&render::trace::story(&trace.map_err(|error| Failure::error(&error))?, &config.pair))
}

/// The story as the log alone tells it.
async fn from_log(args: &TraceArgs, config: &Config, json: bool) -> Result<dto::Trace, Failure> {
    let id = args.id.as_str();
    let unreadable = |text: &str| {
        Failure::usage(format!("--as-of {text}: a log position or an RFC 3339 time is expected"))
    };
    let as_of =
        args.as_of.as_deref().map(|text| AsOf::parse(text).ok_or_else(|| unreadable(text))).transpose()?;
    let progress = Progress::of_what("folding the log", json);
    let folded = offline::folded(Some(config), &config.log_dir(), as_of, &progress).await?;
    drop(progress);
    let trace =
        stele_projections::trace::trace(&folded.store, id).await.map_err(|error| Failure::error(&error))?;
    let Some(trace) = trace else {
        let then = then(&folded, as_of).await?;
        return Err(Failure::new(Code::Error, format!("nothing in the log{then} has the id {id:?}")));
    };
    // The same message as the door's, from the same rows.
    let mut message = serde_json::to_value(&trace).map_err(|error| Failure::error(&error))?;
    message["head"] = folded.head.0.into();
    message["as_of_time"] = folded.time.map(|time| time.to_string()).into();
    serde_json::from_value(message).map_err(|error| Failure::error(&error))
}

/// In words: where the fold ended, when an earlier end than the log's was asked for.
async fn then(folded: &offline::Folded, as_of: Option<AsOf>) -> Result<String, Failure> {
    let mut position = match as_of {
        None => return Ok(String::new()),
        Some(AsOf::Position(position)) => position,
        Some(AsOf::Time(_)) => Position::START,
    };
    // A time is as of the last event before it: the tables say which one that is.
    for projection in models::ALL {
        let at = folded.store.checkpoint(projection.name).await.map_err(|error| Failure::error(&error))?;
        position = position.max(at.position);
    }
    Ok(format!(" as of position {position}"))
}

pub(super) fn table(args: &TableArgs, config: &Config, json: bool) -> Outcome {
    let Some(name) = args.name.clone() else { return tables(config, json) };
    let filters = args.filters.iter().map(|filter| {
        let split = filter.split_once('=').map(|(column, value)| (column.to_owned(), value.to_owned()));
        split.ok_or_else(|| Failure::usage(format!("--where {filter}: COLUMN=VALUE is expected")))
    });
    let query = RowsQuery {
        limit: usize::try_from(args.limit).ok(),
        cursor: None,
        order: args.oldest.then(|| "oldest".to_owned()),
        filters: filters.collect::<Result<_, _>>()?,
        as_of: args.as_of.clone(),
    };
    let (info, page) = ask(config, |client| async move {
        let page = client.rows(&name, &query).await?;
        let info = client.tables().await?.tables.into_iter().find(|table| table.name == name);
        Ok((info, page))
    })?;
    if json { say_json(&page) } else { say(&rows(args, info.as_ref(), &page)?) }
}

fn rows(args: &TableArgs, info: Option<&TableInfo>, page: &TablePage) -> Result<String, Failure> {
    let known: Vec<String> =
        info.map(|info| info.columns.iter().map(|column| column.name.clone()).collect()).unwrap_or_default();
    if let Some(unknown) = args.columns.iter().find(|column| !known.contains(column)) {
        return Err(Failure::usage(format!("there is no column {unknown:?}: {}", known.join(", "))));
    }
    let columns = if args.columns.is_empty() { &known } else { &args.columns };
    let table = render::table::rows(columns, &page.rows);
    let more = if page.next_cursor.is_some() { ", and there are more" } else { "" };
    let cut = match page.cut_rows {
        0 => String::new(),
        rows => format!("; {rows} older rows are only in the log"),
    };
    let time = page.as_of_time.map(|time| format!(" ({time})")).unwrap_or_default();
    Ok(format!("{table}\n{} rows{more}, as of log position {}{time}{cut}", page.rows.len(), page.as_of))
}

fn tables(config: &Config, json: bool) -> Outcome {
    let answer = ask(config, |client| async move { Ok(client.tables().await?) })?;
    if json {
        return say_json(&answer);
    }
    let mut table = render::table::framed(&["table", "a row is named by", "what it holds"]);
    for info in &answer.tables {
        table.add_row([info.name.clone(), info.key.join(", "), info.doc.clone()]);
    }
    say(&format!("{table}\nShow one with: stele table NAME. Columns are described by: stele table --json"))
}
