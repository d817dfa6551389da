//! Hostile queries: whatever is asked, the program answers or says why not, in bounded time and memory.
//!
//! Each query is asked in one of the formats. For all of them:
//! `NEXTHINK_GRAPH_HOSTILE=1 cargo test -p tests -- q1_hostile`

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use core_simulator::TenantSpec;
use tempfile::TempDir;
use wait4::Wait4 as _;

use crate::kit::{Scene, files, start, until};

/// True if the tests are built for every query in every format.
const IS_WHOLE: bool = option_env!("NEXTHINK_GRAPH_HOSTILE").is_some();

/// Parquet goes into a file, the others to standard output.
const FORMATS: [&str; 5] = ["table", "json", "ndjson", "csv", "parquet"];
/// The number of queries that are asked at the same time.
const THREADS: usize = 4;
const LIMIT_MIB: u64 = 128;
/// The memory that the process may take besides its limit: the program, the engine, the answer on its way.
const OVERHEAD_MIB: u64 = 256;
const TIMEOUT: Duration = Duration::from_secs(2);
/// For starting, ending and a machine under load.
const MARGIN: Duration = Duration::from_secs(20);

/// Compares 100,000 characters with as many in one call, which takes minutes and looks at no signal.
const ONE_LONG_CALL: &str = "select levenshtein(repeat('a', 100000), repeat('b', 100000))";

/// A query of repeated parts.
fn times(start: &str, part: &str, count: usize, end: &str) -> String {
    format!("{start}{}{end}", part.repeat(count))
}

/// Common table expressions of which each holds the one before twice.
fn doubled(first: &str, next: impl Fn(usize) -> String, levels: usize, last: &str) -> String {
    let others = (1..levels).map(|level| format!(", t{level} as ({})", next(level - 1)));
    let last_level = levels - 1;
    format!("with t0 as ({first}){} {last} t{last_level}", others.collect::<String>())
}

fn hostile_queries() -> Vec<String> {
    let fixed = [
        "select * from relationships a cross join relationships b cross join entities c",
        "select count(*) from relationships a, relationships b, relationships c",
        "select * from generate_series(1, 1000000000000)",
        "select count(*) from generate_series(1, 1000000000000) where value % 7 = 8",
        "select length(repeat(name, 100000000)) from nexthink_device",
        "select repeat('a', 2000000000)",
        "select range(1, 3000000000)",
        "select generate_series(1, 3000000000)",
        "select unnest(range(1, 3000000000))",
        "select array_repeat(1, 2000000000)",
        "select array_resize([1], 2000000000, 1)",
        "select lpad('a', 2000000000, 'b')",
        "select rpad(name, 2000000000, 'b') from nexthink_device",
        "select length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 10000), 'g'))",
        "select length(replace(repeat('a', 1000000), 'a', repeat('b', 10000)))",
        "select string_to_array(repeat(',', 30000000), ',')",
        "select string_agg(cast(value as varchar), ',') from generate_series(1, 1000000000)",
        "select array_agg(value) from generate_series(1, 1000000000)",
        "select array_agg(a._key || b._key || c._key) from entities a, entities b, entities c",
        "select median(value) from generate_series(1, 1000000000)",
        "select count(distinct value) from generate_series(1, 1000000000)",
        "select distinct value from generate_series(1, 1000000000)",
        "select value from generate_series(1, 1000000000) order by value % 1000003",
        "select sum(value) over (order by value desc) from generate_series(1, 1000000000)",
        "select count(*) from generate_series(1, 100000000) a join generate_series(1, 100000000) b \
         on a.value = b.value",
        "with recursive t as (select 1 n union all select n + 1 from t) select * from t",
        "with recursive t as (select 'a' s union all select s || s from t) select length(s) from t",
        "select regexp_like(repeat('a', 10000000), '(a*)*b')",
        "select regexp_like('a', '(((\\w{100}){100}){100}){100}')",
        "select count(*) from generate_series(1, 100) group by cube(value, value+1, value+2, value+3, \
         value+4, value+5, value+6, value+7, value+8, value+9, value+10, value+11, value+12, value+13)",
        "explain analyze select count(*) from relationships a, relationships b, relationships c",
        ONE_LONG_CALL,
    ];
    let mut queries: Vec<String> = fixed.map(str::to_owned).into();
    queries.extend([
        times("select 1", "::int", 1_000, ""),
        times("select 1", "+1", 15_000, ""),
        times("select 1 where true", " and true", 13_000, ""),
        times("select 'a'", " like 'a'", 5_000, ""),
        times("select 1", " union all select 1", 5_000, ""),
        times("select ", "(", 50_000, "1"),
        times("select ", "not ", 10_000, "true"),
        times("select 1 from entities", ", entities", 5_000, ""),
        times("select 1 where 'a' in ('b'", ", 'c'", 20_000, ")"),
        doubled(
            "select 'a' s",
            |below| format!("select s || s s from t{below}"),
            40,
            "select s from",
        ),
        doubled(
            "select 1 n",
            |below| format!("select a.n from t{below} a, t{below} b"),
            30,
            "select n from",
        ),
        doubled(
            "select [1] s",
            |below| format!("select array_concat(s, s) s from t{below}"),
            40,
            "select s from",
        ),
    ]);
    queries
}

