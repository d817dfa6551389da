//! The removal of a tenant whose store is in a bucket.

use std::time::Duration;

use core_bucket::{BucketError, WorkingCopy};
use core_simulator::{BucketFault, SimulatedBucket};
use core_store::{Change, Destruction, Location, Store};
use tokio::time::timeout;

use crate::estate::{Estate, FIRST, SECOND};
use crate::working::{open, reader, session};

type Tested = Result<(), BucketError>;

/// Longer than every wait of a removal that is not killed.
const PATIENCE: Duration = Duration::from_hours(1);

const CERTIFICATE: &str = "destroyed-acme.json";

fn is_certified(machine: &Estate) -> bool {
    machine.root().join(CERTIFICATE).exists()
}

/// Removes the tenant as the command does.
pub(crate) async fn destroy(machine: &Estate, copy: &mut WorkingCopy) -> Tested {
    finish(machine.lock().begin_destruction(Vec::new(), b"{}")?, copy).await
}

async fn finish(destruction: Destruction, copy: &mut WorkingCopy) -> Tested {
    // `remove_content` tells a session; this folder has none.
    copy.publish(Change::Destruction).await?;
    destruction.remove_content()?;
    destruction.finish(CERTIFICATE, b"{}")?;
    Ok(())
}

/// Does it again after an interruption.
async fn destroy_again(machine: &Estate, bucket: &SimulatedBucket) -> Tested {
    let mut copy = open(machine, bucket).await?;
    let store = Store::open(Location::Folder(machine.root()))?;
    match store.interrupted_destruction("acme", "a test")? {
        Some(interrupted) if machine.tenant.is_empty()? => {
            finish(interrupted, &mut copy).await?;
        }
        Some(interrupted) => {
            interrupted.discard()?;
            destroy(machine, &mut copy).await?;
        }
        None if !is_certified(machine) => destroy(machine, &mut copy).await?,
        None => {}
    }
    copy.close().await
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_killed_anywhere_is_certified_only_when_the_bucket_is_empty() -> Tested {
    let before = SimulatedBucket::default();
    let origin = Estate::empty();
    session(&origin, &before, || {
        origin.publish(FIRST, &["ann", "bob"]);
        origin.publish(SECOND, &["ann", "bob", "cem"]);
        origin.append_event("event-1");
    })
    .await?;
    let head = vec!["backup/acme/head.json".to_owned()];
    for fault in [BucketFault::HangBefore, BucketFault::HangAfter] {
        for number in 1.. {
            let bucket = before.fork();
            let killed_at = bucket.requests() + number;
            bucket.update(|behaviour| {
                behaviour.faults.insert(killed_at, fault);
            });
            let victim = Estate::empty();
            let working = async {
                let mut copy = open(&victim, &bucket).await?;
                destroy(&victim, &mut copy).await?;
                copy.close().await
            };
            let is_whole = timeout(PATIENCE, working).await.map(|ended| ended.is_ok());
            bucket.update(|behaviour| behaviour.faults.clear());
            if is_certified(&victim) {
                assert_eq!(bucket.keys(), head, "{fault:?} at {number}");
            }
            destroy_again(&victim, &bucket).await?;
            assert!(is_certified(&victim), "{fault:?} at {number}");
            assert_eq!(bucket.keys(), head, "{fault:?} at {number}");
            assert!(victim.tenant.is_empty()?, "{fault:?} at {number}");
            let seen = reader(&bucket).await?;
            assert_eq!(seen.tenant.history()?.len(), 0);
            if is_whole == Ok(true) {
                break;
            }
        }
    }
    Ok(())
}
