//! The working copy of a configured tenant whose store is in a bucket, for one command.

use core_bucket::{
    BucketError, ClientSettings, DeletedObjects, LIFETIME, OpenedCopy, Place, Random, Session,
    WorkingCopyRequest,
};
use core_engine::{Failure, Host};
use core_store::Store;

use crate::config::Config;
use crate::environment::Environment;
use crate::source::Source;

/// The use that a command makes of the store of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing, or it starts other commands that do.
    None,
    /// Reads.
    Reads,
    /// Reads every tenant of a fleet.
    ReadsFleet,
    /// Reads, and finds out whether the bucket can hold a store.
    Probes,
    /// Reads and writes.
    Writes,
    /// Something that only a folder allows.
    FolderOnly,
}

impl Access {
    /// The use that a command makes of the store, by its words on the command line: it writes unless it is known to do
    /// less.
    pub fn of(words: &[&str]) -> Self {
        match words {
            ["check"] => Self::Probes,
            ["fleet", ..] => Self::ReadsFleet,
            ["serve", ..] | ["mcp" | "destroy"] => Self::FolderOnly,
            ["schedule" | "init" | "steps" | "nql" | "docs" | "completions" | "man"]
            | ["config" | "simulate", ..]
            | ["store", "copy"]
            | ["notify", "test" | "list"]
            | ["privacy", "inventory" | "record"] => Self::None,
            [
                "plan" | "status" | "history" | "query" | "ask" | "show" | "neighbors" | "path"
                | "search" | "diff" | "support-bundle",
            ]
            | ["export" | "audit" | "software", ..]
            | ["store", "verify"]
            | ["rules", "list" | "explain"]
            | ["findings", "list" | "show" | "history"]
            | ["privacy", "retrieve"]
            | ["privacy", "ledger", ..]
            | ["privacy", "suppression" | "key", "list"] => Self::Reads,
            _ => Self::Writes,
        }
    }
}

/// Opens the working copy that a command needs; None if the store is a folder, or the command needs none. Blocks while a
/// copy to write to is brought up to date.
///
/// # Errors
///
/// The bucket cannot be read, another process holds the lease, or the command does not work with a bucket.
pub async fn open(
    source: &Source,
    access: Access,
    host: &Host,
    random: Random,
    environment: Environment,
) -> Result<Option<OpenedCopy>, Failure> {
    let owner = format!("{}, started {}", host.process, host.now().to_rfc3339());
    let process = &Process { owner, random };
    match access {
        Access::None => return Ok(None),
        Access::ReadsFleet => {
            refresh_fleet(source, process, environment).await?;
            return Ok(None);
        }
        Access::Reads | Access::Probes | Access::Writes | Access::FolderOnly => {}
    }
    // The command tells of mistakes in the configuration, if it needs one.
    let Ok(config) = Config::load(source, environment) else { return Ok(None) };
    let is_probed = access == Access::Probes;
    let request = request(&config, process, environment, is_probed);
    let Some(request) = request.map_err(failure)? else { return Ok(None) };
    let opened = match access {
        Access::FolderOnly => return Err(folder_only(&request.place, environment)),
        Access::Writes => Session::open(request).map(OpenedCopy::Writing),
        _ => OpenedCopy::for_reading(request).await,
    };
    opened.map(Some).map_err(failure)
}

/// The process that opens a working copy.
struct Process {
    /// Its description, for the messages of others.
    owner: String,
    /// Random bits for nonces and keys.
    random: Random,
}

async fn refresh_fleet(
    source: &Source,
    process: &Process,
    environment: Environment,
) -> Result<(), Failure> {
    let fleet = source.fleet(environment)?;
    let all = fleet.map(|fleet| fleet.load_all()).transpose()?.unwrap_or_default();
    // The command tells of a tenant whose file cannot be used.
    for config in all.into_values().filter_map(Result::ok) {
        if let Some(request) = request(&config, process, environment, false).map_err(failure)? {
            OpenedCopy::for_reading(request).await.map_err(failure)?;
        }
    }
    Ok(())
}

/// The request for the working copy of a configured tenant; None if its store is a folder.
fn request(
    config: &Config,
    process: &Process,
    environment: Environment,
    is_probed: bool,
) -> Result<Option<WorkingCopyRequest>, BucketError> {
    let Some(bucket) = &config.bucket else { return Ok(None) };
    let settings = ClientSettings::from_variables(environment.variables);
    let days = bucket.deleted_objects_kept_days;
    Ok(Some(WorkingCopyRequest {
        place: Place::open(&bucket.address, &settings)?,
        folder: Store::open(config.store.clone())?,
        tenant: config.tenant.as_str().to_owned(),
        owner: process.owner.clone(),
        deleted_objects: days.map_or(DeletedObjects::Gone, DeletedObjects::KeptDays),
        is_probed,
        lease_lifetime: LIFETIME,
        random: process.random.clone(),
    }))
}

fn failure(error: BucketError) -> Failure {
    error.into_store().into()
}

fn folder_only(place: &Place, environment: Environment) -> Failure {
    Failure::configuration(format!(
        "this command does not work with a store in a bucket yet: copy it to a folder with `{} store copy {place} \
         FOLDER`, and name that folder in `store.location`",
        (environment.own_command)(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_known_writes() {
        let table: [(&[&str], Access); 14] = [
            (&[], Access::Writes),
            (&["run"], Access::Writes),
            (&["sync"], Access::Writes),
            (&["a-new-one"], Access::Writes),
            (&["privacy", "erase"], Access::Writes),
            (&["privacy", "key", "rotate"], Access::Writes),
            (&["privacy", "key", "list"], Access::Reads),
            (&["findings", "ack"], Access::Writes),
            (&["query"], Access::Reads),
            (&["export", "html"], Access::Reads),
            (&["check"], Access::Probes),
            (&["fleet", "status"], Access::ReadsFleet),
            (&["serve", "token", "new"], Access::FolderOnly),
            (&["store", "copy"], Access::None),
        ];
        for (words, expected) in table {
            assert_eq!(Access::of(words), expected, "{words:?}");
        }
    }
}
