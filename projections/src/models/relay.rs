//! The connection to the relay, the frames that could not be read, and what the relay said of our own offers.

use super::prelude::*;
use stele_domain::ids::{EventId, QuoteHash};
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::relay::event::Event as RelayEvent;
use stele_domain::port::feeds::SettlementWord;

/// The relay.
pub struct Relay;

/// One venue's relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayRow {
    pub venue: String,
    pub position: Position,
    pub last_position: Position,
    pub connected: bool,
    pub since: Option<Timestamp>,
    pub reason: String,
    pub connects: u64,
    pub frames_rejected: u64,
    pub settlements_reported: u64,
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedFrameRow {
    pub position: Position,
    pub venue: String,
    pub why: String,
    pub frame: String,
    pub bytes: u64,
    pub suppressed: u64,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// What the relay said of one of our offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementRow {
    pub position: Position,
    pub event_id: EventId,
    pub quote_hash: QuoteHash,
    pub intent_hash: Option<String>,
    pub tx_hash: Option<String>,
    pub word: SettlementWord,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for RelayRow {
    const TABLE: Table = Table {
        name: "relay_state",
        doc: "Whether the relay can be heard.",
        columns: &[
            column("venue", Kind::Text, "The venue."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("connected", Kind::Bool, "Connected and subscribed."),
            optional("since", Kind::Timestamp, "Since when it is so."),
            column("reason", Kind::Text, "Why it is not; empty while it is."),
            column("connects", Kind::Int64, "How often it was connected."),
            column(
                "frames_rejected",
                Kind::Int64,
                "Frames that could not be read, those of a storm included.",
            ),
            column("settlements_reported", Kind::Int64, "How often it spoke of our own offers."),
        ],
        key: &["venue"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl TableRow for RejectedFrameRow {
    const TABLE: Table = Table {
        name: "rejected_frames",
        doc: "Frames that could not be read.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("venue", Kind::Text, "The venue."),
            column("why", Kind::Text, "Why it could not be read."),
            column("frame", Kind::Text, "The frame, cut to 4 KiB."),
            column("bytes", Kind::Int64, "Its length before the cut, in bytes."),
            column("suppressed", Kind::Int64, "How many were left out since the one before."),
            column("received_at", Kind::Timestamp, "Stamped by the socket reader."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &[],
        retention: newest(2_000, 4),
        append_only: true,
    };
}

impl TableRow for SettlementRow {
    const TABLE: Table = Table {
        name: "settlement_notices",
        doc: "What the relay said of our own offers. The account believes the chain, not this.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("event_id", Kind::Text, "The event."),
            column("quote_hash", Kind::Text, "Which offer."),
            optional("intent_hash", Kind::Text, "The intent it was executed with."),
            optional("tx_hash", Kind::Text, "The transaction."),
            column("word", Kind::Text, "settled, failed or ready."),
            column("received_at", Kind::Timestamp, "Stamped by the socket reader."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["quote_hash", "tx_hash"],
        retention: newest(20_000, 8),
        append_only: true,
    };
}

impl Projection for Relay {
    const NAME: &'static str = "relay";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[RelayRow::TABLE, RejectedFrameRow::TABLE, SettlementRow::TABLE];
    const FOLDS: &'static [&'static str] = &[
        "intents.RelayConnected",
        "intents.RelayDisconnected",
        "intents.FrameRejected",
        "intents.SettlementReported",
        "intents.ReplyReported",
    ];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Intents(Intents::Relay(_)) = &event.event {
            keys.add::<RelayRow>(subject(event));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Intents(Intents::Relay(relay)) = &event.event else { return Ok(()) };
        beside(event, relay, rows)?;
        let fresh = || RelayRow {
            venue: subject(event),
            position: event.position,
            last_position: event.position,
            connected: false,
            since: None,
            reason: String::new(),
            connects: 0,
            frames_rejected: 0,
            settlements_reported: 0,
        };
        rows.upsert::<RelayRow>(subject(event), fresh, |row| {
            row.last_position = event.position;
            match relay {
                RelayEvent::RelayConnected(up) => {
                    (row.connected, row.since, row.reason) = (true, Some(up.at), String::new());
                    row.connects = one_more(row.connects)?;
                }
                RelayEvent::RelayDisconnected(down) => {
                    (row.connected, row.since) = (false, Some(down.at));
                    row.reason = cut(&down.reason, 1_000);
                }
                RelayEvent::FrameRejected(frame) => {
                    let more = row.frames_rejected.saturating_add(frame.suppressed);
                    row.frames_rejected = one_more(more)?;
                }
                RelayEvent::SettlementReported(_) => {
                    row.settlements_reported = one_more(row.settlements_reported)?;
                }
                // What it is worth stands in the results, when the account has decided it.
                RelayEvent::ReplyReported(_) => {}
            }
            Ok(())
        })
    }
}

fn beside(event: &Recorded, relay: &RelayEvent, rows: &mut Rows<'_>) -> Result<(), Poison> {
    match relay {
        RelayEvent::FrameRejected(frame) => rows.insert(&RejectedFrameRow {
            position: event.position,
            venue: subject(event),
            why: cut(&frame.why, 1_000),
            frame: frame.frame.clone(),
            bytes: frame.bytes,
            suppressed: frame.suppressed,
            received_at: frame.received_at,
            recorded_at: event.recorded_at,
        }),
        RelayEvent::SettlementReported(notice) => rows.insert(&SettlementRow {
            position: event.position,
            event_id: event.event_id,
            quote_hash: notice.quote_hash.clone(),
            intent_hash: notice.intent_hash.clone(),
            tx_hash: notice.tx_hash.clone(),
            word: notice.word,
            received_at: notice.received_at,
            recorded_at: event.recorded_at,
        }),
        RelayEvent::RelayConnected(_) | RelayEvent::RelayDisconnected(_) | RelayEvent::ReplyReported(_) => {
            Ok(())
        }
    }
}
