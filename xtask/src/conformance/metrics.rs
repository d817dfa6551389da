//! Prometheus' own tool judges the metrics of a run and of a scheduler, and our alerts.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::bench::Tenant;
use crate::cargo::{cargo, run as run_command};

/// Prometheus' tool, on Debian in the package `prometheus`.
const TOOL: &str = "promtool";

/// The time that the scheduler's first run may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lets `promtool` check what the program writes over a simulated tenant.
///
/// # Errors
///
/// It refuses something, or is not installed.
pub(super) fn judge(root: &Path) -> anyhow::Result<()> {
    let installed = Command::new(TOOL).arg("--version").output().is_ok();
    ensure!(installed, "{TOOL} is not installed: `apt-get install prometheus` has it");
    run_command(&mut cargo(root, &["build", "--workspace"]))?;
    let program = format!("target/debug/program{}", std::env::consts::EXE_SUFFIX);
    let program = root.join(program);
    let folder = root.join("target/conformance/metrics");
    if folder.exists() {
        // The scheduler's first run is due at once only in an empty store.
        fs::remove_dir_all(&folder).context("cannot empty target/conformance/metrics")?;
    }
    fs::create_dir_all(&folder).context("cannot make target/conformance/metrics")?;
    let ours = || {
        let mut command = Command::new(&program);
        command.current_dir(&folder);
        command
    };
    let _tenant = Tenant::start(ours(), &[("--devices", 100), ("--users", 50)])?;
    let scraped = scrape(ours())?;
    check("the metrics of `schedule`", &scraped)?;
    run_command(ours().args(["run", "--quiet", "--metrics-file", "nexthink.prom"]))?;
    let written = fs::read_to_string(folder.join("nexthink.prom"))?;
    check("the file of `run --metrics-file`", &written)?;
    let alerts = root.join("xtask/packaging/prometheus/nexthink-graph.yml");
    run_command(Command::new(TOOL).args(["check", "rules"]).arg(alerts))
}

/// The metrics of a scheduler after its first run.
fn scrape(mut program: Command) -> anyhow::Result<String> {
    program.args(["schedule", "--interval", "12 hours", "--listen", "127.0.0.1:0"]);
    let mut process = program.stderr(Stdio::piped()).spawn()?;
    let said = BufReader::new(process.stderr.take().context("standard error is a pipe")?);
    let mut lines = said.lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.split_once("/metrics are at ")?.1.to_owned()));
    let scraped = match address {
        // The rest of what it says is read, so that it can go on.
        Some(address) => {
            let reading = std::thread::spawn(move || lines.for_each(drop));
            let scraped = after_first_run(&address);
            process.kill()?;
            // It says nothing any more.
            let _ = reading.join();
            scraped
        }
        None => bail!("the scheduler does not listen"),
    };
    process.wait()?;
    scraped
}

fn after_first_run(address: &str) -> anyhow::Result<String> {
    let start = Instant::now();
    loop {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
        ensure!(head.contains(" 200 "), "the scheduler refuses: {head}");
        if body.contains("nexthink_graph_runs_total{") {
            return Ok(body.to_owned());
        }
        ensure!(start.elapsed() < PATIENCE, "the first run does not end");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn check(what: &str, metrics: &str) -> anyhow::Result<()> {
    let mut tool = Command::new(TOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("{TOOL} does not start"))?;
    tool.stdin.take().context("standard input is a pipe")?.write_all(metrics.as_bytes())?;
    let status = tool.wait()?;
    ensure!(status.success(), "{TOOL} refuses {what} ({status})");
    println!("{TOOL} accepts {what}");
    Ok(())
}
