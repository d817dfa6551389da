//! The files that `init` and `simulate` write: private, and in place of another one only if the user says so.

use std::io;
use std::path::Path;

use core_engine::{Failure, FailureKind};

/// Refuses to replace a file, which may be the configuration of a real tenant or its secret. `option` is the one that
/// names another file.
///
/// # Errors
///
/// The file is there, and `force` is false.
pub fn check_free(path: &Path, force: bool, option: &str) -> Result<(), Failure> {
    // A link that leads nowhere is there too.
    if path.symlink_metadata().is_ok() && !force {
        Err(exists_already(path, option))
    } else {
        Ok(())
    }
}

/// Writes a file that only its owner can read; only with `force` in place of another one. `option` is the one that names
/// another file.
///
/// # Errors
///
/// It is there already, or cannot be written: then nothing of it is left.
pub fn write(path: &Path, text: &str, force: bool, option: &str) -> Result<(), Failure> {
    let is_there = path.symlink_metadata().is_ok();
    let written = if force {
        core_files::replace_output_file(path, text.as_bytes())
    } else {
        core_files::write_new_file(path, text.as_bytes())
    };
    written.map_err(|error| {
        if error.source.kind() == io::ErrorKind::AlreadyExists {
            return exists_already(path, option);
        }
        if !is_there {
            // Half a file would stand in the way of the next attempt.
            let _ = core_files::remove_file_if_present(path);
        }
        Failure::new(FailureKind::Configuration, error)
    })
}

fn exists_already(path: &Path, option: &str) -> Failure {
    Failure::configuration(format!(
        "{} exists already: --force replaces it, or name another with `{option}`",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const OPTION: &str = "--config";

    #[test]
    fn a_file_is_replaced_only_if_the_user_says_so() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("a.toml");
        check_free(&path, false, OPTION).map_err(|failure| failure.error).expect("it is free");
        write(&path, "mine", false, OPTION)
            .map_err(|failure| failure.error)
            .expect("there is room");
        for refused in [check_free(&path, false, OPTION), write(&path, "other", false, OPTION)] {
            let failure = refused.expect_err("it is there");
            assert_eq!(failure.kind, FailureKind::Configuration);
            assert!(failure.error.to_string().contains(
                "a.toml exists already: --force replaces it, or name another with `--config`"
            ));
        }
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "mine");
        check_free(&path, true, OPTION).map_err(|failure| failure.error).expect("it may go");
        write(&path, "other", true, OPTION)
            .map_err(|failure| failure.error)
            .expect("there is room");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "other");
    }

    #[test]
    fn a_file_that_cannot_be_written_names_the_place_and_leaves_nothing() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("no-folder/a.toml");
        let failure = write(&path, "mine", false, OPTION).expect_err("there is no such folder");
        assert_eq!(failure.kind, FailureKind::Configuration);
        assert!(format!("{:#}", failure.error).contains("a.toml"), "{:#}", failure.error);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_there_too() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("a.toml");
        std::os::unix::fs::symlink(folder.path().join("gone"), &path).expect("there is room");
        assert!(
            check_free(&path, false, OPTION).is_err()
                && write(&path, "mine", false, OPTION).is_err()
        );
        assert!(!folder.path().join("gone").exists(), "nothing is written through it");
    }
}
