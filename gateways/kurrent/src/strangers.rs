//! Those of whom nothing is known yet: how many of their connections stand at the same time, and how often an address may
//! come with credentials that are refused. Who has shown a key counts here no more.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most connections of which nothing is known yet, and most of one network.
const UNKNOWN_MAX: usize = 512;
const UNKNOWN_OF_ONE_MAX: usize = 64;
/// Most connections of one network, known or not, in parts of four of all.
const SHARE_OF_FOUR: usize = 3;
/// Refused credentials of one network at once, and the time after which one more is taken.
const REFUSED_MAX: u32 = 50;
const REFUSED_EVERY: Duration = Duration::from_millis(200);
/// Networks whose refusals are remembered; those beyond share one account.
const NETWORKS_MAX: usize = 4_096;

/// All of them.
#[derive(Debug)]
pub struct Strangers {
    connections_of_one: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// Connections by network, and those among them of whom nothing is known.
    connections: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    refused: BTreeMap<String, Refused>,
}

/// How often one network was refused of late.
#[derive(Debug, Clone, Copy)]
struct Refused {
    count: u32,
    since: Instant,
}

/// What a connection is as long as it stands.
#[derive(Debug)]
pub struct Visit {
    strangers: Arc<Strangers>,
    network: String,
    known: AtomicBool,
    turned_away: AtomicBool,
}

impl Strangers {
    /// Of a door with room for so many connections.
    pub fn new(connections_max: usize) -> Arc<Self> {
        let connections_of_one = (connections_max / 4 * SHARE_OF_FOUR).max(1);
        Arc::new(Self { connections_of_one, now: Mutex::default() })
    }

    /// A connection from an address; `None` when its network, or all strangers together, have as many as they may.
    pub fn come(self: &Arc<Self>, address: &str) -> Option<Arc<Visit>> {
        let network = network(address);
        let mut now = self.now();
        let own = now.connections.get(&network).copied().unwrap_or(0);
        let unknown = now.unknown.get(&network).copied().unwrap_or(0);
        let all: usize = now.unknown.values().sum();
        if own >= self.connections_of_one || unknown >= UNKNOWN_OF_ONE_MAX || all >= UNKNOWN_MAX {
            return None;
        }
        now.connections.insert(network.clone(), own + 1);
        now.unknown.insert(network.clone(), unknown + 1);
        drop(now);
        Some(Arc::new(Visit {
            strangers: Arc::clone(self),
            network,
            known: AtomicBool::new(false),
            turned_away: AtomicBool::new(false),
        }))
    }

    /// Counts a refusal; whether there were too many of late.
    fn too_often(&self, network: &str, at: Instant) -> bool {
        let mut now = self.now();
        if now.refused.len() >= NETWORKS_MAX && !now.refused.contains_key(network) {
            now.refused.retain(|_, refused| refused.at(at) > 0);
        }
        let full = now.refused.len() >= NETWORKS_MAX && !now.refused.contains_key(network);
        let account = if full { "" } else { network };
        let before = now.refused.get(account).map_or(0, |refused| refused.at(at));
        let count = before.saturating_add(1).min(REFUSED_MAX + 1);
        now.refused.insert(account.to_owned(), Refused { count, since: at });
        count > REFUSED_MAX
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // What it guards is whole between any two statements, so a panic elsewhere spoils nothing.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    /// How many still count.
    fn at(self, now: Instant) -> u32 {
        let forgotten = now.saturating_duration_since(self.since).as_millis() / REFUSED_EVERY.as_millis();
        self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

impl Visit {
    /// Somebody has shown a key that is taken.
    pub fn is_known(&self) {
        if !self.known.swap(true, Ordering::Relaxed) {
            leave(&mut self.strangers.now().unknown, &self.network);
        }
    }

    /// Whether anybody has.
    pub fn known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// A credential was refused; whoever comes with too many of them loses the connection.
    pub fn refused(&self) {
        if self.strangers.too_often(&self.network, Instant::now()) {
            self.turned_away.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection is to end.
    pub fn turned_away(&self) -> bool {
        self.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut now = self.strangers.now();
        leave(&mut now.connections, &self.network);
        if !self.known.load(Ordering::Relaxed) {
            leave(&mut now.unknown, &self.network);
        }
    }
}

fn leave(counts: &mut BTreeMap<String, usize>, network: &str) {
    if let Some(own) = counts.get_mut(network) {
        *own = own.saturating_sub(1);
        if *own == 0 {
            counts.remove(network);
        }
    }
}

/// The address, or the network of a customer with IPv6, who has 2^64 addresses to choose from.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
        Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{NETWORKS_MAX, REFUSED_EVERY, REFUSED_MAX, Strangers, UNKNOWN_MAX, UNKNOWN_OF_ONE_MAX};
    use tokio::time::Instant;

    #[test]
    fn one_network_has_its_share_of_strangers_and_who_shows_a_key_is_none() {
        let strangers = Strangers::new(1_024);
        let visits: Vec<_> = (0..100).map_while(|_| strangers.come("192.0.2.1")).collect();
        assert_eq!(visits.len(), UNKNOWN_OF_ONE_MAX);
        assert!(strangers.come("192.0.2.2").is_some(), "others find room");
        visits[0].is_known();
        visits[0].is_known();
        let next = strangers.come("192.0.2.1");
        assert!(next.is_some() && strangers.come("192.0.2.1").is_none(), "one place was given back, once");
        drop((visits, next));
        let now = strangers.now();
        assert_eq!((now.connections.len(), now.unknown.len()), (0, 0));
    }

    #[test]
    fn strangers_of_many_networks_leave_room_for_those_who_are_known() {
        let strangers = Strangers::new(1_024);
        let known: Vec<_> =
            (0..900).map_while(|_| strangers.come("192.0.2.1").inspect(|visit| visit.is_known())).collect();
        assert_eq!(known.len(), 768, "three quarters");
        let unknown: Vec<_> =
            (0..1_000).map_while(|n| strangers.come(&format!("2001:db8:{n:x}::1"))).collect();
        assert_eq!(unknown.len(), UNKNOWN_MAX);
        assert!(strangers.come("2001:db8:0:0:1::1").is_none());
    }

    #[test]
    fn refused_credentials_are_paced_by_network_and_forgotten() {
        let strangers = Strangers::new(1_024);
        let at = Instant::now();
        let often = |network: &str, at| strangers.too_often(network, at);
        assert!((0..REFUSED_MAX).all(|_| !often("192.0.2.1", at)));
        assert!(often("192.0.2.1", at) && !often("192.0.2.2", at));
        let later = at + REFUSED_EVERY * 10;
        assert_eq!((0..20).take_while(|_| !often("192.0.2.1", later)).count(), 9);
        for n in 0..NETWORKS_MAX * 2 {
            often(&n.to_string(), at);
        }
        assert!(strangers.now().refused.len() <= NETWORKS_MAX + 1);
    }
}
