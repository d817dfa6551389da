//! The subject of a request: the rows and identifiers of one person or device in every kept generation, found by the
//! typed identifiers.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use core_model::class::REQUIRED_OF_EVERY_ENTITY;
use core_model::column::IdentifierKind;
use core_model::entity::EntityType;
use core_privacy::canonical::canonical;
use core_privacy::keys::{KeyRing, KeyState};
use core_privacy::pseudonym::{PREFIX, Pseudonyms};
use core_privacy::reuse::{is_lasting, is_reusable};
use core_store::{DamagedGeneration, Generation, TableKind, TenantStore};

use crate::error::ErasureError;
use crate::identifiers::{IdentifyingColumns, each_text, entity_with_key, key};

/// The most rounds of a search: each adds the identifiers that the previous one has found.
const MAX_ROUNDS: usize = 8;

/// The kind of object that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A person.
    User,
    /// A device.
    Device,
}

/// One person or device.
#[derive(Debug, Default)]
pub struct Subject {
    /// Every identifier and pseudonym in canonical form.
    pub identifiers: BTreeSet<(IdentifierKind, String)>,
    /// The same as it is written in rows and was typed, without pseudonyms' copies in other kinds.
    pub texts: BTreeSet<String>,
    /// The names in the rows that belong to no other object.
    pub names: BTreeSet<String>,
    /// The keys of its entities.
    pub keys: BTreeSet<String>,
    /// The number of rows in each generation, the oldest first.
    pub rows: BTreeMap<String, u64>,
    /// The identifiers that others have too, or had at another time, so that they prove nothing.
    pub shared: BTreeSet<(IdentifierKind, String)>,
    /// Generations that cannot be read and were not searched.
    pub damaged: Vec<DamagedGeneration>,
}

impl SubjectKind {
    /// The kind of the uids of its entities.
    fn uid_kind(self) -> IdentifierKind {
        match self {
            Self::User => IdentifierKind::UserUid,
            Self::Device => IdentifierKind::DeviceUid,
        }
    }

    /// The type of its entities: the one whose key is such a uid. `None` if no step makes it.
    pub fn entity_type(self) -> Option<&'static EntityType> {
        entity_with_key(self.uid_kind())
    }

    /// Returns true if only devices have identifiers of a kind.
    pub fn is_of_device(identifier_kind: IdentifierKind) -> bool {
        matches!(identifier_kind, IdentifierKind::DeviceUid | IdentifierKind::DeviceName)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
        }
    }

    /// The kinds that a typed text may have; the stored data tells which of them it is.
    fn identifier_kinds(self, text: &str) -> &'static [IdentifierKind] {
        let text = text.trim().to_lowercase();
        let is_pseudonym = text.starts_with(PREFIX);
        match self {
            _ if text.starts_with("s-1-") => &[IdentifierKind::Sid],
            Self::User if is_pseudonym => &[
                IdentifierKind::Login,
                IdentifierKind::Address,
                IdentifierKind::Sid,
                IdentifierKind::UserUid,
            ],
            Self::User => &[IdentifierKind::Login, IdentifierKind::UserUid],
            Self::Device if is_pseudonym => {
                &[IdentifierKind::DeviceUid, IdentifierKind::DeviceName, IdentifierKind::Sid]
            }
            Self::Device => &[IdentifierKind::DeviceUid, IdentifierKind::DeviceName],
        }
    }
}

/// Makes the pseudonyms of an identifier under every key that is not retired.
pub struct AllPseudonyms(Vec<Pseudonyms>);

impl AllPseudonyms {
    /// Prepares the pseudonyms of a tenant under all keys of a ring.
    pub fn new(keys: &KeyRing, tenant: &str) -> Self {
        let keys_of = keys.describe().into_iter().filter_map(|key| match key.state {
            KeyState::Active => Some(Pseudonyms::new(keys, tenant)),
            KeyState::Earlier => Pseudonyms::earlier(keys, key.id, tenant).ok(),
            KeyState::Retired | KeyState::Lasting => None,
        });
        Self(keys_of.collect())
    }

    /// Where there are no keys, there are no pseudonyms.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The canonical forms of an identifier and of its pseudonyms. A pseudonym of a login name may
    /// stand for an address, so it counts for both.
    fn forms(&self, identifier_kind: IdentifierKind, value: &str) -> Vec<(IdentifierKind, String)> {
        let identifier_kinds: &[IdentifierKind] = match identifier_kind {
            IdentifierKind::Login | IdentifierKind::Address => {
                &[IdentifierKind::Login, IdentifierKind::Address]
            }
            _ => &[identifier_kind],
        };
        let Some(raw) = canonical(identifier_kind, value) else { return Vec::new() };
        let mut forms = Vec::new();
        let mut add = |text: &str| {
            forms.extend(
                identifier_kinds
                    .iter()
                    .filter_map(|identifier_kind| canonical(*identifier_kind, text)),
            );
        };
        if raw.1.to_lowercase().starts_with(PREFIX) {
            add(&raw.1);
            return forms;
        }
        for pseudonyms in &self.0 {
            pseudonyms.of(identifier_kind, value).iter().for_each(|pseudonym| add(pseudonym));
        }
        forms.push(raw);
        forms
    }
}

