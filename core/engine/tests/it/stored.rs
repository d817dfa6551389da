//! The kept generations as people and programs see them, whole and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use core_engine::generations::{self, KeptGeneration, VerifiedPart};
use core_store::TenantStore;

use super::support::{NOON, Tenant};

fn store(tenant: &Tenant) -> TenantStore {
    tenant.engine().tenant().expect("the store is there")
}

fn kept(tenant: &Tenant) -> Vec<KeptGeneration> {
    generations::kept(&store(tenant)).expect("the store can be read")
}

fn verified(tenant: &Tenant) -> Vec<VerifiedPart> {
    generations::verify(&store(tenant)).expect("the store can be read")
}

/// The files below a folder that end like this.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn a_store_without_a_run_has_no_generation_and_no_part() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    assert!(kept(&tenant).is_empty() && verified(&tenant).is_empty());
}

#[tokio::test]
async fn the_published_generation_is_marked_and_its_objects_are_counted() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    tenant.simulator.update(|behaviour| behaviour.tenant.alerts += 1);
    tenant.run().await.expect("it runs");
    let [newest, oldest]: [KeptGeneration; 2] = kept(&tenant).try_into().expect("there are two");
    let id = tenant.published().expect("it is published").id().to_string();
    let [name, created, outcome, entities, relationships] = newest.cells();
    assert_eq!(name, format!("{id} (published)"));
    assert_eq!(outcome, "complete");
    let object = newest.to_json();
    assert_eq!((object["id"].as_str(), object["published"].as_bool()), (Some(&*id), Some(true)));
    assert_eq!(object["createdAt"].as_str(), Some(&*created));
    assert_eq!(object["entities"].to_string(), entities);
    assert_eq!(object["relationships"].to_string(), relationships);
    assert!(object["damage"].as_array().is_some_and(Vec::is_empty), "{object}");
    assert_eq!(oldest.to_json()["published"], false);
    assert!(!oldest.cells()[0].ends_with("(published)"));
    let parts = verified(&tenant);
    assert_eq!((parts.len(), generations::damage_text(&parts)), (2, None));
    assert_eq!(parts[0].cells(), [format!("generation {id} (published)"), "whole".to_owned()]);
}

#[tokio::test]
async fn a_file_that_is_gone_is_named_with_the_number_of_the_others() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let tables = files(tenant.folder(), ".parquet");
    fs::remove_file(&tables[0]).expect("it is ours");
    let [damaged]: [KeptGeneration; 1] = kept(&tenant).try_into().expect("there is one");
    let outcome = &damaged.cells()[2];
    assert!(outcome.starts_with("damaged: ") && !outcome.contains("more files"), "{outcome}");
    fs::remove_file(&tables[1]).expect("it is ours");
    let [damaged]: [KeptGeneration; 1] = kept(&tenant).try_into().expect("there is one");
    let outcome = &damaged.cells()[2];
    assert!(outcome.ends_with(", and 1 more files"), "{outcome}");
    assert_eq!(damaged.to_json()["damage"].as_array().map(Vec::len), Some(2));
    let parts = verified(&tenant);
    assert_eq!(parts[0].cells()[1].lines().count(), 2, "a line for each file");
    assert!(generations::damage_text(&parts).is_some_and(|text| text.starts_with("1 of 1 parts")));
}

#[tokio::test]
async fn bytes_that_changed_are_found_by_their_checksum_alone() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let table = files(tenant.folder(), ".parquet").remove(0);
    let mut bytes = fs::read(&table).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    core_files::replace_file(&table, &bytes).expect("it is ours");
    let parts = verified(&tenant);
    assert_eq!(parts[0].to_json()["isDamaged"], true, "{parts:?}");
}

#[tokio::test]
async fn a_generation_without_its_manifest_is_listed_as_broken() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let manifest = files(tenant.folder(), "manifest.json").remove(0);
    core_files::replace_file(&manifest, b"{").expect("it is ours");
    let [broken]: [KeptGeneration; 1] = kept(&tenant).try_into().expect("there is one");
    let [name, created, outcome, entities, _] = broken.cells();
    assert!(name.ends_with("(published)") && created.is_empty() && entities.is_empty());
    assert!(outcome.starts_with("broken: "), "{outcome}");
    assert!(broken.to_json()["error"].is_string());
    assert!(generations::damage_text(&verified(&tenant)).is_some());
}
