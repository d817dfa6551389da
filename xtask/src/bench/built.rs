//! The measured programs, built for release once, and their input files, generated once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;

use super::Files;
use crate::cargo::{cargo, run as run_command};

/// The programs of this workspace that a benchmark starts.
pub(crate) struct Built {
    root: PathBuf,
    target: PathBuf,
    program: Option<PathBuf>,
}

impl Built {
    /// Builds the example; the program itself only on request.
    ///
    /// # Errors
    ///
    /// The example does not build, or the named program does not exist.
    pub(crate) fn new(root: &Path, program: Option<&Path>) -> anyhow::Result<Self> {
        let programs = Self::without_example(root, program)?;
        let build =
            ["build", "--quiet", "--release", "--package", "xtask", "--example", "bench_case"];
        run_command(&mut cargo(root, &build))?;
        Ok(programs)
    }

    /// Builds nothing yet, for benchmarks that need the program alone.
    ///
    /// # Errors
    ///
    /// The named program does not exist.
    pub(crate) fn without_example(root: &Path, program: Option<&Path>) -> anyhow::Result<Self> {
        let program = program.map(full_path).transpose()?;
        let metadata = MetadataCommand::new().current_dir(root).no_deps().exec();
        let target = metadata.context("cargo metadata")?.target_directory.into_std_path_buf();
        Ok(Self { root: root.to_owned(), target, program })
    }

    /// Returns the program to measure.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub(crate) fn program(&self) -> anyhow::Result<PathBuf> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        run_command(&mut cargo(
            &self.root,
            &["build", "--quiet", "--release", "--package", "runner"],
        ))?;
        Ok(self
            .target
            .join("release")
            .join(format!("nexthink-graph{}", std::env::consts::EXE_SUFFIX)))
    }

    /// A command for the example, which writes files, runs a case, or serves.
    pub(crate) fn example(&self) -> Command {
        let name = format!("bench_case{}", std::env::consts::EXE_SUFFIX);
        let mut command = Command::new(self.target.join("release/examples").join(name));
        command.current_dir(&self.root);
        command
    }

    /// The folder of everything that benchmarks keep.
    pub(crate) fn folder(&self) -> PathBuf {
        self.target.join("bench")
    }

    /// Returns the folder that other programs are installed in.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(crate) fn peers(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder().join("peers");
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Returns the folder with these files, which are generated if they are missing.
    ///
    /// # Errors
    ///
    /// The folder is not writable.
    pub(crate) fn files(&self, what: Files) -> anyhow::Result<PathBuf> {
        let folder = self.folder().join(what.name());
        let complete = folder.join("complete");
        if !complete.exists() {
            self.write_files(what, &folder)?;
            fs::write(&complete, "")?;
        }
        Ok(folder)
    }

    /// Writes the files to any folder.
    ///
    /// # Errors
    ///
    /// The folder is not writable.
    pub(crate) fn write_files(&self, what: Files, folder: &Path) -> anyhow::Result<()> {
        let mut command = self.example();
        command.args(["gen", what.size.name()]).arg(folder);
        if what.shuffled {
            command.arg("--shuffled");
        }
        run_command(&mut command)
    }
}

/// Returns the full path of a program that the user named.
///
/// # Errors
///
/// The file does not exist.
pub(crate) fn full_path(program: &Path) -> anyhow::Result<PathBuf> {
    fs::canonicalize(program).with_context(|| format!("there is no {}", program.display()))
}
