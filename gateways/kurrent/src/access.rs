//! Who asks, and what they may write. Who a key belongs to is found out elsewhere; here is how a key is presented on this
//! wire, and that nobody passes by the gates.

use crate::name::Name;
use crate::no::No;
use crate::observe;
use crate::strangers::Visit;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use stele_domain::access::{Action, Caller, Role};
use stele_domain::port::event_log::StreamId;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// What a key of role `service` has among its processes, to append to categories that are not the desk's.
pub const OUTSIDE: &str = "outside";
/// How credentials are presented.
const HEADER: &str = "authorization";
/// Longest credential that is looked at, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 512;
/// Longest name that is repeated in a denial, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// Whose key this is; the address is the peer's, without its port.
type Authenticate = dyn Fn(&str, &str) -> Result<Caller, String> + Send + Sync;
/// Somebody came from this address for whom nothing vouches.
type Stranger = dyn Fn(&str) + Send + Sync;
/// Whether the key that a caller came with is still taken.
type Stands = dyn Fn(&Caller) -> Result<(), String> + Send + Sync;
/// Whether a process of the desk records a fact of this type there.
type DeskWrites = dyn Fn(&Caller, &StreamId, &str) -> bool + Send + Sync;
/// A known caller asked for what they may not do.
type Denied = dyn Fn(&Caller, Action, &str) + Send + Sync;

/// Who is let in. None of these may block.
#[derive(Clone)]
pub struct Access {
    /// Whose key this is; the address is the peer's, without its port. A no is in words.
    pub authenticate: Arc<Authenticate>,
    /// Hears that somebody came from this address for whom nothing vouches.
    pub stranger: Arc<Stranger>,
    /// Whether the key that a caller came with is still taken: asked again and again while they listen.
    pub stands: Arc<Stands>,
    /// Hears that a known caller asked for what they may not do.
    pub denied: Arc<Denied>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// Which categories are for clients that are no part of the desk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outside {
    /// None.
    #[default]
    Nothing,
    /// These.
    Categories(BTreeSet<String>),
    /// All but the desk's.
    Everything,
}

/// What callers may write. Reading is not limited here.
#[derive(Clone)]
pub struct Writes {
    /// Whether a process of the desk records a fact of this type there. It must not block.
    pub desk: Arc<DeskWrites>,
    /// Categories of the desk: nobody deletes or truncates a stream of theirs, whatever stands in the log.
    pub reserved: BTreeSet<String>,
    /// Categories for keys whose processes include `outside`.
    pub outside: Outside,
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writes")
            .field("reserved", &self.reserved)
            .field("outside", &self.outside)
            .finish_non_exhaustive()
    }
}

impl Writes {
    /// Whether the stream, or the one that it describes, is the desk's.
    pub(crate) fn is_desks(&self, stream: &Name) -> bool {
        match stream.described() {
            Some(described) => self.is_desks(&described),
            None => self.reserved.contains(stream.category()),
        }
    }

    /// Whether the caller may append events of these types there.
    pub(crate) fn append<'t>(
        &self,
        caller: &Caller,
        stream: &Name,
        types: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), String> {
        process(caller)?;
        if self.outside(caller, stream) {
            return Ok(());
        }
        match types.into_iter().find(|event_type| !(self.desk)(caller, stream.stream(), event_type)) {
            None if !self.is_desks(stream) => Err(refused(caller, stream, "append to")),
            None => Ok(()),
            Some(event_type) => {
                Err(format!("{} ({})", refused(caller, stream, "append to"), shown(event_type)))
            }
        }
    }

    /// Whether the caller may delete the stream, or say how much of it is shown.
    pub(crate) fn delete(&self, caller: &Caller, stream: &Name) -> Result<(), String> {
        process(caller)?;
        if self.outside(caller, stream) { Ok(()) } else { Err(refused(caller, stream, "delete")) }
    }

    fn outside(&self, caller: &Caller, stream: &Name) -> bool {
        let target = stream.described().unwrap_or_else(|| stream.clone());
        let granted = caller.scope.processes.contains(OUTSIDE);
        granted && !target.is_system() && !self.is_desks(&target) && self.outside.holds(target.category())
    }
}

