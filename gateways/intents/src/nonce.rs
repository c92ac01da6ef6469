//! The verifier's versioned nonce: 32 bytes, used once per account, in any order.
//!
//! `56 28 f6 c6 | 00 | salt[4] | deadline, i64 little-endian nanoseconds since 1970 | random[15]`.
//!
//! Ours is not random. `random` is the first 15 bytes of the SHA-256 of the command id, written as the 36
//! characters of its lower-case hyphenated text form (`printf %s ID | sha256sum`). The same command with the same
//! salt and deadline thus has the same nonce on any machine, and two payloads that share a nonce can never both
//! execute: signing again after a crash is harmless.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use stele_domain::ids::CommandId;
use stele_domain::time::Timestamp;

/// Marks a nonce as versioned.
const MAGIC: [u8; 4] = [0x56, 0x28, 0xf6, 0xc6];

/// The first, and so far only, version.
const VERSION: u8 = 0;

/// A nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

/// Why there is no nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNonce {
    /// Not 8 hex digits.
    #[error("the salt {0:?} is not 8 hex digits")]
    Salt(String),
    /// Before 1970, or past 2262, where nanoseconds no longer fit 64 bits.
    #[error("the nonce deadline {0} is not between 1970 and 2262")]
    Deadline(Timestamp),
    /// Not the base64 text of 32 bytes.
    #[error("the nonce is not base64 of 32 bytes")]
    Text,
}

impl Nonce {
    /// The nonce of a command, under the verifier's current salt.
    ///
    /// # Errors
    ///
    /// [`InvalidNonce::Salt`] or [`InvalidNonce::Deadline`].
    pub fn of_command(command: CommandId, salt: &str, deadline: Timestamp) -> Result<Self, InvalidNonce> {
        let hash: [u8; 32] = Sha256::digest(command.to_string()).into();
        let mut random = [0; 15];
        random.copy_from_slice(&hash[..15]);
        Self::versioned(salt, deadline, random)
    }

    /// Puts the parts together.
    ///
    /// # Errors
    ///
    /// [`InvalidNonce::Salt`] or [`InvalidNonce::Deadline`].
    pub fn versioned(salt: &str, deadline: Timestamp, random: [u8; 15]) -> Result<Self, InvalidNonce> {
        let salt = salt_bytes(salt).ok_or_else(|| InvalidNonce::Salt(salt.chars().take(32).collect()))?;
        let nanos = deadline.micros().checked_mul(1_000).filter(|nanos| *nanos >= 0);
        let nanos = nanos.ok_or(InvalidNonce::Deadline(deadline))?;
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5..9].copy_from_slice(&salt);
        bytes[9..17].copy_from_slice(&nanos.to_le_bytes());
        bytes[17..].copy_from_slice(&random);
        Ok(Self(bytes))
    }

    /// Reads base64 text of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidNonce::Text`].
    pub fn parse(base64: &str) -> Result<Self, InvalidNonce> {
        let bytes = STANDARD.decode(base64).map_err(|_| InvalidNonce::Text)?;
        bytes.try_into().map(Self).map_err(|_| InvalidNonce::Text)
    }

    /// Base64 with padding, as the relay and the verifier write it.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

/// The four bytes of a salt written as 8 hex digits.
fn salt_bytes(text: &str) -> Option<[u8; 4]> {
    let hex = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u32::from_str_radix(text, 16).ok().map(u32::to_be_bytes)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{InvalidNonce, Nonce};
    use stele_domain::ids::CommandId;
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    const COMMAND: CommandId = CommandId(Uuid::from_u128(0x0192_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0001));

    /// `printf %s 0192aaaa-bbbb-7ccc-8ddd-eeeeffff0001 | sha256sum` starts with these 30 digits.
    const COMMAND_HASH_START: &str = "9fb187aeb6e1c3481aa50db361d7e0";

    #[test]
    fn the_random_part_is_the_start_of_the_sha256_of_the_command_id_text() {
        let nonce = Nonce::of_command(COMMAND, "252812b3", Timestamp::from_millis(1)).unwrap();
        let digits = (0..COMMAND_HASH_START.len()).step_by(2);
        let random: Vec<u8> =
            digits.map(|at| u8::from_str_radix(&COMMAND_HASH_START[at..at + 2], 16).unwrap()).collect();
        assert_eq!(nonce.0[17..], random);
    }

    #[test]
    fn two_commands_never_share_a_nonce() {
        fn law(one: u128, other: u128) -> bool {
            let nonce =
                |id| Nonce::of_command(CommandId(Uuid::from_u128(id)), "00000000", Timestamp::from_millis(9));
            one == other || nonce(one) != nonce(other)
        }
        quickcheck::quickcheck(law as fn(u128, u128) -> bool);
    }

    #[test]
    fn text_and_back_is_the_same_nonce() {
        let nonce = Nonce::of_command(COMMAND, "01020304", Timestamp::from_millis(5)).unwrap();
        assert_eq!(Nonce::parse(&nonce.base64()), Ok(nonce));
        assert_eq!(Nonce::parse("AAAA"), Err(InvalidNonce::Text));
    }

    #[test]
    fn a_salt_that_is_not_eight_hex_digits_is_refused() {
        for salt in ["", "252812b", "252812b33", "+52812b3", "252812bg", "ⅷⅷⅷ"] {
            let refused = Nonce::of_command(COMMAND, salt, Timestamp::from_millis(0));
            assert_eq!(refused, Err(InvalidNonce::Salt(salt.into())));
        }
    }

    #[test]
    fn the_deadline_must_fit_sixty_four_bits_of_nanoseconds() {
        let last = i64::MAX / 1_000;
        let at = |micros| Nonce::of_command(COMMAND, "00000000", Timestamp::from_micros(micros));
        assert!(at(0).is_ok() && at(last).is_ok());
        for micros in [-1, last + 1] {
            assert_eq!(at(micros), Err(InvalidNonce::Deadline(Timestamp::from_micros(micros))));
        }
    }
}
