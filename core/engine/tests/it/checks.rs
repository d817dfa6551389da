//! Checks of a tenant before its first run and between runs: what is wrong is named, and nothing is written.

use std::sync::Arc;

use core_bucket::FileFolder;
use core_engine::check::{Check, CheckState, Checks, check, require_audit};
use core_engine::export_files::FilePattern;
use core_engine::privacy::policy;
use core_engine::settings::{AuditSource, Partition};
use core_engine::{Ending, FailureKind};
use core_ingest::partition::Pattern;
use core_nexthink::{EndpointOverrides, Endpoints};
use core_privacy::profile::Profile;
use core_simulator::{Compression, SavedQuery, write_results};
use core_store::Location;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::deliveries::{self, start};
use super::support::{Known, NOON, Tenant};

/// A loopback address that nothing listens on.
const NOWHERE: &str = "http://127.0.0.1:9";

fn named<'a>(checks: &'a Checks, name: &str) -> &'a Check {
    let mut found = checks.0.iter().filter(|check| check.name == name);
    found.next().unwrap_or_else(|| panic!("there is no check {name}: {checks:?}"))
}

/// The names of the checks in a state.
fn in_state(checks: &Checks, state: CheckState) -> Vec<&str> {
    let found = checks.0.iter().filter(|check| check.state == state);
    found.map(|check| check.name.as_str()).collect()
}

#[tokio::test]
async fn a_tenant_that_answers_passes_each_check_and_nothing_is_written() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(in_state(&checks, CheckState::Failed), [""; 0], "{checks:?}");
    assert_eq!((checks.failed(), checks.ending()), (None, Ending::Complete));
    let ok = in_state(&checks, CheckState::Ok);
    for name in ["lock", "writing", "quota", "token", "permission", "query devices"] {
        assert!(ok.contains(&name), "{name} is not in {ok:?}");
    }
    // The clock of the test stands still.
    assert_eq!(in_state(&checks, CheckState::Warning), ["clock"]);
    let Location::Folder(store) = &tenant.settings.store else { panic!("the store is a folder") };
    assert!(!store.exists());
}

#[tokio::test]
async fn warnings_of_the_configuration_are_told_and_fail_nothing() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.queries.remove("alerts");
    let checks = check(tenant.engine(), &["a setting is odd".to_owned()]).await;
    assert_eq!(checks.ending(), Ending::Complete);
    assert_eq!(named(&checks, "configuration").detail, "a setting is odd");
    let blank = named(&checks, "query alerts");
    assert_eq!(blank.state, CheckState::Warning);
    assert!(blank.detail.contains("`queries.alerts` is blank"), "{}", blank.detail);
}

#[tokio::test]
async fn a_refused_secret_fails_the_token_and_skips_what_needs_it() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.with_secret("wrong-canary");
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Credentials));
    assert_eq!(in_state(&checks, CheckState::Failed), ["token"]);
    let skipped = in_state(&checks, CheckState::Skipped);
    for name in ["clock", "permission", "query devices", "query packages"] {
        assert!(skipped.contains(&name), "{name} is not in {skipped:?}");
    }
    assert!(!format!("{checks:?}").contains("canary"));
}

#[tokio::test]
async fn a_host_that_is_down_fails_the_connection() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let nowhere = || NOWHERE.to_owned();
    let overrides = EndpointOverrides { login: nowhere(), api: nowhere(), files: nowhere() };
    tenant.settings.endpoints = Endpoints::overridden(&overrides).expect("loopback is allowed");
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Unreachable));
    assert_eq!(in_state(&checks, CheckState::Failed), ["connection"]);
    assert!(checks.failed().is_some_and(|text| text.ends_with("failed: connection")));
}

#[tokio::test]
async fn a_query_that_is_not_saved_is_named_with_the_command_that_prints_it() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Configuration));
    let devices = named(&checks, "query devices");
    assert!(devices.detail.ends_with("`nexthink-graph nql devices` prints the text to save"));
}

