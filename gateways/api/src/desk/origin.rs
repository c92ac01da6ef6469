//! Whose page a request comes from. A browser sends a client certificate along with whatever any page asks for; only the
//! headers that no page can write tell the desk's own pages from others.

use axum::http::{HeaderMap, Uri, header};
use stele_domain::access::{Action, Caller};

/// Where a browser says how the page that asks and the desk are related.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// The answers that let a request through: a page of the desk itself, and no page at all.
const AT_HOME: [&str; 2] = ["same-origin", "none"];
/// Longest part of a header that is repeated, in characters.
const SHOWN_MAX: usize = 120;

/// Whether nobody had to write the credential down: it goes along by itself, unlike a key.
pub(super) fn vouched_for_by_itself(caller: &Caller) -> bool {
    caller.origin.key_id.is_none()
}

/// Whether doing it has an effect. A proof holds the projections still; what is only read, no other page can see.
pub(super) fn changes(action: Action) -> bool {
    match action {
        Action::Read | Action::ReadLog => false,
        Action::Prove
        | Action::Arm
        | Action::Approve
        | Action::Disarm
        | Action::Kill
        | Action::Steer
        | Action::Refresh
        | Action::SetLimits
        | Action::SetFilter
        | Action::ManageKeys
        | Action::AppendLog => true,
    }
}

/// The site that asks, when it is another one than the desk; nothing when no page asks, or one of the desk's own.
pub(super) fn elsewhere(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let word = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    let origin = word(header::ORIGIN.as_str());
    let shown = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>();
    if let Some(site) = word(SEC_FETCH_SITE).filter(|site| !AT_HOME.contains(&site.as_str())) {
        return Some(format!("a page of another site ({})", shown(origin.as_deref().unwrap_or(&site))));
    }
    let origin = origin?;
    let own = uri.authority().map(ToString::to_string).or_else(|| word(header::HOST.as_str()));
    let asks = origin.split_once("://").map(|(_, authority)| authority);
    match (asks, own) {
        (Some(asks), Some(own)) if asks.eq_ignore_ascii_case(&own) => None,
        (_, _) => Some(format!("a page of another site ({})", shown(&origin))),
    }
}

#[cfg(test)]
mod tests {
    use super::elsewhere;
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

    fn is_let_in(uri: &'static str, given: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        elsewhere(&headers, &Uri::from_static(uri)).is_none()
    }

    #[test]
    fn programs_and_the_desk_s_own_pages_are_let_in_and_other_pages_are_not() {
        let host = ("host", "desk.example:8420");
        assert!(is_let_in("/v1/account/kill", &[host]), "a program says nothing of pages");
        assert!(is_let_in("/", &[host, ("origin", "https://desk.example:8420")]));
        assert!(is_let_in("/", &[host, ("origin", "https://Desk.Example:8420")]));
        assert!(is_let_in("/", &[host, ("sec-fetch-site", "same-origin")]));
        assert!(is_let_in("/", &[host, ("sec-fetch-site", "none")]), "typed by a person");
        // With HTTP/2 the request itself says whom it is for.
        assert!(is_let_in("https://desk.example:8420/", &[("origin", "https://desk.example:8420")]));
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "what comes later"),
            ("origin", "https://evil.example"),
            ("origin", "https://desk.example"),
            ("origin", "https://desk.example:8420.evil.example"),
            ("origin", "null"),
            ("origin", ""),
        ] {
            assert!(!is_let_in("/", &[host, (name, value)]), "{name}: {value}");
        }
        assert!(!is_let_in("/", &[("origin", "https://desk.example")]), "whom it is for nobody said");
    }
}
