//! The desk on one page.

use super::harmless::harmless;
use super::table;
use super::units::{clock, moment, number, of_token};
use crate::amounts::span;
use stele_api::dto::{
    Account, Arming, Counters, Heard, Inventory, Lease, Price, PriceSource, Reads, Relay, ServiceState,
    ServiceStatus, Status,
};
use stele_domain::money::{BasisPoints, Units};
use stele_domain::pair::Pair;
use stele_domain::time::Timestamp;

/// The page.
pub(crate) fn page(status: &Status, pair: &Pair) -> String {
    let mut parts = vec![heading(status), arming(&status.account, status.at, pair)];
    parts.extend(without_tables(status));
    parts.push(services(&status.services, status.account.lease.as_ref()));
    parts.extend(status.prices.iter().flatten().map(|one| price(one, pair)));
    parts.extend(status.inventory.as_ref().map(|held| inventory(held, pair)));
    parts.extend(open_offers(&status.account, pair));
    parts.push(alerts(status));
    parts.extend(status.counters.as_ref().map(counters));
    parts.push(tables(status));
    parts.join("\n\n")
}

fn heading(status: &Status) -> String {
    let (instance, version) = (harmless(&status.instance), harmless(&status.version));
    format!("Desk {instance}, Stele {version}, {}", moment(status.at))
}

/// What is missing on the page, and why.
fn without_tables(status: &Status) -> Option<String> {
    let why = status.tables_unavailable.as_ref()?;
    if status.as_of.is_none() {
        return Some(harmless(&format!(
            "The tables can't be read: {why}. Prices, balances, the relay and counts are missing here; what stands in \
             the log is shown"
        )));
    }
    let parts = [
        ("prices", status.prices.is_none()),
        ("balances", status.inventory.is_none()),
        ("the relay", status.relays.is_none()),
        ("counts", status.counters.is_none()),
    ];
    let missing: Vec<&str> =
        parts.into_iter().filter(|(_, missing)| *missing).map(|(part, _)| part).collect();
    let missing = match missing.len() {
        0 => "What else comes from it is missing here".to_owned(),
        _ => format!("Missing here: {}", missing.join(", ")),
    };
    Some(harmless(&format!("Not every table can be read: {why}. {missing}; `stele audit` names such rows")))
}

/// Whether offers may be made, in the first lines that anybody reads.
fn arming(account: &Account, at: Timestamp, pair: &Pair) -> String {
    let state = match account.arming {
        Arming::Disarmed => match &account.armed {
            Some(armed) if armed.expired => {
                format!("DISARMED (armed until {}, which has passed)", clock(armed.until))
            }
            Some(_) => "DISARMED (the lease of the executor has ended)".to_owned(),
            None => "DISARMED: no offers are made".to_owned(),
        },
        Arming::Killed => {
            "KILLED: no offers are made. Look at what is open, then: stele disarm --reason …".to_owned()
        }
        Arming::Armed => armed("ARMED for both directions", account, at),
        Arming::Reducing => armed("REDUCING: only towards the base target", account, at),
    };
    let limits = match (account.limits_version, account.limits_version_newest) {
        (Some(version), _) => format!("version {version}"),
        (None, Some(newest)) => format!("version {newest} is set, and not in force yet"),
        (None, None) => {
            "none: nothing is offered without them (stele limits set --from-config --reason …)".to_owned()
        }
    };
    let lease = match &account.lease {
        Some(lease) if lease.lapsed => {
            format!("lapsed; last held by {} (epoch {})", lease.holder, lease.epoch)
        }
        Some(lease) => format!("{} (epoch {})", lease.holder, lease.epoch),
        None => "nobody".to_owned(),
    };
    let reserved = account.reserved.iter().map(|held| amount(&held.amount, &held.token, pair));
    let reserved = match account.reserved.len() {
        0 => "nothing".to_owned(),
        _ => reserved.collect::<Vec<_>>().join(", "),
    };
    let mut facts = vec![("offers", state)];
    facts.extend(waiting(account));
    facts.extend([
        ("limits", limits),
        ("may sign", lease),
        (
            "open offers",
            format!(
                "{}, {} of them with an unknown outcome",
                account.open_offers.len(),
                account.uncertain_offers
            ),
        ),
        ("reserved", reserved),
    ]);
    table::facts(facts)
}

