//! What the account holds: every snapshot, every surprise, and the balances as of now with what open offers
//! have reserved of them.

use super::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use stele_domain::ids::{EventId, TokenId};
use stele_domain::money::Units;
use stele_domain::port::venue::TokenAmount;
use stele_domain::trading::account::event::Event as Desk;
use stele_domain::trading::event::Event as Trading;
use stele_domain::treasury::event::Event as Treasury;
use stele_domain::treasury::inventory::event::{
    BalancesObserved, Drift, Event as Balances, NonceSeen, VenueBlock,
};

/// `state.intent_inventory` of the trade loop.
pub struct Inventory;

/// One reading of the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryRow {
    pub position: Position,
    pub event_id: EventId,
    pub account: String,
    pub height: u64,
    pub block_hash: String,
    pub block_at: Timestamp,
    pub credited: BTreeMap<TokenId, Units>,
    pub pending_in: BTreeMap<TokenId, Units>,
    pub pending_out: BTreeMap<TokenId, Units>,
    pub salt: String,
    pub fee_pips: u32,
    pub blocked: Vec<VenueBlock>,
    pub nonces: Vec<NonceSeen>,
    pub providers: u32,
    pub observed_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// One surprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRow {
    pub position: Position,
    pub account: String,
    pub kind: String,
    pub token: Option<TokenId>,
    pub expected: Option<Units>,
    pub observed: Option<Units>,
    pub height: Option<u64>,
    pub detail: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

/// One balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceRow {
    pub account: String,
    pub token: TokenId,
    pub position: Position,
    pub last_position: Position,
    pub credited: Units,
    pub reserved: Units,
    pub pending_in: Units,
    pub pending_out: Units,
    pub height: Option<u64>,
    pub observed_at: Option<Timestamp>,
}

