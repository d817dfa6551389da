//! The record of processing, with the fields of article 30 of the GDPR: data, purposes, recipients, retention. People
//! write purposes and contacts; the rest derives from the settings and the store.

mod markdown;

use std::collections::BTreeMap;

use core_model::entity::EntityType;
use core_model::property::PersonalData;
use core_model::step::Step;
use core_store::{Generation, TableKind};
use serde::Serialize;

use crate::engine::Engine;
use crate::settings::Settings;

/// The prefix and the suffix of a host of JupiterOne: `api.eu.jupiterone.io`.
const JUPITERONE_HOST: (&str, &str) = ("api.", ".jupiterone.io");

/// The measures of this program, which no setting turns off.
const OWN_MEASURES: [&str; 6] = [
    "columns that no declaration names are dropped before anything is written",
    "files and folders are for their owner alone (0600, 0700), and a store that others may change is \
     refused",
    "connections are encrypted (TLS 1.2 or newer); credentials go to one host each",
    "secrets are referred to, never written down, and wiped from memory; core dumps are off",
    "no log, error or report holds a value of a person",
    "runs, deliveries, reads and removals are in a ledger whose changes are found",
];

/// The part of the record that people write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenPart {
    /// Name and contact of the controller.
    pub controller: Option<String>,
    /// Contact of the data protection officer, if there is one.
    pub officer: Option<String>,
    /// The purposes of the processing.
    pub purposes: Vec<String>,
    /// The legal basis.
    pub legal_basis: Option<String>,
    /// The data subjects; employees if none are named.
    pub subjects: Vec<String>,
    /// Technical and organisational measures, besides those of the program.
    pub measures: Vec<String>,
}

/// A record of processing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The time of printing, RFC 3339.
    pub printed_at: String,
    /// The controller.
    pub controller: Option<String>,
    /// The data protection officer.
    pub officer: Option<String>,
    /// The purposes.
    pub purposes: Vec<String>,
    /// The legal basis.
    pub legal_basis: Option<String>,
    /// The data subjects.
    pub subjects: Vec<String>,
    /// The tenant that the data comes from.
    pub tenant: String,
    /// Its region.
    pub region: String,
    /// The privacy profile.
    pub profile: &'static str,
    /// The columns for which the configuration overrides the profile, with the action.
    pub columns: BTreeMap<String, &'static str>,
    /// The ID of the key of the pseudonyms in the published generation; none without pseudonyms.
    pub key: Option<String>,
    /// The generation whose objects are counted; none if nothing was published yet.
    pub generation: Option<String>,
    /// The types with personal data.
    pub categories: Vec<Category>,
    /// The destinations.
    pub recipients: Vec<Recipient>,
    /// The warning about data that leaves its region, if any does.
    pub transfer_warning: Option<String>,
    /// The retention of each kind of data.
    pub retention: Vec<Kept>,
    /// The technical and organisational measures.
    pub measures: Vec<String>,
}

/// The personal data of one type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: &'static str,
    /// Properties that name a person.
    pub direct: Vec<&'static str>,
    /// Properties that identify a person together with other data.
    pub indirect: Vec<&'static str>,
    /// The number of objects in the published generation.
    pub objects: Option<u64>,
}

/// A recipient of the data.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The destination.
    pub name: &'static str,
    /// Its host.
    pub host: String,
    /// The account there.
    pub account: String,
    /// Its region, if its host names it.
    pub region: Option<String>,
}

/// The retention of one kind of data.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    /// The kind of data.
    pub what: &'static str,
    /// The time, in words.
    pub window: String,
}

