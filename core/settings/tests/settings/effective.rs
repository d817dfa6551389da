//! Where the effective settings come from.

use std::collections::BTreeMap;

use core_settings::{Place, Values};

const FILE: &str = r##"
[nexthink]
client_id = "0a1b"
client_secret = { env = "SECRET" }
daily_exports = 20

[queries]
devices = "#j1_devices"

[queries.packages]
id = "#j1_packages"

[privacy.columns]
"device.name" = "drop"
"##;

/// Reads the settings of the file and lists those that are asked for: path, value, and source.
fn list(wanted: &[&str]) -> Vec<String> {
    let variables = [
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID", "another"),
        ("NEXTHINK_GRAPH__NEXTHINK__PARALLEL_EXPORTS", "8"),
    ];
    let variables: BTreeMap<String, String> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut values =
        Values::parse(FILE, &variables, &["devices", "packages", "users"]).expect("it is TOML");
    for path in [
        "nexthink.client_id",
        "nexthink.client_secret.env",
        "queries.devices",
        "queries.packages.id",
        "privacy.columns.device.name",
    ] {
        values.text(path);
    }
    values.integer_or_default("nexthink.daily_exports");
    values.integer_or_default("nexthink.parallel_exports");
    let checked = values.finish().expect("everything was read");
    let shown = checked.effective.iter().filter(|setting| wanted.contains(&&*setting.path));
    shown
        .map(|setting| {
            format!("{} = {} ({})", setting.path, setting.value, setting.place.in_file("file"))
        })
        .collect()
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let wanted = [
        "nexthink.client_id",
        "nexthink.daily_exports",
        "nexthink.parallel_exports",
        "nexthink.retry.attempts",
    ];
    assert_eq!(
        list(&wanted),
        [
            "nexthink.client_id = \"another\" (NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID)",
            "nexthink.daily_exports = 20 (file:5:1)",
            "nexthink.parallel_exports = 8 (NEXTHINK_GRAPH__NEXTHINK__PARALLEL_EXPORTS)",
            "nexthink.retry.attempts = 8 (default)",
        ]
    );
}

#[test]
fn a_query_is_listed_as_it_is_written_and_a_table_that_is_off_as_one_line() {
    let wanted = [
        "queries.devices",
        "queries.packages",
        "queries.packages.id",
        "queries.users",
        "queries.users.id",
        "privacy.columns.device.name",
        "audit",
        "audit.account",
        "schedule",
    ];
    assert_eq!(
        list(&wanted),
        [
            "queries.devices = \"#j1_devices\" (file:8:1)",
            "queries.users = the step is skipped (default)",
            "queries.packages.id = \"#j1_packages\" (file:11:1)",
            "schedule = not configured (default)",
            "privacy.columns.device.name = \"drop\" (file:14:1)",
            "audit = not configured (default)",
        ]
    );
}

#[test]
fn a_secret_is_shown_as_its_place_and_a_command_without_its_arguments() {
    assert_eq!(
        list(&["nexthink.client_secret"]),
        ["nexthink.client_secret = { env = \"SECRET\" } (file:4:19)"]
    );
    let text = "[nexthink]\nclient_secret = { command = [\"vault\", \"--token=canary\"] }";
    let mut values = Values::parse(text, &BTreeMap::new(), &[]).expect("it is TOML");
    values.texts("nexthink.client_secret.command");
    let checked = values.finish().expect("everything was read");
    let secret = checked.effective.iter().find(|setting| setting.path == "nexthink.client_secret");
    let secret = secret.expect("it is listed");
    assert_eq!(secret.value, "{ command = [\"vault\", …] }");
    assert_eq!(secret.place, Place::File { line: 2, column: 19 });
    assert!(!format!("{:?}", checked.effective).contains("canary"));
}
