//! Working copies: machines that take turns with a tenant whose store is a bucket, and are killed at it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use core_bucket::{
    BucketError, DeletedObjects, Needed, Session, WorkingCopy, WorkingCopyRequest, refresh,
    send_reads,
};
use core_files::FileLock;
use core_simulator::{BucketBehaviour, BucketFault, SimulatedBucket};
use core_store::{Change, GenerationId, LEDGER_PATH, Location, Store, StoreError};

use crate::copies::{assert_nothing_else, bucket_place, client_place};
use crate::estate::{Estate, FIRST, SECOND, THIRD};
use crate::in_process::InProcess;
use crate::support::{LIFETIME, random};

type Tested = Result<(), BucketError>;

/// Longer than every wait of a session that is not killed.
const PATIENCE: Duration = Duration::from_hours(1);

pub(crate) fn request(machine: &Estate, bucket: &SimulatedBucket) -> WorkingCopyRequest {
    WorkingCopyRequest {
        place: bucket_place(bucket),
        folder: Store::open(Location::Folder(machine.root())).expect("the path is absolute"),
        tenant: "acme".to_owned(),
        owner: "a machine".to_owned(),
        deleted_objects: DeletedObjects::Gone,
        needed: Needed::Current,
        is_probed: false,
        lease_lifetime: LIFETIME,
        random: random(),
    }
}

pub(crate) async fn open(
    machine: &Estate,
    bucket: &SimulatedBucket,
) -> Result<WorkingCopy, BucketError> {
    WorkingCopy::open(request(machine, bucket)).await
}

/// Opens a tenant on a machine, works there and publishes.
pub(crate) async fn session(
    machine: &Estate,
    bucket: &SimulatedBucket,
    work: impl FnOnce(),
) -> Tested {
    let copy = open(machine, bucket).await?;
    fetch_tables(machine, &copy).await?;
    work();
    copy.close().await
}

/// Fetches the tables that a machine lacks, as a session does when they are opened.
pub(crate) async fn fetch_tables(machine: &Estate, copy: &WorkingCopy) -> Tested {
    for id in machine.tenant.not_fetched()? {
        copy.fetch(&id).await?;
    }
    Ok(())
}

/// A machine with a full copy for reading.
pub(crate) async fn reader(bucket: &SimulatedBucket) -> Result<Estate, BucketError> {
    let machine = Estate::empty();
    let all = WorkingCopyRequest { needed: Needed::All, ..request(&machine, bucket) };
    assert!(refresh(&all).await?, "no process writes here");
    Ok(machine)
}

/// The hashes of all files but the ledger, whose entries depend on the sequence of actions.
fn files(machine: &Estate) -> BTreeMap<String, String> {
    let files = machine.snapshot().files.into_iter();
    let files = files.filter(|(path, _)| !path.starts_with("ledger/"));
    // A manifest names the head of the ledger.
    let files = files.filter(|(path, _)| !path.ends_with("manifest.json"));
    files.map(|(path, file)| (path, file.blake3)).collect()
}

pub(crate) fn events_of_ledger(machine: &Estate) -> Vec<String> {
    let entries = machine.tenant.ledger().entries().expect("it can be read");
    entries.into_iter().map(|entry| entry.record.event).collect()
}

/// Makes the changes of a run and an erasure, and publishes in between.
pub(crate) async fn run(machine: &Estate, copy: &mut WorkingCopy) -> Tested {
    machine.lock().set_state("quota", b"{\"started\": 8}").expect("there is room");
    copy.publish(Change::State).await?;
    machine.lock().downloads()?.set_note("devices", b"{\"id\": 1}").expect("there is room");
    copy.publish(Change::Notes).await?;
    machine.publish(THIRD, &["ann", "bob", "dee"]);
    copy.publish(Change::Generation).await?;
    machine.lock().downloads()?.remove("devices").expect("it is there");
    copy.publish(Change::Notes).await?;
    machine.append_event("event-2");
    fetch_tables(machine, copy).await?;
    machine.erase("e-1", "bob");
    copy.publish(Change::State).await
}

