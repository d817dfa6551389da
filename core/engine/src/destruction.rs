//! Removes everything that is stored of a tenant, with a certificate.

mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use core_erasure::lists::copy_path;
use core_files::{remove_file_if_present, remove_leftovers};
use core_store::{Destruction, FileCount, LedgerHead, Store, TenantStore};
use serde::{Deserialize, Serialize};

pub use self::removal::{Found, Preview, Removal, find, finish_begun};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::ledger::{self, Event};
use crate::mirrors;

/// The certificate of a removal. It names no person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its ID.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The start of the removal, RFC 3339.
    pub began_at: String,
    /// The time when the last file was removed, RFC 3339.
    pub ended_at: Option<String>,
    /// The files that were stored, by kind.
    pub files: BTreeMap<String, FileCount>,
    /// The IDs of the generations that were kept.
    pub generations: Vec<String>,
    /// The copies of the suppression list beside the key file, as paths until they are removed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    copies: Vec<PathBuf>,
    /// The number of copies that were removed.
    pub copies_removed: usize,
    /// The known copies that the program cannot remove.
    pub remaining: Vec<String>,
    /// The last entry of the tenant's ledger, which is removed too. It identifies an exported copy of that ledger.
    pub ledger: LedgerHead,
}

impl Certificate {
    /// Says in a sentence what is removed.
    pub fn text(&self) -> String {
        let files: u64 = self.files.values().map(|count| count.files).sum();
        format!(
            "destruction {}: {files} files of tenant {} and {} copies of its suppression list are removed",
            self.id, self.tenant, self.copies_removed
        )
    }

    /// Says what stays elsewhere, a line each, and what would bring the tenant back.
    pub fn remarks(&self, program: &str) -> Vec<String> {
        let back = format!(
            "the next `{program} run` would fetch the tenant again, people who were erased included: remove its \
             configuration too"
        );
        removal::not_removed(&self.remaining).chain([back]).collect()
    }
}

/// Returns a tenant, if anything is stored of it.
///
/// # Errors
///
/// Nothing is stored of a tenant of this name, or the store cannot be read.
pub fn stored_tenant(store: &Store, name: &str) -> Result<TenantStore, Failure> {
    let tenants = store.tenants()?;
    let found = tenants.iter().find(|tenant| tenant.name() == name);
    if let Some(tenant) = found
        && is_stored(tenant)?
    {
        return Ok(tenant.clone());
    }
    let others = tenants.iter().map(TenantStore::name).filter(|other| *other != name);
    let known: Vec<_> = others.collect();
    let known = if known.is_empty() { "no tenant".to_owned() } else { known.join(", ") };
    Err(Failure::configuration(format!(
        "nothing is stored of tenant `{name}`: the store has {known}"
    )))
}

/// Returns true if an interrupted destruction has to begin anew, since the place that the folder is a working copy of was
/// not told of it and the tenant was fetched from there again.
///
/// # Errors
///
/// The tenant's folder cannot be read.
pub fn must_restart(tenant: &TenantStore) -> Result<bool, Failure> {
    Ok(tenant.is_working_copy() && is_stored(tenant)?)
}

/// Returns true if anything is stored of a tenant. A working copy has folders and locks, whatever its store has.
fn is_stored(tenant: &TenantStore) -> Result<bool, Failure> {
    Ok(if tenant.is_working_copy() { !tenant.is_empty()? } else { !tenant.files()?.is_empty() })
}

/// Checks that no run has stored anything of a tenant since its destruction was interrupted. `is_finished` says
/// whether that destruction is finished now.
///
/// # Errors
///
/// Something is stored of it, or the store cannot be read.
pub fn check_gone(host: &Host, tenant: &TenantStore, is_finished: bool) -> Result<(), Failure> {
    if !is_stored(tenant)? {
        return Ok(());
    }
    let (name, program) = (tenant.name(), &host.program);
    let finished = if is_finished { "is finished" } else { "is not finished" };
    let error = anyhow::anyhow!(
        "the interrupted destruction {finished}, and tenant {name} is stored again: a run has fetched it since. \
         `{program} destroy --tenant {name}` removes it again; remove its configuration too, so that no run \
         fetches it"
    );
    Err(Failure::new(FailureKind::DataRefused, error))
}

/// Returns the copies of a tenant's suppression list beside the key file: one for each region of the tenant or its
/// generations.
///
/// # Errors
///
/// The generations cannot be listed.
pub fn copies(engine: Engine<'_>, tenant: &TenantStore) -> Result<Vec<PathBuf>, Failure> {
    let settings = engine.settings;
    let mut regions = BTreeSet::new();
    if tenant.name() == settings.tenant.as_str() {
        regions.insert(settings.region.as_str().to_owned());
    }
    let manifests = tenant.history()?.into_iter().filter_map(|entry| entry.manifest.ok());
    regions.extend(manifests.map(|manifest| manifest.region));
    let key_file = &settings.privacy.key_file;
    let paths = regions.iter().map(|region| copy_path(key_file, tenant.name(), region));
    Ok(paths.filter(|path| path.exists()).collect())
}

