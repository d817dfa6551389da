//! The data that rules read besides the published generation, and lists of many findings.

use std::fs;

use core_simulator::SavedQuery;
use serde_json::Value;

use super::{done, findings, scene};

/// A rule about a query.
fn rule(id: &str, query: &str) -> String {
    let query = query.replace('"', "\\\"");
    format!(
        "id = \"{id}\"\ntitle = \"{id}\"\nseverity = \"low\"\nquery = \"{query}\"\nidentity = [\"key\"]\n\
         message = \"{{{{ key }}}}\"\n"
    )
}

#[test]
fn a_rule_reads_history_and_the_users_files_and_names_the_file_that_is_missing() {
    let scene = scene();
    scene.run_completely();
    let j1ql =
        "FIND nexthink_package WITH _createdOn > date.now - 7 days AS p RETURN p._key AS key";
    scene.write("rules/new.toml", &rule("new-package", j1ql));
    let sql = "select _key as key from nexthink_package_history group by _key";
    scene.write("rules/past.toml", &rule("past-package", sql));
    scene.write("rules/eol.toml", &rule("end-of-life", "select _key as key from software_eol"));
    let advisories = "select _key as key from advisory_match";
    scene.write("rules/advisory.toml", &rule("advisory", advisories));
    let tried = || {
        let rules = ["new-package", "past-package", "end-of-life", "advisory"];
        let arguments = [&["rules", "run", "--dry-run", "--output", "json"][..], &rules].concat();
        let tried: Vec<Value> =
            serde_json::from_str(&done(&scene, &arguments).stdout).expect("an array");
        let by_rule =
            tried.into_iter().map(|line| (line["rule"].as_str().expect("a rule").to_owned(), line));
        by_rule.collect::<std::collections::BTreeMap<_, _>>()
    };
    let results = tried();
    let packages = scene.keys("nexthink_package").len();
    for rule in ["new-package", "past-package"] {
        assert_eq!(results[rule]["rows"], packages, "{}", results[rule]);
    }
    for (rule, file) in [("end-of-life", "products.json"), ("advisory", "advisories.csv")] {
        let reason = results[rule]["failed"].as_str().unwrap_or_default();
        assert!(reason.contains(&format!("is made from software/{file}")), "{reason}");
    }
    fs::create_dir(scene.path("software")).expect("a folder can be made");
    let advisory = "id,publisher,name,fixed_in\nADV-1,Nexthink,Nexthink Coll*,99\n";
    scene.write("software/advisories.csv", advisory);
    let results = tried();
    assert!(results["advisory"]["rows"].as_u64() > Some(0), "{}", results["advisory"]);
    assert!(results["end-of-life"]["failed"].is_string());
}

#[test]
fn a_rule_about_history_finds_nothing_while_the_history_is_partial_or_incomplete() {
    let scene = scene();
    let j1ql =
        "FIND nexthink_package WITH _createdOn > date.now - 7 days AS p RETURN p._key AS key";
    scene.write("rules/packages.toml", &rule("new-package", j1ql));
    scene.update(|behaviour| {
        behaviour.failing.insert(SavedQuery::Packages, "ERROR".to_owned());
    });
    assert_eq!(scene.run(&[]).ended.exit, Some(7));
    scene.update(|behaviour| behaviour.failing.clear());
    scene.run_completely();
    let unknown = || {
        let ended = done(&scene, &["rules", "run"]);
        let expected = "rule new-package: unknown: it reads nexthink_package_history, of which";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert_eq!(findings(&scene, &[]), [Value::Null; 0]);
    };
    unknown();
    let remark = done(&scene, &["query", j1ql]).stderr;
    assert!(remark.contains("partial tables"), "{remark}");
    let remark = done(&scene, &["query", "select _key from nexthink_package"]).stderr;
    assert!(!remark.contains("partial"), "{remark}");

    let generations = scene.path("store/acme/generations");
    let oldest = fs::read_dir(&generations).expect("it is a folder");
    let oldest = oldest.map(|entry| entry.expect("it can be read").path()).min();
    fs::write(oldest.expect("there are two").join("manifest.json"), "{").expect("it is ours");
    unknown();
}

#[test]
fn a_table_of_findings_has_the_first_and_says_how_many_there_are() {
    let scene = scene();
    scene.run_completely();
    let all = findings(&scene, &[]);
    assert!(all.len() > 60, "{}", all.len());
    let table = done(&scene, &["findings", "list"]);
    // Two lines are the header.
    assert_eq!(table.stdout.lines().count(), 52);
    let note = format!("{} findings, of which the first 50 are shown", all.len());
    assert!(table.stderr.contains(&note), "{}", table.stderr);
    let some = done(&scene, &["findings", "list", "-n", "60"]);
    assert_eq!(some.stdout.lines().count(), 62);
    let csv = done(&scene, &["findings", "list", "--output", "csv"]);
    assert_eq!((csv.stdout.lines().count(), csv.stderr.as_str()), (all.len() + 1, ""));
    let lines = done(&scene, &["findings", "list", "--output", "ndjson", "--lines", "3"]).stdout;
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(lines, all[..3]);
    let nothing = ["findings", "list", "--severity", "critical", "--output", "json"];
    assert_eq!(done(&scene, &nothing).stdout, "[]\n");
}
