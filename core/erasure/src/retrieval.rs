//! Everything that is known of one person or device, for an answer to a request for access. Others who
//! turn up beside are not named.

use std::collections::{BTreeMap, BTreeSet};

use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use core_model::column::IdentifierKind;
use core_model::relationship::{FROM_KEY, TO_KEY};
use core_privacy::canonical::canonical;
use core_privacy::mentions::{Position, each_mention};
use core_store::{Generation, LedgerEntry, RUN_ENDED, Table, TableKind, TenantStore};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::ErasureError;
use crate::identifiers::{IdentifyingColumns, each_text, event_texts, identifying};
use crate::search::Search;
use crate::subject::{Subject, SubjectKind};

/// The placeholder for other people.
const REDACTED: &str = "[another person]";

/// The circumstances of a retrieval.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The tenant, as Nexthink names it.
    pub tenant: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The log of its events in the store.
    pub log: &'a str,
    /// The kind of the subject: a person or a device.
    pub kind: SubjectKind,
    /// The time of the answer, RFC 3339.
    pub at: String,
    /// The retention of everything.
    pub retention: RetentionDays,
}

/// The retention of everything in the store, in days.
#[derive(Debug, Clone, Copy)]
pub struct RetentionDays {
    /// Generations.
    pub generations: u64,
    /// Entries of the ledger.
    pub ledger: u64,
    /// Events, if the audit trail is read.
    pub events: Option<u64>,
}

/// The answer to a request for access.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retrieval {
    /// The tenant.
    pub tenant: String,
    /// Its region.
    pub region: String,
    /// When it was made, RFC 3339.
    pub at: String,
    /// `user` or `device`.
    pub kind: &'static str,
    /// The published generation that objects are shown of.
    pub generation: Option<String>,
    /// The identifiers of the subject.
    pub identifiers: BTreeSet<String>,
    /// By type.
    pub entities: BTreeMap<String, Vec<Value>>,
    /// The relationships of the subject, by type.
    pub relationships: BTreeMap<String, Vec<Value>>,
    /// The events of the audit trail that name the subject.
    pub audit_events: Vec<Value>,
    /// The findings of rules about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Value>,
    /// The IDs of findings and silences with a word that may be a name of it or mean something else.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub possible_findings: BTreeSet<String>,
    /// Generations that cannot be read, so that it is not known whether they have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable_generations: Vec<String>,
    /// Every kept generation that has it.
    pub history: Vec<Held>,
    /// The number of entries of the ledger that name it as the one who read or changed data.
    pub acts_in_ledger: u64,
    /// Who got it.
    pub deliveries: Vec<Value>,
    /// The retention of everything.
    pub retention: Value,
}

/// A generation that has the subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The generation.
    pub generation: String,
    /// The run that has published it, if the ledger still has it.
    pub run: Option<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// The day on which it goes, unless an earlier one does.
    pub kept_until: String,
    /// The privacy profile it was made under.
    pub profile: String,
    /// The number of objects of the subject in it.
    pub objects: u64,
}

/// Collects everything that is known of a subject.
///
/// # Errors
///
/// The store cannot be read.
pub fn retrieve(
    tenant: &TenantStore,
    request: Request<'_>,
    subject: &Subject,
) -> Result<Retrieval, ErasureError> {
    let damaged = subject.damaged.iter().map(|generation| generation.id.to_string());
    let mut retrieval = Retrieval {
        tenant: request.tenant.to_owned(),
        region: request.region.to_owned(),
        at: request.at,
        kind: request.kind.name(),
        generation: None,
        identifiers: subject.texts.clone(),
        entities: BTreeMap::new(),
        relationships: BTreeMap::new(),
        audit_events: Vec::new(),
        findings: Vec::new(),
        possible_findings: BTreeSet::new(),
        unreadable_generations: damaged.collect(),
        history: Vec::new(),
        acts_in_ledger: Search::new(subject)?.acts_in_ledger(tenant)?,
        deliveries: Vec::new(),
        retention: request.retention.to_json(),
    };
    if let Some(generation) = tenant.current()? {
        retrieval.generation = Some(generation.id().to_string());
        retrieval.take_objects(&generation, request.kind, subject)?;
    }
    retrieval.take_events(tenant, request.log, subject)?;
    retrieval.take_history(tenant, request.retention, subject)?;
    Ok(retrieval)
}

impl Retrieval {
    /// Adds findings of rules about the subject, without the names of others.
    pub fn add_findings(&mut self, findings: Vec<Value>, subject: &Subject) {
        for mut finding in findings {
            redact(&mut finding, subject, "");
            self.findings.push(finding);
        }
    }

