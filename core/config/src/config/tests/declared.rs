//! The table of settings against what reads them, in both directions: reading a setting that is not
//! declared panics, and here each declared one is found to be read, with its example and its default.

use core_settings::{Absent, Kind, Setting, TABLES, settings};
use toml::{Table, Value};

use super::*;

/// Settings that exclude each other, or need others, each as TOML that is added to a whole configuration.
const CONTEXTS: [&str; 7] = [
    "",
    "[audit]\naccount = \"reader\"\npassword = { env = \"P\" }\nengines = [\"*\"]\n\
     [destinations.jupiterone]\naccount = \"a\"\napi_key = { env = \"K\" }\n\
     [destinations.postgres]\nhost = \"::1\"\ndatabase = \"d\"\nuser = \"u\"\n\
     [destinations.delta]\nfolder = \"f\"\n\
     [destinations.neo4j]\nhost = \"::1\"\nuser = \"u\"\n",
    "[audit]\nsource = \"nql\"\ncolumns = { time = \"t\", account = \"a\", code = \"c\", message = \"m\" }\n\
     [destinations.jupiterone]\naccount = \"a\"\napi_key = { env = \"K\" }\n\
     source = \"integration-external\"\nintegration_instance_id = \"i\"\n",
    "[schedule]\ncron = \"0 6 * * *\"\n\
     [nexthink.endpoints]\nlogin = \"http://127.0.0.1:1\"\napi = \"http://127.0.0.1:1\"\n\
     files = \"http://127.0.0.1:2\"\n",
    "[audit]\naccount = \"reader\"\npassword = { command = [\"c\"] }\nauth = \"oauth\"\n\
     [destinations.jupiterone]\naccount = \"a\"\napi_key = { command = [\"c\"] }\n\
     [destinations.postgres]\nhost = \"::1\"\ndatabase = \"d\"\nuser = \"u\"\npassword = { command = [\"c\"] }\n\
     [destinations.neo4j]\nhost = \"::1\"\nuser = \"u\"\npassword = { command = [\"c\"] }\n\
     [nexthink]\nclient_secret = { command = [\"c\"] }\n\
     [monitoring]\nheartbeat = { command = [\"c\"] }\n",
    "[queries]\npackages = { id = \"#all\", partition = { query = \"#some\" } }\n",
    "[queries]\npackages = { files = [\"packages.csv\"] }\n",
];

/// Adds the tables of one document to another; later values replace earlier ones.
fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(value)) => merge(below, value),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

