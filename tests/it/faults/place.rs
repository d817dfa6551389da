//! Rows J: what the machine does to a run – no room, a kill at any moment, a place that is not safe, an
//! environment that lacks everything.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::case::{Case, healthy};
use crate::kit::{Scene, TENANT, files, set_mode, until};

/// Runs the program in a shell, after other commands of it; `"$0"` is the program.
fn in_shell(scene: &Scene, script: &str) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.current_dir(scene.folder()).args(["-c", script, env!("CARGO_BIN_EXE_program")]);
    shell.env_clear().stdin(Stdio::null());
    shell.output().expect("there is a shell")
}

#[test]
fn j21_a_signal_stops_a_secret_command_and_what_it_has_started() {
    let case = Case::new();
    let started = case.scene().path("started");
    let script = format!("sleep 98765 & echo $! > '{}'; wait", started.display());
    let command = format!("{{ command = [\"/bin/sh\", \"-c\", \"{script}\"] }}");
    let case =
        case.configured(|configuration| configuration.set("nexthink.client_secret", &command));
    for (signal, exit) in [("TERM", 143), ("INT", 130)] {
        drop(fs::remove_file(&started));
        let running = case.scene().start(&["run"]);
        let child = until(Duration::from_secs(20), || {
            fs::read_to_string(&started).ok().filter(|id| id.ends_with('\n'))
        });
        let child = child.expect("the command has started");
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.exit, Some(exit), "{}", ended.stderr);
        let process = Path::new("/proc").join(child.trim()).join("cmdline");
        // A process that was killed and waits to be collected has no command line.
        let is_gone =
            || fs::read(&process).map_or(true, |content| content.is_empty()).then_some(());
        assert!(until(Duration::from_secs(20), is_gone).is_some(), "{signal}");
    }
}

#[test]
fn j23_a_clock_that_is_behind_gives_no_exports_back() {
    let case =
        Case::new().configured(|configuration| configuration.set("nexthink.daily_exports", "8"));
    // Four exports were started by the run before.
    case.run(0);
    let quota = case.scene().path("store").join(TENANT).join("quota.json");
    let counted = fs::read_to_string(&quota).expect("the starts are on record");
    // The same starts as another machine sees them whose clock is two days behind Nexthink's.
    let mut ahead: Value = serde_json::from_str(&counted).expect("it is JSON");
    for start in ahead["starts_ms"].as_array_mut().expect("a list") {
        *start = (start.as_u64().expect("a time") + 2 * 86_400_000).into();
    }
    fs::write(&quota, ahead.to_string()).expect("it can be replaced");
    let case = case.fault(|behaviour| behaviour.clock_offset_seconds = 2 * 86_400);
    let run = case.run(75);
    let words = "2 days behind Nexthink's, which counts for the day's exports";
    let almost = "47 h behind Nexthink's, which counts for the day's exports";
    let told = &run.ended.stderr;
    assert!(told.contains(words) || told.contains(almost), "{told}");
    let after: Value =
        serde_json::from_slice(&fs::read(&quota).expect("it is there")).expect("JSON");
    let starts = |ledger: &Value| -> Vec<u64> {
        let starts = ledger["starts_ms"].as_array().expect("a list");
        starts.iter().map(|start| start.as_u64().expect("a time")).collect()
    };
    let (after, ahead) = (starts(&after), starts(&ahead));
    assert_eq!(after.len(), ahead.len(), "nothing is forgotten");
    // A `Date` header tells the time to the second.
    let is_same = |(one, other): (&u64, &u64)| one.abs_diff(*other) <= 2_000;
    assert!(after.iter().zip(&ahead).all(is_same), "{after:?} {ahead:?}");
}

#[test]
fn j1_j3_without_room_for_a_file_the_old_generation_stays() {
    let case = Case::new();
    let before = case.scene().published().id().clone();
    // Blocks of 512 bytes that a file may have: of the smallest up to some of a table.
    for blocks in [0, 1, 2, 3, 4, 6, 8] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run --output json");
        let output = in_shell(case.scene(), &script);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{blocks} blocks: {stderr}");
        assert!(stderr.contains("File too large"), "{blocks} blocks: {stderr}");
        assert_eq!(case.scene().published().id(), &before, "{blocks} blocks");
        case.scene().published().verify().expect("what was published is whole");
    }
    case.recovers();
}

