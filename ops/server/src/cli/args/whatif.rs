//! The arguments of what would have been.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct WhatIfArgs {
    /// Limits and their values, as limits set takes them: notional_max=5, edge_min_bps=1%, floor.TOKEN=0.001; and parts of
    /// the margin: pricing.base_bps=1%. Nothing at all asks whether this build comes to the recorded decisions again
    #[arg(value_name = "LIMIT=VALUE")]
    pub changes: Vec<String>,
    /// Limits in a file, all or some: JSON as limits get --json prints it, with "pricing" beside them for parts of the margin.
    /// What it doesn't name stays as it was at each moment
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// Begin here: a position of the log, or a moment (2026-11-20T12:00:00Z) [default: the first position]
    #[arg(long, value_name = "POSITION|TIME")]
    pub from: Option<String>,
    /// End here, inclusive [default: the last position, as of now]
    #[arg(long, value_name = "POSITION|TIME")]
    pub to: Option<String>,
    /// What is taken to become of offers that were never made
    #[arg(long, value_enum, default_value_t = Model::Recorded)]
    pub fills: Model,
    /// Also write the whole answer to this new file, in JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How many differences are shown
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub show: u16,
}

/// What is taken to become of offers that were never made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Taken where the record says so: ours was, and this one is no worse for the taker
    Recorded,
    /// None is taken
    None,
    /// Every one is taken
    All,
}