fn document(text: &str) -> Table {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The whole configuration in each of the contexts.
fn contexts() -> impl Iterator<Item = Table> {
    CONTEXTS.iter().map(|context| {
        // A secret is in one place only.
        let is_secret = |line: &&str| line.starts_with("client_secret");
        let lines =
            WHOLE.lines().filter(|line| !(context.contains("client_secret") && is_secret(line)));
        let mut whole = document(&lines.collect::<Vec<_>>().join("\n"));
        merge(&mut whole, document(context));
        whole
    })
}

/// Returns the problems of a configuration with one more setting.
fn problems_with(mut context: Table, path: &str, value: &str) -> Vec<String> {
    let setting = document(&format!("{path} = {value}"));
    merge(&mut context, setting);
    parse(&context.to_string(), &[]).err().unwrap_or_default()
}

/// The path of a setting in a file: that of some query or column if it has no name of its own.
fn written(setting: &Setting) -> String {
    let query = if setting.path.ends_with('*') { "devices" } else { "packages" };
    setting.path.replace("**", "\"device.name\"").replace('*', query)
}

/// The paths that are read for a setting: those of a reference to a secret are four.
fn leaves(setting: &Setting) -> Vec<(String, Kind)> {
    let path = written(setting);
    if setting.kind != Kind::Secret {
        return vec![(path, setting.kind)];
    }
    let number = Kind::Integer { least: 1, most: 2 };
    let parts = [
        ("env", Kind::Text),
        ("file", Kind::Text),
        ("command", Kind::Texts),
        ("timeout_s", number),
    ];
    parts.map(|(part, kind)| (format!("{path}.{part}"), kind)).to_vec()
}

#[test]
fn every_declared_setting_is_read_and_a_value_of_another_type_refused() {
    for (path, kind) in settings().flat_map(leaves) {
        let wrong = match kind {
            Kind::Flag | Kind::Integer { .. } => "\"maybe\"",
            _ => "7",
        };
        let shown = format!("`{}` must be ", path.replace('"', ""));
        let is_refused = |context| {
            problems_with(context, &path, wrong).iter().any(|problem| problem.contains(&shown))
        };
        assert!(contexts().any(is_refused), "{path} is declared, and nothing reads it");
    }
}

#[test]
fn every_example_is_accepted() {
    for setting in settings() {
        let told: Vec<_> = contexts()
            .map(|context| problems_with(context, &written(setting), setting.example))
            .collect();
        // There is no such file.
        let is_missing_file =
            |problems: &Vec<String>| setting.path == "nexthink.ca_file" && problems.len() == 1;
        let is_accepted = |problems: &Vec<String>| problems.is_empty() || is_missing_file(problems);
        assert!(told.iter().any(is_accepted), "{} = {}: {told:?}", setting.path, setting.example);
    }
}

#[test]
fn every_default_is_what_holds_without_the_setting() {
    let meaning = |text: &str| {
        let Config { settings, schedule, heartbeat, mcp, record, .. } = parse(text, &[]).ok()?;
        Some(format!("{settings:?} {schedule:?} {heartbeat:?} {mcp:?} {record:?}"))
    };
    let remove = |mut table: &mut Table, path: &str| {
        let (below, name) = path.rsplit_once('.').expect("a setting is in a table");
        for name in below.split('.') {
            let Some(Value::Table(inner)) = table.get_mut(name) else { return };
            table = inner;
        }
        table.remove(name);
    };
    for setting in settings() {
        let Absent::Default(default) = setting.absent else { continue };
        let path = written(setting);
        let agrees = |mut context: Table| {
            remove(&mut context, &path);
            let without = meaning(&context.to_string());
            merge(&mut context, document(&format!("{path} = {default}")));
            let with = meaning(&context.to_string());
            with.is_some() && with == without
        };
        assert!(contexts().any(agrees), "{path} is {default} only if it is set");
    }
}

#[test]
fn waits_that_are_not_set_are_those_of_the_clients() {
    let config = parse(WHOLE_WITHOUT_WAITS, &[]).expect("it is valid");
    assert_eq!(format!("{:?}", config.poll), format!("{:?}", PollSchedule::default()));
    assert_eq!(format!("{:?}", config.timeouts), format!("{:?}", Timeouts::default()));
    assert_eq!(config.retry, RetryPolicy::default());
    let windows = core_store::Windows::default();
    assert_eq!(format!("{:?}", config.retention), format!("{windows:?}"));
}

const WHOLE_WITHOUT_WAITS: &str = "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"i\"\n\
                                   client_secret = { env = \"S\" }\n";

#[test]
fn every_configuration_on_a_page_is_valid() {
    let pages = [
        include_str!("../../../../../README.md"),
        include_str!("../../../../../docs/audit-trail.md"),
        include_str!("../../../../../docs/configuration.md"),
        include_str!("../../../../../docs/lake.md"),
        include_str!("../../../../../docs/explorer.md"),
        include_str!("../../../../../docs/jupiterone.md"),
        include_str!("../../../../../docs/neo4j.md"),
        include_str!("../../../../../docs/operations.md"),
        include_str!("../../../../../docs/postgres.md"),
        include_str!("../../../../../docs/privacy.md"),
        include_str!("../../../../../docs/rules.md"),
    ];
    let is_table = |name: &String| {
        TABLES.iter().any(|table| table.path.split('.').next() == Some(name.as_str()))
    };
    let mut checked = 0;
    for block in pages.iter().flat_map(|page| page.split("```toml\n").skip(1)) {
        let block = block.split("```").next().unwrap_or_default();
        let block = block.replace("ca_file = ", "# ca_file = ");
        let table = document(&block);
        // Others are rules and channels, which have files of their own.
        if !table.keys().all(is_table) {
            assert!(!table.keys().any(is_table), "{block}");
            continue;
        }
        let mut whole = document(WHOLE);
        merge(&mut whole, table);
        let problems = parse(&whole.to_string(), &[]).err();
        assert!(problems.is_none(), "{block}: {problems:?}");
        checked += 1;
    }
    assert!(checked > 2, "{checked}");
}