impl Record {
    /// Writes the record, with the counts of a generation.
    pub fn new(engine: Engine<'_>, written: WrittenPart, generation: Option<&Generation>) -> Self {
        let Engine { settings, host } = engine;
        let entities = Step::all().into_iter().flat_map(|step| step.entities);
        let policy = &settings.privacy.policy;
        let mark = generation.and_then(|generation| generation.manifest().privacy.as_ref());
        let overrides = policy.overrides();
        let employees = || vec!["employees and others who use devices of the estate".to_owned()];
        Self {
            printed_at: host.now().to_rfc3339(),
            controller: written.controller,
            officer: written.officer,
            purposes: written.purposes,
            legal_basis: written.legal_basis,
            subjects: if written.subjects.is_empty() { employees() } else { written.subjects },
            tenant: settings.tenant.as_str().to_owned(),
            region: settings.region.as_str().to_owned(),
            profile: policy.profile().name(),
            columns: overrides.map(|(name, action)| (name.to_owned(), action.name())).collect(),
            key: mark.and_then(|mark| mark.key.clone()),
            generation: generation.map(|generation| generation.id().to_string()),
            categories: entities.filter_map(|entity| category(entity, generation)).collect(),
            recipients: recipients(settings),
            transfer_warning: transfer_warning(settings),
            retention: kept(settings),
            measures: OWN_MEASURES.map(str::to_owned).into_iter().chain(written.measures).collect(),
        }
    }

    /// Returns the record as a page of Markdown, which marks facts that the configuration lacks as missing.
    pub fn to_markdown(&self) -> String {
        markdown::page(self)
    }
}

/// Returns a warning if a destination takes the tenant's data out of its region; nothing if the data stays there, or
/// if the host does not name its region.
pub fn transfer_warning(settings: &Settings) -> Option<String> {
    let region = settings.region.as_str();
    let elsewhere = recipients(settings).into_iter().find_map(|recipient| {
        recipient.region.filter(|theirs| theirs != region).map(|theirs| (recipient.name, theirs))
    });
    elsewhere.map(|(name, theirs)| {
        format!(
            "the tenant's data lies in region {region}, and {name} is in {theirs}: personal data \
             leaves its region, which may need a legal ground of its own"
        )
    })
}

fn recipients(settings: &Settings) -> Vec<Recipient> {
    let jupiterone = settings.jupiterone.iter().map(|jupiterone| {
        let identity = jupiterone.destination.identity();
        Recipient {
            name: "JupiterOne",
            region: region_of(&identity.host),
            host: identity.host,
            account: identity.account,
        }
    });
    let postgres = settings.postgres.iter().map(|postgres| Recipient {
        name: "Postgres",
        region: None,
        host: postgres.settings.host.clone(),
        account: format!(
            "database {}, schema {}",
            postgres.settings.database, postgres.settings.schema
        ),
    });
    let delta = settings.delta.iter().map(|delta| Recipient {
        name: "Delta tables",
        region: None,
        host: "this machine".to_owned(),
        account: delta.settings.place(),
    });
    let neo4j = settings.neo4j.iter().map(|neo4j| Recipient {
        name: "Neo4j",
        region: None,
        host: neo4j.settings.host.clone(),
        account: format!("database {}", neo4j.settings.database),
    });
    jupiterone.chain(postgres).chain(delta).chain(neo4j).collect()
}

/// The region that a host of JupiterOne names.
fn region_of(host: &str) -> Option<String> {
    let region = host.strip_prefix(JUPITERONE_HOST.0)?.strip_suffix(JUPITERONE_HOST.1)?;
    Some(region.to_owned())
}

/// Returns the personal properties of a type, and the number of its objects; nothing if it has no personal property.
pub fn category(entity: &'static EntityType, generation: Option<&Generation>) -> Option<Category> {
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

/// Returns the kinds of data, with their retention.
pub fn kept(settings: &Settings) -> Vec<Kept> {
    let windows = &settings.retention;
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
        settings.audit.iter().map(|_| ("events of the audit trail", days(windows.events_days)));
    rows.into_iter().chain(audit).map(|(what, window)| Kept { what, window }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_of_jupiterone_tells_its_region() {
        for (host, expected) in [
            ("api.us.jupiterone.io", Some("us")),
            ("api.eu.jupiterone.io", Some("eu")),
            ("api.jupiterone.io", None),
            ("us.jupiterone.io", None),
            ("api.us.jupiterone.io.example", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host).as_deref(), expected, "{host}");
        }
    }
}
