//! Files that hold secrets: who may read them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The reason why a file may not be used as a secret.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Its metadata cannot be read.
    #[error("cannot read {what} {}", path.display())]
    Metadata {
        /// The file in the message, such as `the secret file`.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Other users can read it.
    #[error("{what} {} can be read by others: {fix}", path.display())]
    Exposed {
        /// The file in the message, such as `the secret file`.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The remedy.
        fix: String,
    },
}

/// Fails if other users can read an open file, and says what to do about it. Messages call the file `what`, such as
/// `the secret file`.
///
/// # Errors
/// The file is exposed, or its metadata cannot be read.
#[cfg(unix)]
pub fn ensure_private(
    file: &File,
    path: &Path,
    what: &'static str,
) -> Result<(), PrivateFileError> {
    use std::os::unix::fs::MetadataExt as _;

    let shown = path.display();
    let unreadable = |source| PrivateFileError::Metadata { what, path: path.to_owned(), source };
    let metadata = file.metadata().map_err(unreadable)?;
    let access = Access { mode: metadata.mode(), owner: metadata.uid(), group: metadata.gid() };
    let reader = Reader::this_process();
    if access.is_private_for(&reader) {
        return Ok(());
    }
    let fix = if is_mounted_by_kubernetes(path) {
        "set `defaultMode: 0440` for the volume in Kubernetes".to_owned()
    } else if access.owner == reader.user || reader.user == 0 {
        format!("run `chmod 600 {shown}`")
    } else {
        format!("let its owner, user {}, run `chmod 400 {shown}` and give it to you", access.owner)
    };
    Err(PrivateFileError::Exposed { what, path: path.to_owned(), fix })
}

/// Does nothing: this system has no such permissions.
#[cfg(not(unix))]
pub fn ensure_private(_: &File, _: &Path, _: &'static str) -> Result<(), PrivateFileError> {
    Ok(())
}

/// The permissions of a file.
#[cfg(unix)]
struct Access {
    mode: u32,
    owner: u32,
    group: u32,
}

/// A user who wants to read a file, and the groups of the user.
#[cfg(unix)]
struct Reader {
    user: u32,
    groups: Vec<u32>,
}

#[cfg(unix)]
impl Reader {
    fn this_process() -> Self {
        use rustix::process::{getegid, geteuid, getgroups};

        // A process whose groups are unknown has one group at least.
        let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
        Self { user: geteuid().as_raw(), groups: groups.map(rustix::fs::Gid::as_raw).collect() }
    }
}

#[cfg(unix)]
impl Access {
    const ROOT: u32 = 0;

    /// Returns whether only the reader and root can read the file.
    ///
    /// A secret that Kubernetes or systemd mounts belongs to root and is readable by one group, which is
    /// the reader's: no one but root could have chosen that group, and the reader cannot change it. A
    /// file of the reader's own has no reason to be readable by a group, unless no one may write to it,
    /// which is how such a mount looks to a container that runs as root.
    fn is_private_for(&self, reader: &Reader) -> bool {
        let (group, others) = (self.mode & 0o070, self.mode & 0o007);
        if others != 0 || group & 0o030 != 0 {
            return false;
        }
        let is_chosen_by_root = self.owner == Self::ROOT
            && (reader.user != Self::ROOT || self.mode & 0o200 == 0)
            && (self.group == Self::ROOT || reader.groups.contains(&self.group));
        group == 0 || is_chosen_by_root
    }
}

/// Returns whether a path leads through the links that Kubernetes swaps when a mounted secret changes: `secret`
/// links to `..data/secret`, and `..data` to a folder whose name begins with two dots and the date.
#[cfg(unix)]
fn is_mounted_by_kubernetes(path: &Path) -> bool {
    let real = path.canonicalize().unwrap_or_default();
    let mut names = real.components().filter_map(|part| part.as_os_str().to_str());
    names.any(|name| name.starts_with("..") && name.len() > 2)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn p7_a_file_is_private_if_only_its_reader_and_root_can_read_it() {
        let me = Reader { user: 1000, groups: vec![1000, 2000] };
        let root = Reader { user: 0, groups: vec![0] };
        let table = [
            (0o600, 1000, 1000, &me, true),
            (0o400, 1000, 1000, &me, true),
            (0o640, 1000, 1000, &me, false),
            (0o440, 1000, 1000, &me, false),
            (0o604, 1000, 1000, &me, false),
            // Mounted by Kubernetes with `fsGroup: 2000`, or by systemd.
            (0o440, 0, 2000, &me, true),
            (0o440, 0, 0, &me, true),
            (0o640, 0, 2000, &me, true),
            (0o440, 0, 3000, &me, false),
            (0o460, 0, 2000, &me, false),
            (0o444, 0, 2000, &me, false),
            (0o644, 0, 0, &me, false),
            (0o440, 0, 0, &root, true),
            (0o640, 0, 0, &root, false),
            (0o644, 0, 0, &root, false),
            (0o600, 0, 0, &root, true),
        ];
        for (mode, owner, group, reader, expected) in table {
            let access = Access { mode, owner, group };
            assert_eq!(
                access.is_private_for(reader),
                expected,
                "{mode:o} of {owner}:{group} for {}",
                reader.user
            );
        }
    }

    #[test]
    fn p7_an_exposed_file_says_what_to_do_where_it_is_mounted() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().expect("a folder");
        let mounted = folder.path().join("..2026_03_01_10_00_00.1");
        std::fs::create_dir(&mounted).expect("a folder can be made");
        std::fs::write(mounted.join("secret"), "s3cret").expect("written");
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(mounted.join("secret"), mode).expect("changed");
        symlink("..2026_03_01_10_00_00.1", folder.path().join("..data")).expect("linked");
        symlink("..data/secret", folder.path().join("secret")).expect("linked");
        for (path, expected) in [
            (folder.path().join("secret"), "`defaultMode: 0440` for the volume"),
            (mounted.join("secret"), "`defaultMode: 0440` for the volume"),
        ] {
            let file = File::open(&path).expect("it is there");
            let error = ensure_private(&file, &path, "the secret file").expect_err("it is exposed");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
