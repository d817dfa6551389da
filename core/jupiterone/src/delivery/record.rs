//! The record of the last delivery to JupiterOne, in the tenant's part of the store.

use core_destination::{DeliveryError, DeliveryRequest, FormerPlaces};
use core_store::{DeliveryLock, GenerationId, LedgerHead, TenantStore};
use serde::{Deserialize, Serialize};

use crate::events::is_event_type;
use crate::sync::{Delivered, DestinationIdentity, Settled, SyncClient};

/// The name of its file.
const FILE: &str = "delivered-jupiterone";

/// The content of the file.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    delivered: &'a Delivered,
    ledger: Option<LedgerHead>,
    #[serde(flatten)]
    former: FormerPlaces,
}

/// Reads the record; none if nothing was ever delivered.
pub(super) fn read(tenant: &TenantStore) -> Result<Option<Delivered>, DeliveryError> {
    let Some(bytes) = tenant.state(FILE)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes).map_err(|error| {
        DeliveryError::Local(anyhow::Error::new(error).context(format!(
            "the file {FILE}.json of tenant {} is damaged; without it the next delivery is taken for \
             the first one there, and deletes nothing",
            tenant.name()
        )))
    });
    Ok(Some(read?))
}

/// Replaces the record, durably. If the destination is another one, that of the record before is kept as a former place.
pub(super) fn write(lock: &DeliveryLock, delivered: &Delivered) -> Result<(), DeliveryError> {
    let tenant = lock.tenant();
    let ledger = tenant.ledger().head()?;
    let before = last_destination(tenant).map(|before| before.to_string());
    let former =
        FormerPlaces::read(tenant, FILE).after_move(before, &delivered.destination.to_string());
    let bytes = serde_json::to_vec(&Record { delivered, ledger, former })
        .map_err(|error| DeliveryError::Local(error.into()))?;
    Ok(lock.set_state(FILE, &bytes)?)
}

/// Finds out what became of the job of a delivery whose end is not on record, and writes it down.
pub(super) async fn resolve(
    client: &SyncClient,
    lock: &DeliveryLock,
    request: &DeliveryRequest,
) -> Result<(), DeliveryError> {
    let Some(delivered) = read(lock.tenant())? else { return Ok(()) };
    if !request.accept_destination {
        delivered.check(client.destination())?;
    }
    let Some(job) = delivered.pending.clone() else { return Ok(()) };
    // The job of another destination is none of this one's, and nothing is built on what it did.
    let found = match delivered.check(client.destination()) {
        Ok(()) => client.settle(&job).await?,
        Err(_) => Settled::Gone,
    };
    if matches!(found, Settled::Running) {
        let error = anyhow::anyhow!(
            "job {job} of an earlier delivery is not done yet, and a second one beside it could undo \
             what it does: try again later"
        );
        return Err(DeliveryError::Failed(error));
    }
    tracing::info!(job = job.as_str(), "the job of an interrupted delivery is resolved");
    write(lock, &delivered.resolve(&found))
}

/// The ledger's head when a delivery was last written down, which the ledger must still hold.
///
/// # Errors
///
/// [`DeliveryError::Store`].
pub fn known_ledger_head(tenant: &TenantStore) -> Result<Option<LedgerHead>, DeliveryError> {
    #[derive(Deserialize)]
    struct Head {
        ledger: Option<LedgerHead>,
    }
    let Some(bytes) = tenant.state(FILE)? else { return Ok(None) };
    // A damaged record is an error of the next delivery.
    Ok(serde_json::from_slice::<Head>(&bytes).ok().and_then(|record| record.ledger))
}

/// Returns true unless nothing was ever delivered. A record that cannot be read counts as a delivery.
pub fn was_delivered(tenant: &TenantStore) -> bool {
    !matches!(read(tenant), Ok(None))
}

/// Returns the destination that the last delivery went to, if there was one.
pub fn last_destination(tenant: &TenantStore) -> Option<DestinationIdentity> {
    let delivered = read(tenant).ok().flatten()?;
    Some(delivered.destination)
}

/// Returns the destinations that earlier deliveries went to, in words.
pub fn former_places(tenant: &TenantStore) -> FormerPlaces {
    FormerPlaces::read(tenant, FILE)
}

