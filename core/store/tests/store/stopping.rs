//! Long work that is stopped in the middle: it ends at once, harms nothing, and goes on when it is called again.

use std::cell::Cell;
use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use core_store::{
    Cleansing, GenerationId, ItemKind, Retention, RunLock, StopFlag, StoreError, Table, Windows,
};

use crate::support::{
    Checked, FIRST, Place, SECOND, device_batch, device_keys, devices, draft, record, write,
};

/// A store with two generations that an erasure has not reached yet.
fn place() -> Result<Place, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    for id in [FIRST, SECOND] {
        let staging = place.lock()?.stage(GenerationId::parse(id)?)?;
        let batches = [device_batch(&["a", "b"]), device_batch(&["c", "d"]), device_batch(&["e"])];
        let tables = vec![write(&staging, devices(), &batches)?];
        staging.publish(draft(tables), &[("run.json", b"{}")])?;
    }
    place.lock()?.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    Ok(place)
}

/// The lock of a tenant whose work ends once the flag is set.
fn lock(place: &Place, stop: &StopFlag) -> Result<RunLock, StoreError> {
    place.tenant.clone().with_stop(stop.clone()).lock("a test")
}

/// Removes device `a`, and asks to stop when the `last`th batch is looked at. Returns how many were.
fn cleanse(place: &Place, last: usize) -> Result<(Result<usize, StoreError>, usize), StoreError> {
    let stop = StopFlag::default();
    let lock = lock(place, &stop)?;
    let looked = Cell::new(0);
    let keep = |_: &Table, batch: &RecordBatch| {
        looked.set(looked.get() + 1);
        if looked.get() == last {
            stop.request();
        }
        let keys = batch.column(0).as_any().downcast_ref::<arrow_array::StringArray>()?;
        let kept: Vec<&str> = keys.iter().flatten().filter(|key| *key != "a").collect();
        (kept.len() < batch.num_rows()).then(|| device_batch(&kept))
    };
    let cleansed = lock.cleanse(&Cleansing { personal_columns: &|_| Vec::new(), keep: &keep });
    Ok((cleansed.map(|generations| generations.len()), looked.get()))
}

#[test]
fn cleansing_that_is_stopped_looks_at_no_further_batch_and_is_finished_by_the_next_call() -> Checked
{
    // Each generation is looked through once, and what changes in it once more.
    let whole = cleanse(&place()?, usize::MAX)?.1;
    assert!(whole >= 4, "{whole}");
    for last in 1..=whole {
        let place = place()?;
        let (stopped, looked) = cleanse(&place, last)?;
        assert_eq!(looked, last, "nothing is looked at after the stop");
        let is_whole = stopped.is_ok();
        assert!(is_whole || matches!(stopped, Err(StoreError::Stopped)), "{last}: {stopped:?}");
        assert_eq!(is_whole, last == whole, "{last} of {whole}");
        for id in [FIRST, SECOND] {
            match place.tenant.generation(&GenerationId::parse(id)?) {
                Ok(generation) => assert_eq!(device_keys(&generation)?, ["b", "c", "d", "e"]),
                Err(StoreError::NotCleansed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        assert_eq!(cleanse(&place, usize::MAX)?.0?, 2);
        for id in [FIRST, SECOND] {
            let generation = place.tenant.generation(&GenerationId::parse(id)?)?;
            generation.verify()?;
            assert_eq!(device_keys(&generation)?, ["b", "c", "d", "e"], "stopped at {last}");
        }
    }
    Ok(())
}

#[test]
fn a_stop_before_anything_is_looked_at_changes_nothing() -> Checked {
    let place = place()?;
    let stop = StopFlag::default();
    let lock = lock(&place, &stop)?;
    stop.request();
    let keep = |_: &Table, batch: &RecordBatch| Some(batch.slice(0, 0));
    let cleansed = lock.cleanse(&Cleansing { personal_columns: &|_| Vec::new(), keep: &keep });
    assert!(matches!(cleansed, Err(StoreError::Stopped)));
    assert!(matches!(place.tenant.damaged_generations(), Ok(damaged) if damaged.is_empty()));
    assert!(matches!(lock.tenant().damaged_generations(), Err(StoreError::Stopped)));
    Ok(())
}

#[test]
fn retention_that_is_stopped_removes_nothing_more_and_goes_on_later() -> Checked {
    let place = Place::new()?;
    for id in [FIRST, SECOND] {
        let staging = place.lock()?.stage(GenerationId::parse(id)?)?;
        let tables = vec![write(&staging, devices(), &[device_batch(&["a"])])?];
        staging.publish(draft(tables), &[("run.json", b"{}")])?;
    }
    let windows = Windows::default();
    let first_ms = GenerationId::parse(FIRST)?.time_ms();
    let late_ms = first_ms + 400 * 86_400_000;
    let retention =
        |now_ms| Retention { windows: &windows, pinned: &[], now_ms, accept_clock: true };
    // Everything is seen first, and is old enough later.
    place.lock()?.retain(retention(first_ms), &record("retention"))?;
    let stop = StopFlag::default();
    let lock = lock(&place, &stop)?;
    stop.request();
    let stopped = lock.retain(retention(late_ms), &record("retention"));
    assert!(matches!(stopped, Err(StoreError::Stopped)), "{stopped:?}");
    assert_eq!(place.tenant.history()?.len(), 2);
    drop(lock);
    let plan = place.lock()?.retain(retention(late_ms), &record("retention"))?;
    assert!(plan.removals.iter().any(|removal| removal.kind == ItemKind::Generation));
    assert_eq!(place.tenant.history()?.len(), 1, "the published one stays");
    Ok(())
}

#[test]
fn a_stop_is_no_damage_and_no_other_tenants_business() -> Checked {
    let place = place()?;
    let stop = StopFlag::default();
    stop.request();
    assert!(!StoreError::Stopped.is_damage());
    assert!(place.tenant.check_stop().is_ok());
    assert!(place.tenant.clone().with_stop(stop).check_stop().is_err());
    Ok(())
}
