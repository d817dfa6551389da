//! Atomic replacement of small files: a reader sees the old or the new bytes, and a loss of power
//! leaves one of them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::checkpoint::{Effect, guarded};
use crate::error::FileError;
use crate::file::{File, link_target, remove_file, rename};
use crate::folder::{parent_of, sync_folder};

/// The mark in the name of a temporary file: it follows the file's name, and the process and a
/// number follow it.
const TEMPORARY: &str = ".new-";

/// The most names that may be taken before the folder is given up: a process number may repeat this
/// often and leave files that cannot be removed.
const MAX_ATTEMPTS: usize = 1000;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// Replaces a regular file or a symbolic link, or creates the file. If several processes do it at the same time, the last
/// one wins.
///
/// The bytes go to a temporary file beside it, which is fsynced and renamed; then the folder is
/// fsynced. When this returns, the bytes survive a loss of power. Temporary files of killed
/// processes are removed.
///
/// # Errors
///
/// Something else is in place, such as a device or a named pipe; or the system refuses. Then the old bytes are in place
/// and no temporary file is left, unless the last step failed, after which the old or the new bytes may be in place.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_with(path, |temporary| write_and_sync(temporary, bytes))
}

/// The same for an output file of the user's: the target of a symbolic link is replaced, not the link.
///
/// # Errors
///
/// As [`replace_file`]; or the link leads nowhere.
pub fn replace_output_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_file(&link_target(path)?, bytes)
}

/// The same as [`replace_output_file`] for a file that every user of the machine may read, such as figures for a
/// monitoring system.
///
/// # Errors
///
/// As [`replace_output_file`].
pub fn replace_public_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_with(&link_target(path)?, |temporary| {
        temporary.make_public()?;
        write_and_sync(temporary, bytes)
    })
}

fn replace_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), FileError>,
) -> Result<(), FileError> {
    check_replaceable(path)?;
    remove_leftovers(path);
    let mut temporary = create_temporary(path)?;
    let written = write(&mut temporary);
    let written = written.map_err(|error| FileError { path: path.to_owned(), ..error });
    if let Err(error) = written.and_then(|()| rename(temporary.path(), path)) {
        // It may hold keys. If it cannot be removed either, the next call tries again.
        let _ = remove_file(temporary.path());
        return Err(error);
    }
    sync_folder(&parent_of(path)?)
}

/// Refuses a place where a rename would remove a device, a named pipe, a socket or a folder.
fn check_replaceable(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() && !found.is_symlink() => {
            let error = io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
            Err(FileError::from_io("replace", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes a new file and fsyncs it. Its entry in the folder is durable only after [`sync_folder`].
///
/// # Errors
///
/// The file exists, or the system refuses.
pub fn write_new_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_and_sync(&mut File::create_new(path)?, bytes)
}

/// Creates a file with these bytes in one step: a reader sees nothing or all of it, and of several processes that do it
/// at the same time one wins. When this returns, the bytes survive a loss of power.
///
/// # Errors
///
/// The file exists ([`ErrorKind::AlreadyExists`]), or the system refuses.
pub fn create_whole_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    remove_leftovers(path);
    let mut temporary = create_temporary(path)?;
    let written = write_and_sync(&mut temporary, bytes);
    let written = written.map_err(|error| FileError { path: path.to_owned(), ..error });
    let created = written.and_then(|()| {
        let effect = Effect::Rename { from: temporary.path(), to: path };
        let renamed = guarded(effect, || rename_to_new(temporary.path(), path));
        renamed.map_err(FileError::from_io("create", path))
    });
    if let Err(error) = created {
        // If it cannot be removed either, the next call tries again.
        let _ = remove_file(temporary.path());
        return Err(error);
    }
    sync_folder(&parent_of(path)?)
}

/// Renames a file unless there is one of the new name.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let renamed = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
        match renamed.map_err(io::Error::from) {
            // File systems without the flag answer EINVAL.
            Err(error)
                if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {}
            renamed => return renamed,
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// A file that is written piece by piece and takes its place when it is whole. Dropped before that, it leaves
/// no trace.
#[derive(Debug)]
pub struct Replacement {
    temporary: File,
    path: PathBuf,
    is_in_place: bool,
}

impl Replacement {
    /// Begins a temporary file beside the place.
    ///
    /// # Errors
    ///
    /// Something else than a file or a link is there, or the system refuses.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        check_replaceable(path)?;
        remove_leftovers(path);
        let temporary = create_temporary(path)?;
        Ok(Self { temporary, path: path.to_owned(), is_in_place: false })
    }

    /// Puts the file in its place, as [`replace_file`] does.
    ///
    /// # Errors
    ///
    /// As [`replace_file`].
    pub fn finish(mut self) -> Result<(), FileError> {
        let synced = self.temporary.sync();
        synced.map_err(|error| FileError { path: self.path.clone(), ..error })?;
        rename(self.temporary.path(), &self.path)?;
        self.is_in_place = true;
        sync_folder(&parent_of(&self.path)?)
    }
}

impl Write for Replacement {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.temporary.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_in_place {
            // If it cannot be removed, the next replacement tries again.
            let _ = remove_file(self.temporary.path());
        }
    }
}

fn write_and_sync(file: &mut File, bytes: &[u8]) -> Result<(), FileError> {
    file.write_bytes(bytes)?;
    file.sync()
}

/// Removes the temporary files that killed processes left beside a file. Those of running
/// processes, which hold a lock on them, stay; so do those that cannot be removed, since they never
/// block a later call.
pub fn remove_leftovers(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let Ok(entries) = parent_of(path)
        .and_then(|folder| fs::read_dir(&folder).map_err(FileError::from_io("list", &folder)))
    else {
        return;
    };
    for entry in entries.flatten() {
        if is_leftover(name, &entry.file_name())
            && let Ok(leftover) = fs::File::open(entry.path())
            && leftover.try_lock().is_ok()
        {
            // Locked until it is gone: a process that has just created it notices and starts again.
            let _ = remove_file(&entry.path());
        }
    }
}

/// Returns true for the name of a file's temporary file: `<name>.new-<process>-<number>`, or, from
/// earlier versions, `<name>.<process>.new`.
fn is_leftover(name: &OsStr, candidate: &OsStr) -> bool {
    let (Some(name), Some(candidate)) = (name.to_str(), candidate.to_str()) else { return false };
    let Some(rest) = candidate.strip_prefix(name) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let new = rest.strip_prefix(TEMPORARY).and_then(|rest| rest.split_once('-'));
    let old = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".new"));
    new.is_some_and(|(process, number)| is_number(process) && is_number(number))
        || old.is_some_and(is_number)
}

