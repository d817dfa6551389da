//! The folder of all tables, and what it says about itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use core_files::{
    FileLock, create_folder_durably, read_if_present, remove_folder, replace_file, sync_folder,
};
use serde::{Deserialize, Serialize};

use crate::error::DeltaError;
use crate::table::{LOG, REMOVING, TableFolder, names};

/// The file with the state of the folder.
const STATE: &str = "_nexthink_graph.json";
/// The file that is locked while a delivery writes.
const LOCK: &str = "_nexthink_graph.lock";
/// The version of the state that this program writes, and the highest that it reads.
const FORMAT: u32 = 1;

/// The description that a folder of tables has of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    tenant: String,
    /// The generation that all tables have; `None` before the first delivery is whole.
    pub(crate) generation: Option<String>,
    /// The erasures that every version of every table has been through.
    pub(crate) erasures: BTreeSet<String>,
}

/// The folder of all tables, locked for one delivery.
#[derive(Debug)]
pub(crate) struct Root {
    folder: PathBuf,
    tenant: String,
    /// The state; `None` if nothing was ever delivered there.
    pub(crate) state: Option<State>,
    _lock: FileLock,
}

impl Root {
    /// Opens the folder of a tenant, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// It has something that is not ours, or another tenant's tables; the system refuses.
    pub(crate) fn open(folder: &Path, tenant: &str) -> Result<Self, DeltaError> {
        create_folder_durably(folder)?;
        let lock = FileLock::acquire(&folder.join(LOCK))?;
        let state = read(folder, tenant)?;
        let (folder, tenant) = (folder.to_owned(), tenant.to_owned());
        Ok(Self { folder, tenant, state, _lock: lock })
    }

    /// Looks at the folder of a tenant, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Root::open`].
    pub(crate) fn check(folder: &Path, tenant: &str) -> Result<(), DeltaError> {
        read(folder, tenant).map(drop)
    }

    /// The path of the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The types that have a table.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn types(&self) -> Result<Vec<String>, DeltaError> {
        let names = names(&self.folder)?;
        Ok(names.into_iter().filter(|name| self.folder.join(name).join(LOG).is_dir()).collect())
    }

    /// Removes what killed deliveries left: tables that were being removed, and data files that no version has.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn remove_leftovers(&self) -> Result<(), DeltaError> {
        let mut is_any = false;
        for name in names(&self.folder)? {
            let is_leftover = name.starts_with(REMOVING)
                || TableFolder::new(&self.folder, &name).is_leftover()?;
            if is_leftover {
                remove_folder(&self.folder.join(name))?;
                is_any = true;
            }
        }
        if is_any {
            sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// Writes which generation the folder has, and which erasures it has been through.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn write(
        &self,
        generation: Option<String>,
        erasures: BTreeSet<String>,
    ) -> Result<(), DeltaError> {
        let state = State { format: FORMAT, tenant: self.tenant.clone(), generation, erasures };
        let bytes = serde_json::to_vec_pretty(&state).expect("it is plain data");
        Ok(replace_file(&self.folder.join(STATE), &bytes)?)
    }
}

fn read(folder: &Path, tenant: &str) -> Result<Option<State>, DeltaError> {
    let path = folder.join(STATE);
    let Some(bytes) = read_if_present(&path)? else {
        let is_ours = |name: &String| name == LOCK || name.starts_with(STATE);
        return match names(folder)?.into_iter().find(|name| !is_ours(name)) {
            Some(name) => Err(DeltaError::ForeignFolder { folder: folder.to_owned(), name }),
            None => Ok(None),
        };
    };
    let state: State = serde_json::from_slice(&bytes).map_err(|_| DeltaError::Damaged { path })?;
    if state.format > FORMAT {
        return Err(DeltaError::NewerFormat { folder: folder.to_owned(), found: state.format });
    }
    if state.tenant != tenant {
        return Err(DeltaError::ForeignTenant {
            folder: folder.to_owned(),
            found: state.tenant,
            tenant: tenant.to_owned(),
        });
    }
    Ok(Some(state))
}
