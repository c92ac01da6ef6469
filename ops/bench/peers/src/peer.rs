//! Who is measured.

use clap::ValueEnum;

/// Who is measured, in the order of the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// The machine's limit: the same bytes, the simplest group commit.
    Raw,
    /// Stele's embedded log, as shipped.
    Stele,
    /// The same with zeros ready, as raw has them.
    #[value(name = "stele-room")]
    SteleRoom,
    /// tephra, in process.
    Tephra,
    /// fjall, in process, grouped.
    Fjall,
    /// SQLite, in process, grouped.
    Sqlite,
    /// UmaDB's core, in process.
    #[value(name = "umadb")]
    UmaCore,
    /// UmaDB over gRPC.
    #[value(name = "umadb-grpc")]
    UmaServer,
    /// Redis.
    Redis,
    /// A PostgreSQL table.
    Postgres,
}

impl Peer {
    /// Everybody.
    pub const ALL: [Self; 10] = [
        Self::Raw,
        Self::Stele,
        Self::SteleRoom,
        Self::Tephra,
        Self::Fjall,
        Self::Sqlite,
        Self::UmaCore,
        Self::UmaServer,
        Self::Redis,
        Self::Postgres,
    ];
    /// The others that live in this process.
    pub const EMBEDDED: [Self; 4] = [Self::Tephra, Self::Fjall, Self::Sqlite, Self::UmaCore];

    /// As the table has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Stele => "stele",
            Self::SteleRoom => "stele-room",
            Self::Tephra => "tephra",
            Self::Fjall => "fjall",
            Self::Sqlite => "sqlite",
            Self::UmaCore => "umadb",
            Self::UmaServer => "umadb-grpc",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}
