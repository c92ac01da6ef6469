//! Why the lake said no, or could not answer.

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use std::error::Error;
use stele_domain::codec::CodecError;
use stele_domain::port::blob_store::BlobError;
use stele_domain::port::event_log::{LogError, Position};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The store said no, or did not answer.
    #[error("the store of the lake")]
    Store(#[from] BlobError),
    /// The log said no, or did not answer.
    #[error("the log that the lake follows")]
    Log(#[from] LogError),
    /// What is stored is not what was written.
    #[error("table {table} is damaged: {object}: {what}")]
    Damaged {
        /// Which table.
        table: String,
        /// Which object of it.
        object: String,
        /// What is wrong there.
        what: String,
    },
    /// The table asks of its readers or writers what this build can't do.
    #[error(
        "table {table} asks for Delta reader version {reader} and writer version {writer}; this build knows 1 and 2: \
         another program has upgraded it, publish to another place"
    )]
    Protocol {
        /// Which table.
        table: String,
        /// What it asks of readers.
        reader: u64,
        /// What it asks of writers.
        writer: u64,
    },
    /// The columns are not those of this build, and not a beginning of them.
    #[error("table {table} has other columns than this build writes ({what}): publish to another place")]
    OtherColumns {
        /// Which table.
        table: String,
        /// How they differ.
        what: String,
    },
    /// The rows of the table are not of this log.
    #[error(
        "table {table} was published from another log: at position {position} it names event {kept}, and this log has \
         {found}. Publish to another place"
    )]
    OtherLog {
        /// Which table.
        table: String,
        /// Where they differ.
        position: Position,
        /// What the table names.
        kept: String,
        /// What the log has.
        found: String,
    },
    /// Somebody else published meanwhile: the rows that were prepared are not those that come next.
    #[error("somebody else has published to table {table} up to position {at}")]
    Superseded {
        /// Which table.
        table: String,
        /// How far it is now.
        at: Position,
    },
    /// Others commit faster than this writer can.
    #[error("table {table}: {attempts} commits were lost to other writers")]
    Contended {
        /// Which table.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Two writers could commit over each other.
    #[error(
        "{store} lets {winners} of {writers} writers create one object, and one may: several writers would lose rows here"
    )]
    NotAtomic {
        /// Which store.
        store: String,
        /// How many believe that they made it.
        winners: usize,
        /// How many tried.
        writers: usize,
    },
    /// An event can't be read by this build.
    #[error("the event at position {position} can't be read by this build: the lake stops in front of it")]
    Undecodable {
        /// Where it is.
        position: Position,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// A row does not fit its table: a mistake of this build.
    #[error("a row does not fit table {table}: {what}")]
    Misfit {
        /// Which table.
        table: String,
        /// What is wrong.
        what: String,
    },
    /// A limit was passed.
    #[error("table {table}: {what}")]
    Limit {
        /// Which table.
        table: String,
        /// Which limit, and what to do.
        what: String,
    },
    /// Columns can't be made of the rows.
    #[error("columns can't be made")]
    Columns(#[from] ArrowError),
    /// A Parquet file can't be written or read.
    #[error("a Parquet file can't be written or read")]
    Parquet(#[from] ParquetError),
    /// A task of the process ended in the middle.
    #[error("a task of the lake ended in the middle")]
    Task(#[source] Box<dyn Error + Send + Sync>),
}

/// Every word that [`LakeError::name`] says.
pub(crate) const KINDS: [&str; 18] = [
    "missing",
    "short",
    "too_large",
    "denied",
    "full",
    "unreachable",
    "log",
    "damaged",
    "protocol",
    "other_columns",
    "other_log",
    "superseded",
    "contended",
    "not_atomic",
    "undecodable",
    "misfit",
    "limit",
    "internal",
];

impl LakeError {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Log(error) => error.is_transient(),
            Self::Superseded { .. } | Self::Contended { .. } => true,
            Self::Damaged { .. }
            | Self::Protocol { .. }
            | Self::OtherColumns { .. }
            | Self::OtherLog { .. }
            | Self::NotAtomic { .. }
            | Self::Undecodable { .. }
            | Self::Misfit { .. }
            | Self::Limit { .. }
            | Self::Columns(_)
            | Self::Parquet(_)
            | Self::Task(_) => false,
        }
    }

    /// One word for the kind, for figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Store(error) => error.name(),
            Self::Log(_) => "log",
            Self::Damaged { .. } => "damaged",
            Self::Protocol { .. } => "protocol",
            Self::OtherColumns { .. } => "other_columns",
            Self::OtherLog { .. } => "other_log",
            Self::Superseded { .. } => "superseded",
            Self::Contended { .. } => "contended",
            Self::NotAtomic { .. } => "not_atomic",
            Self::Undecodable { .. } => "undecodable",
            Self::Misfit { .. } => "misfit",
            Self::Limit { .. } => "limit",
            Self::Columns(_) | Self::Parquet(_) | Self::Task(_) => "internal",
        }
    }

    pub(crate) fn damaged(table: &str, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { table: table.to_owned(), object: object.into(), what: what.into() }
    }
}
