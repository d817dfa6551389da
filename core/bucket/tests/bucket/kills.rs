//! A copy that is killed at each of its requests, before and after the bucket has carried it out.
//!
//! At every moment, the bucket has the old store or the new one, and the next copy completes it.

use std::collections::BTreeMap;
use std::time::Duration;

use core_bucket::{BucketError, Place};
use core_simulator::{BucketFault, SimulatedBucket};
use serde_json::Value;

use crate::copies::{assert_nothing_else, bucket_at, bucket_place, restored, run};
use crate::estate::Estate;

/// Longer than every wait of a copy that is not killed.
const PATIENCE: Duration = Duration::from_hours(1);

/// Copies, and kills the copy at a request. Returns true if it ended before that.
async fn killed_at(
    number: u64,
    fault: BucketFault,
    from: &Place,
    bucket: &SimulatedBucket,
) -> Result<bool, BucketError> {
    let number = bucket.requests() + number;
    bucket.update(|behaviour| {
        behaviour.faults.insert(number, fault);
    });
    let ended = tokio::time::timeout(PATIENCE, run(from, &bucket_place(bucket))).await;
    bucket.update(|behaviour| behaviour.faults.clear());
    match ended {
        Ok(result) => result.map(|_| true),
        Err(_) => Ok(false),
    }
}

/// Reads the published content of a bucket: the hashes of the files by path. None if nothing is
/// published.
async fn shown(bucket: &SimulatedBucket) -> Result<Option<BTreeMap<String, String>>, BucketError> {
    let copy = SimulatedBucket::default();
    match run(&bucket_place(bucket), &bucket_at(&copy, "s3://copy/")).await {
        Ok(_) => Ok(Some(files(&copy))),
        Err(BucketError::Empty { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The hashes of the files that the head of a bucket refers to.
pub(crate) fn files(bucket: &SimulatedBucket) -> BTreeMap<String, String> {
    let read = |key: &str| -> Value {
        let bytes = bucket.peek(&format!("backup/acme/{key}")).expect("it is there");
        serde_json::from_slice(&bytes).expect("it is JSON")
    };
    let content = &read("head.json")["content"];
    let mut files = BTreeMap::new();
    for (path, text) in content["small_files"].as_object().into_iter().flatten() {
        let text = text.as_str().expect("a text");
        files.insert(path.clone(), blake3::hash(text.as_bytes()).to_hex().to_string());
    }
    for listing in content["listings"].as_object().into_iter().flat_map(|all| all.values()) {
        let listing = read(listing["key"].as_str().expect("a key"));
        for (path, object) in listing["files"].as_object().into_iter().flatten() {
            files.insert(path.clone(), object["blake3"].as_str().expect("a hash").to_owned());
        }
    }
    files
}

/// The hashes of the files of a store.
fn expected(estate: &Estate) -> BTreeMap<String, String> {
    let files = estate.snapshot().files;
    files.into_iter().map(|(path, file)| (path, file.blake3)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_copy_that_is_killed_anywhere_is_completed_by_the_next_one()
-> Result<(), BucketError> {
    let estate = Estate::with_two_generations();
    let whole = expected(&estate);
    for fault in [BucketFault::HangBefore, BucketFault::HangAfter] {
        for number in 1.. {
            let bucket = SimulatedBucket::default();
            let is_over = killed_at(number, fault, &estate.place(), &bucket).await?;
            let seen = shown(&bucket).await?;
            assert!(seen.is_none() || seen.as_ref() == Some(&whole), "request {number}");
            run(&estate.place(), &bucket_place(&bucket)).await?;
            assert_eq!(files(&bucket), whole, "request {number}");
            if is_over {
                assert!(number > 40, "a copy has more than {number} requests");
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_anywhere_shows_the_old_or_the_new_store()
-> Result<(), BucketError> {
    let estate = Estate::with_two_generations();
    let copied = SimulatedBucket::default();
    run(&estate.place(), &bucket_place(&copied)).await?;
    let before = expected(&estate);
    estate.change();
    let after = expected(&estate);
    for fault in [BucketFault::HangBefore, BucketFault::HangAfter] {
        for number in 1.. {
            let bucket = copied.fork();
            let is_over = killed_at(number, fault, &estate.place(), &bucket).await?;
            let seen = shown(&bucket).await?.expect("it was copied before");
            assert!(seen == before || seen == after, "half of a copy after request {number}");
            run(&estate.place(), &bucket_place(&bucket)).await?;
            assert_eq!(files(&bucket), after, "request {number}");
            assert_nothing_else(&bucket);
            if is_over {
                assert_eq!(seen, after);
                break;
            }
        }
    }
    let end = copied.fork();
    run(&estate.place(), &bucket_place(&end)).await?;
    assert!(!restored(&bucket_place(&end)).await?.devices().contains("bob"));
    Ok(())
}
