//! Searches everything that is stored for people who were erased, by the list of suppressions alone.
//!
//! After an interruption the names are no longer known. The list holds HMACs, so each text is split into
//! the mentions that it may have, and each mention is looked up. The rule is the same as when rows are read
//! and cleansed (`core_privacy::mentions`), and every text of every table is searched, as in the search with
//! names ([`crate::search`]).

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use core_privacy::mentions::Position;
use core_privacy::suppression::{MentionCache, Suppressions};
use core_store::{Generation, LEDGER_PATH, Table, TableKind, TenantStore};

use crate::cleansing::Cleanser;
use crate::error::ErasureError;
use crate::identifiers::{self, IdentifyingColumns, each_text, position_in_event};
use crate::ledger_search;
use crate::places::SearchReport;

/// The files whose bytes are compressed; their rows are searched instead.
const TABLE_FILE: &str = ".parquet";

/// The bytes of a file that are looked at together.
const PIECE: usize = 1 << 20;

/// The bytes of a piece that are looked at again with the next one: more than the longest mention.
const OVERLAP: usize = 4 << 10;

/// Searches the files, tables and events of a tenant; `log` is the log of its events. Every generation must be
/// readable.
///
/// # Errors
///
/// The store or a file of it cannot be read.
pub fn search(
    tenant: &TenantStore,
    log: &str,
    suppressions: &Suppressions,
) -> Result<SearchReport, ErasureError> {
    let mut search = ListSearch::new(suppressions);
    for (name, path) in tenant.files()? {
        tenant.check_stop()?;
        search.report.scanned_files += 1;
        if name == LEDGER_PATH {
            search.ledger(&path).map_err(ErasureError::Files)?;
        } else if !name.ends_with(TABLE_FILE)
            && search.is_named_in_file(&path).map_err(ErasureError::Files)?
        {
            search.report.certain.add(&name, "", "");
        }
    }
    for entry in tenant.history()? {
        search.generation(tenant, &tenant.generation(&entry.id)?)?;
    }
    search.events(tenant, log)?;
    Ok(search.report)
}

struct ListSearch<'a> {
    suppressions: &'a Suppressions,
    cache: RefCell<MentionCache>,
    report: SearchReport,
}

impl<'a> ListSearch<'a> {
    fn new(suppressions: &'a Suppressions) -> Self {
        Self { suppressions, cache: RefCell::default(), report: SearchReport::default() }
    }

    fn ledger(&mut self, path: &Path) -> anyhow::Result<()> {
        let (mut acts, mut is_named) = (0, false);
        ledger_search::each_line(path, |line| {
            acts += u64::from(self.is_named(Position::Label, &line.actor));
            let rest = String::from_utf8_lossy(&line.rest);
            is_named = is_named || self.is_named(Position::Label, &rest);
        })?;
        self.report.acts_in_ledger = acts;
        if is_named {
            self.report.certain.add(LEDGER_PATH, "", "");
        }
        Ok(())
    }

    fn generation(
        &mut self,
        tenant: &TenantStore,
        generation: &Generation,
    ) -> Result<(), ErasureError> {
        let cleanser = Cleanser::new(self.suppressions);
        for table in &generation.manifest().tables {
            self.report.scanned_tables += 1;
            let mut dictionaries = Dictionaries::default();
            for batch in generation.batches(table.kind, &table.name)? {
                tenant.check_stop()?;
                let batch = batch?;
                let is_found = cleanser.keep(table, &batch).is_some()
                    || self.is_named_in_table(table, &batch, &mut dictionaries);
                if is_found {
                    let place = format!("{}: {}", generation.id(), table.name);
                    self.report.certain.add(&place, "", "");
                }
            }
        }
        Ok(())
    }

