//! A simulated tenant in another process, and runs of the program against it into a new store.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use super::built::Built;
use super::cost::{Cost, measure_command};

/// A tenant that serves ready-made files, and the working folder of the runs against it.
pub(crate) struct Served {
    server: Child,
    folder: PathBuf,
    /// The hosts of the API and of the files.
    hosts: [String; 2],
}

/// The privacy profile of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Full,
    Pseudonymous,
}

impl Profile {
    pub(crate) const ALL: [Self; 2] = [Self::Full, Self::Pseudonymous];

    /// The name in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Pseudonymous => "pseudonymous",
        }
    }

    const fn configuration(self) -> &'static str {
        match self {
            Self::Full => "full.toml",
            Self::Pseudonymous => "pseudonymous.toml",
        }
    }
}

impl Served {
    /// Starts to serve the files of a folder.
    ///
    /// # Errors
    ///
    /// The server does not start, or the configuration is not writable.
    pub(crate) fn start(built: &Built, files: &Path) -> anyhow::Result<Self> {
        let mut command = built.example();
        command.arg("serve").arg(files);
        Self::begin(built, command)
    }

    /// Starts to serve a small tenant with an audit trail of a line a second.
    ///
    /// # Errors
    ///
    /// As [`Served::start`].
    pub(crate) fn start_audit(built: &Built) -> anyhow::Result<Self> {
        let mut command = built.example();
        command.arg("serve-audit");
        Self::begin(built, command)
    }

    fn begin(built: &Built, mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().context("the server does not start")?;
        let mut line = String::new();
        let stdout = server.stdout.take().context("standard output is a pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let (api, files) = line.trim().split_once(' ').context("the server does not say where")?;
        let hosts = [api, files].map(str::to_owned);
        let this = Self { server, folder: built.folder().join("run"), hosts };
        fs::create_dir_all(&this.folder)?;
        write_private(&this.folder.join("secret"), "demo-secret")?;
        this.configure("")?;
        Ok(this)
    }

    /// Writes the configurations, each followed by `more`.
    ///
    /// # Errors
    ///
    /// A file is not writable.
    pub(crate) fn configure(&self, more: &str) -> anyhow::Result<()> {
        for profile in Profile::ALL {
            let path = self.folder.join(profile.configuration());
            fs::write(path, configuration(&self.hosts, profile) + more)?;
        }
        Ok(())
    }

    /// The address of the API.
    pub(crate) fn api(&self) -> &str {
        &self.hosts[0]
    }

    /// Runs a program once, from nothing to a published generation.
    ///
    /// # Errors
    ///
    /// The run is incomplete, or did not read `rows` rows.
    pub(crate) fn run(&self, program: &Path, rows: u32) -> anyhow::Result<Cost> {
        self.run_as(program, rows, Profile::Full)
    }

    /// As [`Served::run`], under a privacy profile, for which [`Served::make_key`] was called.
    ///
    /// # Errors
    ///
    /// As [`Served::run`].
    pub(crate) fn run_as(
        &self,
        program: &Path,
        rows: u32,
        profile: Profile,
    ) -> anyhow::Result<Cost> {
        let (cost, report) = self.run_and_report(program, profile)?;
        let steps = report["steps"].as_array().into_iter().flatten();
        let read: u64 = steps.filter_map(|step| step["rows"]["read"].as_u64()).sum();
        // The account is a row too.
        ensure!(read == u64::from(rows) + 1, "it read {read} rows, not {rows} and the account");
        Ok(cost)
    }

    /// As [`Served::run`], but returns the report and accepts any number of rows.
    ///
    /// # Errors
    ///
    /// The run is incomplete.
    pub(crate) fn run_and_report(
        &self,
        program: &Path,
        profile: Profile,
    ) -> anyhow::Result<(Cost, serde_json::Value)> {
        let store = self.store();
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        let mut command = Command::new(program);
        command.current_dir(&self.folder).args(["run", "--quiet", "--output", "json"]);
        command.args(["--config", profile.configuration()]);
        let (cost, report) = measure_command(&mut command)?;
        Ok((cost, serde_json::from_str(&report).context("its report")?))
    }

    /// Exports what the last run has published as the folder that JupiterOne's tools read.
    ///
    /// # Errors
    ///
    /// No generation is published, or the folder is not writable.
    pub(crate) fn export(&self, program: &Path) -> anyhow::Result<Cost> {
        let folder = self.folder.join("collected");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut command = Command::new(program);
        command.current_dir(&self.folder).args(["export", "jupiterone", "collected", "--quiet"]);
        command.args(["--config", Profile::Full.configuration()]);
        Ok(measure_command(&mut command)?.0)
    }

    /// Makes the key that pseudonyms need, unless it exists.
    ///
    /// # Errors
    ///
    /// The key cannot be created.
    pub(crate) fn make_key(&self, program: &Path) -> anyhow::Result<()> {
        if self.folder.join("nexthink-graph.key").exists() {
            return Ok(());
        }
        let mut command = Command::new(program);
        command.current_dir(&self.folder).args(["privacy", "key", "new"]);
        command.args(["--config", Profile::Pseudonymous.configuration()]);
        measure_command(&mut command).map(drop)
    }

    /// The store of the last run.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends with its standard input. It is killed as well, so that it cannot linger.
        drop(self.server.stdin.take());
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn configuration([api, files]: &[String; 2], profile: Profile) -> String {
    let profile = profile.name();
    format!(
        r##"[nexthink]
tenant = "acme"
region = "eu"
client_id = "demo"
client_secret = {{ file = "secret" }}
proxy = "none"
daily_exports = 10000
polling = {{ first_ms = 1, longest_ms = 100 }}
retry = {{ longest_ms = 1 }}

[nexthink.endpoints]
login = "{api}"
api = "{api}"
files = "{files}"

[queries]
devices = "#j1_devices"
packages = "#j1_packages"

[store]
location = "store"

[privacy]
profile = "{profile}"
"##
    )
}

/// Writes a file that the program reads only if other users cannot.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())?;
    Ok(())
}
