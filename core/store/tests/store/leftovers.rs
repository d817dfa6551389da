//! The next process that takes the lock removes the leftovers of killed ones.

use std::fs;

use core_store::{LedgerRecord, RUN_ENDED, StoreError};
use serde_json::json;

use crate::support::{Checked, FIRST, Place, SECOND, THIRD, record};

fn ids(place: &Place) -> Result<Vec<String>, StoreError> {
    Ok(place.tenant.history()?.into_iter().map(|entry| entry.id.to_string()).collect())
}

#[test]
fn n1_n3_files_that_no_manifest_lists_are_removed_from_every_generation() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    place.publish(SECOND, "new")?;
    // The leftovers of an erasure that is killed before it removes a replaced table, or a replaced
    // manifest.
    let left = [FIRST, SECOND].map(|id| {
        ["entities/nexthink_device/part-00007.parquet", "manifest.json.new-1-0"]
            .map(|name| place.path(&format!("generations/{id}/{name}")))
    });
    for path in left.as_flattened() {
        fs::write(path, "an erased person")?;
    }
    // An unfinished erasure hides the generations, but not their leftovers.
    fs::write(place.path("erasures.json"), "[\"e-1\"]")?;
    place.lock()?;
    for path in left.as_flattened() {
        assert!(!path.exists(), "{}", path.display());
    }
    fs::write(place.path("erasures.json"), "[]")?;
    for id in [FIRST, SECOND] {
        place.tenant.generation(&id.parse()?)?.verify()?;
    }
    Ok(())
}

#[test]
fn a_generation_with_an_unreadable_manifest_keeps_its_files() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    place.publish(SECOND, "new")?;
    fs::write(place.path(&format!("generations/{FIRST}/manifest.json")), "{")?;
    place.lock()?;
    let table = format!("generations/{FIRST}/entities/nexthink_device/part-00000.parquet");
    assert!(place.path(&table).exists());
    Ok(())
}

#[test]
fn n1_an_unpublished_first_generation_does_not_stay_in_the_history() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "never published")?;
    fs::remove_file(place.path("CURRENT"))?;
    place.lock()?;
    assert_eq!(ids(&place)?, [""; 0]);
    place.publish(SECOND, "first")?;
    place.publish(THIRD, "second")?;
    assert_eq!(ids(&place)?, [THIRD, SECOND]);
    Ok(())
}

#[test]
fn n9_an_unpublished_generation_is_reported_before_it_is_removed() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "published")?;
    place.publish(SECOND, "killed before it was published")?;
    fs::write(place.path("CURRENT"), format!("{FIRST}\n"))?;
    let refused = place
        .tenant
        .lock_and_tell("a test", &mut |_| Err(StoreError::LedgerEntryTooLong { bytes: 0 }));
    assert!(refused.is_err());
    assert_eq!(ids(&place)?, [SECOND, FIRST], "nothing goes without a record");
    let mut told = Vec::new();
    place.tenant.lock_and_tell("a test", &mut |id| {
        told.push(id.to_string());
        Ok(())
    })?;
    assert_eq!((told, ids(&place)?), (vec![SECOND.to_owned()], vec![FIRST.to_owned()]));
    Ok(())
}

#[test]
fn the_generations_after_an_older_one_that_an_operator_goes_back_to_stay() -> Checked {
    let place = Place::new()?;
    for (id, content) in [(FIRST, "a"), (SECOND, "b"), (THIRD, "c")] {
        place.publish(id, content)?;
        let facts = json!({ "generation": id });
        let facts = facts.as_object().cloned().unwrap_or_default();
        let record = LedgerRecord { facts, ..record(RUN_ENDED) };
        place.tenant.ledger().append(&record)?;
    }
    for older in [FIRST, SECOND] {
        fs::write(place.path("CURRENT"), format!("{older}\n"))?;
        place.lock()?;
        assert_eq!(ids(&place)?, [THIRD, SECOND, FIRST], "back to {older}");
    }
    Ok(())
}

#[test]
fn a_lost_pointer_removes_no_generation() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    place.publish(SECOND, "b")?;
    fs::remove_file(place.path("CURRENT"))?;
    place.lock()?;
    assert_eq!(ids(&place)?, [SECOND, FIRST]);
    Ok(())
}

#[test]
fn n6_temporary_files_of_states_are_removed_and_other_files_stay() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    fs::create_dir_all(place.path("ledger"))?;
    let temporary = [
        "quota.json.new",
        "quota.json.new-17-3",
        "CURRENT.new-17-4",
        "suppressions.json.17.new",
        "ledger/entries.ndjson.new-17-5",
    ];
    let kept = ["quota.json", "renewed.json", "notes.new.txt"];
    for name in temporary.iter().chain(&kept) {
        fs::write(place.path(name), "{}")?;
    }
    place.lock()?;
    for name in temporary {
        assert!(!place.path(name).exists(), "{name}");
    }
    for name in kept {
        assert!(place.path(name).exists(), "{name}");
    }
    Ok(())
}
