//! A key as its holder has it: `stele_<id>_<secret>_<check>`. Shown once, kept by nobody here.
//!
//! The prefix lets scanners find a key that leaked, the id says whose it is, the check tells a slip of the hand from a
//! guess before anything is looked up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use stele_domain::ids::{CommandId, derived};

/// What every key begins with.
pub const PREFIX: &str = "stele_";
/// Length of an id, in characters of `0-9a-f`.
const ID_CHARS: usize = 12;
/// Length of the check, in characters of `0-9a-f`.
const CHECK_CHARS: usize = 8;
/// The longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 128;
/// Length of a pepper's file: 32 bytes of the secret, and 4 of a checksum over them.
pub const PEPPER_FILE_BYTES: usize = 36;

/// What the secrets are hashed with: who reads the log without it can't test guesses, nor use what they read.
pub struct Pepper(SecretBox<[u8; 32]>);

impl Pepper {
    /// From 32 random bytes, which stay the same as long as the keys shall be known.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The file that keeps a secret of 32 bytes: they and their CRC-32C, which tells a disk that changed it from a pepper
    /// that is another one.
    #[must_use]
    pub fn file_of(secret: &[u8; 32]) -> [u8; PEPPER_FILE_BYTES] {
        let mut file = [0; PEPPER_FILE_BYTES];
        let (kept, check) = file.split_at_mut(secret.len());
        kept.copy_from_slice(secret);
        check.copy_from_slice(&crc_fast::crc32_iscsi(secret).to_le_bytes());
        file
    }

    /// Reads such a file, or one of 32 bytes, as they were made at first, which nothing can be said of.
    ///
    /// # Errors
    ///
    /// [`WrongPepper`]; it shows nothing of the secret.
    pub fn of_file(file: &[u8]) -> Result<Self, WrongPepper> {
        let length = || WrongPepper::Length { bytes: file.len() };
        let (secret, check) = file.split_first_chunk::<32>().ok_or_else(length)?;
        match check {
            [] => Ok(Self::new(*secret)),
            check if check.len() != PEPPER_FILE_BYTES - 32 => Err(length()),
            check if check == crc_fast::crc32_iscsi(secret).to_le_bytes() => Ok(Self::new(*secret)),
            _ => Err(WrongPepper::Changed),
        }
    }

    /// The keyed hash of a secret. Comparing two takes the same time wherever they differ.
    pub(super) fn hash(&self, secret: &[u8; 32]) -> blake3::Hash {
        blake3::keyed_hash(self.0.expose_secret(), secret)
    }
}

/// Why a file is no pepper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongPepper {
    /// It is too short or too long.
    #[error("it has {bytes} bytes, and a pepper has {PEPPER_FILE_BYTES}")]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// It is not what was written.
    #[error("at byte 0: its checksum is wrong, so it is not what was written")]
    Changed,
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper([REDACTED])")
    }
}

/// A key's whole text. It never reaches a log line: its `Debug` hides it.
#[derive(Debug, Clone)]
pub struct KeyText(SecretString);

impl KeyText {
    /// The text of a key.
    pub(super) fn of(id: &str, secret: &[u8; 32]) -> Self {
        let body = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let check = crc_fast::crc32_iscsi(body.as_bytes());
        Self(format!("{body}_{check:08x}").into())
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What somebody presents: an id and a secret, neither of them proved.
pub(super) struct Presented<'a> {
    pub id: &'a str,
    pub secret: SecretBox<[u8; 32]>,
}

/// Takes a presented text apart; `None` for what is no key's text at all.
pub(super) fn presented(text: &str) -> Option<Presented<'_>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (body, check) = text.rsplit_once('_')?;
    // The secret may hold underscores, the id never does.
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if id.len() != ID_CHARS || !hex(id) || check.len() != CHECK_CHARS || !hex(check) {
        return None;
    }
    if u32::from_str_radix(check, 16).ok()? != crc_fast::crc32_iscsi(body.as_bytes()) {
        return None;
    }
    let mut bytes = Box::new([0_u8; 32]);
    let written = URL_SAFE_NO_PAD.decode_slice(secret, bytes.as_mut_slice()).ok()?;
    (written == 32).then(|| Presented { id, secret: SecretBox::new(bytes) })
}

/// The id of the key that a command makes: the same command makes the same key.
pub(super) fn id_of(command: CommandId) -> String {
    let derived = derived("access-key", &[&command.0.to_string()]).simple().to_string();
    // The twelve characters before the one that says "version 5".
    derived.get(..ID_CHARS).unwrap_or(&derived).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{ID_CHARS, KeyText, Pepper, WrongPepper, id_of, presented};
    use quickcheck::quickcheck;
    use secrecy::ExposeSecret;
    use stele_domain::ids::CommandId;
    use uuid::Uuid;

    fn secret(seed: u64) -> [u8; 32] {
        *blake3::hash(&seed.to_le_bytes()).as_bytes()
    }

    #[test]
    fn a_key_is_read_as_what_was_written() {
        fn law(seed: u64, command: u128) -> bool {
            let id = id_of(CommandId(Uuid::from_u128(command)));
            let text = KeyText::of(&id, &secret(seed));
            let read = presented(text.reveal()).unwrap();
            id.len() == ID_CHARS && read.id == id && *read.secret.expose_secret() == secret(seed)
        }
        quickcheck(law as fn(u64, u128) -> bool);
    }

    #[test]
    fn one_wrong_character_anywhere_is_no_key() {
        let text = KeyText::of("0123456789ab", &secret(1)).reveal().to_owned();
        for at in 0..text.len() {
            for other in ["A", "_", "0", "z", "é"] {
                let mut wrong = text.clone();
                wrong.replace_range(at..=at, other);
                assert!(wrong == text || presented(&wrong).is_none(), "{wrong}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_nothing_breaks() {
        let long = "stele_".repeat(1_000);
        for text in
            ["", "_", "stele_", "stele___", "Bearer x", "stele_0123456789ab_x_00000000", long.as_str()]
        {
            assert!(presented(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_pepper_that_a_disk_changed_is_none_and_an_old_one_is_taken_as_it_is() {
        let file = Pepper::file_of(&secret(1));
        let hash = |pepper: Pepper| pepper.hash(&secret(9));
        assert_eq!(hash(Pepper::of_file(&file).unwrap()), hash(Pepper::new(secret(1))));
        for bit in 0..file.len() * 8 {
            let mut changed = file;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Pepper::of_file(&changed).err(), Some(WrongPepper::Changed), "bit {bit}");
        }
        assert!(Pepper::of_file(&file[..32]).is_ok());
        for bytes in [0, 31, 33, 35] {
            assert_eq!(Pepper::of_file(&file[..bytes]).err(), Some(WrongPepper::Length { bytes }));
        }
        let long = [&file[..], &[0]].concat();
        assert_eq!(Pepper::of_file(&long).err(), Some(WrongPepper::Length { bytes: 37 }));
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let text = KeyText::of("0123456789ab", &secret(1));
        let shown = format!("{text:?} {:?}", Pepper::new(secret(1)));
        assert!(!shown.contains("stele_"), "{shown}");
        assert!(shown.contains("REDACTED"), "{shown}");
    }

    #[test]
    fn another_pepper_gives_another_hash() {
        let hash = |pepper| Pepper::new(secret(pepper)).hash(&secret(9));
        assert_ne!(hash(1), hash(2));
        assert_eq!(hash(1), hash(1));
    }
}
