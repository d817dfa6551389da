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
use arrow_array::{Array as _, ArrayRef};
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
        let mut forms: BTreeSet<Vec<u8>> =
            texts.iter().flat_map(|text| traces::forms(text)).collect();
        forms.retain(|it| it.len() >= MIN_BYTES);
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&forms);
        let automaton = automaton.map_err(|_| anyhow::anyhow!("there are too many identifiers"))?;
        let plain: BTreeSet<Vec<u8>> =
            texts.iter().map(|it| it.to_lowercase().into_bytes()).collect();
        let inner = forms.iter().map(|it| !plain.contains(&it.to_ascii_lowercase())).collect();
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
                let mut is_there = false;
                let mut look = |text: &str| is_there |= self.is_in(text.as_bytes());
                if let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() {
                    let values = dictionary.values();
                    if known.as_ref().is_some_and(|it| it.to_data().ptr_eq(&values.to_data())) {
                        continue;
                    }
                    (0..values.len()).for_each(|row| each_text(values.as_ref(), row, &mut look));
                    *known = Some(values.clone());
                } else {
                    (0..column.len()).for_each(|row| each_text(column.as_ref(), row, &mut look));
                }
                if is_there {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether it is in a text, and not within a longer word.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        let continues = |byte: Option<&u8>| {
            byte.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
        };
        self.automaton.find_overlapping_iter(text).any(|found| {
            let before = found.start().checked_sub(1).and_then(|it| text.get(it));
            let is_word = !continues(before) && !continues(text.get(found.end()));
            is_word || self.inner[found.pattern().as_usize()]
        })
    }
}