    /// The number of rows of the published generation.
    pub fn rows(&self) -> usize {
        self.entities.values().chain(self.relationships.values()).map(Vec::len).sum()
    }

    fn take_objects(
        &mut self,
        generation: &Generation,
        kind: SubjectKind,
        subject: &Subject,
    ) -> Result<(), ErasureError> {
        let mut keys = subject.keys.clone();
        let tables = &generation.manifest().tables;
        for table in tables.iter().filter(|table| table.kind == TableKind::Entity) {
            let rows = rows_of(generation, table, |batch| {
                let identifying = IdentifyingColumns::new(&table.name, batch);
                let is_its = |row: usize| {
                    let mut is_its = false;
                    identifying.each(batch, row, |identifier_kind, text| {
                        let form = canonical(identifier_kind, text);
                        is_its |= form.is_some_and(|form| subject.identifiers.contains(&form));
                    });
                    is_its
                };
                (0..batch.num_rows()).map(is_its).collect()
            })?;
            keys.extend(rows.iter().filter_map(|row| row["_key"].as_str().map(str::to_owned)));
            if !rows.is_empty() {
                self.entities.insert(table.name.clone(), rows);
            }
        }
        for (name, rows) in &mut self.entities {
            let is_own_type = kind.entity_type().is_some_and(|entity| entity.type_name == name);
            let others = if is_own_type { Vec::new() } else { identifying(name) };
            for row in rows {
                // An alert on a shared device may name another user in its text.
                redact(row, subject, "");
                redact_whole(row, &others, |text| is_its(text, subject));
            }
        }
        for table in tables.iter().filter(|table| table.kind == TableKind::Relationship) {
            let rows = rows_of(generation, table, |batch| {
                let mut is_its = vec![false; batch.num_rows()];
                for column in
                    [FROM_KEY, TO_KEY].iter().filter_map(|name| batch.column_by_name(name))
                {
                    for (row, is_its) in is_its.iter_mut().enumerate() {
                        each_text(column.as_ref(), row, &mut |key| *is_its |= keys.contains(key));
                    }
                }
                is_its
            })?;
            if !rows.is_empty() {
                let rows = self.relationships.entry(table.name.clone()).or_insert(rows);
                let users = SubjectKind::User.entity_type();
                let is_user =
                    |key: &str| users.is_some_and(|entity| entity.uid_of_key(key).is_some());
                for row in rows {
                    redact_whole(row, &[FROM_KEY, TO_KEY], |key| {
                        !is_user(key) || keys.contains(key)
                    });
                }
            }
        }
        Ok(())
    }

    fn take_events(
        &mut self,
        tenant: &TenantStore,
        log: &str,
        subject: &Subject,
    ) -> Result<(), ErasureError> {
        let search = Search::new(subject)?;
        let actor = event_texts().iter().find(|(_, position)| *position == Position::Account);
        let actor = actor.map_or("", |(name, _)| name);
        for batch in tenant.events(log)?.batches_from("") {
            let batch = batch?;
            let mut is_its = vec![false; batch.num_rows()];
            for (name, position) in event_texts() {
                if let Some(column) = batch.column_by_name(name) {
                    search.mark_rows(column.as_ref(), *position, &mut is_its);
                }
            }
            for mut row in json_rows(&chosen(&batch, is_its))? {
                let account = row[actor].as_str().unwrap_or("").to_owned();
                redact(&mut row, subject, &account);
                self.audit_events.push(row);
            }
        }
        Ok(())
    }

