//! Working copies without the tables of older generations: what commands do there is what they do in a full copy, and
//! the bucket keeps everything that was not fetched.

use std::collections::BTreeSet;
use std::time::Duration;

use core_bucket::{
    BucketError, Follower, GIVE_UP_AFTER, Needed, POLL_INTERVAL, Session, WorkingCopy,
    WorkingCopyRequest, refresh,
};
use core_simulator::{BucketCall, BucketFault, SimulatedBucket};
use core_store::{
    Change, Generation, GenerationId, Location, Retention, Store, StoreError, TableKind, Windows,
};
use tokio::time::timeout;

use crate::copies::{self, assert_nothing_else, bucket_at};
use crate::estate::{Estate, FIRST, SECOND, THIRD};
use crate::kills::files;
use crate::working::{fetch_tables, open, reader, request, session};

type Tested = Result<(), BucketError>;

/// After all generations of these tests, by more than any retention period.
const LATER_MS: u64 = 1_900_000_000_000;

/// Longer than every wait of a session that is not killed.
const PATIENCE: Duration = Duration::from_hours(1);

/// A bucket with two generations, the older one with a person who is in the newer one too.
async fn two_generations() -> Result<SimulatedBucket, BucketError> {
    let (bucket, origin) = (SimulatedBucket::default(), Estate::empty());
    session(&origin, &bucket, || {
        origin.publish(FIRST, &["ann", "bob", "old"]);
        origin.publish(SECOND, &["ann", "bob", "cem"]);
        origin.append_event("event-1");
    })
    .await?;
    Ok(bucket)
}

async fn refresh_with(machine: &Estate, bucket: &SimulatedBucket, needed: Needed) -> Tested {
    let brought = refresh(&WorkingCopyRequest { needed, ..request(machine, bucket) }).await?;
    assert!(brought, "no process writes here");
    Ok(())
}

/// A machine with the tables of the published generation only.
async fn partial(bucket: &SimulatedBucket) -> Result<Estate, BucketError> {
    let machine = Estate::empty();
    refresh_with(&machine, bucket, Needed::Current).await?;
    Ok(machine)
}

fn id(text: &str) -> GenerationId {
    GenerationId::parse(text).expect("an ID")
}

fn generation(machine: &Estate, text: &str) -> Generation {
    machine.tenant.generation(&id(text)).expect("its manifest is there")
}

/// The key of the object of a generation's table.
fn key_of_table(bucket: &SimulatedBucket, generation: &str) -> String {
    let of_generation = format!("{generation}/entities/");
    let keys = bucket.keys().into_iter();
    keys.filter(|key| key.contains(&of_generation)).collect::<Vec<_>>().pop().expect("an object")
}