/// What waits for a second person, with the command that is theirs.
fn waiting(account: &Account) -> Vec<(&'static str, String)> {
    let line = |what: &str, by: &str, reason: &str, until: Timestamp, id: &dyn std::fmt::Display| {
        let until = clock(until);
        format!(
            "{by} asks to {what}: {reason}. Until {until} another person agrees with: stele approve {id} --reason …"
        )
    };
    let arm = account.arm_request.as_ref();
    let arm = arm.map(|asked| line("arm", &asked.by, &asked.reason, asked.expires_at, &asked.request_id));
    let back = account.stand_down_request.as_ref();
    let back = back.map(|asked| {
        line("stand the account down", &asked.by, &asked.reason, asked.expires_at, &asked.request_id)
    });
    arm.into_iter().chain(back).map(|words| ("WAITS", words)).collect()
}

fn armed(how: &str, account: &Account, at: Timestamp) -> String {
    match &account.armed {
        Some(armed) => {
            format!(
                "{how}, until {} ({} left). Reason: {}",
                clock(armed.until),
                span(armed.until.millis_since(at)),
                armed.reason
            )
        }
        None => how.to_owned(),
    }
}

fn services(services: &[ServiceStatus], lease: Option<&Lease>) -> String {
    let mut table = table::framed(&["service", "state", "what it knows", "last success", "in its way"]);
    for service in services {
        let state = match service.state {
            ServiceState::NeverStarted => "never started".to_owned(),
            ServiceState::Running => running(service.heard(lease)),
            ServiceState::Paused => "paused".to_owned(),
            ServiceState::Draining => "draining".to_owned(),
            ServiceState::Drained => "drained".to_owned(),
        };
        let state = if service.reason.is_empty() { state } else { format!("{state}: {}", service.reason) };
        let reads = match service.reads {
            Reads::Authoritative => "newest",
            Reads::Stale => "STALE",
            Reads::Nothing => "nothing yet",
            Reads::Unknown => "not known",
        };
        let last = match (service.last_success_at, service.reads) {
            (Some(at), _) => clock(at),
            (None, Reads::Unknown) => String::new(),
            (None, Reads::Authoritative | Reads::Stale | Reads::Nothing) => "never".to_owned(),
        };
        let blocked = service.blocked.clone().unwrap_or_default();
        table.add_row([service.service.clone(), state, reads.to_owned(), last, blocked]);
    }
    table.to_string()
}

/// What can be said of a service that was started and that nobody has stopped.
fn running(heard: Heard) -> String {
    match heard {
        Heard::Here => "running".to_owned(),
        Heard::Elsewhere => "running elsewhere".to_owned(),
        Heard::Last(Some(at)) => format!("started elsewhere, last heard of {}", moment(at)),
        Heard::Last(None) => "started elsewhere".to_owned(),
        Heard::Silent(since) => format!("NOT HEARD OF since {}, when its lease ended", moment(since)),
    }
}

fn price(price: &Price, pair: &Pair) -> String {
    let quote = &pair.quote.asset.symbol;
    let verdict = match (&price.rate, &price.block) {
        (Some(rate), _) => {
            let spread =
                price.spread_bps.map_or_else(String::new, |bps| format!(", spread {}", BasisPoints(bps)));
            let age = price.age_ms.map_or_else(String::new, |ms| format!(", {} old", span(ms)));
            format!("{} {quote} ({}{spread}{age})", number(rate), price.status)
        }
        (None, Some(block)) => format!("BLOCKED: {block}"),
        (None, None) => "none yet".to_owned(),
    };
    let mut table = table::framed(&["source", "connection", "healthy", "bid", "ask", "age"]);
    for source in &price.sources {
        table.add_row(source_row(source));
    }
    format!("{}\n{table}", harmless(&format!("Price of {}: {verdict}", price.pair)))
}

fn source_row(source: &PriceSource) -> [String; 6] {
    let healthy = match source.healthy {
        Some(true) => "yes".to_owned(),
        Some(false) => format!("no: {}", source.reason),
        None => String::new(),
    };
    let shown = |rate: &Option<String>| rate.as_deref().map(number).unwrap_or_default();
    [
        source.source.clone(),
        source.link.clone().unwrap_or_else(|| "unknown".to_owned()),
        healthy,
        shown(&source.bid),
        shown(&source.ask),
        source.age_ms.map(span).unwrap_or_default(),
    ]
}

