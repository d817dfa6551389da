//! Keys and suppressions of an installation: where they are kept, and what a run does with them.

mod cleansing;
pub(crate) mod damage;
pub(crate) mod erasure;
mod findings;
mod identifiers;
mod key_file;
mod list_search;
pub(crate) mod page;
pub(crate) mod retrieval;
pub(crate) mod search;
pub(crate) mod subject;
mod unfinished;
pub(crate) mod withheld;

use std::collections::BTreeSet;
use std::path::PathBuf;

use core_model::plan::Plan;
use core_privacy::profile::Action;
use core_privacy::protection::Protection;
use core_privacy::pseudonym::{self, Pseudonyms};
use core_privacy::reuse::REUSABLE_DAYS;
use core_privacy::suppression::{SuppressionList, Suppressions};
use core_store::{Generation, PrivacyMark, RunLock, TenantStore};

pub(crate) use self::identifiers::may_be_erased;
pub(crate) use self::key_file::{LockedKeyFile, load_keys};
use crate::audit::{self, ProtectedEvents};
use crate::cli::Global;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::system::Moment;
use crate::{output, system};

/// The list of those who were erased, a small file beside the generations of a tenant.
pub(crate) const SUPPRESSIONS: &str = "suppressions";

/// What a run does for the people in its rows.
pub(crate) struct RunPrivacy {
    /// Nothing if every declared value is kept and nobody is suppressed.
    pub(crate) protection: Option<Protection>,
    /// What the generation says of it.
    pub(crate) mark: PrivacyMark,
}

/// The name of a tenant in the derivation of keys: a tenant of the same name elsewhere is another one.
pub(crate) fn tenant_name(config: &Config) -> String {
    format!("{}.{}", config.tenant.as_str(), config.region.as_str())
}

/// What this configuration does for the people in the rows of a tenant.
pub(crate) fn of_run(config: &Config, tenant: &TenantStore) -> Result<RunPrivacy, Failure> {
    let policy = config.privacy.policy.clone();
    let list = all_suppressions(config, tenant)?;
    let needs_keys = policy.needs_key() || list.as_ref().is_some_and(|it| !it.entries().is_empty());
    let keys = if needs_keys { Some(load_keys(&config.privacy.key_file)?) } else { None };
    let refused = |error| Failure::new(Exit::Configuration, error);
    let name = tenant_name(config);
    let suppressions = match (&list, &keys) {
        (Some(list), Some(keys)) => list.matcher(keys, &name, &reusable_from()).map_err(refused)?,
        _ => Suppressions::default(),
    };
    let mark = PrivacyMark {
        profile: policy.profile().name().to_owned(),
        key: keys.as_ref().filter(|_| policy.needs_key()).map(|it| it.active_id().to_owned()),
        columns: policy
            .overrides()
            .map(|(column, action)| (column.to_owned(), action.name().to_owned()))
            .collect(),
    };
    let protection = Protection::new(policy, keys.as_ref(), &name, suppressions);
    Ok(RunPrivacy { protection: protection.map_err(refused)?, mark })
}

/// What is kept of the audit trail's events: how, if not as they are, and what is noted of it.
pub(crate) fn of_events(
    config: &Config,
) -> Result<(Option<ProtectedEvents>, PrivacyMark), Failure> {
    let policy = &config.privacy.policy;
    let keeps_names = config.audit.as_ref().is_some_and(|it| it.clear_names);
    let columns = || step_audit::COLUMNS.iter().map(|it| it.name);
    if keeps_names || columns().all(|name| policy.action(name) == Action::Keep) {
        return Ok((None, PrivacyMark::default()));
    }
    let keys = load_keys(&config.privacy.key_file)?;
    let overrides = policy.overrides().filter(|(column, _)| columns().any(|it| it == *column));
    let mark = PrivacyMark {
        profile: policy.profile().name().to_owned(),
        key: Some(keys.active_id().to_owned()),
        columns: overrides
            .map(|(column, action)| (column.to_owned(), action.name().to_owned()))
            .collect(),
    };
    let pseudonyms = Pseudonyms::new(&keys, &tenant_name(config));
    Ok((Some(ProtectedEvents::new(policy.clone(), pseudonyms)), mark))
}

/// Whether a generation shows people as a mark says, so that its objects may be carried over.
pub(crate) fn is_like(previous: &Generation, mark: &PrivacyMark) -> bool {
    previous.manifest().privacy.as_ref().unwrap_or(&PrivacyMark::default()) == mark
}

/// Refuses a run that could not replace everything: objects that show people in two ways must never
/// be in one generation.
pub(crate) fn check_replaces_all(previous: &Generation, plan: &Plan) -> Result<(), Failure> {
    let skipped = plan.steps().iter().filter(|it| !it.runs()).map(|it| it.step);
    let has_rows = |name: &&str| {
        let mut tables = previous.manifest().tables.iter();
        tables.any(|it| it.name == **name && it.rows > 0)
    };
    for step in skipped {
        let entities = step.entities.iter().map(|it| it.type_name);
        let relationships = step.relationships.iter().map(|it| it.type_name);
        if let Some(name) = entities.chain(relationships).find(|it| has_rows(it)) {
            return Err(Failure::usage(format!(
                "the privacy settings or the key have changed, so that nothing can be carried over, \
                 and step {} is not to run, which made `{name}`: run all steps at once",
                step.id
            )));
        }
    }
    Ok(())
}

