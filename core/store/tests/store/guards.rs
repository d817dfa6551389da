//! Locks, locations and names.

use std::fs;

use core_store::{GenerationId, Location, Store, StoreError, TableKind};

use crate::support::{Checked, FIRST, Place, SECOND, device_batch, devices, draft, write};

#[test]
fn a_second_run_is_told_who_holds_the_lock() -> Checked {
    let place = Place::new()?;
    let lock = place.tenant.lock("pid 17, started \u{1b}[31m2026-03-01T08:00:00Z")?;
    let error = place.tenant.lock("pid 18").expect_err("the lock is taken");
    assert_eq!(
        error.to_string(),
        "another run holds the lock: pid 17, started [31m2026-03-01T08:00:00Z"
    );
    place.store.tenant("other")?.lock("pid 18")?;

    // A staging keeps the lock that it was made from.
    let staging = lock.stage(GenerationId::parse(FIRST)?)?;
    drop(lock);
    assert!(matches!(place.lock(), Err(StoreError::Locked { .. })));
    drop(staging);
    place.lock()?;
    Ok(())
}

#[test]
fn reading_creates_no_folders() -> Checked {
    let place = Place::new()?;
    assert!(place.tenant.current()?.is_none());
    assert!(place.tenant.history()?.is_empty());
    assert!(place.store.tenants()?.is_empty());
    assert!(!place.path("").exists());
    // Only a working copy is kept in another place too.
    assert!(!place.tenant.is_working_copy() && place.tenant.also_kept().is_empty());
    Ok(())
}

#[test]
fn tenants_are_listed_by_name_and_stay_apart() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    place.store.tenant("zenith")?.lock("pid 1")?;
    place.store.tenant("2nd")?.lock("pid 1")?;
    fs::write(place.path("../notes"), "not a tenant")?;
    let names: Vec<_> =
        place.store.tenants()?.into_iter().map(|tenant| tenant.name().to_owned()).collect();
    assert_eq!(names, ["2nd", "acme", "zenith"]);
    assert!(place.store.tenant("zenith")?.current()?.is_none());
    for name in ["", "..", "../acme", "a/b", "Acme"] {
        assert!(matches!(place.store.tenant(name), Err(StoreError::InvalidName { .. })), "{name}");
    }
    Ok(())
}

#[test]
fn attachments_stay_in_their_folder() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let outcome = staging.publish(draft(Vec::new()), &[("../run.json", b"{}")]);
    assert!(matches!(outcome, Err(StoreError::InvalidName { .. })));
    let generation = place.publish(FIRST, "a")?;
    assert!(!place.path(&format!("staging/{FIRST}")).exists());
    assert!(matches!(generation.attachment("../CURRENT"), Err(StoreError::InvalidName { .. })));
    Ok(())
}

#[test]
fn contradictory_declarations_are_rejected() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let mut unnamed = devices();
    unnamed.name = "../device".to_owned();
    let mut classless = devices();
    classless.class.clear();
    let mut loose = devices();
    loose.kind = TableKind::Relationship;
    let mut misspelt = devices();
    misspelt.personal_columns = vec!["displayname".to_owned()];
    for declaration in [unnamed, classless, loose, misspelt] {
        let text = format!("{declaration:?}");
        assert!(staging.table(declaration).is_err(), "{text}");
    }

    write(&staging, devices(), &[])?;
    assert!(matches!(staging.table(devices()), Err(StoreError::Io { .. })));
    Ok(())
}

#[test]
fn rows_of_another_schema_are_rejected_without_showing_them() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let mut writer = staging.table(devices())?;
    let batch = device_batch(&["secret-key"]).project(&[0, 1, 1])?;
    let error = writer.write(&batch).expect_err("text is no memory");
    assert!(!error.to_string().contains("secret-key"), "{error}");
    assert!(error.to_string().starts_with("table nexthink_device: "), "{error}");
    Ok(())
}

#[test]
fn a_pointer_without_an_id_is_an_error_and_not_an_empty_store() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    fs::write(place.path("CURRENT"), "../../elsewhere\n")?;
    assert!(matches!(place.tenant.current(), Err(StoreError::BrokenPointer { .. })));
    fs::write(place.path("CURRENT"), b"\xFF\n")?;
    assert!(matches!(place.tenant.current(), Err(StoreError::BrokenPointer { .. })));
    fs::write(place.path("CURRENT"), format!("{SECOND}\n"))?;
    assert!(matches!(place.tenant.current(), Err(StoreError::GenerationNotFound { .. })));
    Ok(())
}

#[test]
fn a_store_is_at_its_address() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("with space");
    let address = url::Url::from_file_path(&path).map_err(|()| "not absolute")?;
    let store = Store::open(Location::parse(address.as_str())?)?;
    store.tenant("acme")?.lock("pid 1")?;
    assert!(path.join("acme/lock").is_file());
    Ok(())
}

#[cfg(unix)]
#[test]
fn folders_and_files_are_private_to_their_owner() -> Checked {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let lock = place.lock()?;
    let staging = lock.stage(GenerationId::parse(SECOND)?)?;
    let downloads = lock.downloads()?;
    downloads.resume("devices")?;
    downloads.set_note("devices", b"{}")?;
    write(&staging, devices(), &[])?;

    let mut n_files = 0;
    let mut waiting: Vec<PathBuf> = vec![place.path("..")];
    while let Some(path) = waiting.pop() {
        let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else {
            n_files += 1;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    // CURRENT, lock, manifest, run.json, two tables, one download with its note.
    assert_eq!(n_files, 8);
    Ok(())
}

#[cfg(unix)]
#[test]
fn j16_a_store_that_others_may_change_is_rejected_with_the_remedy() -> Checked {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let set_mode = |below: &str, mode| {
        fs::set_permissions(place.path(below), fs::Permissions::from_mode(mode))
    };
    // The store, then the tenant's part of it.
    for below in ["..", ""] {
        for (mode, is_safe) in [(0o700, true), (0o755, true), (0o775, false), (0o777, false)] {
            set_mode(below, mode)?;
            let answers = [
                place.tenant.lock("pid 1").map(drop),
                place.tenant.current().map(drop),
                place.tenant.history().map(drop),
            ];
            for answer in answers {
                let is_refused = matches!(answer, Err(StoreError::UnsafePlace { .. }));
                assert_eq!(is_refused, !is_safe, "{below:?} {mode:o}");
            }
        }
        set_mode(below, 0o700)?;
    }
    set_mode("", 0o777)?;
    let error = place.tenant.current().expect_err("others may write to it").to_string();
    assert!(error.contains("acme can be written to by others: run `chmod go-w /"), "{error}");
    set_mode("", 0o700)?;

    // Neither may be a link.
    let linked = place.path("../../linked");
    symlink(place.path(".."), &linked)?;
    let through = Store::open(Location::Folder(linked))?.tenant("acme")?;
    assert!(matches!(through.current(), Err(StoreError::UnsafePlace { reason: "is a link", .. })));
    symlink(place.path(""), place.path("../second"))?;
    let second = place.store.tenant("second")?;
    assert!(matches!(second.lock("pid 1"), Err(StoreError::UnsafePlace { .. })));
    Ok(())
}
