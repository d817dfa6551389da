//! The meaning of a configuration, and the messages about one that is wrong.

mod bucket;
mod databases;
mod declared;
mod files;
mod fleet;
mod trust;

use std::path::Path;

use core_store::Location;

use super::*;
use crate::testing::empty_environment;

const WHOLE: &str = r##"
[account]
name = "Acme"
tag_entities = true

[nexthink]
tenant = "Acme"
region = "eu"
client_id = "0a1b"
client_secret = { env = "SECRET" }
polling = { first_ms = 20, longest_ms = 500, deadline_s = 300 }
retry = { attempts = 3 }

[queries]
devices = "#j1_devices"
users = ""

[store]
location = "kept"
"##;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, &variables, &Paths::new(Path::new("folder"), empty_environment()))
        .map_err(|problems| problems.iter().map(|problem| problem.in_file("file")).collect())
}

fn without(line: &str) -> String {
    WHOLE.lines().filter(|kept| !kept.starts_with(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_whole_configuration_is_read() {
    let config = parse(WHOLE, &[]).expect("it is valid");
    assert_eq!((config.tenant.as_str(), config.region.as_str()), ("acme", "eu"));
    assert_eq!(config.account.name.as_deref(), Some("Acme"));
    assert!(config.account.tag_entities);
    assert_eq!(
        format!("{:?}", config.credential.as_ref().expect("it is there").client_secret),
        "Variable(\"SECRET\")"
    );
    assert_eq!(config.queries.keys().collect::<Vec<_>>(), [&"devices"], "blank skips");
    assert_eq!(config.store, Location::Folder("folder/kept".into()));
    assert_eq!(config.poll.cap, Duration::from_millis(500));
    assert_eq!(config.poll.deadline, Duration::from_mins(5));
    assert_eq!(config.retry.max_attempts, 3);
    assert_eq!(config.time_zone, TimeZone::UTC);
    assert_eq!(config.trust, Trust::default());
    let mut values = Values::parse(WHOLE, &BTreeMap::new(), &query_names()).expect("it is valid");
    assert_eq!(proxy_choice(&mut values), ProxyChoice::FromEnvironment);
    assert_eq!(config.web_address(), "https://acme.eu.nexthink.cloud");
}

#[test]
fn a_variable_overrides_the_file_and_adds_to_it() {
    let variables = [
        ("NEXTHINK_GRAPH__NEXTHINK__REGION", "us"),
        ("NEXTHINK_GRAPH__QUERIES__USERS", "#mine"),
        ("NEXTHINK_GRAPH__ACCOUNT__TAG_ENTITIES", "false"),
        ("NEXTHINK_GRAPH__NEXTHINK__RETRY__ATTEMPTS", "9"),
    ];
    let config = parse(WHOLE, &variables).expect("it is valid");
    assert_eq!(config.region.as_str(), "us");
    assert_eq!(config.queries["users"].id.as_str(), "#mine");
    assert!(!config.account.tag_entities);
    assert_eq!(config.retry.max_attempts, 9);
    let other_way = [("NEXTHINK_GRAPH__NEXTHINK__CLIENT_SECRET__FILE", "kept/secret")];
    let config = parse(WHOLE, &other_way).expect("it is valid");
    assert_eq!(
        format!("{:?}", config.credential.as_ref().expect("it is there").client_secret),
        "File(\"folder/kept/secret\")"
    );
}

#[test]
fn waits_and_time_outs_that_are_not_set_are_those_of_a_real_tenant() {
    let set = "retry = { attempts = 3, longest_ms = 10 }\ntimeouts = { idle_s = 300 }";
    let config = parse(&WHOLE.replace("retry = { attempts = 3 }", set), &[]).expect("it is valid");
    let retry = &config.retry;
    for wait in
        [retry.first_wait, retry.max_wait, retry.first_throttled_wait, retry.max_throttled_wait]
    {
        assert_eq!(wait, Duration::from_millis(10));
    }
    let (set, default) = (&config.timeouts, Timeouts::default());
    assert_eq!(set.idle, Duration::from_mins(5));
    assert_eq!((set.connect, set.answer), (default.connect, default.answer));
}

/// Each text gives exactly these problems, whatever their indentation.
fn assert_problems(table: &[(String, &[&str])]) {
    for (text, expected) in table {
        let problems = parse(text, &[]).map(drop).expect_err(text);
        let problems: Vec<&str> = problems.iter().map(|problem| problem.trim()).collect();
        assert_eq!(problems, *expected, "{text}");
    }
}

#[test]
fn what_is_missing_and_a_secret_in_the_wrong_place_are_told() {
    let secret = "client_secret = \"canary\"\n";
    assert_problems(&[
        (without("tenant"), &["file: `nexthink.tenant` is missing"]),
        (
            without("client_secret"),
            &["file: `nexthink.client_secret` is missing; give a reference: { env = \"NAME\" }, \
               { file = \"PATH\" } or { command = [\"…\"] }"],
        ),
        (
            without("client_secret").replace("client_id", &format!("{secret}client_id")),
            &[
                "file:9:1: `nexthink.client_secret` must not hold the secret itself; give a reference: \
               { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"…\"] }",
            ],
        ),
        (
            WHOLE.replace("env = \"SECRET\"", "env = \"A\", file = \"b\""),
            &["file: `nexthink.client_secret` is given more than once; give a reference: \
               { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"…\"] }"],
        ),
    ]);
}

#[test]
fn a_timetable_is_an_interval_or_a_pattern() {
    let with = |lines: &str| format!("{WHOLE}\n[schedule]\n{lines}");
    let timetable =
        |lines: &str| parse(&with(lines), &[]).expect("it is valid").schedule.timetable.to_string();
    assert_eq!(parse(WHOLE, &[]).expect("it is valid").schedule.timetable.to_string(), "disabled");
    assert_eq!(timetable("interval = \"6 hours\""), "every 6 hours");
    assert_eq!(timetable("cron = \"0 6 * * *\""), "cron 0 6 * * * in UTC");
    let zone = "cron = \"0 6 * * *\"\ntime_zone = \"Europe/Zurich\"";
    assert_eq!(timetable(zone), "cron 0 6 * * * in Europe/Zurich");
    let told = |lines: &str| parse(&with(lines), &[]).expect_err("it is not valid").remove(0);
    for (lines, expected) in [
        (
            "interval = \"soon\"",
            "`schedule.interval` is wrong: write DISABLED or a number of minutes",
        ),
        ("cron = \"0 6\"", "`schedule.cron` is wrong: this is no cron pattern"),
        (
            "interval = \"1 day\"\ncron = \"0 6 * * *\"",
            "`schedule.cron` and `schedule.interval` contradict",
        ),
        (
            "time_zone = \"UTC\"",
            "`schedule.time_zone` is the zone of `schedule.cron`, which is missing",
        ),
        ("missed = \"twice\"", "`schedule.missed` must be once or skip"),
    ] {
        assert!(told(lines).contains(expected), "{lines}: {}", told(lines));
    }
}

#[test]
fn each_mistake_is_named_with_its_place_and_without_its_value() {
    assert_problems(&[
        (
            WHOLE.replace("devices =", "devcies ="),
            &["file:15:1: `queries.devcies` is not a setting; did you mean `queries.devices`?"],
        ),
        (
            WHOLE.replace("attempts = 3", "often = 3"),
            &["file:12:11: `nexthink.retry.often` is not a setting"],
        ),
        (
            WHOLE.replace("[store]", "[stor]"),
            &["file:19:1: `stor.location` is not a setting; did you mean `store.location`?"],
        ),
        (
            WHOLE.replace("attempts = 3", "attempts = 0"),
            &[
                "file:12:11: `nexthink.retry.attempts` must be a whole number from 1 to 100, not this \
               number",
            ],
        ),
        (
            WHOLE.replace("region =", "time_zone = \"Europe/Atlantis\"\nregion ="),
            &[
                "file:8:1: `nexthink.time_zone` is wrong: failed to find time zone `Europe/Atlantis` in \
               time zone database",
            ],
        ),
        (
            WHOLE.replace("region =", "proxy = \"http://me:canary@proxy.example\"\nregion ="),
            &[
                "file:8:1: `nexthink.proxy` must not hold a password; name this proxy in the variable \
               HTTPS_PROXY",
            ],
        ),
        (
            without("name"),
            &["file:3:1: `account.tag_entities` needs `account.name` to tag entities with"],
        ),
        (
            WHOLE.replace("region = \"eu\"", "region = \"mars\"\nregion = \"eu\""),
            &["file:9:1: duplicate key"],
        ),
        (
            WHOLE.replace("\"eu\"", "true").replace("\"Acme\"", "7"),
            &[
                "file:3:1: `account.name` must be a text in quotes, not this number",
                "file:4:1: `account.tag_entities` needs `account.name` to tag entities with",
                "file:7:1: `nexthink.tenant` must be a text in quotes, not this number",
                "file:8:1: `nexthink.region` must be a text in quotes, not true or false",
            ],
        ),
    ]);
}

#[test]
fn endpoints_are_overridden_all_or_not_at_all_and_then_any_region_will_do() {
    let endpoints = "\n[nexthink.endpoints]\nlogin = \"http://127.0.0.1:1\"\n";
    let problems =
        parse(&format!("{WHOLE}{endpoints}"), &[]).map(drop).expect_err("two are missing");
    assert_eq!(
        problems,
        [
            "  file: `nexthink.endpoints.api` is missing",
            "  file: `nexthink.endpoints.files` is missing"
        ]
    );
    let all =
        format!("{WHOLE}{endpoints}api = \"http://127.0.0.1:1\"\nfiles = \"http://127.0.0.1:2\"\n");
    parse(&all.replace("\"eu\"", "\"lab\""), &[]).map(drop).expect("any region");
    let outside = all.replace("http://127.0.0.1:2", "http://files.example");
    parse(&outside, &[]).map(drop).expect_err("plain http leaves the machine");
}

fn with_packages(packages: &str) -> String {
    WHOLE.replace("users = \"\"", &format!("packages = {packages}"))
}

#[test]
fn a_query_may_say_how_it_is_exported_in_parts() {
    let table = r##"{ id = "#all", partition = { query = "#some", parameter = "uid", values = ["a*", "b?"] } }"##;
    let config = parse(&with_packages(table), &[]).expect("it is valid");
    let query = &config.queries["packages"];
    let partition = query.partition.as_ref().expect("it is set");
    assert_eq!((query.id.as_str(), partition.query.as_str()), ("#all", "#some"));
    assert_eq!(partition.parameter, "uid");
    let values: Vec<_> = partition.values.iter().map(ToString::to_string).collect();
    assert_eq!(values, ["a*", "b?"]);
    assert!(query.whole().is_empty());
    assert_eq!(config.queries["devices"].partition, None);
}

#[test]
fn parts_are_by_hexadecimal_digit_unless_something_else_is_said() {
    let table = r##"{ id = "#all", partition = { parameter = "p" } }"##;
    let config = parse(&with_packages(table), &[]).expect("it is valid");
    let query = &config.queries["packages"];
    let partition = query.partition.as_ref().expect("it is set");
    assert_eq!(partition.values.len(), 16);
    assert!(
        ["0f3a", "Ff", "7"]
            .iter()
            .all(|uid| { partition.values.iter().filter(|value| value.matches(uid)).count() == 1 })
    );
    let empty = parse(&with_packages(r##"{ id = "#all", partition = {} }"##), &[]);
    assert_eq!(&empty.expect("it is valid").queries["packages"], query);
    let blank = parse(&with_packages(r#"{ id = "", partition = {} }"#), &[]);
    assert!(!blank.expect("blank skips").queries.contains_key("packages"));
    // The one query has the parameter itself, so that the whole must give it too.
    assert_eq!(query.whole().into_iter().collect::<Vec<_>>(), [("p".into(), "*".into())]);
}

#[test]
fn a_variable_gives_a_query_in_parts_another_id_or_skips_it() {
    let table = r##"{ id = "#all", partition = { query = "#some" } }"##;
    let with = |id: &str| {
        let variable = [("NEXTHINK_GRAPH__QUERIES__PACKAGES", id)];
        parse(&with_packages(table), &variable).expect("it is valid")
    };
    let config = with("#mine");
    assert_eq!(config.queries["packages"].id.as_str(), "#mine");
    assert!(config.queries["packages"].partition.is_some());
    assert!(!with("").queries.contains_key("packages"));
}

#[test]
fn parts_that_cannot_be_told_apart_are_refused() {
    let table = [
        (r#"values = ["a*"]"#, "`queries.packages.partition.values` is wrong: 1 values"),
        (r#"values = ["a*", "ab*"]"#, "a row can match both `a*` and `ab*`"),
        (r#"values = ["a*", "A?"]"#, "a row can match both `a*` and `A?`"),
        (r#"values = ["a*", ""]"#, "a pattern is empty"),
        (r#"values = ["a*", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]"#, "has more than 32 bytes"),
        (r#"parameter = "$p""#, "`queries.packages.partition.parameter` must be the name"),
        (r#"query = "Part""#, "`queries.packages.partition.query` is wrong"),
        ("values = {}", "must be a list of texts, not an empty table"),
        (r#"value = ["a*"]"#, "did you mean `queries.packages.partition.values`?"),
    ];
    for (setting, expected) in table {
        let query = format!(r##"{{ id = "#all", partition = {{ {setting} }} }}"##);
        let problems = parse(&with_packages(&query), &[]).map(drop).expect_err(setting);
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{setting}: {problems:?}"
        );
    }
    let without_id = r#"{ partition = { parameter = "p" } }"#;
    let problems = parse(&with_packages(without_id), &[]).map(drop).expect_err("no id");
    assert!(problems.iter().any(|problem| problem.contains("`queries.packages.id` is missing")));
}

#[test]
fn the_quota_is_what_nexthink_documents_unless_something_else_is_said() {
    let config = parse(WHOLE, &[]).expect("it is valid");
    assert_eq!((config.daily_exports, config.parallel_exports), (50, 4));
    let text = WHOLE.replace("region = ", "daily_exports = 20\nparallel_exports = 1\nregion = ");
    let config = parse(&text, &[]).expect("it is valid");
    assert_eq!((config.daily_exports, config.parallel_exports), (20, 1));
}

#[test]
fn the_configuration_on_its_page_is_valid() {
    let page = include_str!("../../../../docs/configuration.md");
    let block = page.split("```toml\n").nth(1).and_then(|block| block.split("```").next());
    let block = block.expect("the page shows a configuration");
    // The file of an authority is read, and there is none.
    let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("ca_file")).collect();
    let config = parse(&lines.join("\n"), &[]).expect("it is valid");
    assert_eq!(config.queries.len(), 4);
    let partition = config.queries["packages"].partition.as_ref().expect("it is set");
    let defaults = parse(
        &with_packages(r##"{ id = "#all", partition = { query = "#j1_packages_part" } }"##),
        &[],
    );
    assert_eq!(
        Some(partition),
        defaults.expect("it is valid").queries["packages"].partition.as_ref()
    );
}

#[test]
fn p8_an_empty_table_sets_nothing_and_is_no_mistake() {
    let names = [
        "account",
        "audit",
        "destinations",
        "destinations.delta",
        "destinations.jupiterone",
        "destinations.neo4j",
        "destinations.postgres",
        "nexthink.endpoints",
        "nexthink.timeouts",
        "privacy",
        "privacy.columns",
        "privacy.key",
        "privacy.record",
        "queries.packages",
        "retention",
    ];
    let without_account = WHOLE.replace("[account]\nname = \"Acme\"\ntag_entities = true", "");
    for name in names {
        let text = format!("{without_account}\n[{name}]\n");
        let config = parse(&text, &[]).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert!(config.audit.is_none() && config.jupiterone.is_none(), "{name}");
        let is_mirrored = config.delta.is_some() || config.postgres.is_some();
        assert!(!is_mirrored && config.neo4j.is_none(), "{name}");
        assert!(!config.queries.contains_key("packages"), "{name}");
    }
    let without_store = without_account.replace("location = \"kept\"", "");
    parse(&without_store, &[]).map(drop).expect("an empty [store] is the default store");
    let config = parse(&format!("{WHOLE}\n[audit]\n"), &[]).expect("it is valid");
    assert_eq!(config.warnings.settings, ["`[audit]` is empty, so the audit trail is not read"]);
    let problems = parse(&format!("{WHOLE}\n[querys]\n"), &[]).map(drop).expect_err("unknown");
    assert!(problems[0].contains("`querys` is not a setting"), "{problems:?}");
    let empty_text = WHOLE.replace("location = \"kept\"", "location = {}");
    let problems = parse(&empty_text, &[]).map(drop).expect_err("a text is needed");
    assert!(problems[0].contains("must be a text in quotes, not an empty table"), "{problems:?}");
}

#[test]
fn p8_a_pasted_address_gives_tenant_and_region_and_must_not_contradict() {
    let pasted =
        |tenant: &str| WHOLE.replace("tenant = \"Acme\"", &format!("tenant = \"{tenant}\""));
    let address = "https://Acme.EU.nexthink.cloud/#/home";
    for text in [
        pasted(address),
        pasted(address).replace("region = \"eu\"\n", ""),
        pasted("acme.api.eu.nexthink.cloud").replace("region = \"eu\"", "region = \"EU\""),
        WHOLE.replace("region = \"eu\"", &format!("region = \"{address}\"")),
    ] {
        let config = parse(&text, &[]).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!((config.tenant.as_str(), config.region.as_str()), ("acme", "eu"), "{text}");
    }
    let problems = parse(&pasted("https://acme.us.nexthink.cloud"), &[]).map(drop).expect_err("us");
    assert_eq!(
        problems,
        ["  file:8:1: `nexthink.region` is eu, and the address in `nexthink.tenant` is in us"]
    );
}

#[test]
fn p5_every_path_is_read_by_the_same_rule() {
    let table = [
        (WHOLE.replace("location = \"kept\"", "location = \"$HOME/kept\""), "store.location"),
        (WHOLE.replace("env = \"SECRET\"", "file = \"${X}/s\""), "nexthink.client_secret.file"),
        (WHOLE.replace("region =", "ca_file = \"%X%/ca\"\nregion ="), "nexthink.ca_file"),
        (format!("{WHOLE}\n[privacy.key]\nfile = \"~other/key\"\n"), "privacy.key.file"),
    ];
    for (text, setting) in table {
        let problems = parse(&text, &[]).map(drop).expect_err(setting);
        assert!(problems[0].contains(&format!("`{setting}` is wrong: ")), "{problems:?}");
    }
}

#[test]
fn p8_variables_alone_are_a_configuration_and_hold_lists_too() {
    let variables = [
        ("NEXTHINK_GRAPH__NEXTHINK__TENANT", "acme.eu.nexthink.cloud"),
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID", "0a1b"),
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_SECRET__COMMAND", "[\"vault\", \"read\"]"),
        ("NEXTHINK_GRAPH__QUERIES__DEVICES", "#j1_devices"),
        ("NEXTHINK_GRAPH__PRIVACY__RECORD__PURPOSES", "inventory, and nothing else"),
    ];
    let config = parse("", &variables).expect("it is valid");
    assert_eq!(config.tenant.as_str(), "acme");
    let reference = format!("{:?}", config.credential.as_ref().expect("it is there").client_secret);
    assert!(reference.starts_with("Command { words: [\"vault\", \"read\"]"), "{reference}");
    assert_eq!(config.record.purposes, ["inventory, and nothing else"]);
    let broken = [("NEXTHINK_GRAPH__PRIVACY__RECORD__PURPOSES", "[\"a\", 1]")];
    let problems = parse(WHOLE, &broken).map(drop).expect_err("a number is no text");
    assert!(problems[0].contains("NEXTHINK_GRAPH__PRIVACY__RECORD__PURPOSES"), "{problems:?}");
}

#[test]
fn an_empty_variable_for_a_place_is_a_mistake_and_not_the_default() {
    for (variable, setting) in [
        ("NEXTHINK_GRAPH__STORE__LOCATION", "`store.location`"),
        ("NEXTHINK_GRAPH__STORE__WORKING_FOLDER", "`store.working_folder`"),
    ] {
        let problems = parse(WHOLE, &[(variable, "")]).map(drop).expect_err("it is empty");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(setting) && problems[0].contains("is empty"), "{problems:?}");
    }
}

#[test]
fn the_pages_name_only_retention_settings_that_there_are() {
    let pages = [
        include_str!("../../../../docs/configuration.md"),
        include_str!("../../../../docs/personal-data.md"),
        include_str!("../../../../docs/audit-trail.md"),
        include_str!("../../../../docs/privacy.md"),
    ];
    let mut names = std::collections::BTreeSet::new();
    for page in pages {
        let mentions = page.split('`').filter_map(|code| code.strip_prefix("retention."));
        names.extend(mentions.map(|name| name.split(' ').next().unwrap_or_default()));
        assert!(!page.contains("audit.retention_days"), "it is `retention.audit_days`");
    }
    assert!(names.len() > 3, "{names:?}");
    for name in names {
        let text = format!("{WHOLE}\n[retention]\n{name} = 7\n");
        let problems = parse(&text, &[]).err();
        assert!(problems.is_none(), "{name}: {problems:?}");
    }
}
