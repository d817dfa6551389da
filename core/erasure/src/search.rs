//! Searches every byte of a store for a person or device: in the files as they are, and in the cells of tables, whose
//! pages are compressed.
//!
//! The rule of `core_privacy::mentions` decides which texts certainly name the subject, as when rows are read and
//! cleansed. Texts that only may name the subject are counted separately, with their places and without their values,
//! for a person to decide.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use core_model::column::IdentifierKind;
use core_privacy::canonical::canonical;
use core_privacy::mentions::readings::may_be_encoded;
use core_privacy::mentions::{Position, each_mention, may_mention};
use core_privacy::pseudonym::PREFIX;
use core_privacy::traces;
use core_store::{LEDGER_PATH, TenantStore};

use crate::cleansing::Cleanser;
use crate::error::ErasureError;
use crate::identifiers::{self, each_text, key, position_in_event};
use crate::ledger_search::{self, Line};
use crate::places::SearchReport;
use crate::subject::Subject;

/// The shortest bare name that is looked for: shorter ones are in nearly every text.
const MIN_NAME: usize = 3;

/// The shortest identifier whose digits and bytes in UTF-16 are looked for.
const MIN_OPAQUE: usize = 6;

/// The bytes of a file that are searched together.
const PIECE: usize = 1 << 20;

/// The number of bytes around a match in a file that decide whether it counts.
const CONTEXT: usize = 256;

/// The relation of a text to the subject, the more certain last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Possible,
    Certain,
}

/// All patterns by which a person or device may be found.
pub struct Search {
    identifiers: BTreeSet<(IdentifierKind, String)>,
    /// The words that may name the subject, in lower case.
    needles: BTreeSet<String>,
    /// Finds cells that are worth a closer look.
    cells: AhoCorasick,
    /// Finds full forms in files, in forms that can be read and in others.
    readable: AhoCorasick,
    opaque: AhoCorasick,
    longest: usize,
}

impl Search {
    /// A search for a subject; nothing of it is kept in a form that can be printed.
    ///
    /// # Errors
    ///
    /// [`ErasureError::TooManyIdentifiers`].
    pub fn new(subject: &Subject) -> Result<Self, ErasureError> {
        let full: BTreeSet<&str> = subject.identifiers.iter().filter_map(full_form).collect();
        let needles = needles(subject);
        let all = needles.iter().map(String::as_str).chain(full.iter().copied());
        let cells = all.flat_map(traces::forms).collect();
        let readable: BTreeSet<_> =
            full.iter().flat_map(|text| traces::readable_forms(text)).collect();
        // Shorter texts occur by chance in compressed data and in checksums.
        let long = full.iter().filter(|text| text.len() >= MIN_OPAQUE);
        let opaque: BTreeSet<_> = long.flat_map(|text| traces::opaque_forms(text)).collect();
        let longest = readable.iter().chain(&opaque).map(Vec::len).max().unwrap_or(0);
        Ok(Self {
            identifiers: subject.identifiers.clone(),
            cells: automaton(&cells)?,
            readable: automaton(&readable)?,
            opaque: automaton(&opaque)?,
            needles,
            longest,
        })
    }

    /// Searches every file and every cell of a tenant; `log` is the log of its events.
    ///
    /// # Errors
    ///
    /// The store or a file of it cannot be read.
    pub fn search_all(
        &self,
        tenant: &TenantStore,
        log: &str,
    ) -> Result<SearchReport, ErasureError> {
        let mut report = SearchReport::default();
        for (name, path) in tenant.files()? {
            tenant.check_stop()?;
            report.scanned_files += 1;
            let in_file = if name == LEDGER_PATH {
                let (acts, in_rest) = self.in_ledger(&path)?;
                report.acts_in_ledger = acts;
                in_rest
            } else {
                self.in_file(&path).map_err(ErasureError::Files)?
            };
            match self.verdict(Position::Label, &name).max(in_file) {
                Some(Verdict::Certain) => report.certain.add(&name, "", ""),
                Some(Verdict::Possible) => report.possible.add(&name, "", ""),
                None => {}
            }
        }
        self.search_tables(tenant, log, None, &|_| false, &mut report)?;
        Ok(report)
    }

    /// Searches the tables as an erasure would leave them, and counts what it would remove.
    ///
    /// # Errors
    ///
    /// The store or a file of it cannot be read.
    pub fn preview(
        &self,
        tenant: &TenantStore,
        log: &str,
        subject: &Subject,
        cleanser: &Cleanser<'_>,
    ) -> Result<SearchReport, ErasureError> {
        let mut report = SearchReport::default();
        let is_damaged =
            |id: &str| subject.damaged.iter().any(|generation| generation.id.as_str() == id);
        self.search_tables(tenant, log, Some(cleanser), &is_damaged, &mut report)?;
        report.texts = cleanser.emptied_texts();
        Ok(report)
    }

