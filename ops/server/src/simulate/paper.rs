//! A desk to go with the simulator: a directory with a signing key, a configuration and room for its data.

use crate::demo::place::{make_key, write};
use crate::exit::{Code, Failure};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use stele_intents::key::{KeySource, SigningKey};
use toml::Value;

/// Limits for a market where nothing is at stake; the built-in ones are those of a first day with real money.
const LIMITS: &str = "[limits]\nnotional_max = \"750\"\nfallback_notional_max = \"200\"\nbuy_base_open_max = \"6000\"\n\
                      sell_base_open_max = \"6000\"\nopen_offers_max = 24\nopen_offers_per_partner_max = 24\n\
                      cooldown_ms = 0\n";

/// The directory.
pub(super) struct Paper {
    directory: PathBuf,
    public_key: String,
}

impl Paper {
    /// Makes the directory and a key in it, unless they are there.
    pub(super) fn prepare(directory: &Path) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            Failure::new(Code::Error, format!("{} can't be used: {error}", directory.display()))
                .advise("name another directory with --desk")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
        let directory = directory.canonicalize().map_err(unusable)?;
        let key = directory.join("signing-key");
        let public_key = if key.exists() {
            let known = SigningKey::load(&KeySource::File(key)).map_err(|error| Failure::error(&error))?;
            known.public_key().to_owned()
        } else {
            make_key(&key)?
        };
        Ok(Self { directory, public_key })
    }

    /// The key that the simulated account has to know.
    pub(super) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Writes the configuration, unless there is one, and says what to do next.
    pub(super) fn furnish(&self, snippet: &str) -> Result<String, Failure> {
        let file = self.directory.join("stele.toml");
        let told = if file.exists() {
            "Its configuration was there already and is as it was."
        } else {
            write(&file, self.config(snippet).as_bytes())?;
            "Its limits are for a market where nothing is at stake."
        };
        let shown = file.display();
        Ok(format!(
            "A desk is ready in {}. {told}\n\n  stele serve --config {shown}\n  stele status --config {shown}\n\
             \u{20}\u{20}stele limits set --from-config --reason \"first limits\" --config {shown}\n\
             \u{20}\u{20}stele arm --for 15m --reason \"first quotes\" --config {shown}\n",
            self.directory.display()
        ))
    }

    fn config(&self, snippet: &str) -> String {
        let path = |name: &str| Value::String(self.directory.join(name).display().to_string()).to_string();
        let keyed = format!("signing_key_file = {}\n\n[relay]", path("signing-key"));
        format!(
            "[desk]\ndata_dir = {}\n\n{}\n{LIMITS}",
            path("data"),
            snippet.replacen("\n[relay]", &keyed, 1)
        )
    }
}
