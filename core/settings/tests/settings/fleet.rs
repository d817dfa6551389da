//! The file of a fleet, and what tenants take over from it.

use std::collections::BTreeMap;

use core_settings::{Defaults, Values, is_fleet};

const FLEET: &str = r##"
[fleet]
tenants = "tenants.d"

[defaults.schedule]
interval = "6 hours"
missed = "skip"

[defaults.nexthink]
region = "eu"
client_secret = { env = "SECRET" }

[defaults.queries]
devices = "#j1_devices"
packages = { id = "#all", partition = { query = "#some" } }
"##;

fn no_variables() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn fleet(text: &str, variables: &BTreeMap<String, String>) -> (Values, Defaults) {
    let queries = ["devices", "packages"];
    Values::parse_fleet(text, variables, &queries, "fleet.toml").expect("it is TOML")
}

fn tenant(text: &str, defaults: &Defaults) -> Values {
    Values::parse_tenant(text, defaults, &["devices", "packages"]).expect("it is TOML")
}

/// Returns what is wrong with the file of a fleet after its own settings were read.
fn problems(text: &str) -> Vec<String> {
    let (mut values, _) = fleet(text, &no_variables());
    values.required_text("fleet.tenants");
    values.integer_or_default("fleet.parallel_runs");
    let problems = values.finish().err().unwrap_or_default();
    problems.iter().map(|problem| problem.in_file("fleet.toml").trim().to_owned()).collect()
}

#[test]
fn a_file_with_the_table_is_one_of_a_fleet() {
    assert!(is_fleet(FLEET) && is_fleet("[fleet]"));
    assert!(!is_fleet("[nexthink]\ntenant = \"fleet\"") && !is_fleet("fleet is no TOML"));
}

#[test]
fn a_tenant_has_its_own_values_and_the_defaults_for_the_others() {
    let (_, defaults) = fleet(FLEET, &no_variables());
    let mut values = tenant("[nexthink]\nregion = \"us\"", &defaults);
    assert!(values.is_from_defaults("schedule.interval"));
    assert!(!values.is_from_defaults("nexthink.region"));
    assert_eq!(values.text("nexthink.region").as_deref(), Some("us"));
    assert_eq!(values.text("schedule.interval").as_deref(), Some("6 hours"));
    assert!(values.is_from_defaults("schedule.interval"), "also after it was read");
    assert_eq!(values.text("queries.packages.partition.query").as_deref(), Some("#some"));
}

#[test]
fn what_rules_out_the_default_replaces_it_as_a_whole() {
    let (_, defaults) = fleet(FLEET, &no_variables());
    let table = [
        ("nexthink.client_secret = { file = \"s\" }", "nexthink.client_secret.env"),
        ("queries.packages = \"#mine\"", "queries.packages.id"),
        ("queries.packages = \"#mine\"", "queries.packages.partition.query"),
        ("queries.packages.id = \"#mine\"", "queries.packages.partition.query"),
        ("schedule.cron = \"0 6 * * *\"", "schedule.interval"),
    ];
    for (line, replaced) in table {
        let mut values = tenant(line, &defaults);
        assert_eq!(values.text(replaced), None, "{line}");
        assert_eq!(values.text("queries.devices").as_deref(), Some("#j1_devices"), "{line}");
        assert_eq!(values.choice("schedule.missed"), "skip", "{line}");
    }
}

#[test]
fn a_mistake_in_a_default_is_told_with_the_file_that_has_it() {
    let (_, defaults) = fleet(FLEET, &no_variables());
    let mut values = tenant("", &defaults);
    values.problem("nexthink.region", "is not told");
    values.text("nexthink.region");
    values.problem("nexthink.region", "is wrong");
    let told = values.finish().expect_err("there are mistakes");
    let told: Vec<_> = told.iter().map(|problem| problem.in_file("acme.toml")).collect();
    assert!(told.contains(&"  fleet.toml:10:1: `nexthink.region` is wrong".to_owned()), "{told:?}");
}

#[test]
fn a_fleet_has_its_own_settings_and_defaults_and_nothing_else() {
    assert_eq!(problems(FLEET), [""; 0]);
    assert_eq!(problems("[fleet]\ntenants = \"t\"\n[defaults.audit]\n[defaults]"), [""; 0]);
    let table = [
        ("[fleet]", "fleet.toml: `fleet.tenants` is missing"),
        (
            "[fleet]\ntenants = \"t\"\n[store]\nlocation = \"s\"",
            "fleet.toml:4:1: `store.location` is a setting of one tenant: call it `defaults.store.location` \
             for all, or move it into a file of `fleet.tenants`",
        ),
        (
            "[fleet]\ntenants = \"t\"\n[defaults.store]\nlocatoin = \"s\"",
            "fleet.toml:4:1: `defaults.store.locatoin` is not a setting; did you mean \
             `defaults.store.location`?",
        ),
        (
            "[fleet]\ntenants = \"t\"\nparallel = 3",
            "fleet.toml:3:1: `fleet.parallel` is not a setting; did you mean `fleet.parallel_runs`?",
        ),
        (
            "[fleet]\ntenants = \"t\"\n[defaults.sotre]",
            "fleet.toml:3:11: `defaults.sotre` is not a setting",
        ),
        (
            "[fleet]\ntenants = \"t\"\nparallel_runs = 0",
            "fleet.toml:3:1: `fleet.parallel_runs` must be a whole number from 1 to 256, not this number",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn variables_override_the_defaults_of_all_tenants() {
    let name = "NEXTHINK_GRAPH__DEFAULTS__NEXTHINK__REGION".to_owned();
    let (_, defaults) = fleet(FLEET, &BTreeMap::from([(name, "pac".to_owned())]));
    let mut values = tenant("", &defaults);
    assert!(
        values.is_from_defaults("nexthink.region"),
        "a relative path starts at the fleet's file"
    );
    assert_eq!(values.text("nexthink.region").as_deref(), Some("pac"));
}
