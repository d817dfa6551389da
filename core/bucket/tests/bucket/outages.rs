//! A bucket that does not answer for a while: every request is as patient as those for the head.

use std::time::Duration;

use core_bucket::{BucketError, RequestErrorKind, WorkingCopy, refresh};
use core_simulator::{BucketFault, SimulatedBucket};
use core_store::Change;
use tokio::time::{Instant, sleep};

use crate::copies::{self, assert_nothing_else, bucket_place, client_place};
use crate::estate::{Estate, FIRST, SECOND};
use crate::in_process::InProcess;
use crate::working::{open, reader, request, session};

type Tested = Result<(), BucketError>;

/// Has the bucket answer nothing from now on, until the returned future has ended after this time.
fn outage(bucket: &SimulatedBucket, time: Duration) -> impl Future<Output = ()> {
    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    async move {
        sleep(time).await;
        bucket.update(|behaviour| behaviour.outage = None);
    }
}

async fn published_first() -> Result<SimulatedBucket, BucketError> {
    let (bucket, origin) = (SimulatedBucket::default(), Estate::empty());
    session(&origin, &bucket, || origin.publish(FIRST, &["ann"])).await?;
    Ok(bucket)
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_is_sent_when_the_bucket_is_gone_for_minutes_arrives() -> Tested {
    let bucket = published_first().await?;
    let machine = Estate::empty();
    let mut copy = open(&machine, &bucket).await?;
    machine.publish(SECOND, &["ann", "bob"]);
    let minutes = outage(&bucket, Duration::from_mins(3));
    let (published, ()) = tokio::join!(copy.publish(Change::Generation), minutes);
    published?;
    // The lease is renewed, so the bucket has answered.
    sleep(Duration::from_secs(30)).await;
    let minutes = outage(&bucket, Duration::from_mins(3));
    let (closed, ()) = tokio::join!(copy.close(), minutes);
    closed?;
    assert_eq!(reader(&bucket).await?.devices(), machine.devices());
    assert_nothing_else(&bucket);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_once_is_not_waited_for_again_before_the_bucket_answers() -> Tested {
    let bucket = published_first().await?;
    let machine = Estate::empty();
    let mut copy = open(&machine, &bucket).await?;
    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    machine.publish(SECOND, &["ann", "bob"]);
    let started = Instant::now();
    let published = copy.publish(Change::Generation).await;
    assert!(matches!(published, Err(BucketError::Request { .. })), "{published:?}");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_mins(4) && waited < Duration::from_mins(5), "{waited:?}");
    let started = Instant::now();
    assert!(copy.close().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reader_and_a_restore_wait_for_a_minute_and_not_longer() -> Tested {
    let bucket = published_first().await?;
    let (machine, target) = (Estate::empty(), Estate::empty());
    // After the head, so that listings and files are hit too.
    for number in [2, 5] {
        let lost = bucket.requests() + number;
        bucket.update(|behaviour| {
            behaviour.faults.insert(lost, BucketFault::Unavailable);
        });
        refresh(&request(&machine, &bucket)).await?;
        copies::run(&bucket_place(&bucket), &target.place()).await?;
    }
    assert_eq!(machine.devices(), target.devices());

    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Unavailable));
    let started = Instant::now();
    let refused = refresh(&request(&machine, &bucket)).await;
    let is_unanswered =
        matches!(refused, Err(BucketError::Request { kind: RequestErrorKind::Unknown, .. }));
    assert!(is_unanswered, "{refused:?}");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_mins(1) && waited < Duration::from_mins(2), "{waited:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_object_goes_on_after_the_last_byte_that_has_arrived() -> Tested {
    const LARGE: usize = 3_000_000;
    let (bucket, origin) = (SimulatedBucket::default(), Estate::empty());
    session(&origin, &bucket, || {
        origin.publish(FIRST, &["ann"]);
        origin.lock().set_state("findings", &vec![b'x'; LARGE]).expect("there is room");
    })
    .await?;
    // Ten connections are needed, each of which breaks. Reading anew each time would never end.
    let mut client = InProcess::new(&bucket);
    client.breaks_after = Some(LARGE / 10 + 1);
    let (machine, requests) = (Estate::empty(), bucket.requests());
    let mut request = request(&machine, &bucket);
    request.place = client_place(client, "s3://backups/backup");
    refresh(&request).await?;
    assert_eq!(machine.snapshot(), origin.snapshot());
    assert!(bucket.requests() - requests < 30, "{}", bucket.requests() - requests);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn records_of_readers_and_removals_wait_too() -> Tested {
    let bucket = published_first().await?;
    let machine = Estate::empty();
    refresh(&request(&machine, &bucket)).await?;
    machine.append_to_ledger("query 1");
    let sending = request(&machine, &bucket);
    let seconds = outage(&bucket, Duration::from_secs(40));
    let (sent, ()) = tokio::join!(core_bucket::send_reads(&sending), seconds);
    sent?;
    for number in 1..40 {
        let bucket = bucket.fork();
        let lost = bucket.requests() + number;
        bucket.update(|behaviour| {
            behaviour.faults.insert(lost, BucketFault::Unavailable);
        });
        let machine = Estate::empty();
        let copy = WorkingCopy::open(request(&machine, &bucket)).await?;
        machine.publish(SECOND, &["ann", "bob"]);
        copy.close().await?;
        assert_nothing_else(&bucket);
    }
    Ok(())
}
