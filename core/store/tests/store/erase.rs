//! Removal of rows from published generations, and recovery from crashes and restored copies.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use core_store::{
    CleansedGeneration, Cleansing, GenerationId, RunLock, StoreError, Table, TableKind,
};

use crate::support::{
    Checked, FIRST, Place, SECOND, device_batch, device_keys, devices, draft, installation_batch,
    installations, write,
};

/// Everything except one device, and nothing in another type.
fn without(key: &'static str) -> impl Fn(&Table, &RecordBatch) -> Option<RecordBatch> {
    move |table, batch| {
        if table.name != "nexthink_device" {
            return None;
        }
        let keys = batch.column(0).as_string::<i32>();
        let kept: Vec<&str> = keys.iter().flatten().filter(|other| *other != key).collect();
        (kept.len() < batch.num_rows()).then(|| device_batch(&kept))
    }
}

fn cleanse(lock: &RunLock, key: &'static str) -> Result<Vec<CleansedGeneration>, StoreError> {
    let personal_columns = |table: &Table| {
        let is_device = table.kind == TableKind::Entity;
        if is_device { vec!["displayName".to_owned()] } else { Vec::new() }
    };
    lock.cleanse(&Cleansing { personal_columns: &personal_columns, keep: &without(key) })
}

fn publish(place: &Place, id: &str, keys: &[&str]) -> Checked {
    let staging = place.lock()?.stage(GenerationId::parse(id)?)?;
    let tables = vec![
        write(&staging, devices(), &[device_batch(keys)])?,
        write(
            &staging,
            installations(),
            &[installation_batch(&[("b".to_owned(), "p".to_owned())])],
        )?,
    ];
    staging.publish(draft(tables), &[("run.json", b"{}")])?;
    Ok(())
}

fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn keys(place: &Place, id: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let generation = place.tenant.generation(&GenerationId::parse(id)?)?;
    generation.verify()?;
    Ok(device_keys(&generation)?)
}

fn two_generations() -> Result<Place, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    publish(&place, FIRST, &["a", "b"])?;
    publish(&place, SECOND, &["a", "b", "c"])?;
    Ok(place)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[test]
fn rows_are_removed_from_every_generation_and_nothing_else_changes() -> Checked {
    let place = two_generations()?;
    let other = format!(
        "generations/{FIRST}/relationships/nexthink_device_installed_package/part-00000.parquet"
    );
    let before = fs::read(place.path(&other))?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1"]))?;
    let done = cleanse(&lock, "a")?;
    let counts: Vec<_> =
        done.iter().map(|cleansed| (cleansed.generation.as_str(), &cleansed.tables[..])).collect();
    let one = [("nexthink_device".to_owned(), 1)];
    assert_eq!(counts, [(SECOND, &one[..]), (FIRST, &one[..])]);
    assert_eq!(keys(&place, FIRST)?, ["b"]);
    assert_eq!(keys(&place, SECOND)?, ["b", "c"]);
    assert_eq!(
        place.tenant.current()?.map(|generation| generation.id().to_string()).as_deref(),
        Some(SECOND)
    );
    assert_eq!(fs::read(place.path(&other))?, before);
    for id in [FIRST, SECOND] {
        let folder = place.path(&format!("generations/{id}/entities/nexthink_device"));
        assert_eq!(fs::read_dir(folder)?.count(), 1, "the old file has gone");
    }
    // Nothing is left to do, and repeating it does no harm.
    assert!(cleanse(&lock, "a")?.iter().all(|cleansed| cleansed.tables.is_empty()));
    Ok(())
}

