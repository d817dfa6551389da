//! The explorer of the built program, over HTTP as a browser and as a script use it.
#![cfg(unix)]

mod answers;

use std::collections::BTreeSet;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::time::Duration;

use core_simulator::TenantSpec;
use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::kit::start_command;
use crate::kit::{Running, Scene, ask, until};

/// The time that the explorer may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A rule that finds every package.
const PACKAGES: &str = r#"
id = "package-in-the-estate"
title = "Package"
severity = "high"
query = "select _key as key, \"displayName\" as name from nexthink_package"
identity = ["key"]
entity = "key"
first_run = "all"
message = "{{ name }} is installed"
"#;

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--timeout", "10s"];

/// A running explorer.
struct Explorer {
    running: Running,
    address: String,
    first_token: String,
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

impl Explorer {
    fn start(scene: &Scene) -> Self {
        Self::of(scene.start(&SERVE))
    }

    /// One whose queries may take so long.
    fn start_with(scene: &Scene, timeout: &str) -> Self {
        Self::of(scene.start(&["serve", "--listen", "127.0.0.1:0", "--timeout", timeout]))
    }

    fn of(running: Running) -> Self {
        let printed = until(PATIENCE, || {
            let line = running.printed();
            line.contains('\n').then(|| line.trim().to_owned())
        });
        let printed = printed.expect("it prints its address");
        let (address, first_token) = printed.split_once("/session?token=").expect("a token");
        let address = address.trim_start_matches("http://").to_owned();
        Self { running, address, first_token: first_token.to_owned() }
    }

    fn send(&self, line: &str, headers: &[String], body: &str) -> Answer {
        let headers: String = headers.iter().flat_map(|header| [header.as_str(), "\r\n"]).collect();
        let request = format!("{line} HTTP/1.0\r\n{headers}Content-Length: {}", body.len());
        let answer = ask(&self.address, &request, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.unwrap_or(0), head: head.to_owned(), body: body.to_owned() }
    }

    fn get(&self, token: &str, path: &str) -> Answer {
        let user = format!("Authorization: Bearer {token}");
        self.send(&format!("GET /api/v1/tenants/acme/{path}"), &[user], "")
    }

    fn query(&self, token: &str, query: &str) -> Answer {
        let user = format!("Authorization: Bearer {token}");
        let json = "Content-Type: application/json".to_owned();
        let body = json!({ "query": query, "limit": 3 }).to_string();
        self.send("POST /api/v1/tenants/acme/query", &[user, json], &body)
    }

