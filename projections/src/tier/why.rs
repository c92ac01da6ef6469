//! Why a partition went no further in a run than it did, from what is known of it and what was asked for.

use super::{Asked, Done, Outcome};

/// What decided where a partition is after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A projection still writes into it: it is the newest of its history, or one is behind.
    WrittenInto,
    /// Its newest row is younger than what goes to the lake.
    TooYoung,
    /// Its history is being folded by another definition, or up to there: what its rows come to is not known yet.
    BeingFolded,
    /// It is in the lake, and was not to leave the tables in this run.
    AskedToKeep,
    /// It is in the lake, and retention does not take it out of the tables yet.
    RetentionKeeps,
    /// It is in the lake, and an older one of its history stays in the tables, which have no holes.
    OlderStays,
    /// It was brought back, and is held.
    Held,
    /// It was old enough to leave.
    OldEnough,
    /// It is not what was kept of it.
    Differs,
    /// Something is in its way.
    Blocked,
    /// The tables, the lake or the log failed.
    Failed,
}

impl Why {
    /// Its stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrittenInto => "written_into",
            Self::TooYoung => "too_young",
            Self::BeingFolded => "being_folded",
            Self::AskedToKeep => "asked_to_keep",
            Self::RetentionKeeps => "retention_keeps",
            Self::OlderStays => "older_stays",
            Self::Held => "held",
            Self::OldEnough => "old_enough",
            Self::Differs => "differs",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

impl Done {
    /// Why it became this, in a run that was asked for so.
    #[must_use]
    pub fn why(&self, asked: &Asked) -> Why {
        let partition = &self.partition;
        match &self.outcome {
            Outcome::Stays if !partition.sealed => Why::WrittenInto,
            Outcome::Stays if !partition.tier_due => Why::TooYoung,
            Outcome::Stays => Why::BeingFolded,
            Outcome::Tiered | Outcome::Both if asked.keep => Why::AskedToKeep,
            Outcome::Tiered | Outcome::Both if !partition.drop_due => Why::RetentionKeeps,
            Outcome::Tiered | Outcome::Both => Why::OlderStays,
            Outcome::Held(_) => Why::Held,
            Outcome::Left => Why::OldEnough,
            Outcome::Differs(_) => Why::Differs,
            Outcome::Blocked(_) => Why::Blocked,
            Outcome::Failed(_) => Why::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Done, Outcome};
    use stele_domain::port::event_log::Position;
    use stele_domain::port::tiering::Partition;

    fn why((sealed, tier_due, drop_due): (bool, bool, bool), outcome: Outcome, keep: bool) -> &'static str {
        let partition = Partition {
            table: "quotes",
            name: "quotes_p0".to_owned(),
            from: Position(0),
            to: Position(1_000_000),
            newest: None,
            sealed,
            tier_due,
            drop_due,
        };
        Done { partition, rows: 0, outcome }.why(&Asked { keep, ..Asked::default() }).code()
    }

    #[test]
    fn every_partition_is_where_it_is_for_one_reason() {
        let of = |partition, outcome| why(partition, outcome, false);
        assert_eq!(of((false, false, false), Outcome::Stays), "written_into");
        assert_eq!(of((false, true, true), Outcome::Stays), "written_into");
        assert_eq!(of((true, false, false), Outcome::Stays), "too_young");
        assert_eq!(of((true, true, true), Outcome::Stays), "being_folded");
        for outcome in [Outcome::Tiered, Outcome::Both] {
            assert_eq!(why((true, true, true), outcome.clone(), true), "asked_to_keep");
            assert_eq!(of((true, true, false), outcome.clone()), "retention_keeps");
            assert_eq!(of((true, true, true), outcome), "older_stays");
        }
        assert_eq!(of((true, true, true), Outcome::Left), "old_enough");
        assert_eq!(of((true, true, true), Outcome::Blocked("x".to_owned())), "blocked");
    }
}