    fn search_tables(
        &self,
        tenant: &TenantStore,
        log: &str,
        cleanser: Option<&Cleanser<'_>>,
        is_damaged: &dyn Fn(&str) -> bool,
        report: &mut SearchReport,
    ) -> Result<(), ErasureError> {
        for entry in tenant.history()?.iter().rev().filter(|entry| !is_damaged(entry.id.as_str())) {
            let generation = tenant.generation(&entry.id)?;
            let mut gone = 0;
            for table in &generation.manifest().tables {
                report.scanned_tables += 1;
                let place = format!("{}: {}", entry.id, table.name);
                let mut columns = Columns::default();
                for batch in generation.batches(table.kind, &table.name)? {
                    tenant.check_stop()?;
                    let batch = batch?;
                    let kept = cleanser.and_then(|cleanser| cleanser.keep(table, &batch));
                    let kept = kept.as_ref().unwrap_or(&batch);
                    gone += (batch.num_rows() - kept.num_rows()) as u64;
                    let free: Vec<usize> = identifiers::free_texts(&table.name, kept);
                    let schema = kept.schema();
                    let is_free =
                        |name: &str| free.iter().any(|place| schema.field(*place).name() == name);
                    let position =
                        |name: &str| if is_free(name) { Position::Text } else { Position::Label };
                    self.look(&place, kept, &position, &mut columns, report);
                }
            }
            report.rows.insert(entry.id.to_string(), gone);
        }
        let events = tenant.events(log)?;
        report.scanned_tables += usize::from(!events.files().is_empty());
        let mut columns = Columns::default();
        for batch in events.batches_from("") {
            tenant.check_stop()?;
            let batch = batch?;
            let kept = cleanser.map(|cleanser| cleanser.kept_events(&batch));
            let kept = kept.as_ref().unwrap_or(&batch);
            report.events += (batch.num_rows() - kept.num_rows()) as u64;
            self.look("events", kept, &position_in_event, &mut columns, report);
        }
        Ok(())
    }

    /// Marks the rows with a text that names the subject beyond doubt.
    pub fn mark_rows(&self, column: &dyn Array, position: Position, rows: &mut [bool]) {
        for (row, mark) in rows.iter_mut().enumerate() {
            each_text(column, row, &mut |text| {
                *mark |= self.verdict(position, text) == Some(Verdict::Certain);
            });
        }
    }

    fn look(
        &self,
        place: &str,
        batch: &RecordBatch,
        position: &dyn Fn(&str) -> Position,
        columns: &mut Columns,
        report: &mut SearchReport,
    ) {
        columns.0.resize_with(batch.num_columns(), || None);
        let schema = batch.schema();
        for ((field, column), known) in
            schema.fields().iter().zip(batch.columns()).zip(&mut columns.0)
        {
            let name = field.name().as_str();
            let verdicts = self.verdicts(column, position(name), known);
            for (row, verdict) in verdicts.into_iter().enumerate() {
                match verdict {
                    Some(Verdict::Certain) => report.certain.add(place, name, key(batch, row)),
                    // The names of types are in these, and those are no names of people.
                    Some(Verdict::Possible) if !name.starts_with('_') => {
                        report.possible.add(place, name, key(batch, row));
                    }
                    _ => {}
                }
            }
        }
    }

    /// The texts of the rows of a column. The values of a dictionary are looked at once, as long as it stays
    /// the same.
    fn verdicts(
        &self,
        column: &ArrayRef,
        position: Position,
        known: &mut Option<(ArrayRef, Vec<Option<Verdict>>)>,
    ) -> Vec<Option<Verdict>> {
        let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() else {
            return self.verdicts_of_texts(column.as_ref(), position);
        };
        let values = dictionary.values();
        let is_known = |(last, _): &(ArrayRef, _)| last.to_data().ptr_eq(&values.to_data());
        if !known.as_ref().is_some_and(is_known) {
            *known = Some((values.clone(), self.verdicts_of_texts(values.as_ref(), position)));
        }
        let Some((_, verdicts)) = known else { return Vec::new() };
        let keys = dictionary.keys().iter();
        let rows = keys.map(|key| verdicts.get(key? as usize).copied().flatten());
        let mut rows: Vec<_> = rows.collect();
        // A value that no row uses is in the file all the same.
        if let (Some(first), Some(verdict)) = (rows.first_mut(), verdicts.iter().max()) {
            *first = (*first).max(*verdict);
        }
        rows
    }

    /// The texts of a column lie behind each other, so they are looked through at once; only where there is
    /// something does it matter where one ends.
    fn verdicts_of_texts(&self, column: &dyn Array, position: Position) -> Vec<Option<Verdict>> {
        let list = column.as_list_opt::<i32>().map(ListArray::values);
        let texts = list.map_or(column, AsRef::as_ref);
        let Some(texts) = texts.as_string_opt::<i32>() else { return Vec::new() };
        let offsets = texts.value_offsets();
        let [from, to] = [offsets.first(), offsets.last()].map(|offset| {
            let offset = offset.copied().unwrap_or(0);
            usize::try_from(offset).expect("offsets of texts are not negative")
        });
        let bytes = &texts.value_data()[from..to];
        if !may_be_encoded(bytes) && !self.cells.is_match(bytes) {
            return Vec::new();
        }
        let mut verdicts = vec![None; column.len()];
        for (row, verdict) in verdicts.iter_mut().enumerate() {
            each_text(column, row, &mut |text| {
                *verdict = (*verdict).max(self.verdict(position, text));
            });
        }
        verdicts
    }

