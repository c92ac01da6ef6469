//! The messages of the REST door: plain types with serde, and nothing else. Names here are public and stay.
//!
//! Amounts are base units and rates are decimals, both as strings; moments are RFC 3339 in UTC with microseconds;
//! log positions are whole numbers. Requests refuse unknown fields; readers of answers pass over them.

mod access;
mod account;
mod audits;
mod filter;
mod limits;
mod live;
mod log;
mod parked;
mod problem;
mod rebuilds;
mod status;
mod tables;
mod trace;
mod write;

pub use access::{CreateKey, CreatedKey, Key, KeyStanding, KeysAnswer, RoleInfo, RolesAnswer, WhoAmI};
pub use account::{
    Account, AccountAnswer, ArmRequest, Armed, Arming, Lease, OpenOffer, Reserved, StandDownRequest,
    TokenAmount,
};
pub use audits::{Audit, AuditState, AuditsAnswer, StartAudit};
pub use filter::{Filter, FilterMode, SetFilter};
pub use limits::{Limits, LimitsAnswer, LimitsVersion, SetLimits};
pub use live::{LiveEvent, LiveFailure, LivePlace};
pub use log::{
    CheckpointAnswer, ConsistencyProof, Event, EventProof, EventsPage, FollowLine, LogArchived, LogGrowth,
    LogStat,
};
pub use parked::{ParkedAnswer, ParkedDetail, ParkedEvent, ParkedState, ParkedStep};
pub use problem::{FieldError, Problem};
pub use rebuilds::{Rebuild, RebuildAnswer, RebuildPhase, RebuildsAnswer, ReplacedTables, StartRebuild};
pub use status::{
    Alert, AlertsAnswer, Balance, Check, Counters, FromTables, Health, Heard, Inventory, LogStatus, Price,
    PriceSource, Projection, Projections, Reads, Ready, Relay, ServiceState, ServiceStatus, Status, Statusz,
};
pub use tables::{Column, DumpPage, DumpRow, ProofLine, TableInfo, TablePage, TablesAnswer};
pub use trace::{CommandStory, DecisionStory, Moment, Trace};
pub use write::{
    Approval, Approve, Arm, Killed, Mode, OpenSignature, Outcome, Reason, ReasonOrNone, Refreshed, Written,
};
