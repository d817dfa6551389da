//! `schedule`: runs by a timetable, in a process that outlives what goes wrong in them.

use std::time::Duration;

use core_simulator::TenantSpec;

#[cfg(target_os = "linux")]
use crate::kit::start_command;
use crate::kit::{Running, Scene, until};

const PATIENCE: Duration = Duration::from_secs(30);

fn scene() -> Scene {
    let scene = Scene::of(TenantSpec { devices: 5, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.configure(|configuration| configuration.text("schedule.interval", "12 hours"));
    scene
}

fn wait_for(running: &Running, text: &str) {
    let said = until(PATIENCE, || running.has_said(text).then_some(()));
    assert!(said.is_some(), "it never said {text:?}");
}

#[test]
fn without_a_timetable_nothing_is_scheduled_and_the_setting_is_named() {
    let scene = scene();
    scene.configure(|configuration| configuration.text("schedule.interval", "DISABLED"));
    let ended = scene.program(&["schedule"]);
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("set `schedule.interval` in nexthink-graph.toml"),
        "{}",
        ended.stderr
    );
    assert_eq!(scene.requests().tokens, 0, "nothing is asked");
}

#[cfg(unix)]
#[test]
fn the_first_run_starts_at_once_and_a_restart_waits_for_the_next_time() {
    let scene = scene();
    let running = scene.start(&["schedule"]);
    wait_for(&running, "acme: next run at ");
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.exit, Some(143), "{}", ended.stderr);
    assert!(ended.stderr.contains("(by the timetable)"), "{}", ended.stderr);
    assert!(ended.stderr.contains("published generation"), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: stopped by a signal"), "{}", ended.stderr);

    let again = scene.start(&["schedule"]);
    wait_for(&again, "acme: next run at ");
    again.signal("INT");
    assert_eq!(again.wait().exit, Some(130));
    assert_eq!(scene.store().history().expect("it is whole").len(), 1, "the restart ran nothing");
}

#[cfg(unix)]
#[test]
fn a_failed_run_and_a_broken_configuration_do_not_end_the_schedule() {
    let scene = scene();
    scene.write("secret", "wrong");
    let running = scene.start(&["schedule"]);
    wait_for(&running, "(tried again, since the credentials were refused)");
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.exit, Some(143));
    assert!(ended.stderr.contains("refused client id"), "{}", ended.stderr);
    assert_eq!(scene.requests().tokens, 1, "refused credentials are not tried again at once");
}

#[cfg(unix)]
#[test]
fn a_signal_in_mid_run_ends_the_run_and_the_schedule() {
    let scene = scene();
    scene.update(|behaviour| behaviour.preparation = Duration::from_mins(1));
    let running = scene.start(&["schedule"]);
    let started = until(PATIENCE, || (!scene.requests().exports.is_empty()).then_some(()));
    assert!(started.is_some(), "no export was started");
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.exit, Some(143), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was published"), "{}", ended.stderr);
}

/// A closed terminal sends SIGHUP. `env` sets what it does, since the tests may run under `nohup`.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_stops_a_run_as_a_termination_does_unless_it_is_ignored() {
    for (option, is_stopped) in [("--default-signal=HUP", true), ("--ignore-signal=HUP", false)] {
        let scene = scene();
        let preparation = Duration::from_secs(if is_stopped { 60 } else { 3 });
        scene.update(|behaviour| behaviour.preparation = preparation);
        let mut command = std::process::Command::new("env");
        command.current_dir(scene.folder()).env_clear();
        command.args(["-i", option, env!("CARGO_BIN_EXE_program"), "run"]);
        let running = start_command(command);
        let started = until(PATIENCE, || (!scene.requests().exports.is_empty()).then_some(()));
        assert!(started.is_some(), "no export was started");
        running.signal("HUP");
        let ended = running.wait();
        let exit = if is_stopped { 143 } else { 0 };
        assert_eq!(ended.exit, Some(exit), "{}", ended.stderr);
        let ledger = scene.store().ledger().entries().expect("a ledger");
        let last = ledger.last().expect("the run is recorded");
        assert_eq!(
            (last.record.event.as_str(), &last.record.facts["exitCode"]),
            ("run_ended", &exit.into())
        );
    }
}