/// Returns a line for each place that still has data of the tenant.
pub fn remaining(engine: Engine<'_>, tenant: &TenantStore) -> Vec<String> {
    let key_file = &engine.settings.privacy.key_file;
    let mut remaining = Vec::new();
    if let Some(last) = core_jupiterone::last_destination(tenant) {
        remaining.push(format!(
            "what was delivered to JupiterOne (account {}): `{} purge jupiterone` removes types \
             there while the tenant is still stored here, and JupiterOne's own deletion does later",
            last.account, engine.host.program
        ));
    }
    for (name, place) in mirrors::places(tenant) {
        remaining.push(format!(
            "what was delivered to {place}: `{} purge {name}` removes types there while the tenant is still stored \
             here; later, drop it there",
            engine.host.program
        ));
    }
    let former = mirrors::destinations().flat_map(|name| mirrors::former_places(tenant, name));
    remaining.extend(
        former.map(|place| format!("what earlier deliveries brought to {place}: drop it there")),
    );
    let unread = mirrors::destinations().filter(|name| {
        mirrors::was_delivered(tenant, name) && mirrors::last_place(tenant, name).is_none()
    });
    remaining.extend(unread.map(|name| {
        format!("what deliveries brought to {}: drop it there", mirrors::unknown_places(name))
    }));
    if key_file.exists() {
        remaining.push(format!(
            "the key file {}, which other tenants may use; without it the tenant's pseudonyms cannot \
             be made again",
            key_file.display()
        ));
    }
    remaining.extend(tenant.also_kept());
    remaining.push("exported folders, backups of the store, and the configuration".to_owned());
    remaining
}

/// Records the removal in the ledger before it begins, and drafts the certificate.
///
/// # Errors
///
/// The ledger cannot be written. Then nothing is removed.
pub fn draft(
    host: &Host,
    tenant: &TenantStore,
    files: BTreeMap<String, FileCount>,
    copies: Vec<PathBuf>,
    remaining: Vec<String>,
) -> Result<Certificate, Failure> {
    let now = host.now();
    let id = format!("d-{}", host.new_id(now)?);
    let generations = tenant.history()?.into_iter().map(|entry| entry.id.to_string()).collect();
    let count = files.values().map(|count| count.files).sum();
    let ledger =
        ledger::record(host, tenant, &Event::Destruction { destruction: &id, files: count })?;
    Ok(Certificate {
        id,
        tenant: tenant.name().to_owned(),
        began_at: now.to_rfc3339(),
        ended_at: None,
        files,
        generations,
        copies,
        copies_removed: 0,
        remaining,
        ledger,
    })
}

/// Removes everything, then writes the certificate beside the tenants of the store. Returns both.
///
/// # Errors
///
/// Something cannot be removed. The same command continues the removal.
pub fn finish(
    host: &Host,
    destruction: Destruction,
    draft: Certificate,
) -> Result<(Certificate, PathBuf), Failure> {
    for path in &draft.copies {
        remove_file_if_present(path).map_err(anyhow::Error::new)?;
        remove_leftovers(path);
    }
    destruction.remove_content()?;
    let certificate = Certificate {
        ended_at: Some(host.now().to_rfc3339()),
        copies_removed: draft.copies.len(),
        copies: Vec::new(),
        ..draft
    };
    let bytes = serde_json::to_vec_pretty(&certificate).map_err(anyhow::Error::new)?;
    let name = format!("destroyed-{}-{}.json", certificate.tenant, certificate.id);
    let path = destruction.finish(&name, &bytes)?;
    Ok((certificate, path))
}

#[cfg(test)]
mod tests {
    use core_store::Location;
    use tempfile::TempDir;

    use super::*;
    use crate::testing::host;

    /// A store in which something of these tenants is stored.
    fn store(names: &[&str]) -> (TempDir, Store) {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        for name in names {
            let tenant = store.tenant(name).expect("it is a name");
            let lock = tenant.lock("a test").expect("the lock is free");
            lock.set_erasures(&BTreeSet::from(["e-1".to_owned()])).expect("there is room");
        }
        (folder, store)
    }

    #[test]
    fn a_tenant_of_which_nothing_is_stored_is_refused_with_those_that_there_are() {
        let (_folder, both) = store(&["acme", "zeta"]);
        let found = stored_tenant(&both, "zeta").map_err(|failure| failure.error);
        assert_eq!(found.expect("it is stored").name(), "zeta");
        for (names, expected) in [
            (&["acme", "zeta"][..], "nothing is stored of tenant `acne`: the store has acme, zeta"),
            (&[], "nothing is stored of tenant `acne`: the store has no tenant"),
        ] {
            let (_folder, store) = store(names);
            let refused = stored_tenant(&store, "acne").expect_err("there is no such tenant");
            assert_eq!(refused.kind, FailureKind::Configuration);
            assert_eq!(refused.error.to_string(), expected);
        }
    }

    #[test]
    fn a_tenant_that_a_run_has_fetched_again_is_not_called_removed() {
        let (_folder, store) = store(&["acme"]);
        let gone = store.tenant("zeta").expect("it is a name");
        assert!(check_gone(&host(), &gone, true).is_ok());
        let again = store.tenant("acme").expect("it is a name");
        for (is_finished, expected) in [
            (true, "the interrupted destruction is finished, and tenant acme is stored again"),
            (false, "the interrupted destruction is not finished, and tenant acme is stored again"),
        ] {
            let refused = check_gone(&host(), &again, is_finished).expect_err("it is stored again");
            assert_eq!(refused.kind, FailureKind::DataRefused);
            let text = refused.error.to_string();
            assert!(text.starts_with(expected), "{text}");
            assert!(
                text.contains("`nexthink-graph destroy --tenant acme` removes it again"),
                "{text}"
            );
        }
    }
}