/// What stands for a text in the ledger; nothing where there are no keys.
pub(crate) fn ledger_token(global: &Global, text: &str) -> Option<String> {
    let config = Config::load(&config::find(global.config.as_deref())?).ok()?;
    if !config.privacy.key_file.exists() {
        return None;
    }
    match load_keys(&config.privacy.key_file) {
        Ok(keys) => Some(pseudonym::ledger_token(&keys, &tenant_name(&config), text)),
        Err(failure) => {
            output::note(&format!("the ledger cannot tell this query: {:#}", failure.error));
            None
        }
    }
}

/// The list of those who were erased; nothing if nobody ever was.
///
/// # Errors
///
/// [`Exit::DataRefused`] if there is no list though the store names erasures.
pub(crate) fn all_suppressions(
    config: &Config,
    tenant: &TenantStore,
) -> Result<Option<SuppressionList>, Failure> {
    let list = read_lists(config, tenant)?;
    if list.is_none() {
        refuse_lost_lists(config, tenant)?;
    }
    Ok(list)
}

/// Reads the list from the store and its copy beside the key file, which is there so that an older store that
/// is put back brings nobody back; nothing if neither is there.
fn read_lists(config: &Config, tenant: &TenantStore) -> Result<Option<SuppressionList>, Failure> {
    let stored = tenant.state(SUPPRESSIONS)?;
    let stored = stored.map(|it| parse_list(it, &format!("{SUPPRESSIONS}.json in the store")));
    let path = copy_path(config);
    let copy = core_files::read_if_present(&path)
        .map_err(|error| Failure::new(Exit::Configuration, error))?
        .map(|bytes| parse_list(bytes, &path.display().to_string()));
    let (stored, copy) = (stored.transpose()?, copy.transpose()?);
    match (stored, copy) {
        (Some(mut stored), Some(copy)) => {
            stored.merge(copy).map_err(|error| Failure::new(Exit::Configuration, error))?;
            Ok(Some(stored))
        }
        (stored, copy) => Ok(stored.or(copy)),
    }
}

/// Refuses to go on without any list though the store names erasures: the next run would read everybody again.
fn refuse_lost_lists(config: &Config, tenant: &TenantStore) -> Result<(), Failure> {
    let named = tenant.erasures_named()?.len();
    if named == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::DataRefused,
        anyhow::anyhow!(
            "the store names {named} erasures, and both lists of erased people are missing, so that they \
             would be read again: put back {SUPPRESSIONS}.json in the tenant's folder of the store, or {}, \
             from a backup",
            copy_path(config).display()
        ),
    ))
}

/// Writes the list again where it or its copy is missing or older.
fn restore_lists(config: &Config, lock: &RunLock, list: &SuppressionList) -> Result<(), Failure> {
    let stored = lock.tenant().state(SUPPRESSIONS)?;
    let copy = core_files::read_if_present(&copy_path(config)).map_err(anyhow::Error::new)?;
    let text = list.to_text();
    if [stored, copy].iter().all(|it| it.as_deref() == Some(text.as_bytes())) {
        return Ok(());
    }
    tracing::warn!(
        "the list of erased people or its copy was missing or older: it is written again"
    );
    save_suppressions(config, lock, list)
}

/// Since when a reusable identifier must be suppressed to count by now, RFC 3339.
pub(crate) fn reusable_from() -> String {
    let hours = i64::from(REUSABLE_DAYS) * 24;
    let from = Moment::now().to_timestamp().checked_sub(jiff::SignedDuration::from_hours(hours));
    from.map_or_else(|_| String::new(), |it| format!("{it:.0}"))
}

/// Who is suppressed, to look for them in a text. Needs the keys only if somebody is.
pub(crate) fn suppressions(config: &Config, tenant: &TenantStore) -> Result<Suppressions, Failure> {
    suppressions_from(config, tenant, &reusable_from())
}

fn suppressions_from(
    config: &Config,
    tenant: &TenantStore,
    reusable_from: &str,
) -> Result<Suppressions, Failure> {
    let list = all_suppressions(config, tenant)?.filter(|it| !it.entries().is_empty());
    let Some(list) = list else { return Ok(Suppressions::default()) };
    let keys = load_keys(&config.privacy.key_file)?;
    let matcher = list.matcher(&keys, &tenant_name(config), reusable_from);
    matcher.map_err(|error| Failure::new(Exit::Configuration, error))
}

