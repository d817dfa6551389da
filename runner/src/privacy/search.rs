//! Looks for somebody who was erased in every byte of a store: in the files as they are, and in the
//! cells of tables, whose pages are compressed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, ListArray};
use core_privacy::traces;
use core_store::{Batches, TenantStore};

use super::identifiers::each_text;
use super::subject::Subject;
use crate::audit;

/// Shorter texts are found by chance in what is compressed.
const MIN_BYTES: usize = 6;

/// How much of a file is looked at at once.
const PIECE: usize = 1 << 20;

/// What was found where.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Paths below the tenant's folder.
    pub(crate) files: BTreeSet<String>,
    /// Files and tables that were looked through.
    pub(crate) scanned_files: usize,
    pub(crate) scanned_tables: usize,
}

/// Knows everything that somebody may be found by.
pub(crate) struct Search {
    automaton: AhoCorasick,
    /// Whether a form may stand within a longer word: all but the texts themselves.
    inner: Vec<bool>,
    longest: usize,
}

impl Search {
    /// For a subject; nothing of it is kept in a form that can be printed.
    pub(crate) fn of(subject: &Subject) -> anyhow::Result<Search> {
        let pseudonyms = subject.identifiers.iter().map(|(_, text)| text);
        let texts = subject.texts.iter().chain(&subject.names).chain(pseudonyms);
        let texts: Vec<&String> = texts.filter(|it| it.len() >= MIN_BYTES).collect();
        let forms = texts.iter().flat_map(|text| traces::forms(text));
        // The search makes no difference between upper and lower case.
        let mut forms: BTreeSet<Vec<u8>> = forms.map(|it| it.to_ascii_lowercase()).collect();
        forms.retain(|it| it.len() >= MIN_BYTES);
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&forms);
        let automaton = automaton.map_err(|_| anyhow::anyhow!("there are too many identifiers"))?;
        let plain: BTreeSet<Vec<u8>> =
            texts.iter().map(|it| it.to_lowercase().into_bytes()).collect();
        let inner = forms.iter().map(|it| !plain.contains(it)).collect();
        Ok(Search { automaton, inner, longest })
    }

    /// Looks through everything that a tenant has.
    pub(crate) fn through(&self, tenant: &TenantStore) -> anyhow::Result<Findings> {
        let mut findings = Findings::default();
        for (name, path) in tenant.files()? {
            findings.scanned_files += 1;
            if self.is_in(name.as_bytes()) || self.is_in_file(&path)? {
                findings.files.insert(name);
            }
        }
        for entry in tenant.history()? {
            let generation = tenant.generation(&entry.id)?;
            for table in &generation.manifest().tables {
                findings.scanned_tables += 1;
                if self.is_in_rows(generation.batches(table.kind, &table.name)?)? {
                    findings.files.insert(format!("generations/{}: {}", entry.id, table.name));
                }
            }
        }
        let events = tenant.events(audit::LOG)?;
        findings.scanned_tables += usize::from(!events.files().is_empty());
        if self.is_in_rows(events.batches_from(""))? {
            findings.files.insert("events/audit".to_owned());
        }
        Ok(findings)
    }

    fn is_in_file(&self, path: &Path) -> anyhow::Result<bool> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // What works beside may have removed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut text = Vec::new();
        loop {
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut text);
            let read = read.with_context(|| format!("cannot read {}", path.display()))?;
            if self.is_in(&text) {
                return Ok(true);
            }
            if read == 0 {
                return Ok(false);
            }
            // One may lie across two pieces. What stands before it counts too.
            text.drain(..text.len().saturating_sub(self.longest + 1));
        }
    }

    fn is_in_rows(&self, batches: Batches) -> anyhow::Result<bool> {
        let mut known: Vec<Option<ArrayRef>> = Vec::new();
        for batch in batches {
            let batch = batch?;
            known.resize(batch.num_columns(), None);
            for (column, known) in batch.columns().iter().zip(&mut known) {
                let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() else {
                    if self.is_in_column(column.as_ref()) {
                        return Ok(true);
                    }
                    continue;
                };
                let values = dictionary.values();
                if known.as_ref().is_some_and(|it| it.to_data().ptr_eq(&values.to_data())) {
                    continue;
                }
                if self.is_in_column(values.as_ref()) {
                    return Ok(true);
                }
                *known = Some(values.clone());
            }
        }
        Ok(false)
    }

    fn is_in_column(&self, column: &dyn Array) -> bool {
        let mut rows = vec![false; column.len()];
        self.mark_rows(column, &mut rows);
        rows.contains(&true)
    }

    /// Marks the rows with a text that it is in. The texts of a column lie behind each other, so they are
    /// looked through at once; only where there is something does it matter where one ends.
    pub(crate) fn mark_rows(&self, column: &dyn Array, rows: &mut [bool]) {
        let list = column.as_list_opt::<i32>().map(ListArray::values);
        let dictionary = column.as_dictionary_opt::<UInt32Type>().map(DictionaryArray::values);
        let texts = list.or(dictionary).map_or(column, |it| it.as_ref());
        let Some(texts) = texts.as_string_opt::<i32>() else { return };
        let offsets = texts.value_offsets();
        let [from, to] = [offsets.first(), offsets.last()].map(|it| {
            let offset = it.copied().unwrap_or(0);
            usize::try_from(offset).expect("offsets of texts are not negative")
        });
        if !self.automaton.is_match(&texts.value_data()[from..to]) {
            return;
        }
        for (row, mark) in rows.iter_mut().enumerate() {
            each_text(column, row, &mut |text| *mark |= self.is_in(text.as_bytes()));
        }
    }

    /// Whether it is in a text, and not within a longer word.
    fn is_in(&self, text: &[u8]) -> bool {
        let continues = |byte: Option<&u8>| {
            byte.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
        };
        // Whether there is anything is found out faster than where.
        self.automaton.is_match(text)
            && self.automaton.find_overlapping_iter(text).any(|found| {
                let before = found.start().checked_sub(1).and_then(|it| text.get(it));
                let is_word = !continues(before) && !continues(text.get(found.end()));
                is_word || self.inner[found.pattern().as_usize()]
            })
    }
}
