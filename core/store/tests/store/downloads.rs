//! Downloads survive the run that began them, and stay in their folder.

use std::fs;
use std::io::{Read as _, Write as _};

use core_store::{GenerationId, StoreError};

use crate::support::{Checked, FIRST, Place};

#[test]
fn a_download_and_its_note_are_there_for_the_next_run() -> Checked {
    let place = Place::new()?;
    {
        let lock = place.lock()?;
        let downloads = lock.downloads()?;
        downloads.resume("devices")?.write_all(b"half a ")?;
        downloads.set_note("devices", b"first")?;
        downloads.set_note("devices", b"second")?;
        drop(lock.stage(GenerationId::parse(FIRST)?)?);
    }
    place.publish(FIRST, "a")?;
    let downloads = place.lock()?.downloads()?;
    assert_eq!(downloads.note("devices")?.as_deref(), Some(&b"second"[..]));
    assert_eq!(downloads.note("users")?, None);
    let mut file = downloads.resume("devices")?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    file.write_all(b"file")?;
    downloads.read("devices")?.read_to_string(&mut text)?;
    assert_eq!(text, "half a half a file");
    assert!(place.tenant.download_bytes()? >= 11, "the file and its note");
    Ok(())
}

#[test]
fn other_downloads_are_removed_with_their_notes_and_stray_files() -> Checked {
    let place = Place::new()?;
    let downloads = place.lock()?.downloads()?;
    for name in ["devices", "users", "packages"] {
        downloads.resume(name)?;
        downloads.set_note(name, b"{}")?;
    }
    fs::write(place.path("staging/downloads/devices.json.new"), "{")?;
    downloads.remove("packages")?;
    downloads.remove("packages")?;
    fs::write(place.path("staging/downloads/._users.json"), "?")?;
    fs::create_dir(place.path("staging/downloads/folder.json"))?;
    let names: Vec<String> =
        place.tenant.download_notes()?.into_iter().map(|note| note.0).collect();
    assert_eq!(names, ["devices", "users"]);
    downloads.clear_except(|name| name == "devices")?;
    let mut left = Vec::new();
    for entry in fs::read_dir(place.path("staging/downloads"))? {
        left.push(entry?.file_name().into_string().map_err(|_| "a name that is no text")?);
    }
    left.sort_unstable();
    // A folder is not ours; it stays, and does no harm.
    assert_eq!(left, ["devices", "devices.json", "folder.json"]);
    Ok(())
}

#[test]
fn names_of_downloads_and_of_state_stay_in_their_folder() -> Checked {
    let place = Place::new()?;
    let lock = place.lock()?;
    let downloads = lock.downloads()?;
    for name in ["../CURRENT", "/tmp/x", "a/b", "..", ""] {
        let outcomes = [
            downloads.resume(name).map(drop),
            downloads.read(name).map(drop),
            downloads.note(name).map(drop),
            downloads.set_note(name, b""),
            downloads.remove(name),
            place.tenant.state(name).map(drop),
            lock.set_state(name, b""),
        ];
        for (i, outcome) in outcomes.into_iter().enumerate() {
            assert!(matches!(outcome, Err(StoreError::InvalidName { .. })), "{i}: {name}");
        }
    }
    Ok(())
}

#[test]
fn state_is_read_as_last_written() -> Checked {
    let place = Place::new()?;
    assert_eq!(place.tenant.state("quota")?, None);
    let lock = place.lock()?;
    lock.set_state("quota", b"1")?;
    lock.set_state("quota", b"2")?;
    assert_eq!(place.tenant.state("quota")?.as_deref(), Some(&b"2"[..]));
    assert!(place.path("quota.json").exists());
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_free_bytes_of_the_disk_are_reported() -> Checked {
    let place = Place::new()?;
    assert!(place.lock()?.downloads()?.free_bytes().is_some_and(|free| free > 0));
    Ok(())
}

#[test]
fn the_owner_of_the_lock_is_reported_without_taking_it() -> Checked {
    let place = Place::new()?;
    assert_eq!(place.tenant.lock_owner()?, None);
    assert!(!place.path("lock").exists(), "asking makes nothing");
    assert!(place.tenant.free_bytes().is_none_or(|free| free > 0));
    let lock = place.lock()?;
    assert_eq!(place.tenant.lock_owner()?.as_deref(), Some("pid 1, started 2026-03-01T08:00:00Z"));
    drop(lock);
    assert_eq!(place.tenant.lock_owner()?, None);
    Ok(())
}
