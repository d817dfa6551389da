//! Tries the store in a bucket on a real server: `conformance FOLDER TENANT ADDRESS [race]`, with the variables of the
//! clients. `cargo xtask conformance bucket` runs it against servers of others.
//!
//! It probes the bucket, copies the tenant there, again, and back, and compares what arrived. Two machines then work with
//! working copies of it, and a third one reads. Files of another program are found and read. With `race`, eight writers
//! change one head at the same time, and none of their writes may be lost.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use core_bucket::{
    BucketError, ClientSettings, CopyReport, CopyRequest, DeletedObjects, FileFolder, HeadStore,
    HeldLease, LIFETIME, LeaseRequest, Needed, Nonce, Place, Random, WorkingCopy,
    WorkingCopyRequest, Written, copy, refresh,
};
use core_store::{Change, Location, Store, TenantSnapshot, TenantStore};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

const WRITERS: u64 = 8;
const WRITES: u64 = 20;

type Tried<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Tried<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, tenant, address, options @ ..] = arguments.as_slice() else {
        return Err("usage: conformance FOLDER TENANT ADDRESS [race]".into());
    };
    let settings = ClientSettings(env::vars().collect());
    let (from, to) = (Place::open(folder, &settings)?, Place::open(address, &settings)?);
    let random = random();

    copied(&from, &to, tenant, &random).await?;
    let again = copied(&from, &to, tenant, &random).await?;
    assert_eq!((again.sent_files, again.removed), (0, 0), "nothing has changed");
    let back = tempfile::tempdir()?;
    let back = Place::open(&back.path().join("store").to_string_lossy(), &settings)?;
    copied(&to, &back, tenant, &random).await?;
    assert!(
        snapshot(&from, tenant)? == snapshot(&back, tenant)?,
        "what came back is another store"
    );
    work(&to, tenant, &snapshot(&from, tenant)?, &random).await?;
    files(&to, address, &settings).await?;
    if options.iter().any(|option| option == "race") {
        race(&to, &random).await?;
    }
    Ok(())
}

/// Numbers that do not repeat in this process or one soon after it.
fn random() -> Random {
    let next = AtomicU64::new(fastrand::u64(..));
    Arc::new(move || next.fetch_add(1, Ordering::Relaxed))
}

async fn copied(
    from: &Place,
    to: &Place,
    tenant: &str,
    random: &Random,
) -> Result<CopyReport, BucketError> {
    let request = CopyRequest {
        from,
        to,
        tenant,
        owner: "conformance",
        deleted_objects: DeletedObjects::Gone,
        lease_lifetime: LIFETIME,
        random: Arc::clone(random),
        is_dry_run: false,
        before_sending: &|| Ok(()),
    };
    copy(&request).await
}

fn tenant_of(place: &Place, name: &str) -> Tried<TenantStore> {
    match place {
        Place::Folder { store, .. } => Ok(store.tenant(name)?),
        Place::Bucket { .. } => Err("not a folder".into()),
    }
}

fn snapshot(place: &Place, name: &str) -> Tried<TenantSnapshot> {
    Ok(tenant_of(place, name)?.lock("conformance")?.snapshot()?)
}