/// Removes generations as a run does, by their age.
fn retain(machine: &Estate) {
    let windows = Windows { ledger_days: 100_000, ..Windows::default() };
    let retention =
        Retention { windows: &windows, pinned: &[], now_ms: LATER_MS, accept_clock: true };
    machine.lock().retain(retention, &machine.record("retention")).expect("it can be removed");
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_what_is_small_of_all_generations_and_the_tables_of_the_published_one() -> Tested
{
    let bucket = two_generations().await?;
    let (machine, full) = (partial(&bucket).await?, reader(&bucket).await?);
    assert_eq!(machine.tenant.not_fetched()?, [id(FIRST)]);
    generation(&machine, SECOND).verify()?;
    let older = generation(&machine, FIRST);
    assert_eq!(older.attachment("run.json")?.as_deref(), Some(&b"{}"[..]));
    assert_eq!(machine.tenant.history()?.len(), 2);
    assert_eq!(machine.tenant.inventory()?, full.tenant.inventory()?);

    // What is still to be fetched is no damage.
    assert_eq!(older.find_damage()?, [""; 0]);
    assert_eq!(machine.tenant.damaged_generations()?, []);
    let verified = machine.tenant.verify(&id(FIRST));
    assert!(matches!(&verified, Err(StoreError::NotFetched { id }) if id == FIRST), "{verified:?}");
    assert!(!verified.expect_err("it was not fetched").is_damage());
    let refused = copies::run(&machine.place(), &bucket_at(&bucket, "s3://copy/")).await;
    assert!(matches!(refused, Err(BucketError::Store(StoreError::NotFetched { .. }))));

    refresh_with(&machine, &bucket, Needed::These(vec![id(SECOND)])).await?;
    assert_eq!(machine.tenant.not_fetched()?, [id(FIRST)]);
    refresh_with(&machine, &bucket, Needed::These(vec![id(FIRST)])).await?;
    assert_eq!(machine.tenant.not_fetched()?, []);
    assert_eq!(machine.snapshot(), full.snapshot());
    assert_eq!(machine.devices(), full.devices());
    refresh_with(&machine, &bucket, Needed::Current).await?;
    assert_eq!(machine.devices(), full.devices(), "what was fetched stays");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_run_and_retention_in_a_partial_copy_leave_the_bucket_as_those_in_a_full_one() -> Tested {
    let before = two_generations().await?;
    let mut ends = Vec::new();
    for needed in [Needed::Current, Needed::All] {
        let (bucket, machine) = (before.fork(), Estate::empty());
        refresh_with(&machine, &bucket, needed.clone()).await?;
        let mut copy = open(&machine, &bucket).await?;
        machine.publish(THIRD, &["ann", "dee"]);
        copy.publish(Change::Generation).await?;
        let published = files(&bucket);
        copy.close().await?;
        let has_both = [FIRST, SECOND]
            .map(|id| published.keys().any(|path| path.contains(id) && path.ends_with(".parquet")));
        assert_eq!(has_both, [true, true], "{needed:?}");
        assert_eq!(machine.tenant.not_fetched()?.is_empty(), needed == Needed::All);

        let copy = open(&machine, &bucket).await?;
        retain(&machine);
        copy.close().await?;
        assert_nothing_else(&bucket);
        let seen = reader(&bucket).await?;
        assert_eq!(seen.devices(), ["ann", "dee"].map(str::to_owned).into(), "{needed:?}");
        ends.push((published, files(&bucket)));
    }
    assert_eq!(ends[0], ends[1]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_erasure_in_a_partial_copy_leaves_the_bucket_as_one_in_a_full_copy() -> Tested {
    let before = two_generations().await?;
    let mut ends = Vec::new();
    for needed in [Needed::Current, Needed::All] {
        let (bucket, machine) = (before.fork(), Estate::empty());
        refresh_with(&machine, &bucket, needed).await?;
        let copy = open(&machine, &bucket).await?;
        fetch_tables(&machine, &copy).await?;
        machine.erase("e-1", "bob");
        copy.close().await?;
        assert!(!reader(&bucket).await?.devices().contains("bob"));
        assert_nothing_else(&bucket);
        ends.push(files(&bucket));
    }
    assert_eq!(ends[0], ends[1]);
    Ok(())
}

#[test]
fn a_watched_copy_fetches_a_generation_when_a_file_of_it_is_opened() -> Tested {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let bucket = runtime.block_on(two_generations())?;
    let machine = Estate::empty();
    let session = Session::open(request(&machine, &bucket))?;
    let location = Location::working_copy(machine.root(), session.watch());
    let machine = Estate { tenant: Store::open(location)?.tenant("acme")?, ..machine };
    assert_eq!(machine.tenant.not_fetched()?, [id(FIRST)]);

    let before = bucket.traffic().count(BucketCall::Get);
    let rows: usize = generation(&machine, FIRST)
        .batches(TableKind::Entity, "nexthink_device")?
        .map(|batch| batch.map(|batch| batch.num_rows()))
        .sum::<Result<_, _>>()?;
    assert_eq!(rows, 3);
    assert_eq!(bucket.traffic().count(BucketCall::Get) - before, 1, "its table");
    assert_eq!(machine.tenant.not_fetched()?, []);
    machine.erase("e-1", "bob");
    session.close()?;
    let has_bob = |bytes: &[u8]| bytes.windows(3).any(|part| part == b"bob");
    assert!(!bucket.all_bytes().iter().any(|bytes| has_bob(bytes)), "an object has the person");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_erasure_that_cannot_fetch_removes_nothing_and_is_finished_by_the_next() -> Tested {
    let bucket = two_generations().await?;
    let machine = Estate::empty();
    let copy = open(&machine, &bucket).await?;
    // Nothing watches this folder, so nothing fetches.
    let cleansed = machine.try_erase("e-1", "bob");
    assert!(matches!(cleansed, Err(StoreError::NotFetched { .. })), "{cleansed:?}");
    assert!(machine.tenant.is_anything_uncleansed("audit")?);
    assert_eq!(machine.tenant.closed_by_damage()?, []);
    copy.close().await?;

    let next = Estate::empty();
    let copy = open(&next, &bucket).await?;
    fetch_tables(&next, &copy).await?;
    next.erase("e-1", "bob");
    copy.close().await?;
    let seen = reader(&bucket).await?;
    let expected = ["ann", "cem", "old"].map(str::to_owned);
    assert_eq!(seen.devices(), BTreeSet::from(expected));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_killed_anywhere_is_done_by_the_next_command_of_the_machine() -> Tested {
    let before = two_generations().await?;
    let full = reader(&before).await?;
    for fault in [BucketFault::HangBefore, BucketFault::HangAfter] {
        for number in 1.. {
            let (bucket, machine) = (before.fork(), Estate::empty());
            let copy = open(&machine, &bucket).await?;
            let killed_at = bucket.requests() + number;
            bucket.update(|behaviour| {
                behaviour.faults.insert(killed_at, fault);
            });
            let fetched = timeout(PATIENCE, fetch_tables(&machine, &copy)).await;
            bucket.update(|behaviour| behaviour.faults.clear());
            drop(copy);
            if fetched.is_ok() {
                assert!(number > 1);
                break;
            }
            assert_eq!(machine.tenant.not_fetched()?, [id(FIRST)], "request {number}");
            refresh_with(&machine, &bucket, Needed::All).await?;
            assert_eq!(machine.devices(), full.devices(), "request {number}");
            assert!(!machine.path("copying").exists());
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_table_that_the_bucket_has_lost_is_damage_when_it_is_needed_and_not_before() -> Tested {
    let bucket = two_generations().await?;
    let key = key_of_table(&bucket, FIRST);
    let before = files(&bucket);
    bucket.delete(&key).expect("it is there");
    let machine = Estate::empty();
    let mut copy = open(&machine, &bucket).await?;
    machine.publish(THIRD, &["ann"]);
    copy.publish(Change::Generation).await?;
    let after = files(&bucket);
    let is_first = |path: &&String| path.contains(FIRST);
    assert!(before.keys().filter(is_first).eq(after.keys().filter(is_first)), "nothing is dropped");
    let fetched = copy.fetch(&id(FIRST)).await.expect_err("it is gone").into_store();
    assert!(fetched.is_damage(), "{fetched}");
    assert!(fetched.to_string().contains("is missing in the bucket"), "{fetched}");
    copy.close().await?;

    // A machine with the file puts it back.
    let bucket = two_generations().await?;
    let full = reader(&bucket).await?;
    bucket.delete(&key_of_table(&bucket, FIRST)).expect("it is there");
    session_of(&full, &bucket).await?;
    assert_eq!(reader(&bucket).await?.devices(), full.devices());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_table_of_the_published_generation_that_the_bucket_has_lost_is_named() -> Tested {
    let bucket = two_generations().await?;
    bucket.delete(&key_of_table(&bucket, SECOND)).expect("it is there");
    let machine = Estate::empty();
    let read = refresh(&request(&machine, &bucket)).await.expect_err("it is gone").into_store();
    let written = open(&machine, &bucket).await.expect_err("it is gone").into_store();
    for error in [read, written] {
        assert!(error.is_damage(), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("generation {SECOND} is damaged: generations/")), "{text}");
        assert!(text.contains("part-00000.parquet is missing in the bucket"), "{text}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_follower_goes_on_without_an_older_generation_that_the_bucket_has_lost() -> Tested {
    let bucket = two_generations().await?;
    bucket.delete(&key_of_table(&bucket, FIRST)).expect("it is there");
    let (reading, other) = (Estate::empty(), Estate::empty());
    let mut follower = Follower::open(vec![request(&reading, &bucket)]).await?;
    assert!(timeout(2 * GIVE_UP_AFTER, follower.follow()).await.is_err(), "it goes on");
    let copy = open(&other, &bucket).await?;
    other.publish(THIRD, &["ann", "dee"]);
    copy.close().await?;
    assert!(timeout(2 * POLL_INTERVAL, follower.follow()).await.is_err(), "it goes on");
    let published = reading.tenant.current()?.expect("it is published");
    assert_eq!(published.id().as_str(), THIRD);
    published.verify()?;
    Ok(())
}

/// A command that changes nothing.
async fn session_of(machine: &Estate, bucket: &SimulatedBucket) -> Tested {
    WorkingCopy::open(request(machine, bucket)).await?.close().await
}

#[tokio::test(start_paused = true)]
async fn a_file_that_a_full_copy_has_lost_arrives_again() -> Tested {
    let bucket = two_generations().await?;
    let machine = reader(&bucket).await?;
    let table =
        machine.path(&format!("generations/{FIRST}/entities/nexthink_device/part-00000.parquet"));
    std::fs::remove_file(&table).expect("it is there");
    assert_eq!(machine.tenant.damaged_generations()?.len(), 1, "it is no longer a full copy");
    refresh_with(&machine, &bucket, Needed::Current).await?;
    assert!(table.exists());
    assert_eq!(machine.tenant.damaged_generations()?, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_erased_elsewhere_is_in_no_file_of_a_machine_that_goes_on() -> Tested {
    let bucket = two_generations().await?;
    let (machine, other) = (reader(&bucket).await?, Estate::empty());
    session(&other, &bucket, || other.erase("e-1", "bob")).await?;
    refresh_with(&machine, &bucket, Needed::Current).await?;
    assert_eq!(machine.tenant.not_fetched()?, [id(FIRST)], "its new table is not needed yet");
    for (name, path) in machine.tenant.files()? {
        let bytes = std::fs::read(path).expect("it can be read");
        assert!(!bytes.windows(3).any(|part| part == b"bob"), "{name}");
    }
    refresh_with(&machine, &bucket, Needed::All).await?;
    assert_eq!(machine.devices(), other.devices());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_follower_answers_from_the_published_generation_and_fetches_the_others_meanwhile()
-> Tested {
    let bucket = two_generations().await?;
    let full = reader(&bucket).await?;
    let reading = Estate::empty();
    let mut follower = Follower::open(vec![request(&reading, &bucket)]).await?;
    assert_eq!(reading.tenant.not_fetched()?, [id(FIRST)]);
    generation(&reading, SECOND).verify()?;
    let ended = timeout(POLL_INTERVAL + Duration::from_secs(1), follower.follow()).await;
    assert!(ended.is_err(), "it must go on: {ended:?}");
    assert_eq!(reading.devices(), full.devices());
    assert_eq!(reading.tenant.not_fetched()?, []);
    Ok(())
}
