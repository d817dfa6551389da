//! Keys and suppressions of an installation: where they are kept, and what a run does with them.

mod cleansing;
pub mod damage;
pub mod erasure;
mod findings;
mod identifiers;
mod key_file;
mod list_search;
pub mod retrieval;
pub mod search;
pub mod subject;
mod unfinished;

use std::collections::BTreeSet;
use std::path::PathBuf;

use core_model::column::Column;
use core_model::plan::Plan;
use core_model::step::Step;
use core_privacy::profile::{Action, OverrideError, Policy, Profile};
use core_privacy::protection::Protection;
use core_privacy::pseudonym::{self, Pseudonyms};
use core_privacy::reuse::REUSABLE_DAYS;
use core_privacy::suppression::{SuppressionList, Suppressions};
use core_store::{Generation, PrivacyMark, RunLock, TenantStore};

pub use self::identifiers::may_be_erased;
pub use self::key_file::{LockedKeyFile, load_keys};
use crate::audit::{self, EventRedactor};
use crate::declared;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;

/// The list of those who were erased, a small file beside the generations of a tenant.
pub const SUPPRESSIONS: &str = "suppressions";

/// What a run does for the people in its rows.
pub struct RunPrivacy {
    /// Nothing if every declared value is kept and no one is suppressed.
    pub protection: Option<Protection>,
    /// What the generation says of it.
    pub mark: PrivacyMark,
}

/// The name of a tenant in the derivation of keys: a tenant of the same name elsewhere is another one.
pub fn tenant_name(engine: Engine<'_>) -> String {
    format!("{}.{}", engine.settings.tenant.as_str(), engine.settings.region.as_str())
}

