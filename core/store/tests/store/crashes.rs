//! A run that is killed at any point leaves the published generation unchanged, and the next run
//! removes its leftovers.

use std::fs;
use std::path::Path;

use core_store::{ClockVerdict, GenerationId, Retention, RetentionPolicy, StoreError, Windows};

use crate::support::{
    Checked, FIRST, Place, SECOND, THIRD, device_batch, device_keys, devices, draft, record, write,
};

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn current_keys(place: &Place) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let current = place.tenant.current()?.ok_or("nothing is published")?;
    current.verify()?;
    Ok(device_keys(&current)?)
}

#[test]
fn j5_killed_while_writing_leaves_the_old_generation_and_is_cleaned_up() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    let left = place.path(&format!("staging/{SECOND}/generation/entities"));
    fs::create_dir_all(&left)?;
    fs::write(left.join("part-00000.parquet"), "half a tab")?;
    fs::write(place.path("staging/CURRENT"), format!("{SECOND}\n"))?;

    assert_eq!(current_keys(&place)?, ["old"]);
    assert_eq!(place.tenant.history()?.len(), 1);
    let staging = place.lock()?.stage(GenerationId::parse(THIRD)?)?;
    assert!(!left.exists());
    assert!(!place.path("staging/CURRENT").exists());
    drop(staging);
    assert_eq!(fs::read_dir(place.path("staging"))?.count(), 0);
    Ok(())
}

#[test]
fn j5_j6_killed_before_the_pointer_moved_leaves_the_old_generation() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    place.publish(SECOND, "new")?;
    fs::write(place.path("CURRENT"), format!("{FIRST}\n"))?;

    assert_eq!(current_keys(&place)?, ["old"]);
    place.publish(THIRD, "newer")?;
    assert_eq!(current_keys(&place)?, ["newer"]);
    let ids: Vec<_> =
        place.tenant.history()?.into_iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(ids, [THIRD, FIRST]);
    Ok(())
}

#[test]
fn killed_before_the_first_pointer_leaves_an_empty_tenant() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "first")?;
    fs::remove_file(place.path("CURRENT"))?;
    assert!(place.tenant.current()?.is_none());
    place.publish(SECOND, "second")?;
    assert_eq!(current_keys(&place)?, ["second"]);
    Ok(())
}

#[test]
fn j5_killed_while_removing_leaves_no_partial_generation() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    let doomed = place.path(&format!("staging/removed-{THIRD}"));
    copy_tree(&place.path(&format!("generations/{FIRST}")), &doomed)?;
    fs::remove_file(doomed.join("manifest.json"))?;
    assert_eq!(place.tenant.history()?.len(), 1);
    place.publish(SECOND, "new")?;
    assert!(!doomed.exists());
    Ok(())
}

#[test]
fn a_run_that_ends_early_leaves_nothing() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    write(&staging, devices(), &[device_batch(&["a"])])?;
    drop(staging);
    assert_eq!(fs::read_dir(place.path("staging"))?.count(), 0);
    assert!(place.tenant.current()?.is_none());
    Ok(())
}

#[test]
fn j7_a_changed_byte_is_found() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, "a")?;
    let path =
        place.path(&format!("generations/{FIRST}/entities/nexthink_device/part-00000.parquet"));
    let mut bytes = fs::read(&path)?;
    bytes[20] ^= 1;
    fs::write(&path, &bytes)?;
    fs::remove_file(place.path(&format!("generations/{FIRST}/run.json")))?;

    let Err(StoreError::Damaged { findings, .. }) = generation.verify() else {
        return Err("the damage was not found".into());
    };
    assert_eq!(
        findings,
        [
            "entities/nexthink_device/part-00000.parquet has another content than when it was written",
            "run.json is missing",
        ]
    );
    Ok(())
}

#[test]
fn a_broken_generation_is_reported_in_the_history() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    place.publish(SECOND, "b")?;
    place.publish(THIRD, "c")?;
    fs::write(place.path(&format!("generations/{FIRST}/manifest.json")), "{")?;
    fs::write(
        place.path(&format!("generations/{SECOND}/manifest.json")),
        "{\"format_version\": 2, \"future\": true}",
    )?;
    let history = place.tenant.history()?;
    assert!(history[0].is_current && history[0].manifest.is_ok());
    assert!(matches!(&history[1].manifest, Err(StoreError::NewerFormat { found: 2, .. })));
    assert!(matches!(&history[2].manifest, Err(StoreError::BrokenManifest { .. })));
    Ok(())
}

#[test]
fn a_manifest_that_does_not_belong_to_its_folder_is_refused() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let from = place.path(&format!("generations/{FIRST}"));
    copy_tree(&from, &place.path(&format!("generations/{SECOND}")))?;
    let id = GenerationId::parse(SECOND)?;
    assert!(matches!(
        place.tenant.generation(&id),
        Err(StoreError::ForeignManifest { reason: "it names another generation", .. })
    ));

    let path = from.join("manifest.json");
    let text = fs::read_to_string(&path)?.replace("run.json", "../../CURRENT");
    fs::write(&path, text)?;
    assert!(matches!(
        place.tenant.current(),
        Err(StoreError::ForeignManifest { reason: "it lists a file outside its folder", .. })
    ));
    Ok(())
}

#[test]
fn retention_removes_whole_generations_and_keeps_the_published_one() -> Checked {
    let place = Place::new()?;
    let old = place.publish(FIRST, "a")?;
    let new = place.publish(SECOND, "b")?;
    let generations = RetentionPolicy { keep_days: 0, keep_all_days: 0 };
    let windows = Windows { generations, ..Windows::default() };
    let lock = place.lock()?;
    let at = |now_ms| Retention { windows: &windows, now_ms, accept_clock: false, pinned: &[] };
    let record = record("retention");
    let seen_ms = new.id().time_ms();
    let behind = lock.retain(at(seen_ms - 3_600_000), &record)?;
    assert_eq!((behind.clock, behind.removals), (ClockVerdict::Behind { seen_ms }, vec![]));
    let pinned = [old.id().clone()];
    let pinning = Retention { pinned: &pinned, ..at(seen_ms + 1) };
    assert_eq!(place.tenant.plan_retention(pinning)?.removals, [], "what is pinned stays");
    let planned = place.tenant.plan_retention(at(seen_ms + 1))?;
    assert_eq!(planned.removals.len(), 1);
    assert!(place.path(&format!("generations/{FIRST}")).exists(), "planning changes nothing");
    assert_eq!(lock.retain(at(seen_ms + 1), &record)?.removals, planned.removals);
    assert_eq!(planned.removals[0].name, format!("generations/{}", old.id()));
    assert!(!place.path(&format!("generations/{FIRST}")).exists());
    assert_eq!(fs::read_dir(place.path("staging"))?.count(), 0);
    assert_eq!(current_keys(&place)?, ["b"]);
    Ok(())
}

#[test]
fn an_id_is_used_once() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let again = place.lock()?.stage(GenerationId::parse(FIRST)?);
    assert!(matches!(again, Err(StoreError::GenerationExists { .. })));
    let staging = place.lock()?.stage(GenerationId::parse(SECOND)?)?;
    staging.publish(draft(Vec::new()), &[])?;
    Ok(())
}
