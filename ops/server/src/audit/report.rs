//! The report: what was looked at, what was found, and the signature of the log's key over it. `ops/audit/FORMAT.md` says
//! every byte of it.

use super::seen::LOG_END;
use crate::exit::{Code, Failure, chain};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_event_log::note::{self, NoteSigner, NoteVerifier};
use stele_projections::audit::{Findings, NotLookedAt, OfProjection, OfTable, Verdict};
use zeroize::Zeroizing;

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// What is signed begins with this line, so that no signature of a checkpoint is one of a report.
pub(crate) const CONTEXT: &str = "stele.audit/v1";

/// How the line of the signature begins.
pub(crate) const SIGNATURE: &str = "  \"signature\": \"";

/// How the file ends.
pub(crate) const END: &str = "\"\n}\n";

/// The event by which a partition in the lake is known.
const TIERED: &str = "operations.PartitionTiered";

/// Where a log keeps its private key, and the public one.
const KEY_FILE: &str = "key";
const PUBLIC_KEY_FILE: &str = "key.pub";

/// The log has fewer commits than others have seen.
pub(super) const CUT: &str = "cut";

/// The log has other commits than others have seen.
pub(super) const REWRITTEN: &str = "rewritten";

/// An index file that is not what follows from its segment, in a log that is right.
pub(super) const INDEX: &str = "index";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub version: u32,
    pub verdict: Verdict,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
    pub build: Build,
    pub asked: Asked,
    pub log: LogSaid,
    pub tables: Compared,
    /// The last position that was folded; none when nothing was.
    pub position: Option<Position>,
    pub projections: Vec<OfProjection>,
    pub not_looked_at: Vec<NotLookedAt>,
}

/// What audited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Build {
    pub version: String,
}

/// What was asked for, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub by: String,
    pub projection: Option<String>,
    pub position: Option<u64>,
}

/// The tables that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// In words.
    pub kept_in: String,
    /// Whether there were any.
    pub there: bool,
}

/// What is said of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogSaid {
    /// Its name, which is also that of its key.
    pub origin: String,
    pub verified: bool,
    pub fault: Option<Fault>,
    /// Size of the tree.
    pub commits: u64,
    pub events: u64,
    pub segments: u64,
    pub bytes: u64,
    /// Hash of the tree, in hex; empty when the log is faulty.
    pub root: String,
    pub stored_checkpoints: u64,
    pub unfinished_bytes: u64,
    /// A signed checkpoint over exactly these commits.
    pub checkpoint: Option<String>,
}

/// What is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// `damaged`, `missing`, `foreign` or `archive`; `cut` or `rewritten` when others have seen more, or something else.
    pub kind: String,
    /// The file in the log's directory; who has seen it, when others have.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// In words.
    pub what: String,
}

impl Fault {
    /// Whether the log is whole in itself, and not what others have seen of it.
    pub(crate) fn is_contradiction(&self) -> bool {
        self.kind == CUT || self.kind == REWRITTEN
    }

    /// Whether no event is affected by it.
    pub(crate) fn is_of_an_index(&self) -> bool {
        self.kind == INDEX
    }