    fn events(&mut self, tenant: &TenantStore, log: &str) -> Result<(), ErasureError> {
        let events = tenant.events(log)?;
        self.report.scanned_tables += usize::from(!events.files().is_empty());
        for batch in events.batches_from("") {
            tenant.check_stop()?;
            let batch = batch?;
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns());
            let is_named = columns.into_iter().any(|(field, column)| {
                let position = position_in_event(field.name());
                (0..batch.num_rows()).any(|row| self.is_named_in_cell(position, column, row))
            });
            if is_named {
                self.report.certain.add("events", "", "");
            }
        }
        Ok(())
    }

    fn is_named_in_table(
        &self,
        table: &Table,
        batch: &RecordBatch,
        dictionaries: &mut Dictionaries,
    ) -> bool {
        if table.kind == TableKind::Relationship {
            return dictionaries.are_any_named(batch, &|text| self.is_named(Position::Label, text));
        }
        let identifying = IdentifyingColumns::new(&table.name, batch);
        let free = identifiers::free_texts(&table.name, batch);
        (0..batch.num_rows()).any(|row| {
            let mut own = Vec::new();
            identifying.each(batch, row, |identifier_kind, text| own.push((identifier_kind, text)));
            // The next owner of a login is no trace of the last one.
            !self.suppressions.has_next_owner(own.iter().copied())
                && batch.columns().iter().enumerate().any(|(place, column)| {
                    let is_free = free.contains(&place);
                    let position = if is_free { Position::Text } else { Position::Label };
                    self.is_named_in_cell(position, column, row)
                })
        })
    }

    fn is_named_in_cell(&self, position: Position, column: &ArrayRef, row: usize) -> bool {
        let mut is_named = false;
        each_text(column.as_ref(), row, &mut |text| {
            is_named = is_named || self.is_named(position, text);
        });
        is_named
    }

    fn is_named(&self, position: Position, text: &str) -> bool {
        self.suppressions.are_named_in(position, text, &mut self.cache.borrow_mut())
    }

    fn is_named_in_file(&self, path: &Path) -> anyhow::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            // Another process, such as a delivery, may have removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let found = any_piece(file, |text| self.is_named(Position::Label, text));
        found.with_context(|| format!("cannot read {}", path.display()))
    }
}

/// The dictionaries of the columns of a table that were looked at last: thousands of rows share one.
#[derive(Default)]
struct Dictionaries(Vec<Option<(ArrayRef, bool)>>);

impl Dictionaries {
    /// Returns whether a text of a batch fulfils a condition. Values that no row uses count too, since they
    /// are in the file.
    fn are_any_named(&mut self, batch: &RecordBatch, is_named: &dyn Fn(&str) -> bool) -> bool {
        self.0.resize_with(batch.num_columns(), || None);
        let look = |texts: &dyn Array| {
            let mut is_any = false;
            for row in 0..texts.len() {
                each_text(texts, row, &mut |text| is_any = is_any || is_named(text));
            }
            is_any
        };
        let columns = batch.columns().iter().zip(&mut self.0);
        columns.fold(false, |is_any, (column, known)| {
            let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() else {
                return look(column.as_ref()) || is_any;
            };
            let values = dictionary.values();
            let found = match known {
                Some((last, found)) if last.to_data().ptr_eq(&values.to_data()) => *found,
                _ => look(values.as_ref()),
            };
            *known = Some((values.clone(), found));
            found || is_any
        })
    }
}

/// Reads a text in pieces and returns true if one of them fulfils a condition. A piece begins between two words, so
/// that the end of a longer name does not count as a name.
fn any_piece(mut source: impl Read, is_found: impl Fn(&str) -> bool) -> io::Result<bool> {
    let mut bytes = Vec::new();
    loop {
        let read = source.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
        if is_found(&String::from_utf8_lossy(&bytes)) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        let overlap = bytes.len().saturating_sub(OVERLAP);
        let space = bytes[overlap..].iter().position(u8::is_ascii_whitespace);
        let is_whole = overlap == 0;
        bytes.drain(..if is_whole { 0 } else { overlap + space.unwrap_or(0) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a text of this many bytes before and after a word is found to have it as a word.
    fn is_found(before: usize, word: &str, after: usize) -> bool {
        let text = format!("{} {word} {}", "ab ".repeat(before / 3), "ab ".repeat(after / 3));
        let has_word =
            |piece: &str| piece.split_whitespace().any(|word| word == "zoe@acme.example");
        any_piece(text.as_bytes(), has_word).expect("bytes can be read")
    }

    #[test]
    fn a_name_is_found_wherever_pieces_of_a_file_are_cut_and_the_end_of_another_is_not() {
        for around in (PIECE - 24..PIECE + 24).chain([0, OVERLAP, PIECE - OVERLAP, 3 * PIECE]) {
            assert!(is_found(around, "zoe@acme.example", 5_000), "{around}");
            assert!(!is_found(around, "x-zoe@acme.example", 5_000), "{around}");
        }
    }

    #[test]
    fn a_file_is_not_held_in_memory_as_a_whole() {
        let longest = std::cell::Cell::new(0);
        let source = std::io::repeat(b' ').take(8 * PIECE as u64);
        let found = any_piece(source, |piece| {
            longest.set(longest.get().max(piece.len()));
            false
        });
        assert!(!found.expect("bytes can be read"));
        assert!(longest.get() <= PIECE + OVERLAP, "{}", longest.get());
    }
}
