//! Whom a request is about: the rows and identifiers of one person or device in every kept generation,
//! found from what the operator typed.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use core_model::column::Family;
use core_privacy::canonical::canonical;
use core_privacy::keys::{KeyRing, KeyState};
use core_privacy::pseudonym::{PREFIX, Pseudonyms};
use core_privacy::reuse::{is_lasting, is_reusable};
use core_store::{DamagedGeneration, Generation, TableKind, TenantStore};

use super::identifiers::{Identifying, each_text, key};
use crate::failure::Failure;

/// The most rounds of a search: each adds the identifiers that the round before has found.
const MAX_ROUNDS: usize = 8;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    User,
    /// A device.
    Device,
}

/// One person or device.
#[derive(Debug, Default)]
pub struct Subject {
    /// Every identifier and pseudonym in canonical form.
    pub identifiers: BTreeSet<(Family, String)>,
    /// The same as it is written in rows and was typed, without pseudonyms' copies in other families.
    pub texts: BTreeSet<String>,
    /// The names in the rows that belong to no other object.
    pub names: BTreeSet<String>,
    /// The keys of its entities.
    pub keys: BTreeSet<String>,
    /// How many rows there are in each generation, the oldest first.
    pub rows: BTreeMap<String, u64>,
    /// The identifiers that others have too, or had at another time, and that so prove nothing.
    pub shared: BTreeSet<(Family, String)>,
    /// Generations that cannot be read and were not searched.
    pub damaged: Vec<DamagedGeneration>,
}

impl Kind {
    /// The type of its entities.
    pub fn type_name(self) -> &'static str {
        match self {
            Kind::User => "nexthink_user",
            Kind::Device => "nexthink_device",
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Device => "device",
        }
    }

    /// What a text may be that an operator typed; what is stored tells which of them it is.
    fn families(self, text: &str) -> &'static [Family] {
        let text = text.trim().to_lowercase();
        let is_pseudonym = text.starts_with(PREFIX);
        match self {
            _ if text.starts_with("s-1-") => &[Family::Sid],
            Kind::User if is_pseudonym => {
                &[Family::Login, Family::Address, Family::Sid, Family::UserUid]
            }
            Kind::User => &[Family::Login, Family::UserUid],
            Kind::Device if is_pseudonym => &[Family::DeviceUid, Family::DeviceName, Family::Sid],
            Kind::Device => &[Family::DeviceUid, Family::DeviceName],
        }
    }
}

/// Makes the pseudonyms of an identifier under every key that is not retired.
pub struct AllPseudonyms(Vec<Pseudonyms>);

impl AllPseudonyms {
    /// Prepares the pseudonyms of a tenant under all keys of a ring.
    pub fn new(keys: &KeyRing, tenant: &str) -> AllPseudonyms {
        let keys_of = keys.describe().into_iter().filter_map(|key| match key.state {
            KeyState::Active => Some(Pseudonyms::new(keys, tenant)),
            KeyState::Earlier => Pseudonyms::earlier(keys, key.id, tenant).ok(),
            KeyState::Retired | KeyState::Lasting => None,
        });
        AllPseudonyms(keys_of.collect())
    }

    /// Where there are no keys, there are no pseudonyms.
    pub fn none() -> AllPseudonyms {
        AllPseudonyms(Vec::new())
    }

    /// The canonical forms of an identifier and of its pseudonyms. A pseudonym of a login name may
    /// stand for an address, so it counts for both.
    fn forms(&self, family: Family, value: &str) -> Vec<(Family, String)> {
        let families: &[Family] = match family {
            Family::Login | Family::Address => &[Family::Login, Family::Address],
            _ => &[family],
        };
        let Some(raw) = canonical(family, value) else { return Vec::new() };
        let mut forms = Vec::new();
        let mut add =
            |text: &str| forms.extend(families.iter().filter_map(|it| canonical(*it, text)));
        if raw.1.to_lowercase().starts_with(PREFIX) {
            add(&raw.1);
            return forms;
        }
        for pseudonyms in &self.0 {
            pseudonyms.of(family, value).iter().for_each(|it| add(it));
        }
        forms.push(raw);
        forms
    }
}

