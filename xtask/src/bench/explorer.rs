//! The explorer as its users meet it: the program serves a large store, and this measures what it answers over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::Output;
use super::built::full_path;
use crate::cargo::{cargo, run as run_command};

/// The time that one answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The key of the package that every tenth device has.
const PACKAGE: &str = "package-00000000";

/// The size of the store, and how much is asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplorerOptions {
    /// The number of devices. Each has 150 packages, and every tenth has the one that is looked at.
    #[arg(long, default_value_t = 50_000)]
    devices: u32,
    /// The number of packages.
    #[arg(long, default_value_t = 1_350_000)]
    packages: u32,
    /// The number of clients that ask at once.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// The number of requests that they send together.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Measure this program instead of building one for release.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// The output format.
    #[arg(long, default_value = "table")]
    output: Output,
}

/// One figure: what it is, its value, its unit, and what it should be at most.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
}

/// Measures.
///
/// # Errors
/// A program does not build, or an answer is not what was asked for.
pub(crate) fn run(root: &Path, options: &ExplorerOptions) -> anyhow::Result<()> {
    let program = if let Some(program) = &options.program {
        full_path(program)?
    } else {
        run_command(&mut cargo(root, &["build", "--quiet", "--release", "--workspace"]))?;
        root.join("target/release/nexthink-graph")
    };
    let folder = store(root, options)?;
    let server = Server::start(&program, &folder)?;
    let mut figures = vec![
        ms("start", server.started, None),
        ms("first page", server.first_page()?, Some(300.0)),
    ];
    figures.extend(search(&server)?);
    figures.extend(package(&server)?);
    figures.extend(many(&server, options)?);
    let goal = 512.0 + 200.0;
    figures.push(Figure {
        name: "peak memory",
        value: server.peak_mebibytes()?,
        unit: "MiB",
        goal: Some(goal),
    });
    print(options, &figures);
    Ok(())
}

/// The folder with a store of this size, which is written once.
fn store(root: &Path, options: &ExplorerOptions) -> anyhow::Result<PathBuf> {
    let ExplorerOptions { devices, packages, .. } = options;
    let folder = root.join(format!("target/bench/explorer-{devices}-{packages}"));
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    run_command(&mut cargo(root, &["build", "--quiet", "--workspace", "--example", "estate"]))?;
    let mut estate = Command::new(root.join("target/debug/examples/estate"));
    estate.args(["nexthink-graph-demo", &devices.to_string(), &packages.to_string()]);
    run_command(estate.current_dir(&folder))?;
    fs::write(complete, "")?;
    Ok(folder)
}

/// Measures a search with each letter that is typed, the first of which reads the names.
fn search(server: &Server) -> anyhow::Result<Vec<Figure>> {
    let ask = |text: &str| {
        let start = Instant::now();
        let found = server.json(&format!("search?text={text}&limit=20"))?;
        ensure!(found["hits"].as_array().is_some_and(|hits| hits.len() == 20), "{text}: {found}");
        anyhow::Ok(start.elapsed())
    };
    let first = ask("package")?;
    let mut times = Vec::new();
    for text in ["p", "pa", "pack", "package%20number%2012", "e", "number%20123", "000012"] {
        for _ in 0..5 {
            times.push(ask(text)?);
        }
    }
    times.sort_unstable();
    let middle = times[times.len() / 2];
    let longest = times[times.len() - 1];
    Ok(vec![
        ms("search, names read", first, None),
        ms("search, median", middle, Some(50.0)),
        ms("search, longest", longest, None),
    ])
}

/// Measures the view of a package that very many devices have, as the graph shows it.
fn package(server: &Server) -> anyhow::Result<Vec<Figure>> {
    let ask = || {
        let start = Instant::now();
        let entity = server.json(&format!("entity?key={PACKAGE}"))?;
        let group = &entity["groups"][0];
        let relationship = group["relationship"].as_str().context("it is on devices")?;
        let path =
            format!("neighbors?key={PACKAGE}&relationship={relationship}&direction=in&limit=25");
        let page = server.json(&path)?;
        ensure!(page["neighbors"].as_array().is_some_and(|all| all.len() == 25), "{page}");
        anyhow::Ok(start.elapsed())
    };
    let first = ask()?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(ask()?);
    }
    times.sort_unstable();
    Ok(vec![ms("package, first time", first, None), ms("package", times[2], Some(300.0))])
}