impl TableRow for InventoryRow {
    const TABLE: Table = Table {
        name: "inventory",
        doc: "Every reading of the verifier, all of it at one block.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("event_id", Kind::Text, "The event; decisions and submissions name it."),
            column("account", Kind::Text, "The account."),
            column("height", Kind::Int64, "Height of the block."),
            column("block_hash", Kind::Text, "Its hash."),
            column("block_at", Kind::Timestamp, "Its time."),
            column("credited", Kind::Json, "Base units by token. Only these can be spent."),
            column("pending_in", Kind::Json, "Deposits seen and not credited, base units by token."),
            column("pending_out", Kind::Json, "Withdrawals asked for and not debited, base units by token."),
            column("salt", Kind::Text, "Current salt of the verifier."),
            column("fee_pips", Kind::Int64, "Protocol fee in millionths."),
            column(
                "blocked",
                Kind::Json,
                "Why the venue would refuse our signature; empty when it would not.",
            ),
            column("nonces", Kind::Json, "The nonces of our open offers, and whether they were used."),
            column("providers", Kind::Int64, "How many providers agreed."),
            column("observed_at", Kind::Timestamp, "When the answer came in."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["event_id"],
        retention: newest(5_000, 3),
        append_only: true,
    };
}

impl TableRow for IncidentRow {
    const TABLE: Table = Table {
        name: "inventory_incidents",
        doc: "Balances that moved unasked, and readings that failed.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("account", Kind::Text, "The account."),
            column("kind", Kind::Text, "drop, credit or unavailable."),
            optional("token", Kind::Text, "Which token moved."),
            optional("expected", Kind::Units, "What we worked out, in base units."),
            optional("observed", Kind::Units, "What the verifier said, in base units."),
            optional("height", Kind::Int64, "At which block."),
            column("detail", Kind::Text, "Why a reading failed; empty for a balance that moved."),
            column("at", Kind::Timestamp, "When it was noticed."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["kind"],
        retention: newest(2_000, 2),
        append_only: true,
    };
}

impl TableRow for BalanceRow {
    const TABLE: Table = Table {
        name: "balances",
        doc: "Balances as of the last reading that named the token, and what open offers have reserved since.",
        columns: &[
            column("account", Kind::Text, "The account."),
            column("token", Kind::Text, "The token."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("credited", Kind::Units, "Credited coin, in base units."),
            column("reserved", Kind::Units, "Reserved by open offers, in base units."),
            column("pending_in", Kind::Units, "Deposits not credited, in base units. Never spendable."),
            column("pending_out", Kind::Units, "Withdrawals not debited, in base units."),
            optional("height", Kind::Int64, "Block of the last reading."),
            optional("observed_at", Kind::Timestamp, "When the last reading came in."),
        ],
        key: &["account", "token"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Inventory {
    const NAME: &'static str = "inventory";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[InventoryRow::TABLE, IncidentRow::TABLE, BalanceRow::TABLE];
    const FOLDS: &'static [&'static str] = &[
        "treasury.BalancesObserved",
        "treasury.DriftDetected",
        "treasury.InventoryUnavailable",
        "trading.SubmissionStarted",
        "trading.ReservationReleased",
    ];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Treasury(Treasury::Inventory(Balances::BalancesObserved(seen))) = &event.event {
            for token in tokens(seen) {
                keys.add::<BalanceRow>((subject(event), token));
            }
        }
        if let Some((amount, _)) = reservation(&event.event) {
            keys.add::<BalanceRow>((subject(event), &amount.token));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        if let Some((amount, reserves)) = reservation(&event.event) {
            return change(event, rows, &amount.token, |row| {
                let reserved = row.reserved;
                let after =
                    if reserves { reserved.plus(amount.amount) } else { reserved.minus(amount.amount) };
                row.reserved = after.ok_or(Poison::OutOfRange { what: "the reserved amount" })?;
                Ok(())
            });
        }
        let Event::Treasury(Treasury::Inventory(inventory)) = &event.event else { return Ok(()) };
        match inventory {
            Balances::BalancesObserved(seen) => observed(event, seen, rows),
            Balances::DriftDetected(drift) => rows.insert(&IncidentRow {
                kind: match drift.drift {
                    Drift::Drop => "drop".to_owned(),
                    Drift::Credit => "credit".to_owned(),
                },
                token: Some(drift.token.clone()),
                expected: Some(drift.expected),
                observed: Some(drift.observed),
                height: Some(drift.height),
                ..incident(event, drift.at)
            }),
            Balances::InventoryUnavailable(gone) => rows.insert(&IncidentRow {
                kind: "unavailable".to_owned(),
                detail: cut(&gone.reason, 1_000),
                ..incident(event, gone.at)
            }),
        }
    }
}

/// What an event reserves (`true`) or gives back (`false`).
fn reservation(event: &Event) -> Option<(&TokenAmount, bool)> {
    let Event::Trading(Trading::Account(desk)) = event else { return None };
    if let Desk::SubmissionStarted(started) = desk {
        Some((&started.give, true))
    } else if let Desk::ReservationReleased(released) = desk {
        Some((&released.amount, false))
    } else {
        None
    }
}

fn tokens(seen: &BalancesObserved) -> BTreeSet<&TokenId> {
    seen.credited.keys().chain(seen.pending_in.keys()).chain(seen.pending_out.keys()).collect()
}

fn observed(event: &Recorded, seen: &BalancesObserved, rows: &mut Rows<'_>) -> Result<(), Poison> {
    for token in tokens(seen) {
        let of = |amounts: &BTreeMap<TokenId, Units>| amounts.get(token).copied().unwrap_or_default();
        change(event, rows, token, |row| {
            row.credited = of(&seen.credited);
            row.pending_in = of(&seen.pending_in);
            row.pending_out = of(&seen.pending_out);
            (row.height, row.observed_at) = (Some(seen.height), Some(seen.observed_at));
            Ok(())
        })?;
    }
    rows.insert(&InventoryRow {
        position: event.position,
        event_id: event.event_id,
        account: subject(event),
        height: seen.height,
        block_hash: seen.block_hash.clone(),
        block_at: seen.block_at,
        credited: seen.credited.clone(),
        pending_in: seen.pending_in.clone(),
        pending_out: seen.pending_out.clone(),
        salt: seen.salt.clone(),
        fee_pips: seen.fee_pips,
        blocked: seen.blocked.clone(),
        nonces: seen.nonces.clone(),
        providers: seen.providers,
        observed_at: seen.observed_at,
        recorded_at: event.recorded_at,
    })
}

fn change(
    event: &Recorded,
    rows: &mut Rows<'_>,
    token: &TokenId,
    change: impl FnOnce(&mut BalanceRow) -> Result<(), Poison>,
) -> Result<(), Poison> {
    let fresh = || BalanceRow {
        account: subject(event),
        token: token.clone(),
        position: event.position,
        last_position: event.position,
        credited: Units::ZERO,
        reserved: Units::ZERO,
        pending_in: Units::ZERO,
        pending_out: Units::ZERO,
        height: None,
        observed_at: None,
    };
    rows.upsert::<BalanceRow>((subject(event), token), fresh, |row| {
        row.last_position = event.position;
        change(row)
    })
}

fn incident(event: &Recorded, at: Timestamp) -> IncidentRow {
    IncidentRow {
        position: event.position,
        account: subject(event),
        kind: String::new(),
        token: None,
        expected: None,
        observed: None,
        height: None,
        detail: String::new(),
        at,
        recorded_at: event.recorded_at,
    }
}
