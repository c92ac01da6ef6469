//! The proof by somebody else: a fresh process that knows nothing but the log and a copy of the live tables. It
//! folds the log from zero and compares every row.

use crate::cli::progress::Progress;
use crate::exit::{Code, Failure};
use crate::offline;
use std::path::Path;
use stele_projections::compare::{Comparison, Dump, dump};
use stele_projections::past::AsOf;

/// Folds the log and compares it with the tables in a file.
pub(crate) async fn compare(log: &Path, tables: &Path) -> Result<Comparison, Failure> {
    let live = read(tables)?;
    let position = live.position.ok_or_else(|| unusable(tables, "it holds no tables"))?;
    let offline::Folded { store, .. } =
        offline::folded(None, log, Some(AsOf::Position(position)), &Progress::unseen()).await?;
    let folded = dump(&store).await.map_err(|error| Failure::error(&error))?;
    live.compare(&folded).map_err(|error| Failure::error(&error))
}

fn read(path: &Path) -> Result<Dump, Failure> {
    let bytes = std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(Code::Usage, format!("{} is no copy of the live tables: {why}", path.display()))
}

/// Rows that differ, as an end of the run.
pub(crate) fn verdict(comparison: &Comparison) -> Result<(), Failure> {
    if comparison.rows_different == 0 {
        return Ok(());
    }
    let first = comparison.differences.first();
    let place = first
        .map_or_else(String::new, |first| format!("; the first is {} of table {}", first.key, first.table));
    Err(Failure::new(
        Code::Mismatch,
        format!("{} rows do not follow from the log{place}", comparison.rows_different),
    ))
}
