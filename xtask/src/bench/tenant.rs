//! A simulated tenant of any size, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, ensure};

/// A simulated tenant, until it is dropped.
pub(crate) struct Tenant {
    process: Child,
    /// The tenant's output, which must stay open.
    _said: BufReader<ChildStderr>,
}

impl Tenant {
    /// Starts a tenant with `simulate`, and writes a configuration for it into the command's folder.
    ///
    /// # Errors
    ///
    /// The program does not start, or does not serve.
    pub(crate) fn start(mut program: Command, sizes: &[(&str, u32)]) -> anyhow::Result<Self> {
        program.args(["simulate", "--listen", "127.0.0.1:0"]);
        program.args(["--config-out", "nexthink-graph.toml", "--force"]);
        program.args(sizes.iter().flat_map(|(flag, size)| [(*flag).to_owned(), size.to_string()]));
        let mut process = program.stderr(Stdio::piped()).spawn()?;
        let said = process.stderr.take().context("standard error is a pipe")?;
        let mut said = BufReader::new(said);
        // The last line before it serves.
        let mut lines = said.by_ref().lines();
        let serves = lines.any(|line| line.is_ok_and(|text| text.contains("now run")));
        ensure!(serves, "the simulated tenant does not start");
        Ok(Self { process, _said: said })
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