/// Finds a person or device in every kept generation. Finding nothing is not an error: the subject may still come.
///
/// # Errors
///
/// [`ErasureError::Ambiguous`] or [`ErasureError::Reused`] if several objects have the typed identifiers, and the
/// errors of reading the store.
pub fn find(
    tenant: &TenantStore,
    kind: SubjectKind,
    typed: &[String],
    pseudonyms: &AllPseudonyms,
) -> Result<Subject, ErasureError> {
    let mut subject = Subject::default();
    for text in typed.iter().map(|text| text.trim()) {
        // The key of an entity, as queries show it, has its uid.
        let uid = kind.entity_type().and_then(|entity| entity.uid_of_key(text));
        let text = uid.as_deref().unwrap_or(text);
        subject.texts.insert(text.to_owned());
        for identifier_kind in kind.identifier_kinds(text) {
            subject.identifiers.extend(pseudonyms.forms(*identifier_kind, text));
        }
    }
    let typed = subject.identifiers.clone();
    let (mut shared, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut generations = Vec::new();
    subject.damaged = tenant.damaged_generations()?;
    for entry in tenant.history()?.iter().rev() {
        if subject.damaged.iter().all(|damaged| damaged.id != entry.id) {
            generations.push(tenant.generation(&entry.id)?);
        }
    }
    for number in 0..MAX_ROUNDS {
        let known_names = std::mem::take(&mut subject.names);
        let mut round = Round { known_names, ..Round::default() };
        for generation in &generations {
            round.look(generation, kind, &subject.identifiers, &typed)?;
        }
        round.find_successors(&subject.identifiers, &typed)?;
        if !round.shared.is_empty() {
            // The rows that were found by these are of others: this look counts for nothing.
            subject.identifiers.retain(|form| !round.shared.contains(form));
            shared.extend(round.shared);
            subject.names = round.known_names;
            continue;
        }
        let before = subject.identifiers.len();
        // Only of names that were known before this look it is known who else bears them.
        let are_names_settled = round.names.is_subset(&round.known_names);
        found.extend(
            round
                .found
                .iter()
                .filter_map(|(identifier_kind, text)| canonical(*identifier_kind, text)),
        );
        for (identifier_kind, text) in &round.found {
            if canonical(*identifier_kind, text).is_some_and(|form| !shared.contains(&form)) {
                subject.identifiers.extend(pseudonyms.forms(*identifier_kind, text));
                subject.texts.insert(text.clone());
            }
        }
        subject.names = round.names.difference(&round.names_of_others).cloned().collect();
        (subject.keys, subject.rows) = (round.keys, round.rows);
        if are_names_settled && number > 0 && subject.identifiers.len() == before {
            break;
        }
    }
    // By now it is known whether the typed text is a uid or a name.
    let is_other_reading = |form: &(IdentifierKind, String)| {
        typed.contains(form)
            && !found.contains(form)
            && found.iter().any(|(_, text)| *text == form.1)
    };
    subject.identifiers.retain(|form| !is_other_reading(form));
    subject.texts.retain(|text| {
        let mut forms = IdentifierKind::ALL
            .iter()
            .filter_map(|identifier_kind| canonical(*identifier_kind, text));
        forms.any(|form| subject.identifiers.contains(&form))
    });
    subject.shared = shared;
    Ok(subject)
}

/// The result of one look through all generations.
#[derive(Default)]
struct Round {
    found: BTreeSet<(IdentifierKind, String)>,
    shared: BTreeSet<(IdentifierKind, String)>,
    names: BTreeSet<String>,
    /// Those of an earlier round, and which of them others bear.
    known_names: BTreeSet<String>,
    names_of_others: BTreeSet<String>,
    keys: BTreeSet<String>,
    rows: BTreeMap<String, u64>,
    /// The entities that had each reusable identifier, in any generation.
    owners: BTreeMap<(IdentifierKind, String), BTreeSet<String>>,
    /// The lasting identifiers of each entity that was found.
    lasting: BTreeMap<String, BTreeSet<(IdentifierKind, String)>>,
}

impl Round {
    /// Looks through one generation. Identifiers that were typed must belong to one entity there;
    /// others that belong to several prove nothing.
    fn look(
        &mut self,
        generation: &Generation,
        kind: SubjectKind,
        identifiers: &BTreeSet<(IdentifierKind, String)>,
        typed: &BTreeSet<(IdentifierKind, String)>,
    ) -> Result<(), ErasureError> {
        let Some(name) = kind.entity_type().map(|entity| entity.type_name) else { return Ok(()) };
        if generation.manifest().table(TableKind::Entity, name).is_none() {
            return Ok(());
        }
        let mut owners: BTreeMap<(IdentifierKind, String), BTreeSet<String>> = BTreeMap::new();
        let mut matched = 0_u64;
        for batch in generation.batches(TableKind::Entity, name)? {
            let batch = batch?;
            let identifying = IdentifyingColumns::new(name, &batch);
            for row in 0..batch.num_rows() {
                let mut is_subject = false;
                identifying.each(&batch, row, |identifier_kind, text| {
                    let Some(form) = canonical(identifier_kind, text) else { return };
                    if identifiers.contains(&form) {
                        is_subject = true;
                        owners.entry(form).or_default().insert(key(&batch, row).to_owned());
                    }
                });
                self.take_names(&batch, row, is_subject);
                if is_subject {
                    self.take_lasting(&identifying, &batch, row);
                    matched += 1;
                    self.keys.insert(key(&batch, row).to_owned());
                    identifying.each(&batch, row, |identifier_kind, text| {
                        self.found.insert((identifier_kind, text.to_owned()));
                    });
                }
            }
        }
        self.rows.insert(generation.id().to_string(), matched);
        for (form, owners) in
            owners.iter().filter(|((identifier_kind, _), _)| is_reusable(*identifier_kind))
        {
            self.owners.entry(form.clone()).or_default().extend(owners.iter().cloned());
        }
        // Several that were all named by their uids are one and the same.
        owners.retain(|_, keys| keys.len() > 1 && !keys.iter().all(|key| is_typed(key, typed)));
        for (form, owners) in owners {
            if typed.contains(&form) {
                let generation = generation.id().to_string();
                return Err(ErasureError::Ambiguous { owners: owners.len(), generation });
            }
            self.shared.insert(form);
        }
        Ok(())
    }
}

impl Round {
    fn take_lasting(&mut self, identifying: &IdentifyingColumns, batch: &RecordBatch, row: usize) {
        let lasting = self.lasting.entry(key(batch, row).to_owned()).or_default();
        identifying.each(batch, row, |identifier_kind, text| {
            lasting.extend(canonical(identifier_kind, text).filter(|form| is_lasting(form.0)));
        });
    }

    /// Finds the identifiers that had another owner at another time: they prove nothing, and the other owner is not
    /// the subject.
    fn find_successors(
        &mut self,
        identifiers: &BTreeSet<(IdentifierKind, String)>,
        typed: &BTreeSet<(IdentifierKind, String)>,
    ) -> Result<(), ErasureError> {
        let is_known = |key: &String| {
            self.lasting
                .get(key)
                .is_some_and(|forms| forms.iter().any(|form| identifiers.contains(form)))
        };
        for (form, owners) in self.owners.iter().filter(|(_, owners)| owners.len() > 1) {
            if owners.iter().all(&is_known) || self.is_one(owners) {
                continue;
            }
            if typed.contains(form) && !owners.iter().any(is_known) {
                return Err(ErasureError::Reused { owners: owners.len() });
            }
            self.shared.insert(form.clone());
        }
        Ok(())
    }

    /// Returns whether each of these entities has a lasting identifier in common with the ones before it.
    fn is_one(&self, keys: &BTreeSet<String>) -> bool {
        let mut known: BTreeSet<&(IdentifierKind, String)> = BTreeSet::new();
        keys.iter().filter_map(|key| self.lasting.get(key)).enumerate().all(|(number, lasting)| {
            let is_joined = number == 0 || lasting.iter().any(|form| known.contains(form));
            known.extend(lasting);
            is_joined
        })
    }

    fn take_names(&mut self, batch: &RecordBatch, row: usize, is_subject: bool) {
        let columns = REQUIRED_OF_EVERY_ENTITY.iter();
        for column in columns.filter_map(|name| batch.column_by_name(name)) {
            each_text(column.as_ref(), row, &mut |name| {
                if is_subject {
                    self.names.insert(name.to_owned());
                } else if self.known_names.contains(name) {
                    self.names_of_others.insert(name.to_owned());
                }
            });
        }
    }
}

/// Returns whether an entity was named by its own uid.
fn is_typed(key: &str, typed: &BTreeSet<(IdentifierKind, String)>) -> bool {
    let uid = key.split_once(':').map_or(key, |(_, uid)| uid);
    let is_uid =
        |identifier_kind| canonical(identifier_kind, uid).is_some_and(|form| typed.contains(&form));
    is_uid(IdentifierKind::UserUid) || is_uid(IdentifierKind::DeviceUid)
}
