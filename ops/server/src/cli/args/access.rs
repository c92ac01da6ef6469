//! The arguments of keys and approvals.

use super::Again;
use crate::amounts;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use stele_domain::access::{Action, Role};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key; it is shown once. On the desk's own machine no key is needed, so the first one is made there
    Create(KeyCreateArgs),
    /// List the keys, without their secrets
    List,
    /// Let nobody in with a key any more, at once
    Revoke {
        /// Its id: the part behind the first underscore
        id: String,
        /// Why; it is kept for ever beside the act
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        again: Again,
    },
    /// Print which role may do what
    Roles,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyCreateArgs {
    /// What its bearer is: viewer, trader, operator, admin, auditor, service
    #[arg(long, value_parser = role)]
    pub role: Role,
    /// Whose it is. Two keys of one owner are one person
    #[arg(long, value_name = "NAME")]
    pub owner: String,
    /// How long it is good for: 12h, 90d [default: until it is revoked]
    #[arg(long = "expires", value_name = "SPAN", value_parser = amounts::span_ms)]
    pub expires_ms: Option<u64>,
    /// Only these of the role's actions, as `stele keys roles` names them
    #[arg(long = "scope", value_name = "ACTION", value_parser = action, value_delimiter = ',')]
    pub scope: Vec<Action>,
    /// For role service: the roles of the process, which say what it may write
    #[arg(long = "process", value_name = "ROLE", value_delimiter = ',')]
    pub processes: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Why; it is kept for ever beside the act
    #[arg(long, default_value = "made on the command line")]
    pub reason: String,
    /// Write it into this new file, for its owner only, and show it to nobody
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub again: Again,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ApproveArgs {
    /// Which request: `stele arm` names it
    pub request_id: String,
    /// For scripts: the hash of the limits that you have seen, so that you are not asked. Refused when others are in force
    #[arg(long, value_name = "HASH")]
    pub limits_hash: Option<String>,
    /// Why; it is kept for ever beside the act
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub again: Again,
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::name).join(", ");
    Role::named(text).ok_or_else(|| format!("there is no such role: {}", names()))
}

fn action(text: &str) -> Result<Action, String> {
    let names = || Action::ALL.map(Action::name).join(", ");
    Action::named(text).ok_or_else(|| format!("there is no such action: {}", names()))
}
