//! The `query` command.

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::{Scene, start_and_read};

const MOST_PACKAGES: &str = "select d.name, count(*) n from nexthink_device d join \
     nexthink_device_installed_package r on r._fromEntityKey = d._key group by 1 order by n desc \
     limit 5";

fn published() -> Scene {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    scene
}

#[test]
fn the_devices_with_most_packages_are_told() {
    let rows = published().query(MOST_PACKAGES);
    let counts: Vec<u64> = rows.iter().filter_map(|row| row["n"].as_u64()).collect();
    assert_eq!(counts.len(), 5);
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert!(rows.iter().all(|row| row["name"].is_string()), "{rows:?}");
}

#[test]
fn every_format_tells_the_same_rows() {
    let scene = published();
    // Of devices with equally many packages any may come first, unless the query says which.
    let sql = MOST_PACKAGES.replace("order by n desc", "order by n desc, name");
    let answer = |format: &str| {
        let ended = scene.program(&["query", "--output", format, &sql]);
        assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""), "{format}");
        ended.stdout
    };
    let rows: Vec<Value> = serde_json::from_str(&answer("json")).expect("an array of objects");
    let counts: Vec<u64> = rows.iter().filter_map(|row| row["n"].as_u64()).collect();
    assert_eq!(counts.len(), 5);
    let ndjson = answer("ndjson");
    let lines = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    assert_eq!(lines.collect::<Vec<_>>(), rows);
    let csv = answer("csv");
    let csv: Vec<&str> = csv.lines().collect();
    assert_eq!((csv.len(), csv[0]), (6, "name,n"));
    for (line, count) in csv[1..].iter().zip(&counts) {
        assert!(line.ends_with(&format!(",{count}")), "{line}");
    }
    let table = answer("table");
    let cells = table.lines().filter(|line| line.starts_with('│'));
    let cells: Vec<Vec<&str>> =
        cells.map(|cell| cell.split('│').map(str::trim).collect()).collect();
    assert_eq!(cells[0], ["", "name", "n", ""]);
    let told: Vec<String> = cells[1..].iter().map(|row| row[2].to_owned()).collect();
    assert_eq!(told, counts.iter().map(u64::to_string).collect::<Vec<_>>());
}

#[test]
fn an_answer_goes_into_a_file_that_is_new_or_may_be_replaced() {
    let scene = published();
    let sql = "select name from nexthink_device order by 1";
    let into = |format: &str, file: &str, more: &[&str]| {
        let arguments = ["query", "--output", format, "--out", file, sql];
        scene.program(&[&arguments[..], more].concat())
    };
    let printed = scene.program(&["query", "--output", "csv", sql]).stdout;
    for (format, file) in [("csv", "rows.csv"), ("parquet", "rows.parquet")] {
        let ended = into(format, file, &[]);
        assert_eq!((ended.exit, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
        let ended = into(format, file, &[]);
        assert_eq!(ended.exit, Some(2));
        assert!(ended.stderr.contains("replace it with --force"), "{}", ended.stderr);
        assert_eq!(into(format, file, &["--force"]).exit, Some(0));
    }
    assert_eq!(std::fs::read_to_string(scene.path("rows.csv")).expect("it is there"), printed);
    let parquet = std::fs::read(scene.path("rows.parquet")).expect("it is there");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    let ended = scene.program(&["query", "--output", "csv", "--out", "none.csv", "select x"]);
    assert_eq!(ended.exit, Some(2));
    assert!(!scene.path("none.csv").exists(), "a query that fails leaves no file");
    let ended = scene.program(&["query", "--tables", "--output", "parquet"]);
    assert!(ended.stderr.contains("a list is printed as table"), "{}", ended.stderr);
}

#[test]
fn a_generation_can_only_be_read() {
    let scene = published();
    let before = scene.tables();
    for statement in [
        "drop table nexthink_device",
        "delete from nexthink_device",
        "insert into nexthink_device (id) values ('x')",
        "create table t as select 1",
        "copy nexthink_device to 'stolen.csv'",
        "create external table t stored as csv location '/etc/passwd'",
    ] {
        let ended = scene.program(&["query", statement]);
        assert_eq!((ended.exit, ended.stdout.as_str()), (Some(2), ""), "{statement}");
        assert!(ended.stderr.contains("a generation is read-only"), "{}", ended.stderr);
    }
    assert!(!scene.path("stolen.csv").exists());
    assert_eq!(scene.tables(), before);
}

#[test]
fn an_unknown_table_is_told_with_those_that_there_are() {
    let ended = published().program(&["query", "select * from nexthink_devices"]);
    assert_eq!((ended.exit, ended.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(
        ended.stderr,
        @"\nerror: there is no table nexthink_devices, did you mean nexthink_device?\n --> line 1, column 15\n  |\n1 | select * from nexthink_devices\n  |               ^^^^^^^^^^^^^^^^\n"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = published();
    let many = "select a._key, b._key k from relationships a cross join relationships b";
    let arguments = ["query", "--output", "csv", many];
    let ended = start_and_read(1_000, scene.folder(), &arguments, &[]).wait();
    assert_eq!(ended.stdout.len(), 1_000, "there are millions of rows");
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_older_generation_can_be_asked() {
    let scene = published();
    let first = scene.published().id().to_string();
    scene.update(|behaviour| behaviour.tenant.alerts += 1);
    scene.run_completely();
    let count = "select count(*) n from nexthink_alert";
    assert_eq!(scene.query(count)[0]["n"], 81);
    let ended = scene.program(&["query", "--output", "csv", "--generation", &first, count]);
    assert_eq!((ended.exit, ended.stdout.lines().collect::<Vec<_>>()), (Some(0), vec!["n", "80"]));
    let ended = scene.program(&["query", "--output", "csv", "--as-of", "previous", count]);
    assert_eq!((ended.exit, ended.stdout.lines().collect::<Vec<_>>()), (Some(0), vec!["n", "80"]));
    let ended = scene.program(&["query", "--as-of", "2020-01-01", count]);
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("there is no generation from 2020-01-01"), "{}", ended.stderr);

    let history = scene.program(&["history", "--output", "json"]);
    let history: Value = serde_json::from_str(&history.stdout).expect("it is JSON");
    let published: Vec<_> = history.as_array().into_iter().flatten().collect();
    assert_eq!(published.len(), 2);
    assert_eq!((&published[0]["published"], &published[1]["id"]), (&true.into(), &first.into()));
}

#[test]
fn personal_columns_can_be_left_out() {
    let scene = published();
    let ask =
        |query: &str| scene.program(&["query", "--without-personal", "--output", "json", query]);
    let ended = ask("select * from nexthink_user order by _key limit 1");
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let rows: Value = serde_json::from_str(&ended.stdout).expect("an array of objects");
    let user = rows[0].as_object().expect("an object");
    let columns: Vec<&str> = user.keys().map(String::as_str).collect();
    let shown = ["_key", "_type", "_class", "id", "userIds", "userType", "lastSeenOn", "createdOn"];
    let mut expected = shown.to_vec();
    expected.sort_unstable();
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert!(
        user["lastSeenOn"].as_str().is_some_and(|time| time.ends_with("T00:00:00Z")),
        "{user:?}"
    );
    for query in ["select upn from nexthink_user", "FIND User WITH upn ~= 'a' RETURN User.userType"]
    {
        let ended = ask(query);
        assert_eq!(ended.exit, Some(2), "{query}");
        assert!(ended.stderr.contains("upn is withheld here"), "{}", ended.stderr);
        assert!(ended.stderr.contains("leave out --without-personal"), "{}", ended.stderr);
    }
}
