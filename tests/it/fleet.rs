//! Many tenants: a folder of files, each of which concerns its own tenant alone.

#[cfg(unix)]
mod scheduled;

use std::fs;
use std::path::{Path, PathBuf};

use core_simulator::{SimulatorConfig, TenantSpec};
use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{Ended, Running, Scene, files, set_mode, start};

/// Simulated tenants, and a folder with the configuration of a fleet of them.
struct FleetScene {
    tenants: Vec<(&'static str, Scene)>,
    folder: TempDir,
}

impl FleetScene {
    /// A fleet of tenants, whose client secrets are their own.
    fn of(names: &[&'static str]) -> Self {
        let tenants = names.iter().map(|&name| (name, tenant(name))).collect();
        let fleet = Self { tenants, folder: TempDir::new().expect("a folder can be made") };
        fs::create_dir(fleet.path("tenants.d")).expect("a folder can be made");
        set_mode(&fleet.path("tenants.d"), 0o755);
        fleet.write(
            "nexthink-graph.toml",
            "[fleet]\ntenants = \"tenants.d\"\nparallel_runs = 2\n[defaults.store]\nlocation = \"store\"\n\
             [defaults.schedule]\ninterval = \"12 hours\"\n",
        );
        for (name, _) in &fleet.tenants {
            fleet.write_tenant(name);
        }
        fleet
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner can write to.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file can be written");
        set_mode(&self.path(name), 0o644);
    }

    fn file(name: &str) -> String {
        format!("tenants.d/{name}.toml")
    }

    /// Writes the file of a tenant as it is when nothing is wrong.
    fn write_tenant(&self, name: &str) {
        let path = self.scene(name).path("nexthink-graph.toml");
        let text = fs::read_to_string(path).expect("it was written");
        self.write(&Self::file(name), &text);
    }

    fn scene(&self, name: &str) -> &Scene {
        let tenant = self.tenants.iter().find(|(known, _)| *known == name);
        &tenant.expect("it is one of the fleet").1
    }

    fn start(&self, arguments: &[&str]) -> Running {
        start(self.folder.path(), arguments, &[])
    }

    fn program(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// The rows that a command prints as JSON.
    fn rows(&self, arguments: &[&str], exit: i32) -> Vec<Value> {
        let ended = self.program(arguments);
        assert_eq!(ended.exit, Some(exit), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("it is JSON")
    }
}

/// A simulated tenant and the configuration for it, without what the fleet's file has for all.
fn tenant(name: &str) -> Scene {
    let mut config = SimulatorConfig { client_secret: secret(name), ..SimulatorConfig::default() };
    config.behaviour.tenant =
        TenantSpec { devices: 5, users: 4, alerts: 2, ..TenantSpec::default() };
    let scene = Scene::with(config);
    let secret = scene.path("secret").display().to_string();
    scene.configure(|configuration| {
        configuration
            .without("store.")
            .text("nexthink.tenant", name)
            .set("nexthink.client_secret", &format!("{{ file = \"{secret}\" }}"))
    });
    scene
}

fn secret(name: &str) -> String {
    format!("canary-secret-of-{name}")
}

fn contains(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).expect("it can be read");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn all_tenants_run_and_what_is_wrong_with_one_concerns_no_other() {
    let fleet = FleetScene::of(&["acme", "broken", "globex", "initech", "umbrella"]);
    fleet.write(&FleetScene::file("broken"), "[nexthink]\nregoin = \"eu\"\n");
    fleet.scene("initech").write("secret", "refused");
    // Two files of one tenant of Nexthink would share a folder of the store.
    let twin = fs::read_to_string(fleet.path(&FleetScene::file("acme"))).expect("it was written");
    fleet.write(&FleetScene::file("umbrella"), &twin);

    let ended = fleet.program(&["run", "--all", "--output", "json"]);
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    let runs: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let codes: Vec<_> = runs
        .iter()
        .map(|run| (run["tenant"].as_str().unwrap_or_default(), run["exitCode"].as_i64()))
        .collect();
    assert_eq!(
        codes,
        [
            ("acme", Some(0)),
            ("broken", Some(2)),
            ("globex", Some(0)),
            ("initech", Some(3)),
            ("umbrella", Some(2)),
        ]
    );
    assert_eq!(runs[0]["report"]["tenant"], "acme");
    assert!(runs[3]["report"]["error"].is_string(), "{}", runs[3]);
    for line in [
        "broken: the configuration of tenant broken is not valid:\n  tenants.d/broken.toml:2:1: \
         `nexthink.regoin` is not a setting",
        "umbrella: the file of tenant acme keeps Nexthink tenant acme in the same store",
        "acme: fetch-devices: export started",
        "error: 2 of 5 tenants complete",
    ] {
        assert!(ended.stderr.contains(line), "{line}\n{}", ended.stderr);
    }

    let table = fleet.program(&["run", "--all", "--quiet"]);
    let rows: Vec<_> = table.stdout.lines().map(|line| line.split_whitespace().next()).collect();
    let names = [Some("tenant"), Some("acme"), Some("broken"), Some("globex"), Some("initech")];
    assert!(names.iter().all(|name| rows.contains(name)), "{}", table.stdout);
}

#[test]
fn nothing_of_one_tenant_is_in_the_store_or_the_requests_of_another() {
    let fleet = FleetScene::of(&["initech", "globex"]);
    let ended = fleet.program(&["run", "--all"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    for (own, other) in [("initech", "globex"), ("globex", "initech")] {
        let stored = files(&fleet.path("store").join(own));
        assert!(stored.len() > 5, "{stored:?}");
        for file in &stored {
            assert!(!contains(file, other), "{} names {other}", file.display());
        }
        let requests = format!("{:?}", fleet.scene(own).recorded());
        assert!(!requests.contains(&secret(other)) && !requests.contains(other));
        assert!(fleet.scene(own).requests().tokens == 1, "it was asked for itself");
    }
    for (name, _) in &fleet.tenants {
        assert!(!ended.stderr.contains(&secret(name)) && !ended.stdout.contains(&secret(name)));
    }
}

#[test]
fn a_command_works_for_the_tenant_that_it_names_and_asks_for_a_name() {
    let fleet = FleetScene::of(&["acme", "globex"]);
    let ended = fleet.program(&["run"]);
    assert_eq!(ended.exit, Some(2));
    let told = "nexthink-graph.toml configures a fleet of 2 tenants: name the tenant with --tenant \
                (such as `--tenant acme`)";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = fleet.program(&["plan", "--tenant", "acne"]);
    assert_eq!(ended.exit, Some(2));
    let told = "there is no tenant `acne` in tenants.d: it has acme, globex";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);

    let ended = fleet.program(&["run", "--tenant", "globex"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert_eq!(fleet.scene("acme").requests().tokens, 0, "it was not asked for");
    // The query runs in a process of its own, which must work for the same tenant.
    let rows = fleet.rows(
        &["query", "--tenant", "globex", "--output", "json", "select name from nexthink_account"],
        0,
    );
    assert_eq!(rows[0]["name"], "globex");
    let ended = fleet.program(&["query", "--tenant", "acme", "select 1"]);
    let told =
        "tenant acme has no generation yet: `nexthink-graph --tenant acme run` publishes one";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = fleet.program(&["destroy", "--tenant", "globex", "--yes"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);

    // A file of one tenant has no other.
    let scene = fleet.scene("acme");
    let ended = scene.program(&["plan", "--tenant", "globex"]);
    assert_eq!(ended.exit, Some(2));
    let told = "nexthink-graph.toml configures tenant acme, not `globex`: leave out --tenant";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = scene.program(&["plan", "--tenant", "acme"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
}

#[test]
fn the_status_of_all_tenants_ends_with_a_code_that_says_whether_to_look() {
    let fleet = FleetScene::of(&["acme", "globex"]);
    let ended = fleet.program(&["run", "--tenant", "acme"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);

    let rows = fleet.rows(&["fleet", "status", "--output", "json"], 0);
    assert_eq!(rows[0]["tenant"], "acme");
    assert_eq!(rows[0]["generation"]["outcome"], "complete");
    assert_eq!(rows[0]["lastRun"]["exitCode"], 0);
    assert_eq!(rows[0]["failedRuns"], 0);
    assert!(rows[0]["nextRunAt"].is_string());
    assert_eq!(rows[1]["generation"], Value::Null);

    let ended = fleet.program(&["fleet", "status", "--max-age", "26h"]);
    assert_eq!(ended.exit, Some(11), "{}", ended.stderr);
    let told = "error: globex: nothing was published within 26 hours\n";
    assert_eq!(ended.stderr, told, "acme is well");
    let ended = fleet.program(&["status", "--tenant", "acme", "--max-age", "26h"]);
    assert_eq!((ended.exit, &*ended.stderr), (Some(0), ""));
    assert!(ended.stdout.contains("every 12 hours"), "{}", ended.stdout);

    fleet.scene("globex").write("secret", "refused");
    for _ in 0..2 {
        fleet.program(&["run", "--tenant", "globex"]);
    }
    fleet.write(&FleetScene::file("acme"), "");
    let ended = fleet.program(&["fleet", "status", "--max-age", "26h", "--output", "json"]);
    assert_eq!(ended.exit, Some(2), "a broken file is the worst");
    let rows: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert!(rows[0]["problem"].as_str().is_some_and(|problem| problem.contains("is missing")));
    assert_eq!((&rows[1]["failedRuns"], &rows[1]["lastRun"]["exitCode"]), (&2.into(), &3.into()));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_to_is_refused_alone() {
    let fleet = FleetScene::of(&["acme", "globex"]);
    let path = fleet.path(&FleetScene::file("acme"));
    set_mode(&path, 0o664);
    let rows = fleet.rows(&["fleet", "status", "--output", "json"], 2);
    let problem = rows[0]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("tenants.d/acme.toml can be written to by others"), "{problem}");
    assert!(rows[1]["problem"].is_null());
    set_mode(&path, 0o600);
    fs::rename(path, fleet.path("tenants.d/Acme Inc.toml")).expect("it can be renamed");
    let rows = fleet.rows(&["fleet", "status", "--output", "json"], 2);
    let problem = rows[0]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("`Acme Inc` is no name of a tenant"), "{problem}");
}
