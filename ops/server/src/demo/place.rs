//! Where a run keeps its things: the data directory, the signing key that is made for the run, the desk's
//! configuration and what the desk says.

use crate::exit::{Code, Failure};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use stele_intents::key::{KeySource, SigningKey};
use stele_intents::nep413;
use tempfile::TempDir;

/// Longest path of a socket, in bytes; the configuration refuses longer ones.
const SOCKET_BYTES_MAX: usize = 100;
/// Beginning of the names of temporary directories.
const PREFIX: &str = "stele-";
/// Name of the socket.
const SOCKET: &str = "stele.sock";
/// Where a temporary socket goes when everything else is too long.
const SHORT_PLACE: &str = "/tmp";

/// For its owner alone.
pub(crate) const OWN: u32 = 0o700;
/// For its owner, and to be passed through by others: root's database runs as somebody else.
pub(crate) const OWN_WITH_WAY: u32 = 0o711;

/// A run's directory.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    socket: PathBuf,
    public_key: String,
    /// Whether the directory stays when the run is over.
    pub kept: bool,
    /// Removed when the run is over.
    _temporary: Vec<TempDir>,
}

impl Place {
    /// Makes the directory in this mode, which must be new or empty when it is named, and a signing key in it.
    pub(crate) fn make(named: Option<&Path>, mode: u32) -> Result<Self, Failure> {
        let mut temporary = vec![];
        let directory = match named {
            Some(path) => named_directory(path, mode)?,
            None => temporary_directory(&std::env::temp_dir(), mode, &mut temporary)?,
        };
        let mut socket = directory.join(SOCKET);
        // A named directory was refused when it is too long; a temporary one nobody has chosen.
        if socket.as_os_str().len() > SOCKET_BYTES_MAX {
            socket = temporary_directory(Path::new(SHORT_PLACE), OWN, &mut temporary)?.join(SOCKET);
        }
        let public_key = make_key(&directory.join("signing-key"))?;
        Ok(Self { directory, socket, public_key, kept: named.is_some(), _temporary: temporary })
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The data directory as text; it was checked to be text.
    pub(crate) fn shown(&self) -> String {
        self.directory.display().to_string()
    }

    /// The desk's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The signing key's public half.
    pub(crate) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The file with the signing key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.directory.join("signing-key")
    }

    /// The file with the key of the second process.
    pub(crate) fn second_key_file(&self) -> PathBuf {
        self.directory.join("second.key")
    }

    /// The desk's configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.directory.join("stele.toml")
    }

    /// What the desk says on its standard error.
    pub(crate) fn desk_log(&self) -> PathBuf {
        self.directory.join("desk.jsonl")
    }

    /// The event log.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The live tables as they were at the end.
    pub(crate) fn tables_file(&self) -> PathBuf {
        self.directory.join("tables.json")
    }

    /// The checkpoint that the running desk signed at the end.
    pub(crate) fn checkpoint_file(&self) -> PathBuf {
        self.directory.join("checkpoint.txt")
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    private_file(path).and_then(|mut file| file.write_all(content)).map_err(|error| unwritable(path, &error))
}

fn named_directory(path: &Path, mode: u32) -> Result<PathBuf, Failure> {
    let shown = path.display();
    if path.to_str().is_none() {
        return Err(Failure::usage(format!("--data {shown}: a demo needs a path that is readable text")));
    }
    let absolute = std::path::absolute(path).map_err(|error| unwritable(path, &error))?;
    // What is kept must work afterwards, socket and all.
    let bytes = absolute.join(SOCKET).as_os_str().len();
    if bytes > SOCKET_BYTES_MAX {
        let what = format!(
            "--data {shown}: a socket in it would have {bytes} bytes of path, and {SOCKET_BYTES_MAX} is most"
        );
        return Err(Failure::usage(what).advise("name a directory with a shorter path"));
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| unwritable(path, &error))?;
    let mut entries = std::fs::read_dir(path).map_err(|error| unwritable(path, &error))?;
    if entries.next().is_some() {
        return Err(Failure::new(
            Code::Conflict,
            format!("{shown} is not empty: a demo begins with an empty log"),
        )
        .advise("name a directory that is not there yet, or remove this one if it is from an earlier demo"));
    }
    path.canonicalize().map_err(|error| unwritable(path, &error))
}

fn temporary_directory(parent: &Path, mode: u32, kept: &mut Vec<TempDir>) -> Result<PathBuf, Failure> {
    let directory = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(mode))
        .tempdir_in(parent)
        .map_err(|error| unwritable(parent, &error))?;
    let path = directory.path().canonicalize().map_err(|error| unwritable(directory.path(), &error))?;
    kept.push(directory);
    if path.to_str().is_none() {
        return Err(Failure::usage(format!(
            "{} is no readable text: set TMPDIR to another directory",
            path.display()
        )));
    }
    Ok(path)
}

/// Makes a signing key for a simulated market and gives its public half.
pub(crate) fn make_key(path: &Path) -> Result<String, Failure> {
    let mut seed = [0; 32];
    let mut random = File::open("/dev/urandom").map_err(|error| Failure::error(&error))?;
    random.read_exact(&mut seed).map_err(|error| Failure::error(&error))?;
    let text = nep413::text(&seed);
    write(path, text.as_bytes())?;
    let key = SigningKey::load(&KeySource::File(path.to_owned())).map_err(|error| Failure::error(&error))?;
    Ok(key.public_key().to_owned())
}

fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Error, format!("{} can't be used: {error}", path.display()))
        .advise("name a directory that you may write to with --data, or set TMPDIR")
}

#[cfg(test)]
mod tests {
    use super::{OWN, Place, SOCKET_BYTES_MAX};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_and_the_directory_are_their_owner_s_alone() {
        let place = Place::make(None, OWN).unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(place.directory()), mode(&place.key_file())), (0o700, 0o600));
        assert!(place.public_key().starts_with("ed25519:"), "{}", place.public_key());
    }

    #[test]
    fn a_temporary_directory_is_gone_afterwards_and_a_named_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("kept");
        let place = Place::make(Some(&named), OWN).unwrap();
        assert!(place.kept);
        drop(place);
        assert!(named.is_dir());
        let place = Place::make(None, OWN).unwrap();
        let directory = place.directory().to_owned();
        drop(place);
        assert!(!directory.exists());
    }

    #[test]
    fn a_directory_that_holds_something_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("precious"), "x").unwrap();
        let failure = Place::make(Some(parent.path()), OWN).unwrap_err();
        assert!(failure.what.contains("is not empty"), "{}", failure.what);
    }

    #[test]
    fn a_directory_that_is_too_long_for_a_socket_is_refused_and_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("d".repeat(SOCKET_BYTES_MAX));
        let failure = Place::make(Some(&long), OWN).unwrap_err();
        assert!(failure.what.contains("bytes of path"), "{}", failure.what);
        assert!(!long.exists());
    }
}