    /// Compares the answer to a query with the description of the API.
    fn check_description(&self, token: &str, answer: &Value) {
        let user = format!("Authorization: Bearer {token}");
        let described = self.send("GET /api/v1/openapi.json", &[user], "").json();
        let names = |value: &Value| -> Option<BTreeSet<String>> {
            Some(value.as_object()?.keys().cloned().collect())
        };
        for (kind, value) in [("QueryAnswer", answer), ("QueryColumn", &answer["columns"][0])] {
            let fields = &described["components"]["schemas"][kind]["properties"];
            assert!(fields.is_object(), "{kind} is not described");
            assert_eq!(names(value), names(fields), "{kind}");
        }
    }
}

fn token(scene: &Scene, name: &str, role: &str) -> String {
    let made = scene.program(&["serve", "token", "new", "--name", name, "--role", role]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    made.stdout.trim().to_owned()
}

#[test]
fn the_estate_is_searched_looked_up_and_queried_in_a_browser() {
    let scene =
        Scene::of(TenantSpec { devices: 30, users: 12, alerts: 8, ..TenantSpec::default() });
    scene.run_completely();
    let (analyst, viewer) =
        (token(&scene, "analyst", "analyst"), token(&scene, "viewer", "viewer"));
    let kept = std::fs::read_to_string(scene.path("nexthink-graph-tokens.json")).expect("written");
    assert!(!kept.contains(&analyst) && !kept.contains(&viewer), "only hashes are kept");
    let explorer = Explorer::start(&scene);

    let opened = explorer.send(&format!("GET /session?token={}", explorer.first_token), &[], "");
    assert_eq!(opened.status, 200, "{}", opened.head);
    assert!(opened.head.to_lowercase().contains("samesite=strict"), "{}", opened.head);
    let again = explorer.send(&format!("GET /session?token={}", explorer.first_token), &[], "");
    assert_eq!(again.status, 401, "the address is used");

    let overview = explorer.get(&analyst, "overview").json();
    let devices = overview["types"].as_array().into_iter().flatten();
    let devices = devices.filter(|kind| kind["type"] == "nexthink_device");
    assert_eq!(devices.map(|kind| kind["objects"].clone()).collect::<Vec<_>>(), [json!(30)]);

    let rows = explorer.query(&analyst, "select name from nexthink_device order by name").json();
    assert_eq!(
        (rows["total"].clone(), rows["rows"].as_array().map(Vec::len)),
        (json!(30), Some(3))
    );
    explorer.check_description(&analyst, &rows);
    let name = rows["rows"][0]["name"].as_str().expect("a name").to_owned();

    let found = explorer.get(&analyst, &format!("search?text={name}")).json();
    let key = found["hits"][0]["_key"].as_str().expect("a key").to_owned();
    let entity = explorer.get(&analyst, &format!("entity?key={key}")).json();
    assert_eq!(entity["lookup"]["value"]["name"], json!(name));
    let groups = entity["groups"].as_array().expect("groups");
    let packages = groups.iter().find(|group| group["otherType"] == "nexthink_package");
    let group = packages.expect("a device has packages");
    let path = format!(
        "neighbors?key={key}&relationship={}&direction=out&limit=2",
        group["relationship"].as_str().expect("a name")
    );
    let page = explorer.get(&analyst, &path).json();
    assert_eq!(page["count"], group["count"]);
    let package = page["neighbors"][0]["entity"]["_key"].as_str().expect("a key");
    let path = explorer.get(&analyst, &format!("path?from={package}&to={key}")).json();
    assert_eq!(path["edges"].as_array().map(Vec::len), Some(1), "{path}");

    let csv = explorer.get(&analyst, "query.csv?query=select%20name%20from%20nexthink_device");
    assert_eq!(csv.body.matches("\r\n").count(), 31, "{}", csv.body);

    let questions = explorer.get(&analyst, "questions").json();
    assert!(questions.as_array().is_some_and(|all| all.len() >= 30), "{questions}");
    let csv = explorer.get(&analyst, "query.csv?question=devices-without-alert");
    assert_eq!(csv.status, 200, "{}", csv.body);
    assert!(csv.body.contains("\r\n"), "{}", csv.body);

    // A viewer has no personal columns, wherever they could show.
    let refused = explorer.query(&viewer, "select email from nexthink_user");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("analyst"), "{}", refused.body);
    let seen = explorer.get(&viewer, &format!("entity?key={key}"));
    assert!(!seen.body.contains(&format!("\"{name}\"")), "{}", seen.body);
    let found = explorer.get(&viewer, &format!("search?text={name}")).json();
    assert_eq!(found["hits"], json!([]));

    explorer.running.signal("INT");
    let ended = explorer.running.wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let ledger = scene.store().ledger().entries().expect("a ledger");
    let lines = ledger.iter().map(|entry| {
        format!("{} {}", entry.record.event, entry.record.facts.get("user").unwrap_or(&Value::Null))
    });
    let lines: Vec<String> = lines.filter(|line| line.starts_with("explorer")).collect();
    for expected in
        ["explorer_query \"analyst\"", "explorer_query \"viewer\"", "explorer_read \"analyst\""]
    {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:?}");
    }
    assert!(!lines.contains(&"explorer_read \"viewer\"".to_owned()), "{lines:?}");
}