fn inventory(inventory: &Inventory, pair: &Pair) -> String {
    let when = match (inventory.height, inventory.age_ms) {
        (Some(height), Some(age)) => format!("block {height}, read {} ago", span(age)),
        (_, _) => "not read yet".to_owned(),
    };
    let blocked = if inventory.blocked.is_empty() {
        String::new()
    } else {
        format!("; the venue would refuse our signature: {}", inventory.blocked.join(", "))
    };
    let mut table = table::framed(&["token", "credited", "reserved", "on its way in"]);
    for balance in &inventory.balances {
        let of = |units: &str| amount(units, &balance.token, pair);
        table.add_row([
            balance.token.clone(),
            of(&balance.credited),
            of(&balance.reserved),
            of(&balance.pending_in),
        ]);
    }
    format!("{}\n{table}", harmless(&format!("Balances: {when}{blocked}")))
}

fn open_offers(account: &Account, pair: &Pair) -> Option<String> {
    if account.open_offers.is_empty() {
        return None;
    }
    let mut table = table::framed(&["command", "phase", "give", "receive", "can be executed until"]);
    for offer in &account.open_offers {
        table.add_row([
            offer.command_id.to_string(),
            offer.phase.clone(),
            amount(&offer.give.amount, &offer.give.token, pair),
            amount(&offer.receive.amount, &offer.receive.token, pair),
            clock(offer.offer_deadline),
        ]);
    }
    Some(format!("Open offers\n{table}"))
}

fn alerts(status: &Status) -> String {
    if status.alerts.is_empty() {
        return "Alerts: none".to_owned();
    }
    let clear = if status.alerts.iter().any(|alert| alert.waits_for_person) {
        "\nWhat happened stays until a person says what it was: stele alerts clear KIND --reason …"
    } else {
        ""
    };
    let lines = status.alerts.iter().map(|alert| {
        let since = alert.raised_at.map_or_else(String::new, |at| format!(" (since {})", clock(at)));
        harmless(&format!("  {}: {}{since}", alert.kind, alert.detail))
    });
    format!("ALERTS\n{}{clear}", lines.collect::<Vec<_>>().join("\n"))
}

fn counters(counters: &Counters) -> String {
    let listed = |counts: &std::collections::BTreeMap<String, u64>| {
        let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
        counts.sort_by(|a, b| b.1.cmp(a.1));
        let words =
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
        if words.is_empty() { "none".to_owned() } else { words }
    };
    table::facts([
        ("quotes", counters.quotes.to_string()),
        ("decisions", format!("{}, skipped: {}", counters.decisions, listed(&counters.skipped))),
        ("commands", format!("{}, offers fixed: {}", counters.commands, counters.submissions)),
        ("results", listed(&counters.results)),
    ])
}

fn tables(status: &Status) -> String {
    let log = if status.log.reachable { "" } else { ", which does NOT ANSWER" };
    let how_far = match status.as_of.map(|as_of| status.head.saturating_sub(as_of)) {
        Some(0) => "up to date".to_owned(),
        Some(behind) => format!("{behind} events behind"),
        None => "NOT READABLE".to_owned(),
    };
    let why = if status.projections.why.is_empty() {
        String::new()
    } else {
        format!(": {}", status.projections.why)
    };
    let mut facts = vec![];
    facts.extend(status.relays.as_ref().map(|known| ("relay", relays(known))));
    facts.push(("log", format!("{} events{log}", status.head)));
    facts.push(("tables", format!("{}{why}, {how_far}", status.projections.state)));
    table::facts(facts)
}

fn relays(relays: &[Relay]) -> String {
    let relay = relays.iter().map(|relay| {
        let state = match (relay.connected, relay.pair_silent_since) {
            (true, Some(since)) => format!("connected, last request or connection {since}"),
            (true, None) => "connected".to_owned(),
            (false, _) => format!("NOT CONNECTED: {}", relay.reason),
        };
        format!("{} {state}", relay.venue)
    });
    let words = relay.collect::<Vec<_>>().join(", ");
    if words.is_empty() { "never connected".to_owned() } else { words }
}

/// Base units as text, in whole tokens.
fn amount(units: &str, token: &str, pair: &Pair) -> String {
    units.parse::<Units>().map_or_else(|_| units.to_owned(), |units| of_token(units, token, pair))
}

#[cfg(test)]
mod tests;
