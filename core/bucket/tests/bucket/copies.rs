//! Copies between folders and buckets: their results, refusals, and the effects of defects.

use std::sync::Arc;

use bytes::Bytes;
use core_bucket::{BucketError, CopyReport, CopyRequest, DeletedObjects, Place, copy};
use core_simulator::{BucketCall, BucketFault, SimulatedBucket};
use object_store::path::Path;

use crate::estate::{Estate, FIRST, SECOND, THIRD};
use crate::in_process::InProcess;
use crate::support::{LIFETIME, bucket, random};

type Tested = Result<(), BucketError>;

pub(crate) fn bucket_place(bucket: &SimulatedBucket) -> Place {
    bucket_at(bucket, "s3://backups/backup")
}

pub(crate) fn bucket_at(bucket: &SimulatedBucket, address: &str) -> Place {
    client_place(InProcess::new(bucket), address)
}

/// A place that this client reaches.
pub(crate) fn client_place(client: InProcess, address: &str) -> Place {
    Place::Bucket {
        store: Arc::new(client),
        folder: Path::from("backup"),
        shown: address.to_owned(),
    }
}

pub(crate) fn request<'a>(from: &'a Place, to: &'a Place) -> CopyRequest<'a> {
    CopyRequest {
        from,
        to,
        tenant: "acme",
        owner: "pid 4711",
        deleted_objects: DeletedObjects::Gone,
        lease_lifetime: LIFETIME,
        random: random(),
        is_dry_run: false,
        before_sending: &|| Ok(()),
    }
}

pub(crate) async fn run(from: &Place, to: &Place) -> Result<CopyReport, BucketError> {
    copy(&request(from, to)).await
}

/// Copies to a new folder and returns it.
pub(crate) async fn restored(from: &Place) -> Result<Estate, BucketError> {
    let estate = Estate::empty();
    run(from, &estate.place()).await?;
    Ok(estate)
}

/// Asserts that a bucket has only the objects that its head refers to.
pub(crate) fn assert_nothing_else(bucket: &SimulatedBucket) {
    let head = bucket.peek("backup/acme/head.json").expect("there is a head");
    let mut text = String::from_utf8_lossy(&head).into_owned();
    for key in bucket.keys().iter().filter(|key| key.contains("listing")) {
        text += &String::from_utf8_lossy(&bucket.peek(key).expect("it is there"));
    }
    for key in bucket.keys() {
        let name = key.trim_start_matches("backup/acme/");
        assert!(name == "head.json" || text.contains(name), "{key} is not referred to");
    }
    assert!(!text.contains("\"doomed\": [\n"), "something is doomed");
}

