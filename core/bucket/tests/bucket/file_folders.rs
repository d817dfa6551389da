//! Files of another program in a bucket, over connections that break.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use core_bucket::{BucketError, FileFolder, RequestErrorKind};
use core_simulator::{BucketCall, PutCondition, SimulatedBucket};
use futures::TryStreamExt as _;
use object_store::path::Path;
use tokio::time::Instant;

use crate::in_process::InProcess;

type Tested = Result<(), BucketError>;

const NAME: &str = "exports/devices.csv";

/// A bucket with a file of 1,000 bytes, and the folder that has it, over a connection that breaks after so many bytes.
fn folder_that_breaks_after(bytes: usize) -> (SimulatedBucket, FileFolder, Bytes) {
    let bucket = SimulatedBucket::default();
    let content: Bytes = (0..1_000_u32).map(|number| (number % 251) as u8).collect();
    bucket.put(NAME, &content, &PutCondition::Always).expect("it takes everything");
    let mut client = InProcess::new(&bucket);
    client.breaks_after = Some(bytes);
    (bucket, FileFolder::new(Arc::new(client), Path::from("exports"), "s3://b/exports"), content)
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_on_after_the_last_byte_that_has_arrived() -> Tested {
    let (bucket, folder, content) = folder_that_breaks_after(300);
    let file = folder.newest(|_| true).await?.expect("it is there");
    let read: Vec<Bytes> = file.read().try_collect().await?;
    assert_eq!(read.concat(), content);
    assert_eq!(bucket.traffic().count(BucketCall::Get), 4);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_file_of_which_no_further_byte_arrives_is_given_up_after_a_minute() -> Tested {
    let (_, folder, _) = folder_that_breaks_after(0);
    let file = folder.newest(|_| true).await?.expect("it is there");
    let started = Instant::now();
    let refused = file.read().try_next().await.expect_err("nothing arrives");
    let kind = match &refused {
        BucketError::Request { kind, .. } => *kind,
        other => panic!("{other}"),
    };
    assert_eq!(kind, RequestErrorKind::Unknown);
    assert!((60..120).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_file_that_is_replaced_meanwhile_is_not_read() -> Tested {
    let (bucket, folder, content) = folder_that_breaks_after(300);
    let file = folder.newest(|_| true).await?.expect("it is there");
    let mut pieces = file.read();
    assert_eq!(pieces.try_next().await?, Some(content.slice(..300)));
    bucket.put(NAME, &Bytes::from("other"), &PutCondition::Always).expect("it takes everything");
    let refused = tokio::time::timeout(Duration::from_mins(2), pieces.try_next()).await;
    let refused = refused.expect("it is not asked for again").expect_err("it is another file");
    assert!(
        matches!(&refused, BucketError::Request { kind: RequestErrorKind::Conflict, .. }),
        "{refused}"
    );
    Ok(())
}
