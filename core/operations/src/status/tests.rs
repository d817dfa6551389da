//! The texts of a status.

use core_store::Outcome;

use super::*;
use crate::testing::CODES;

fn health() -> Health {
    Health {
        generation: Some(PublishedGeneration {
            id: "01JN7Z1M80000000000000000A".to_owned(),
            created_at: "2026-03-01T08:00:17Z".to_owned(),
            age_seconds: 7200,
            outcome: Outcome::Partial,
            partial_types: vec!["nexthink_user".to_owned()],
            entities: 9,
            relationships: 2,
            objects: BTreeMap::new(),
        }),
        success_age_seconds: Some(7200),
        complete_at: None,
        last_run: Some(RunRecord {
            started_at: "2026-03-01T07:59:30Z".to_owned(),
            started_ms: 0,
            ended_at: Some("2026-03-01T08:00:18Z".to_owned()),
            exit_code: Some(7),
            ..RunRecord::default()
        }),
        is_running: false,
        failed_runs: 0,
        exports_left: 46,
        daily_exports: 50,
        next_run_at: Some("2026-03-01T20:00:00Z".to_owned()),
        has_timetable: true,
        schedule: "every 12 hours".to_owned(),
        findings: None,
    }
}

fn value(health: &Health, name: &str) -> Option<String> {
    let rows = describe("acme", health, CODES).into_iter();
    rows.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[test]
fn a_status_says_what_is_published_and_how_the_last_run_ended() {
    let rows: Vec<String> = describe("acme", &health(), CODES)
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    tenant: acme
    published: 01JN7Z1M80000000000000000A
    created: 2026-03-01T08:00:17Z
    age: 2 hours
    outcome: partial: nexthink_user
    entities: 9
    relationships: 2
    last complete: never
    last run: 2026-03-01T08:00:18Z (exit code 7: partial)
    schedule: every 12 hours
    next run: 2026-03-01T20:00:00Z
    exports: 46 of 50 left today
    ");
}

#[test]
fn a_tenant_without_a_run_has_no_age_and_failures_are_counted() {
    let none = Health { generation: None, last_run: None, ..health() };
    let none = Health { next_run_at: None, has_timetable: false, ..none };
    assert_eq!(value(&none, "published"), Some("nothing yet".to_owned()));
    assert_eq!(value(&none, "last run"), Some("never".to_owned()));
    assert_eq!((value(&none, "age"), value(&none, "next run")), (None, None));
    assert_eq!(value(&none, "failed"), None);
    let failed = Health { failed_runs: 1, ..health() };
    assert_eq!(value(&failed, "failed"), Some("1 run in a row".to_owned()));
}

#[test]
fn a_run_without_a_known_end_says_so() {
    for (is_running, ended_at, exit_code, expected) in [
        (true, None, None, "started 2026-03-01T07:59:30Z, and has not ended"),
        (false, None, None, "started 2026-03-01T07:59:30Z, and was cut off"),
        (false, Some("2026-03-01T08:00:18Z"), None, "2026-03-01T08:00:18Z"),
        (false, Some("2026-03-01T08:00:18Z"), Some(99), "2026-03-01T08:00:18Z"),
    ] {
        let run = RunRecord {
            started_at: "2026-03-01T07:59:30Z".to_owned(),
            started_ms: 0,
            ended_at: ended_at.map(str::to_owned),
            exit_code,
            ..RunRecord::default()
        };
        let health = Health { last_run: Some(run), is_running, ..health() };
        assert_eq!(value(&health, "last run").as_deref(), Some(expected));
    }
}

#[test]
fn findings_are_counted_by_severity_the_most_severe_first() {
    for (counts, expected) in [
        (vec![], "none open"),
        (vec![(Severity::Low, 0)], "none open"),
        (vec![(Severity::Low, 2), (Severity::High, 1)], "1 high, 2 low open"),
    ] {
        let health = Health { findings: Some(counts.into_iter().collect()), ..health() };
        assert_eq!(value(&health, "findings").as_deref(), Some(expected));
    }
}

#[test]
fn a_row_of_many_tenants_has_times_to_the_minute_or_says_what_cannot_be_read() {
    let row = StatusRow::new("acme".to_owned(), Ok(health()));
    let expected = [
        "acme",
        "2026-03-01T08:00Z",
        "partial (1 type)",
        "2026-03-01T07:59Z",
        "7",
        "2026-03-01T20:00Z",
    ];
    assert_eq!(cells(&row), expected);
    assert!(row.is_older_than(7199) && !row.is_older_than(7200));
    let idle = Health {
        generation: None,
        is_running: true,
        has_timetable: false,
        next_run_at: None,
        last_run: Some(RunRecord { started_at: "soon".to_owned(), ..RunRecord::default() }),
        success_age_seconds: None,
        ..health()
    };
    let row = StatusRow::new("beta".to_owned(), Ok(idle));
    assert_eq!(cells(&row), ["beta", "nothing yet", "", "soon", "not ended", "DISABLED"]);
    assert!(row.is_older_than(u64::MAX), "nothing was ever published");
    let next = |is_running| {
        let last_run = Some(RunRecord::default());
        let health = Health { is_running, last_run, next_run_at: None, ..health() };
        let long = value(&health, "next run").expect("it has a timetable");
        let [.., short] = cells(&StatusRow::new("acme".to_owned(), Ok(health)));
        [long, short]
    };
    assert_eq!(next(true), ["after the run that goes on", "after this run"]);
    let long = "when `schedule` tries again, after a run that published nothing";
    assert_eq!(next(false), [long, "tried again"]);
    let row = StatusRow::new("gamma".to_owned(), Err(Failure::configuration("it is broken")));
    assert_eq!(cells(&row), ["gamma", "", "cannot be read", "", "", ""]);
    assert_eq!(row.problem.as_deref(), Some("it is broken"));
    assert!(!row.is_older_than(0), "its problem is told instead");
}
