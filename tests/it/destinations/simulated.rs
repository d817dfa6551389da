//! The steps that the documentation tells a reader to try who has no account.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{Ended, start, until};

const CONFIG: &str = "demo.toml";

fn program(folder: &TempDir, arguments: &[&str]) -> Ended {
    let arguments = [arguments, &["--config", CONFIG]].concat();
    let ended = start(folder.path(), &arguments, &[]).wait();
    assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
    ended
}

fn json(folder: &TempDir, arguments: &[&str]) -> Value {
    let ended = program(folder, &[arguments, &["--output", "json"]].concat());
    serde_json::from_str(&ended.stdout).expect("it is JSON")
}

#[test]
fn a_simulated_jupiterone_takes_all_that_can_be_asked_of_one() {
    let folder = TempDir::new().expect("a folder can be made");
    let ports = ["--listen", "127.0.0.1:0", "--jupiterone=127.0.0.1:0"];
    let estate = ["--devices", "40", "--users", "30", "--alerts", "20"];
    let simulate = [&["simulate", "--config-out", CONFIG], &ports[..], &estate].concat();
    let _simulated = start(folder.path(), &simulate, &[]);
    let is_written = || folder.path().join(CONFIG).exists().then_some(());
    until(Duration::from_secs(30), is_written).expect("the configuration is written");

    let check = program(&folder, &["check"]).stdout;
    assert!(check.contains("JupiterOne"), "{check}");
    let run = json(&folder, &["run"]);
    assert!(run.get("delivery").is_none_or(Value::is_null), "{}", run["delivery"]);
    assert_eq!(json(&folder, &["sync", "jupiterone", "--dry-run"])["job"], true);
    let delivered = json(&folder, &["sync", "jupiterone"]);
    assert_eq!(delivered["result"], "delivered", "{delivered}");
    assert_eq!(json(&folder, &["sync", "jupiterone"])["result"], "nothing_changed");
    let purge = ["purge", "jupiterone", "--type", "nexthink_alert"];
    let purged = json(&folder, &purge);
    assert_eq!(purged["counters"]["numEntitiesDeleted"], 20, "{purged}");
}
