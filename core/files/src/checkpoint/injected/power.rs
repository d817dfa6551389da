//! A disk that loses its power: what was not fsynced may be gone.
//!
//! Names that were created, renamed, exchanged or removed are lost from some operation on, as a journal loses
//! them, unless their folder was fsynced. Bytes that were written since the last fsync of their file are kept,
//! cut or zero, each file by itself; this is what makes a rename before an fsync lose a file. A seed decides.
//!
//! Only what this process has done since its start is lost; what was done before is taken as durable.

mod content;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLockReadGuard};

use fastrand::Rng;

use self::content::Content;
use super::Effect;
use super::machine::Machine;

/// The changes that are not durable yet.
#[derive(Debug)]
pub(super) struct Disk {
    /// The changes of names, oldest first.
    names: Vec<NameChange>,
    /// For each file that was written: how many bytes survive.
    durable_lengths: BTreeMap<PathBuf, u64>,
}

#[derive(Debug)]
struct NameChange {
    /// The folder whose fsync makes it durable.
    folder: PathBuf,
    is_durable: bool,
    undo: Undo,
}

/// The steps that put the names back as they were.
#[derive(Debug)]
enum Undo {
    Remove(PathBuf),
    Rename { from: PathBuf, to: PathBuf, replaced: Option<Content> },
    Exchange { one: PathBuf, other: PathBuf },
    Restore(PathBuf, Content),
}

/// An operation that is under way.
pub(super) struct Change {
    machine: &'static Machine,
    kind: ChangeKind,
    _power: RwLockReadGuard<'static, ()>,
}

enum ChangeKind {
    None,
    Names(Vec<Undo>),
    /// The file and how many bytes of it survived before the operation.
    Write(PathBuf, u64),
    SyncFile(PathBuf),
    SyncFolder(PathBuf),
}

impl Change {
    /// Notes what the operation is about to change.
    pub(super) fn begin(machine: &'static Machine, effect: Effect<'_>) -> Self {
        let power = machine.power.read().unwrap_or_else(PoisonError::into_inner);
        Self { machine, kind: ChangeKind::begin(effect), _power: power }
    }

    /// Notes that it was done.
    pub(super) fn finish(self) {
        self.machine.disk().change(self.kind);
    }
}

impl ChangeKind {
    fn begin(effect: Effect<'_>) -> Self {
        match effect {
            Effect::Open(_) => Self::None,
            Effect::CreateFile(path) => {
                let path = absolute(path);
                if path.exists() {
                    let length = length_of(&path);
                    return Self::Write(path, length);
                }
                Self::Names(vec![Undo::Remove(path)])
            }
            Effect::CreateFolder(path) => {
                let path = absolute(path);
                let new = path.ancestors().take_while(|folder| !folder.exists());
                let mut undo: Vec<_> = new.map(|folder| Undo::Remove(folder.to_owned())).collect();
                undo.reverse();
                Self::Names(undo)
            }
            Effect::Write(path) => {
                let path = absolute(path);
                let length = length_of(&path);
                Self::Write(path, length)
            }
            Effect::SyncFile(path) => Self::SyncFile(absolute(path)),
            Effect::SyncFolder(path) => Self::SyncFolder(absolute(path)),
            Effect::Rename { from, to } => {
                let (from, to) = (absolute(from), absolute(to));
                let replaced = Content::read(&to);
                Self::Names(vec![Undo::Rename { from, to, replaced }])
            }
            Effect::Exchange { one, other } => {
                let (one, other) = (absolute(one), absolute(other));
                Self::Names(vec![Undo::Exchange { one, other }])
            }
            Effect::Remove(path) => {
                let path = absolute(path);
                let content = Content::read(&path);
                Self::Names(
                    content
                        .into_iter()
                        .map(|content| Undo::Restore(path.clone(), content))
                        .collect(),
                )
            }
        }
    }
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { names: Vec::new(), durable_lengths: BTreeMap::new() }
    }

    fn change(&mut self, kind: ChangeKind) {
        match kind {
            ChangeKind::None => {}
            ChangeKind::Names(undo) => undo.into_iter().for_each(|undo| self.change_name(undo)),
            ChangeKind::Write(path, before) => {
                let length = length_of(&path);
                let durable = self.durable_lengths.entry(path).or_insert(before);
                *durable = (*durable).min(length);
            }
            ChangeKind::SyncFile(path) => {
                self.durable_lengths.remove(&path);
            }
            ChangeKind::SyncFolder(folder) => {
                for change in self.names.iter_mut().filter(|change| change.folder == folder) {
                    change.is_durable = true;
                }
            }
        }
    }

    fn change_name(&mut self, undo: Undo) {
        match &undo {
            Undo::Remove(path) if path.is_file() => {
                self.durable_lengths.insert(path.clone(), 0);
            }
            Undo::Remove(_) => {}
            Undo::Rename { from, to, .. } => self.move_lengths(&[(from, to)]),
            Undo::Exchange { one, other } => self.move_lengths(&[(one, other), (other, one)]),
            Undo::Restore(path, _) => {
                self.durable_lengths.retain(|file, _| !file.starts_with(path));
            }
        }
        let folder = undo.path().parent().unwrap_or(Path::new("/")).to_owned();
        self.names.push(NameChange { folder, is_durable: false, undo });
    }

    /// Lets the lengths of files follow their new names.
    fn move_lengths(&mut self, moves: &[(&Path, &Path)]) {
        let new_path = |path: PathBuf| {
            for (from, to) in moves {
                if path == **from {
                    return Some((*to).to_owned());
                }
                if let Ok(rest) = path.strip_prefix(from) {
                    return Some(to.join(rest));
                }
            }
            // What had the new name before is replaced.
            let is_replaced = moves.iter().any(|(_, to)| path.starts_with(to));
            (!is_replaced).then_some(path)
        };
        let lengths = std::mem::take(&mut self.durable_lengths).into_iter();
        self.durable_lengths =
            lengths.filter_map(|(path, length)| Some((new_path(path)?, length))).collect();
    }

    /// Loses bytes, then names from some change on.
    pub(super) fn lose(&mut self, random: &mut Rng) {
        for (path, durable) in std::mem::take(&mut self.durable_lengths) {
            unless_gone(&path, lose_bytes(&path, durable, random));
        }
        let kept = random.usize(..=self.names.len());
        for change in self.names.drain(kept..).rev().filter(|change| !change.is_durable) {
            let path = change.undo.path().to_owned();
            unless_gone(&path, change.undo.run());
        }
    }
}

