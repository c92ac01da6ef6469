//! What moved the coin that can be offered: reservations made and released, and balances that moved unasked.

use super::Fact;
use super::common::{maybe, of_account, row, subject, table, text, with_common};
use stele_domain::event::{Event, Recorded};
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::trading::account::event::{Event as Account, ReleaseCause};
use stele_domain::treasury::event::Event as Treasury;
use stele_domain::treasury::inventory::event::{Drift, Event as Inventory};

/// Liquidity.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_liquidity",
    "What moved the coin that can be offered: reservations of offers, their release, and balances that moved unasked.",
    COLUMNS,
    &["position"],
);

const COLUMNS: &[Column] = &with_common::<20>(&[
    column("account", Kind::Text, "The account."),
    column("token", Kind::Text, "The token."),
    column("kind", Kind::Text, "reserved, released, drop or credit."),
    column(
        "amount",
        Kind::Units,
        "How much is reserved, free again, gone, or there in addition; in base units.",
    ),
    optional("command_id", Kind::Text, "Of reserved and released: the command."),
    optional("cause", Kind::Text, "Of released: settled, deadline_passed or never_sent."),
    optional(
        "expected",
        Kind::Units,
        "Of drop and credit: what the balance should have been, in base units.",
    ),
    optional("observed", Kind::Units, "Of drop and credit: what it was, in base units."),
    optional("height", Kind::Int64, "The block that shows it."),
    column("at", Kind::Timestamp, "When it was noted."),
]);

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    rows.extend(moved(event).map(|own| row(event, own)));
}

fn moved(event: &Recorded) -> Option<[Cell; 10]> {
    if let Event::Treasury(Treasury::Inventory(Inventory::DriftDetected(e))) = &event.event {
        let (kind, amount) = match e.drift {
            Drift::Drop => ("drop", e.expected.minus_or_zero(e.observed)),
            Drift::Credit => ("credit", e.observed.minus_or_zero(e.expected)),
        };
        return Some([
            subject(event),
            (&e.token).into(),
            text(kind),
            Cell::Units(amount),
            Cell::Null,
            Cell::Null,
            Cell::Units(e.expected),
            Cell::Units(e.observed),
            Cell::count(e.height),
            Cell::Time(e.at),
        ]);
    }
    let (kind, command_id, amount, cause, height, at) = match of_account(&event.event)? {
        Account::SubmissionStarted(e) => {
            ("reserved", e.command_id, &e.give, Cell::Null, Cell::count(e.height), e.at)
        }
        Account::ReservationReleased(e) => {
            let cause = match e.cause {
                ReleaseCause::Settled => "settled",
                ReleaseCause::DeadlinePassed => "deadline_passed",
                ReleaseCause::NeverSent => "never_sent",
            };
            ("released", e.command_id, &e.amount, text(cause), maybe(e.height, Cell::count), e.at)
        }
        Account::LeaseTaken(_)
        | Account::LeaseRenewed(_)
        | Account::LimitsSet(_)
        | Account::Armed(_)
        | Account::ArmRequested(_)
        | Account::ArmApproved(_)
        | Account::Disarmed(_)
        | Account::Killed(_)
        | Account::KillConfirmed(_)
        | Account::StandDownAsked(_)
        | Account::ExecutionRefused(_)
        | Account::ExecutionExpired(_)
        | Account::SubmissionAbandoned(_)
        | Account::SubmissionAccepted(_)
        | Account::SubmissionRejected(_)
        | Account::SubmissionUncertain(_)
        | Account::ReplyContradicted(_)
        | Account::SubmissionSettled(_)
        | Account::SubmissionSettleFailed(_)
        | Account::SubmissionExpiredUnfilled(_) => return None,
    };
    Some([
        subject(event),
        (&amount.token).into(),
        text(kind),
        Cell::Units(amount.amount),
        command_id.into(),
        cause,
        Cell::Null,
        Cell::Null,
        height,
        Cell::Time(at),
    ])
}
