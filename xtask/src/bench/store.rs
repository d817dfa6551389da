//! The store of a simulated tenant, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::built::Built;
use super::cost::measure_command;
use super::tenant::Tenant;

/// A folder with a configuration and a store.
pub(crate) struct Store {
    program: PathBuf,
    folder: PathBuf,
}

impl Store {
    /// Uses the folder of this name that an earlier measurement has filled, or fills it.
    ///
    /// # Errors
    ///
    /// The program does not build, or the folder cannot be made or filled.
    pub(crate) fn kept(
        built: &Built,
        name: &str,
        fill: impl FnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let store = Self { program: built.program()?, folder: built.folder().join(name) };
        let complete = store.folder.join("complete");
        if !complete.exists() {
            store.empty()?;
            fill(&store)?;
            fs::write(&complete, "")?;
        }
        Ok(store)
    }

    /// Uses an empty folder.
    ///
    /// # Errors
    ///
    /// The program does not build, or the folder cannot be made.
    pub(crate) fn new(built: &Built, name: &str) -> anyhow::Result<Self> {
        let store = Self { program: built.program()?, folder: built.folder().join(name) };
        store.empty()?;
        Ok(store)
    }

    fn empty(&self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(fs::create_dir_all(&self.folder)?)
    }

    /// Publishes so many generations of a tenant with these sizes.
    ///
    /// # Errors
    ///
    /// The tenant does not start, or a run fails.
    pub(crate) fn publish(&self, sizes: &[(&str, u32)], generations: u32) -> anyhow::Result<()> {
        let _tenant = Tenant::start(self.command(), sizes)?;
        for _ in 0..generations {
            measure_command(self.command().args(["run", "--quiet"]))?;
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program, in this folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder);
        command
    }

    /// Returns the rows of an answer.
    ///
    /// # Errors
    ///
    /// The query fails.
    pub(crate) fn rows(&self, sql: &str) -> anyhow::Result<Vec<Value>> {
        let (_, printed) =
            measure_command(self.command().args(["query", "--output", "json", sql]))?;
        Ok(serde_json::from_str(&printed)?)
    }

    /// Returns the column `k` of the first row of an answer, a text.
    ///
    /// # Errors
    ///
    /// The query fails or has no row.
    pub(crate) fn first(&self, sql: &str) -> anyhow::Result<String> {
        let rows = self.rows(sql)?;
        let value = rows.first().and_then(|row| row["k"].as_str());
        Ok(value.context("the store is empty")?.to_owned())
    }
}
