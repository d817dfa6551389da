//! A process that reads a working copy for as long as it lives.

use std::time::Duration;

use core_bucket::{BucketError, Follower, GIVE_UP_AFTER, POLL_INTERVAL};
use core_simulator::{BucketCall, BucketFault, SimulatedBucket};
use core_store::{PublishingFailure, StoreError};
use tokio::time::timeout;

use crate::estate::{Estate, FIRST, SECOND};
use crate::working::{events_of_ledger, reader, request, session};

type Tested = Result<(), BucketError>;

/// Lets time pass for a follower, which must not give up.
async fn pass(follower: &mut Follower, time: Duration) {
    let ended = timeout(time, follower.follow()).await;
    assert!(ended.is_err(), "it must go on: {ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_follower_has_what_others_publish_and_erase_and_its_reads_are_sent() -> Tested {
    let bucket = SimulatedBucket::default();
    let (writer, reading) = (Estate::empty(), Estate::empty());
    session(&writer, &bucket, || writer.publish(FIRST, &["ann", "bob"])).await?;
    let mut follower = Follower::open(vec![request(&reading, &bucket)]).await?;
    assert_eq!(reading.devices(), writer.devices());

    session(&writer, &bucket, || {
        writer.publish(SECOND, &["ann", "bob", "cem"]);
        writer.erase("e-1", "bob");
    })
    .await?;
    reading.append_to_ledger("query 1");
    // Then it has fetched the older generation too.
    pass(&mut follower, POLL_INTERVAL + Duration::from_secs(1)).await;
    assert_eq!(reading.devices(), writer.devices());
    assert!(!reading.devices().contains("bob"));

    reading.append_to_ledger("query 2");
    pass(&mut follower, POLL_INTERVAL + Duration::from_secs(1)).await;
    reading.append_to_ledger("query 3");
    follower.close().await;
    session(&writer, &bucket, || {}).await?;
    let events = events_of_ledger(&reader(&bucket).await?);
    for query in ["query 1", "query 2", "query 3"] {
        assert_eq!(events.iter().filter(|event| *event == query).count(), 1, "{events:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_look_at_an_unchanged_bucket_is_one_request() -> Tested {
    let bucket = SimulatedBucket::default();
    let (writer, reading) = (Estate::empty(), Estate::empty());
    session(&writer, &bucket, || writer.publish(FIRST, &["ann"])).await?;
    let mut follower = Follower::open(vec![request(&reading, &bucket)]).await?;
    pass(&mut follower, POLL_INTERVAL + Duration::from_secs(1)).await;
    let before = bucket.traffic();
    pass(&mut follower, 10 * POLL_INTERVAL + Duration::from_secs(1)).await;
    let after = bucket.traffic();
    assert_eq!(after.count(BucketCall::Get) - before.count(BucketCall::Get), 10);
    let all = |traffic: &core_simulator::BucketTraffic| traffic.requests.values().sum::<u64>();
    assert_eq!(all(&after) - all(&before), 10);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_gone_for_minutes_is_waited_for_and_one_that_stays_away_is_not() -> Tested
{
    let bucket = SimulatedBucket::default();
    let (writer, reading) = (Estate::empty(), Estate::empty());
    session(&writer, &bucket, || writer.publish(FIRST, &["ann"])).await?;
    let mut follower = Follower::open(vec![request(&reading, &bucket)]).await?;

    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    pass(&mut follower, GIVE_UP_AFTER / 2).await;
    bucket.update(|behaviour| behaviour.outage = None);
    session(&writer, &bucket, || writer.publish(SECOND, &["ann", "bob"])).await?;
    pass(&mut follower, 2 * POLL_INTERVAL).await;
    assert_eq!(reading.devices(), writer.devices());

    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    let ended = timeout(2 * GIVE_UP_AFTER, follower.follow()).await;
    let error = ended.expect("it gives up");
    assert!(error.to_string().contains("(the store is s3://"), "{error}");
    let is_unreachable =
        matches!(error, StoreError::NotPublished { failure: PublishingFailure::Unreachable, .. });
    assert!(is_unreachable, "{error}");
    Ok(())
}