/// Finds a person or device in every kept generation. That there is nothing of it in any is no error:
/// it may come still.
///
/// # Errors
/// [`FailureKind::Configuration`](crate::FailureKind::Configuration) when what was typed is what several are known by.
pub fn find(
    tenant: &TenantStore,
    kind: Kind,
    typed: &[String],
    pseudonyms: &AllPseudonyms,
) -> Result<Subject, Failure> {
    let mut subject = Subject::default();
    for text in typed {
        subject.texts.insert(text.trim().to_owned());
        for family in kind.families(text) {
            subject.identifiers.extend(pseudonyms.forms(*family, text));
        }
    }
    let typed = subject.identifiers.clone();
    let (mut shared, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut generations = Vec::new();
    subject.damaged = tenant.damaged_generations()?;
    for entry in tenant.history()?.iter().rev() {
        if subject.damaged.iter().all(|it| it.id != entry.id) {
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
            subject.identifiers.retain(|it| !round.shared.contains(it));
            shared.extend(round.shared);
            subject.names = round.known_names;
            continue;
        }
        let before = subject.identifiers.len();
        // Only of names that were known before this look it is known who else bears them.
        let are_names_settled = round.names.is_subset(&round.known_names);
        found.extend(round.found.iter().filter_map(|(family, text)| canonical(*family, text)));
        for (family, text) in &round.found {
            if canonical(*family, text).is_some_and(|it| !shared.contains(&it)) {
                subject.identifiers.extend(pseudonyms.forms(*family, text));
                subject.texts.insert(text.clone());
            }
        }
        subject.names = round.names.difference(&round.names_of_others).cloned().collect();
        (subject.keys, subject.rows) = (round.keys, round.rows);
        if are_names_settled && number > 0 && subject.identifiers.len() == before {
            break;
        }
    }
    // What was typed is by now known to be a uid or a name.
    let is_other_reading = |it: &(Family, String)| {
        typed.contains(it) && !found.contains(it) && found.iter().any(|(_, text)| *text == it.1)
    };
    subject.identifiers.retain(|it| !is_other_reading(it));
    subject.texts.retain(|text| {
        let mut forms = Family::ALL.iter().filter_map(|it| canonical(*it, text));
        forms.any(|it| subject.identifiers.contains(&it))
    });
    subject.shared = shared;
    Ok(subject)
}

/// What one look through all generations has found.
#[derive(Default)]
struct Round {
    found: BTreeSet<(Family, String)>,
    shared: BTreeSet<(Family, String)>,
    names: BTreeSet<String>,
    /// Those of an earlier round, and which of them others bear.
    known_names: BTreeSet<String>,
    names_of_others: BTreeSet<String>,
    keys: BTreeSet<String>,
    rows: BTreeMap<String, u64>,
    /// The entities that had each reusable identifier, in any generation.
    owners: BTreeMap<(Family, String), BTreeSet<String>>,
    /// The lasting identifiers of each entity that was found.
    lasting: BTreeMap<String, BTreeSet<(Family, String)>>,
}

impl Round {
    /// Looks through one generation. Identifiers that were typed must belong to one entity there;
    /// others that belong to several prove nothing.
    fn look(
        &mut self,
        generation: &Generation,
        kind: Kind,
        identifiers: &BTreeSet<(Family, String)>,
        typed: &BTreeSet<(Family, String)>,
    ) -> Result<(), Failure> {
        let name = kind.type_name();
        if generation.manifest().table(TableKind::Entity, name).is_none() {
            return Ok(());
        }
        let mut owners: BTreeMap<(Family, String), BTreeSet<String>> = BTreeMap::new();
        let mut matched = 0_u64;
        for batch in generation.batches(TableKind::Entity, name)? {
            let batch = batch?;
            let identifying = Identifying::of(name, &batch);
            for row in 0..batch.num_rows() {
                let mut is_subject = false;
                identifying.each(&batch, row, |family, text| {
                    let Some(form) = canonical(family, text) else { return };
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
                    identifying
                        .each(&batch, row, |it, text| _ = self.found.insert((it, text.to_owned())));
                }
            }
        }
        self.rows.insert(generation.id().to_string(), matched);
        for (form, owners) in owners.iter().filter(|((family, _), _)| is_reusable(*family)) {
            self.owners.entry(form.clone()).or_default().extend(owners.iter().cloned());
        }
        // Several that were all named by their uids are one and the same.
        owners.retain(|_, it| it.len() > 1 && !it.iter().all(|key| is_typed(key, typed)));
        for (form, owners) in owners {
            if typed.contains(&form) {
                return Err(Failure::configuration(format!(
                    "{} objects of generation {} are known by this: name the right ones by their \
                     uids, several if they are one and the same",
                    owners.len(),
                    generation.id()
                )));
            }
            self.shared.insert(form);
        }
        Ok(())
    }
}

impl Round {
    fn take_lasting(&mut self, identifying: &Identifying, batch: &RecordBatch, row: usize) {
        let lasting = self.lasting.entry(key(batch, row).to_owned()).or_default();
        identifying.each(batch, row, |family, text| {
            lasting.extend(canonical(family, text).filter(|it| is_lasting(it.0)));
        });
    }

    /// Finds the identifiers that had another owner at another time: they prove nothing, and whoever had
    /// them then is not the subject.
    fn find_successors(
        &mut self,
        identifiers: &BTreeSet<(Family, String)>,
        typed: &BTreeSet<(Family, String)>,
    ) -> Result<(), Failure> {
        let is_known = |key: &String| {
            self.lasting.get(key).is_some_and(|it| it.iter().any(|form| identifiers.contains(form)))
        };
        for (form, owners) in self.owners.iter().filter(|(_, owners)| owners.len() > 1) {
            if owners.iter().all(&is_known) || self.is_one(owners) {
                continue;
            }
            if typed.contains(form) && !owners.iter().any(is_known) {
                return Err(Failure::configuration(format!(
                    "this belonged to {} objects at different times: name the right ones by their \
                     uids, several if they are one and the same",
                    owners.len()
                )));
            }
            self.shared.insert(form.clone());
        }
        Ok(())
    }

    /// Returns whether each of these entities has a lasting identifier in common with the ones before it.
    fn is_one(&self, keys: &BTreeSet<String>) -> bool {
        let mut known: BTreeSet<&(Family, String)> = BTreeSet::new();
        keys.iter().filter_map(|key| self.lasting.get(key)).enumerate().all(|(number, lasting)| {
            let is_joined = number == 0 || lasting.iter().any(|it| known.contains(it));
            known.extend(lasting);
            is_joined
        })
    }

    fn take_names(&mut self, batch: &RecordBatch, row: usize, is_subject: bool) {
        for column in ["name", "displayName"].iter().filter_map(|it| batch.column_by_name(it)) {
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
fn is_typed(key: &str, typed: &BTreeSet<(Family, String)>) -> bool {
    let uid = key.split_once(':').map_or(key, |(_, uid)| uid);
    let is_uid = |family| canonical(family, uid).is_some_and(|form| typed.contains(&form));
    is_uid(Family::UserUid) || is_uid(Family::DeviceUid)
}