    /// In one line.
    pub(crate) fn words(&self) -> String {
        if self.is_contradiction() {
            return self.what.clone();
        }
        format!("{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

impl LogSaid {
    pub(super) fn faulty(origin: String, fault: Fault) -> Self {
        Self {
            origin,
            verified: false,
            fault: Some(fault),
            commits: 0,
            events: 0,
            segments: 0,
            bytes: 0,
            root: String::new(),
            stored_checkpoints: 0,
            unfinished_bytes: 0,
            checkpoint: None,
        }
    }
}

impl Report {
    pub(super) fn of(
        asked: Asked,
        build: Build,
        [began_at, ended_at]: [Timestamp; 2],
        log: LogSaid,
        tables: Compared,
        findings: Option<Findings>,
        end_unknown: Option<String>,
    ) -> Self {
        let mut not_looked_at = vec![];
        if !log.verified {
            let why = "the log is not what was written: what follows from it proves nothing".to_owned();
            not_looked_at.push(NotLookedAt { what: "all tables".to_owned(), why });
        } else if !tables.there {
            not_looked_at
                .push(NotLookedAt { what: "the rows of all tables".to_owned(), why: tables.kept_in.clone() });
        }
        let (position, projections) = match findings {
            Some(findings) => {
                not_looked_at.extend(findings.not_looked_at);
                (Some(findings.position), findings.projections)
            }
            None => (None, vec![]),
        };
        not_looked_at.extend(end_unknown.map(|why| NotLookedAt { what: LOG_END.to_owned(), why }));
        let mut report = Self {
            version: VERSION,
            verdict: Verdict::NotCompared,
            began_at,
            ended_at,
            build,
            asked,
            log,
            tables,
            position,
            projections,
            not_looked_at,
        };
        report.verdict = report.follows();
        report
    }

    /// The verdict that follows from what was found.
    pub(crate) fn follows(&self) -> Verdict {
        if !self.log.verified {
            return Verdict::Differs;
        }
        Verdict::of(self.projections.iter().map(|projection| projection.verdict))
    }

    /// Whether no verdict is better than what was found of rows that left, and every partition in the lake is known by an
    /// event.
    pub(crate) fn left_follows(&self) -> bool {
        let differs = |verdict: Verdict| verdict == Verdict::Differs;
        self.projections.iter().all(|projection| {
            projection.tables.iter().all(|table| {
                let parts = table
                    .parts
                    .iter()
                    .all(|part| part.tiered.is_none() || part.tiered == part.folded || differs(part.verdict));
                let partitions = table.tiered.iter().all(|one| {
                    one.event.event_type == TIERED
                        && (one.wrong.is_empty() || differs(one.verdict))
                        && (!differs(one.verdict) || (differs(table.verdict) && differs(projection.verdict)))
                });
                let lost = table.lost.is_none() || (differs(table.verdict) && differs(projection.verdict));
                parts && partitions && lost
            })
        })
    }

    /// Rows that differ, in all tables.
    pub(crate) fn rows_different(&self) -> u64 {
        let tables = self.projections.iter().flat_map(|projection| &projection.tables);
        tables.map(OfTable::rows_different).fold(0, u64::saturating_add)
    }

    /// The exit code that says so.
    pub(crate) fn code(&self) -> Option<Code> {
        if self.log.fault.as_ref().is_some_and(Fault::is_contradiction) {
            return Some(Code::Contradicted);
        }
        (self.verdict == Verdict::Differs).then_some(Code::Mismatch)
    }
}

/// A report as it is handed over.
pub(crate) struct Signed {
    pub report: Report,
    /// The file, byte for byte.
    pub text: String,
}

#[derive(Serialize)]
struct Body<'r> {
    report: &'r Report,
}

impl Signed {
    pub(super) fn by(report: Report, signer: &NoteSigner) -> Result<Self, Failure> {
        let whole = serde_json::to_string_pretty(&Body { report: &report });
        let whole = whole.map_err(|error| Failure::error(&error))?;
        let open = whole.strip_suffix("\n}").unwrap_or(&whole);
        let lines = format!("{},\n", visible(open));
        let vouched = note::attest(CONTEXT, &lines, signer);
        Ok(Self { report, text: format!("{lines}{SIGNATURE}{vouched}{END}") })
    }
}

/// JSON lets some characters through that steer a terminal; in its escaped form it has none.
fn visible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() && c != '\n' {
            // Writing to a string can't fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// The log's own key, which lies beside it for its owner alone. It is the one whose public half lies beside it: a report by
/// another key would be believed by nobody.
pub(super) fn signer(directory: &Path) -> Result<NoteSigner, Failure> {
    let (path, public) = (directory.join(KEY_FILE), directory.join(PUBLIC_KEY_FILE));
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|error| unread(&path, &error))?);
    let signer = NoteSigner::parse(&text).map_err(|error| {
        unsigned(Code::Mismatch, &format!("{} is no key of a log: {}", path.display(), chain(&error)))
    })?;
    let text = std::fs::read_to_string(&public).map_err(|error| unread(&public, &error))?;
    let verifier = NoteVerifier::parse(&text).map_err(|error| {
        unsigned(
            Code::Mismatch,
            &format!("{} is no public key of a log: {}", public.display(), chain(&error)),
        )
    })?;
    if verifier == *signer.verifier() {
        return Ok(signer);
    }
    Err(unsigned(
        Code::Foreign,
        &format!(
            "{} is a key of {}, and not the private part of {}, which is of {}",
            path.display(),
            signer.name(),
            public.display(),
            verifier.name()
        ),
    ))
}

/// A report that is not made, because nobody could believe it.
fn unsigned(code: Code, why: &str) -> Failure {
    Failure::new(code, format!("the report can't be signed: {why}")).advise(
        "nothing was changed. Put the file back from the newest backup that verifies; its name, stele.log/…, is that of the \
         log that stele log stat shows",
    )
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        return unsigned(Code::Missing, &format!("{} is missing", path.display()));
    }
    let code = crate::cli::of_disk(error).unwrap_or(Code::Error);
    Failure::new(code, format!("the report can't be signed: {} can't be read: {error}", path.display())).advise(
        "only the owner of the log can audit it: run this as the desk's user, on the desk's machine. Whoever may read the rest \
         can verify the log: stele log verify",
    )
}
