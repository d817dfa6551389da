//! Runs of the whole program in a control group that limits its memory. A run that takes more is killed by the system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::built::Built;
use super::cost::{Case, in_turns};
use super::served::Served;
use super::{Files, MeasureOptions, Size, table};

/// The sizes, and the memory that a run of each may take, in MiB. Files that it writes and reads count too, until the
/// system has written them to the disk and takes their pages back.
const LIMITS: [(Size, u64); 2] = [(Size::M, 128), (Size::L2, 512)];

/// The name of the control group.
const NAME: &str = "nexthink-graph-bench";

/// Runs each size within its limit.
///
/// # Errors
///
/// This user cannot make a control group, a program does not build, or a run is killed or incomplete.
pub(crate) fn run(built: &Built, options: &MeasureOptions) -> anyhow::Result<()> {
    let program = built.program()?;
    let mut measured = Vec::new();
    for (size, mebibytes) in LIMITS {
        let what = Files { size, shuffled: false };
        let served = Served::start(built, &built.files(what)?)?;
        let group = ControlGroup::new(mebibytes)?;
        let entering = group.entering(&program, &built.folder().join("in-group.sh"))?;
        let name = format!("{} within {mebibytes} MiB", what.name());
        let run = || served.run(&entering, size.rows());
        measured.extend(in_turns(vec![Case { name, run: Box::new(run) }], options.runs, 1)?);
    }
    let title = format!("HTTP to a generation, median of {}", options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}

/// A control group without processes yet. Dropped, it is removed.
struct ControlGroup {
    folder: PathBuf,
}

impl ControlGroup {
    /// Makes a group whose processes together get this much memory and no swap space.
    fn new(mebibytes: u64) -> anyhow::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let bytes = mebibytes * 1024 * 1024;
        let is_unified = root.join("cgroup.controllers").exists();
        // Version 2 has one tree; version 1 has a tree for each controller, and limits memory and swap together.
        let (parent, limits) = if is_unified {
            (root.to_owned(), [("memory.max", bytes), ("memory.swap.max", 0)])
        } else {
            let limits = [("memory.limit_in_bytes", bytes), ("memory.swappiness", 0)];
            (root.join("memory"), limits)
        };
        let folder = parent.join(NAME);
        fs::create_dir_all(&folder).with_context(|| {
            format!("cannot make the control group {}; it takes root", folder.display())
        })?;
        let group = Self { folder };
        for (name, limit) in limits {
            let file = group.folder.join(name);
            fs::write(&file, limit.to_string())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(group)
    }

    /// Writes a script that enters the group and becomes the program; returns its path.
    fn entering(&self, program: &Path, script: &Path) -> anyhow::Result<PathBuf> {
        let members = self.folder.join("cgroup.procs");
        ensure!(members.exists(), "{} is no control group", self.folder.display());
        let (members, program) = (members.display(), program.display());
        let text = format!("#!/bin/sh\necho $$ > '{members}' && exec '{program}' \"$@\"\n");
        fs::write(script, text)?;
        #[cfg(unix)]
        fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(script.to_owned())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Its processes have ended; a group that stays costs nothing and is used again.
        let _ = fs::remove_dir(&self.folder);
    }
}
