//! The record of the last delivery to a mirror, in the tenant's part of the store.

use std::collections::BTreeSet;

use core_store::{DeliveryLock, GenerationId, LedgerHead, TenantStore};
use serde::{Deserialize, Serialize};

use super::{MirrorScope, MirroredTypes};
use crate::destination::DeliveryError;
use crate::former_places::FormerPlaces;

/// The last delivery to a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorRecord {
    /// Where to.
    pub place: String,
    /// The generation that the mirror has; that of a delivery whose end is unknown if it never had one.
    pub generation: GenerationId,
    /// The generation of a delivery whose end is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<GenerationId>,
    /// True if the mirror has all of it.
    pub whole: bool,
    /// The types that it has.
    pub types: MirroredTypes,
    /// The types that were purged and not delivered since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub purged: BTreeSet<String>,
    /// The IDs of the erasures whose people are no longer at the destination.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub erasures: BTreeSet<String>,
}

/// The content of the file.
#[derive(Serialize)]
struct File<'a> {
    #[serde(flatten)]
    record: &'a MirrorRecord,
    ledger: Option<LedgerHead>,
    #[serde(flatten)]
    former: FormerPlaces,
}

impl MirrorRecord {
    /// Reads the record of a mirror; `None` if nothing was ever delivered there.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Store`], [`DeliveryError::Local`] if the file is damaged.
    pub fn read(tenant: &TenantStore, name: &str) -> Result<Option<Self>, DeliveryError> {
        let Some(bytes) = tenant.state(&file_name(name))? else { return Ok(None) };
        let read = serde_json::from_slice(&bytes).map_err(|error| {
            DeliveryError::Local(anyhow::Error::new(error).context(format!(
                "the file {}.json of tenant {} is damaged; remove it, and the next delivery brings everything again",
                file_name(name),
                tenant.name()
            )))
        });
        Ok(Some(read?))
    }

    /// Replaces the record, durably. If the place is another one, that of the record before is kept as a former place,
    /// unless everything was purged there.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Store`].
    pub fn write(&self, lock: &DeliveryLock, name: &str) -> Result<(), DeliveryError> {
        let tenant = lock.tenant();
        let ledger = tenant.ledger().head()?;
        let before = Self::read(tenant, name).ok().flatten();
        let before = before.filter(|before| !(before.whole && before.types.is_empty()));
        let former = FormerPlaces::read(tenant, &file_name(name))
            .after_move(before.map(|before| before.place), &self.place);
        let bytes = serde_json::to_vec(&File { record: self, ledger, former })
            .map_err(|error| DeliveryError::Local(error.into()))?;
        Ok(lock.set_state(&file_name(name), &bytes)?)
    }

    /// Returns the record of a delivery of `generation` to `place` that is about to take place, after the one that
    /// this is the record of, if any. It must be durable before the mirror can change.
    #[must_use]
    pub fn begin(before: Option<&Self>, place: &str, generation: &GenerationId) -> Self {
        let before = before.filter(|before| before.place == place);
        Self {
            place: place.to_owned(),
            generation: before
                .map_or_else(|| generation.clone(), |before| before.generation.clone()),
            unfinished: Some(generation.clone()),
            whole: false,
            types: before.map(|before| before.types.clone()).unwrap_or_default(),
            purged: before.map(|before| before.purged.clone()).unwrap_or_default(),
            erasures: before.map(|before| before.erasures.clone()).unwrap_or_default(),
        }
    }

    /// Returns the record of a delivery that has ended: the mirror at `place` has all of `scope`, and `types`.
    #[must_use]
    pub fn end(place: &str, scope: &MirrorScope, types: MirroredTypes) -> Self {
        Self {
            place: place.to_owned(),
            generation: scope.generation.id().clone(),
            unfinished: None,
            whole: true,
            types,
            purged: scope.withheld().clone(),
            erasures: scope.generation.manifest().erasures.clone(),
        }
    }
}

/// The name of the file with the record.
fn file_name(name: &str) -> String {
    format!("delivered-{name}")
}

/// Returns the ledger's head when a delivery to a mirror was last written down, which the ledger must still hold.
///
/// # Errors
///
/// [`DeliveryError::Store`].
pub fn known_ledger_head(
    tenant: &TenantStore,
    name: &str,
) -> Result<Option<LedgerHead>, DeliveryError> {
    #[derive(Deserialize)]
    struct Head {
        ledger: Option<LedgerHead>,
    }
    let Some(bytes) = tenant.state(&file_name(name))? else { return Ok(None) };
    // A damaged record is an error of the next delivery.
    Ok(serde_json::from_slice::<Head>(&bytes).ok().and_then(|record| record.ledger))
}

/// Returns the place that the last delivery to a mirror went to, if there was one.
pub fn last_place(tenant: &TenantStore, name: &str) -> Option<String> {
    let record = MirrorRecord::read(tenant, name).ok().flatten()?;
    Some(record.place)
}

/// Returns the places that earlier deliveries to a mirror went to, and that still hold what they got.
pub fn former_places(tenant: &TenantStore, name: &str) -> FormerPlaces {
    FormerPlaces::read(tenant, &file_name(name))
}

/// Returns the generations that the next delivery to a mirror may compare with, which must be kept until then.
pub fn compared_with(tenant: &TenantStore, name: &str) -> Vec<GenerationId> {
    // A record that cannot be read is an error of the next delivery, which then compares with nothing.
    let Some(record) = MirrorRecord::read(tenant, name).ok().flatten() else { return Vec::new() };
    record.unfinished.into_iter().chain([record.generation]).collect()
}

#[cfg(test)]
mod tests {
    use core_store::{Location, Store};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_place_is_a_former_one_until_it_is_delivered_to_again_unless_it_was_emptied() {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        let lock = tenant.lock_delivery("mirror", "a test").expect("the lock is free");
        let generation = GenerationId::parse("01JN7Z1M80000000000000000A").expect("it is an ID");
        let former_after = |place: &str, whole: bool| {
            let begun = MirrorRecord::begin(None, place, &generation);
            MirrorRecord { whole, ..begun }.write(&lock, "mirror").expect("there is room");
            former_places(&tenant, "mirror").into_iter().collect::<Vec<_>>()
        };
        assert!(former_after("first", false).is_empty());
        assert_eq!(former_after("second", false), ["first"]);
        assert_eq!(former_after("second", false), ["first"]);
        assert_eq!(former_after("third", false), ["first", "second"]);
        // A whole delivery after which no type is left, as after a purge of all types.
        assert_eq!(former_after("first", true), ["second", "third"]);
        assert_eq!(former_after("second", false), ["third"]);
    }
}
