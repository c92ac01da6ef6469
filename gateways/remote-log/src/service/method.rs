//! What can be called, told to doors that ask before they take a message: a call's name says who may make it, how large
//! it may be, and how its answer comes.

use crate::MESSAGE_BYTES_MAX;

/// Largest message that is no append, in bytes: names and numbers.
const QUESTION_BYTES_MAX: usize = 64 * 1024;

/// A method of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Keeps records.
    Append,
    /// Reads one stream.
    ReadStream,
    /// Reads the log.
    ReadAll,
    /// The last position.
    Head,
    /// The log in numbers.
    Stat,
    /// A signed checkpoint.
    Checkpoint,
    /// A proof.
    Prove,
    /// A proof that the log goes on from an earlier size.
    ProveConsistency,
    /// A live reading.
    Follow,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 9] = [
        Self::Append,
        Self::ReadStream,
        Self::ReadAll,
        Self::Head,
        Self::Stat,
        Self::Checkpoint,
        Self::Prove,
        Self::ProveConsistency,
        Self::Follow,
    ];

    /// Its name, as it stands at the end of a path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "Append",
            Self::ReadStream => "ReadStream",
            Self::ReadAll => "ReadAll",
            Self::Head => "Head",
            Self::Stat => "Stat",
            Self::Checkpoint => "Checkpoint",
            Self::Prove => "Prove",
            Self::ProveConsistency => "ProveConsistency",
            Self::Follow => "Follow",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Most bytes of what is asked.
    #[must_use]
    pub const fn asked_bytes_max(self) -> usize {
        match self {
            Self::Append => MESSAGE_BYTES_MAX,
            Self::ReadStream
            | Self::ReadAll
            | Self::Head
            | Self::Stat
            | Self::Checkpoint
            | Self::Prove
            | Self::ProveConsistency
            | Self::Follow => QUESTION_BYTES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Method;
    use prost::Message as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_method_of_the_definitions_is_named_and_no_other_is() {
        let set = prost_types::FileDescriptorSet::decode(stele_proto::FILE_DESCRIPTOR_SET).unwrap();
        let log = set.file.iter().find(|file| file.package() == "stele.log.v1").unwrap();
        let defined: BTreeSet<&str> = log
            .service
            .iter()
            .flat_map(|service| &service.method)
            .map(prost_types::MethodDescriptorProto::name)
            .collect();
        assert_eq!(defined, Method::ALL.map(Method::name).into());
        assert!(Method::ALL.into_iter().all(|method| Method::named(method.name()) == Some(method)));
        assert_eq!(Method::named("Kill"), None);
    }
}
