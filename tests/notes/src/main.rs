//! Reads signed notes by somebody else's implementation of C2SP `signed-note`: a file with a verifier key, then files with
//! a note each. Says of each, on a line, the names whose signatures are right and its text's first line, or why not.

use signed_note::{Note, StandardVerifier, VerifierList};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(key) = arguments.next().and_then(|path| std::fs::read_to_string(path).ok()) else {
        eprintln!("usage: stele-notes KEY-FILE NOTE-FILE…");
        return ExitCode::from(2);
    };
    for path in arguments {
        println!("{}", judged(key.trim_end(), &path));
    }
    ExitCode::SUCCESS
}

/// `signed` with names and origin, or `refused` with a reason.
fn judged(key: &str, path: &str) -> String {
    let read = || -> Result<String, Box<dyn std::error::Error>> {
        let verifier = StandardVerifier::new(key).map_err(|error| format!("{error:?}"))?;
        let note = Note::from_bytes(&std::fs::read(path)?).map_err(|error| format!("{error:?}"))?;
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let (right, _) = note.verify(&known).map_err(|error| format!("{error:?}"))?;
        let names: Vec<&str> = right.iter().map(signed_note::Signature::name).collect();
        let text = String::from_utf8(note.text().to_vec())?;
        Ok(format!("signed {} {}", names.join(","), text.lines().next().unwrap_or_default()))
    };
    read().unwrap_or_else(|error| format!("refused {error}"))
}
