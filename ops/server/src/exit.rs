//! How a run of the binary ends: the exit codes that scripts may rely on, and the words for people.

use crate::render::harmless::harmless_lines;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;
pub(crate) use stele_domain::causes::with_causes as chain;

/// The exit codes. They are a public promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something went wrong that no other code names.
    Error = 1,
    /// Wrong arguments or a wrong configuration.
    Usage = 2,
    /// A rule of the desk said no.
    Refused = 3,
    /// A second person has to agree.
    NeedsApproval = 4,
    /// Somebody else has it, or was first.
    Conflict = 5,
    /// Not allowed to.
    Unauthorised = 6,
    /// The desk or what it needs does not answer.
    Unavailable = 7,
    /// What is stored is not what was written.
    Mismatch = 8,
    /// There is no room on the disk.
    Full = 9,
    /// The disk, or the operating system, does not let it be written.
    Unwritable = 10,
    /// A part of another log lies where the log is.
    Foreign = 11,
    /// A part of the log, or of an export, is missing.
    Missing = 12,
    /// The log is not what its witness has seen of it, or what a checkpoint signs that was kept elsewhere.
    Contradicted = 13,
    /// What is in the archive of the log is missing, or is not what was archived.
    Archive = 14,
}

impl Code {
    const ALL: [Self; 14] = [
        Self::Error,
        Self::Usage,
        Self::Refused,
        Self::NeedsApproval,
        Self::Conflict,
        Self::Unauthorised,
        Self::Unavailable,
        Self::Mismatch,
        Self::Full,
        Self::Unwritable,
        Self::Foreign,
        Self::Missing,
        Self::Contradicted,
        Self::Archive,
    ];

    /// As the process ends with it.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// The one that a desk tells; `None` for one that this build does not know.
    pub(crate) fn told(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

/// The end of a run that came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: Code,
    /// What happened, and where.
    pub what: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// What every command of the binary returns.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), advice: None }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Code::Usage, what)
    }

    /// An error of which nothing more is known than its words.
    pub(crate) fn error(error: &(dyn Error + 'static)) -> Self {
        Self::new(Code::Error, chain(error))
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stele: {}", self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Code::Error, format!("{error:#}"))
    }
}

impl From<crate::config::Problem> for Failure {
    fn from(problem: crate::config::Problem) -> Self {
        Self::usage(format!("configuration: {}", chain(&problem)))
    }
}

/// Ends the run: words to stderr, code to the caller.
pub(crate) fn end(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The desk's words may hold those of others.
            eprintln!("{}", harmless_lines(&failure.to_string()));
            ExitCode::from(failure.code.number())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn every_code_is_known_by_its_number() {
        let known: Vec<u8> = (0..=u8::MAX).filter_map(Code::told).map(Code::number).collect();
        assert_eq!(known, (1..=last().number()).collect::<Vec<u8>>());
    }

    /// A new code is no code of this match: it comes here and into `ALL`.
    fn last() -> Code {
        match Code::Archive {
            last @ (Code::Error
            | Code::Usage
            | Code::Refused
            | Code::NeedsApproval
            | Code::Conflict
            | Code::Unauthorised
            | Code::Unavailable
            | Code::Mismatch
            | Code::Full
            | Code::Unwritable
            | Code::Foreign
            | Code::Missing
            | Code::Contradicted
            | Code::Archive) => last,
        }
    }
}
