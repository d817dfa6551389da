//! Damage: no reader reads a file with changed content.

use std::fs;
use std::path::Path;

use core_store::{Cleansing, StoreError, TableKind};

use crate::support::{Checked, FIRST, Place, device_keys};

const DEVICES: &str = "entities/nexthink_device/part-00000.parquet";

/// Changes one bit that Parquet does not check.
fn flip_a_bit(path: &Path) -> Checked {
    let mut bytes = fs::read(path)?;
    bytes[20] ^= 1;
    Ok(fs::write(path, bytes)?)
}

#[test]
fn j7_a_damaged_table_is_not_read() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let generation = place.tenant.current()?.ok_or("nothing is published")?;
    generation.check_table(TableKind::Entity, "nexthink_device")?;
    flip_a_bit(&generation.folder().join(DEVICES))?;
    assert!(matches!(device_keys(&generation), Err(StoreError::Damaged { .. })));
    let checked = generation.check_table(TableKind::Entity, "nexthink_device");
    assert!(matches!(checked, Err(StoreError::Damaged { .. })));
    Ok(())
}

#[test]
fn j7_damage_is_found_even_if_the_modification_time_is_reset() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, "a")?;
    let path = generation.folder().join(DEVICES);
    let before = fs::metadata(&path)?.modified()?;
    assert_eq!(device_keys(&generation)?, ["a"]);
    flip_a_bit(&path)?;
    fs::File::options().write(true).open(&path)?.set_modified(before)?;
    assert!(matches!(device_keys(&generation), Err(StoreError::Damaged { .. })));
    Ok(())
}

#[test]
fn j7_a_damaged_attachment_is_not_read() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, "a")?;
    fs::write(generation.folder().join("run.json"), "[]")?;
    assert!(matches!(generation.attachment("run.json"), Err(StoreError::Damaged { .. })));
    assert_eq!(
        generation.find_damage()?,
        ["run.json has another content than when it was written"]
    );
    Ok(())
}

#[test]
fn j7_an_erasure_never_gives_a_damaged_table_a_matching_checksum() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, "a")?;
    flip_a_bit(&generation.folder().join(DEVICES))?;
    let cleansing =
        Cleansing { personal_columns: &|_| Vec::new(), keep: &|_, batch| Some(batch.slice(0, 0)) };
    assert!(matches!(place.lock()?.cleanse(&cleansing), Err(StoreError::Damaged { .. })));
    assert!(matches!(generation.verify(), Err(StoreError::Damaged { .. })));
    Ok(())
}