/// The end of a query.
struct Ended {
    exit: Option<i32>,
    stderr: String,
    peak_mib: u64,
    took: Duration,
}

fn asked(scene: &Scene, sql: &str, format: &str, file: Option<&Path>) -> Ended {
    let started = Instant::now();
    let out = file.map(|path| [OsStr::new("--out"), path.as_os_str()]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_program"))
        .current_dir(scene.folder())
        .args(["query", "--output", format])
        .args(out.into_iter().flatten())
        .args([
            "--memory-limit",
            &LIMIT_MIB.to_string(),
            "--timeout",
            &TIMEOUT.as_secs().to_string(),
        ])
        .arg(sql)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let stderr = child.stderr.take().map(std::io::read_to_string);
        let _ = sender.send((child.wait4(), stderr));
    });
    let (used, stderr) = receiver
        .recv_timeout(TIMEOUT + MARGIN)
        .unwrap_or_else(|_| panic!("it does not end: {}", &sql[..sql.len().min(100)]));
    let used = used.expect("the child is ours");
    Ended {
        exit: used.status.code(),
        stderr: stderr.and_then(Result::ok).unwrap_or_default(),
        peak_mib: used.rusage.maxrss >> 20,
        took: started.elapsed(),
    }
}

fn published() -> Scene {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    scene
}

fn check(scene: &Scene, sql: &str, format: &str) {
    let folder = (format == "parquet").then(|| TempDir::new().expect("a folder can be made"));
    let file = folder.as_ref().map(|folder| folder.path().join("answer.parquet"));
    let ended = asked(scene, sql, format, file.as_deref());
    let what = format!("{format} {}: {}", &sql[..sql.len().min(100)], ended.stderr);
    assert!(matches!(ended.exit, Some(0 | 2)), "{:?} {what}", ended.exit);
    assert!(ended.exit == Some(0) || ended.stderr.contains("error: "), "{what}");
    let peak = ended.peak_mib;
    assert!(peak <= LIMIT_MIB + OVERHEAD_MIB, "{peak} MiB {what}");
    assert!(ended.took < TIMEOUT + MARGIN, "{:?} {what}", ended.took);
    if let (Some(folder), Some(file)) = (folder, file) {
        // A whole answer, or nothing: not even a part under another name.
        let answer = fs::read(&file).unwrap_or_default();
        let is_whole = answer.starts_with(b"PAR1") && answer.ends_with(b"PAR1");
        assert_eq!(ended.exit == Some(0), is_whole, "{} bytes {what}", answer.len());
        let left = files(folder.path()).len();
        assert_eq!(left, usize::from(is_whole), "files {what}");
    }
}

#[test]
fn q1_hostile_queries_end_in_time_and_within_their_memory() {
    let scene = published();
    let queries = hostile_queries();
    let questions: Vec<(&String, &str)> = queries
        .iter()
        .enumerate()
        .flat_map(|(number, sql)| {
            let all = FORMATS.iter().enumerate();
            let asked =
                all.filter(move |(format, _)| IS_WHOLE || *format == number % FORMATS.len());
            asked.map(move |(_, format)| (sql, *format))
        })
        .collect();
    // Most of them are waited for, not computed.
    thread::scope(|scope| {
        for part in questions.chunks(questions.len().div_ceil(THREADS)) {
            scope.spawn(|| part.iter().for_each(|(sql, format)| check(&scene, sql, format)));
        }
    });
}

#[test]
fn q2_a_query_that_takes_too_long_says_so() {
    let scene = published();
    let ended = scene.program(&["query", "--timeout", "1s", ONE_LONG_CALL]);
    assert_eq!(ended.exit, Some(2));
    assert_eq!(
        ended.stderr,
        "error: the query took longer than 1s: ask for less, or give it more time with --timeout\n"
    );
}

#[cfg(unix)]
#[test]
fn q3_a_query_ends_within_two_seconds_of_a_signal() {
    let scene = published();
    for (signal, exit) in [("INT", 130), ("TERM", 143)] {
        let running = scene.start(&["query", ONE_LONG_CALL]);
        thread::sleep(Duration::from_secs(1));
        let signalled = Instant::now();
        running.signal(signal);
        let ended = running.wait();
        assert!(signalled.elapsed() < Duration::from_secs(2), "{:?}", signalled.elapsed());
        assert_eq!(ended.exit, Some(exit));
        assert!(ended.stderr.contains("stopped by a signal"), "{}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn q3_the_process_of_a_query_ends_with_its_parent() {
    let scene = published();
    let running = start(scene.folder(), &["query", ONE_LONG_CALL], &[]);
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let worker = until(Duration::from_secs(10), || {
        let text = std::fs::read_to_string(&children).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    });
    let worker = format!("/proc/{}/stat", worker.expect("it has started"));
    thread::sleep(Duration::from_millis(500));
    running.kill();
    let is_gone = || {
        let stat = std::fs::read_to_string(&worker).unwrap_or_default();
        // A process whose parent has not waited for it yet is over too.
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    };
    assert!(until(Duration::from_secs(5), is_gone).is_some(), "it goes on");
}