/// An upgrade replaces the file of the program while it runs.
#[cfg(target_os = "linux")]
#[test]
fn a_program_whose_file_was_replaced_still_answers_queries() {
    let scene = Scene::of(TenantSpec { devices: 10, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.run_completely();
    let analyst = token(&scene, "analyst", "analyst");
    let (program, built) = (scene.path("installed"), env!("CARGO_BIN_EXE_program"));
    let linked = std::fs::hard_link(built, &program);
    linked.or_else(|_| std::fs::copy(built, &program).map(drop)).expect("there is room");
    let mut command = Command::new(&program);
    command.current_dir(scene.folder()).args(SERVE).env_clear();
    let explorer = Explorer::of(start_command(command));
    scene.write("upgrade", "another program");
    std::fs::rename(scene.path("upgrade"), &program).expect("it is replaced");

    let rows = explorer.query(&analyst, "select count(*) n from nexthink_device");
    assert_eq!(rows.status, 200, "{}", rows.body);
    assert_eq!(rows.json()["rows"][0]["n"], json!(10));
    let name = std::fs::read_to_string(format!("/proc/{}/comm", explorer.running.id()));
    assert_eq!(name.expect("it runs"), "nexthink-graph\n");
}

#[test]
fn a_query_that_cannot_be_answered_says_why_and_affects_no_other_query() {
    let scene = Scene::of(TenantSpec { devices: 10, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.run_completely();
    let analyst = token(&scene, "analyst", "analyst");
    let explorer = Explorer::start(&scene);
    for (query, part) in [
        ("FIND Device WITH", "^"),
        ("select nothing from nexthink_device", "no column nothing"),
        ("select * from nothing", "no table nothing"),
        ("drop table nexthink_device", "read-only"),
        ("select count(*) from range(1000000000000) where value % 7 = 3", "longer than 10 seconds"),
        ("select array_agg(repeat('x', 100000)) from range(100000000)", "memory"),
    ] {
        let refused = explorer.query(&analyst, query);
        assert_eq!(refused.status, 422, "{query}: {}", refused.body);
        let message = refused.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(part), "{query}: {message}");
    }
    assert_eq!(explorer.query(&analyst, "select 1 one").json()["rows"], json!([{ "one": 1 }]));
}

#[test]
fn the_overview_and_an_answer_are_one_page_that_needs_no_server() {
    let scene = Scene::of(TenantSpec { devices: 10, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.run_completely();
    std::fs::create_dir(scene.path("questions")).expect("a folder can be made");
    // The first shows no name, the second needs names, and the last can do without.
    for (id, column) in [
        ("hostile", "'<b>bold</b>' || chr(8238) as hostile"),
        ("names", "name from nexthink_device where name is not null union select name"),
        ("systems", "name as device, \\\"osName\\\""),
    ] {
        let question = format!(
            "[[question]]\nid = \"{id}\"\ntitle = \"All <i>devices</i>\"\nlanguage = \"sql\"\n\
             query = \"select {column} from nexthink_device\"\n"
        );
        scene.write(&format!("questions/{id}.toml"), &question);
    }
    let export = |arguments: &[&str]| scene.program(&[&["export", "html"], arguments].concat());
    let page = |name: &str| std::fs::read_to_string(scene.path(name)).expect("it was written");

    let made = export(&["page.html", "--question", "hostile"]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    let hostile = page("page.html");
    assert!(hostile.contains("&lt;b&gt;bold") && hostile.contains("All &lt;i&gt;"), "{hostile}");
    assert!(hostile.contains("U+202E") && !hostile.contains('\u{202e}'), "{hostile}");
    for part in ["<script", "src=", "href=", "url(", "@import", "<b>", "<i>"] {
        assert!(!hostile.contains(part), "{part} is in the page");
    }
    assert!(hostile.contains("Personal data is left out"), "{hostile}");

    let refused = export(&["page.html", "--question", "names"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--with-personal"), "{}", refused.stderr);
    assert_eq!(page("page.html"), hostile, "what failed changes nothing");
    let reduced = export(&["page.html", "--question", "systems"]);
    assert_eq!(reduced.exit, Some(0), "{}", reduced.stderr);
    let said = "left out, since they may show people: device; the keys tell the rows apart";
    assert!(page("page.html").contains(said), "{}", page("page.html"));
    // One that no page has to write in another way.
    let rows = scene.query("select name from nexthink_device where name ~ '^[A-Za-z0-9-]+$'");
    let name = rows[0]["name"].as_str().expect("a name");
    let shown = export(&["page.html", "--question", "names", "--with-personal"]);
    assert_eq!(shown.exit, Some(0), "{}", shown.stderr);
    assert!(page("page.html").contains(name), "{name} is not in the page");

    scene.write("notes.html", "<p>mine</p>");
    assert_eq!(export(&["notes.html"]).exit, Some(2));
    assert_eq!(page("notes.html"), "<p>mine</p>");
}

#[test]
fn a_finding_is_taken_on_in_a_browser_and_the_command_line_knows_it() {
    let scene = Scene::of(TenantSpec { devices: 10, users: 4, alerts: 2, ..TenantSpec::default() });
    std::fs::create_dir(scene.path("rules")).expect("a folder can be made");
    scene.write("rules/packages.toml", PACKAGES);
    scene.run_completely();
    let (analyst, viewer) =
        (token(&scene, "analyst", "analyst"), token(&scene, "viewer", "viewer"));
    let explorer = Explorer::start(&scene);
    let list = explorer.get(&analyst, "findings?severity=high").json();
    let finding = &list["findings"][0];
    let (id, text) = (finding["id"].as_str().expect("an ID"), finding["text"].to_string());
    assert!(text.contains("is installed"), "{list}");
    let hidden = explorer.get(&viewer, "findings").body;
    assert!(!hidden.contains("is installed") && hidden.contains(id), "{hidden}");

    let body = json!({ "ids": [id], "note": "known" }).to_string();
    let change = |token: &str| {
        let user = format!("Authorization: Bearer {token}");
        let json = "Content-Type: application/json".to_owned();
        let line = "POST /api/v1/tenants/acme/findings/acknowledge";
        explorer.send(line, &[user, json], &body).status
    };
    assert_eq!((change(&viewer), change(&analyst)), (403, 200));
    let shown = scene.program(&["findings", "show", id, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("an object");
    assert_eq!(shown["acknowledgement"]["by"], "analyst", "{shown}");
    let ledger = scene.store().ledger().entries().expect("a ledger");
    let changes: Vec<_> = ledger
        .iter()
        .filter(|entry| entry.record.event == "findings_changed")
        .map(|entry| entry.record.facts.get("user").cloned().unwrap_or_default())
        .collect();
    assert_eq!(changes, [json!("analyst")]);
}

#[test]
fn others_reach_it_only_over_tls_or_through_a_named_proxy() {
    let scene = Scene::of(TenantSpec { devices: 5, users: 2, alerts: 1, ..TenantSpec::default() });
    scene.run_completely();
    scene.write("none.pem", "no certificate");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(scene.path("none.pem"), private).expect("the file is ours");
    let proxy = ["--proxy-address", "10.0.0.5"];
    let tls = ["--tls-cert", "none.pem", "--tls-key", "none.pem"];
    for (arguments, part) in [
        (vec![], "--tls-cert"),
        (vec!["--allow-host", "graph.example", "--user-header", "X-User"], "--tls-cert"),
        (proxy.to_vec(), "--allow-host"),
        ([&tls[..], &["--allow-host", "a.example"]].concat(), "no certificate"),
        (
            [&tls[..], &["--allow-host", "a.example", "--user-header", "X-User"]].concat(),
            "--proxy-address",
        ),
    ] {
        let listen = ["serve", "--listen", "0.0.0.0:0"];
        let refused = scene.program(&[&listen[..], &arguments].concat());
        assert_eq!(refused.exit, Some(2), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
}