#[test]
fn an_interrupted_erasure_closes_everything_until_it_is_finished() -> Checked {
    let place = two_generations()?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1"]))?;
    let refused =
        |place: &Place| matches!(place.tenant.current(), Err(StoreError::NotCleansed { .. }));
    assert!(refused(&place), "before the first table is written");
    // A table was written, and its manifest not replaced yet.
    let folder = place.path(&format!("generations/{SECOND}/entities/nexthink_device"));
    fs::copy(folder.join("part-00000.parquet"), folder.join("part-00001.parquet"))?;
    assert!(refused(&place));
    cleanse(&lock, "a")?;
    assert_eq!(keys(&place, SECOND)?, ["b", "c"]);
    // The manifest was replaced, and the old table not removed yet.
    fs::write(folder.join("part-00007.parquet"), "rows of a")?;
    cleanse(&lock, "a")?;
    assert_eq!(fs::read_dir(&folder)?.count(), 1);
    Ok(())
}

#[test]
fn a_restored_older_copy_is_closed_until_it_is_cleansed() -> Checked {
    let place = two_generations()?;
    let (kept, backup) = (place.path(&format!("generations/{SECOND}")), place.path("../../backup"));
    copy(&kept, &backup)?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1"]))?;
    cleanse(&lock, "a")?;
    fs::remove_dir_all(&kept)?;
    copy(&backup, &kept)?;
    let error = place.tenant.current().expect_err("the copy is older than the erasure");
    assert!(error.to_string().contains("may show an erased person"), "{error}");
    assert!(place.tenant.history()?[0].manifest.is_err());
    cleanse(&lock, "a")?;
    assert_eq!(keys(&place, SECOND)?, ["b", "c"]);
    Ok(())
}

#[test]
fn a_lifted_erasure_requires_nothing_of_a_generation() -> Checked {
    let place = two_generations()?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1", "e-2"]))?;
    cleanse(&lock, "a")?;
    lock.set_erasures(&ids(&["e-2"]))?;
    assert_eq!(keys(&place, SECOND)?, ["b", "c"]);
    lock.set_erasures(&ids(&["e-2", "e-3"]))?;
    assert!(matches!(place.tenant.current(), Err(StoreError::NotCleansed { .. })));
    Ok(())
}

#[test]
fn a_generation_that_is_published_after_an_erasure_has_been_through_it() -> Checked {
    let place = Place::new()?;
    publish(&place, FIRST, &["b"])?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1"]))?;
    cleanse(&lock, "a")?;
    drop(lock);
    publish(&place, SECOND, &["b"])?;
    let current = place.tenant.current()?.ok_or("one is published")?;
    assert_eq!(current.manifest().erasures, ids(&["e-1"]));
    Ok(())
}

#[test]
fn a_damaged_generation_stays_closed_until_it_is_removed_by_name() -> Checked {
    for broken in ["manifest.json", "entities/nexthink_device/part-00000.parquet"] {
        let place = two_generations()?;
        let folder = place.path(&format!("generations/{FIRST}"));
        fs::write(folder.join(broken), "{")?;
        let lock = place.lock()?;
        lock.set_erasures(&ids(&["e-1"]))?;
        let done = cleanse(&lock, "a")?;
        assert_eq!(done.iter().filter(|cleansed| cleansed.damaged).count(), 1, "{broken}");
        assert_eq!(keys(&place, SECOND)?, ["b", "c"], "the others are cleansed");
        assert!(folder.exists() && place.tenant.generation(&FIRST.parse()?).is_err());
        let damaged = place.tenant.damaged_generations()?;
        assert_eq!(damaged.len(), 1, "{damaged:?}");
        assert_eq!(damaged[0].rows.is_none(), broken == "manifest.json");
        lock.remove_damaged(&damaged[0])?;
        assert!(!folder.exists() && place.tenant.damaged_generations()?.is_empty());
    }
    Ok(())
}

#[test]
fn a_damaged_published_generation_is_not_removed() -> Checked {
    let place = two_generations()?;
    fs::write(place.path(&format!("generations/{SECOND}/manifest.json")), "{")?;
    let lock = place.lock()?;
    lock.set_erasures(&ids(&["e-1"]))?;
    assert!(cleanse(&lock, "a").is_err());
    let damaged = place.tenant.damaged_generations()?;
    assert!(damaged[0].is_current && lock.remove_damaged(&damaged[0]).is_err());
    Ok(())
}
