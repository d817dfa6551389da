//! Removal by age from the disk: each kind of item after its own time, and nothing that is still in use.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use core_store::{ClockVerdict, ItemKind, Retention, RetentionPolicy, StoreError, Windows};

use crate::support::{Checked, FIRST, Place, SECOND, THIRD, record};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// After all generations of these tests.
const MADE_MS: u64 = 1_800_000_000_000;

/// Makes a file or, with a `/` at its end, a folder with a file, and dates it.
fn make(place: &Place, name: &str, modified_ms: u64) -> Checked {
    let path = place.path(name);
    let file = if name.ends_with('/') { path.join("content") } else { path.clone() };
    fs::create_dir_all(file.parent().ok_or("a file is in a folder")?)?;
    fs::write(&file, "content")?;
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(modified_ms);
    Ok(fs::File::open(&path)?.set_modified(modified)?)
}

/// The names of the items that go at a time.
fn going(place: &Place, windows: &Windows, now_ms: u64) -> Result<Vec<String>, StoreError> {
    let retention = Retention { windows, pinned: &[], now_ms, accept_clock: true };
    let plan = place.tenant.plan_retention(retention)?;
    Ok(plan.removals.into_iter().map(|removal| removal.name).collect())
}

#[test]
fn each_kind_of_item_goes_after_its_own_time_and_not_a_moment_earlier() -> Checked {
    let windows =
        Windows { quarantine_days: 3, staging_hours: 5, logs_days: 7, ..Windows::default() };
    for (name, kept_ms) in [
        ("quarantine/fetch-users.csv", 3 * DAY_MS),
        ("quarantine/run-1/", 3 * DAY_MS),
        ("logs/run.log", 7 * DAY_MS),
        ("staging/01JN7Z1M80000000000000000A/", 5 * HOUR_MS),
        ("staging/downloads/fetch-users", 5 * HOUR_MS),
    ] {
        let place = Place::new()?;
        place.publish(FIRST, "a")?;
        make(&place, name, MADE_MS)?;
        let name = name.trim_end_matches('/');
        assert_eq!(going(&place, &windows, MADE_MS + kept_ms)?, [""; 0], "{name}");
        assert_eq!(going(&place, &windows, MADE_MS + kept_ms + 1)?, [name]);
        let lock = place.lock()?;
        let now_ms = MADE_MS + kept_ms + 1;
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: true };
        lock.retain(retention, &record("retention"))?;
        assert!(!place.path(name).exists(), "{name}");
        assert!(place.path("staging").is_dir() && place.tenant.current()?.is_some());
    }
    Ok(())
}

#[test]
fn the_folder_of_downloads_stays_however_old_it_is() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    make(&place, "staging/downloads/fetch-users", MADE_MS)?;
    let old = SystemTime::UNIX_EPOCH + Duration::from_millis(MADE_MS - 100 * DAY_MS);
    fs::File::open(place.path("staging/downloads"))?.set_modified(old)?;
    assert_eq!(going(&place, &Windows::default(), MADE_MS)?, [""; 0]);
    Ok(())
}

#[test]
fn a_link_in_a_folder_of_items_goes_itself_and_not_what_it_names() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    fs::create_dir_all(place.path("logs"))?;
    make(&place, "quarantine/kept", MADE_MS)?;
    link(&place.path("quarantine"), &place.path("logs/link"))?;
    let windows = Windows { logs_days: 0, quarantine_days: 100_000, ..Windows::default() };
    let now_ms = MADE_MS + 10 * DAY_MS;
    let lock = place.lock()?;
    let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: true };
    let plan = lock.retain(retention, &record("retention"))?;
    assert_eq!(plan.removals.iter().map(|gone| gone.kind).collect::<Vec<_>>(), [ItemKind::Log]);
    assert!(!place.path("logs/link").exists() && place.path("quarantine/kept").exists());
    Ok(())
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(to, at)
}

#[test]
fn a_record_of_retention_that_is_damaged_removes_nothing() -> Checked {
    let place = Place::new()?;
    let first = place.publish(FIRST, "a")?;
    place.publish(SECOND, "b")?;
    place.lock()?.set_state("retention", b"{")?;
    let now_ms = MADE_MS + 1_000 * DAY_MS;
    let windows = Windows::default();
    let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: true };
    let refused = place.lock()?.retain(retention, &record("retention"));
    assert!(matches!(refused, Err(StoreError::BrokenState { name: "retention", .. })));
    assert!(first.folder().exists());
    Ok(())
}

#[test]
fn what_was_seen_once_is_dated_by_that_whatever_the_clock_said_then() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let windows = Windows { logs_days: 7, ..Windows::default() };
    let observe = |now_ms| {
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: false };
        place.lock()?.retain(retention, &record("retention"))
    };
    observe(MADE_MS)?;
    // Dated years ahead, so that it counts from when it is first seen.
    make(&place, "logs/ahead", MADE_MS + 3_000 * DAY_MS)?;
    // Dated long before the last observation, at which it was not there.
    make(&place, "logs/behind", MADE_MS - 3_000 * DAY_MS)?;
    let seen_ms = MADE_MS + DAY_MS;
    assert_eq!(observe(seen_ms)?.removals, []);
    let mut now_ms = seen_ms;
    while now_ms + DAY_MS <= seen_ms + 7 * DAY_MS {
        now_ms += DAY_MS;
        let plan = observe(now_ms)?;
        assert_eq!((plan.clock, plan.removals), (ClockVerdict::Steady, vec![]), "{now_ms}");
    }
    let gone = observe(seen_ms + 7 * DAY_MS + 1)?.removals;
    let names: Vec<_> = gone.iter().map(|removal| removal.name.as_str()).collect();
    assert_eq!(names, ["logs/ahead", "logs/behind"]);
    Ok(())
}

#[test]
fn a_generation_of_a_newer_version_goes_by_age_and_counts_as_whole() -> Checked {
    let place = Place::new()?;
    let first = place.publish(FIRST, "a")?;
    place.publish(THIRD, "b")?;
    let manifest = first.folder().join("manifest.json");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text.replace("\"format_version\": 1", "\"format_version\": 2"))?;
    let made_ms = first.id().time_ms();
    // One a day is kept: that of a newer version is the only one of its day.
    let generations = RetentionPolicy { keep_days: 90, keep_all_days: 1 };
    let windows = Windows { generations, ..Windows::default() };
    assert_eq!(going(&place, &windows, made_ms + 50 * DAY_MS)?, [""; 0]);
    let name = format!("generations/{FIRST}");
    assert_eq!(going(&place, &windows, made_ms + 90 * DAY_MS + 1)?, [name]);
    Ok(())
}
