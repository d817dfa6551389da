//! Failures, and what the program says and leaves behind then.

mod lists;

use std::fmt::Write as _;
use std::fs;

use core_simulator::{RequestCounts, SavedQuery, SimulatorConfig};

use crate::kit::{Scene, set_mode, start};

/// Texts that must not be in anything that the program prints.
const SECRET: &str = "canary-5e8f";

/// One failure: what is changed about a healthy setup, and what is run.
struct Case {
    name: &'static str,
    prepare: fn(&Scene),
    arguments: &'static [&'static str],
}

const RUN: &[&str] = &["run", "--quiet"];

const fn case(name: &'static str, prepare: fn(&Scene), arguments: &'static [&'static str]) -> Case {
    Case { name, prepare, arguments }
}

const CONFIGURATION: &[Case] = &[
    case(
        "a tenant that would name another host",
        |scene| scene.configure(|config| config.text("nexthink.tenant", "evil.example/#")),
        RUN,
    ),
    case(
        "a region that there is not",
        |scene| {
            scene.configure(|config| {
                config.without("nexthink.endpoints").text("nexthink.region", "mars")
            });
        },
        RUN,
    ),
    case(
        "endpoints without TLS on another machine",
        |scene| {
            scene.configure(|config| {
                config.text("nexthink.endpoints.api", "http://api.acme.example")
            });
        },
        RUN,
    ),
    case("no TOML", |scene| scene.write("nexthink-graph.toml", "[nexthink]\ntenant = acme\n"), RUN),
    case(
        "a misspelt setting",
        |scene| {
            scene.configure(|config| {
                config.without("queries.devices").text("queries.device", "#j1_devices")
            });
        },
        RUN,
    ),
    case(
        "several mistakes",
        |scene| {
            scene.configure(|config| {
                let config = config.without("nexthink.client_id").text("queries.users", "users");
                config.set("nexthink.polling", "{ first_ms = 0 }")
            });
        },
        RUN,
    ),
    case(
        "a secret in the configuration",
        |scene| scene.configure(|config| config.text("nexthink.client_secret", SECRET)),
        RUN,
    ),
    case(
        "a secret in a variable that is not set",
        |scene| {
            scene.configure(|config| config.set("nexthink.client_secret", "{ env = \"NOT_SET\" }"));
        },
        RUN,
    ),
    case(
        "a secret in a file that is not there",
        |scene| {
            scene
                .configure(|config| config.set("nexthink.client_secret", "{ file = \"nowhere\" }"));
        },
        RUN,
    ),
    case(
        "a secret in a file that others may read",
        |scene| set_mode(&scene.path("secret"), 0o644),
        RUN,
    ),
    case("an empty secret", |scene| scene.write("secret", "\n"), RUN),
    case("no configuration", remove_configuration, RUN),
    case("another configuration that is not there", |_| {}, &["run", "--config", "other.toml"]),
    case(
        "a store in a bucket, with a program that was built without buckets",
        |scene| scene.configure(|config| config.text("store.location", "s3://acme/graph")),
        RUN,
    ),
    case("no query IDs", |scene| scene.configure(|config| config.without("queries")), RUN),
    case("an unknown step", |_| {}, &["run", "--quiet", "--step", "fetch-binaries"]),
    case("a query before the first run", |_| {}, &["query", "select 1"]),
    case(
        "an unknown generation",
        |_| {},
        &["query", "--generation", "01JN7Z1M80000000000000000A", "select 1"],
    ),
];

/// The typing mistakes of a new user, before the first run.
const USAGE: &[Case] = &[
    case("a misspelt command", |_| {}, &["querry", "select 1"]),
    case("an unknown format", |_| {}, &["query", "--output", "yaml", "select 1"]),
    case("a step by its short name", |_| {}, &["run", "--step", "devices"]),
    case("a type by its short name", |_| {}, &["run", "--accept-shrink", "device"]),
    case("a query by the name of its step", |_| {}, &["nql", "fetch-devices"]),
    case("a report that there is not", |_| {}, &["audit", "report", "logins"]),
    case("events before any were read", |_| {}, &["audit", "tail"]),
    case("a delivery without a destination", |_| {}, &["sync", "jupiterone"]),
    case(
        "a folder of another program",
        |scene| {
            fs::create_dir(scene.path("mine")).expect("it is new");
            scene.write("mine/notes", "mine");
        },
        &["export", "everything", "mine"],
    ),
    case("an erasure without a person", |_| {}, &["privacy", "erase", "--yes"]),
    case("a configuration that is there", |_| {}, &["init", "--tenant", "acme", "--region", "eu"]),
    case("a period that is none", |_| {}, &["backfill", "audit", "--from", "yesterday"]),
    case("an address of others", |_| {}, &["simulate", "--listen", "192.0.2.1:8480"]),
    case("a day that is none", |_| {}, &["query", "--as-of", "last week", "select 1"]),
];

const NEXTHINK: &[Case] = &[
    case("a wrong secret", |scene| scene.write("secret", "canary-5e8f-but-wrong"), RUN),
    case(
        "a wrong client ID",
        |scene| scene.configure(|config| config.text("nexthink.client_id", "x")),
        RUN,
    ),
    case(
        "a login host that refuses everybody",
        |scene| scene.update(|behaviour| behaviour.token_status = Some(403)),
        RUN,
    ),
    case(
        "a login host that is out of order",
        |scene| scene.update(|behaviour| behaviour.token_status = Some(503)),
        RUN,
    ),
    case("a closed port", |scene| endpoints(scene, "http://127.0.0.1:9"), RUN),
    case(
        "a host that speaks no TLS",
        |scene| {
            let address = scene.api().replace("http://", "https://");
            endpoints(scene, &address);
        },
        RUN,
    ),
    case(
        "unsaved queries",
        |scene| {
            scene.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
        },
        RUN,
    ),
    case(
        "queries that are forbidden",
        |scene| {
            scene.update(|behaviour| behaviour.forbidden.extend(SavedQuery::ALL));
        },
        RUN,
    ),
    case(
        "an export that fails in Nexthink",
        |scene| {
            devices_only(scene);
            let failing = (SavedQuery::Devices, "out of memory".to_owned());
            scene.update(|behaviour| behaviour.failing.extend([failing]));
        },
        RUN,
    ),
    case(
        "a quota that is used up",
        |scene| scene.update(|behaviour| behaviour.daily_export_limit = Some(0)),
        RUN,
    ),
];

fn remove_configuration(scene: &Scene) {
    fs::remove_file(scene.path("nexthink-graph.toml")).expect("it is there");
}

fn endpoints(scene: &Scene, address: &str) {
    scene.configure(|config| {
        let config = config.text("nexthink.endpoints.login", address);
        config.text("nexthink.endpoints.api", address).text("nexthink.endpoints.files", address)
    });
}

/// An export ID depends on how many exports were started before.
fn devices_only(scene: &Scene) {
    scene.configure(|config| config.without("queries").text("queries.devices", "#j1_devices"));
}

fn healthy() -> Scene {
    let config = SimulatorConfig { client_secret: SECRET.to_owned(), ..SimulatorConfig::default() };
    Scene::with(config)
}

/// Runs the cases, checks each scene after it, and lists the exit codes and messages.
fn messages(cases: &[Case], check: fn(&Scene, &str)) -> String {
    let mut told = String::new();
    let lists = lists::of_all(healthy().folder());
    for Case { name, prepare, arguments } in cases {
        let scene = healthy();
        prepare(&scene);
        let ended = start(scene.folder(), arguments, &[]).wait();
        for printed in [&ended.stdout, &ended.stderr] {
            assert!(!printed.contains(SECRET), "{name}: {printed}");
        }
        assert!(scene.store().current().expect("the store is whole").is_none(), "{name}");
        assert_eq!(scene.store().history().expect("the store is whole").len(), 0, "{name}");
        assert_eq!(scene.leftovers(), [""; 0].map(std::path::PathBuf::from), "{name}");
        check(&scene, name);
        let exit = ended.exit.expect("no signal was sent");
        let message = without_number_after("retry_after_ms=", &ended.stderr);
        let message = without_number_after("(os error ", &message);
        let message =
            lists.iter().fold(message, |message, (list, mark)| message.replace(list, mark));
        let _ = writeln!(told, "# {name}: {exit}\n{message}");
    }
    told
}

/// Takes out what differs from one run or system to the next.
fn without_number_after(marker: &str, text: &str) -> String {
    let mut parts = text.split(marker);
    let mut rest = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let part = part.trim_start_matches(|c: char| c.is_ascii_digit());
        rest = format!("{rest}{marker}[number]{part}");
    }
    rest
}

