//! The text of the metrics, and their file.

use std::collections::BTreeSet;

use core_engine::ledger::runs::RunRecord;
use core_fleet::{DueReason, PauseReason};
use core_rules::rule::Severity;

use super::*;
use crate::health::PublishedGeneration;

fn health() -> Health {
    let objects = [("nexthink_device".to_owned(), 5), ("nexthink_user".to_owned(), 4)];
    Health {
        generation: Some(PublishedGeneration {
            id: "01JN7Z1M80000000000000000A".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            age_seconds: 60,
            outcome: Outcome::Partial,
            partial_types: vec!["nexthink_user".to_owned()],
            entities: 9,
            relationships: 0,
            objects: objects.into(),
        }),
        success_age_seconds: Some(60),
        complete_at: None,
        last_run: Some(RunRecord {
            started_at: "2026-03-01T07:59:00Z".to_owned(),
            started_ms: 0,
            ended_at: Some("2026-03-01T08:00:01Z".to_owned()),
            exit_code: Some(7),
            ..RunRecord::default()
        }),
        is_running: false,
        failed_runs: 0,
        exports_left: 46,
        daily_exports: 50,
        next_run_at: None,
        has_timetable: false,
        schedule: "disabled".to_owned(),
        findings: Some([(Severity::High, 3), (Severity::Low, 0)].into()),
    }
}

/// A text with every metric.
fn every_metric() -> String {
    let health = health();
    let status =
        |name: &str, state| TenantStatus { name: name.to_owned(), state, last: None, failures: 0 };
    let due = "2026-03-01T14:00:00Z".parse().expect("it is a time");
    let runs = BTreeMap::from([(("acme".to_owned(), 7), 3)]);
    let figures = Figures {
        tenants: vec![("acme", Some(&health)), ("broken", None)],
        states: vec![
            status("acme", TenantState::Waiting { due, reason: DueReason::Timetable }),
            status("globex", TenantState::Paused(PauseReason::Failures(5))),
        ],
        runs: Some(&runs),
    };
    figures.to_text()
}

#[test]
fn figures_have_units_and_labels_of_tenants_and_types_alone() {
    insta::assert_snapshot!(sorted(&every_metric()));
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_exist_and_the_dashboard_names_all() {
    let text = every_metric();
    let names = |text: &str| {
        let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        let words = words.filter(|word| word.starts_with("nexthink_graph_"));
        words.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let samples: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
    let exported = names(&samples);
    assert_eq!(
        names(include_str!("../../../../xtask/packaging/grafana/nexthink-graph.json")),
        exported
    );
    let alerts = names(include_str!("../../../../xtask/packaging/prometheus/nexthink-graph.yml"));
    assert!(!alerts.is_empty() && alerts.is_subset(&exported), "{alerts:?}");
}

/// The samples of each metric in a fixed order, which the library does not have.
fn sorted(text: &str) -> String {
    let figures = text.split_inclusive('\n').collect::<Vec<_>>();
    let mut sorted = String::new();
    for figure in figures.chunk_by(|_, line| !line.starts_with("# HELP")) {
        let (comments, mut samples): (Vec<&str>, Vec<&str>) =
            figure.iter().copied().partition(|line| line.starts_with('#'));
        samples.sort_unstable();
        sorted.extend(comments.into_iter().chain(samples));
    }
    sorted
}

#[test]
fn a_run_by_hand_has_no_figures_of_a_schedule() {
    let text = Figures { tenants: vec![("acme", None)], ..Figures::default() }.to_text();
    assert!(text.contains("nexthink_graph_tenant_readable{tenant=\"acme\"} 0"), "{text}");
    assert!(!text.contains("paused{") && !text.contains("runs_total{"), "{text}");
}

#[test]
fn only_a_file_of_figures_is_replaced_and_others_may_read_it() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let path = folder.path().join("nexthink.prom");
    let figures = Figures { tenants: vec![("acme", None)], ..Figures::default() };
    for _ in 0..2 {
        write(&path, &figures).map_err(|failure| failure.error).expect("it is ours");
    }
    #[cfg(unix)]
    {
        let mode = fs::metadata(&path)
            .map(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777);
        assert_eq!(mode.expect("it is there"), 0o644);
    }
    let foreign = folder.path().join("notes.txt");
    core_files::replace_file(&foreign, b"mine\n").expect("it is ours");
    let refused = write(&foreign, &figures).expect_err("it is someone's");
    assert!(refused.error.to_string().contains("is not a file of metrics"));
    let device = folder.path().join("device");
    fs::create_dir(&device).expect("there is room");
    let refused = check_file(&device).expect_err("it is no file");
    assert!(refused.error.to_string().contains("is not a file of metrics"));
    let missing = folder.path().join("no/such/folder.prom");
    let refused = check_file(&missing).expect_err("there is no folder");
    assert!(refused.error.to_string().contains("cannot write the metrics"));
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_refused_at_once_and_a_link_to_a_file_of_figures_stays_a_link() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let [pipe, file, link] = ["pipe", "file", "link"].map(|name| folder.path().join(name));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "there is no mkfifo");
    let refused = check_file(&pipe).expect_err("it would wait for a writer");
    assert!(refused.error.to_string().contains("is not a file of metrics"));
    symlink(&file, &link).expect("there is room");
    let refused = check_file(&link).expect_err("it leads nowhere");
    assert!(refused.error.to_string().contains("cannot write the metrics"));
    fs::write(&file, "").expect("there is room");
    write(&link, &Figures::default()).map_err(|failure| failure.error).expect("it is empty");
    assert!(link.is_symlink() && !fs::read(&file).expect("it is there").is_empty());
}