#[tokio::test(start_paused = true)]
async fn a_copy_to_a_bucket_and_back_is_what_the_source_is() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    let report = run(&estate.place(), &bucket_place(&bucket)).await?;
    let snapshot = estate.snapshot();
    assert_eq!(report.generations, 2);
    assert_eq!((report.files, report.sent_files), (snapshot.files.len(), snapshot.files.len()));
    assert_nothing_else(&bucket);

    let back = restored(&bucket_place(&bucket)).await?;
    assert_eq!(back.snapshot(), snapshot);
    assert_eq!(back.devices(), estate.devices());
    let log = back.tenant.events("audit").map_err(BucketError::from)?;
    log.verify().map_err(BucketError::from)?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_folder_is_what_the_source_is_after_every_change() -> Tested {
    let (from, to) = (Estate::with_two_generations(), Estate::empty());
    run(&from.place(), &to.place()).await?;
    assert_eq!(to.snapshot(), from.snapshot());
    from.change();
    let report = run(&from.place(), &to.place()).await?;
    assert_eq!(to.snapshot(), from.snapshot());
    assert!(report.removed > 0);
    assert_eq!(to.devices(), ["ann", "cem", "dee"].map(str::to_owned).into());
    assert!(!to.path("copying").exists());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_copy_sends_nothing() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    let folder = Estate::empty();
    for to in [bucket_place(&bucket), folder.place()] {
        run(&estate.place(), &to).await?;
        let again = run(&estate.place(), &to).await?;
        assert_eq!((again.sent_files, again.sent_bytes, again.removed), (0, 0, 0), "{to}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_erased_person_does_not_survive_in_a_copy_that_is_updated() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    run(&estate.place(), &bucket_place(&bucket)).await?;
    assert!(restored(&bucket_place(&bucket)).await?.devices().contains("bob"));
    estate.erase("e-1", "bob");
    run(&estate.place(), &bucket_place(&bucket)).await?;
    assert_nothing_else(&bucket);
    let back = restored(&bucket_place(&bucket)).await?;
    assert_eq!(back.devices(), ["ann", "cem"].map(str::to_owned).into());
    assert_eq!(back.tenant.erasures().map_err(BucketError::from)?, ["e-1".to_owned()].into());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_a_copy_would_do_and_writes_nothing() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    let (from, to) = (estate.place(), bucket_place(&bucket));
    let dry = copy(&CopyRequest { is_dry_run: true, ..request(&from, &to) }).await?;
    assert_eq!(bucket.keys(), Vec::<String>::new());
    let wet = run(&from, &to).await?;
    assert_eq!((dry.sent_files, dry.sent_bytes), (wet.sent_files, wet.sent_bytes));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_an_earlier_state_is_refused() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    let place = bucket_place(&bucket);
    run(&estate.place(), &place).await?;
    let keys = bucket.keys();

    let other = Estate::empty();
    other.publish(FIRST, &["zoe"]);
    let refused = run(&other.place(), &place).await.expect_err("it is older").to_string();
    assert!(refused.contains("has a newer generation than"), "{refused}");
    other.publish(THIRD, &["zoe"]);
    let refused = run(&other.place(), &place).await.expect_err("it is another's").to_string();
    assert!(refused.contains("has entries that the one in"), "{refused}");

    let used = restored(&place).await?;
    used.append_to_ledger("query");
    let refused = run(&place, &used.place()).await.expect_err("it was used").to_string();
    assert!(refused.contains("it was used since the last copy"), "{refused}");

    let nothing = Estate::empty();
    let refused = run(&nothing.place(), &place).await.expect_err("it is empty").to_string();
    assert!(refused.contains("there is no generation of tenant acme in"), "{refused}");
    let refused = run(&place, &place).await.expect_err("it is the same").to_string();
    assert!(refused.contains("both places are the same"), "{refused}");
    assert_eq!(bucket.keys(), keys);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_damaged_source_does_not_replace_a_copy() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    let place = bucket_place(&bucket);
    run(&estate.place(), &place).await?;
    let before = restored(&place).await?.snapshot();
    estate.publish(THIRD, &["ann", "dee"]);
    let table = format!("generations/{THIRD}/entities/nexthink_device/part-00000.parquet");
    let mut bytes = std::fs::read(estate.path(&table)).expect("it is there");
    bytes[10] ^= 1;
    std::fs::write(estate.path(&table), bytes).expect("there is room");
    let error = run(&estate.place(), &place).await.expect_err("it is damaged");
    assert!(matches!(error, BucketError::Corrupt { .. }), "{error}");
    assert_eq!(restored(&place).await?.snapshot(), before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_damaged_copy_is_not_restored() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    run(&estate.place(), &bucket_place(&bucket)).await?;
    let keys = bucket.keys();
    let table = keys.iter().find(|key| key.ends_with(".parquet")).expect("there is one");
    let mut bytes = bucket.peek(table).expect("it is there").to_vec();
    bytes[10] ^= 1;
    bucket.overwrite(table, bytes.into());
    let back = Estate::empty();
    let error = run(&bucket_place(&bucket), &back.place()).await.expect_err("it is damaged");
    assert!(matches!(error, BucketError::Corrupt { .. }), "{error}");
    assert!(back.tenant.current().map_err(BucketError::from)?.is_none());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_upload_in_parts_that_fails_is_aborted_and_sent_by_the_next_copy() -> Tested {
    let estate = Estate::with_two_generations();
    let large = vec![b'x'; 12_000_000];
    estate.lock().set_state("findings", &large).map_err(BucketError::from)?;
    let (bucket, _) = bucket();
    for call in [BucketCall::PutPart, BucketCall::CompleteUpload] {
        bucket.update(|behaviour| {
            behaviour.call_faults = [(call, BucketFault::Unavailable)].into();
        });
        let failed = run(&estate.place(), &bucket_place(&bucket)).await;
        assert!(matches!(failed, Err(BucketError::Request { .. })), "{failed:?}");
        assert_eq!(bucket.unfinished_uploads(), 0, "{call:?}");
    }
    bucket.update(|behaviour| behaviour.call_faults.clear());
    let report = run(&estate.place(), &bucket_place(&bucket)).await?;
    assert!(report.sent_files < report.files, "what was sent before is not sent again");
    assert_eq!(restored(&bucket_place(&bucket)).await?.snapshot(), estate.snapshot());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_more_than_a_thousand_keys_is_read_to_its_end() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    for number in 0..1_001 {
        let key = format!("backup/acme/generations/left-by-a-killed-copy-{number:04}");
        bucket.overwrite(&key, Bytes::from_static(b"x"));
    }
    let report = run(&estate.place(), &bucket_place(&bucket)).await?;
    assert_eq!(report.removed, 1_001);
    assert_nothing_else(&bucket);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_ignores_conditions_is_refused() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    bucket.update(|behaviour| behaviour.ignores_conditions = true);
    let error = run(&estate.place(), &bucket_place(&bucket)).await.expect_err("it is unsuitable");
    assert_eq!(
        error.to_string(),
        "the bucket cannot hold a store: it replaces an object despite `If-None-Match: *`; use a service with \
         conditional writes, such as Amazon S3, Azure Blob Storage or MinIO"
    );
    assert_eq!(bucket.keys(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_versioned_bucket_is_refused_unless_that_is_declared() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, _) = bucket();
    bucket.update(|behaviour| behaviour.is_versioned = true);
    let (from, to) = (estate.place(), bucket_place(&bucket));
    let error = copy(&request(&from, &to)).await.expect_err("it is versioned").to_string();
    assert!(error.contains("say so with --deleted-objects-kept-days N"), "{error}");
    let days = std::num::NonZeroU32::new(30).expect("not zero");
    let deleted_objects = DeletedObjects::KeptDays(days);
    copy(&CopyRequest { deleted_objects, ..request(&from, &to) }).await?;
    assert_eq!(restored(&to).await?.snapshot(), estate.snapshot());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_for_no_other_copy_that_is_at_work() -> Tested {
    let estate = Estate::with_two_generations();
    let (bucket, store) = bucket();
    let folder = Path::from("backup/acme");
    let lease = crate::support::request("another copy");
    let held = core_bucket::HeldLease::acquire(store, &folder, lease).await?;
    let error = run(&estate.place(), &bucket_place(&bucket)).await.expect_err("it is held");
    assert!(matches!(&error, BucketError::Held { owner } if owner == "another copy"), "{error}");
    held.release().await?;
    run(&estate.place(), &bucket_place(&bucket)).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_may_show_an_erased_person_is_not_copied() -> Tested {
    let estate = Estate::with_two_generations();
    estate.lock().set_erasures(&["e-1".to_owned()].into()).map_err(BucketError::from)?;
    let (bucket, _) = bucket();
    let error = run(&estate.place(), &bucket_place(&bucket)).await.expect_err("not cleansed");
    assert!(error.to_string().contains(FIRST) || error.to_string().contains(SECOND), "{error}");
    Ok(())
}