#[test]
fn j5_j9_a_run_that_is_killed_at_any_moment_leaves_a_whole_generation_and_no_lock() {
    let case = Case::new();
    for milliseconds in [0, 5, 10, 20, 35, 50, 70, 90, 120, 160, 200, 260] {
        let running = case.scene().start(&["run"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        running.kill();
        drop(running);
        case.scene().published().verify().expect("what is published is whole");
    }
    case.recovers();
}

#[test]
fn j16_a_store_that_others_may_write_to_is_refused_before_anything_is_asked() {
    let scene = Scene::with(healthy());
    scene.run_completely();
    let asked = scene.requests().exports.values().sum::<u64>();
    for below in ["store", "store/acme"] {
        set_mode(&scene.path(below), 0o777);
        for arguments in [&["run"][..], &["history"], &["query", "select 1"], &["check"]] {
            let ended = scene.program(arguments);
            assert_eq!(ended.exit, Some(2), "{arguments:?}: {}", ended.stderr);
            let said = ended.stderr + &ended.stdout;
            assert!(said.contains("can be written to by others: run `chmod go-w"), "{said}");
        }
        set_mode(&scene.path(below), 0o700);
    }
    fs::rename(scene.path("store"), scene.path("elsewhere")).expect("it is ours");
    std::os::unix::fs::symlink("elsewhere", scene.path("store")).expect("a link can be made");
    let ended = scene.program(&["run"]);
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("store is a link"), "{}", ended.stderr);
    assert_eq!(scene.requests().exports.values().sum::<u64>(), asked);
}

#[test]
fn j19_a_run_needs_nothing_of_its_environment() {
    let prefaces = [
        "umask 000;",
        "umask 777;",
        "export TZ=Pacific/Apia LC_ALL=tr_TR.UTF-8 COLUMNS=1;",
        "exec <&-;",
        "exec 2>&-;",
        "exec >&-;",
        "exec <&- >&- 2>&-;",
    ];
    let scene = Scene::with(healthy());
    for preface in prefaces {
        let output = in_shell(&scene, &format!("{preface} exec \"$0\" run"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{preface} {stderr}");
        scene.published().verify().expect("what was published is whole");
    }
    for path in files(&scene.path("store")) {
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn j20_a_crash_leaves_no_core() {
    let scene = Scene::with(healthy());
    scene.update(|behaviour| behaviour.preparation = Duration::from_hours(1));
    let running = scene.start(&["run"]);
    let limits = format!("/proc/{}/limits", running.id());
    let is_off = |text: String| {
        let line = text.lines().find(|line| line.starts_with("Max core file size"))?.to_owned();
        line.split_whitespace().skip(4).take(2).all(|word| word == "0").then_some(())
    };
    let off = until(Duration::from_secs(10), || fs::read_to_string(&limits).ok().and_then(is_off));
    assert!(off.is_some(), "core dumps are on: {:?}", fs::read_to_string(&limits));
    running.signal("ABRT");
    assert_eq!(running.wait().exit, None, "it was ended by the signal");
    let cores = files(scene.folder()).into_iter().filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"))
    });
    assert_eq!(cores.count(), 0);
}

#[test]
fn a_result_that_does_not_fit_on_the_disk_is_an_error() {
    let case = Case::new();
    case.run(0);
    for command in [
        "config schema",
        "status --output json",
        "privacy ledger list",
        "query 'select name from nexthink_device'",
        "completions bash",
    ] {
        let ended = in_shell(case.scene(), &format!("exec \"$0\" {command} > /dev/full"));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("so it is not whole: No space left"), "{command}: {said}");
    }
    // A reader that has seen enough is no failure.
    let ended = in_shell(case.scene(), "\"$0\" config schema | head -c 1");
    assert!(ended.status.success() && ended.stderr.is_empty());
}