#[tokio::test]
async fn a_query_of_parts_that_lists_rows_of_no_part_leaves_a_run_partial() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let devices = tenant.settings.queries.get_mut("devices").expect("it is configured");
    // The whole query ignores the parameter, so that each part would have all rows.
    let partition = Partition {
        query: devices.id.clone(),
        parameter: "prefix".to_owned(),
        values: vec![Pattern::parse("*").expect("a pattern")],
    };
    devices.partition = Some(partition);
    let checks = check(tenant.engine(), &[]).await;
    let parts = named(&checks, "parts devices");
    assert_eq!((parts.state, parts.ending), (CheckState::Failed, Ending::Partial), "{parts:?}");
    assert_eq!(checks.ending(), Ending::Partial);
}

#[tokio::test]
async fn exports_that_are_not_left_today_defer_a_run() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.daily_exports = 1;
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Deferred));
    assert_eq!(in_state(&checks, CheckState::Failed), ["quota"]);
}

#[tokio::test]
async fn a_store_in_a_wrong_place_is_a_wrong_configuration() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let Location::Folder(store) = tenant.settings.store.clone() else {
        panic!("the store is a folder")
    };
    std::fs::write(&store, "no folder").expect("the folder above is there");
    tenant.settings.store = Location::Folder(store);
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Configuration), "{checks:?}");
    assert!(in_state(&checks, CheckState::Failed).contains(&"writing"), "{checks:?}");
}

#[tokio::test]
async fn a_lock_that_a_run_holds_is_a_warning() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let lock = tenant.engine().lock().expect("the lock is free");
    let checks = check(tenant.engine(), &[]).await;
    let found = named(&checks, "lock");
    assert_eq!(found.state, CheckState::Warning);
    assert!(found.detail.contains("the test of acme"), "{}", found.detail);
    drop(lock);
}

#[tokio::test]
async fn what_is_stored_is_compared_with_the_settings() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let checks = check(tenant.engine(), &[]).await;
    assert!(named(&checks, "store").detail.starts_with("generation "));
    assert_eq!(named(&checks, "privacy").detail, "profile full");

    tenant.settings.region = "us".parse().expect("a region");
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(named(&checks, "region of the store").state, CheckState::Failed);
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::Configuration));

    tenant.settings.region = "eu".parse().expect("a region");
    core_engine::keys::create(tenant.engine()).expect("there are no keys yet");
    tenant.settings.privacy.policy = policy(Profile::Minimal, &[]).expect("no overrides");
    let checks = check(tenant.engine(), &[]).await;
    let privacy = named(&checks, "privacy");
    assert_eq!(privacy.state, CheckState::Ok);
    assert!(privacy.detail.ends_with("the next run replaces everything"), "{}", privacy.detail);

    // A step that is left out would keep its objects as they are.
    tenant.settings.queries.remove("users");
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(named(&checks, "privacy").state, CheckState::Failed);
}

#[tokio::test]
async fn each_audit_trail_is_read_and_a_refused_account_is_tried_once() {
    let mut tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    let checks = check(tenant.engine(), &[]).await;
    // The clock of the test stands still.
    let portal = named(&checks, "audit portal");
    assert_eq!(portal.state, CheckState::Warning, "{checks:?}");
    assert!(portal.detail.starts_with("it answers, but this machine's clock is"));
    require_audit(tenant.engine()).await.expect("the trail can be read");

    let audit = tenant.settings.audit.as_mut().expect("it is configured");
    let AuditSource::Trails(trails) = &mut audit.source else { panic!("trails are configured") };
    trails.password = Arc::new(Known("wrong-canary"));
    trails.trails.push(core_nexthink::Trail::Engine("engine-1".parse().expect("a name")));
    let checks = check(tenant.engine(), &[]).await;
    let portal = named(&checks, "audit portal");
    assert_eq!(portal.state, CheckState::Failed);
    assert!(portal.detail.ends_with("see `audit.account`, `audit.password` and `audit.auth`"));
    assert_eq!(named(&checks, "audit engine/engine-1").state, CheckState::Skipped, "{checks:?}");
    let refused = require_audit(tenant.engine()).await.expect_err("the trail cannot be read");
    assert_eq!(refused.kind, FailureKind::Credentials);
    let words = format!("{:#}", refused.error);
    assert!(words.starts_with("nothing was removed, since audit portal fails"), "{words}");
    assert!(!words.contains("canary"), "{words}");
}