/// What this configuration does for the people in the rows of a tenant.
pub fn of_run(engine: Engine<'_>, tenant: &TenantStore) -> Result<RunPrivacy, Failure> {
    let policy = engine.settings.privacy.policy.clone();
    let list = all_suppressions(engine, tenant)?;
    let needs_keys = policy.needs_key() || list.as_ref().is_some_and(|it| !it.entries().is_empty());
    let keys = if needs_keys { Some(load_keys(engine)?) } else { None };
    let refused = |error| Failure::new(FailureKind::Configuration, error);
    let name = tenant_name(engine);
    let suppressions = match (&list, &keys) {
        (Some(list), Some(keys)) => {
            list.matcher(keys, &name, &reusable_from(engine.host)).map_err(refused)?
        }
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
pub fn of_events(engine: Engine<'_>) -> Result<(Option<EventRedactor>, PrivacyMark), Failure> {
    let policy = &engine.settings.privacy.policy;
    let keeps_names = engine.settings.audit.as_ref().is_some_and(|it| it.clear_names);
    let columns = || declared::event_step().columns().into_iter();
    if keeps_names || columns().all(|name| policy.action(name) == Action::Keep) {
        return Ok((None, PrivacyMark::default()));
    }
    let keys = load_keys(engine)?;
    let overrides = policy.overrides().filter(|(column, _)| columns().any(|it| it == *column));
    let mark = PrivacyMark {
        profile: policy.profile().name().to_owned(),
        key: Some(keys.active_id().to_owned()),
        columns: overrides
            .map(|(column, action)| (column.to_owned(), action.name().to_owned()))
            .collect(),
    };
    let pseudonyms = Pseudonyms::new(&keys, &tenant_name(engine));
    Ok((Some(EventRedactor::new(policy.clone(), pseudonyms)), mark))
}

/// Returns whether a generation shows people as a mark says, so that its objects may be carried over.
pub fn is_like(previous: &Generation, mark: &PrivacyMark) -> bool {
    previous.manifest().privacy.as_ref().unwrap_or(&PrivacyMark::default()) == mark
}

/// Refuses a run that could not replace everything: objects that show people in two ways must never
/// be in one generation.
pub fn check_replaces_all(previous: &Generation, plan: &Plan) -> Result<(), Failure> {
    let skipped = plan.steps().iter().filter(|it| !it.runs()).map(|it| it.step);
    let has_rows = |name: &&str| {
        let mut tables = previous.manifest().tables.iter();
        tables.any(|it| it.name == **name && it.rows > 0)
    };
    for step in skipped {
        let entities = step.entities.iter().map(|it| it.type_name);
        let relationships = step.relationships.iter().map(|it| it.type_name);
        if let Some(name) = entities.chain(relationships).find(|it| has_rows(it)) {
            return Err(Failure::configuration(format!(
                "the privacy settings or the key have changed, so that nothing can be carried over, \
                 and step {} is not to run, which made `{name}`: run all steps at once",
                step.id
            )));
        }
    }
    Ok(())
}

/// Returns what stands for a text in the ledger; nothing where there are no keys.
///
/// # Errors
/// The keys cannot be read.
pub fn ledger_token(engine: Engine<'_>, text: &str) -> Result<Option<String>, Failure> {
    if !engine.settings.privacy.key_file.exists() {
        return Ok(None);
    }
    let keys = load_keys(engine)?;
    Ok(Some(pseudonym::ledger_token(&keys, &tenant_name(engine), text)))
}

/// Returns what a profile does to the columns of the linked steps.
///
/// # Errors
/// The columns whose override cannot be used, each with the reason.
pub fn policy(
    profile: Profile,
    overrides: &[(String, Action)],
) -> Result<Policy, Vec<(String, OverrideError)>> {
    let keys: Vec<&str> = Step::all().iter().flat_map(|step| step.key_columns()).collect();
    Policy::new(profile, &Column::all(), &keys, overrides)
}

/// The list of erased people; nothing if no one was ever erased.
///
/// # Errors
///
/// [`FailureKind::DataRefused`] if there is no list though the store names erasures.
pub fn all_suppressions(
    engine: Engine<'_>,
    tenant: &TenantStore,
) -> Result<Option<SuppressionList>, Failure> {
    let list = read_lists(engine, tenant)?;
    if list.is_none() {
        refuse_lost_lists(engine, tenant)?;
    }
    Ok(list)
}

/// Reads the list from the store and its copy beside the key file, which is there so that an older store that
/// is put back brings nobody back; nothing if neither is there.
fn read_lists(
    engine: Engine<'_>,
    tenant: &TenantStore,
) -> Result<Option<SuppressionList>, Failure> {
    let stored = tenant.state(SUPPRESSIONS)?;
    let stored = stored.map(|it| parse_list(it, &format!("{SUPPRESSIONS}.json in the store")));
    let path = copy_path(engine);
    let copy = core_files::read_if_present(&path)
        .map_err(|error| Failure::new(FailureKind::Configuration, error))?
        .map(|bytes| parse_list(bytes, &path.display().to_string()));
    let (stored, copy) = (stored.transpose()?, copy.transpose()?);
    match (stored, copy) {
        (Some(mut stored), Some(copy)) => {
            stored.merge(copy).map_err(|error| Failure::new(FailureKind::Configuration, error))?;
            Ok(Some(stored))
        }
        (stored, copy) => Ok(stored.or(copy)),
    }
}

/// Refuses to go on without any list though the store names erasures: the next run would read everybody again.
fn refuse_lost_lists(engine: Engine<'_>, tenant: &TenantStore) -> Result<(), Failure> {
    let named = tenant.erasures_named()?.len();
    if named == 0 {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::DataRefused,
        anyhow::anyhow!(
            "the store names {named} erasures, and both lists of erased people are missing, so that they \
             would be read again: put back {SUPPRESSIONS}.json in the tenant's folder of the store, or {}, \
             from a backup",
            copy_path(engine).display()
        ),
    ))
}

/// Writes the list again where it or its copy is missing or older.
fn restore_lists(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
) -> Result<(), Failure> {
    let stored = lock.tenant().state(SUPPRESSIONS)?;
    let copy = core_files::read_if_present(&copy_path(engine)).map_err(anyhow::Error::new)?;
    let text = list.to_text();
    if [stored, copy].iter().all(|it| it.as_deref() == Some(text.as_bytes())) {
        return Ok(());
    }
    tracing::warn!(
        "the list of erased people or its copy was missing or older: it is written again"
    );
    save_suppressions(engine, lock, list)
}

/// Since when a reusable identifier must be suppressed to count by now, RFC 3339.
pub fn reusable_from(host: &Host) -> String {
    let hours = i64::from(REUSABLE_DAYS) * 24;
    let from = host.now().to_timestamp().checked_sub(jiff::SignedDuration::from_hours(hours));
    from.map_or_else(|_| String::new(), |it| format!("{it:.0}"))
}

/// Who is suppressed, to look for them in a text. Needs the keys only if somebody is.
pub fn suppressions(engine: Engine<'_>, tenant: &TenantStore) -> Result<Suppressions, Failure> {
    suppressions_from(engine, tenant, &reusable_from(engine.host))
}

fn suppressions_from(
    engine: Engine<'_>,
    tenant: &TenantStore,
    reusable_from: &str,
) -> Result<Suppressions, Failure> {
    let list = all_suppressions(engine, tenant)?.filter(|it| !it.entries().is_empty());
    let Some(list) = list else { return Ok(Suppressions::default()) };
    let keys = load_keys(engine)?;
    let matcher = list.matcher(&keys, &tenant_name(engine), reusable_from);
    matcher.map_err(|error| Failure::new(FailureKind::Configuration, error))
}

/// Writes the list to the store and, first, to its copy.
pub fn save_suppressions(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
) -> Result<(), Failure> {
    let (path, text) = (copy_path(engine), list.to_text());
    let _lock = LockedKeyFile::lock(engine)?;
    core_files::replace_file(&path, text.as_bytes()).map_err(anyhow::Error::new)?;
    Ok(lock.set_state(SUPPRESSIONS, text.as_bytes())?)
}

/// The ids of the erasures in a list.
pub fn erasure_ids(list: &SuppressionList) -> BTreeSet<String> {
    list.entries().iter().map(|it| it.erasure.clone()).collect()
}

/// What came of taking erased people out of a store once more.
#[derive(Debug, Default)]
pub struct Recleansing {
    /// True if anything that can be read had not been through every erasure.
    pub has_come_back: bool,
    /// Why erasures are not finished, a sentence each.
    pub shortfalls: Vec<String>,
}

/// Takes everybody who was erased out of generations and events that have not been through it: those of an
/// erasure that was interrupted, and those of an older copy that was put back. Restores a list that is
/// missing, and finishes erasures that have no certificate.
///
/// # Errors
///
/// [`FailureKind::DataRefused`] if the published generation or the events cannot be read while somebody is to be
/// taken out of them.
pub fn cleanse_what_came_back(engine: Engine<'_>, lock: &RunLock) -> Result<Recleansing, Failure> {
    cleanse_without_damaged(engine, lock, &[])
}

/// Removes the generations that cannot be read, then does the same. Returns their IDs too.
pub fn remove_damaged_and_cleanse(
    engine: Engine<'_>,
    lock: &RunLock,
) -> Result<(Vec<String>, Recleansing), Failure> {
    if all_suppressions(engine, lock.tenant())?.is_none() {
        return Ok((Vec::new(), Recleansing::default()));
    }
    let removed = damage::remove(engine.host, lock, &lock.tenant().damaged_generations()?)?;
    let recleansing = cleanse_without_damaged(engine, lock, &removed)?;
    Ok((removed, recleansing))
}

/// `removed` are the damaged generations that were removed now, for the certificates.
fn cleanse_without_damaged(
    engine: Engine<'_>,
    lock: &RunLock,
    removed: &[String],
) -> Result<Recleansing, Failure> {
    // A process that was killed while it wrote the copy has left a temporary file beside it.
    core_files::remove_leftovers(&copy_path(engine));
    let Some(list) = all_suppressions(engine, lock.tenant())? else {
        return Ok(Recleansing::default());
    };
    let ids = erasure_ids(&list);
    restore_lists(engine, lock, &list)?;
    let is_known = lock.tenant().erasures()? == ids;
    if !is_known {
        lock.set_erasures(&ids)?;
    }
    let closed = lock.tenant().closed_by_damage()?;
    damage::refuse_published(engine.host, &closed)?;
    let has_come_back = !is_known
        || lock.tenant().is_anything_uncleansed(audit::LOG)?
        || findings::is_uncleansed(lock.tenant());
    let cleansed = if has_come_back {
        // What comes back is from before the erasures, so every identifier counts whatever its age.
        let suppressions = suppressions_from(engine, lock.tenant(), "")?;
        Some(cleansing::cleanse(engine.host, lock, &suppressions)?)
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
    let shortfalls = unfinished::certify(engine, lock, &list, &progress)?;
    Ok(Recleansing { has_come_back, shortfalls })
}

/// Refuses a store that is older than its list of suppressions: it may hold erased people.
pub fn check_erasures(engine: Engine<'_>, tenant: &TenantStore) -> Result<(), Failure> {
    // Without any list what is stored can still be read: it has been through every erasure.
    let Some(list) = read_lists(engine, tenant)? else { return Ok(()) };
    if erasure_ids(&list).is_subset(&tenant.erasures()?) {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::DataRefused,
        anyhow::anyhow!(
            "the store is older than the last erasure, so somebody who was erased may be in it: \
         `{} privacy suppression apply` takes them out again",
            engine.host.program
        ),
    ))
}

/// Where the copy of a tenant's list is: beside the key file, which is not in the store.
fn copy_path(engine: Engine<'_>) -> PathBuf {
    copy_of(engine, engine.settings.tenant.as_str(), engine.settings.region.as_str())
}

/// The same for another tenant that uses the key file.
pub fn copy_of(engine: Engine<'_>, tenant: &str, region: &str) -> PathBuf {
    let mut name = engine.settings.privacy.key_file.clone().into_os_string();
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
