//! The scheduler: the runs that it starts, and its messages.

use std::time::Duration;

use core_engine::FailureKind;

use super::*;
use crate::testing::{CODES, ENVIRONMENT, Launcher, Planned, Told, World};

/// A fleet, with a launcher and a receiver of messages.
struct Scene {
    world: World,
    launcher: Launcher,
    told: Told,
}

impl Scene {
    fn new(names: &[&str]) -> Self {
        let world = World::fleet(names);
        Self { world, launcher: Launcher::default(), told: Told::default() }
    }

    fn try_scheduler(&self) -> Result<Scheduler<'_>, Failure> {
        let context = Context {
            host: &self.world.host,
            environment: ENVIRONMENT,
            codes: CODES,
            launcher: &self.launcher,
            messages: &self.told,
        };
        Scheduler::new(context, self.world.source(), None, None)
    }

    fn scheduler(&self) -> Scheduler<'_> {
        self.try_scheduler().map_err(|failure| failure.error).expect("a tenant has a timetable")
    }
}

/// Starts the due runs and waits until they have ended, except runs that wait for a stop.
async fn play(scheduler: &mut Scheduler<'_>) {
    scheduler.start_due();
    while scheduler.wait_for_end().await {}
    scheduler.tell_states();
}

#[tokio::test]
async fn without_a_timetable_nothing_is_scheduled_and_the_setting_is_named() {
    let scene = Scene::new(&["acme"]);
    scene.world.write_tenant("acme", "[schedule]\ninterval = \"DISABLED\"\n");
    let refused = scene.try_scheduler().err().expect("no run would ever start");
    assert_eq!(refused.kind, FailureKind::Configuration);
    let text = refused.error.to_string();
    assert!(text.starts_with("nothing is scheduled: set `schedule.interval` in "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_new_tenant_runs_at_once_and_then_by_its_timetable() {
    let scene = Scene::new(&["acme"]);
    let mut scheduler = scene.scheduler();
    assert_eq!(scheduler.sleep(None), Duration::ZERO, "a run is due");
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"]);
    let told = scene.told.take();
    assert_eq!(told[0], "note: acme: the run has ended: complete");
    assert!(told[1].starts_with("note: acme: next run at 2026-03-01T"), "{told:?}");
    assert!(told[1].ends_with("Z (by the timetable)"), "{told:?}");
    assert_eq!(scheduler.sleep(None), Duration::from_mins(1), "the files are read each minute");
    let sign_of_life = Duration::from_secs(5);
    assert_eq!(scheduler.sleep(Some(sign_of_life)), sign_of_life);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), [] as [&str; 0], "nothing is due");
    assert_eq!(scene.told.take(), [] as [&str; 0], "nothing has changed");
    scene.world.pass_hours(13);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"]);
}

#[tokio::test]
async fn the_code_of_a_run_decides_when_the_tenant_is_tried_again() {
    for (code, expected) in [
        (3, "(tried again, since the credentials were refused)"),
        (4, "(tried again, since Nexthink could not be reached)"),
        (6, "(by the timetable)"),
        (9, "(the exports of a day are used up, or another run holds the lock)"),
        (75, "(the exports of a day are used up, or another run holds the lock)"),
        (143, "(the last run was stopped)"),
        (1, "(by the timetable)"),
    ] {
        let scene = Scene::new(&["acme"]);
        scene.launcher.plan("acme", Planned::Code(code));
        let mut scheduler = scene.scheduler();
        play(&mut scheduler).await;
        let told = scene.told.take();
        assert!(told.last().is_some_and(|line| line.ends_with(expected)), "{code}: {told:?}");
    }
}

#[tokio::test]
async fn a_defect_pauses_its_tenant_alone_until_someone_acts() {
    let scene = Scene::new(&["acme", "zeta"]);
    scene.launcher.plan("acme", Planned::Crash);
    let mut scheduler = scene.scheduler();
    play(&mut scheduler).await;
    let told = scene.told.take().join("\n");
    assert!(told.contains("error: acme: the process of the run has crashed"), "{told}");
    assert!(told.contains("error: acme: a run ended by a defect of the program"), "{told}");
    assert_eq!(scheduler.summary().split(';').next(), Some("2 tenants, 1 paused"));
    scene.launcher.take_started();
    scene.world.pass_hours(13);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["zeta"]);
}

