//! Directories that are there whole or not at all: they are made under another name, and get their own when everything in
//! them is on the disk.

use super::refused::of_disk;
use crate::exit::{Code, Failure};
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What the name of a directory ends with until it is whole.
const UNFINISHED: &str = ".unfinished";

/// Makes the directory `target`, which is empty or not there, by filling another one first.
pub(super) fn whole<T>(target: &Path, fill: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
    if is_taken(target) {
        let what = format!("{} is there already, and is not an empty directory", target.display());
        return Err(Failure::new(Code::Conflict, what).advise("name a new directory: nothing is overwritten"));
    }
    let unfinished = unfinished(target)?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: io::Error| {
        let code = of_disk(&error).unwrap_or(Code::Error);
        Failure::new(code, format!("the directory {} can't be made: {error}", target.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    match DirBuilder::new().mode(0o700).create(&unfinished) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what =
                format!("{} is there: another run is making it, or has not finished", unfinished.display());
            return Err(
                Failure::new(Code::Conflict, what).advise("if nothing is running, remove it and try again")
            );
        }
        made => made.map_err(failed)?,
    }
    let filled = fill(&unfinished).and_then(|filled| {
        let named =
            sync(&unfinished).and_then(|()| std::fs::rename(&unfinished, target)).and_then(|()| sync(parent));
        named.map(|()| filled).map_err(failed)
    });
    if filled.is_err() {
        // This run made it, and nobody else has seen it. What can't be removed is named by the next run.
        drop(std::fs::remove_dir_all(&unfinished));
    }
    filled
}

fn is_taken(target: &Path) -> bool {
    match std::fs::read_dir(target) {
        Ok(mut there) => there.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn unfinished(target: &Path) -> Result<PathBuf, Failure> {
    let name = target
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} names no new directory", target.display())))?;
    let mut name = OsString::from(name);
    name.push(UNFINISHED);
    Ok(target.with_file_name(name))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::whole;
    use crate::exit::{Code, Failure};

    #[test]
    fn a_directory_is_there_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("new");
        let failed: Result<(), Failure> = whole(&target, |inside| {
            std::fs::write(inside.join("half"), "half").unwrap();
            Err(Failure::usage("no"))
        });
        assert_eq!(failed.unwrap_err().code, Code::Usage);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        whole(&target, |inside| {
            assert!(!target.exists());
            std::fs::write(inside.join("all"), "all").unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(target.join("all")).unwrap(), "all");
        let again = whole(&target, |_| Ok(())).unwrap_err();
        assert_eq!(again.code, Code::Conflict, "{again}");
    }

    #[test]
    fn what_a_killed_run_left_is_named_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join("new.unfinished");
        std::fs::create_dir(&left).unwrap();
        let refused = whole(&place.path().join("new"), |_| Ok(())).unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        assert!(refused.what.contains("new.unfinished") && left.exists(), "{refused}");
    }
}
