//! The effect of the privacy settings on a run and on events.

use core_audit::EventRedactor;
use core_erasure::key_file::KeyFile;
use core_erasure::lists::ErasedPeople;
use core_model::column::Column;
use core_model::declared;
use core_model::plan::Plan;
use core_model::step::Step;
use core_privacy::keys::KeyRing;
use core_privacy::profile::{Action, OverrideError, Policy, Profile};
use core_privacy::protection::Protection;
use core_privacy::pseudonym::{self, Pseudonyms};
use core_privacy::reuse::REUSABLE_DAYS;
use core_privacy::suppression::{SuppressionList, Suppressions};
use core_store::{Generation, PrivacyMark, TenantStore};

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;

/// The privacy settings of one run.
pub struct RunPrivacy {
    /// The redaction; none if every declared value is kept and no one is suppressed.
    pub protection: Option<Protection>,
    /// The mark in the manifest of the generation.
    pub mark: PrivacyMark,
}

/// Returns the name of a tenant for the derivation of keys, with its region: a tenant of the same name in another
/// region is a different one.
pub fn tenant_name(engine: Engine<'_>) -> String {
    erased_people(engine).tenant_name()
}

/// Returns whether a run encrypts its downloads: it changes rows, or leaves out those about erased people.
pub fn encrypts_downloads(engine: Engine<'_>, tenant: &TenantStore) -> Result<bool, Failure> {
    let list = all_suppressions(engine, tenant)?;
    let is_anyone_erased = list.is_some_and(|list| !list.entries().is_empty());
    Ok(engine.settings.privacy.policy.changes_anything() || is_anyone_erased)
}

/// Returns the redaction of a run, and the mark for its generation.
pub fn of_run(engine: Engine<'_>, tenant: &TenantStore) -> Result<RunPrivacy, Failure> {
    let policy = engine.settings.privacy.policy.clone();
    let list = all_suppressions(engine, tenant)?;
    let needs_keys =
        policy.needs_key() || list.as_ref().is_some_and(|list| !list.entries().is_empty());
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
        key: keys.as_ref().filter(|_| policy.needs_key()).map(|keys| keys.active_id().to_owned()),
        columns: policy
            .overrides()
            .map(|(column, action)| (column.to_owned(), action.name().to_owned()))
            .collect(),
    };
    let protection = Protection::new(policy, keys.as_ref(), &name, suppressions);
    Ok(RunPrivacy { protection: protection.map_err(refused)?, mark })
}

/// Returns the redaction of the audit trail's events, if they are not kept as they are, and their mark.
pub fn of_events(engine: Engine<'_>) -> Result<(Option<EventRedactor>, PrivacyMark), Failure> {
    let policy = &engine.settings.privacy.policy;
    let keeps_names = engine.settings.audit.as_ref().is_some_and(|audit| audit.clear_names);
    let columns = || declared::event_step().columns().into_iter();
    if keeps_names || columns().all(|name| policy.action(name) == Action::Keep) {
        return Ok((None, PrivacyMark::default()));
    }
    let keys = load_keys(engine)?;
    let overrides = policy.overrides().filter(|(column, _)| columns().any(|name| name == *column));
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

/// Returns true if a generation has the privacy settings of a mark, so that its objects may be carried over.
pub fn is_like(previous: &Generation, mark: &PrivacyMark) -> bool {
    previous.manifest().privacy.as_ref().unwrap_or(&PrivacyMark::default()) == mark
}

/// Refuses a run that could not replace everything: a generation must never mix objects of two privacy settings.
pub fn check_replaces_all(previous: &Generation, plan: &Plan) -> Result<(), Failure> {
    let skipped = plan.steps().iter().filter(|planned| !planned.runs()).map(|planned| planned.step);
    let has_rows = |name: &&str| {
        let mut tables = previous.manifest().tables.iter();
        tables.any(|table| table.name == **name && table.rows > 0)
    };
    for step in skipped {
        let entities = step.entities.iter().map(|entity| entity.type_name);
        let relationships = step.relationships.iter().map(|relationship| relationship.type_name);
        if let Some(name) = entities.chain(relationships).find(|name| has_rows(name)) {
            return Err(Failure::configuration(format!(
                "the privacy settings or the key have changed, so that nothing can be carried over, \
                 and step {} is not to run, which made `{name}`: run all steps at once",
                step.id
            )));
        }
    }
    Ok(())
}

/// Returns the HMAC of a text for the ledger; nothing if there are no keys.
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

/// Returns the actions of a profile on the columns of the linked steps.
///
/// # Errors
/// The columns whose override cannot be used, each with the reason.
pub fn policy(
    profile: Profile,
    overrides: &[(String, Action)],
) -> Result<Policy, Vec<(String, OverrideError)>> {
    let steps = Step::all();
    let mut keys: Vec<&str> = steps.iter().flat_map(|step| step.key_columns()).collect();
    // A key that is derived from reduced cells would be the same for different objects.
    let entities = steps.iter().flat_map(|step| step.entities);
    keys.extend(entities.flat_map(|entity| entity.fallback_key_columns()));
    Policy::new(profile, &Column::all(), &keys, overrides)
}

/// The list of erased people, in the store and beside the key file.
pub fn erased_people(engine: Engine<'_>) -> ErasedPeople<'_> {
    ErasedPeople {
        key_file: key_file(engine),
        tenant: engine.settings.tenant.as_str(),
        region: engine.settings.region.as_str(),
    }
}

/// The key file of the installation.
pub fn key_file(engine: Engine<'_>) -> KeyFile<'_> {
    KeyFile { path: &engine.settings.privacy.key_file, program: &engine.host.program }
}

/// Reads the keys of the installation.
///
/// # Errors
///
/// The key file is missing, exposed or damaged; the message says what to do.
pub fn load_keys(engine: Engine<'_>) -> Result<KeyRing, Failure> {
    Ok(key_file(engine).load()?)
}

/// Reads the list of erased people; nothing if no one was ever erased.
///
/// # Errors
///
/// [`FailureKind::DataRefused`] if there is no list although the store names erasures.
pub fn all_suppressions(
    engine: Engine<'_>,
    tenant: &TenantStore,
) -> Result<Option<SuppressionList>, Failure> {
    Ok(erased_people(engine).read(tenant)?)
}

/// Makes the matcher that finds erased people. It needs the keys only if someone was erased.
///
/// # Errors
///
/// The list or the keys cannot be read.
pub fn suppressions(engine: Engine<'_>, tenant: &TenantStore) -> Result<Suppressions, Failure> {
    let list = all_suppressions(engine, tenant)?;
    Ok(erased_people(engine).matcher(list.as_ref(), &reusable_from(engine.host))?)
}

/// The time after which a reusable identifier must have been suppressed to be effective now, RFC 3339.
pub fn reusable_from(host: &Host) -> String {
    let hours = i64::from(REUSABLE_DAYS) * 24;
    let from = host.now().to_timestamp().checked_sub(jiff::SignedDuration::from_hours(hours));
    from.map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

/// Refuses a store that is older than its list of erased people, since it may contain one of them.
///
/// # Errors
///
/// [`FailureKind::DataRefused`], with what to do.
pub fn check_erasures(engine: Engine<'_>, tenant: &TenantStore) -> Result<(), Failure> {
    Ok(erased_people(engine).check_store(tenant)?)
}