    fn take_history(
        &mut self,
        tenant: &TenantStore,
        retention: RetentionDays,
        subject: &Subject,
    ) -> Result<(), ErasureError> {
        let ended = tenant.ledger().entries_of(&[RUN_ENDED])?;
        let fact = |entry: &LedgerEntry, name| {
            entry.record.facts.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        let runs: BTreeMap<_, _> = ended
            .iter()
            .filter_map(|entry| Some((fact(entry, "generation")?, fact(entry, "run")?)))
            .collect();
        for (id, objects) in subject.rows.iter().filter(|(_, objects)| **objects > 0) {
            let generation = tenant.generation(&id.parse()?)?;
            let manifest = generation.manifest();
            let profile = manifest.privacy.as_ref().map_or("full", |mark| mark.profile.as_str());
            self.history.push(Held {
                generation: id.clone(),
                run: runs.get(id).cloned(),
                created_at: manifest.created_at.clone(),
                kept_until: days_after(&manifest.created_at, retention.generations),
                profile: profile.to_owned(),
                objects: *objects,
            });
        }
        let has_it = |entry: &LedgerEntry| {
            let rows = fact(entry, "generation").and_then(|id| subject.rows.get(&id).copied());
            rows.is_some_and(|rows| rows > 0)
        };
        let deliveries =
            tenant.ledger().entries_of(&["delivery_started", "delivery_ended", "export"])?;
        let deliveries = deliveries
            .iter()
            .filter(|entry| has_it(entry))
            .map(|LedgerEntry { record, .. }| {
                json!({ "event": record.event, "at": record.at, "facts": record.facts })
            });
        self.deliveries = deliveries.collect();
        Ok(())
    }
}

/// The rows of a table that are chosen, as JSON objects.
fn rows_of(
    generation: &Generation,
    table: &Table,
    choose: impl Fn(&RecordBatch) -> Vec<bool>,
) -> Result<Vec<Value>, ErasureError> {
    let mut rows = Vec::new();
    for batch in generation.batches(table.kind, &table.name)? {
        let batch = batch?;
        rows.extend(json_rows(&chosen(&batch, choose(&batch)))?);
    }
    Ok(rows)
}

/// The rows of a batch that are marked.
fn chosen(batch: &RecordBatch, marks: Vec<bool>) -> RecordBatch {
    let chosen = filter_record_batch(batch, &BooleanArray::from(marks));
    chosen.expect("there is one decision for each row")
}

/// The rows of a batch as JSON objects.
fn json_rows(batch: &RecordBatch) -> Result<Vec<Value>, ErasureError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(batch).and_then(|()| writer.finish()).map_err(files)?;
    let text = writer.into_inner();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(files)
}

/// Removes the addresses and accounts of other people from every text of a row; `account` is the account that caused
/// an event.
fn redact(value: &mut Value, subject: &Subject, account: &str) {
    match value {
        Value::String(text) => *text = redacted(text, subject, account),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, subject, account)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| redact(member, subject, account));
        }
        _ => {}
    }
}

/// Takes whole texts out of a row, unless they may stay.
fn redact_whole(row: &mut Value, names: &[&str], may_stay: impl Fn(&str) -> bool) {
    for name in names {
        if row[*name].as_str().is_some_and(|text| !may_stay(text)) {
            row[*name] = Value::from(REDACTED);
        }
    }
}

fn redacted(text: &str, subject: &Subject, account: &str) -> String {
    let is_others = !account.is_empty() && !is_its(account, subject);
    let mut others = BTreeSet::new();
    if is_others {
        others.insert(account.to_owned());
    }
    each_other(text, subject, &mut |other| _ = others.insert(other.to_owned()));
    // `ACME\Jane` is a piece of the subject's `ACME\Jane Doe`, and not another person.
    let own: Vec<(usize, usize)> =
        subject.texts.iter().flat_map(|known| places_of(text, known)).collect();
    let is_of_own = |(start, end): &(usize, usize)| {
        own.iter().any(|(own_start, own_end)| own_start <= start && end <= own_end)
    };
    let mut places: Vec<(usize, usize)> = Vec::new();
    for other in &others {
        let found = places_of(text, other);
        // A person is named in an encoded form, so there is no place to cut.
        if found.is_empty() && other != account && !text.contains(other.as_str()) {
            return REDACTED.to_owned();
        }
        places.extend(found.into_iter().filter(|place| !is_of_own(place)));
    }
    // The longest of those that begin at the same place comes first.
    places.sort_unstable_by_key(|(start, end)| (*start, usize::MAX - end));
    let (mut redacted, mut shown) = (String::new(), 0);
    for (start, end) in places.into_iter().filter(|(start, end)| start < end) {
        if start >= shown {
            redacted.push_str(&text[shown..start]);
            redacted.push_str(REDACTED);
            shown = end;
        }
    }
    redacted + &text[shown..]
}