/// Many clients at once, each of which asks one thing after the other.
fn many(server: &Server, options: &ExplorerOptions) -> anyhow::Result<Vec<Figure>> {
    let devices = usize::try_from(options.devices)?;
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..options.clients {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.requests {
                        return;
                    }
                    let answered = match number % 5 {
                        0 => server.json("overview"),
                        1 => server.json(&format!("search?text=number%20{number}&limit=20")),
                        2 => server.json(&format!("entity?key=device-{:08x}", number % devices)),
                        3 => server.json("runs"),
                        _ => server.json("tables"),
                    };
                    if let Err(error) = answered {
                        eprintln!("request {number}: {error:#}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    ensure!(failed == 0, "{failed} of {} requests failed", options.requests);
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = options.requests as f64 / start.elapsed().as_secs_f64();
    Ok(vec![Figure { name: "requests", value: rate, unit: "per second", goal: None }])
}

/// The explorer, which ends with the measurement.
struct Server {
    child: Child,
    address: String,
    cookie: String,
    /// From the start of the process to its printed address.
    started: Duration,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let start = Instant::now();
        let mut command = Command::new(program);
        command.args(["serve", "--quiet", "--listen", "127.0.0.1:0"]).current_dir(folder);
        let child =
            command.stdout(Stdio::piped()).spawn().context("the explorer does not start")?;
        let mut server =
            Self { child, address: String::new(), cookie: String::new(), started: Duration::ZERO };
        let stdout = server.child.stdout.take().context("the explorer has an output")?;
        let mut printed = String::new();
        BufReader::new(stdout).read_line(&mut printed)?;
        server.started = start.elapsed();
        let (address, token) = printed
            .trim()
            .strip_prefix("http://")
            .and_then(|printed| printed.split_once("/session?token="))
            .context("the explorer prints no address")?;
        address.clone_into(&mut server.address);
        let (head, _) = server.get(&format!("/session?token={token}"))?;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        cookie.context("it starts no session")?.clone_into(&mut server.cookie);
        Ok(server)
    }

    /// Measures the requests of a browser until the overview is there, of a server that has answered nothing yet.
    fn first_page(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.get("/t/demo/overview")?;
        self.get("/api/v1/session")?;
        self.json("overview")?;
        Ok(start.elapsed())
    }

    /// Reads a call about the tenant.
    fn json(&self, call: &str) -> anyhow::Result<Value> {
        let (head, body) = self.get(&format!("/api/v1/tenants/demo/{call}"))?;
        ensure!(
            head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.0 200"),
            "{call}: {head}\n{body}"
        );
        serde_json::from_str(&body).with_context(|| format!("{call} answers no JSON"))
    }

    /// The head and the body of an answer.
    fn get(&self, path: &str) -> anyhow::Result<(String, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Self { address, cookie, .. } = self;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end")?;
        Ok((head.to_owned(), body.to_owned()))
    }

    fn peak_mebibytes(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("this system does not tell the memory of a process")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes: f64 = peak
            .and_then(|peak| peak.trim().strip_suffix(" kB"))
            .context("there is no peak")?
            .parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ms(name: &'static str, time: Duration, goal: Option<f64>) -> Figure {
    Figure { name, value: time.as_secs_f64() * 1e3, unit: "ms", goal }
}

fn print(options: &ExplorerOptions, figures: &[Figure]) {
    let ExplorerOptions { devices, packages, clients, requests, .. } = options;
    if options.output == Output::Json {
        let figures = figures.iter().map(|figure| {
            let Figure { name, value, unit, goal } = figure;
            json!({ "name": name, "value": value, "unit": unit, "goal": goal })
        });
        let figures: Vec<Value> = figures.collect();
        println!("{}", json!({ "devices": devices, "packages": packages, "figures": figures }));
        return;
    }
    println!("{devices} devices, {packages} packages, {clients} clients, {requests} requests");
    for Figure { name, value, unit, goal } in figures {
        let goal = goal.map(|goal| format!("  (goal: at most {goal})")).unwrap_or_default();
        println!("{name:24}{value:10.0} {unit}{goal}");
    }
}
