//! What a configuration may say, and what is said about one that is wrong.

use super::*;

const WHOLE: &str = r##"
[account]
name = "Acme"
tag_entities = true

[nexthink]
tenant = "Acme"
region = "eu"
client_id = "0a1b"
client_secret = { env = "SECRET" }
polling = { first_ms = 20, longest_ms = 500, deadline_minutes = 5 }
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
    Config::parse(text, &variables, Path::new("folder"))
        .map_err(|problems| problems.iter().map(|it| it.in_file("file")).collect())
}

fn without(line: &str) -> String {
    WHOLE.lines().filter(|it| !it.starts_with(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_whole_configuration_is_read() {
    let config = parse(WHOLE, &[]).expect("it is valid");
    assert_eq!((config.tenant.as_str(), config.region.as_str()), ("acme", "eu"));
    assert_eq!(config.account.name.as_deref(), Some("Acme"));
    assert!(config.account.tag_entities);
    assert_eq!(config.client_secret, SecretReference::Variable("SECRET".to_owned()));
    assert_eq!(config.queries.keys().collect::<Vec<_>>(), [&"devices"], "blank skips");
    assert_eq!(config.store, Location::Folder("folder/kept".into()));
    assert_eq!(config.poll.cap, Duration::from_millis(500));
    assert_eq!(config.poll.deadline, Duration::from_mins(5));
    assert_eq!((config.retry.max_attempts, config.retry.max_start_attempts), (3, 3));
    assert_eq!(config.time_zone, TimeZone::UTC);
    assert_eq!((&config.proxy, &config.extra_ca_pem), (&Proxy::FromEnvironment, &None));
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
    assert_eq!(config.queries["users"].as_str(), "#mine");
    assert!(!config.account.tag_entities);
    assert_eq!(config.retry.max_attempts, 9);
    let other_way = [("NEXTHINK_GRAPH__NEXTHINK__CLIENT_SECRET__FILE", "kept/secret")];
    let config = parse(WHOLE, &other_way).expect("it is valid");
    assert_eq!(config.client_secret, SecretReference::File("folder/kept/secret".into()));
}

/// Each text gives exactly these problems, whatever their indentation.
fn assert_problems(table: &[(String, &[&str])]) {
    for (text, expected) in table {
        let problems = parse(text, &[]).map(drop).expect_err(text);
        let problems: Vec<&str> = problems.iter().map(|it| it.trim()).collect();
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
