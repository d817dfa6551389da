//! Queries with more rows than Nexthink exports at once: fetched in parts, or partial and nothing
//! lost.

use std::time::Duration;

use core_simulator::{
    Answer, Fault, FaultAction, FaultPoint, Parameter, QueryBehaviour, Results, ResultsCompression,
    SavedQuery, Tenant, TenantSpec, write_csv,
};

use crate::kit::{Run, Scene, TENANT, until};

/// The twin of the packages' query that has a parameter.
const PART: &str = "#j1_packages_part";

/// The counts of the store on a new day.
const NO_STARTS: &str = r#"{"version":1,"starts_ms":[],"not_before_ms":null}"#;

/// A tenant whose packages are more than an export may have, and the query for their parts.
fn truncated(row_cap: u64) -> Scene {
    let scene = Scene::of(TenantSpec {
        devices: 60,
        users: 20,
        packages_per_device: 10,
        alerts: 5,
        ..TenantSpec::default()
    });
    scene.update(|behaviour| {
        behaviour.row_caps.insert(SavedQuery::Packages, row_cap);
        behaviour.queries.insert(PART.to_owned(), twin());
    });
    scene
}

fn twin() -> QueryBehaviour {
    let parameter = Parameter { name: "p".to_owned(), column: "device.uid".to_owned() };
    QueryBehaviour {
        same_as: Some(SavedQuery::Packages),
        parameter: Some(parameter),
        ..QueryBehaviour::default()
    }
}

fn configure(scene: &Scene, partition: &str) {
    scene.configure(|configuration| {
        let table = format!("{{ id = \"#j1_packages\", partition = {{ {partition} }} }}");
        configuration.set("queries.packages", &table)
    });
}

/// Returns the number of times that packages were exported, in whole and in parts.
fn n_exports(scene: &Scene) -> (u64, u64) {
    let starts = scene.requests().export_starts;
    let of = |id: &str| starts.get(id).map_or(0, |by_value| by_value.values().sum());
    (of("#j1_packages"), of(PART))
}

fn packages(run: &Run) -> (&str, &str) {
    let step = run.step("fetch-packages");
    (step["outcome"].as_str().unwrap_or(""), step["reason"].as_str().unwrap_or(""))
}

#[test]
fn a_truncated_query_is_complete_through_its_parts() {
    let scene = truncated(300);
    configure(&scene, "query = \"#j1_packages_part\"");
    let run = scene.run_completely();
    assert_eq!(n_exports(&scene), (1, 16));
    assert_eq!(packages(&run), ("complete", ""));
    let (counts, step) = (scene.counts(), run.step("fetch-packages"));
    assert_eq!(step["rows"]["read"], counts.rows[&SavedQuery::Packages]);
    assert_eq!((step["parts"].as_u64(), step["exports"].as_u64()), (Some(16), Some(17)));
    assert_eq!(run.objects()["nexthink_package"], counts.packages);
    assert_eq!(run.objects()["nexthink_device_installed_package"], counts.installations);

    // What comes in parts is what would have come as a whole.
    let whole = truncated(u64::MAX);
    whole.run_completely();
    assert!(scene.tables() == whole.tables());
}

#[test]
fn a_truncated_query_without_parts_is_partial_and_loses_nothing() {
    let scene = truncated(u64::MAX);
    scene.run_completely();
    let before = scene.run_completely().objects()["nexthink_device_installed_package"];
    scene.update(|behaviour| _ = behaviour.row_caps.insert(SavedQuery::Packages, 100));
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(run.objects()["nexthink_device_installed_package"], before);
    assert_eq!(packages(&run).0, "partial");
}

#[test]
fn one_query_may_serve_for_the_whole_and_for_its_parts() {
    let scene = truncated(300);
    scene.update(|behaviour| {
        let own = QueryBehaviour { same_as: None, ..twin() };
        behaviour.queries.insert("#j1_packages".to_owned(), own);
    });
    configure(&scene, "parameter = \"p\"");
    let run = scene.run_completely();
    assert_eq!(packages(&run), ("complete", ""));
    assert_eq!(run.step("fetch-packages")["exports"], 17);
}

#[test]
fn a_part_that_is_truncated_too_is_split_further() {
    // 600 rows in 16 parts are 40 on average, so that some parts have more.
    let scene = truncated(45);
    scene.configure(|configuration| {
        let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration.set("queries.packages", table).set("nexthink.daily_exports", "1000")
    });
    let run = scene.run_completely();
    let (wholes, parts) = n_exports(&scene);
    assert_eq!(wholes, 1);
    assert!(parts > 16 && (parts - 16) % 16 == 0, "{parts}");
    assert_eq!(
        run.step("fetch-packages")["rows"]["read"],
        scene.counts().rows[&SavedQuery::Packages]
    );
}

