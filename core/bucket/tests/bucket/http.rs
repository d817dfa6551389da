//! The same over real HTTP, with the client behind the feature `cloud`.

use std::sync::Arc;

use core_bucket::{
    BucketError, ClientSettings, Content, HeadStore, HeldLease, Nonce, Place, Written, probe,
};
use core_simulator::{BucketBehaviour, BucketCall, BucketFault, BucketServer, SimulatedBucket};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::copies::{restored, run};
use crate::estate::Estate;
use crate::support::{folder, random, request};

/// The address of the bucket.
const ADDRESS: &str = "s3://backups/backup";

/// The number of racing writers, and of the writes of each.
const WRITERS: u64 = 8;
const WRITES: u64 = 10;

async fn served() -> (SimulatedBucket, BucketServer, Place) {
    let bucket = SimulatedBucket::new(BucketBehaviour::default());
    let server = BucketServer::start(bucket.clone()).await.expect("a port is free");
    let settings = [
        ("AWS_ENDPOINT_URL", server.url()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "topsecret"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let place = Place::open(ADDRESS, &ClientSettings(settings.into())).expect("it is configured");
    (bucket, server, place)
}

fn client(place: &Place) -> Arc<dyn ObjectStore> {
    match place {
        Place::Bucket { store, .. } => Arc::clone(store),
        Place::Folder { .. } => unreachable!("it is a bucket"),
    }
}

#[tokio::test]
async fn a_copy_over_http_is_what_the_source_is() -> Result<(), BucketError> {
    let estate = Estate::with_two_generations();
    let large = vec![b'x'; 12_000_000];
    estate.lock().set_state("findings", &large).map_err(BucketError::from)?;
    let (bucket, _server, place) = served().await;
    run(&estate.place(), &place).await?;
    assert_eq!(bucket.traffic().count(BucketCall::CompleteUpload), 1);
    assert_eq!(restored(&place).await?.snapshot(), estate.snapshot());
    estate.change();
    run(&estate.place(), &place).await?;
    let back = restored(&place).await?;
    assert_eq!(back.snapshot(), estate.snapshot());
    assert!(!back.devices().contains("bob"));
    Ok(())
}

#[tokio::test]
async fn a_listing_over_http_has_more_than_one_page() -> Result<(), BucketError> {
    let estate = Estate::with_two_generations();
    let (bucket, _server, place) = served().await;
    bucket.update(|behaviour| behaviour.keys_per_page = 3);
    run(&estate.place(), &place).await?;
    let again = run(&estate.place(), &place).await?;
    assert_eq!((again.sent_files, again.removed), (0, 0));
    Ok(())
}

#[tokio::test]
async fn faults_of_conditional_writes_over_http_are_survived() -> Result<(), BucketError> {
    let faults = [BucketFault::AnswerLost, BucketFault::Unavailable, BucketFault::Conflict];
    for (index, fault) in faults.into_iter().enumerate() {
        let (bucket, _server, place) = served().await;
        let lease = HeldLease::acquire(client(&place), &folder(), request("a")).await?;
        let number = bucket.requests() + 1;
        bucket.update(|behaviour| {
            behaviour.faults.insert(number, fault);
        });
        let mark = format!("mark {index}");
        let content = Content { doomed: [mark.clone()].into(), ..Content::default() };
        lease.publish(content).await?;
        let stored = HeadStore::new(client(&place), &folder()).read().await?;
        let head = stored.expect("there is a head").head;
        assert!(head.content.doomed.contains(&mark), "{fault:?}");
        assert_eq!(head.revision, 2, "{fault:?}");
        lease.release().await?;
    }
    Ok(())
}

#[tokio::test]
async fn racing_writers_over_http_lose_no_write() -> Result<(), BucketError> {
    let (_bucket, _server, place) = served().await;
    HeldLease::acquire(client(&place), &folder(), request("first")).await?.release().await?;
    let random = random();
    let writers = (0..WRITERS).map(|_| {
        let (heads, random) = (HeadStore::new(client(&place), &folder()), Arc::clone(&random));
        tokio::spawn(async move {
            let mut done = 0;
            while done < WRITES {
                let stored = heads.read().await?.expect("there is a head");
                let next = stored.head.renewed(Nonce::new(random()));
                let written = heads.write(Some(&stored), next).await?;
                done += u64::from(!matches!(written, Written::Conflict(_)));
            }
            Ok::<_, BucketError>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it ends")?;
    }
    let head = HeadStore::new(client(&place), &folder()).read().await?.expect("a head").head;
    assert_eq!(head.revision, 2 + WRITERS * WRITES);
    Ok(())
}

#[tokio::test]
async fn a_probe_over_http_finds_what_is_missing() -> Result<(), BucketError> {
    let (bucket, _server, place) = served().await;
    let (store, folder) = (client(&place), Path::from("backup"));
    let gone = core_bucket::DeletedObjects::Gone;
    probe(&store, &folder, gone, &random()).await?;
    bucket.update(|behaviour| behaviour.is_versioned = true);
    let error = probe(&store, &folder, gone, &random()).await.expect_err("it is versioned");
    assert!(error.to_string().contains("it is versioned"), "{error}");
    bucket.update(|behaviour| {
        behaviour.is_versioned = false;
        behaviour.ignores_conditions = true;
    });
    let error = probe(&store, &folder, gone, &random()).await.expect_err("it ignores them");
    assert!(error.to_string().contains("If-None-Match"), "{error}");
    assert_eq!(bucket.keys(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn no_message_has_a_credential() -> Result<(), BucketError> {
    let (bucket, _server, place) = served().await;
    bucket.update(|behaviour| behaviour.outage = Some(BucketFault::Conflict));
    let estate = Estate::with_two_generations();
    let error = run(&estate.place(), &place).await.expect_err("the bucket refuses everything");
    let text = format!("{error} {error:?} {place} {place:?}");
    assert!(!text.contains("topsecret") && !text.contains("AKIAEXAMPLE"), "{text}");
    Ok(())
}
