//! The groups of an aggregation by one dictionary-coded column.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use datafusion::arrow::array::types::UInt32Type;
use datafusion::arrow::array::{Array as _, ArrayRef, DictionaryArray, StringArray, UInt32Array};
use datafusion::common::hash_utils::RandomState;
use datafusion::error::{DataFusionError, Result};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::cache::{CodeCache, coded};

/// Stands for a code whose group is not known yet.
const UNKNOWN: u32 = u32::MAX;

/// Numbers the texts of a column in the order in which they come.
#[derive(Default)]
pub(super) struct Groups {
    texts: Texts,
    /// The numbers of the groups with a text, by its hash.
    numbers: HashTable<u32>,
    hashes: RandomState,
    /// The group of rows without a text. Its text is empty.
    missing: Option<u32>,
    /// The group of each code.
    codes: CodeCache<u32>,
}

/// The texts of the groups. They are in one piece: 300,000 groups are 300,000 allocations otherwise.
#[derive(Default)]
struct Texts {
    bytes: String,
    /// The place after each text.
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[number]]
    }

    /// Adds a text, and returns its number.
    fn push(&mut self, text: &str) -> Result<u32> {
        let number = u32::try_from(self.ends.len()).ok().filter(|number| *number != UNKNOWN);
        let number = number
            .ok_or_else(|| DataFusionError::ResourcesExhausted("too many groups".to_owned()))?;
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        Ok(number)
    }
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.texts.ends.len()
    }

    /// Returns their size in memory. Bytes.
    pub(super) fn size(&self) -> usize {
        self.texts.bytes.capacity()
            + self.texts.ends.capacity() * size_of::<usize>()
            + self.numbers.allocation_size()
            + self.codes.size()
    }

    /// Writes the number of each row's group.
    pub(super) fn number_rows(
        &mut self,
        column: &ArrayRef,
        numbers: &mut Vec<usize>,
    ) -> Result<()> {
        let (column, texts) = coded(column)?;
        self.codes.enter(texts, UNKNOWN);
        numbers.clear();
        numbers.reserve(column.len());
        if column.null_count() == 0 && texts.null_count() == 0 {
            for code in column.keys().values() {
                let known = self.codes.by_code[*code as usize];
                let number = if known == UNKNOWN { self.add(*code, texts)? } else { known };
                numbers.push(number as usize);
            }
            return Ok(());
        }
        for code in column.keys() {
            let code = code.filter(|code| texts.is_valid(*code as usize));
            let number = match code {
                None => self.add_missing()?,
                Some(code) => match self.codes.by_code[code as usize] {
                    UNKNOWN => self.add(code, texts)?,
                    known => known,
                },
            };
            numbers.push(number as usize);
        }
        Ok(())
    }

    #[cold]
    fn add(&mut self, code: u32, texts: &StringArray) -> Result<u32> {
        let text = texts.value(code as usize);
        let (known, hashes) = (&mut self.texts, &self.hashes);
        let entry = self.numbers.entry(
            hashes.hash_one(text),
            |number| known.get(*number as usize) == text,
            |number| hashes.hash_one(known.get(*number as usize)),
        );
        let number = match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => *entry.insert(known.push(text)?).get(),
        };
        self.codes.by_code[code as usize] = number;
        Ok(number)
    }

    fn add_missing(&mut self) -> Result<u32> {
        if let Some(known) = self.missing {
            return Ok(known);
        }
        let number = self.texts.push("")?;
        self.missing = Some(number);
        Ok(number)
    }

    /// The texts of some groups, as a column with its own dictionary.
    pub(super) fn texts(&self, from: usize, count: usize) -> Result<ArrayRef> {
        let numbers = from..from + count;
        let texts = StringArray::from_iter_values(numbers.clone().map(|n| self.texts.get(n)));
        let missing = self.missing.map(|number| number as usize);
        let codes: UInt32Array = (0_u32..)
            .zip(numbers)
            .map(|(code, number)| (Some(number) != missing).then_some(code))
            .collect();
        Ok(Arc::new(DictionaryArray::<UInt32Type>::try_new(codes, Arc::new(texts))?))
    }
}
