//! A person's wish without its body, and what can come of it.

use crate::envelope::Failure;
use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use stele_domain::access::{Action, Caller, Role};
use stele_domain::causes::with_causes;
use stele_domain::codec::CodecError;
use stele_domain::ids::CommandId;
use stele_domain::intents::filter;
use stele_domain::operations::{alert, parking, service};
use stele_domain::port::blob_store::BlobError;
use stele_domain::port::event_log::{InvalidStream, LogError, Position};
use stele_domain::time::Timestamp;
use stele_domain::trading::account;
use stele_domain::trading::account::event::OpenSignature;

/// A person's wish, without its body.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Names it: the same id again gives the first answer.
    pub command_id: CommandId,
    /// Digest of the whole request: the same id with another digest is refused.
    pub digest: String,
    /// Who, and what they may do. It comes from the credential, never from the request.
    pub caller: Caller,
    /// Why.
    pub reason: String,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It is so now; the facts stand up to here.
    Recorded(Position),
    /// It was so already.
    AlreadySo,
    /// It was asked for before, with this id; the facts stand up to here.
    Repeated(Position),
    /// It is written down, and waits for another person.
    ApprovalNeeded(Approval),
}

/// What another person is asked to approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Names the request; the approval must name it.
    pub request_id: CommandId,
    /// The limits that it would be armed under.
    pub limits_version: u64,
    /// SHA-256 of their canonical form: what the approval is bound to.
    pub limits_hash: String,
    /// Nobody can approve it any more from then on.
    pub expires_at: Timestamp,
    /// The request stands in the log up to here.
    pub position: Position,
}

/// A kill, and the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillProof {
    /// Where the kill stands in the log, and whether it was new.
    pub done: Done,
    /// True when no frame of the executor that holds the lease, in whatever process, can leave any more: by the fence
    /// of this process, by that executor's word, or because its lease ended so long ago that no clock and no slow
    /// write explains a frame. False when nobody gave such proof: look at the open signatures.
    pub fenced: bool,
    /// Every signature that could still be executed.
    pub open: Vec<OpenSignature>,
}

/// Why a wish came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The caller may not do it: their role or their scope leaves it out.
    #[error("{role} may not {action} with this credential: ask somebody who may, or for a key that does")]
    Forbidden {
        /// What was asked.
        action: Action,
        /// Who asked.
        role: Role,
    },
    /// A rule said no.
    #[error("{message}")]
    Rule {
        /// The rule's stable code.
        code: Cow<'static, str>,
        /// The rule's words.
        message: String,
    },
    /// The id was used before, for something else or by somebody else.
    #[error("command {0} was sent before with another body: use a new id for a new wish")]
    IdReused(CommandId),
    /// There is no such thing in this process.
    #[error("{0} does not run in this process")]
    NotHere(&'static str),
    /// We could not do it now: the same may be asked again.
    #[error("the desk could not do it: {0}")]
    Unavailable(String),
    /// We can't do it, and asking again changes nothing: what the desk stands on must be mended first.
    #[error("the desk can't do it: {why}")]
    Failed {
        /// What must be mended.
        fault: Fault,
        /// The words.
        why: String,
    },
}

/// What does not pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What the log holds is not what was written.
    Damaged,
    /// The archive of the log has lost a part of it.
    Lost,
    /// The log holds an event whole that this build can't read, or that does not belong where it is.
    Unreadable,
    /// The log's owner does not let this process.
    Denied,
    /// The archive of the log does not let this process in. The desk goes on asking, so that it goes on when somebody lets it
    /// in; whoever asks the desk need not.
    KeptOut,
    /// The log has stopped, or does not take what is ours to write.
    Stopped,
}

impl Fault {
    /// What keeps a log from ever answering; `None` when it may answer later.
    #[must_use]
    pub fn of_log(error: &LogError) -> Option<Self> {
        match error {
            LogError::Unreachable(_) if is_kept_out(error) => Some(Self::KeptOut),
            LogError::Unreachable(_) | LogError::Full => None,
            LogError::Damaged { .. } => Some(Self::Damaged),
            LogError::Lost(_) => Some(Self::Lost),
            LogError::Denied(_) => Some(Self::Denied),
            LogError::Conflict { .. }
            | LogError::Invalid(_)
            | LogError::Stopped(_)
            | LogError::Owned { .. } => Some(Self::Stopped),
        }
    }
}

/// Whether the archive of the log does not let this process in.
fn is_kept_out(error: &LogError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        // Everybody who waits for one segment is told of one error.
        let shared = error.downcast_ref::<Arc<BlobError>>().map(|error| &**error);
        if let Some(BlobError::Denied { .. }) = shared.or_else(|| error.downcast_ref::<BlobError>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Refused {
    /// What a failure of ours is to the person who asked: the one place that tells what may pass by itself from what
    /// does not.
    #[must_use]
    pub fn of<R: Rule>(failure: &Failure<R>) -> Self {
        let why = || with_causes(failure);
        match failure {
            Failure::Rejected(rule) => Self::Rule { code: rule.code().into(), message: rule.words() },
            Failure::IdReused(id) => Self::IdReused(*id),
            Failure::Contended(_) => Self::Unavailable(why()),
            Failure::Log(error) => match Fault::of_log(error) {
                None => Self::Unavailable(why()),
                Some(fault) => Self::Failed { fault, why: why() },
            },
            Failure::Codec(CodecError::Unwritable { .. }) => {
                Self::Failed { fault: Fault::Stopped, why: why() }
            }
            Failure::Codec(
                CodecError::UnknownType { .. }
                | CodecError::UnknownVersion { .. }
                | CodecError::Unreadable { .. }
                | CodecError::UnreadableMeta { .. },
            )
            | Failure::Foreign { .. } => Self::Failed { fault: Fault::Unreadable, why: why() },
        }
    }

    /// A name that is no stream's: ours, and not to be mended by asking again.
    pub(crate) fn unnamed(error: &InvalidStream) -> Self {
        Self::Failed { fault: Fault::Stopped, why: with_causes(error) }
    }
}

/// A rejection that can be told to a person.
pub trait Rule: std::fmt::Debug + Send {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// The words.
    fn words(&self) -> String;
}

impl Rule for account::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for filter::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for alert::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for parking::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Rule for service::Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}