#[tokio::test]
async fn a_run_that_the_system_has_killed_is_told() {
    let scene = Scene::new(&["acme"]);
    scene.launcher.plan("acme", Planned::Killed);
    let mut scheduler = scene.scheduler();
    play(&mut scheduler).await;
    let killed = "the run was ended by signal 9; the system may have run out of memory";
    assert_eq!(scene.told.take()[0], format!("error: acme: {killed}"));
}

#[tokio::test]
async fn a_process_that_cannot_be_started_counts_as_a_failed_run() {
    let scene = Scene::new(&["acme"]);
    scene.launcher.plan("acme", Planned::NoProcess);
    let mut scheduler = scene.scheduler();
    for _ in 0..5 {
        play(&mut scheduler).await;
        scene.world.pass_hours(13);
    }
    let told = scene.told.take().join("\n");
    assert!(told.contains("error: acme: no process can be started for the run: "), "{told}");
    assert!(told.contains("error: acme: 5 runs failed in a row"), "{told}");
    scene.launcher.plan("acme", Planned::Code(0));
    scene.world.write_tenant("acme", "[schedule]\ninterval = \"6 hours\"\n");
    scheduler.read_again(false);
    scene.world.pass_hours(7);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"], "changed settings lift the pause");
}

#[tokio::test]
async fn a_pause_ends_when_someone_acts_or_the_fleets_own_file_is_mended() {
    let scene = Scene::new(&["acme", "zeta"]);
    let mut scheduler = scene.scheduler();
    let is_paused = |scheduler: &Scheduler<'_>| scheduler.summary().contains("1 paused");
    let fail = async |scheduler: &mut Scheduler<'_>| {
        // As each run does that cannot read its configuration.
        scene.launcher.plan("acme", Planned::Code(2));
        for _ in 0..5 {
            play(scheduler).await;
            scene.world.pass_hours(13);
        }
        scene.launcher.plan("acme", Planned::Code(0));
        scene.launcher.take_started();
        assert!(is_paused(scheduler), "{}", scheduler.summary());
    };
    fail(&mut scheduler).await;
    scheduler.read_again(false);
    assert!(is_paused(&scheduler), "nothing has changed");
    scheduler.read_again(true);
    play(&mut scheduler).await;
    assert!(scene.launcher.take_started().contains(&"acme".to_owned()));

    let fleet = std::fs::read_to_string(scene.world.path("fleet.toml")).expect("it is ours");
    scene.world.write("fleet.toml", "[fleet]\n");
    scheduler.read_again(false);
    scene.world.pass_hours(13);
    fail(&mut scheduler).await;
    scheduler.read_again(true);
    assert!(is_paused(&scheduler), "the mistake is there still");
    scene.world.write("fleet.toml", &fleet);
    scheduler.read_again(false);
    play(&mut scheduler).await;
    assert!(scene.launcher.take_started().contains(&"acme".to_owned()));
}

#[tokio::test]
async fn a_tenant_that_waits_after_a_failure_is_tried_again_at_once_when_someone_asks() {
    for code in [3, 4] {
        let scene = Scene::new(&["acme"]);
        scene.launcher.plan("acme", Planned::Code(code));
        let mut scheduler = scene.scheduler();
        play(&mut scheduler).await;
        scene.launcher.take_started();
        scheduler.read_again(false);
        play(&mut scheduler).await;
        assert_eq!(scene.launcher.take_started(), [] as [&str; 0], "{code}: it waits");
        scene.told.take();
        scheduler.read_again(true);
        assert_eq!(scene.told.take(), ["note: acme: it is tried again now"]);
        play(&mut scheduler).await;
        assert_eq!(scene.launcher.take_started(), ["acme"], "{code}");
    }
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_once_and_again_when_someone_asks() {
    let scene = Scene::new(&["acme", "zeta"]);
    scene.world.write("tenants.d/zeta.toml", "[nexthink]\nregoin = \"eu\"\n");
    let mut scheduler = scene.scheduler();
    let told = scene.told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("error: zeta: the configuration of tenant zeta is not valid"));
    assert!(told[0].ends_with("this tenant is not run until the file is fixed"));
    assert!(scheduler.summary().ends_with("files with a mistake: 1"), "{}", scheduler.summary());
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"], "the mistake concerns its tenant alone");
    scene.told.take();
    scheduler.read_again(false);
    assert_eq!(scene.told.take(), [] as [&str; 0]);
    scheduler.read_again(true);
    assert_eq!(scene.told.take(), told);
    scene.world.write_tenant("zeta", "");
    scheduler.read_again(false);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["zeta"], "it was mended");
}

