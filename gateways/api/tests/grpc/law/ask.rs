//! Steps that make sense, and steps that don't.

use quickcheck::{Arbitrary, Gen};
use stele_domain::access::Role;

/// What is asked, in order.
#[derive(Debug, Clone)]
pub struct Script(pub Vec<Step>);

#[derive(Debug, Clone)]
pub struct Step {
    pub role: Role,
    pub key: Key,
    pub ask: Ask,
    /// How far the clock goes on afterwards.
    pub pause_ms: i64,
}

/// Under which id a wish is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// One of its own.
    Fresh,
    /// One that other steps may have used, for the same or something else.
    Shared(u8),
    /// None that can be read.
    Nonsense,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    Account(Account),
    Setting(Setting),
    Keys(Keys),
    Tables(Tables),
    Look(Look),
}

/// What tables lack, rebuilds and audits. A rebuild that begins is told of elsewhere: when it ends depends on nobody here.
#[derive(Debug, Clone, PartialEq)]
pub enum Tables {
    Parked { projection: &'static str },
    ParkedEvent { projection: &'static str, place: Place },
    Decide { skip: bool, projection: &'static str, place: Place, reason: &'static str },
    Rebuilds { projection: &'static str },
    StartRebuild { reason: &'static str },
    StartAudit { projection: Option<&'static str>, position: Option<u64>, reason: &'static str },
    Audits,
    Audit { id: &'static str },
    Report { id: &'static str },
}

/// Where a parked event may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// There is one.
    Damaged,
    /// There is none.
    First,
    /// There is no such place.
    Nowhere,
}

impl Place {
    pub fn position(self, damaged: u64) -> u64 {
        match self {
            Self::Damaged => damaged,
            Self::First => 1,
            Self::Nowhere => 0,
        }
    }
}

/// Wishes about the account.
#[derive(Debug, Clone, PartialEq)]
pub enum Account {
    Arm { mode: u8, term: Option<u64>, limits_version: Option<u64>, reason: &'static str },
    Approve { request: u8, reason: &'static str },
    Disarm { reason: &'static str },
    Kill { reason: &'static str },
}

/// Wishes about how the desk is set.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    SetLimits {
        edge_min_bps: i64,
        notional_max: Option<&'static str>,
        shown: Option<u64>,
        reason: &'static str,
    },
    SetFilter {
        entries: Vec<&'static str>,
        reason: &'static str,
    },
    ResetFilter {
        reason: &'static str,
    },
    Switch {
        what: Switch,
        service: u8,
        reason: &'static str,
    },
    Refresh {
        service: u8,
    },
    ClearAlert {
        kind: &'static str,
        reason: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    Pause,
    Resume,
    Drain,
}

/// Keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    Create {
        owner: &'static str,
        role: Role,
        actions: Vec<&'static str>,
        for_ms: Option<u64>,
        reason: &'static str,
    },
    Revoke {
        key_id: &'static str,
        reason: &'static str,
    },
    List,
}

/// Questions.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    Account,
    Limits,
    Filter,
    Alerts,
    Table {
        name: &'static str,
        size: Option<u32>,
        filter: Option<(&'static str, &'static str)>,
        token: &'static str,
    },
    Trace {
        id: &'static str,
    },
    Event {
        position: u64,
    },
    Events {
        stream: &'static str,
        backward: bool,
        size: Option<u32>,
    },
    Checkpoint,
    Prove {
        position: u64,
    },
}

/// The names of the services, and one that there is not.
pub const SERVICES: [&str; 7] =
    ["ingest", "market", "inventory", "strategy", "executor", "projections", "weather"];

/// The first of the shared keys by which audits are asked for.
const AUDITS: u8 = 15;

/// Versions of the limits that a person may have been shown.
const SHOWN: [Option<u64>; 5] = [None, None, Some(0), Some(1), Some(2)];

/// Amounts, some of which are none.
const AMOUNTS: [Option<&str>; 6] =
    [Some("100000000000000000000"), Some("100000000000000000000"), Some("1"), Some("-1"), Some("1e3"), None];

const REASONS: [&str; 5] = ["opening", "a quiet hour", "", "x", "seen with the risk desk"];

fn one<T: Clone>(g: &mut Gen, of: &[T]) -> T {
    g.choose(of).expect("something to choose from").clone()
}

impl Arbitrary for Script {
    fn arbitrary(g: &mut Gen) -> Self {
        let steps = usize::arbitrary(g) % 24;
        Self((0..steps).map(|_| Step::arbitrary(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let steps = self.0.clone();
        // Fewer steps; a step itself is small enough to read.
        Box::new((0..steps.len()).map(move |left_out| {
            let kept = steps.iter().enumerate().filter(|(at, _)| *at != left_out);
            Self(kept.map(|(_, step)| step.clone()).collect())
        }))
    }
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        // Those who may do most are asked for most, so that scripts get somewhere.
        let role = one(
            g,
            &[
                Role::Admin,
                Role::Admin,
                Role::Operator,
                Role::Operator,
                Role::Trader,
                Role::Viewer,
                Role::Auditor,
                Role::Service,
            ],
        );
        let which = u8::arbitrary(g) % 3;
        let shared = Key::Shared(which);
        let key = one(g, &[Key::Fresh, Key::Fresh, shared, shared, Key::Fresh, Key::Nonsense]);
        let (role, ask) = match key {
            // Now and then a wish has to be sent again as it was.
            Key::Shared(_) if bool::arbitrary(g) => (Role::Operator, again(which)),
            Key::Shared(_) | Key::Fresh | Key::Nonsense => (role, Ask::arbitrary(g)),
        };
        // Audits are asked for by ids of their own, so that one that has begun can be looked at.
        let key = match (&ask, key) {
            (Ask::Tables(Tables::StartAudit { .. }), Key::Fresh | Key::Shared(_)) => {
                Key::Shared(AUDITS + which)
            }
            (_, key) => key,
        };
        Self { role, key, ask, pause_ms: one(g, &[0, 0, 1_000, 700_000]) }
    }
}

/// The same wish for the same shared id.
fn again(which: u8) -> Ask {
    let reason = "a quiet hour";
    match which {
        0 => Ask::Setting(Setting::Switch { what: Switch::Pause, service: 1, reason }),
        1 => Ask::Setting(Setting::SetFilter { entries: vec!["btc-eure"], reason }),
        _ => {
            let term = Some(600_000);
            Ask::Account(Account::Arm { mode: 1, term, limits_version: None, reason })
        }
    }
}

impl Arbitrary for Ask {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 12 {
            10..=11 => Self::Tables(Tables::arbitrary(g)),
            0..=2 => Self::Account(Account::arbitrary(g)),
            3..=5 => Self::Setting(Setting::arbitrary(g)),
            6 => Self::Keys(Keys::arbitrary(g)),
            _ => Self::Look(Look::arbitrary(g)),
        }
    }
}

impl Arbitrary for Account {
    fn arbitrary(g: &mut Gen) -> Self {
        let reason = one(g, &REASONS);
        match u8::arbitrary(g) % 20 {
            // Nobody confirms a kill here, and each is waited for: seldom, then.
            0 => Self::Kill { reason },
            1..=4 => Self::Disarm { reason },
            5..=8 => Self::Approve { request: u8::arbitrary(g) % 3, reason },
            _ => Self::Arm {
                mode: u8::arbitrary(g) % 3,
                term: one(g, &[None, Some(0), Some(1_000), Some(600_000), Some(600_000), Some(u64::MAX)]),
                limits_version: one(g, &SHOWN),
                reason,
            },
        }
    }
}

impl Arbitrary for Setting {
    fn arbitrary(g: &mut Gen) -> Self {
        let (reason, service) = (one(g, &REASONS), u8::arbitrary(g) % 7);
        match u8::arbitrary(g) % 7 {
            0 => Self::SetLimits {
                edge_min_bps: one(g, &[200, 250, -1, i64::MAX]),
                notional_max: one(g, &AMOUNTS),
                shown: one(g, &SHOWN),
                reason,
            },
            1 => {
                let entries: [&[&'static str]; 6] = [
                    &[],
                    &["btc-eure"],
                    &["eth-eure"],
                    &["nep141:nbtc.bridge.near->nep141:gnosis-eure.omft.near"],
                    &["no pair at all"],
                    &["a->"],
                ];
                Self::SetFilter { entries: one(g, &entries).to_vec(), reason }
            }
            2 => Self::ResetFilter { reason },
            3 => Self::Refresh { service },
            4 => Self::ClearAlert {
                kind: one(g, &["unmatched_credit", "unexpected_drop", "price_blocked", "bad_weather"]),
                reason,
            },
            _ => {
                let what = one(g, &[Switch::Pause, Switch::Resume, Switch::Drain]);
                Self::Switch { what, service, reason }
            }
        }
    }
}

impl Arbitrary for Keys {
    fn arbitrary(g: &mut Gen) -> Self {
        let reason = one(g, &REASONS);
        let actions: [&[&'static str]; 3] = [&[], &["read"], &["read", "kill"]];
        match u8::arbitrary(g) % 4 {
            0 => Self::List,
            1 => Self::Revoke { key_id: one(g, &["k1", "", "nobody's"]), reason },
            _ => Self::Create {
                owner: one(g, &["ann", "bob", "", "Not An Owner"]),
                role: one(g, &Role::ALL),
                actions: one(g, &actions).to_vec(),
                for_ms: one(g, &[None, Some(1_000), Some(0), Some(u64::MAX)]),
                reason,
            },
        }
    }
}

impl Arbitrary for Tables {
    fn arbitrary(g: &mut Gen) -> Self {
        let reason = one(g, &REASONS);
        let projection = one(g, &["all", "quotes", "quotes", "keys", "orders"]);
        let place = one(g, &[Place::Damaged, Place::Damaged, Place::First, Place::Nowhere]);
        // Those of the wishes for one, one of none, and none at all.
        let ids = [
            "00000000-0000-0000-0000-000000000010",
            "00000000-0000-0000-0000-000000000011",
            "00000000-0000-0000-0000-000000000012",
            "00000000-0000-0000-0000-000000000001",
            "nonsense",
        ];
        match u8::arbitrary(g) % 11 {
            0 => Self::Parked { projection },
            1 => Self::ParkedEvent { projection, place },
            2..=4 => Self::Decide { skip: bool::arbitrary(g), projection, place, reason },
            5 => Self::Rebuilds { projection },
            6 => Self::StartRebuild { reason },
            7 => Self::Audits,
            8 => Self::Audit { id: one(g, &ids) },
            9 => Self::Report { id: one(g, &ids) },
            _ => Self::StartAudit {
                projection: one(g, &[None, None, Some("quotes"), Some("orders")]),
                position: one(g, &[None, None, Some(1), Some(u64::MAX)]),
                reason,
            },
        }
    }
}

impl Arbitrary for Look {
    fn arbitrary(g: &mut Gen) -> Self {
        let size = one(g, &[None, None, Some(0), Some(1), Some(1_000), Some(1_001)]);
        match u8::arbitrary(g) % 11 {
            0 => Self::Account,
            1 => Self::Limits,
            2 => Self::Filter,
            3 => Self::Checkpoint,
            4 => Self::Prove { position: one(g, &[0, 1, 100_000]) },
            5 => Self::Trace { id: one(g, &["unheard", "00000000-0000-0000-0000-000000000001"]) },
            6 => Self::Event { position: one(g, &[0, 1, 2, 5, 100_000, u64::MAX]) },
            7 => Self::Events {
                stream: one(g, &["", "account-desk.near", "filter-pairs", "nameless"]),
                backward: bool::arbitrary(g),
                size,
            },
            8 => Self::Alerts,
            _ => Self::Table {
                name: one(g, &["services", "decisions", "limits_history", "nothing"]),
                size,
                filter: one(
                    g,
                    &[None, None, Some(("position", "1")), Some(("position", "x")), Some(("none", "1"))],
                ),
                token: one(g, &["", "", "", "AAAA", "%"]),
            },
        }
    }
}
