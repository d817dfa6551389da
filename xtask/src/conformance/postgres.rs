//! A Postgres server of our own for tests, from the binaries that are installed: a new cluster in a folder of ours, on
//! a free port of this machine, gone with its value.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cargo::{cargo, run as run_command};

/// The role and the password that the tests log in with.
const USER: &str = "tester";
const PASSWORD: &str = "canary-password-51f0";

/// The variable that tells the tests the port.
const PORT: &str = "NEXTHINK_GRAPH_TEST_POSTGRES_PORT";

/// Where Debian puts the binaries of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Runs the tests of the destination against a real server.
///
/// # Errors
///
/// No server is installed or starts, or a test fails.
pub(super) fn judge(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let server = Server::start(folder)?;
    let arguments = ["test", "--workspace", "--test", "postgres"];
    run_command(cargo(root, &arguments).env(PORT, server.port.to_string()))
}

/// A running server.
struct Server {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is wanted any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        let folder = folder.join("postgres");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let password = folder.join("password");
        fs::write(&password, PASSWORD)?;
        let owner = Owner::find(&folder)?;
        let data = folder.join("data");
        let mut initdb = owner.command(&binaries.join("initdb"));
        initdb.args([
            "--username",
            USER,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(&data);
        run_command(initdb.stdout(Stdio::null()))?;
        // Taken and given back: the server cannot choose one.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = owner.command(&binaries.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=32MB",
        ] {
            postgres.arg("-c").arg(setting);
        }
        let log = fs::File::create(folder.join("log"))?;
        let process = postgres.stdout(log.try_clone()?).stderr(log).spawn();
        let mut server =
            Self { process: process.context("postgres cannot be started")?, port, folder };
        server.wait()?;
        Ok(server)
    }

    /// Waits until it accepts connections.
    fn wait(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if log.contains("ready to accept connections") {
                return Ok(());
            }
            if self.process.try_wait()?.is_some() {
                bail!("postgres ended at once:\n{log}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("postgres is not ready after 30 s")
    }
}

/// Finds the folder with `initdb` and `postgres`, the newest version where there are several.
fn binaries() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    let version = |binaries: &PathBuf| {
        let name = binaries.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        name.to_string_lossy()
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    };
    versions.sort_by_key(version);
    versions.pop().with_context(|| {
        format!(
            "there is no Postgres server below {DEBIAN}: `apt-get install postgresql` installs one"
        )
    })
}

/// Who runs the server: it refuses to be run by root.
struct Owner {
    is_other: bool,
}

impl Owner {
    /// Finds out who may run the server, and gives them the folder.
    fn find(folder: &Path) -> anyhow::Result<Self> {
        let id = Command::new("id").arg("-u").output().context("`id` cannot be run")?;
        let is_other = id.stdout.trim_ascii() == b"0";
        if is_other {
            // The user that the package makes.
            run_command(Command::new("chown").args(["-R", "postgres"]).arg(folder))?;
        }
        Ok(Self { is_other })
    }

    fn command(&self, program: &Path) -> Command {
        if !self.is_other {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    }
}
