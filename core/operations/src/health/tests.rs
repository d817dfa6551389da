//! The health of a tenant, from its store.

use core_engine::ledger::{self, Event};
use core_store::Draft;

use super::*;
use crate::testing::{CODES, World};

#[test]
fn a_table_of_tenants_counts_the_partial_types_and_one_tenant_lists_them() {
    let mut generation = PublishedGeneration {
        id: String::new(),
        created_at: String::new(),
        age_seconds: 0,
        outcome: Outcome::Complete,
        partial_types: Vec::new(),
        entities: 0,
        relationships: 0,
        objects: BTreeMap::new(),
    };
    let texts = |generation: &PublishedGeneration| {
        [generation.outcome_summary(), generation.outcome_text()]
    };
    assert_eq!(texts(&generation), ["complete", "complete"]);
    generation.outcome = Outcome::Partial;
    generation.partial_types = ["nexthink_alert", "nexthink_user"].map(str::to_owned).to_vec();
    let expected = ["partial (2 types)", "partial: nexthink_alert, nexthink_user"];
    assert_eq!(texts(&generation), expected);
}

fn run(exit_code: Option<u8>) -> RunRecord {
    RunRecord {
        started_at: String::new(),
        started_ms: 0,
        ended_at: exit_code.map(|_| String::new()),
        exit_code,
        ..RunRecord::default()
    }
}

#[test]
fn runs_that_published_nothing_are_counted_back_to_the_last_that_did() {
    let table: [(&[Option<u8>], bool, u32); 9] = [
        (&[], false, 0),
        (&[Some(0)], false, 0),
        (&[Some(4), Some(7)], false, 0),
        (&[Some(0), Some(4), Some(3)], false, 2),
        (&[Some(0), Some(4), Some(143), Some(75)], false, 1),
        (&[Some(0), None], false, 1),
        (&[Some(0), None], true, 0),
        (&[Some(0), Some(2), None], true, 1),
        (&[Some(4), Some(6), Some(8)], false, 0),
    ];
    for (codes, is_running, expected) in table {
        let runs: Vec<RunRecord> = codes.iter().copied().map(run).collect();
        assert_eq!(count_failed(&runs, is_running, CODES), expected, "{codes:?}");
    }
}

#[test]
fn a_tenant_that_never_ran_is_due_now_and_has_all_exports_left() {
    let world = World::fleet(&["acme"]);
    let health = Health::read(&world.config("acme"), &world.host, CODES);
    let health = health.map_err(|failure| failure.error).expect("an empty store can be read");
    assert!(health.generation.is_none() && health.complete_at.is_none());
    assert!(health.last_run.is_none() && health.findings.is_none());
    assert_eq!((health.failed_runs, health.exports_left), (0, health.daily_exports));
    assert_eq!(health.next_run_at.as_deref(), Some("2026-03-01T10:00:00Z"));
    assert!(health.is_older_than(u64::MAX), "nothing was ever published");
}

#[test]
fn runs_are_those_of_the_ledger_and_one_without_an_end_was_killed() {
    let world = World::fleet(&["acme"]);
    let config = world.config("acme");
    let tenant = Engine { settings: &config, host: &world.host }.tenant();
    let tenant = tenant.map_err(|failure| failure.error).expect("the store is there");
    let record = |event: Event<'_>| {
        ledger::record(&world.host, &tenant, &event).expect("there is room");
    };
    let ended = |exit_code| Event::RunEnded { run: None, generation: None, exports: 0, exit_code };
    record(Event::RunStarted { steps: &[] });
    record(ended(4));
    let health = Health::read(&config, &world.host, CODES).map_err(|failure| failure.error);
    let health = health.expect("the store can be read");
    assert_eq!(health.next_run_at, None, "the scheduler waits after a failure");
    assert!(health.has_timetable && !health.is_running);
    record(Event::RunStarted { steps: &[] });
    world.pass_hours(1);
    record(Event::RunStarted { steps: &[] });
    record(ended(3));
    let runs = runs::of_tenant(&tenant).expect("it can be read");
    let codes: Vec<_> = runs.iter().map(|run| run.exit_code).collect();
    assert_eq!(codes, [Some(4), None, Some(3)]);
    assert_eq!(runs[1].started_at, "2026-03-01T10:00:00Z");
    assert_eq!((runs[1].ended_at.as_deref(), runs[2].ended_at.is_some()), (None, true));
    let health = Health::read(&config, &world.host, CODES).map_err(|failure| failure.error);
    let health = health.expect("the store can be read");
    assert_eq!(health.failed_runs, 3);
    assert_eq!(health.last_run.and_then(|run| run.exit_code), Some(3));
}

#[test]
fn a_run_of_named_steps_does_not_make_a_tenant_recent_and_puts_off_no_run() {
    let world = World::fleet(&["acme"]);
    let config = world.config("acme");
    let tenant = Engine { settings: &config, host: &world.host }.tenant();
    let tenant = tenant.map_err(|failure| failure.error).expect("the store is there");
    let run = |steps: &[String], outcome| {
        let record = |event: Event<'_>| {
            ledger::record(&world.host, &tenant, &event).expect("there is room");
        };
        record(Event::RunStarted { steps });
        let lock = tenant.lock("a test").expect("no one has it");
        let id = world.host.new_id(world.host.now()).expect("there is randomness");
        let staging = lock.stage(id.parse().expect("an ID")).expect("there is room");
        let (region, created_at) = ("eu".to_owned(), world.host.now().to_rfc3339());
        let draft = Draft { region, created_at, outcome, privacy: None, tables: Vec::new() };
        staging.publish(draft, &[]).expect("there is room");
        record(Event::RunEnded { run: None, generation: Some(id), exports: 0, exit_code: 0 });
    };
    let health = || {
        let health = Health::read(&config, &world.host, CODES).map_err(|failure| failure.error);
        health.expect("the store can be read")
    };
    let devices = ["fetch-devices".to_owned()];
    run(&devices, Outcome::Partial);
    assert!(health().is_older_than(u64::MAX), "there was no other run");
    run(&[], Outcome::Partial);
    world.pass_hours(11);
    run(&devices, Outcome::Partial);
    let before = health();
    assert_eq!(before.next_run_at.as_deref(), Some("2026-03-01T21:00:00Z"), "it is due already");
    assert!(before.is_older_than(11 * 3_600 - 1) && !before.is_older_than(11 * 3_600));
    run(&[], Outcome::Complete);
    let after = health();
    assert!(after.next_run_at > before.next_run_at, "{:?}", after.next_run_at);
    assert!(!after.is_older_than(0));
}

#[test]
fn the_age_of_a_generation_counts_from_the_earlier_of_its_start_and_its_publication() {
    // IDs go on after the newest one: after a clock that was ahead, they are ahead for long.
    for (id, expected) in
        [("01JN7Z1M80000000000000000A", 70_662), ("01KN7Z1M80000000000000000A", 68_399)]
    {
        let manifest = serde_json::json!({
            "format_version": 1, "id": id, "previous": null, "tenant": "acme", "region": "eu",
            "created_at": "2025-03-01T05:00:00Z", "outcome": "complete", "tables": [], "attachments": [],
        });
        let manifest: Manifest = serde_json::from_value(manifest).expect("it is a manifest");
        let now: Timestamp = "2025-03-02T00:00:00Z".parse().expect("a time");
        let now = Moment(u64::try_from(now.as_millisecond()).expect("it is after 1970"));
        assert_eq!(PublishedGeneration::new(&manifest, now).age_seconds, expected, "{id}");
    }
}
