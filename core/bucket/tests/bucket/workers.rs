//! Eight workers with one bucket, each sometimes paused for longer than the lifetime of a lease.
//!
//! Each publication must come from the holder of the newest epoch. A worker writes the epoch under which it publishes
//! into the content, so that the sequence of heads reveals every publication that came too late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use core_bucket::{BucketError, Content, HeadStore, HeldLease};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};

use tokio::sync::RwLock;

use crate::in_process::InProcess;
use crate::support::{LIFETIME, bucket, folder, request};

const WORKERS: u64 = 8;
const ROUNDS: u32 = 200;

/// The epochs of the publications in the order in which the bucket took them.
type Publications = Arc<Mutex<Vec<u64>>>;

/// Works for a while, and is sometimes paused for longer than the lifetime of a lease.
async fn work(pause: &RwLock<()>, dice: &mut fastrand::Rng) {
    if dice.u8(..4) == 0 {
        let _paused = pause.write().await;
        tokio::time::sleep(Duration::from_secs(dice.u64(30..400))).await;
    } else {
        tokio::time::sleep(Duration::from_secs(dice.u64(0..20))).await;
    }
}

fn publications_out_of_order(epochs: &[u64]) -> usize {
    epochs.windows(2).filter(|pair| pair[1] < pair[0]).count()
}

/// A worker that repeatedly takes the lease, works and publishes. Returns the number of publications, and of leases
/// that it had lost by then.
async fn worker(
    client: InProcess,
    number: u64,
    log: Publications,
) -> Result<(u32, u32), BucketError> {
    let (pause, store) = (client.pause(), Arc::new(client) as Arc<dyn ObjectStore>);
    let mut dice = fastrand::Rng::with_seed(number);
    let (mut published, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let lease = loop {
            let owner = format!("worker {number}");
            match HeldLease::acquire(Arc::clone(&store), &folder(), request(&owner)).await {
                Ok(lease) => break lease,
                Err(BucketError::Held { .. }) => {
                    tokio::time::sleep(Duration::from_secs(dice.u64(1..60))).await;
                }
                Err(error) => return Err(error),
            }
        };
        let epoch = lease.epoch().await?;
        work(&pause, &mut dice).await;
        let mark = format!("{epoch} of worker {number} in round {round}");
        let content = Content { doomed: [mark].into(), ..Content::default() };
        match lease.publish(content).await {
            Ok(()) => {
                published += 1;
                log.lock().unwrap_or_else(PoisonError::into_inner).push(epoch);
                lease.release().await?;
            }
            Err(BucketError::LeaseLost { .. }) => lost += 1,
            Err(error) => return Err(error),
        }
    }
    Ok((published, lost))
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_under_a_lost_epoch() -> Result<(), BucketError> {
    let (bucket, store) = bucket();
    let log = Publications::default();
    let workers = (0..WORKERS).map(|number| {
        let client = InProcess::new(&bucket);
        tokio::spawn(worker(client, number, Arc::clone(&log)))
    });
    let (mut published, mut lost) = (0, 0);
    for worker in workers.collect::<Vec<_>>() {
        let (done, missed) = worker.await.expect("it ends")?;
        published += done;
        lost += missed;
    }
    let epochs = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(publications_out_of_order(&epochs), 0);
    assert_eq!(u64::from(published + lost), WORKERS * u64::from(ROUNDS));
    assert!(lost > 100 && published > 500, "{lost} lost, {published} published");
    let head = HeadStore::new(store, &folder()).read().await?.expect("there is a head").head;
    assert!(head.epoch >= u64::from(published + lost));
    Ok(())
}

/// The wrong design: lease and published pointer in two objects. The holder checks the lease, and then writes the
/// pointer.
async fn worker_apart(client: InProcess, number: u64, log: Publications) {
    let (pause, store) = (client.pause(), Arc::new(client) as Arc<dyn ObjectStore>);
    let (lease_key, current_key) = (Path::from("lease"), Path::from("CURRENT"));
    let mut dice = fastrand::Rng::with_seed(number);
    for _ in 0..ROUNDS / 10 {
        let epoch = take_apart(&store, &lease_key, &mut dice).await;
        let still_mine = epoch_apart(&store, &lease_key).await.is_some_and(|(now, _)| now == epoch);
        work(&pause, &mut dice).await;
        if still_mine {
            let text = epoch.to_string().into_bytes();
            store.put(&current_key, text.into()).await.expect("it is written");
            log.lock().unwrap_or_else(PoisonError::into_inner).push(epoch);
        }
    }
}

async fn epoch_apart(store: &Arc<dyn ObjectStore>, key: &Path) -> Option<(u64, UpdateVersion)> {
    let answer = store.get(key).await.ok()?;
    let version = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: None };
    let bytes = answer.bytes().await.ok()?;
    Some((String::from_utf8_lossy(&bytes).parse().ok()?, version))
}

/// Takes the lease if it has not changed for one lifetime.
async fn take_apart(store: &Arc<dyn ObjectStore>, key: &Path, dice: &mut fastrand::Rng) -> u64 {
    loop {
        let seen = epoch_apart(store, key).await;
        let jitter = Duration::from_millis(dice.u64(..999));
        tokio::time::sleep(LIFETIME + jitter).await;
        let (mode, epoch) = match (seen, epoch_apart(store, key).await) {
            (Some((before, _)), Some((now, version))) if before == now => {
                (PutMode::Update(version), now + 1)
            }
            (None, None) => (PutMode::Create, 1),
            _ => continue,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let text = epoch.to_string().into_bytes();
        if store.put_opts(key, text.into(), options).await.is_ok() {
            return epoch;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_lease_and_pointer_apart_publications_come_too_late() {
    let (bucket, _) = bucket();
    let log = Publications::default();
    let workers = (0..WORKERS).map(|number| {
        let client = InProcess::new(&bucket);
        tokio::spawn(worker_apart(client, number, Arc::clone(&log)))
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("it ends");
    }
    let epochs = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(publications_out_of_order(&epochs) > 0, "the control shows nothing");
}
