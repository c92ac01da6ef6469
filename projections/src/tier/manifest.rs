//! What a partition in the lake is made of, file by file, in one document that the log names by its hash. With it and the
//! files, anybody can tell whether the rows are those that were kept.

use super::TierError;
use serde::{Deserialize, Serialize};
use stele_domain::operations::tiering::Span;
use stele_domain::port::tiering::{KeptDigest, LakeFile};

/// The form that manifests have.
pub const MANIFEST_FORMAT: &str = "stele-tiering-1";

/// Hexadecimal digits of its hash that a manifest's name holds.
const NAME_HASH_DIGITS: usize = 16;

/// What a partition in the lake is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: String,
    /// Which rows.
    pub span: Span,
    /// How many.
    pub rows: u64,
    /// What they come to: [`digest_of`] the parts.
    pub digest: String,
    /// What they come to by projection and part, in this order.
    pub parts: Vec<ManifestPart>,
    /// Their files, by first position.
    pub files: Vec<LakeFile>,
}

/// What one projection's rows of one part come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Who wrote them.
    pub projection: String,
    /// Positions divided by 1,000,000.
    pub part: u64,
    /// How many.
    pub rows: u64,
    /// The running hash over them, in 64 hexadecimal digits.
    pub digest: String,
}

/// What the parts of a partition come to together: BLAKE3 over, for each by projection and number, the projection's name, a
/// zero byte, the part's number and its rows as eight bytes little-endian, and its digest.
#[must_use]
pub fn digest_of(parts: &[KeptDigest]) -> String {
    let mut hasher = blake3::Hasher::new();
    for KeptDigest { projection, digest } in parts {
        hasher.update(projection.as_bytes()).update(&[0]);
        hasher.update(&digest.part.to_le_bytes()).update(&digest.rows.to_le_bytes()).update(&digest.value);
    }
    hasher.finalize().to_hex().to_string()
}

impl Manifest {
    pub(super) fn of(span: Span, kept: &[KeptDigest], files: Vec<LakeFile>) -> Self {
        let part = |one: &KeptDigest| ManifestPart {
            projection: one.projection.to_owned(),
            part: one.digest.part,
            rows: one.digest.rows,
            digest: hex(&one.digest.value),
        };
        Self {
            format: MANIFEST_FORMAT.to_owned(),
            span,
            rows: kept.iter().map(|one| one.digest.rows).sum(),
            digest: digest_of(kept),
            parts: kept.iter().map(part).collect(),
            files,
        }
    }

    /// Its name in the lake, and its bytes.
    pub(super) fn sealed(&self) -> Result<(String, Vec<u8>), TierError> {
        let mut bytes = serde_json::to_vec(self).map_err(TierError::Manifest)?;
        bytes.push(b'\n');
        let hash = blake3::hash(&bytes).to_hex();
        let short = hash.get(..NAME_HASH_DIGITS).unwrap_or_default();
        let Span { table, version, from_position, .. } = &self.span;
        Ok((format!("history/manifests/{table}.v{version}-{from_position:020}-{short}.json"), bytes))
    }

    /// Whether its parts are these.
    pub(super) fn is_of(&self, kept: &[KeptDigest]) -> bool {
        *self == Self::of(self.span.clone(), kept, self.files.clone())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
