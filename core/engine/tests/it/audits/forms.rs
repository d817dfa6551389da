//! Trails of other forms than the documented one: the store has every event once.

use core_simulator::{AuditSpec, LineTime, SimulatedTrail};

use super::*;

const HOUR: u64 = 3_600_000;

/// Changes the form of the simulated trail.
fn form(world: &World, change: impl FnOnce(&mut AuditSpec)) {
    world.tenant.simulator.update(|behaviour| change(&mut behaviour.audit));
}

/// The number of events that the simulated trail of the web interface has between two times.
fn truth(world: &World, from_ms: u64, to_ms: u64) -> u64 {
    let lines =
        world.tenant.simulator.audit_lines(&SimulatedTrail::Portal, from_ms / 1_000, to_ms / 1_000);
    lines.len() as u64
}

/// Reads the events, and checks that nothing is missing by the report.
async fn run_complete(world: &World) -> Finished {
    let finished = run_alone(world).await;
    let report = report(&finished);
    assert_eq!(finished.ending, Ending::Complete, "{:?}", report.shortfalls());
    assert!(report.trails.iter().all(|trail| trail.gaps.is_empty() && trail.lost.is_empty()));
    finished
}

/// The first time of the day of a time.
fn day_of(ms: u64) -> u64 {
    ms - ms % DAY_MS
}

#[tokio::test]
async fn l15_a_trail_without_times_is_stored_as_often_as_it_happened() {
    let world = world().await;
    form(&world, |audit| audit.times = LineTime::None);
    // The first fixed window is the day of the first wanted event.
    let from_ms = day_of(world.now() - DAY_MS);
    for pass_ms in [0, HOUR, HOUR / 3, HOUR, 11 * HOUR, HOUR, HOUR, 30 * HOUR, HOUR, 75 * HOUR] {
        world.pass(pass_ms);
        let finished = run_complete(&world).await;
        let hour_ms = world.now() - world.now() % HOUR;
        assert_eq!(stored(&world), truth(&world, from_ms, hour_ms), "after {pass_ms} ms");
        let told = report(&finished).remarks().join("\n");
        assert!(told.contains("told apart by the day"), "{told}");
    }
    let log = world.store().events(LOG).expect("it can be read");
    let notes = Notes::of(&log).expect("they can be read");
    assert!(notes.trails["portal"].has_untimed());

    // Reading it again adds nothing.
    let before = stored(&world);
    let report = read_again(&world, false, &mut None).await.expect("it can be read");
    assert!(report.is_complete(), "{:?}", report.shortfalls());
    assert_eq!((report.added(), stored(&world)), (0, before));
}

#[tokio::test]
async fn l15_trails_of_all_engines_without_times_are_stored_as_often_as_they_happened() {
    let mut world = world().await;
    form(&world, |audit| audit.times = LineTime::None);
    trails(&mut world).trails = vec![Trail::Engines];
    let from_ms = day_of(world.now() - DAY_MS);
    for pass_ms in [0, HOUR, 13 * HOUR, HOUR] {
        world.pass(pass_ms);
        run_complete(&world).await;
        let hour_ms = world.now() - world.now() % HOUR;
        let (from, to) = (from_ms / 1_000, hour_ms / 1_000);
        let engines =
            ["engine-01", "engine-02"].map(|name| SimulatedTrail::Engine(name.to_owned()));
        let lines =
            engines.iter().map(|engine| world.tenant.simulator.audit_lines(engine, from, to).len());
        assert_eq!(stored(&world), lines.sum::<usize>() as u64, "after {pass_ms} ms");
    }
}

#[tokio::test]
async fn l15_a_line_that_lost_its_time_is_stored_once_among_lines_that_have_theirs() {
    let world = world().await;
    form(&world, |audit| audit.rotates = true);
    let start = Moment(world.now());
    for _ in 0..120 {
        run_complete(&world).await;
        world.pass(HOUR);
    }
    world.assert_events("a rotated log", start, 300);
}

#[tokio::test]
async fn l15_rows_of_the_table_without_a_readable_time_are_told() {
    let mut world = world().await;
    with_table(&mut world, "account");
    let AuditSource::Table(table) = &mut audit(&mut world).source else {
        panic!("a table is configured")
    };
    table.time = "message".to_owned();
    let finished = run(&world).await;
    assert_eq!(finished.ending, Ending::Partial);
    let told = report(&finished).shortfalls().join("\n");
    assert!(told.contains("no time that can be read") && told.contains("`message`"), "{told}");
}

#[tokio::test]
async fn l16_an_answer_with_more_than_was_asked_for_adds_each_event_once() {
    let world = world().await;
    let begins_ms = world.now() - 20 * DAY_MS;
    form(&world, |audit| {
        (audit.ignores_period, audit.lines_per_hour) = (true, 1);
        audit.begins = begins_ms / 1_000;
    });
    for pass_ms in [0, HOUR, 30 * HOUR, 80 * HOUR, HOUR] {
        world.pass(pass_ms);
        let finished = run_complete(&world).await;
        assert_eq!(stored(&world), truth(&world, begins_ms, world.now()), "after {pass_ms} ms");
        assert_eq!(report(&finished).trails[0].implausible, 0);
    }
}

#[tokio::test]
async fn l17_a_trail_without_a_final_line_end_is_read_to_its_last_event() {
    for times in [LineTime::Iso, LineTime::None] {
        let world = world().await;
        form(&world, |audit| (audit.joins_lines, audit.times) = (true, times));
        for pass_ms in [0, HOUR, HOUR / 3, 30 * HOUR, HOUR] {
            world.pass(pass_ms);
            let before = stored(&world);
            let finished = run_complete(&world).await;
            assert_eq!(stored(&world), before + report(&finished).added());
        }
        let tail = world.now() - world.now() % HOUR;
        let log = world.store().events(LOG).expect("it can be read");
        let today = log.rows_before("observedOn", i64::try_from(tail).expect("a time"));
        let today = today.expect("it can be read")
            - log
                .rows_before("observedOn", i64::try_from(day_of(tail)).expect("a time"))
                .expect("it can be read");
        assert_eq!(today, truth(&world, day_of(tail), tail), "{times:?}");
    }
}

#[tokio::test]
async fn l17_a_last_line_that_may_still_be_written_is_left_for_the_next_run() {
    let world = world().await;
    form(&world, |audit| audit.joins_lines = true);
    // Ten minutes later there is a new event, 20 seconds old.
    world.pass(300_000 + 20_000);
    run_complete(&world).await;
    let without_it = stored(&world);
    world.pass(120_000);
    let finished = run_complete(&world).await;
    assert_eq!((report(&finished).added(), stored(&world)), (1, without_it + 1));
}