/// Writes the list to the store and, first, to its copy.
pub(crate) fn save_suppressions(
    config: &Config,
    lock: &RunLock,
    list: &SuppressionList,
) -> Result<(), Failure> {
    let (path, text) = (copy_path(config), list.to_text());
    let _lock = LockedKeyFile::lock(&config.privacy.key_file)?;
    core_files::replace_file(&path, text.as_bytes()).map_err(anyhow::Error::new)?;
    Ok(lock.set_state(SUPPRESSIONS, text.as_bytes())?)
}

/// The ids of the erasures in a list.
pub(crate) fn erasure_ids(list: &SuppressionList) -> BTreeSet<String> {
    list.entries().iter().map(|it| it.erasure.clone()).collect()
}

/// What came of taking erased people out of a store once more.
#[derive(Debug, Default)]
pub(crate) struct Recleansing {
    /// Whether anything that can be read had not been through every erasure.
    pub(crate) has_come_back: bool,
    /// Why erasures are not finished, a sentence each.
    pub(crate) shortfalls: Vec<String>,
}

/// Takes everybody who was erased out of generations and events that have not been through it: those of an
/// erasure that was interrupted, and those of an older copy that was put back. Restores a list that is
/// missing, and finishes erasures that have no certificate.
///
/// # Errors
///
/// [`Exit::DataRefused`] if the published generation or the events cannot be read while somebody is to be
/// taken out of them.
pub(crate) fn cleanse_what_came_back(
    config: &Config,
    lock: &RunLock,
) -> Result<Recleansing, Failure> {
    cleanse_without_damaged(config, lock, &[])
}

/// Removes the generations that cannot be read, then does the same. Returns their IDs too.
pub(crate) fn remove_damaged_and_cleanse(
    config: &Config,
    lock: &RunLock,
) -> Result<(Vec<String>, Recleansing), Failure> {
    if all_suppressions(config, lock.tenant())?.is_none() {
        return Ok((Vec::new(), Recleansing::default()));
    }
    let removed = damage::remove(lock, &lock.tenant().damaged_generations()?)?;
    let recleansing = cleanse_without_damaged(config, lock, &removed)?;
    Ok((removed, recleansing))
}

/// `removed` are the damaged generations that were removed now, for the certificates.
fn cleanse_without_damaged(
    config: &Config,
    lock: &RunLock,
    removed: &[String],
) -> Result<Recleansing, Failure> {
    let Some(list) = all_suppressions(config, lock.tenant())? else {
        return Ok(Recleansing::default());
    };
    let ids = erasure_ids(&list);
    restore_lists(config, lock, &list)?;
    let is_known = lock.tenant().erasures()? == ids;
    if !is_known {
        lock.set_erasures(&ids)?;
    }
    let closed = lock.tenant().closed_by_damage()?;
    damage::refuse_published(&closed)?;
    let has_come_back = !is_known
        || lock.tenant().is_anything_uncleansed(audit::LOG)?
        || findings::is_uncleansed(lock.tenant());
    let cleansed = if has_come_back {
        // What comes back is from before the erasures, so every identifier counts whatever its age.
        let suppressions = suppressions_from(config, lock.tenant(), "")?;
        Some(cleansing::cleanse(lock, &suppressions)?)
    } else {
        None
    };
    if let Some(cleansed) = &cleansed {
        tracing::warn!(
            generations = cleansed.generations.len(),
            events = cleansed.events,
            "the store was older than the last erasure, which was done again"
        );
    }
    let progress = unfinished::Progress { cleansed: cleansed.as_ref(), removed, closed };
    let shortfalls = unfinished::certify(config, lock, &list, &progress)?;
    Ok(Recleansing { has_come_back, shortfalls })
}

/// Refuses a store that is older than its list of suppressions: somebody who was erased may be in it.
pub(crate) fn check_erasures(config: &Config, tenant: &TenantStore) -> Result<(), Failure> {
    // Without any list what is stored can still be read: it has been through every erasure.
    let Some(list) = read_lists(config, tenant)? else { return Ok(()) };
    if erasure_ids(&list).is_subset(&tenant.erasures()?) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::DataRefused,
        anyhow::anyhow!(
            "the store is older than the last erasure, so somebody who was erased may be in it: \
         `{} privacy suppression apply` takes them out again",
            system::own_command()
        ),
    ))
}

/// Where the copy of a tenant's list is: beside the key file, which is not in the store.
fn copy_path(config: &Config) -> PathBuf {
    copy_of(config, config.tenant.as_str(), config.region.as_str())
}

/// The same for another tenant that uses the key file.
pub(crate) fn copy_of(config: &Config, tenant: &str, region: &str) -> PathBuf {
    let mut name = config.privacy.key_file.clone().into_os_string();
    name.push(format!(".{tenant}.{region}.{SUPPRESSIONS}.json"));
    PathBuf::from(name)
}

fn parse_list(bytes: Vec<u8>, place: &str) -> Result<SuppressionList, Failure> {
    let text = String::from_utf8(bytes).unwrap_or_default();
    SuppressionList::parse(&text).map_err(|error| {
        let error = anyhow::Error::new(error);
        let error = error.context(format!(
            "{place} cannot be read, and without it people who were erased would come back"
        ));
        Failure::from(error)
    })
}