#[tokio::test(start_paused = true)]
async fn machines_take_turns_and_each_has_what_the_others_did() -> Tested {
    let bucket = SimulatedBucket::default();
    let (first, second) = (Estate::empty(), Estate::empty());
    session(&first, &bucket, || {
        first.publish(FIRST, &["ann", "bob"]);
        first.append_event("event-1");
    })
    .await?;
    session(&second, &bucket, || {
        assert_eq!(second.devices(), first.devices());
        second.publish(SECOND, &["ann", "bob", "cem"]);
        second.erase("e-1", "bob");
    })
    .await?;
    assert!(first.devices().contains("bob"), "this machine was not used since");
    session(&first, &bucket, || assert_eq!(first.snapshot(), second.snapshot())).await?;
    assert!(!first.devices().contains("bob"), "what was erased elsewhere is gone here");
    let seen = reader(&bucket).await?;
    assert_eq!(seen.snapshot(), second.snapshot());
    assert!(seen.tenant.ledger().verify(&[])?.findings.is_empty());
    assert_nothing_else(&bucket);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_killed_anywhere_is_taken_over_and_ends_as_one_from_scratch() -> Tested {
    let before = SimulatedBucket::default();
    let origin = Estate::empty();
    session(&origin, &before, || {
        origin.publish(FIRST, &["ann", "bob"]);
        origin.publish(SECOND, &["ann", "bob", "cem"]);
        origin.append_event("event-1");
    })
    .await?;
    let scratch = Estate::empty();
    let undisturbed = before.fork();
    let mut copy = open(&scratch, &undisturbed).await?;
    run(&scratch, &mut copy).await?;
    copy.close().await?;
    let expected = files(&scratch);

    // "Before a request" is mostly "after the previous one", except for requests that are sent at the same time.
    for (fault, step) in [(BucketFault::HangAfter, 1), (BucketFault::HangBefore, 5)] {
        for number in (1..).step_by(step) {
            let bucket = before.fork();
            let killed_at = bucket.requests() + number;
            bucket.update(|behaviour| {
                behaviour.faults.insert(killed_at, fault);
            });
            let victim = Estate::empty();
            let working = async {
                let mut copy = open(&victim, &bucket).await?;
                run(&victim, &mut copy).await?;
                copy.close().await
            };
            let ended = tokio::time::timeout(PATIENCE, working).await;
            bucket.update(|behaviour| behaviour.faults.clear());
            if let Ok(ended) = ended {
                ended?;
                assert!(number > 60, "a session has more than {number} requests");
                break;
            }
            check_after_kill(&bucket, &origin, number).await?;
            take_over(&bucket, &expected, number).await?;
        }
    }
    Ok(())
}

/// Checks that readers see the whole old generation or the whole new one.
async fn check_after_kill(bucket: &SimulatedBucket, origin: &Estate, number: u64) -> Tested {
    let seen = reader(bucket).await?;
    let current = seen.tenant.history().expect("it is whole").into_iter().find(|e| e.is_current);
    let current = current.expect("something is published").id;
    assert!([SECOND, THIRD].contains(&current.as_str()), "request {number}");
    for id in [FIRST, SECOND] {
        let id = GenerationId::parse(id).expect("an ID");
        // A generation that has not been through an erasure cannot be opened.
        match seen.tenant.generation(&id) {
            Ok(generation) => generation.verify()?,
            Err(error) => assert!(error.to_string().contains("erased"), "{error}"),
        }
    }
    assert!(origin.devices().contains("bob"));
    Ok(())
}

/// Lets another machine do the rest of the work.
async fn take_over(
    bucket: &SimulatedBucket,
    expected: &BTreeMap<String, String>,
    number: u64,
) -> Tested {
    let heir = Estate::empty();
    let mut copy = open(&heir, bucket).await?;
    let has_third = heir.path(&format!("generations/{THIRD}")).is_dir();
    let notes = heir.tenant.download_notes()?;
    assert!(notes.len() <= 1 && notes.iter().all(|(_, note)| note == b"{\"id\": 1}"));
    if has_third {
        heir.lock().downloads()?.remove("devices")?;
        if !heir.path("events/audit/date=2026-01-01/part-00000001.parquet").exists() {
            heir.append_event("event-2");
        }
        fetch_tables(&heir, &copy).await?;
        heir.erase("e-1", "bob");
        copy.publish(Change::State).await?;
    } else {
        run(&heir, &mut copy).await?;
    }
    copy.close().await?;
    let seen = reader(bucket).await?;
    assert_eq!(files(&seen), *expected, "request {number}");
    assert!(!seen.devices().contains("bob"), "request {number}");
    assert_eq!(seen.tenant.download_notes()?, []);
    assert!(seen.tenant.ledger().verify(&[])?.findings.is_empty(), "request {number}");
    assert_nothing_else(bucket);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_lost_its_lease_publishes_nothing_and_forgets_what_it_made() -> Tested {
    let bucket = SimulatedBucket::default();
    let (slow, quick) = (Estate::empty(), Estate::empty());
    let stopped = InProcess::new(&bucket);
    let pause = stopped.pause();
    let mut slow_request = request(&slow, &bucket);
    slow_request.place = client_place(stopped, "s3://backups/backup");
    let mut copy = WorkingCopy::open(slow_request).await?;
    slow.publish(SECOND, &["from the slow machine"]);

    let paused = pause.write_owned().await;
    assert!(!refresh(&request(&slow, &bucket)).await?, "this machine writes");
    session(&quick, &bucket, || quick.publish(FIRST, &["ann"])).await?;
    // What the other one did, an erasure perhaps, is not in the folder yet.
    let refused = refresh(&request(&slow, &bucket)).await.expect_err("the lease is lost");
    assert!(matches!(refused, BucketError::OutOfDate), "{refused}");
    drop(paused);

    let lost = copy.publish(Change::Generation).await;
    assert!(matches!(lost, Err(BucketError::LeaseLost { .. })), "{lost:?}");
    let lost = copy.close().await;
    assert!(matches!(lost, Err(BucketError::LeaseLost { .. })), "{lost:?}");
    assert!(refresh(&request(&slow, &bucket)).await?);
    assert_eq!(slow.devices(), quick.devices());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_first_run_of_a_tenant_that_is_killed_leaves_nothing_that_is_taken_for_published()
-> Tested {
    let bucket = SimulatedBucket::default();
    let machine = Estate::empty();
    let copy = open(&machine, &bucket).await?;
    machine.publish(FIRST, &["ann"]);
    machine.lock().set_state("quota", b"{}")?;
    drop(copy);
    assert!(refresh(&request(&machine, &bucket)).await?);
    assert!(machine.tenant.history()?.is_empty());
    assert_eq!(machine.tenant.state("quota")?, None);
    session(&machine, &bucket, || machine.publish(SECOND, &["bob"])).await?;
    let seen = reader(&bucket).await?;
    assert_eq!(seen.devices(), ["bob".to_owned()].into());
    // The actions on this machine are recorded, although they had no result.
    assert_eq!(events_of_ledger(&seen), [format!("run {FIRST}"), format!("run {SECOND}")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_lost_its_head_does_not_empty_the_working_copy() -> Tested {
    let bucket = SimulatedBucket::default();
    let origin = Estate::empty();
    session(&origin, &bucket, || origin.publish(FIRST, &["ann"])).await?;
    let machine = reader(&bucket).await?;
    let before = files(&machine);
    // As with the address of another service.
    let other = SimulatedBucket::default();
    let refused = refresh(&request(&machine, &other)).await.expect_err("it has no head");
    assert!(matches!(&refused, BucketError::HeadMissing { .. }), "{refused}");
    let refused = open(&machine, &other).await.expect_err("it has no head");
    assert!(matches!(&refused, BucketError::HeadMissing { .. }), "{refused}");
    assert_eq!(other.keys(), [""; 0], "nothing is written there");
    assert_eq!(files(&machine), before);
    session(&machine, &bucket, || machine.publish(SECOND, &["ann"])).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_read_without_a_lease_is_in_the_ledger_once() -> Tested {
    let bucket = SimulatedBucket::default();
    let (writer, asking) = (Estate::empty(), Estate::empty());
    session(&writer, &bucket, || writer.publish(FIRST, &["ann"])).await?;
    let reading = request(&asking, &bucket);
    assert!(refresh(&reading).await?);
    asking.append_to_ledger("query 1");
    send_reads(&reading).await?;
    send_reads(&reading).await?;
    // The process is killed before it sends this record; the next command on this machine sends it.
    asking.append_to_ledger("query 2");
    assert!(refresh(&reading).await?);
    assert!(refresh(&reading).await?);
    assert_eq!(bucket.keys().iter().filter(|key| key.contains("/reads/")).count(), 2);

    session(&writer, &bucket, || writer.append_to_ledger("run 2")).await?;
    session(&writer, &bucket, || writer.append_to_ledger("run 3")).await?;
    assert_nothing_else(&bucket);
    let mut events = events_of_ledger(&reader(&bucket).await?);
    events[1..3].sort();
    assert_eq!(events, [&format!("run {FIRST}"), "query 1", "query 2", "run 2", "run 3"]);
    Ok(())
}

/// A read that another process of the machine records while this one brings the folder up to date.
#[tokio::test(start_paused = true)]
async fn a_torn_line_of_the_ledger_makes_no_entry_a_read() -> Tested {
    let bucket = SimulatedBucket::default();
    let writer = Estate::empty();
    session(&writer, &bucket, || writer.publish(FIRST, &["ann"])).await?;
    // As an append for which there is no room.
    session(&writer, &bucket, || {
        let ledger = writer.path(LEDGER_PATH);
        let mut file = fs::OpenOptions::new().append(true).open(ledger).expect("it is there");
        file.write_all(b"{\"sequence\":").expect("there is room");
    })
    .await?;
    let asking = reader(&bucket).await?;
    asking.append_to_ledger("query 1");
    refresh(&request(&asking, &bucket)).await?;
    session(&writer, &bucket, || {}).await?;
    let events = events_of_ledger(&reader(&bucket).await?);
    for event in [format!("run {FIRST}"), "query 1".to_owned()] {
        assert_eq!(events.iter().filter(|found| **found == event).count(), 1, "{events:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ends_while_the_folder_is_replaced_is_in_the_ledger_once() -> Tested {
    let before = SimulatedBucket::default();
    let origin = Estate::empty();
    session(&origin, &before, || origin.publish(FIRST, &["ann"])).await?;
    for turns in 0..40 {
        let (bucket, writer, asking) = (before.fork(), Estate::empty(), Estate::empty());
        let client = InProcess::new(&bucket);
        let between_requests = client.pause();
        let place = client_place(client, "s3://backups/backup");
        let reading = WorkingCopyRequest { place, ..request(&asking, &bucket) };
        assert!(refresh(&reading).await?);
        session(&writer, &bucket, || writer.publish(SECOND, &["ann", "bob"])).await?;

        // Who waits for the lock has it after the next request.
        let mut turn = between_requests.write().await;
        let ending = async {
            for _ in 0..turns {
                drop(turn);
                turn = between_requests.write().await;
            }
            asking.append_to_ledger("query 1");
            drop(turn);
        };
        let (refreshed, ()) = tokio::join!(refresh(&reading), ending);
        assert!(refreshed?);
        assert!(asking.path(&format!("generations/{SECOND}")).is_dir());
        assert!(refresh(&reading).await?);
        session(&writer, &bucket, || {}).await?;
        let events = events_of_ledger(&reader(&bucket).await?);
        let reads = events.iter().filter(|event| *event == "query 1").count();
        assert_eq!(reads, 1, "after {turns} turns: {events:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn exports_that_were_started_elsewhere_are_gone_on_with_and_used_ones_forgotten() -> Tested {
    let bucket = SimulatedBucket::default();
    let (dead, heir) = (Estate::empty(), Estate::empty());
    let mut copy = open(&dead, &bucket).await?;
    let note = br#"{"exportId": 7}"#;
    dead.lock().downloads()?.set_note("devices", note)?;
    dead.lock().downloads()?.resume("devices")?;
    copy.publish(Change::Notes).await?;
    drop(copy);

    let copy = open(&heir, &bucket).await?;
    assert_eq!(heir.tenant.download_notes()?, [("devices".to_owned(), note.to_vec())]);
    heir.lock().downloads()?.remove("devices")?;
    copy.close().await?;

    drop(open(&dead, &bucket).await?);
    assert!(!dead.path("staging/downloads/devices").exists(), "its rows may be of erased people");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_export_whose_note_the_bucket_did_not_get_is_known_until_another_machine_works() -> Tested
{
    let bucket = SimulatedBucket::default();
    let (machine, other) = (Estate::empty(), Estate::empty());
    session(&machine, &bucket, || {}).await?;
    let outage = |fault| bucket.update(|behaviour| behaviour.outage = fault);

    let mut copy = open(&machine, &bucket).await?;
    outage(Some(BucketFault::Unavailable));
    machine.lock().downloads()?.set_note("devices", b"an export")?;
    let sent = copy.publish(Change::Notes).await;
    assert!(matches!(sent, Err(BucketError::Unconfirmed { .. })), "{sent:?}");
    drop(copy);
    outage(None);

    let noted = [("devices".to_owned(), b"an export".to_vec())];
    assert!(refresh(&request(&machine, &bucket)).await?, "no process writes here");
    assert_eq!(machine.tenant.download_notes()?, noted);
    let copy = open(&machine, &bucket).await?;
    assert_eq!(machine.tenant.download_notes()?, noted);
    drop(copy);
    // A command that takes the lease and gets no further.
    let working = FileLock::try_acquire(&machine.root().join("acme.session"))?;
    let locked = open(&machine, &bucket).await.expect_err("the folder is in use");
    assert!(matches!(locked, BucketError::Store(StoreError::Locked { .. })), "{locked}");
    drop(working);
    assert!(refresh(&request(&machine, &bucket)).await?, "no process writes here");
    assert_eq!(machine.tenant.download_notes()?, noted);
    let mut copy = open(&machine, &bucket).await?;
    assert_eq!(machine.tenant.download_notes()?, noted);
    // Again without a word to the bucket, as if the machine were lost.
    machine.lock().downloads()?.set_note("users", b"another export")?;
    copy.publish(Change::State).await?;
    machine.lock().downloads()?.set_note("alerts", b"a third one")?;
    drop(copy);

    session(&other, &bucket, || {}).await?;
    drop(open(&machine, &bucket).await?);
    let names: Vec<_> =
        machine.tenant.download_notes()?.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["devices", "users"], "the bucket's, since another machine has worked");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_ignores_conditions_is_refused_before_anything_is_in_it() -> Tested {
    let behaviour = BucketBehaviour { ignores_conditions: true, ..BucketBehaviour::default() };
    let bucket = SimulatedBucket::new(behaviour);
    for _ in 0..2 {
        let refused = open(&Estate::empty(), &bucket).await;
        assert!(matches!(refused, Err(BucketError::Unsuitable { .. })), "{refused:?}");
    }
    Ok(())
}

#[test]
fn what_a_watched_folder_has_is_in_the_bucket_before_the_call_returns() -> Tested {
    let bucket = SimulatedBucket::default();
    let machine = Estate::empty();
    let session = Session::open(request(&machine, &bucket))?;
    let location = Location::working_copy(machine.root(), session.watch());
    let machine = Estate { tenant: Store::open(location)?.tenant("acme")?, ..machine };
    let head = || {
        String::from_utf8_lossy(&bucket.peek("backup/acme/head.json").unwrap_or_default())
            .into_owned()
    };
    machine.lock().set_state("quota", b"{\"started\": 9}")?;
    assert!(head().contains("started"));
    machine.lock().downloads()?.set_note("devices", b"an export")?;
    assert!(head().contains("an export"));
    machine.publish(FIRST, &["ann"]);
    assert!(head().contains(FIRST));
    assert!(head().contains("\"lifetime_ms\""), "the lease is held");
    let kept = machine.tenant.also_kept();
    assert!(kept.len() == 1 && kept[0].contains("other machines"), "{kept:?}");
    session.close()?;
    assert!(!head().contains("\"lifetime_ms\""), "the lease is free");
    let closed = machine.lock().set_state("quota", b"{}").map_err(|error| error.to_string());
    assert!(closed.is_err_and(|error| error.contains("has ended")));
    Ok(())
}