#[tokio::test]
async fn a_destination_is_reached_with_its_key_and_is_the_one_of_the_last_delivery() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let (simulated, settings) = start().await;
    tenant.settings.jupiterone = Some(settings);
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(named(&checks, "JupiterOne").state, CheckState::Ok, "{checks:?}");

    tenant.settings.jupiterone = Some(deliveries::settings(simulated.url(), "wrong-canary"));
    let checks = check(tenant.engine(), &[]).await;
    assert_eq!(named(&checks, "JupiterOne").state, CheckState::Failed);
    assert_eq!(checks.ending(), Ending::Failed(FailureKind::DestinationFailed), "{checks:?}");
    assert!(!format!("{checks:?}").contains("canary"));

    tenant.settings.jupiterone = Some(deliveries::settings(NOWHERE, "a-key"));
    let checks = check(tenant.engine(), &[]).await;
    let unreachable = named(&checks, "JupiterOne");
    assert!(unreachable.detail.ends_with("and is a proxy needed?"), "{}", unreachable.detail);
}

#[tokio::test]
async fn a_file_in_place_of_an_export_is_judged_by_its_first_line() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.queries.clear();
    tenant.settings.credential = None;
    let path = tenant.folder().join("users-*.csv");
    let local = FilePattern::parse(&path).expect("it is a path of a file");
    let bucket = Arc::new(InMemory::new());
    let client: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&bucket);
    let folder = FileFolder::new(client, "exports".into(), "s3://bucket/exports");
    let in_bucket = FilePattern::in_bucket(folder, "users-*.csv").expect("it is a name");
    let mut estate = None;
    tenant.simulator.update(|behaviour| estate = Some(behaviour.tenant.clone()));
    let estate = core_simulator::Tenant::new(estate.expect("it was read"));
    let export = |compression| {
        let mut bytes = Vec::new();
        write_results(&estate, SavedQuery::Users, None, compression, &mut bytes).expect("memory");
        bytes
    };
    let plain = String::from_utf8(export(Compression::None)).expect("an export is text");
    let header = plain.lines().next().expect("there is a header");
    // As a program on Windows writes it.
    let quoted: Vec<String> = header.split(',').map(|name| format!("\"{name}\"")).collect();
    let marked = format!("\u{feff}{}\r\n", quoted.join(","));
    let other = "device.name,device.uid\n".to_owned();
    for (content, ending, words) in [
        (None, Ending::Failed(FailureKind::Unreachable), "there is no file"),
        (Some(plain.clone().into_bytes()), Ending::Complete, "columns"),
        (Some(export(Compression::Zstd { checksum: true })), Ending::Complete, "columns"),
        (Some(marked.into_bytes()), Ending::Complete, "columns"),
        (Some(other.into_bytes()), Ending::Failed(FailureKind::DataRefused), "it is refused"),
    ] {
        if let Some(content) = content {
            let path = "exports/users-1.csv".into();
            bucket.put(&path, content.clone().into()).await.expect("memory takes it");
            std::fs::write(tenant.folder().join("users-1.csv"), content).expect("there is room");
        }
        for pattern in [&local, &in_bucket] {
            tenant.settings.files.insert("users", vec![pattern.clone()]);
            let checks = check(tenant.engine(), &[]).await;
            let users = named(&checks, "query users");
            assert_eq!(users.ending, ending, "{users:?}");
            assert!(users.detail.contains(words), "{}", users.detail);
        }
    }
}