/// Creates and locks a temporary file beside a file. Process numbers repeat, in containers at every
/// start, so a name may be taken by another process's leftover.
fn create_temporary(path: &Path) -> Result<File, FileError> {
    let mut attempts = 0..MAX_ATTEMPTS;
    loop {
        let temporary = temporary_path(path);
        let file = match File::create_new(&temporary) {
            Err(error)
                if error.source.kind() == ErrorKind::AlreadyExists && attempts.next().is_some() =>
            {
                continue;
            }
            // The user knows the file by its own name.
            created => created.map_err(|error| FileError { path: path.to_owned(), ..error })?,
        };
        // Another process may remove it as a leftover before it is locked. On file systems without
        // locks no process does that.
        let is_lost = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !is_lost && temporary.exists() {
            return Ok(file);
        }
    }
}

fn temporary_path(path: &Path) -> PathBuf {
    let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().map_or_else(OsString::new, OsStr::to_owned);
    name.push(format!("{TEMPORARY}{}-{number}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_in_pieces_takes_its_place_when_it_is_whole() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("rows");
        fs::write(&path, "old").expect("it can be written");
        for (is_finished, expected) in [(false, "old"), (true, "newer")] {
            let mut replacement = Replacement::begin(&path).expect("there is room");
            for piece in ["new", "er"] {
                replacement.write_all(piece.as_bytes()).expect("there is room");
            }
            assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
            if is_finished {
                replacement.finish().expect("there is room");
            } else {
                drop(replacement);
            }
            assert_eq!(fs::read_to_string(&path).expect("it is there"), expected);
            assert_eq!(names(folder.path()), ["rows"]);
        }
    }

    #[test]
    fn a_replacement_leaves_no_other_file() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("key");
        for text in ["one", "two, which is longer", ""] {
            replace_file(&path, text.as_bytes()).expect("there is room");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
        }
        assert_eq!(names(folder.path()), ["key"]);
    }

    #[test]
    fn a_file_that_is_created_whole_replaces_none_and_one_of_many_wins() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("0.json");
        let won: usize = thread::scope(|scope| {
            let create = |letter: u8| {
                let path = &path;
                scope.spawn(move || match create_whole_file(path, &[letter; 1000]) {
                    Ok(()) => 1,
                    Err(error) => {
                        assert_eq!(error.source.kind(), ErrorKind::AlreadyExists);
                        0
                    }
                })
            };
            let threads: Vec<_> = (b'a'..=b'h').map(create).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).sum()
        });
        assert_eq!(won, 1);
        let bytes = fs::read(&path).expect("it is there");
        assert!(bytes.len() == 1000 && bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(names(folder.path()), ["0.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_is_private_to_its_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("key");
        fs::write(&path, "old").expect("there is room");
        replace_file(&path, b"new").expect("there is room");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_in_a_folder_that_does_not_exist_is_refused_by_its_own_name() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("none/rows.csv");
        let errors = [
            replace_file(&path, b"").expect_err("there is no folder"),
            create_whole_file(&path, b"").expect_err("there is no folder"),
            write_new_file(&path, b"").expect_err("there is no folder"),
            Replacement::begin(&path).expect_err("there is no folder"),
        ];
        for error in errors {
            let expected =
                format!("cannot create a file in a folder that does not exist: {}", path.display());
            assert_eq!(error.to_string(), expected);
            assert!(error.source.raw_os_error().is_some(), "it is the system's");
            assert_eq!(error.source.kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_temporary_file_that_cannot_be_renamed_is_removed() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("key");
        fs::create_dir(&path).expect("there is room");
        let error = replace_file(&path, b"keys").expect_err("a folder is in the way");
        assert_eq!(error.to_string(), format!("cannot replace {}", path.display()));
        assert_eq!(names(folder.path()), ["key"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_or_a_socket_is_never_replaced() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("there is room");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "there is no mkfifo");
        for path in [path, pipe] {
            for refused in [
                replace_file(&path, b"new"),
                replace_output_file(&path, b"new"),
                replace_public_file(&path, b"new"),
                Replacement::begin(&path).map(drop),
            ] {
                let error = refused.expect_err("it is no file");
                assert_eq!(error.to_string(), format!("cannot replace {}", path.display()));
                assert_eq!(error.source.to_string(), "it is not a regular file");
            }
        }
        assert_eq!(names(folder.path()), ["pipe", "socket"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_output_file_behind_a_link_is_replaced_and_the_link_stays() {
        let folder = TempDir::new().expect("a folder can be made");
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "old").expect("there is room");
        std::os::unix::fs::symlink("file", &link).expect("there is room");
        for replace in [replace_output_file, replace_public_file] {
            fs::write(&file, "old").expect("there is room");
            replace(&link, b"new").expect("nothing is in the way");
            assert_eq!(fs::read(&file).expect("it is there"), b"new");
            assert!(link.is_symlink());
        }
        fs::remove_file(&file).expect("it is there");
        let error = replace_output_file(&link, b"new").expect_err("it leads nowhere");
        assert_eq!(error.to_string(), format!("cannot follow the link {}", link.display()));
        assert_eq!(names(folder.path()), ["link"]);
    }

    #[test]
    fn n6_leftovers_do_not_block_and_are_removed() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("key");
        let process = std::process::id();
        // Leftovers of a process with the same number, as in a container, and of earlier versions.
        let mut left = vec![format!("key.{process}.new"), "key.1.new".to_owned()];
        left.extend((0..100).map(|number| format!("key.new-{process}-{number}")));
        for name in &left {
            fs::write(folder.path().join(name), "keys").expect("there is room");
        }
        replace_file(&path, b"new").expect("nothing is in the way");
        assert_eq!(names(folder.path()), ["key"]);
    }

    #[test]
    fn n6_leftovers_that_cannot_be_removed_do_not_block() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("key");
        let next = NEXT_NUMBER.load(Ordering::Relaxed);
        for number in next..next + 50 {
            let name = format!("key{TEMPORARY}{}-{number}", std::process::id());
            // A folder cannot be removed as a file.
            fs::create_dir(folder.path().join(name)).expect("there is room");
        }
        replace_file(&path, b"new").expect("another name is free");
        assert_eq!(fs::read(&path).expect("it is there"), b"new");
    }

    #[test]
    fn only_temporary_files_of_the_same_file_are_leftovers() {
        for (candidate, expected) in [
            ("key.new-12-3", true),
            ("key.12.new", true),
            ("key", false),
            ("key.new", false),
            ("key.new-12", false),
            ("key.new-a-3", false),
            ("key.old.new", false),
            ("key.acme.eu.suppressions.json", false),
            ("key.acme.eu.suppressions.json.new-1-2", false),
            ("other.new-12-3", false),
        ] {
            assert_eq!(is_leftover("key".as_ref(), candidate.as_ref()), expected, "{candidate}");
        }
    }

    #[test]
    fn concurrent_writers_leave_the_bytes_of_one() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("state");
        thread::scope(|scope| {
            for letter in b'a'..=b'h' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace_file(path, &[letter; 1000]).expect("nothing is in the way");
                        let bytes = fs::read(path).expect("it is there");
                        assert_eq!(
                            (bytes.len(), bytes.iter().all(|byte| *byte == bytes[0])),
                            (1000, true)
                        );
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), ["state"]);
    }
}
