//! Live events, one line each. What a line can't find in an event it leaves out: the event comes from a desk that may
//! be newer than this command.

use super::harmless::harmless;
use super::units::{clock, of_token};
use serde_json::Value;
use stele_api::dto::LiveEvent;
use stele_domain::money::Units;
use stele_domain::pair::Pair;

/// Most characters of a text that others have written.
const WORDS_MAX: usize = 100;
/// Width of the event's name.
const NAME: usize = 26;
/// Characters of an id that are shown: enough to follow it by eye, and to trace it in the JSON form.
const ID_CHARS: usize = 8;

/// One event.
pub(crate) fn line(event: &LiveEvent, pair: &Pair) -> String {
    let data: Value =
        event.data.as_ref().and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or_default();
    let name = event.event_type.rsplit('.').next().unwrap_or(&event.event_type);
    let words = match name {
        "Decided" => decided(&data, pair),
        "SubmissionStarted" => terms(&data, pair).unwrap_or_default(),
        _ => why(&data),
    };
    let id = ["quote_id", "command_id"].iter().find_map(|id| data.get(id)?.as_str()).unwrap_or("");
    let id: String = id.chars().take(ID_CHARS).collect();
    let text = format!(
        "{:>8}  {}  {name:<NAME$} {id:<ID_CHARS$}  {words}",
        event.position,
        clock(event.recorded_at)
    );
    harmless(text.trim_end())
}

fn decided(data: &Value, pair: &Pair) -> String {
    let verdict = &data["verdict"];
    if verdict["outcome"] == "skip" {
        return format!("no offer: {}", verdict["reason"].as_str().unwrap_or("?").replace('_', " "));
    }
    let terms = terms(&data["proposal"], pair).unwrap_or_default();
    match data["proposal"]["gross_edge"].as_i64() {
        Some(edge) => format!("OFFER {terms}, edge {}.{:02} %", edge / 100, edge.unsigned_abs() % 100),
        None => format!("OFFER {terms}"),
    }
}

/// What is given for what.
fn terms(data: &Value, pair: &Pair) -> Option<String> {
    let side = |name: &str| {
        let side = data.get(name)?;
        let units: Units = side["amount"].as_str()?.parse().ok()?;
        Some(of_token(units, side["token"].as_str()?, pair))
    };
    Some(format!("{} for {}", side("give")?, side("receive")?))
}

/// Whatever the event says of its why.
fn why(data: &Value) -> String {
    let names = ["reason", "code", "reply", "status", "detail"];
    let words = names.iter().find_map(|name| data.get(name)?.as_str()).unwrap_or("");
    let cut: String = words.chars().take(WORDS_MAX).collect();
    let mode = data["mode"].as_str().map_or_else(String::new, |mode| format!("{mode}: "));
    format!("{mode}{cut}")
}
