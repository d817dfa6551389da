//! The removal of a tenant: all of it goes, what stays elsewhere is named, and an interrupted one is finished.

use std::path::PathBuf;

use core_engine::destruction::{self, Certificate, Found, Removal};
use core_engine::{FailureKind, keys};
use core_store::{Destruction, Location, Store};

use super::support::{NOON, Tenant};

fn store(tenant: &Tenant) -> (Store, PathBuf) {
    let Location::Folder(folder) = &tenant.settings.store else { panic!("the store is a folder") };
    let store = Store::open(tenant.settings.store.clone()).expect("the store is there");
    (store, folder.clone())
}

/// Records and begins the removal, up to where it could be interrupted.
fn begin(tenant: &Tenant) -> (Destruction, Certificate) {
    let (engine, host) = (tenant.engine(), &tenant.host);
    let lock = engine.lock().expect("the lock is free");
    let stored = engine.tenant().expect("it is stored");
    let deliveries = stored.lock_delivery("jupiterone", &host.lock_owner()).expect("no delivery");
    let files = stored.inventory().expect("it can be listed");
    let copies = destruction::copies(engine, &stored).expect("they can be listed");
    let remaining = destruction::remaining(engine, &stored);
    let draft =
        destruction::draft(host, &stored, files, copies, remaining).expect("it is recorded");
    let bytes = serde_json::to_vec(&draft).expect("a certificate is JSON");
    (lock.begin_destruction(vec![deliveries], &bytes).expect("nothing else writes"), draft)
}

#[tokio::test]
async fn all_that_is_stored_goes_and_the_certificate_stays() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let id = tenant.published().expect("it is published").id().to_string();
    let (destruction, draft) = begin(&tenant);
    assert_eq!(draft.ended_at, None);
    let (certificate, path) =
        destruction::finish(&tenant.host, destruction, draft).expect("it is removed");
    assert_eq!(certificate.generations, [id]);
    assert_eq!(certificate.ended_at.as_deref(), Some("2026-03-01T10:00:00Z"));
    assert!(certificate.files.values().map(|count| count.files).sum::<u64>() > 4);
    let (store, folder) = store(&tenant);
    let left = store.tenant("acme").and_then(|tenant| tenant.files()).expect("it can be listed");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(path.parent(), Some(folder.as_path()));
    let written: Certificate =
        serde_json::from_slice(&std::fs::read(path).expect("it was written")).expect("JSON");
    assert_eq!((written.id, written.ledger), (certificate.id, certificate.ledger));
}

#[tokio::test]
async fn an_interrupted_removal_is_finished_by_its_draft() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let (interrupted, draft) = begin(&tenant);
    drop(interrupted);
    let (store, _) = store(&tenant);
    let found = store.interrupted_destruction("acme", "a test").expect("it can be looked for");
    let found = found.expect("it is not finished");
    let kept = found.draft().expect("it has a draft").to_vec();
    let kept: Certificate = serde_json::from_slice(&kept).expect("JSON");
    assert_eq!((&kept.id, &kept.began_at), (&draft.id, &draft.began_at));
    let (certificate, _) = destruction::finish(&tenant.host, found, kept).expect("it is removed");
    assert_eq!(certificate.files.len(), draft.files.len());
    assert!(store.interrupted_destruction("acme", "a test").expect("it is over").is_none());
}

#[tokio::test]
async fn copies_of_the_list_of_erased_people_go_for_each_region_of_the_tenant_and_no_other() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let key_file = &tenant.settings.privacy.key_file;
    let copy = |name, region| core_erasure::lists::copy_path(key_file, name, region);
    let (own, other_region, other) = (copy("acme", "eu"), copy("acme", "us"), copy("else", "eu"));
    for path in [&own, &other_region, &other] {
        std::fs::write(path, "{}").expect("the folder is there");
    }
    let stored = tenant.engine().tenant().expect("it is stored");
    let found = destruction::copies(tenant.engine(), &stored).expect("they can be listed");
    assert_eq!(found, std::slice::from_ref(&own), "nothing of region us was ever published");
    let (destruction, draft) = begin(&tenant);
    let (certificate, _) =
        destruction::finish(&tenant.host, destruction, draft).expect("it is removed");
    assert_eq!(certificate.copies_removed, 1);
    assert!(!own.exists() && other_region.exists() && other.exists());
}

#[tokio::test]
async fn what_the_program_cannot_remove_is_named() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let stored = tenant.engine().tenant().expect("the store is there");
    let before = destruction::remaining(tenant.engine(), &stored);
    assert_eq!(before, ["exported folders, backups of the store, and the configuration"]);
    keys::create(tenant.engine()).expect("there are no keys yet");
    let after = destruction::remaining(tenant.engine(), &stored);
    assert!(after[0].starts_with("the key file ") && after[1..] == before, "{after:?}");
}

fn found(tenant: &Tenant) -> Removal {
    match destruction::find(tenant.engine(), "acme", false).map_err(|failure| failure.error) {
        Ok(Found::Stored(removal)) => removal,
        Ok(Found::Interrupted(_)) => panic!("no removal was interrupted"),
        Err(error) => panic!("{error:#}"),
    }
}

#[tokio::test]
async fn what_would_be_removed_is_shown_and_nothing_is_while_people_decide() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let removal = found(&tenant);
    let object = serde_json::to_value(removal.preview(true)).expect("it is JSON");
    assert_eq!((&object["dryRun"], &object["tenant"]), (&true.into(), &"acme".into()));
    let kinds: Vec<String> = removal.rows().map(|[kind, ..]| kind).collect();
    assert_eq!(object["files"].as_object().expect("by kind").len(), kinds.len());
    let remarks = removal.remarks();
    assert!(remarks.iter().all(|line| line.starts_with("not removed: ")), "{remarks:?}");
    let refused = tenant.run().await.map(drop).expect_err("it is locked");
    assert_eq!(refused.kind, FailureKind::Locked);
    let refused =
        destruction::find(tenant.engine(), "acme", false).map(drop).expect_err("it is locked");
    assert_eq!(refused.kind, FailureKind::Locked);
    drop(removal);
    assert!(tenant.published().is_some(), "nothing was removed");
    tenant.run().await.expect("it is free again");
}

#[tokio::test]
async fn a_removal_that_has_begun_can_only_be_finished_and_is_certified_once() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    drop(found(&tenant).begin(&tenant.host).expect("nothing else writes"));
    let Ok(Found::Interrupted(begun)) = destruction::find(tenant.engine(), "acme", false) else {
        panic!("it has begun");
    };
    let finished = destruction::finish_begun(&tenant.host, begun).expect("it is removed");
    let (certificate, path) = finished.expect("it was not certified before");
    assert!(path.exists());
    let text = certificate.text();
    assert!(text.starts_with("destruction d-") && text.contains("of tenant acme"), "{text}");
    let remarks = certificate.remarks("graph");
    let last = remarks.last().expect("it says what would bring the tenant back");
    assert!(last.starts_with("the next `graph run` would fetch the tenant again"), "{last}");
    let refused =
        destruction::find(tenant.engine(), "acme", false).map(drop).expect_err("it is gone");
    assert_eq!(refused.kind, FailureKind::Configuration);
}