/// The type of events of which JupiterOne has some, if there is one: no delivery deletes them, a purge does.
pub fn delivered_events(tenant: &TenantStore) -> Option<String> {
    let delivered = read(tenant).ok().flatten()?;
    let mut names = delivered.events.into_keys();
    names.find(|name| is_event_type(name))
}

/// The generations that the next delivery may compare with, which must be kept until then: the one that
/// was delivered last, and that of a delivery whose end is not on record.
pub fn compared_with(tenant: &TenantStore) -> Vec<GenerationId> {
    // A record that cannot be read is an error of the next delivery, which then compares with nothing.
    let Some(delivered) = read(tenant).ok().flatten() else { return Vec::new() };
    let unfinished = delivered.unfinished.map(|job| job.generation);
    unfinished.into_iter().chain([delivered.generation]).collect()
}

#[cfg(test)]
mod tests {
    use core_store::{Location, Store};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    const GENERATION: &str = "01ARYZ6S41TSV4RRFFQ69G5FAV";
    const UNFINISHED: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn tenant() -> (TempDir, TenantStore) {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        (folder, tenant)
    }

    fn lock(tenant: &TenantStore) -> DeliveryLock {
        tenant.lock_delivery(crate::NAME, "a test").expect("the lock is free")
    }

    fn delivered(unfinished: bool) -> Delivered {
        let job = json!({
            "generation": UNFINISHED, "shape": 1, "types": {}, "purged": [], "was_whole": true,
            "extras": crate::Extras::default(),
        });
        let record = json!({
            "destination": {
                "host": "api.eu.jupiterone.io", "account": "acme", "source": "api", "scope": "one",
            },
            "generation": GENERATION,
            "whole": true,
            "unfinished": unfinished.then_some(job),
        });
        serde_json::from_value(record).expect("it is a record")
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_is_known_without_one() {
        let (_folder, tenant) = tenant();
        assert!(read(&tenant).expect("there is no file").is_none());
        assert_eq!(last_destination(&tenant), None);
        assert_eq!(compared_with(&tenant), []);
        assert!(known_ledger_head(&tenant).expect("there is no file").is_none());
        write(&lock(&tenant), &delivered(false)).expect("there is room");
        assert_eq!(read(&tenant).expect("it was written"), Some(delivered(false)));
        assert_eq!(last_destination(&tenant), Some(delivered(false).destination));
    }

    #[test]
    fn a_destination_that_is_left_is_a_former_one_until_it_is_delivered_to_again() {
        let (_folder, tenant) = tenant();
        let former = || former_places(&tenant).into_iter().collect::<Vec<_>>();
        let at = |account: &str| {
            let mut moved = delivered(false);
            account.clone_into(&mut moved.destination.account);
            moved
        };
        for (account, expected) in [
            ("acme", None),
            ("acme", None),
            ("b", Some("acme")),
            ("b", Some("acme")),
            ("acme", Some("b")),
        ] {
            write(&lock(&tenant), &at(account)).expect("there is room");
            let expected = expected.map(|account| at(account).destination.to_string());
            assert_eq!(former(), Vec::from_iter(expected), "{account}");
        }
    }

    #[test]
    fn the_generations_that_a_delivery_may_compare_with_are_those_of_the_last_and_of_an_open_job() {
        let (_folder, tenant) = tenant();
        let ids = || compared_with(&tenant).iter().map(ToString::to_string).collect::<Vec<_>>();
        write(&lock(&tenant), &delivered(false)).expect("there is room");
        assert_eq!(ids(), [GENERATION]);
        write(&lock(&tenant), &delivered(true)).expect("there is room");
        assert_eq!(ids(), [UNFINISHED, GENERATION]);
    }

    #[test]
    fn a_damaged_record_says_what_its_loss_means_and_keeps_nothing_else_from_working() {
        let (_folder, tenant) = tenant();
        lock(&tenant).set_state(FILE, b"{").expect("there is room");
        let told = format!("{:#}", anyhow::Error::new(read(&tenant).expect_err("it is damaged")));
        assert!(told.contains("delivered-jupiterone.json of tenant acme is damaged"), "{told}");
        assert_eq!((last_destination(&tenant), compared_with(&tenant)), (None, Vec::new()));
        assert!(known_ledger_head(&tenant).expect("the next delivery tells").is_none());
    }
}