#[test]
fn values_that_do_not_cover_the_column_leave_the_dataset_partial() {
    let scene = truncated(u64::MAX);
    scene.run_completely();
    let before = scene.run_completely().objects()["nexthink_device_installed_package"];
    // The cut file has some of the rows that belong to no part.
    scene.update(|behaviour| _ = behaviour.row_caps.insert(SavedQuery::Packages, 300));
    configure(&scene, "query = \"#j1_packages_part\", values = [\"0*\", \"1*\"]");
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let (outcome, reason) = packages(&run);
    assert_eq!(outcome, "partial");
    assert!(reason.contains("belong to no part"), "{reason}");

    // Or it has none of them, and it is unknown whether there are any.
    let csv = cut_packages(&scene, 3);
    let first = csv.lines().nth(1).and_then(|line| line.trim_start_matches('"').chars().next());
    let first = first.expect("there is a row");
    let rest = if first == '0' { '1' } else { '0' };
    scene.update(|behaviour| {
        behaviour.row_caps.remove(&SavedQuery::Packages);
        let whole = behaviour.queries.entry("#j1_packages".to_owned()).or_default();
        whole.says_truncated = true;
        let compression = ResultsCompression::Requested;
        whole.results = Some(Results { content: csv.into(), compression });
    });
    let values = format!("values = [\"{first}*\", \"{rest}*\"]");
    configure(&scene, &format!("query = \"#j1_packages_part\", {values}"));
    let run = scene.run(&["--accept-shrink", "nexthink_device_installed_package"]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let reason = packages(&run).1;
    assert!(reason.contains("not proven that every row belongs to a part"), "{reason}");
    assert_eq!(run.objects()["nexthink_device_installed_package"], before);
}

/// The header and the first rows of the packages' export.
fn cut_packages(scene: &Scene, rows: usize) -> String {
    let mut tenant = None;
    scene.update(|behaviour| tenant = Some(behaviour.tenant.clone()));
    let tenant = Tenant::new(tenant.expect("it was just read"));
    let mut csv = Vec::new();
    write_csv(&tenant, SavedQuery::Packages, None, &mut csv).expect("it is written");
    let csv = String::from_utf8(csv).expect("an export is text");
    csv.split_inclusive('\n').take(rows + 1).collect()
}

#[test]
fn parts_that_the_quota_does_not_allow_are_not_begun() {
    let scene = truncated(300);
    scene.configure(|configuration| {
        let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration.set("queries.packages", table).set("nexthink.daily_exports", "19")
    });
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(n_exports(&scene), (1, 0));
    let (outcome, reason) = packages(&run);
    assert_eq!(outcome, "partial");
    assert!(
        reason.contains("16 parts need 16 more exports, and 15 of the day's are left"),
        "{reason}"
    );
}

#[test]
fn a_query_that_ignores_its_parameter_is_found_out_before_it_costs_more() {
    // Each part is the whole again: truncated too, or said to be.
    for row_cap in [300, 5_000] {
        let scene = truncated(row_cap);
        scene.update(|behaviour| {
            behaviour.queries.get_mut(PART).expect("it is there").ignores_parameters = true;
            behaviour.queries.entry("#j1_packages".to_owned()).or_default().says_truncated = true;
        });
        configure(&scene, "query = \"#j1_packages_part\"");
        let run = scene.run(&[]);
        assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
        let (outcome, reason) = packages(&run);
        assert_eq!(outcome, "partial");
        assert!(reason.contains("ignores its parameter"), "{reason}");
        assert_eq!(n_exports(&scene), (1, 16), "no part is split");
        let check = scene.program(&["check"]);
        assert_eq!(check.exit, Some(7), "{}", check.stdout);
        assert!(check.stdout.contains("FAIL  parts packages"), "{}", check.stdout);
    }
}

#[test]
fn the_next_run_knows_what_parts_cost() {
    let scene = truncated(300);
    scene.configure(|configuration| {
        let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration.set("queries.packages", table).set("nexthink.daily_exports", "30")
    });
    scene.run_completely();
    let plan = scene.program(&["plan"]);
    assert!(plan.stdout.contains("costs 20 exports; 10 of 30 a day are left"), "{}", plan.stdout);
    assert_eq!(scene.program(&["check"]).exit, Some(75));
    let before = n_exports(&scene);
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(75), "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("not before 2"), "{}", run.ended.stderr);
    assert_eq!(n_exports(&scene), before, "nothing was asked for");
}

#[test]
fn each_day_s_exports_are_enough_for_each_day_s_run() {
    let scene = truncated(300);
    scene.configure(|configuration| {
        let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration.set("queries.packages", table).set("nexthink.daily_exports", "20")
    });
    for day in 1..=3 {
        let run = scene.run(&[]);
        assert_eq!(run.ended.exit, Some(0), "day {day}: {}", run.ended.stderr);
        assert_eq!(run.step("fetch-packages")["exports"], 17, "day {day}");
        // A day later.
        scene.write(&format!("store/{TENANT}/quota.json"), NO_STARTS);
    }
}

#[test]
fn parts_that_no_day_allows_take_nothing_from_other_steps() {
    let scene = truncated(300);
    let configure = |daily: &str| {
        scene.configure(|configuration| {
            let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
            configuration.set("queries.packages", table).set("nexthink.daily_exports", daily)
        });
    };
    configure("20");
    scene.run_completely();
    // Another client uses the tenant's exports from now on: 20 are more than a day has.
    scene.write(&format!("store/{TENANT}/quota.json"), NO_STARTS);
    configure("19");
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    for step in ["fetch-devices", "fetch-users", "fetch-alerts"] {
        assert_eq!(run.step(step)["outcome"], "complete", "{step}: {}", run.ended.stderr);
    }
    assert!(
        packages(&run).1.contains("16 parts need 16 more exports, and 15 of the day's are left")
    );
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_among_its_parts_pays_for_none_of_them_again() {
    let scene = truncated(300);
    scene.configure(|configuration| {
        let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration.set("queries.packages", table).set("nexthink.daily_exports", "20")
    });
    scene.update(|behaviour| behaviour.preparation = Duration::from_secs(2));
    let running = scene.start(&["run"]);
    // Four run at once, so with four on record none is on its way.
    let on_record = || {
        let is_part = |path: &std::path::PathBuf| {
            let is_note = path.extension().is_some_and(|extension| extension == "json");
            is_note && path.display().to_string().contains(".part-")
        };
        scene.leftovers().into_iter().filter(is_part).count()
    };
    let begun = until(Duration::from_secs(40), || (on_record() == 4).then_some(()));
    assert!(begun.is_some(), "the parts do not begin");
    running.kill();
    assert_eq!(running.wait().exit, None);
    assert_eq!(n_exports(&scene), (1, 4));
    scene.update(|behaviour| behaviour.preparation = Duration::ZERO);
    // Of the day's 20 exports there are just as many left as the run still needs.
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    assert_eq!(n_exports(&scene), (1, 16));
    let rows = scene.counts().rows[&SavedQuery::Packages];
    assert_eq!(run.step("fetch-packages")["rows"]["read"], rows);
}

#[test]
fn a_part_that_fails_costs_only_itself_when_it_is_tried_again() {
    let scene = truncated(300);
    scene.update(|behaviour| {
        let fault = Fault::new(FaultPoint::File, FaultAction::Answer(Answer::from_status(503)));
        behaviour.faults = vec![Fault { query: Some(PART.to_owned()), after: 4, ..fault }];
    });
    configure(&scene, "query = \"#j1_packages_part\"");
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert!(packages(&run).1.contains("failed: "), "{}", packages(&run).1);
    assert_eq!(n_exports(&scene), (1, 16));
    scene.update(|behaviour| behaviour.faults.clear());
    let plan = scene.program(&["plan"]);
    assert!(plan.stdout.contains("costs 3 exports;"), "{}", plan.stdout);
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    assert_eq!(n_exports(&scene), (1, 16), "all parts were paid for");
    let rows = scene.counts().rows[&SavedQuery::Packages];
    assert_eq!(run.step("fetch-packages")["rows"]["read"], rows);
}

/// As Nexthink counts: a million rows for each export, of two and a half million.
#[test]
fn millions_of_rows_are_complete_through_parts_with_an_exact_count() {
    let scene = Scene::of(TenantSpec {
        devices: 16_700,
        users: 20,
        packages_per_device: 150,
        alerts: 5,
        ..TenantSpec::default()
    });
    scene.update(|behaviour| {
        behaviour.row_cap = Some(1_000_000);
        behaviour.queries.insert(PART.to_owned(), twin());
    });
    configure(&scene, "query = \"#j1_packages_part\"");
    let run = scene.run_for(&[], Duration::from_mins(10));
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let counts = scene.counts();
    let rows = counts.rows[&SavedQuery::Packages];
    assert!(rows > 2_500_000, "{rows}");
    assert_eq!(n_exports(&scene), (1, 16));
    assert_eq!(run.step("fetch-packages")["rows"]["read"], rows);
    assert_eq!(run.objects()["nexthink_device_installed_package"], counts.installations);
    assert_eq!(run.objects()["nexthink_package"], counts.packages);

    // Without parts it ends partial, and nothing is lost.
    scene.configure(|configuration| configuration);
    let run = scene.run_for(&[], Duration::from_mins(10));
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(packages(&run).0, "partial");
    assert_eq!(run.objects()["nexthink_device_installed_package"], counts.installations);
}
