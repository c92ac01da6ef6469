//! The rules that say no to a person or a reactor.

use crate::ids::{Actor, CommandId};
use crate::time::Timestamp;
use crate::trading::limits::InvalidLimits;

/// A rule that said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Somebody else may sign.
    #[error("{holder} holds the signing lease until {until}: stop it, or wait")]
    LeaseHeld {
        /// Who.
        holder: String,
        /// Until when.
        until: Timestamp,
    },
    /// The lease is another one by now.
    #[error("the signing lease is in epoch {current} and not {asked}: another instance has taken it")]
    LeaseLost {
        /// The epoch of the asker.
        asked: u64,
        /// The epoch in force.
        current: u64,
    },
    /// A lease of no length, or of one that would lock everybody out.
    #[error("a signing lease lasts 1 to {max} ms: {ttl_ms} is not")]
    BadTtl {
        /// What was asked.
        ttl_ms: u64,
        /// The longest that is given.
        max: u64,
    },
    /// No executor runs.
    #[error("no executor holds the signing lease: start one, then arm")]
    NoExecutor,
    /// The limits make no sense.
    #[error("the limits make no sense: {0}")]
    Limits(#[from] InvalidLimits),
    /// Limits that would hold from a moment that nobody means.
    #[error("limits hold from a moment between a day ago and a year ahead: {from} is not")]
    BadEffectiveFrom {
        /// What was asked.
        from: Timestamp,
    },
    /// No limits are in force.
    #[error("no limits are in force: set them first (stele limits set)")]
    NoLimits,
    /// The limits moved since they were shown.
    #[error(
        "limits version {shown} was shown, and version {current} is the one to go by: look again (stele limits get)"
    )]
    LimitsMoved {
        /// What the person saw.
        shown: u64,
        /// What it is now: for arming the version in force, for setting limits the newest, effective or not.
        current: u64,
    },
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// The arming would end before it starts, or last too long.
    #[error("an arming must end in the future and within 24 hours: {until} does not")]
    BadExpiry {
        /// What was asked.
        until: Timestamp,
    },
    /// Killed accounts are not armed.
    #[error(
        "the account is KILLED: look at what is open (stele status), then stand down with stele disarm before arming"
    )]
    Killed,
    /// Disarming does not undo a kill; it came in between.
    #[error(
        "the account was KILLED meanwhile: look at what is open (stele status), then ask again to stand down"
    )]
    KilledMeanwhile,
    /// Nobody asked for it.
    #[error("there is no request {0}: stele approve lists what waits")]
    UnknownRequest(CommandId),
    /// It is decided.
    #[error("request {request_id} is decided already: it was {fate}")]
    AlreadyDecided {
        /// The request.
        request_id: CommandId,
        /// How.
        fate: &'static str,
    },
    /// It waited for too long.
    #[error("request {request_id} ran out at {expired_at}: ask anew")]
    RequestExpired {
        /// The request.
        request_id: CommandId,
        /// When.
        expired_at: Timestamp,
    },
    /// Nobody approves what they asked for.
    #[error("{0} asked for it: another person must approve")]
    SamePerson(Actor),
    /// Nobody approves with a key that the asker had a hand in.
    #[error(
        "{0} asked for it, and had a hand in making this key: somebody whose key comes from others must approve"
    )]
    KeyOfAsker(Actor),
    /// Other limits are in force, or were shown, than those that were asked for.
    #[error(
        "the limits are not those of request {0}: look again (stele limits get), and have the request made anew if they changed"
    )]
    LimitsChanged(CommandId),
    /// No such offer was ever started here.
    #[error("no offer was started for command {0}")]
    UnknownSubmission(CommandId),
    /// The offer left the house, so it can't be called off.
    #[error("the offer of command {0} may have been sent: it can't be abandoned, only looked up")]
    MayBeSent(CommandId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::LeaseHeld { .. } => "lease_held",
            Self::LeaseLost { .. } => "lease_lost",
            Self::BadTtl { .. } => "bad_ttl",
            Self::NoExecutor => "no_executor",
            Self::Limits(_) => "limits_invalid",
            Self::BadEffectiveFrom { .. } => "bad_effective_from",
            Self::NoLimits => "no_limits",
            Self::LimitsMoved { .. } => "limits_moved",
            Self::ReasonMissing => "reason_missing",
            Self::BadExpiry { .. } => "bad_expiry",
            Self::Killed => "killed",
            Self::KilledMeanwhile => "killed_meanwhile",
            Self::UnknownRequest(_) => "unknown_request",
            Self::AlreadyDecided { .. } => "already_decided",
            Self::RequestExpired { .. } => "request_expired",
            Self::SamePerson(_) => "same_person",
            Self::KeyOfAsker(_) => "key_of_asker",
            Self::LimitsChanged(_) => "limits_changed",
            Self::UnknownSubmission(_) => "unknown_submission",
            Self::MayBeSent(_) => "may_be_sent",
        }
    }
}