#[tokio::test]
async fn with_a_mistake_in_the_fleets_own_file_the_tenants_stay_as_they_were() {
    let scene = Scene::new(&["acme"]);
    let mut scheduler = scene.scheduler();
    scene.world.write("fleet.toml", "[fleet]\n");
    scheduler.read_again(false);
    let told = scene.told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("warn: the configuration of the fleet is not valid"), "{told:?}");
    assert!(told[0].ends_with("\nthe tenants stay as they were"), "{told:?}");
    assert!(scheduler.summary().ends_with("the configuration has a mistake"));
    scheduler.read_again(false);
    assert_eq!(scene.told.take(), [] as [&str; 0], "it was told");
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"]);
}

#[tokio::test]
async fn a_tenant_whose_file_is_gone_is_not_started_again() {
    let scene = Scene::new(&["acme", "zeta"]);
    let mut scheduler = scene.scheduler();
    scene.world.remove_tenant("zeta");
    scheduler.read_again(false);
    let expected = "note: zeta: its configuration is gone, so no further run is started";
    assert_eq!(scene.told.take(), [expected]);
    play(&mut scheduler).await;
    assert_eq!(scene.launcher.take_started(), ["acme"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_go_on_at_once_than_the_fleet_may_and_all_end_with_the_scheduler() {
    let names = ["acme", "beta", "gamma"];
    let scene = Scene::new(&names);
    for name in names {
        scene.launcher.plan(name, Planned::UntilStopped);
    }
    let mut scheduler = scene.scheduler();
    scheduler.start_due();
    assert_eq!(scene.launcher.take_started().len(), 2, "`fleet.parallel_runs`");
    assert_eq!(scheduler.sleep(None), Duration::from_mins(1), "there is no place for the third");
    scheduler.stop(StopReason::Terminated);
    scheduler.finish().await;
    assert!(!scheduler.wait_for_end().await, "no run goes on");
}

#[tokio::test(start_paused = true)]
async fn the_files_are_read_each_minute_while_runs_end_all_the_time_and_all_places_are_taken() {
    let names: Vec<String> = (0..40).map(|number| format!("tenant-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::new(&names);
    for name in &names {
        scene.launcher.plan(name, Planned::After(Duration::from_secs(25)));
    }
    let mut scheduler = scene.scheduler();
    let started = Instant::now();
    scene.world.remove_tenant(names[0]);
    let mut gone_after = None;
    while gone_after.is_none() && started.elapsed() < Duration::from_mins(10) {
        scheduler.start_due();
        scheduler.wait(None).await;
        let is_told = |line: &String| line.contains("its configuration is gone");
        gone_after = scene.told.take().iter().any(is_told).then(|| started.elapsed().as_secs());
    }
    assert_eq!(gone_after, Some(60));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_removed_while_all_places_are_taken_starts_no_run() {
    let names = ["acme", "beta", "gamma"];
    let scene = Scene::new(&names);
    for name in names {
        scene.launcher.plan(name, Planned::After(Duration::from_secs(90)));
    }
    let mut scheduler = scene.scheduler();
    scheduler.start_due();
    let started = scene.launcher.take_started();
    let waiting = names.iter().find(|name| !started.iter().any(|started| started == *name));
    scene.world.remove_tenant(waiting.expect("two run at once"));
    for _ in 0..4 {
        scheduler.wait(None).await;
        scheduler.start_due();
    }
    assert_eq!(scene.launcher.take_started(), [] as [&str; 0]);
}

#[tokio::test]
async fn the_figures_have_each_end_of_a_run_and_forget_a_tenant_that_is_gone() {
    let scene = Scene::new(&["acme", "zeta"]);
    scene.launcher.plan("acme", Planned::Code(7));
    let mut scheduler = scene.scheduler();
    let bulletin = scheduler.bulletin();
    play(&mut scheduler).await;
    scheduler.publish();
    let figures = bulletin.figures();
    for expected in [
        "nexthink_graph_runs_total{tenant=\"acme\",exit_code=\"7\"} 1",
        "nexthink_graph_runs_total{tenant=\"zeta\",exit_code=\"0\"} 1",
        "nexthink_graph_tenant_readable{tenant=\"zeta\"} 1",
    ] {
        assert!(figures.contains(expected), "{figures}");
    }
    scene.world.remove_tenant("zeta");
    scheduler.read_again(false);
    scheduler.publish();
    let figures = bulletin.figures();
    assert!(figures.contains("tenant=\"acme\"") && !figures.contains("zeta"), "{figures}");
}

#[tokio::test]
async fn a_run_that_fails_again_and_again_pauses_its_tenant_and_a_success_before_that_forgets_it() {
    let scene = Scene::new(&["acme"]);
    let mut scheduler = scene.scheduler();
    let mut told = Vec::new();
    for code in [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1] {
        scene.launcher.plan("acme", Planned::Code(code));
        play(&mut scheduler).await;
        scene.world.pass_hours(13);
        told.extend(scene.told.take());
    }
    assert_eq!(scene.launcher.take_started().len(), 10, "the last one was not started");
    let count = |text: &str| told.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("runs succeed again, after 4 that did not"), 1, "{told:?}");
    assert_eq!(count("5 runs failed in a row"), 1, "{told:?}");
}

#[tokio::test]
async fn a_scheduler_of_a_shard_may_have_no_tenant_and_runs_those_that_fall_to_it() {
    let names = ["acme", "beta", "gamma", "delta"];
    let scene = Scene::new(&names);
    let mut started = Vec::new();
    for shard in ["1/2", "2/2"] {
        let context = Context {
            host: &scene.world.host,
            environment: ENVIRONMENT,
            codes: CODES,
            launcher: &scene.launcher,
            messages: &scene.told,
        };
        let shard = shard.parse().ok();
        let scheduler = Scheduler::new(context, scene.world.source(), None, shard);
        let mut scheduler = scheduler.map_err(|failure| failure.error).expect("it is a share");
        while scheduler.sleep(None) == Duration::ZERO {
            play(&mut scheduler).await;
        }
        started.extend(scene.launcher.take_started());
    }
    started.sort_unstable();
    assert_eq!(started, ["acme", "beta", "delta", "gamma"]);
    // Of a fleet of one tenant, one of two shards has none.
    let scene = Scene::new(&["acme"]);
    for shard in ["1/2", "2/2"] {
        let context = Context {
            host: &scene.world.host,
            environment: ENVIRONMENT,
            codes: CODES,
            launcher: &scene.launcher,
            messages: &scene.told,
        };
        assert!(Scheduler::new(context, scene.world.source(), None, shard.parse().ok()).is_ok());
    }
}

#[tokio::test]
async fn figures_say_when_the_scheduler_stops_or_cannot_read_its_fleet() {
    let scene = Scene::new(&["acme"]);
    let mut scheduler = scene.scheduler();
    let bulletin = scheduler.bulletin();
    scheduler.publish();
    assert_eq!(bulletin.problem(), None);
    scene.world.write("fleet.toml", "[fleet]\n");
    scheduler.read_again(false);
    scheduler.publish();
    let problem = bulletin.problem().unwrap_or_default();
    assert!(problem.starts_with("the configuration of the fleet is not valid"), "{problem}");
    scheduler.stop(StopReason::Terminated);
    scheduler.publish();
    assert_eq!(bulletin.problem().as_deref(), Some("it is stopping"));
}
