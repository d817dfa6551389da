//! The working copy of a configured tenant whose store is in a bucket, for one command.

use core_bucket::{
    BucketError, ClientSettings, DeletedObjects, Follower, LIFETIME, Needed, OpenedCopy, Place,
    Random, Session, WorkingCopyRequest,
};
use core_engine::{Failure, Host};
use core_store::{GenerationId, Store, TenantStore};

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
    /// Reads every tenant for as long as it is not stopped.
    Follows,
    /// Reads and writes.
    Writes,
}

impl Access {
    /// The use that a command makes of the store, by its words on the command line: it writes unless it is known to do
    /// less.
    pub fn of(words: &[&str]) -> Self {
        match words {
            ["check"] => Self::Probes,
            ["fleet", ..] => Self::ReadsFleet,
            ["serve"] => Self::Follows,
            ["schedule" | "init" | "steps" | "nql" | "docs" | "completions" | "man"]
            | ["config" | "simulate", ..]
            | ["serve", "token", ..]
            | ["store", "copy"]
            | ["notify", "test" | "list"]
            | ["privacy", "inventory" | "record"] => Self::None,
            [
                "plan" | "status" | "history" | "query" | "ask" | "show" | "neighbors" | "path"
                | "search" | "diff" | "support-bundle" | "mcp",
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

/// The generations whose tables a command that reads needs before it starts.
pub struct Wanted<'a> {
    /// Those that it needs in any case.
    pub needed: Needed,
    /// Finds those that its arguments name.
    pub named: &'a dyn Fn(&TenantStore) -> Vec<GenerationId>,
}

/// The generations whose tables a command needs when it starts, whatever its arguments, by its words on the command line:
/// all, unless it is known to need fewer. A command that writes fetches others when it opens them.
pub fn needed(words: &[&str]) -> Needed {
    match words {
        [
            "plan" | "status" | "history" | "query" | "ask" | "diff" | "neighbors" | "path"
            | "search" | "support-bundle",
        ]
        | ["audit" | "software", ..]
        | ["export", "jupiterone" | "html"]
        | ["rules", "list" | "explain"]
        | ["findings", "list" | "show" | "history"]
        | ["privacy", "ledger", ..]
        | ["privacy", "suppression" | "key", "list"] => Needed::Current,
        _ if Access::of(words) == Access::Reads => Needed::All,
        _ => Needed::Current,
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
    wanted: Wanted<'_>,
    host: &Host,
    random: Random,
    environment: Environment,
) -> Result<Option<OpenedCopy>, Failure> {
    let owner = format!("{}, started {}", host.process, host.now().to_rfc3339());
    let process = &Process { owner, random, needed: wanted.needed };
    match access {
        Access::None => return Ok(None),
        Access::ReadsFleet => {
            refresh_fleet(source, process, environment).await?;
            return Ok(None);
        }
        Access::Follows => return follow(source, process, environment).await,
        Access::Reads | Access::Probes | Access::Writes => {}
    }
    // The command tells of mistakes in the configuration, if it needs one.
    let Ok(config) = Config::load(source, environment) else { return Ok(None) };
    let is_probed = access == Access::Probes;
    let request = request(&config, process, environment, is_probed);
    let Some(request) = request.map_err(failure)? else { return Ok(None) };
    let place = request.place.clone();
    let opened = match access {
        Access::Writes => Session::open(request).map(OpenedCopy::Writing),
        _ => open_for_reading(request, wanted.named).await,
    };
    opened.map(Some).map_err(|error| failure_at(&place, error))
}

/// Opens a working copy for reading, with the tables of the generations that are named besides. What a text names is only
/// known when the manifests of all generations are there.
async fn open_for_reading(
    request: WorkingCopyRequest,
    named: &dyn Fn(&TenantStore) -> Vec<GenerationId>,
) -> Result<OpenedCopy, BucketError> {
    let opened = OpenedCopy::for_reading(request.clone()).await?;
    let tenant = request.folder.tenant(&request.tenant)?;
    let mut missing = tenant.not_fetched()?;
    if missing.is_empty() {
        return Ok(opened);
    }
    let named = named(&tenant);
    missing.retain(|id| named.contains(id));
    if missing.is_empty() {
        return Ok(opened);
    }
    let request =
        WorkingCopyRequest { needed: Needed::These(missing), is_probed: false, ..request };
    OpenedCopy::for_reading(request).await
}

/// The process that opens a working copy.
struct Process {
    /// Its description, for the messages of others.
    owner: String,
    /// Random bits for nonces and keys.
    random: Random,
    /// The generations whose tables it needs when it starts.
    needed: Needed,
}

async fn refresh_fleet(
    source: &Source,
    process: &Process,
    environment: Environment,
) -> Result<(), Failure> {
    for request in fleet_requests(source, process, environment)?.unwrap_or_default() {
        let place = request.place.clone();
        OpenedCopy::for_reading(request).await.map_err(|error| failure_at(&place, error))?;
    }
    Ok(())
}

/// Opens the working copies of all tenants of a fleet, or of the one tenant, to follow them.
async fn follow(
    source: &Source,
    process: &Process,
    environment: Environment,
) -> Result<Option<OpenedCopy>, Failure> {
    let requests = if let Some(requests) = fleet_requests(source, process, environment)? {
        requests
    } else {
        let Ok(config) = Config::load(source, environment) else { return Ok(None) };
        let request = request(&config, process, environment, false);
        request.map_err(failure)?.into_iter().collect()
    };
    if requests.is_empty() {
        return Ok(None);
    }
    let follower = Follower::open(requests).await?;
    Ok(Some(OpenedCopy::Following(follower)))
}

/// The requests for the working copies of a fleet; None if there is no fleet.
fn fleet_requests(
    source: &Source,
    process: &Process,
    environment: Environment,
) -> Result<Option<Vec<WorkingCopyRequest>>, Failure> {
    let Some(fleet) = source.fleet(environment)? else { return Ok(None) };
    // The command tells of a tenant whose file cannot be used.
    let usable = fleet.load_all()?.into_values().filter_map(Result::ok);
    let requests = usable.map(|config| request(&config, process, environment, false));
    let requests = requests.filter_map(Result::transpose).collect::<Result<_, _>>();
    requests.map(Some).map_err(failure)
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
        needed: process.needed.clone(),
        is_probed,
        lease_lifetime: LIFETIME,
        random: process.random.clone(),
    }))
}

fn failure(error: BucketError) -> Failure {
    error.into_store().into()
}

/// The failure with the address of the bucket, which the requests do not name.
fn failure_at(place: &Place, error: BucketError) -> Failure {
    error.into_store_at(place).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_known_to_need_less_reads_everything() {
        let table: [(&[&str], Needed); 13] = [
            (&["query"], Needed::Current),
            (&["status"], Needed::Current),
            (&["check"], Needed::Current),
            (&["serve"], Needed::Current),
            (&["fleet", "status"], Needed::Current),
            (&["run"], Needed::Current),
            (&["privacy", "erase"], Needed::Current),
            (&["show"], Needed::All),
            (&["diff"], Needed::Current),
            (&["mcp"], Needed::All),
            (&["store", "verify"], Needed::All),
            (&["export", "everything"], Needed::All),
            (&["privacy", "retrieve"], Needed::All),
        ];
        for (words, expected) in table {
            assert_eq!(needed(words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_command_that_is_not_known_writes() {
        let table: [(&[&str], Access); 17] = [
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
            (&["serve"], Access::Follows),
            (&["serve", "token", "new"], Access::None),
            (&["mcp"], Access::Reads),
            (&["destroy"], Access::Writes),
            (&["store", "copy"], Access::None),
        ];
        for (words, expected) in table {
            assert_eq!(Access::of(words), expected, "{words:?}");
        }
    }
}