impl Outside {
    fn holds(&self, category: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Categories(categories) => categories.contains(category),
            Self::Everything => true,
        }
    }
}

fn process(caller: &Caller) -> Result<(), String> {
    if caller.role == Role::Service && caller.may(Action::AppendLog) {
        return Ok(());
    }
    Err(format!("the role {} may not append to the log: only processes do", caller.role))
}

fn refused(caller: &Caller, stream: &Name, what: &str) -> String {
    let names: Vec<&str> = caller.scope.processes.iter().map(String::as_str).collect();
    format!(
        "a process {} may not {what} category {} (stream {})",
        names.join(","),
        shown(stream.category()),
        shown(stream.as_str())
    )
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// Where a connection comes from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The IP address, without the port.
    pub address: String,
    /// What is known of who is there.
    pub visit: Arc<Visit>,
}

/// Stands before every service but those that are for everybody, and leaves the caller behind.
#[derive(Clone, Debug)]
pub(crate) struct Guard(pub(crate) Access);

impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>();
        let address = peer.map_or(String::new(), |peer| peer.address.clone());
        let caller = self.caller(request.metadata(), &address);
        if let Some(peer) = peer {
            match &caller {
                Ok(_) => peer.visit.is_known(),
                Err(_) => peer.visit.refused(),
            }
        }
        let caller = caller.map_err(|no| no.status())?;
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

impl Guard {
    fn caller(&self, metadata: &MetadataMap, address: &str) -> Result<Caller, No> {
        let Some(header) = metadata.get(HEADER) else {
            (self.0.stranger)(address);
            let words = "send a key: `Authorization: Bearer stele_…`, or Basic with its id or owner and the key; clients \
                         of this protocol send either only where there is TLS, or when they are told to";
            return Err(No::Stranger(words.to_owned()));
        };
        let presented =
            header.to_str().ok().filter(|text| text.len() <= CREDENTIAL_BYTES_MAX).and_then(presented);
        let Some((user, key)) = presented else {
            (self.0.stranger)(address);
            return Err(No::Stranger("the credentials can't be read: `Bearer stele_…`, or Basic".to_owned()));
        };
        let caller = (self.0.authenticate)(&key, address).map_err(No::Stranger)?;
        match user {
            Some(user) if !is_called(&caller, &user) => {
                (self.0.stranger)(address);
                Err(No::Stranger("the user is not the key's: use its id or its owner".to_owned()))
            }
            Some(_) | None => Ok(caller),
        }
    }
}

/// The user, where one is named, and the key.
fn presented(header: &str) -> Option<(Option<String>, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, key) = text.split_once(':')?;
    Some((Some(user.to_owned()), key.to_owned()))
}

/// By the id of their key, or by their name.
fn is_called(caller: &Caller, user: &str) -> bool {
    let name = caller.actor.as_str().split_once(':').map_or(caller.actor.as_str(), |(_, name)| name);
    caller.origin.key_id.as_deref() == Some(user) || name == user
}

impl Access {
    /// Whether the caller may do it; whoever serves hears of a no.
    pub(crate) fn admit(&self, caller: &Caller, action: Action) -> Result<(), No> {
        if caller.may(action) {
            return Ok(());
        }
        Err(self.deny(caller, action, format!("the role {} may not {action}", caller.role)))
    }

    /// Whether the key that a caller came with is still taken.
    pub(crate) fn still(&self, caller: &Caller) -> Result<(), No> {
        (self.stands)(caller).map_err(No::Stranger)
    }

    /// A no that is kept.
    pub(crate) fn deny(&self, caller: &Caller, action: Action, what: String) -> No {
        observe::denied(caller.actor.as_str(), &what);
        (self.denied)(caller, action, &what);
        No::Denied(what)
    }
}

/// Who asks, as the guard left it.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Caller, No> {
    let caller = request.extensions().get::<Caller>();
    caller.cloned().ok_or_else(|| No::Stranger("nobody vouches for the caller".to_owned()))
}

#[cfg(test)]
pub(crate) mod tests;
