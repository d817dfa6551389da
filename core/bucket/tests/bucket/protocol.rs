//! A holder and a waiter while the bucket or the other process misbehaves, one case per test.

use std::sync::Arc;
use std::time::Duration;

use core_bucket::{BucketError, Content, HeadStore, HeldLease};
use core_simulator::{BucketCall, BucketFault, SimulatedBucket};
use object_store::ObjectStore;
use tokio::time::Instant;

use crate::support::{LIFETIME, bucket, folder, request};

type Tested = Result<(), BucketError>;

/// Content that a test recognizes.
fn content(mark: &str) -> Content {
    Content { doomed: [mark.to_owned()].into(), ..Content::default() }
}

async fn published(store: &Arc<dyn ObjectStore>) -> Result<Content, BucketError> {
    let stored = HeadStore::new(Arc::clone(store), &folder()).read().await?;
    Ok(stored.expect("there is a head").head.content)
}

async fn acquire(store: &Arc<dyn ObjectStore>, owner: &str) -> Result<HeldLease, BucketError> {
    HeldLease::acquire(Arc::clone(store), &folder(), request(owner)).await
}

/// Plans a fault for the next writes.
fn next_writes(bucket: &SimulatedBucket, fault: BucketFault, count: u64) {
    let first = bucket.requests() + 1;
    // A read-back follows each write.
    let numbers = (0..count).map(|number| (first + 2 * number, fault));
    bucket.update(|behaviour| behaviour.faults.extend(numbers));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_released_is_taken_at_once() -> Tested {
    let (_, store) = bucket();
    let first = acquire(&store, "first").await?;
    first.publish(content("one")).await?;
    first.release().await?;
    let started = Instant::now();
    let second = acquire(&store, "second").await?;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(second.epoch().await?, 2);
    assert_eq!(second.content().await?, content("one"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_killed_holder_is_taken_after_one_lifetime() -> Tested {
    let (_, store) = bucket();
    drop(acquire(&store, "killed").await?);
    let started = Instant::now();
    acquire(&store, "next").await?;
    assert_eq!(started.elapsed(), LIFETIME);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_holder_at_work_is_not_taken() -> Tested {
    let (_, store) = bucket();
    let holder = acquire(&store, "pid 4711").await?;
    let error = acquire(&store, "other").await.expect_err("it is held");
    assert_eq!(
        error.to_string(),
        "another process holds the lease of this tenant in the bucket: pid 4711; try again when it has ended"
    );
    tokio::time::sleep(20 * LIFETIME).await;
    holder.publish(content("still mine")).await?;
    assert_eq!(holder.epoch().await?, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_recognized() -> Tested {
    let (bucket, store) = bucket();
    let holder = acquire(&store, "a").await?;
    next_writes(&bucket, BucketFault::AnswerLost, 1);
    holder.publish(content("one")).await?;
    assert_eq!(published(&store).await?, content("one"));
    assert_eq!(bucket.traffic().count(BucketCall::Put), 2, "it was not written again");
    holder.publish(content("two")).await?;
    assert_eq!(published(&store).await?, content("two"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_first_head_is_recognized() -> Tested {
    let (bucket, store) = bucket();
    // The first request finds that there is no head.
    bucket.update(|behaviour| {
        behaviour.faults.insert(2, BucketFault::AnswerLost);
    });
    let holder = acquire(&store, "a").await?;
    assert_eq!(holder.epoch().await?, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_busy_is_asked_again() -> Tested {
    for fault in [BucketFault::Unavailable, BucketFault::Conflict] {
        let (bucket, store) = bucket();
        let holder = acquire(&store, "a").await?;
        next_writes(&bucket, fault, 3);
        holder.publish(content("one")).await?;
        assert_eq!(published(&store).await?, content("one"), "{fault:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_a_lifetime_loses_nothing() -> Tested {
    let (bucket, store) = bucket();
    let holder = acquire(&store, "a").await?;
    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    let error = holder.publish(content("lost")).await.expect_err("the bucket is gone");
    assert!(matches!(error, BucketError::Unconfirmed { .. }), "{error}");
    bucket.update(|behaviour| behaviour.outage = None);
    holder.publish(content("one")).await?;
    assert_eq!(published(&store).await?, content("one"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_arrives_after_it_was_given_up_is_the_holders_own() -> Tested {
    let (bucket, store) = bucket();
    let holder = acquire(&store, "a").await?;
    // Every write is carried out, and neither it nor the read-back is ever confirmed.
    bucket.update(|behaviour| {
        behaviour.call_faults.insert(BucketCall::Put, BucketFault::AnswerLost);
        behaviour.call_faults.insert(BucketCall::Get, BucketFault::Unavailable);
    });
    let error = holder.publish(content("late")).await.expect_err("it is not confirmed");
    assert!(matches!(error, BucketError::Unconfirmed { .. }), "{error}");
    bucket.update(|behaviour| behaviour.call_faults.clear());
    assert_eq!(published(&store).await?, content("late"));
    holder.publish(content("next")).await?;
    assert_eq!(published(&store).await?, content("next"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_publication_after_the_lease_was_lost_is_refused() -> Tested {
    let (bucket, store) = bucket();
    let cut_off = acquire(&store, "cut off").await?;
    // Cut off: its renewals do not arrive.
    bucket.update(|behaviour| {
        behaviour.call_faults.insert(BucketCall::Put, BucketFault::Unavailable);
    });
    tokio::time::sleep(LIFETIME).await;
    bucket.update(|behaviour| behaviour.call_faults.clear());
    // It renews before the waiter's lifetime is over, and so keeps the lease.
    let next = acquire(&store, "next").await;
    assert!(matches!(next, Err(BucketError::Held { .. })));

    let frozen = HeadStore::new(Arc::clone(&store), &folder());
    let known = frozen.read().await?.expect("there is a head");
    drop(cut_off);
    let next = acquire(&store, "next").await?;
    next.publish(content("next")).await?;
    let stale = known.head.with_content(content("stale"), core_bucket::Nonce::new(u64::MAX));
    let written = frozen.write(Some(&known), stale).await?;
    assert!(matches!(written, core_bucket::Written::Conflict(Some(_))), "{written:?}");
    assert_eq!(published(&store).await?, content("next"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_publication_just_before_the_lease_was_taken_counts() -> Tested {
    let (bucket, store) = bucket();
    let heads = HeadStore::new(Arc::clone(&store), &folder());
    let held = acquire(&store, "a").await?;
    let known = heads.read().await?.expect("there is a head");
    drop(held);
    // It is written, its answer is lost, and another process takes the lease before the read-back.
    let nonce = core_bucket::Nonce::new(u64::MAX);
    let next = known.head.with_content(content("one"), nonce.clone());
    next_writes(&bucket, BucketFault::AnswerLost, 1);
    let slow = heads.clone();
    bucket.update(|behaviour| {
        behaviour.call_faults.insert(BucketCall::Get, BucketFault::Unavailable);
    });
    let writing = tokio::spawn(async move { slow.write(Some(&known), next).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    bucket.update(|behaviour| {
        behaviour.faults.clear();
        behaviour.call_faults.clear();
    });
    let stored = heads.read().await?.expect("there is a head");
    let lease = core_bucket::Lease { owner: "b".to_owned(), lifetime_ms: 60_000 };
    let taken = stored.head.acquired(lease, core_bucket::Nonce::new(u64::MAX - 1));
    assert!(matches!(heads.write(Some(&stored), taken).await?, core_bucket::Written::Done(_)));
    let written = writing.await.expect("it ends")?;
    assert!(matches!(written, core_bucket::Written::Followed(_)), "{written:?}");
    Ok(())
}
