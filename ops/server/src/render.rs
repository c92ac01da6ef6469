//! Words and tables for people. Nothing here asks the desk anything.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod gates;
pub(crate) mod harmless;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod parked;
pub(crate) mod reasons;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod units;
pub(crate) mod whatif;
