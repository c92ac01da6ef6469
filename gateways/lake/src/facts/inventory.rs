//! Balances at the verifier, a row for every token of every reading.

use super::Fact;
use super::common::{json, row, subject, table, with_common};
use std::collections::{BTreeMap, BTreeSet};
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::TokenId;
use stele_domain::money::Units;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::treasury::event::Event as Treasury;
use stele_domain::treasury::inventory::event::Event as Inventory;

/// Balances.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_inventory",
    "Balances at the verifier, all of a reading at one block: a row for every token that it names.",
    COLUMNS,
    &["position", "token"],
);

const COLUMNS: &[Column] = &with_common::<22>(&[
    column("account", Kind::Text, "The account."),
    column("token", Kind::Text, "The token."),
    column("credited", Kind::Units, "Credited coin, in base units. Only this can be spent."),
    column("pending_in", Kind::Units, "Deposits seen and not credited, in base units."),
    column("pending_out", Kind::Units, "Withdrawals asked for and not debited, in base units."),
    column("height", Kind::Int64, "Height of the block."),
    column("block_hash", Kind::Text, "Its hash."),
    column("block_at", Kind::Timestamp, "Its time."),
    column("fee_pips", Kind::Int64, "Protocol fee in millionths."),
    column("blocked", Kind::Json, "Why the venue would refuse our signature; empty when it would not."),
    column("providers", Kind::Int64, "How many providers agreed."),
    column("observed_at", Kind::Timestamp, "When the answer came in."),
]);

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Event::Treasury(Treasury::Inventory(Inventory::BalancesObserved(e))) = &event.event else { return };
    let of = |amounts: &BTreeMap<TokenId, Units>, token| {
        Cell::Units(amounts.get(token).copied().unwrap_or_default())
    };
    let named = e.credited.keys().chain(e.pending_in.keys()).chain(e.pending_out.keys());
    for token in named.collect::<BTreeSet<_>>() {
        let own = [
            subject(event),
            token.into(),
            of(&e.credited, token),
            of(&e.pending_in, token),
            of(&e.pending_out, token),
            Cell::count(e.height),
            e.block_hash.as_str().into(),
            Cell::Time(e.block_at),
            Cell::Int(i64::from(e.fee_pips)),
            json(&e.blocked),
            Cell::Int(i64::from(e.providers)),
            Cell::Time(e.observed_at),
        ];
        rows.push(row(event, own));
    }
}
