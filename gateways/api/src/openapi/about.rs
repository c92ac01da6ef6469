//! What each route is for, in words: the part of the document that follows from nothing else.

use super::params::{
    AS_OF, AUDIT, CATEGORY, CURSOR, LIMIT, LOG_PLACE, ONE_PROJECTION, PARKED_AT, PROJECTION, Param, SERVICE,
    TYPE, header, path, query,
};
use super::schemas::{alert, boolean, free, position, stream, topics, word};

/// What a route is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// As in the list of routes.
    pub(super) id: &'static str,
    /// The group that it is shown in.
    pub(super) tag: &'static str,
    /// In a few words.
    pub(super) summary: &'static str,
    /// What else there is to know.
    pub(super) detail: &'static str,
    /// Parameters of the path and the query.
    pub(super) params: &'static [Param],
    /// Whether it takes `Min-Log-Position` and `Prefer: wait`.
    pub(super) waits: bool,
    /// The message that it takes, and one to try.
    pub(super) body: Option<(&'static str, &'static str)>,
    /// What it answers.
    pub(super) answer: Said,
    /// Answers that say no, besides those that every route of its kind has.
    pub(super) noes: &'static [u16],
}

/// What a route answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// A message.
    Json(&'static str),
    /// A message, or the same with 202 when another person is needed.
    JsonOrAccepted(&'static str),
    /// A message, also with 503.
    Health(&'static str),
    /// One message per line.
    Lines(&'static str),
    /// Server-Sent Events.
    Events,
    /// Text for people or machines.
    Text(&'static str),
    /// A document whose form is somebody else's.
    Foreign(&'static str),
    /// Rows of one table: one operation for each.
    Rows,
}

const DESK: &str = "Desk";
const CONTROL: &str = "Control";
const TABLES: &str = "Tables";
const LIVE: &str = "Live";
const LOG: &str = "Log";
const ACCESS: &str = "Access";
const MACHINES: &str = "Machines";

/// The groups, in the order of the page.
pub(super) const TAGS: [(&str, &str); 7] = [
    (DESK, "The desk as it stands."),
    (
        CONTROL,
        "What a person can ask for. Each wish takes an `Idempotency-Key` and is recorded, refused ones too.",
    ),
    (TABLES, "Read models: typed tables that follow from the log."),
    (LIVE, "What happens, as it happens."),
    (LOG, "The event log itself, for those who may read it raw."),
    (ACCESS, "Keys and roles."),
    (MACHINES, "Probes, metrics and this document."),
];

const fn about(id: &'static str, tag: &'static str, summary: &'static str, answer: Said) -> About {
    About { id, tag, summary, detail: "", params: &[], waits: false, body: None, answer, noes: &[] }
}

const fn wish(id: &'static str, summary: &'static str, body: (&'static str, &'static str)) -> About {
    About { body: Some(body), ..about(id, CONTROL, summary, Said::Json("Written")) }
}

const REASON: (&str, &str) = ("Reason", r#"{"reason":"maintenance of the feed"}"#);

/// Every route, in the order of the page.
pub(super) const ABOUT: [About; 52] = [
    About {
        waits: true,
        detail: "While the tables can't be read, what comes from them is null and `tables_unavailable` says why; the \
                 account, the services, the alerts and the log are told all the same. With `Min-Log-Position` it is 503 \
                 then.",
        ..about("status", DESK, "The desk on one page", Said::Json("Status"))
    },
    About {
        detail: "Arming, lease and open offers: folded from the log when it is asked for, never from a table.",
        ..about("account", DESK, "The signing account", Said::Json("AccountAnswer"))
    },
    About {
        detail: "Those in force and those to come, each with the hash that an approval is bound to.",
        ..about("limits", DESK, "The limits", Said::Json("LimitsAnswer"))
    },
    about("filter", DESK, "The pair filter", Said::Json("Filter")),
    About {
        detail: "Read from the log when it is asked for, never from a table.",
        ..about("alerts", DESK, "What needs a person now", Said::Json("AlertsAnswer"))
    },
    About {
        waits: true,
        params: &[path("id", "Quote id, decision id, command id, quote hash or transaction.", free), AS_OF],
        noes: &[404],
        ..about("trace", DESK, "One quote's whole story, by any id that belongs to it", Said::Json("Trace"))
    },
    About {
        detail: "For a time that is given by `for_ms` or `until`. Where the limits in force ask for a second person, \
                 the answer is 202 with what somebody else must approve.",
        answer: Said::JsonOrAccepted("Written"),
        ..wish(
            "arm",
            "Let offers be made",
            ("Arm", r#"{"reason":"opening the desk","mode":"full","for_ms":600000}"#),
        )
    },
    About {
        noes: &[404],
        detail: "By another person than the one who asked, and bound to the hash of the limits that were shown.",
        ..wish(
            "approve",
            "Approve an arming that another person asked for",
            (
                "Approve",
                r#"{"request_id":"019234ab-0000-7000-8000-000000000000","limits_hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","reason":"seen with the risk desk"}"#,
            ),
        )
    },
    About {
        detail: "Also the way back from KILLED. Never limited in rate, never refused for want of a reason.",
        ..wish("disarm", "Let no offers be made", ("ReasonOrNone", r#"{"reason":"lunch"}"#))
    },
    About {
        detail: "From any state, at once. The answer has the proof: whether a frame can still leave, and every \
                 signature that could still be executed. Never limited in rate, never refused for want of a reason.",
        answer: Said::Json("Killed"),
        ..wish("kill", "Stop everything", ("ReasonOrNone", r#"{"reason":"the price looks wrong"}"#))
    },
    About {
        detail: "All of them, every time. `limits_version` is the newest version that you were shown: refused when \
                 there is a newer one.",
        ..wish("set_limits", "Set the limits", ("SetLimits", super::schemas::LIMITS_EXAMPLE))
    },
    wish(
        "set_filter",
        "Listen to these pairs only",
        ("SetFilter", r#"{"entries":["btc-eure"],"reason":"only the main pair today"}"#),
    ),
    wish("reset_filter", "Listen to every configured pair again", REASON),
    About { params: &[SERVICE], noes: &[404], ..wish("pause", "Let a service take no new work", REASON) },
    About { params: &[SERVICE], noes: &[404], ..wish("resume", "Let a service take work again", REASON) },
    About {
        params: &[SERVICE],
        noes: &[404],
        ..wish("drain", "Let a service finish what is in flight, and take nothing new", REASON)
    },
    About {
        params: &[SERVICE],
        noes: &[404],
        answer: Said::Json("Refreshed"),
        ..wish(
            "refresh",
            "Let `market` or `inventory` look now",
            ("ReasonOrNone", r#"{"reason":"a deposit came in"}"#),
        )
    },
    About {
        params: &[path("kind", "Which alert.", alert)],
        noes: &[404],
        detail: "Only what has happened and does not pass by itself (`waits_for_person`) waits for somebody who says what \
                 they found. The rest is cleared by the desk as soon as it no longer holds, and refused here.",
        ..wish(
            "clear_alert",
            "Clear an alert that waits for a person",
            ("Reason", r#"{"reason":"a deposit of our own, seen at the custodian"}"#),
        )
    },
    About {
        waits: true,
        params: &[AS_OF],
        ..about("tables", TABLES, "Every table, with what its columns mean", Said::Json("TablesAnswer"))
    },
    About {
        waits: true,
        detail: "Filter with `<column>=<value>`, as often as wanted; `null` finds empty cells. A cursor is good for \
                 the same table, order and filters. Of a table whose rows never change, all pages of one walk show \
                 what there was when it began; of others, each page shows rows as they are now. With `as_of` all pages \
                 show one moment of the past; rows of histories that are only in the log are counted in `cut_rows`.",
        noes: &[404, 410],
        ..about("rows", TABLES, "Rows", Said::Rows)
    },
    About {
        waits: true,
        params: &[path("table", "Which table.", word), CURSOR, AS_OF],
        noes: &[404],
        ..about("dump", TABLES, "Canonical rows by key, for comparison", Said::Json("DumpPage"))
    },
    About {
        params: &[PROJECTION],
        noes: &[404, 409],
        detail: "Of all processes that work on the same tables.",
        ..about(
            "rebuilds",
            TABLES,
            "Rebuilds, and replaced tables that are still there",
            Said::Json("RebuildsAnswer"),
        )
    },
    About {
        params: &[PROJECTION],
        noes: &[404],
        answer: Said::Json("RebuildAnswer"),
        detail: "The log is folded from zero into next tables while the live ones serve. Where the definition is unchanged \
                 both are compared at one position, and tables that differ are not swapped. Asked again after an \
                 interruption it goes on where it was. The answer comes when it has begun. 409 `rebuild-under-way` while \
                 somebody is at it, `old-tables-kept` until replaced tables are dropped, `rebuild-blocked` when something \
                 else is in the way, `not-here` where another process keeps the tables.",
        ..wish(
            "rebuild",
            "Fold a projection anew, and swap its tables",
            ("StartRebuild", r#"{"reason":"a row was changed by hand"}"#),
        )
    },
    About {
        params: &[PROJECTION],
        noes: &[404],
        answer: Said::Json("RebuildAnswer"),
        ..wish("drop_old", "Drop the tables that a rebuild has replaced", REASON)
    },
    About {
        params: &[PROJECTION],
        noes: &[404],
        detail: "The tables of a projection are as if these events had not happened, and everything else goes on. Read from the \
                 log, so it is answered without tables, too.",
        ..about("parked", TABLES, "Events that a projection could not take in", Said::Json("ParkedAnswer"))
    },
    About {
        params: &[ONE_PROJECTION, PARKED_AT],
        noes: &[404],
        ..about("parked_event", TABLES, "A parked event, and what was said of it", Said::Json("ParkedDetail"))
    },
    About {
        params: &[ONE_PROJECTION, PARKED_AT],
        noes: &[404],
        detail: "For when its cause is mended. The tables change with the next rebuild of the projection: it takes the event \
                 in, or parks it again.",
        ..wish(
            "retry_parked",
            "Let a parked event be tried again",
            ("Reason", r#"{"reason":"the check was taken away"}"#),
        )
    },
    About {
        params: &[ONE_PROJECTION, PARKED_AT],
        noes: &[404],
        detail: "The tables are right without it, and nobody is told of it any more. It is for every version of the \
                 projection that lacks the event; `remark` names those that try it again all the same. 409 `being_retried` \
                 where every one does.",
        ..wish(
            "skip_parked",
            "Leave a parked event out for good",
            ("Reason", r#"{"reason":"made up to test us"}"#),
        )
    },
    About {
        detail: "Server-Sent Events. Each event is named after its topic, and its id is its position in the log: a \
                 client that comes again with `Last-Event-ID` misses nothing and hears nothing twice. Besides: \
                 `caught_up` when everything up to the head has been told, `fell_behind` to a slow reader, who then \
                 hears the same from the log at their own pace, `heartbeat` every 5 s, `closing` when the desk stops, \
                 `failed` when the log can't be read. A stream of which nothing is taken for 30 s is cut off. From now on \
                 without `from`.",
        params: &[
            query("topics", "What to listen to, with commas; everything without it.", topics),
            query("from", "Begin with this position.", position),
            header("Last-Event-ID", "Begin after this position; counts before `from`.", position),
        ],
        ..about("stream", LIVE, "Live events", Said::Events)
    },
    about("log_stat", LOG, "The log in numbers", Said::Json("LogStat")),
    About {
        params: &[
            query("from", "Begin here: a position, or a revision when one stream is read.", position),
            LIMIT,
            CATEGORY,
            TYPE,
            query("stream", "One stream, whole; not together with `category` and `type`.", stream),
            query("backward", "Newest first.", boolean),
        ],
        ..about("events", LOG, "Events as they are kept", Said::Json("EventsPage"))
    },
    About { params: &[LOG_PLACE], noes: &[404], ..about("event", LOG, "One event", Said::Json("Event")) },
    About {
        detail: "Anybody who has the log's public key can check it, and needs to trust nobody.",
        params: &[LOG_PLACE],
        noes: &[404],
        ..about("event_proof", LOG, "A proof that an event is in the log", Said::Json("EventProof"))
    },
    About {
        detail: "Whoever has the older checkpoint, the newer one and the log's public key can check it. 409 \
                 `size-beyond-log` when the log does not have as many commits: it was cut, or the checkpoint is of another \
                 one.",
        params: &[
            query(
                "old_commits",
                "The earlier size, which the older checkpoint says; 0 without it.",
                position,
            ),
            query("new_commits", "The later size; everything that is durable without it.", position),
        ],
        noes: &[409],
        ..about(
            "consistency",
            LOG,
            "A proof that the log goes on from a checkpoint",
            Said::Json("ConsistencyProof"),
        )
    },
    About {
        detail: "One JSON value per line: `event`, `caught_up`, `heartbeat` (every 5 s), `closing`, `failed`. From now on \
                 without `from`.",
        params: &[
            query("from", "Begin with this position.", position),
            CATEGORY,
            TYPE,
            query("stream", "Only this stream; not together with `category` and `type`.", stream),
        ],
        ..about("follow", LOG, "The log as it grows", Said::Lines("FollowLine"))
    },
    About {
        detail: "A C2SP `tlog-checkpoint` note. Kept outside of the desk, it makes truncation and rewriting visible.",
        body: Some(("Empty", "{}")),
        ..about("checkpoint", LOG, "A freshly signed checkpoint", Said::Json("CheckpointAnswer"))
    },
    About {
        waits: true,
        detail: "Canonical rows as of one position, one JSON value per line: pages, then `end`. The projections stand \
                 still meanwhile, for a minute at most; trading does not.",
        ..about("proof", LOG, "Every row of every table, for an auditor", Said::Lines("ProofLine"))
    },
    About {
        detail: "Verifies the log, folds it from zero, and holds the tables beside what follows: their rows, and the digests \
                 that are kept beside them. One at a time: 409 `audit_running` while another goes on, and `audit_elsewhere` \
                 in a process that does not own the log.",
        body: Some(("StartAudit", r#"{"reason":"end of the quarter"}"#)),
        ..about("start_audit", TABLES, "Begin an audit", Said::Json("Audit"))
    },
    about("audits", TABLES, "The audits that this process remembers", Said::Json("AuditsAnswer")),
    About {
        params: &[AUDIT],
        noes: &[404],
        ..about("audit", TABLES, "How an audit stands", Said::Json("Audit"))
    },
    About {
        params: &[AUDIT],
        detail: "Signed, byte for byte: `ops/audit/FORMAT.md` says how it is checked. 409 `no-report` while there is none.",
        noes: &[404, 409],
        ..about("audit_report", TABLES, "The signed report of an audit", Said::Foreign("application/json"))
    },
    about("whoami", ACCESS, "Who you are, and what you may do", Said::Json("WhoAmI")),
    about("roles", ACCESS, "What each role may do", Said::Json("RolesAnswer")),
    about("keys", ACCESS, "Every key, without its secret", Said::Json("KeysAnswer")),
    About {
        detail: "The answer shows the key this once. Asked again with the same `Idempotency-Key`, it is refused: what was \
                 shown can't be shown again.",
        body: Some((
            "CreateKey",
            r#"{"owner":"ann","role":"viewer","label":"dashboard","for_ms":2592000000,"reason":"a screen in the office"}"#,
        )),
        answer: Said::Json("CreatedKey"),
        ..about("create_key", ACCESS, "Give somebody a key", Said::Json("CreatedKey"))
    },
    About {
        params: &[path("key_id", "Which key.", word)],
        body: Some(REASON),
        noes: &[404],
        ..about("revoke_key", ACCESS, "Take a key back", Said::Json("Written"))
    },
    about("livez", MACHINES, "The process answers", Said::Json("Health")),
    about("readyz", MACHINES, "Everything that the desk needs works", Said::Health("Ready")),
    about("statusz", MACHINES, "Positions of the log and of every projection", Said::Json("Statusz")),
    about("metrics", MACHINES, "Metrics in the text form that Prometheus reads", Said::Text("text/plain")),
    about("openapi", MACHINES, "This document", Said::Foreign("application/json")),
    about("reference", MACHINES, "This document, for people", Said::Text("text/html")),
];
