//! Working copies whose bucket was emptied and begun anew, or whose address leads to another store.

use std::collections::BTreeMap;

use core_bucket::{BucketError, Needed, WorkingCopyRequest, refresh};
use core_simulator::SimulatedBucket;
use core_store::Change;

use crate::copies::{bucket_place, restored, run};
use crate::destroying::destroy;
use crate::estate::{Estate, FIRST, SECOND, THIRD};
use crate::working::{open, reader, request, session};

type Tested = Result<(), BucketError>;

/// The hashes of all files.
fn files(machine: &Estate) -> BTreeMap<String, String> {
    let files = machine.snapshot().files.into_iter();
    files.map(|(path, file)| (path, file.blake3)).collect()
}

/// Asserts that a machine refuses the store in a bucket, for reading and for writing, and keeps what it has.
async fn assert_refused(machine: &Estate, bucket: &SimulatedBucket) {
    let before = files(machine);
    let refused = refresh(&request(machine, bucket)).await.expect_err("it is another store");
    assert!(matches!(&refused, BucketError::OtherStore { .. }), "{refused}");
    let folder = machine.root().join("acme");
    assert!(refused.to_string().ends_with(&format!("remove {}", folder.display())), "{refused}");
    let refused = open(machine, bucket).await.expect_err("it is another store");
    assert!(matches!(&refused, BucketError::OtherStore { .. }), "{refused}");
    assert_eq!(files(machine), before);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_was_begun_anew_does_not_empty_the_working_copies_of_other_machines() -> Tested
{
    let bucket = SimulatedBucket::default();
    let origin = Estate::empty();
    session(&origin, &bucket, || origin.publish(FIRST, &["ann"])).await?;
    let machine = reader(&bucket).await?;
    let anew = SimulatedBucket::default();
    let other = Estate::empty();
    session(&other, &anew, || {}).await?;
    assert_refused(&machine, &anew).await;
    session(&other, &anew, || other.publish(SECOND, &["bob"])).await?;
    assert_refused(&machine, &anew).await;
    // The lease is free, and the machine can still work with its own bucket.
    session(&other, &anew, || other.publish(THIRD, &["bob"])).await?;
    session(&machine, &bucket, || machine.publish(SECOND, &["ann"])).await?;
    // Without its folder, the machine takes the other store over.
    std::fs::remove_dir_all(machine.root().join("acme")).expect("it is ours");
    let all = WorkingCopyRequest { needed: Needed::All, ..request(&machine, &anew) };
    assert!(refresh(&all).await?);
    assert_eq!(files(&machine), files(&other));
    assert_refused(&machine, &bucket).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn events_alone_are_content_too() -> Tested {
    let bucket = SimulatedBucket::default();
    let machine = Estate::empty();
    session(&machine, &bucket, || {
        machine.append_to_ledger("run");
        machine.append_event("event-1");
    })
    .await?;
    let anew = SimulatedBucket::default();
    let refused = refresh(&request(&machine, &anew)).await.expect_err("it has no head");
    assert!(matches!(&refused, BucketError::HeadMissing { .. }), "{refused}");
    let other = Estate::empty();
    session(&other, &anew, || other.publish(FIRST, &["bob"])).await?;
    assert_refused(&machine, &anew).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_removed_and_runs_again_replaces_the_working_copies_of_all_machines()
-> Tested {
    let bucket = SimulatedBucket::default();
    let first = Estate::empty();
    session(&first, &bucket, || first.publish(FIRST, &["ann"])).await?;
    let (machine, late) = (reader(&bucket).await?, reader(&bucket).await?);
    let mut copy = open(&first, &bucket).await?;
    destroy(&first, &mut copy).await?;
    copy.close().await?;
    assert!(refresh(&request(&machine, &bucket)).await?);
    assert!(machine.tenant.is_empty()?);
    session(&machine, &bucket, || machine.publish(SECOND, &["bob"])).await?;
    // This one has not heard of the removal, and its ledger has no entry of the new one.
    assert!(refresh(&request(&late, &bucket)).await?);
    assert_eq!(late.devices(), ["bob".to_owned()].into());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_was_put_into_an_empty_bucket_replaces_working_copies_that_are_newer()
-> Tested {
    let bucket = SimulatedBucket::default();
    let machine = Estate::empty();
    session(&machine, &bucket, || machine.publish(FIRST, &["ann"])).await?;
    let backup = restored(&bucket_place(&bucket)).await?;
    session(&machine, &bucket, || machine.publish(SECOND, &["ann", "bob"])).await?;
    let anew = SimulatedBucket::default();
    run(&backup.place(), &bucket_place(&anew)).await?;
    // Another machine goes on with the backup.
    let other = Estate::empty();
    session(&other, &anew, || other.publish(THIRD, &["cem"])).await?;
    let mut copy = open(&machine, &anew).await?;
    assert_eq!(machine.devices(), ["ann".to_owned(), "cem".to_owned()].into());
    copy.publish(Change::State).await?;
    copy.close().await
}
