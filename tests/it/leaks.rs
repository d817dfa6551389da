//! A canary scan: what must stay secret is in nothing that a run prints or leaves behind, with the
//! most talkative logs and whatever happens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core_simulator::{Behaviour, SavedQuery, Simulator, SimulatorConfig, TenantSpec};
use tokio::runtime::Runtime;

use crate::kit::{Ended, Scene, ask, files};

const SECRET: &str = "canary+b1d4/7c";

const TALKATIVE: &[&str] = &["-vv", "--log-format", "json", "run"];

type Fault = fn(&mut Behaviour);

fn config() -> SimulatorConfig {
    let mut config =
        SimulatorConfig { client_secret: SECRET.to_owned(), ..SimulatorConfig::default() };
    config.behaviour.tenant = TenantSpec { duplicate_rows: 3, ..TenantSpec::default() };
    config
}

/// The first token that a tenant with this secret gives, which is the same in each start of it.
fn first_token() -> String {
    let runtime = Runtime::new().expect("threads can be started");
    let simulator = runtime.block_on(Simulator::start(config())).expect("a port is free");
    let form = "grant_type=client_credentials&scope=service:integration";
    let request = format!(
        "POST /oauth2/default/v1/token HTTP/1.1\r\nAuthorization: Basic {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
        basic(),
        form.len()
    );
    let answer = ask(&simulator.endpoints().login, &request, form);
    let body = answer.split("\r\n\r\n").nth(1).expect("the answer has a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("the answer is JSON");
    body["access_token"].as_str().expect("there is a token").to_owned()
}

/// Returns whether a tenant has given this token.
fn knows_token(scene: &Scene, token: &str) -> bool {
    let request = format!("GET /api/v1/nql/status/none HTTP/1.1\r\nAuthorization: Bearer {token}");
    let answer = ask(scene.api(), &request, "");
    assert!(answer.starts_with("HTTP/1.1 40"), "there is no such export: {answer}");
    answer.starts_with("HTTP/1.1 404")
}

/// Client ID and secret as they are sent.
fn basic() -> String {
    STANDARD.encode(format!("demo:{SECRET}"))
}

/// A text that must not be found, with a name to tell it by.
fn canaries() -> Vec<(&'static str, String)> {
    vec![
        ("the client secret", SECRET.to_owned()),
        ("the encoded credential", basic()),
        ("the token", first_token()),
        ("a results link", "X-Amz-Signature".to_owned()),
    ]
}

fn contains(text: &[u8], canary: &str) -> bool {
    text.windows(canary.len()).any(|window| window == canary.as_bytes())
}

/// Looks through what was printed and through every file below the store.
fn assert_no_leak(name: &str, scene: &Scene, ended: &Ended) {
    let stored = files(&scene.path("store")).into_iter().map(|path| {
        let text = fs::read(&path).expect("a file can be read");
        (path.display().to_string(), text)
    });
    let printed = [("stdout", &ended.stdout), ("stderr", &ended.stderr)];
    let printed = printed.map(|(place, text)| (place.to_owned(), text.clone().into_bytes()));
    let canaries = canaries();
    for (place, text) in stored.chain(printed) {
        for (canary, secret) in &canaries {
            assert!(!contains(&text, secret), "{name}: {canary} is in {place}");
        }
    }
    for cell in ["@acme.example", "S-1-5-21-"] {
        let is_told = ended.stdout.contains(cell) || ended.stderr.contains(cell);
        assert!(!is_told, "{name}: a cell with {cell} was printed");
    }
}

#[test]
fn nothing_secret_is_printed_or_kept() {
    let faults: [(&str, i32, Fault); 7] = [
        ("a complete run", 0, |_| {}),
        ("a truncated export", 7, |behaviour| behaviour.row_cap = Some(10)),
        ("a query that is forbidden", 7, |behaviour| {
            _ = behaviour.forbidden.insert(SavedQuery::Users);
        }),
        ("exports that fail", 5, |behaviour| {
            behaviour.failing.extend(SavedQuery::ALL.map(|query| (query, "no".to_owned())));
        }),
        ("tokens that end at once", 3, |behaviour| behaviour.token_lifetime = Duration::ZERO),
        ("links that end at once", 5, |behaviour| behaviour.link_lifetime = Duration::ZERO),
        ("a login host that is out of order", 4, |behaviour| behaviour.token_status = Some(500)),
    ];
    for (name, exit, fault) in faults {
        let scene = Scene::with(config());
        scene.update(fault);
        let ended = scene.program(TALKATIVE);
        assert_eq!(ended.exit, Some(exit), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("\"level\":\""), "{name}: {}", ended.stderr);
        // Where there was a token that lives, it is the one that is looked for.
        assert_eq!(knows_token(&scene, &first_token()), ![3, 4].contains(&exit), "{name}");
        assert_no_leak(name, &scene, &ended);
    }
}

#[test]
fn a_refused_secret_is_not_printed_or_kept() {
    let scene = Scene::with(SimulatorConfig { client_id: "other".to_owned(), ..config() });
    let ended = scene.program(TALKATIVE);
    assert_eq!(ended.exit, Some(3), "{}", ended.stderr);
    assert_no_leak("a refused secret", &scene, &ended);
}

#[test]
fn downloads_carry_no_credential_and_requests_nothing_unknown() {
    let scene = Scene::with(config());
    scene.run_completely();
    let requests = scene.requests();
    assert_eq!((requests.authorized_downloads, requests.unknown_members), (0, 0));
    assert_eq!((requests.tokens, requests.unauthorized, requests.downloads), (1, 0, 4));
    assert!(requests.exports.values().all(|n_exports| *n_exports == 1), "{requests:?}");
}

#[cfg(unix)]
#[test]
fn the_store_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let scene = Scene::with(config());
    scene.run_completely();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let stored = files(&scene.path("store"));
    assert!(stored.len() > 10, "{stored:?}");
    for path in stored {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let folder = path.parent().expect("it is in a folder");
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}
