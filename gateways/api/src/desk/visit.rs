//! Who asks, and whether they may: the same at every door.

use super::origin;
use crate::api::{Api, Visitor};
use crate::door::{Peer, UNIX_ADDRESS};
use crate::doors::{Allowance, TooFast, Who, network};
use crate::problem::Problem;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, header};
use stele_commands::access::{BAD_KEY, Denied, FORBIDDEN, NO_CREDENTIAL};
use stele_domain::access::{Action, Caller};

/// How a key is presented.
const SCHEME: &str = "bearer ";
/// The code of a visitor who is too fast.
pub(crate) const RATE_LIMITED: &str = "rate-limited";
/// The code of a wish that another site's page makes.
const CROSS_SITE: &str = "cross-site";

/// The visitor behind a request. A key that is presented counts before whatever else vouches: who lends a key to a
/// script on the machine itself wants the script to have no more than the key.
///
/// # Errors
///
/// 401 with the gatekeeper's code; 429 when the address was refused too often. Both are counted as strangers.
pub(crate) fn visitor(api: &Api, extensions: &Extensions, headers: &HeaderMap) -> Result<Visitor, Problem> {
    let at = match (extensions.get::<Visitor>(), extensions.get::<Peer>()) {
        (Some(known), _) => {
            At { known: Some(&known.caller), address: &known.caller.origin.address, stop: &known.stop }
        }
        (None, Some(peer)) => At { known: peer.certified.as_ref(), address: &peer.address, stop: &peer.stop },
        // A router without a door: nobody says who asks, or when to stop.
        (None, None) => return Err(unauthorized(NO_CREDENTIAL, "nobody vouches for this request")),
    };
    let caller = match (headers.get(header::AUTHORIZATION), at.known) {
        (Some(presented), _) => {
            let key = presented.to_str().ok().and_then(bearer);
            let Some(key) = key else {
                api.gatekeeper.stranger(at.address, BAD_KEY);
                return Err(slowed(
                    api,
                    at.address,
                    unauthorized(BAD_KEY, "Authorization must be `Bearer stele_…`"),
                ));
            };
            let known = api.gatekeeper.authenticate(key, at.address);
            known.map_err(|denied| slowed(api, at.address, refused(&denied)))?
        }
        (None, Some(caller)) => caller.clone(),
        (None, None) => {
            api.gatekeeper.stranger(at.address, NO_CREDENTIAL);
            let detail = "send a key (`Authorization: Bearer stele_…`), or a client certificate where the door \
                          asks for one";
            return Err(slowed(api, at.address, unauthorized(NO_CREDENTIAL, detail)));
        }
    };
    Ok(Visitor { caller, stop: at.stop.clone() })
}

/// The other end of the connection.
struct At<'r> {
    known: Option<&'r Caller>,
    address: &'r str,
    stop: &'r stele_commands::stop::Stop,
}

fn bearer(text: &str) -> Option<&str> {
    let scheme = text.get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| text.get(SCHEME.len()..).unwrap_or_default().trim())
}

/// Strangers who knock too often are told to wait. Nobody with a key ever waits because of them.
fn slowed(api: &Api, address: &str, problem: Problem) -> Problem {
    match api.doors.rates.stranger(address) {
        Ok(_) => problem,
        Err(too_fast) => too_fast.problem(),
    }
}

/// Whether the visitor may do it now.
///
/// # Errors
///
/// 403 `forbidden` by role or scope, 403 `cross-site` when another site's page asks in the visitor's name, 429
/// `rate-limited`. All are recorded as attempts.
pub(crate) fn admit(
    api: &Api,
    visitor: &Visitor,
    action: Action,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Allowance>, Problem> {
    let caller = &visitor.caller;
    let allowance = if on_the_machine(caller) {
        None
    } else {
        // What somebody may not do is counted too, stopping included: each refusal is kept.
        let taken = api.doors.rates.take(caller.actor.as_str(), action, caller.may(action));
        taken.map_err(|too_fast| {
            api.gatekeeper.limited(caller, action, RATE_LIMITED);
            too_fast.problem()
        })?
    };
    api.gatekeeper.admit(caller, action).map_err(|denied| refused(&denied))?;
    if origin::vouched_for_by_itself(caller)
        && origin::changes(action)
        && let Some(site) = origin::elsewhere(headers, uri)
    {
        let detail = format!(
            "{site} asks for this with a credential that a browser sends along unasked: ask from the desk's own page, \
             or with a key"
        );
        api.gatekeeper.denied(caller, action, &detail);
        return Err(Problem::new(StatusCode::FORBIDDEN, CROSS_SITE, detail));
    }
    Ok(allowance)
}

/// Who stands at the machine itself is not slowed down.
pub(crate) fn on_the_machine(caller: &Caller) -> bool {
    caller.origin.address == UNIX_ADDRESS && caller.origin.key_id.is_none()
}

/// In whose name a caller takes seats: two keys of one owner are one.
pub(crate) fn who(caller: &Caller) -> Who {
    let name = caller.actor.as_str();
    if on_the_machine(caller) { Who::on_the_machine(name) } else { Who::named(name) }
}

/// In whose name seats are taken for what is for everybody: by address, credential or not.
pub(crate) fn passer_by(extensions: &Extensions) -> Who {
    let known = extensions.get::<Visitor>().map(|visitor| &visitor.caller);
    match (known, extensions.get::<Peer>()) {
        (Some(caller), _) if on_the_machine(caller) => who(caller),
        (Some(caller), _) => Who::named(&network(&caller.origin.address)),
        (None, Some(peer)) => Who::named(&network(&peer.address)),
        (None, None) => Who::named(""),
    }
}

/// The same, for what may be asked so often only.
///
/// # Errors
///
/// 429 `rate-limited`: by address, together with those whose credential was refused.
pub(crate) fn paced_passer_by(api: &Api, extensions: &Extensions) -> Result<Who, Problem> {
    let who = passer_by(extensions);
    if !who.is_on_the_machine() {
        api.doors.rates.stranger(who.name()).map_err(TooFast::problem)?;
    }
    Ok(who)
}

/// A no of the gatekeeper, as doors say it.
pub(crate) fn refused(denied: &Denied) -> Problem {
    let status = if denied.code == FORBIDDEN { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
    Problem::new(status, denied.code, denied.message.clone())
}

fn unauthorized(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}