/// Finds and reads the newest of the files that something else has written.
async fn files(place: &Place, address: &str, settings: &ClientSettings) -> Tried<()> {
    let Place::Bucket { store, folder, .. } = place else { return Err("no bucket".into()) };
    let exports = folder.clone().join("exports");
    let content = b"device.uid,device.name\n".repeat(10_000);
    let names = ["devices-b.csv", "devices-a.csv", "users-c.csv", "deeper/devices-z.csv"];
    let paths = names.map(|name| Path::from(format!("{exports}/{name}")));
    for path in &paths {
        store.put(path, content.clone().into()).await?;
        // Servers know the second of a write.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let address = format!("{}/exports", address.trim_end_matches('/'));
    let others = FileFolder::at(&address, settings.clone())?.ok_or("no bucket")?;
    let newest = others.newest(|name| name.starts_with("devices-")).await?.ok_or("no file")?;
    assert_eq!(newest.to_string(), format!("{address}/devices-a.csv"));
    let read: Vec<Bytes> = newest.read().try_collect().await?;
    assert_eq!(read.concat(), content);
    assert_eq!(newest.read_start(10).await?, content[..10]);
    store.put(&paths[1], "other".into()).await?;
    assert!(newest.read().try_next().await.is_err(), "it was replaced after it was listed");
    for path in &paths {
        store.delete(path).await?;
    }
    Ok(())
}

/// Changes a small file on two machines, one after the other, and reads it on a third one.
async fn work(
    place: &Place,
    tenant: &str,
    expected: &TenantSnapshot,
    random: &Random,
) -> Tried<()> {
    let machines = tempfile::tempdir()?;
    let request = |name: &str| -> Tried<WorkingCopyRequest> {
        Ok(WorkingCopyRequest {
            place: place.clone(),
            folder: Store::open(Location::Folder(machines.path().join(name)))?,
            tenant: tenant.to_owned(),
            owner: "conformance".to_owned(),
            deleted_objects: DeletedObjects::Gone,
            needed: Needed::Current,
            is_probed: true,
            lease_lifetime: LIFETIME,
            random: Arc::clone(random),
        })
    };
    for name in ["first", "second"] {
        let mut copy = WorkingCopy::open(request(name)?).await?;
        let lock = request(name)?.folder.tenant(tenant)?.lock("conformance")?;
        lock.set_state("conformance", name.as_bytes())?;
        copy.publish(Change::State).await?;
        copy.close().await?;
    }
    let reading = request("third")?;
    refresh(&reading).await?;
    let read = reading.folder.tenant(tenant)?;
    let generations = read.history()?.len();
    assert!(read.not_fetched()?.len() + 1 == generations, "older tables were fetched");
    refresh(&WorkingCopyRequest { needed: Needed::All, ..reading }).await?;
    let mut found = read.lock("conformance")?.snapshot()?;
    assert!(found.files.remove("conformance.json").is_some(), "the small file did not arrive");
    assert!(read.state("conformance")?.as_deref() == Some(b"second"), "it is an older one");
    assert!(found.files == expected.files, "a working copy is another store");
    Ok(())
}

async fn race(place: &Place, random: &Random) -> Tried<()> {
    let Place::Bucket { store, folder, .. } = place else { return Err("not a bucket".into()) };
    let folder: Path = folder.clone().join(format!("race-{:x}", random()));
    let lease = LeaseRequest {
        tenant: "race".to_owned(),
        owner: "conformance".to_owned(),
        lifetime: LIFETIME,
        random: Arc::clone(random),
        working_copy: None,
    };
    HeldLease::acquire(Arc::clone(store), &folder, lease).await?.release().await?;
    let heads = HeadStore::new(Arc::clone(store) as Arc<dyn ObjectStore>, &folder);
    let writers = (0..WRITERS).map(|_| {
        let (heads, random) = (heads.clone(), Arc::clone(random));
        tokio::spawn(async move { write_often(&heads, &random).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    let revision = heads.read().await?.map(|stored| stored.head.revision);
    let expected = 2 + WRITERS * WRITES;
    if revision == Some(expected) {
        return Ok(());
    }
    Err(format!("the head has revision {revision:?} instead of {expected}: writes were lost")
        .into())
}

async fn write_often(heads: &HeadStore, random: &Random) -> Result<(), BucketError> {
    let mut done = 0;
    while done < WRITES {
        let Some(stored) = heads.read().await? else { continue };
        let next = stored.head.renewed(Nonce::new(random()));
        let written = heads.write(Some(&stored), next).await?;
        done += u64::from(!matches!(written, Written::Conflict(_)));
    }
    Ok(())
}
