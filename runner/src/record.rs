//! The record of processing: what is processed, for what, who gets it, how long it is kept, in the
//! fields of article 30 of the GDPR. People write purposes and contacts; the rest is known here.

mod markdown;

use std::collections::BTreeMap;

use core_model::entity::EntityType;
use core_model::property::PersonalData;
use core_model::step::Step;
use core_store::{Generation, TableKind};
use serde::Serialize;

use crate::config::Config;
use crate::system;

/// What JupiterOne's hosts look like: `api.eu.jupiterone.io`.
const JUPITERONE_HOST: (&str, &str) = ("api.", ".jupiterone.io");

/// What this program does itself, whatever the configuration says.
const OWN_MEASURES: [&str; 6] = [
    "columns that no declaration names are dropped before anything is written",
    "files and folders are for their owner alone (0600, 0700), and a store that others may change is \
     refused",
    "connections are encrypted (TLS 1.2 or newer); credentials go to one host each",
    "secrets are referred to, never written down, and wiped from memory; core dumps are off",
    "no log, error or report holds a value of a person",
    "runs, deliveries, reads and removals are in a ledger whose changes are found",
];

/// A record of processing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// When it was printed, RFC 3339.
    pub(crate) printed_at: String,
    pub(crate) controller: Option<String>,
    pub(crate) officer: Option<String>,
    pub(crate) purposes: Vec<String>,
    pub(crate) legal_basis: Option<String>,
    /// Whom the data is about.
    pub(crate) subjects: Vec<String>,
    /// Where it comes from.
    pub(crate) tenant: String,
    pub(crate) region: String,
    /// How much of people is kept: the privacy profile.
    pub(crate) profile: &'static str,
    /// Columns that the configuration treats otherwise than the profile does, with what happens to them.
    pub(crate) columns: BTreeMap<String, &'static str>,
    /// The ID of the key of the pseudonyms in the published generation; none without pseudonyms.
    pub(crate) key: Option<String>,
    /// The generation whose objects are counted; none if nothing was published yet.
    pub(crate) generation: Option<String>,
    pub(crate) categories: Vec<Category>,
    pub(crate) recipients: Vec<Recipient>,
    /// What is to be thought about where the data goes, if anything.
    pub(crate) transfer_warning: Option<String>,
    pub(crate) retention: Vec<Kept>,
    pub(crate) measures: Vec<String>,
}

/// The personal data of one type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Category {
    #[serde(rename = "type")]
    pub(crate) type_name: &'static str,
    /// Properties that name a person.
    pub(crate) direct: Vec<&'static str>,
    /// Properties that point at one together with other data.
    pub(crate) indirect: Vec<&'static str>,
    /// How many objects the published generation holds.
    pub(crate) objects: Option<u64>,
}

/// Who gets the data.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    pub(crate) name: &'static str,
    pub(crate) host: String,
    pub(crate) account: String,
    /// Where it lies, if its host says so.
    pub(crate) region: Option<String>,
}

/// How long something is kept.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kept {
    pub(crate) what: &'static str,
    pub(crate) window: String,
}

impl Record {
    /// The record for a configuration, with the counts of a generation.
    pub(crate) fn new(config: &Config, generation: Option<&Generation>) -> Record {
        let written = config.record.clone();
        let entities = Step::all().into_iter().flat_map(|step| step.entities);
        let policy = &config.privacy.policy;
        let mark = generation.and_then(|generation| generation.manifest().privacy.as_ref());
        let overrides = policy.overrides();
        let employees = || vec!["employees and others who use devices of the estate".to_owned()];
        Record {
            printed_at: system::now().to_rfc3339(),
            controller: written.controller,
            officer: written.officer,
            purposes: written.purposes,
            legal_basis: written.legal_basis,
            subjects: if written.subjects.is_empty() { employees() } else { written.subjects },
            tenant: config.tenant.as_str().to_owned(),
            region: config.region.as_str().to_owned(),
            profile: policy.profile().name(),
            columns: overrides.map(|(name, action)| (name.to_owned(), action.name())).collect(),
            key: mark.and_then(|mark| mark.key.clone()),
            generation: generation.map(|generation| generation.id().to_string()),
            categories: entities.filter_map(|entity| category(entity, generation)).collect(),
            recipients: recipients(config),
            transfer_warning: transfer_warning(config),
            retention: kept(config),
            measures: OWN_MEASURES.map(str::to_owned).into_iter().chain(written.measures).collect(),
        }
    }

    /// The record as a page for people. What the configuration does not say is named as missing.
    pub(crate) fn to_markdown(&self) -> String {
        markdown::page(self)
    }
}

/// What is to be said before data of this tenant goes where the configuration sends it; nothing if it
/// stays in its region, or if the host does not tell its own.
pub(crate) fn transfer_warning(config: &Config) -> Option<String> {
    let region = config.region.as_str();
    let elsewhere = recipients(config).into_iter().find_map(|recipient| {
        recipient.region.filter(|theirs| theirs != region).map(|theirs| (recipient.name, theirs))
    });
    elsewhere.map(|(name, theirs)| {
        format!(
            "the tenant's data lies in region {region}, and {name} is in {theirs}: personal data \
             leaves its region, which may need a legal ground of its own"
        )
    })
}

fn recipients(config: &Config) -> Vec<Recipient> {
    let jupiterone = config.jupiterone.iter().map(|jupiterone| {
        let identity = jupiterone.destination.identity();
        Recipient {
            name: "JupiterOne",
            region: region_of(&identity.host),
            host: identity.host,
            account: identity.account,
        }
    });
    jupiterone.collect()
}

/// The region that a host of JupiterOne names.
fn region_of(host: &str) -> Option<String> {
    let region = host.strip_prefix(JUPITERONE_HOST.0)?.strip_suffix(JUPITERONE_HOST.1)?;
    Some(region.to_owned())
}

/// The properties of a type with personal data, and how many objects there are.
pub(crate) fn category(
    entity: &'static EntityType,
    generation: Option<&Generation>,
) -> Option<Category> {
    let of = |class: PersonalData| {
        let properties =
            entity.properties.iter().filter(|property| property.personal_data() == class);
        properties.map(|property| property.name).collect::<Vec<_>>()
    };
    let (direct, indirect) = (of(PersonalData::Direct), of(PersonalData::Indirect));
    if direct.is_empty() && indirect.is_empty() {
        return None;
    }
    let table = generation
        .and_then(|generation| generation.manifest().table(TableKind::Entity, entity.type_name));
    let objects = table.map(|table| table.rows);
    Some(Category { type_name: entity.type_name, direct, indirect, objects })
}

/// What is kept, and for how long.
pub(crate) fn kept(config: &Config) -> Vec<Kept> {
    let windows = &config.retention;
    let days = |days: u64| format!("{days} days");
    let generations = format!(
        "{} days, at most one a day after {}; the published one until the next",
        windows.generations.keep_days, windows.generations.keep_all_days
    );
    let rows = [
        ("generations", generations),
        ("unfinished downloads and generations", format!("{} hours", windows.staging_hours)),
        ("the ledger", days(windows.ledger_days)),
    ];
    let audit =
        config.audit.iter().map(|_| ("events of the audit trail", days(windows.events_days)));
    rows.into_iter().chain(audit).map(|(what, window)| Kept { what, window }).collect()
}

#[cfg(test)]
mod tests;