    /// Returns true if a text has a word that may name the subject.
    pub fn may_name(&self, text: &str) -> bool {
        self.verdict(Position::Text, text).is_some()
    }

    fn verdict(&self, position: Position, text: &str) -> Option<Verdict> {
        if !may_be_encoded(text.as_bytes()) && !self.cells.is_match(text) {
            return None;
        }
        let mut is_certain = false;
        each_mention(position, text, &mut |identifier_kind, mention| {
            is_certain = is_certain
                || canonical(identifier_kind, mention)
                    .is_some_and(|form| self.identifiers.contains(&form));
        });
        if is_certain {
            return Some(Verdict::Certain);
        }
        may_mention(text, &self.needles).then_some(Verdict::Possible)
    }

    /// The number of entries of the ledger of a tenant that name the subject as the one who acted.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn acts_in_ledger(&self, tenant: &TenantStore) -> Result<u64, ErasureError> {
        let (acts, _) = self.in_ledger(&tenant.file_path(LEDGER_PATH)?)?;
        Ok(acts)
    }

    /// The number of entries that name the subject as the one who acted, and the verdict on everything else.
    fn in_ledger(&self, path: &Path) -> Result<(u64, Option<Verdict>), ErasureError> {
        let (mut acts, mut verdict) = (0, None);
        let look = |line: &Line| {
            acts += u64::from(self.verdict(Position::Label, &line.actor).is_some());
            verdict = verdict.max(self.in_bytes(&line.rest));
        };
        ledger_search::each_line(path, look).map_err(ErasureError::Files)?;
        Ok((acts, verdict))
    }

    fn in_file(&self, path: &Path) -> anyhow::Result<Option<Verdict>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // Another process may have removed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let (mut bytes, mut verdict) = (Vec::new(), None);
        loop {
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes);
            let read = read.with_context(|| format!("cannot read {}", path.display()))?;
            verdict = verdict.max(self.in_bytes(&bytes));
            if verdict == Some(Verdict::Certain) || read == 0 {
                return Ok(verdict);
            }
            // A match may lie across two pieces, and its surroundings count too.
            bytes.drain(..bytes.len().saturating_sub(self.longest + 2 * CONTEXT));
        }
    }

    fn in_bytes(&self, bytes: &[u8]) -> Option<Verdict> {
        if self.opaque.is_match(bytes) {
            return Some(Verdict::Certain);
        }
        let mut verdict = None;
        for found in self.readable.find_iter(bytes) {
            let start = found.start().saturating_sub(CONTEXT);
            let end = (found.end() + CONTEXT).min(bytes.len());
            let text = String::from_utf8_lossy(&bytes[start..end]);
            verdict = verdict.max(self.verdict(Position::Label, &text));
            if verdict == Some(Verdict::Certain) {
                break;
            }
        }
        verdict
    }
}

/// The dictionaries of the columns of a table, with what their values say.
#[derive(Default)]
struct Columns(Vec<Option<(ArrayRef, Vec<Option<Verdict>>)>>);

/// An identifier that tells one person or device from all others wherever it stands.
fn full_form((identifier_kind, text): &(IdentifierKind, String)) -> Option<&str> {
    let is_full = text.to_lowercase().starts_with(PREFIX)
        || match identifier_kind {
            IdentifierKind::Address => text.contains('@'),
            IdentifierKind::Login => text.contains('\\'),
            IdentifierKind::Sid | IdentifierKind::UserUid | IdentifierKind::DeviceUid => true,
            _ => false,
        };
    is_full.then_some(text.as_str())
}

/// The words that may name a subject: its identifiers, also those that others have too, the names in its rows, and
/// its addresses without their domains.
fn needles(subject: &Subject) -> BTreeSet<String> {
    let identifiers = subject.identifiers.iter().chain(&subject.shared);
    let identifiers = identifiers.map(|(_, text)| text.as_str());
    let texts = subject.texts.iter().chain(&subject.names).map(String::as_str);
    let texts: Vec<&str> = identifiers.chain(texts).collect();
    let locals = texts.iter().filter_map(|text| Some(text.split_once('@')?.0));
    let logins = texts.iter().filter_map(|text| Some(text.split_once('\\')?.1));
    let all = texts.iter().copied().chain(locals).chain(logins);
    let all = all.map(|text| text.trim().to_lowercase());
    all.filter(|text| text.chars().count() >= MIN_NAME).collect()
}

fn automaton(forms: &BTreeSet<Vec<u8>>) -> Result<AhoCorasick, ErasureError> {
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(forms);
    automaton.map_err(|_| ErasureError::TooManyIdentifiers)
}
