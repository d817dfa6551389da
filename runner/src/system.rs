//! The outside world without the network: the clock, randomness, the environment. No other
//! module of the workspace reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use core_engine::Moment;

/// The name of this program's processes.
#[cfg(unix)]
const PROCESS_NAME: &str = "nexthink-graph";

/// Returns the time by the clock of this machine.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the same in milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(now().0).unwrap_or(i64::MAX)
}

/// Returns the number of threads that can work at the same time; one if the system does not say.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Fills a buffer with random bytes.
///
/// # Errors
///
/// The system has none to give.
pub(crate) fn fill_random(buffer: &mut [u8]) -> io::Result<()> {
    getrandom::fill(buffer).map_err(io::Error::other)
}

/// Returns a source of numbers that no other call or process repeats, for names and marks. They are no secrets.
///
/// # Errors
///
/// The system has no randomness to give.
pub(crate) fn random_numbers() -> io::Result<Arc<dyn Fn() -> u64 + Send + Sync>> {
    /// The step of a Weyl sequence: all of its 2^64 numbers differ.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut start = [0; 8];
    fill_random(&mut start)?;
    let next = AtomicU64::new(u64::from_ne_bytes(start));
    Ok(Arc::new(move || next.fetch_add(STEP, Ordering::Relaxed)))
}

/// The name of a variable that begins with a prefix, if the name or the value is not UTF-8.
pub(crate) fn variable_that_is_no_text(prefix: &str) -> Option<String> {
    let is_text =
        |name: &OsString, value: &OsString| name.to_str().is_some() && value.to_str().is_some();
    let others = std::env::vars_os().filter(|(name, value)| !is_text(name, value));
    others
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .find(|name| name.starts_with(prefix))
}

/// The variables whose names begin with a prefix, and their values. One that is no text is left out.
pub(crate) fn variables(prefix: &str) -> BTreeMap<String, String> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| name.starts_with(prefix)).collect()
}

/// The value of a variable.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Makes files that this program and its children make their owner's alone, and keeps what it holds in
/// memory out of core dumps and out of reach of the user's other programs. What the system does not
/// know of is left out; what it refuses was not allowed to begin with.
pub(crate) fn protect_process() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        umask(Mode::RWXG | Mode::RWXO);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags};
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A process that was started as /proc/self/exe is called `exe` in lists of processes. The file of the name is
        // out of reach once the process has no dumps.
        let name = rustix::fs::open("/proc/self/comm", OFlags::WRONLY, Mode::empty());
        let _ = name.and_then(|name| rustix::io::write(&name, PROCESS_NAME.as_bytes()));
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// The command line of this process with more flags in front, to be run in another process.
///
/// # Errors
///
/// The system does not say where the program lies.
pub(crate) fn this_command(flags: &[&str]) -> io::Result<Command> {
    let mut command = own_program()?;
    command.args(flags).args(std::env::args_os().skip(1));
    Ok(command)
}

/// This program, to be run in another process: the file that this process runs, also after an upgrade has replaced it.
///
/// # Errors
///
/// The system does not say where the program lies.
pub(crate) fn own_program() -> io::Result<Command> {
    if !cfg!(target_os = "linux") {
        return Ok(Command::new(std::env::current_exe()?));
    }
    let mut command = Command::new("/proc/self/exe");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, PROCESS_NAME);
    Ok(command)
}

/// Limits the memory that this process can allocate, and ends it when its parent ends. A failed allocation
/// aborts the process. Systems that know neither leave it as it is.
pub(crate) fn become_worker(memory_bytes: u64) {
    limit_memory(memory_bytes, memory_bytes);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    #[cfg(not(unix))]
    let _ = memory_bytes;
}

/// Keeps back so many bytes of a worker's memory; 0 lets it use all again. Does nothing in a process without a limit.
pub(crate) fn keep_back_memory(bytes: u64) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        if let Some(most) = getrlimit(Resource::Data).maximum {
            limit_memory(most.saturating_sub(bytes), most);
        }
    }
    #[cfg(not(unix))]
    let _ = bytes;
}

fn limit_memory(current: u64, maximum: u64) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = Rlimit { current: Some(current), maximum: Some(maximum) };
        let _ = setrlimit(Resource::Data, limit);
    }
    #[cfg(not(unix))]
    let _ = (current, maximum);
}

/// Returns true if SIGHUP ends this process. `nohup` lets a program ignore it. Where it is not known, the system's own
/// way stays.
#[cfg(unix)]
pub(crate) fn ends_at_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit is that of signal 1.
    ignored.is_some_and(|mask| mask & 1 == 0)
}

/// Who runs this program, for the ledger: the number that the system knows for certain, and the name
/// that it has in the system's list of users, be that a file or a directory service.
#[cfg(unix)]
pub(crate) fn user() -> String {
    let id = rustix::process::getuid().as_raw();
    match uzers::get_user_by_uid(id) {
        Some(user) => format!("uid {id} ({})", user.name().to_string_lossy()),
        None => format!("uid {id}"),
    }
}

/// Who runs this program, for the ledger.
#[cfg(not(unix))]
pub(crate) fn user() -> String {
    variable("USERNAME").unwrap_or_else(|| "unknown".to_owned())
}

/// Opens an address in the user's browser. Returns whether a program for that was started.
pub(crate) fn open_in_browser(url: &str) -> bool {
    let opener = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let mut command = Command::new(opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}

/// The start of a command that the user may copy from a message: this program, within a checkout by Cargo, with the
/// configuration and the tenant that the user has named.
pub(crate) fn own_command() -> &'static str {
    OWN_COMMAND.get_or_init(|| program().to_owned())
}

/// Sets it. This comes before the first message.
pub(crate) fn set_own_command(command: String) {
    let _ = OWN_COMMAND.set(command);
}

static OWN_COMMAND: OnceLock<String> = OnceLock::new();

/// The program as the user types it.
pub(crate) fn program() -> &'static str {
    if variable("CARGO_MANIFEST_DIR").is_some() {
        "cargo run -p runner --"
    } else {
        "nexthink-graph"
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_number_and_a_name_if_the_system_lists_one() {
        let id = rustix::process::getuid().as_raw();
        let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut users = list.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let listed = users.find(|fields| fields.get(2) == Some(&&*id.to_string()));
        match listed {
            Some(fields) => assert_eq!(user(), format!("uid {id} ({})", fields[0])),
            None => assert!(user().starts_with(&format!("uid {id}"))),
        }
    }
}