impl Undo {
    /// The name whose folder has to be fsynced.
    fn path(&self) -> &Path {
        match self {
            Self::Remove(path) | Self::Restore(path, _) => path,
            Self::Rename { to, .. } => to,
            Self::Exchange { other, .. } => other,
        }
    }

    fn run(self) -> io::Result<()> {
        match self {
            Self::Remove(path) if path.is_dir() => fs::remove_dir_all(path),
            Self::Remove(path) => fs::remove_file(path),
            Self::Rename { from, to, replaced } => {
                fs::rename(&to, from)?;
                replaced.map_or(Ok(()), |content| content.write(&to))
            }
            Self::Exchange { one, other } => crate::folder::exchange(&one, &other),
            Self::Restore(path, content) => content.write(&path),
        }
    }
}

/// Fails unless it was done, or the name has gone with its folder or with a later change that was durable.
fn unless_gone(path: &Path, done: io::Result<()>) {
    if let Err(error) = done {
        assert!(error.kind() == ErrorKind::NotFound, "cannot lose {}: {error}", path.display());
    }
}

/// Loses some of the bytes behind the durable ones.
fn lose_bytes(path: &Path, durable: u64, random: &mut Rng) -> io::Result<()> {
    let length = fs::metadata(path)?.len();
    if length <= durable {
        return Ok(());
    }
    let file = fs::OpenOptions::new().write(true).open(path)?;
    let lost = usize::try_from(length - durable).unwrap_or(usize::MAX);
    file.set_len(match random.usize(..4) {
        0 => length,
        1 => durable + random.usize(..lost) as u64,
        _ => durable,
    })?;
    // Some file systems note the new length before the bytes.
    if random.usize(..3) == 0 { file.set_len(length) } else { Ok(()) }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tempfile::TempDir;

    use super::*;

    /// One operation on the disk and on the model.
    fn run<T>(disk: &mut Disk, effect: Effect<'_>, run: impl FnOnce() -> io::Result<T>) {
        let kind = ChangeKind::begin(effect);
        run().expect("the operation is possible");
        disk.change(kind);
    }

    /// Replaces `state` as `replace_file` does, with or without its two fsyncs.
    fn replace(folder: &Path, disk: &mut Disk, [sync_file, sync_folder]: [bool; 2]) {
        let (new, state) = (folder.join("new"), folder.join("state"));
        run(disk, Effect::CreateFile(&new), || fs::File::create(&new));
        run(disk, Effect::Write(&new), || fs::write(&new, "second"));
        if sync_file {
            disk.change(ChangeKind::begin(Effect::SyncFile(&new)));
        }
        run(disk, Effect::Rename { from: &new, to: &state }, || fs::rename(&new, &state));
        if sync_folder {
            disk.change(ChangeKind::begin(Effect::SyncFolder(folder)));
        }
    }

    /// Returns the contents that `state` may have after the power was lost.
    fn outcomes(syncs: [bool; 2]) -> BTreeSet<String> {
        let outcome = |seed| {
            let folder = TempDir::new().expect("a folder can be made");
            fs::write(folder.path().join("state"), "first").expect("there is room");
            let mut disk = Disk::new();
            replace(folder.path(), &mut disk, syncs);
            disk.lose(&mut Rng::with_seed(seed));
            fs::read_to_string(folder.path().join("state")).expect("one of them is there")
        };
        (0..200).map(outcome).collect()
    }

    #[test]
    fn a_replacement_is_safe_only_with_both_fsyncs() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(outcomes([true, true]), texts(&["second"]));
        assert_eq!(outcomes([true, false]), texts(&["first", "second"]));
        let without = outcomes([false, true]);
        assert!(without.contains("") && without.contains("\0\0\0\0\0\0"), "{without:?}");
        assert!(!without.contains("first"), "{without:?}");
    }

    #[test]
    fn what_was_removed_exchanged_or_created_comes_back_as_it_was() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name);
        for name in ["one", "other"] {
            fs::create_dir(path(name)).expect("there is room");
            fs::write(path(name).join("file"), name).expect("there is room");
        }
        let mut disk = Disk::new();
        let (one, other, deep) = (path("one"), path("other"), path("new/deep"));
        let exchange = Effect::Exchange { one: &one, other: &other };
        run(&mut disk, exchange, || crate::folder::exchange(&one, &other));
        run(&mut disk, Effect::Remove(&one), || fs::remove_dir_all(&one));
        run(&mut disk, Effect::CreateFolder(&deep), || fs::create_dir_all(&deep));
        // All of it is lost with the seed that keeps nothing.
        let seed = (0..100).find(|seed| Rng::with_seed(*seed).usize(..5) == 0);
        disk.lose(&mut Rng::with_seed(seed.expect("there is one")));
        for name in ["one", "other"] {
            let content = fs::read_to_string(path(name).join("file")).expect("it is back");
            assert_eq!(content, name);
        }
        assert!(!path("new").exists());
    }
}
