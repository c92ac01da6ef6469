//! The arguments of alerts.
#![expect(clippy::doc_markdown, reason = "these comments are the help text, which has no backticks")]

use super::Again;
use clap::{Args, Subcommand};
use stele_domain::operations::alert::event::Kind;

/// What of the alerts; without a command, those that are raised are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Say of an alert that waits for a person (unexpected_drop, unmatched_credit) what was found. The others are
    /// cleared by the desk as soon as they no longer hold
    Clear {
        /// Which, as `stele alerts` names it
        #[arg(value_parser = kind)]
        kind: Kind,
        /// What was found; it is kept for ever beside the act
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        again: Again,
    },
}

fn kind(text: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::named(text).ok_or_else(|| format!("there is no such alert: {}", names()))
}
