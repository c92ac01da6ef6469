//! The pair filter, both ways.

use crate::dto::FilterMode;
use crate::problem::Problem;
use stele_domain::ids::{PairId, TokenId};
use stele_domain::intents::filter::State;
use stele_domain::intents::filter::event::Entry;

/// What stands between two tokens of an entry.
const ARROW: &str = "->";

pub(crate) fn outward(state: &State) -> (FilterMode, Vec<String>) {
    match state {
        State::Configured => (FilterMode::Configured, vec![]),
        State::Only(entries) => (FilterMode::Only, entries.iter().map(words).collect()),
    }
}

fn words(entry: &Entry) -> String {
    match entry {
        Entry::Pair(pair) => pair.to_string(),
        Entry::Tokens { token_in, token_out } => format!("{token_in}{ARROW}{token_out}"),
    }
}

/// The entries that a message means; the first that makes no sense is named.
pub(crate) fn inward(entries: Vec<String>) -> Result<Vec<Entry>, Problem> {
    let mut read = Vec::with_capacity(entries.len());
    for (i, text) in entries.into_iter().enumerate() {
        read.push(entry(text).map_err(|why| Problem::field(&format!("entries[{i}]"), why))?);
    }
    Ok(read)
}

fn entry(text: String) -> Result<Entry, String> {
    let Some((token_in, token_out)) = text.split_once(ARROW) else {
        return PairId::try_from(text).map(Entry::Pair).map_err(|error| error.to_string());
    };
    let token = |text: &str| TokenId::try_from(text.to_owned()).map_err(|error| error.to_string());
    Ok(Entry::Tokens { token_in: token(token_in)?, token_out: token(token_out)? })
}