#[test]
fn a_mistake_in_a_command_is_told_with_what_to_write() {
    let untouched = |scene: &Scene, name: &str| {
        assert_eq!(scene.requests(), RequestCounts::default(), "{name}");
    };
    insta::assert_snapshot!(messages(USAGE, untouched), @r##"
    # a misspelt command: 2
    error: unrecognized subcommand 'querry'

      tip: a similar subcommand exists: 'query'

    Usage: nexthink-graph [OPTIONS] [COMMAND]

    For more information, try '--help'.

    # an unknown format: 2
    error: invalid value 'yaml' for '--output <OUTPUT>'
      [possible values: table, json, ndjson, csv, parquet]

    For more information, try '--help'.

    # a step by its short name: 2
    error: there is no step `devices`; did you mean `fetch-devices`? The steps are [all steps]

    # a type by its short name: 2
    error: there is no type `device`; did you mean `nexthink_device`? The types are [all types]

    # a query by the name of its step: 2
    error: there is no query `fetch-devices`; the queries are [all queries], audit

    # a report that there is not: 2
    error: there is no report `logins`; did you mean `failed-logins`? The reports are failed-logins, new-power, support-access, outside-hours

    # events before any were read: 2
    error: there are no events of the audit trail yet: add `[audit]` to the configuration, and `run` reads them

    # a delivery without a destination: 2
    error: there is no destination: add `[destinations.jupiterone]` with `account` and `api_key` to the configuration

    # a folder of another program: 2
    error: mine is not empty, and nothing in it is overwritten: give a new folder

    # an erasure without a person: 2
    error: the following required arguments were not provided:
      --reason <WORD>
      <--user <USER>|--device <DEVICE>>

    Usage: nexthink-graph privacy erase --yes --reason <WORD> <--user <USER>|--device <DEVICE>>

    For more information, try '--help'.

    # a configuration that is there: 2
    error: nexthink-graph.toml exists already: --force replaces it, or name another with `--config`

    # a period that is none: 2
    error: there is no audit trail to read: `[audit]` configures it

    # an address of others: 2
    error: a simulated host must listen on a loopback address, such as 127.0.0.1:8480, not on 192.0.2.1:8480

    # a day that is none: 2
    error: tenant acme has no generation yet: `nexthink-graph run` publishes one
    "##);
}

#[test]
fn a_wrong_configuration_is_told_to_programs_in_the_same_words() {
    for Case { name, prepare, arguments } in CONFIGURATION {
        if *arguments != RUN {
            continue;
        }
        let scene = healthy();
        prepare(&scene);
        let ended = start(scene.folder(), &["run", "--quiet", "--output", "json"], &[]).wait();
        let object: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
        assert_eq!(object["exitCode"].as_i64().map(i32::try_from), ended.exit.map(Ok), "{name}");
        let error = object["error"].as_str().expect("it says why");
        assert_eq!(ended.stderr.trim_end(), format!("error: {error}"), "{name}");
    }
}

#[test]
fn a_wrong_configuration_is_told_before_anything_is_asked_or_made() {
    let untouched = |scene: &Scene, name: &str| {
        assert_eq!(scene.requests(), RequestCounts::default(), "{name}");
        assert!(!scene.path("store").exists(), "{name}");
    };
    insta::assert_snapshot!(messages(CONFIGURATION, untouched), @r##"
    # a tenant that would name another host: 2
    error: the configuration is not valid:
      nexthink-graph.toml:9:10: `nexthink.tenant` is wrong: the tenant "evil.example/#" is not valid: a tenant is 1 to 57 characters of a-z, 0-9 and inner hyphens; take only the first label of the tenant's address https://<tenant>.<region>.nexthink.cloud

    # a region that there is not: 2
    error: the configuration is not valid:
      nexthink-graph.toml:4:10: `nexthink.region` is wrong: the region "mars" is not valid: a region is us, eu, pac or meta, as in the tenant's address https://<tenant>.<region>.nexthink.cloud

    # endpoints without TLS on another machine: 2
    error: the configuration is not valid:
      nexthink-graph.toml: `nexthink.endpoints` is wrong: the api base URL cannot be used: plain http is for a loopback host only; use https

    # no TOML: 2
    error: the configuration is not valid:
      nexthink-graph.toml:2:10: string values must be quoted, expected literal string

    # a misspelt setting: 2
    error: the configuration is not valid:
      nexthink-graph.toml:11:9: `queries.device` is not a setting; did you mean `queries.devices`?

    # several mistakes: 2
    error: the configuration is not valid:
      nexthink-graph.toml:5:22: `nexthink.polling.first_ms` must be a whole number from 1 to 600000, not this number
      nexthink-graph.toml:12:9: `queries.users` is wrong: the query id "users" is not valid: a query id is # and then 2 to 255 characters of a-z, 0-9 and _, as shown in Administration > NQL API queries
      nexthink-graph.toml: `nexthink.client_id` is missing

    # a secret in the configuration: 2
    error: the configuration is not valid:
      nexthink-graph.toml:2:10: `nexthink.client_secret` must not hold the secret itself; give a reference: { env = "NAME" }, { file = "PATH" } or { command = ["…"] }

    # a secret in a variable that is not set: 2
    error: the client secret is not there: set the environment variable NOT_SET

    # a secret in a file that is not there: 2
    error: cannot read the secret file nowhere: No such file or directory (os error [number])

    # a secret in a file that others may read: 2
    error: the secret file secret can be read by others: run `chmod 600 secret`

    # an empty secret: 2
    error: the client secret is empty: see the file secret

    # no configuration: 2
    error: there is no configuration: `nexthink-graph init` writes nexthink-graph.toml; name another file with --config, or set variables `NEXTHINK_GRAPH__…` instead of a file

    # another configuration that is not there: 2
    error: cannot read the configuration other.toml: No such file or directory (os error [number]); `nexthink-graph --config other.toml init` writes one, and --config names another

    # a store in a bucket, with a program that was built without buckets: 2
    error: this program was built without buckets, so it cannot reach s3://: use one that was built with `--features bucket`

    # no query IDs: 2
    error: no step would fetch anything: set a query ID in `[queries]`, or configure the audit trail in `[audit]`

    # an unknown step: 2
    error: there is no step `fetch-binaries`; the steps are [all steps]

    # a query before the first run: 2
    error: tenant acme has no generation yet: `nexthink-graph run` publishes one

    # an unknown generation: 2
    error: tenant acme has no generation yet: `nexthink-graph run` publishes one
    "##);
}

#[test]
fn a_run_that_gets_nothing_publishes_nothing() {
    insta::assert_snapshot!(messages(NEXTHINK, |_, _| {}), @r##"
    # a wrong secret: 3
    error: the login host (POST /oauth2/default/v1/token) refused client id "demo" (HTTP 401, invalid_client): check the client id and the client secret, and that the credential has the NQL API permission (scope service:integration)

    # a wrong client ID: 3
    error: the login host (POST /oauth2/default/v1/token) refused client id "x" (HTTP 401, invalid_client): check the client id and the client secret, and that the credential has the NQL API permission (scope service:integration)

    # a login host that refuses everybody: 3
    error: the login host (POST /oauth2/default/v1/token) refused client id "demo" (HTTP 403, no reason given): check the client id and the client secret, and that the credential has the NQL API permission (scope service:integration)

    # a login host that is out of order: 4
    error: the login host (POST /oauth2/default/v1/token) answered HTTP 503 2 times: try again later

    # a closed port: 4
    error: cannot reach 127.0.0.1: no connection (check the network, a firewall or proxy): Connection refused (os error [number])

    # a host that speaks no TLS: 4
    error: cannot reach 127.0.0.1: it does not speak TLS (check its address and port, and that nothing else answers in its place): received corrupt message of type InvalidContentType

    # unsaved queries: 2
    error: no export could be used, so that nothing was published:
      fetch-devices: failed: query #j1_devices does not exist: create it in Nexthink under Administration > NQL API queries, with exactly this query id
      fetch-users: failed: query #j1_users does not exist: create it in Nexthink under Administration > NQL API queries, with exactly this query id
      fetch-packages: failed: query #j1_packages does not exist: create it in Nexthink under Administration > NQL API queries, with exactly this query id
      fetch-alerts: failed: query #j1_alerts does not exist: create it in Nexthink under Administration > NQL API queries, with exactly this query id

    # queries that are forbidden: 2
    error: no export could be used, so that nothing was published:
      fetch-devices: failed: access to query #j1_devices is forbidden: give the API credential the NQL API permission, or check that the query exists, which Nexthink may answer the same way
      fetch-users: failed: access to query #j1_users is forbidden: give the API credential the NQL API permission, or check that the query exists, which Nexthink may answer the same way
      fetch-packages: failed: access to query #j1_packages is forbidden: give the API credential the NQL API permission, or check that the query exists, which Nexthink may answer the same way
      fetch-alerts: failed: access to query #j1_alerts is forbidden: give the API credential the NQL API permission, or check that the query exists, which Nexthink may answer the same way

    # an export that fails in Nexthink: 5
    error: no export could be used, so that nothing was published: fetch-devices: failed: export cf0c02885d721a54f1157ab339bce4ca failed in Nexthink: out of memory

    # a quota that is used up: 75
    error: no export could be used, so that nothing was published: fetch-devices, fetch-users, fetch-packages, fetch-alerts: deferred: the NQL API (POST /api/v1/nql/export) answered HTTP 429 and asked to wait: try again in 3600 s
    "##);
}

#[test]
fn one_query_that_cannot_be_used_leaves_the_others_alone() {
    let scene = healthy();
    scene.configure(|config| config.text("queries.packages", "#j1_binaries"));
    let run = scene.run(&["--quiet"]);
    assert_eq!(run.ended.exit, Some(7));
    let reason = "query #j1_binaries does not exist: create it in Nexthink under Administration > \
                  NQL API queries, with exactly this query id";
    assert_eq!(run.step("fetch-packages")["reason"], reason);
    assert_eq!(run.objects()["nexthink_package"], 0);
    assert_eq!(run.objects()["nexthink_device"], scene.counts().devices);
}

#[test]
fn a_failed_run_leaves_what_was_published() {
    let scene = healthy();
    scene.run_completely();
    let before = scene.published().id().clone();
    let tables = scene.tables();
    scene.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
    assert_eq!(scene.program(&["run"]).exit, Some(2));
    assert_eq!(scene.published().id(), &before);
    assert!(scene.tables() == tables);
    assert_eq!(scene.store().history().expect("the store is whole").len(), 1);
}

#[test]
fn a_variable_overrides_the_file_and_is_named_when_it_is_wrong() {
    let scene = healthy();
    scene.configure(|config| config.text("nexthink.client_id", "x"));
    let right = [("NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID", "demo")];
    assert_eq!(start(scene.folder(), RUN, &right).wait().exit, Some(0));
    let wrong = [("NEXTHINK_GRAPH__QUERIES__DEVICES", "devices")];
    let ended = start(scene.folder(), RUN, &wrong).wait();
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("environment variable NEXTHINK_GRAPH__QUERIES__DEVICES: "));
}

#[test]
fn a_secret_in_a_variable_is_taken_from_there() {
    let scene = healthy();
    scene.configure(|config| config.set("nexthink.client_secret", "{ env = \"ACME_SECRET\" }"));
    let ended = start(scene.folder(), RUN, &[("ACME_SECRET", SECRET)]).wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
}
