//! Who else can write a configuration: it may name commands, which this user would run.

use std::io;
use std::path::Path;

/// A way in which another user could have written a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// It belongs to another user than root and this one.
    OtherOwner,
    /// Its mode lets others write.
    Writable,
}

impl Exposure {
    /// Finds out whether another user could have written a file or a folder.
    ///
    /// # Errors
    ///
    /// Its metadata cannot be read.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = Access::of(path)?.exposure(rustix::process::getuid().as_raw());
        // Kubernetes mounts the folder of a ConfigMap with mode 0777, but read-only.
        let is_harmless = found == Some(Self::Writable) && is_read_only(path);
        Ok(found.filter(|_| !is_harmless))
    }

    /// Finds nothing: this system has no such modes.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "other systems can fail")]
    pub(crate) fn of(_: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Returns the sentence about a path: what is wrong, why that matters, and what to do.
    pub(crate) fn message(self, path: &Path) -> String {
        let shown = path.display();
        match self {
            Self::OtherOwner => format!(
                "{shown} belongs to another user, who could name commands for this one to run: make this user \
                 its owner, or run as the other one"
            ),
            Self::Writable => format!(
                "{shown} can be written to by others, who could name commands for this user to run: run \
                 `chmod go-w {shown}`"
            ),
        }
    }
}

/// Returns a warning for the file of a configuration that another user could have written, or replaced.
pub(crate) fn warnings(file: &Path) -> Vec<String> {
    // A file that cannot be examined was read all the same.
    let of_file = Exposure::of(file).ok().flatten();
    let folder = folder_of(file);
    let of_folder = if is_replaceable_in(folder) { Some(Exposure::Writable) } else { None };
    let found = of_file.map(|exposure| exposure.message(file));
    found.into_iter().chain(of_folder.map(|exposure| exposure.message(folder))).collect()
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns true if everyone may replace the files of a folder. A group may: folders of a user's own group are common.
#[cfg(unix)]
fn is_replaceable_in(folder: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    let access = Access::of(folder).ok();
    access.is_some_and(|access| access.mode & 0o002 != 0 && access.mode & STICKY == 0)
        && !is_read_only(folder)
}

#[cfg(not(unix))]
fn is_replaceable_in(_: &Path) -> bool {
    false
}

/// The owner and the mode of a file or a folder.
#[cfg(unix)]
struct Access {
    owner: u32,
    mode: u32,
}

#[cfg(unix)]
impl Access {
    const ROOT: u32 = 0;

    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path)?;
        Ok(Self { owner: metadata.uid(), mode: metadata.mode() })
    }

    /// Returns the exposure for a user.
    fn exposure(&self, user: u32) -> Option<Exposure> {
        if ![Self::ROOT, user].contains(&self.owner) {
            return Some(Exposure::OtherOwner);
        }
        (self.mode & 0o022 != 0).then_some(Exposure::Writable)
    }
}

/// Returns true if a path is on a file system that is mounted read-only here.
#[cfg(unix)]
fn is_read_only(path: &Path) -> bool {
    let found = rustix::fs::statvfs(path);
    found.is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_root_and_this_user_may_write_a_file() {
        let (root, me, other) = (0, 1000, 1001);
        for (owner, mode, expected) in [
            (me, 0o600, None),
            (me, 0o644, None),
            (root, 0o640, None),
            (root, 0o755, None),
            (other, 0o600, Some(Exposure::OtherOwner)),
            (me, 0o664, Some(Exposure::Writable)),
            (root, 0o646, Some(Exposure::Writable)),
        ] {
            assert_eq!(Access { owner, mode }.exposure(me), expected, "{owner} {mode:o}");
        }
        assert_eq!(Access { owner: me, mode: 0o644 }.exposure(root), Some(Exposure::OtherOwner));
    }

    #[test]
    fn a_file_that_others_may_write_or_replace_is_warned_of_with_the_fix() {
        let place = tempfile::tempdir().expect("a folder can be made");
        let file = place.path().join("graph.toml");
        core_files::replace_file(&file, b"").expect("it is ours");
        let chmod = |path: &Path, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).expect("it is ours");
        };
        for (folder_mode, file_mode, expected) in [
            (0o700, 0o600, vec![]),
            (0o755, 0o644, vec![]),
            (0o775, 0o644, vec![]),
            (0o1777, 0o644, vec![]),
            (0o755, 0o664, vec![file.as_path()]),
            (0o777, 0o644, vec![place.path()]),
            (0o777, 0o666, vec![file.as_path(), place.path()]),
        ] {
            chmod(&file, file_mode);
            chmod(place.path(), folder_mode);
            let fixes: Vec<String> =
                expected.iter().map(|path| format!("`chmod go-w {}`", path.display())).collect();
            let found = warnings(&file);
            assert_eq!(found.len(), fixes.len(), "{folder_mode:o} {file_mode:o}: {found:?}");
            for (warning, fix) in found.iter().zip(&fixes) {
                assert!(warning.ends_with(fix) && warning.contains("name commands"), "{warning}");
            }
        }
        assert_eq!(
            warnings(&place.path().join("none")).len(),
            1,
            "only the folder can be examined"
        );
    }
}