/// Yields the addresses and accounts in a text that belong to other people.
fn each_other(text: &str, subject: &Subject, take: &mut dyn FnMut(&str)) {
    let is_of_name = |next: char| next.is_alphanumeric() || "._-+'’@\\".contains(next);
    let (mut own, mut others) = (Vec::new(), Vec::new());
    each_mention(Position::Text, text, &mut |identifier_kind, mention| {
        let is_full_form = match identifier_kind {
            IdentifierKind::Address => mention.matches('@').count() == 1,
            // A backslash before it makes it a part of a path.
            IdentifierKind::Login => {
                mention.contains('\\') && !text.contains(&format!("\\{mention}"))
            }
            _ => false,
        };
        if !is_full_form || !mention.chars().all(is_of_name) {
            return;
        }
        let mut is_subject = false;
        each_mention(Position::Text, mention, &mut |identifier_kind, part| {
            let form = canonical(identifier_kind, part);
            is_subject |= form.is_some_and(|form| subject.identifiers.contains(&form))
                || is_its(part, subject);
        });
        let mentions = if is_subject { &mut own } else { &mut others };
        mentions.push(mention.to_owned());
    });
    // In `log_zoe@acme.example.txt` the extension tells that Zoe is meant, which is lost where it is cut off.
    let is_piece_of_own = |mention: &String| {
        let has_subject = || {
            let mention = mention.to_lowercase();
            subject.texts.iter().any(|known| mention.contains(&known.to_lowercase()))
        };
        own.iter().any(|whole| whole.starts_with(mention.as_str())) && has_subject()
    };
    others.iter().filter(|mention| !is_piece_of_own(mention)).for_each(|mention| take(mention));
}

/// Where a name stands in a text and is not a piece of a longer one.
fn places_of(text: &str, name: &str) -> Vec<(usize, usize)> {
    let is_of_name = |next: char| next.is_alphanumeric() || matches!(next, '_' | '-' | '\'' | '’');
    let places = text.match_indices(name).map(|(start, _)| (start, start + name.len()));
    let is_whole = |(start, end): &(usize, usize)| {
        !text[..*start].ends_with(|last| is_of_name(last) || last == '.')
            && !text[*end..].starts_with(is_of_name)
    };
    places.filter(is_whole).collect()
}

fn is_its(word: &str, subject: &Subject) -> bool {
    subject.texts.iter().any(|text| text.to_lowercase() == word.to_lowercase())
}

/// The day that is some days after a time; empty if the time is invalid.
fn days_after(time: &str, days: u64) -> String {
    let day = time.parse::<jiff::Timestamp>().ok().and_then(|time| {
        let hours = i64::try_from(days).ok()?.checked_mul(24)?;
        time.checked_add(jiff::SignedDuration::from_hours(hours)).ok()
    });
    day.map_or_else(String::new, |day| day.strftime("%Y-%m-%d").to_string())
}

impl RetentionDays {
    fn to_json(self) -> Value {
        let mut retention = Map::new();
        retention.insert("generationsDays".to_owned(), json!(self.generations));
        retention.insert("ledgerDays".to_owned(), json!(self.ledger));
        if let Some(days) = self.events {
            retention.insert("auditDays".to_owned(), json!(days));
        }
        Value::Object(retention)
    }
}

fn files(error: impl Into<anyhow::Error>) -> ErasureError {
    ErasureError::Files(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_taken_out_word_by_word() {
        let texts = BTreeSet::from(["mara@acme.example".to_owned()]);
        let mara = Subject { texts, ..Subject::default() };
        let table = [
            ("mara@acme.example at level 3", "eve", "mara@acme.example at level 3"),
            ("eve, by eve@acme.example.", "eve", "[another person], by [another person]."),
            ("by ACME\\Jane Doe (eve)", "ACME\\Jane Doe", "by [another person] (eve)"),
            ("Mara@acme.example|x", "Mara@acme.example", "Mara@acme.example|x"),
            ("o'mara@acme.example, mara@acme.example", "", "[another person], mara@acme.example"),
            ("log_mara@acme.example.txt", "", "log_mara@acme.example.txt"),
            ("u=eve%40acme.example", "", "[another person]"),
            ("C:\\Users\\mara\\x, ACME\\eve", "", "C:\\Users\\mara\\x, [another person]"),
            ("", "", ""),
        ];
        for (text, account, expected) in table {
            assert_eq!(redacted(text, &mara, account), expected);
        }
    }

    #[test]
    fn an_account_with_a_space_is_one_person() {
        let texts = BTreeSet::from(["ACME\\Jane Doe".to_owned()]);
        let jane = Subject { texts, ..Subject::default() };
        assert_eq!(redacted("ACME\\Jane Doe", &jane, ""), "ACME\\Jane Doe");
        let both = "by ACME\\Jane Doe, then ACME\\Jane Roe";
        assert_eq!(redacted(both, &jane, ""), "by ACME\\Jane Doe, then [another person] Roe");
    }

    #[test]
    fn what_is_kept_for_days_is_kept_until_a_day() {
        assert_eq!(days_after("2026-11-22T10:00:00Z", 90), "2027-02-20");
        assert_eq!(days_after("2026-11-22T10:00:00Z", u64::MAX), "");
    }
}
