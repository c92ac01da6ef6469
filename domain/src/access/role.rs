//! The matrix of roles and actions. It is data: pure, whole, and printed by `stele keys roles`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees the tables.
    Viewer,
    /// Arms and disarms within the limits that others set.
    Trader,
    /// Runs the desk: limits, services, kill.
    Operator,
    /// All that an operator may do, and keys.
    Admin,
    /// Sees everything, changes nothing.
    Auditor,
    /// A process of the desk that works on the log of another.
    Service,
}

/// What can be done at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Look at status, tables, traces, metrics and live decisions.
    Read,
    /// Read raw records of the log.
    ReadLog,
    /// Ask for proofs and signed checkpoints.
    Prove,
    /// Arm, or ask for it where a second person is needed.
    Arm,
    /// Approve what another person asked for.
    Approve,
    /// Disarm.
    Disarm,
    /// Stop everything.
    Kill,
    /// Pause, resume and drain services.
    Steer,
    /// Make a source look now.
    Refresh,
    /// Set limits.
    SetLimits,
    /// Set the pair filter.
    SetFilter,
    /// Create, list and revoke keys.
    ManageKeys,
    /// Append records as a process of the desk.
    AppendLog,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Trader, Self::Operator, Self::Admin, Self::Auditor, Self::Service];

    /// The word for it, at every door.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Trader => "trader",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Service => "service",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether the role may do it.
    #[must_use]
    pub const fn permits(self, action: Action) -> bool {
        match action {
            Action::Read => !matches!(self, Self::Service),
            Action::ReadLog => !matches!(self, Self::Viewer),
            Action::Prove => matches!(self, Self::Operator | Self::Admin | Self::Auditor),
            Action::Arm | Action::Disarm | Action::Refresh | Action::SetFilter => {
                matches!(self, Self::Trader | Self::Operator | Self::Admin)
            }
            Action::Approve | Action::Kill | Action::Steer | Action::SetLimits => {
                matches!(self, Self::Operator | Self::Admin)
            }
            Action::ManageKeys => matches!(self, Self::Admin),
            Action::AppendLog => matches!(self, Self::Service),
        }
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 13] = [
        Self::Read,
        Self::ReadLog,
        Self::Prove,
        Self::Arm,
        Self::Approve,
        Self::Disarm,
        Self::Kill,
        Self::Steer,
        Self::Refresh,
        Self::SetLimits,
        Self::SetFilter,
        Self::ManageKeys,
        Self::AppendLog,
    ];

    /// The word for it, at every door.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadLog => "read_log",
            Self::Prove => "prove",
            Self::Arm => "arm",
            Self::Approve => "approve",
            Self::Disarm => "disarm",
            Self::Kill => "kill",
            Self::Steer => "steer",
            Self::Refresh => "refresh",
            Self::SetLimits => "set_limits",
            Self::SetFilter => "set_filter",
            Self::ManageKeys => "manage_keys",
            Self::AppendLog => "append_log",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Read | Self::ReadLog | Self::Prove => false,
            Self::Arm
            | Self::Approve
            | Self::Disarm
            | Self::Kill
            | Self::Steer
            | Self::Refresh
            | Self::SetLimits
            | Self::SetFilter
            | Self::ManageKeys
            | Self::AppendLog => true,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a key is narrowed to. It never widens a role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Scope {
    /// Only these of the role's actions; empty for all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub actions: BTreeSet<Action>,
    /// For [`Role::Service`]: the roles of the process (`market`, `strategy` …), which say what it may append.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub processes: BTreeSet<String>,
}

impl Scope {
    /// Whether the scope leaves the action in.
    #[must_use]
    pub fn covers(&self, action: Action) -> bool {
        self.actions.is_empty() || self.actions.contains(&action)
    }
}

/// A role as a scope narrows it: all that a credential lets its holder do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Scope,
}

impl Grant {
    /// Whether it includes the action.
    #[must_use]
    pub fn includes(&self, action: Action) -> bool {
        self.role.permits(action) && self.scope.covers(action)
    }

    /// Whether who has it may hand out `other`. Nobody hands out more than they have; only an admin without a
    /// narrower scope makes keys for processes, which may do what no person may.
    #[must_use]
    pub fn hands_out(&self, other: &Self) -> bool {
        match self.role {
            Role::Admin if self.scope.actions.is_empty() => true,
            Role::Admin | Role::Viewer | Role::Trader | Role::Operator | Role::Auditor | Role::Service => {
                self.includes(Action::ManageKeys)
                    && Action::ALL.into_iter().all(|action| self.includes(action) || !other.includes(action))
            }
        }
    }
}
