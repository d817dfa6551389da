//! The shared parts of the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use core_bucket::{LeaseRequest, Random};
use core_simulator::{BucketBehaviour, SimulatedBucket};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::in_process::InProcess;

pub(crate) const LIFETIME: Duration = Duration::from_mins(1);

/// The tenant's folder in the bucket.
pub(crate) fn folder() -> Path {
    Path::from("backup/acme")
}

pub(crate) fn bucket() -> (SimulatedBucket, Arc<dyn ObjectStore>) {
    let bucket = SimulatedBucket::new(BucketBehaviour::default());
    let store = Arc::new(InProcess::new(&bucket));
    (bucket, store)
}

/// Numbers that never repeat in this process.
pub(crate) fn random() -> Random {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|| NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn request(owner: &str) -> LeaseRequest {
    LeaseRequest {
        tenant: "acme".to_owned(),
        owner: owner.to_owned(),
        lifetime: LIFETIME,
        random: random(),
        working_copy: None,
    }
}
