//! The groups of an aggregation by one dictionary-coded column.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::types::UInt32Type;
use datafusion::arrow::array::{Array as _, ArrayRef, DictionaryArray, StringArray, UInt32Array};
use datafusion::error::{DataFusionError, Result};

use super::cache::{CodeCache, coded};

/// Stands for a code whose group is not known yet.
const UNKNOWN: u32 = u32::MAX;

/// The approximate memory of a group, without its text. Bytes.
const GROUP_BYTES: usize = 80;

/// Numbers the texts of a column in the order in which they come.
#[derive(Default)]
pub(super) struct Groups {
    /// The text of each group; none for rows without one.
    texts: Vec<Option<Arc<str>>>,
    numbers: HashMap<Arc<str>, u32>,
    /// The group of rows without a text.
    missing: Option<u32>,
    /// The bytes of all texts.
    text_bytes: usize,
    /// The group of each code.
    codes: CodeCache<u32>,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns their size in memory. Bytes.
    pub(super) fn size(&self) -> usize {
        self.text_bytes + self.texts.len() * GROUP_BYTES + self.codes.size()
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
        let number = if let Some(known) = self.numbers.get(text) {
            *known
        } else {
            let number = self.next()?;
            let text: Arc<str> = Arc::from(text);
            self.text_bytes += text.len();
            self.texts.push(Some(Arc::clone(&text)));
            self.numbers.insert(text, number);
            number
        };
        self.codes.by_code[code as usize] = number;
        Ok(number)
    }

    fn add_missing(&mut self) -> Result<u32> {
        if let Some(known) = self.missing {
            return Ok(known);
        }
        let number = self.next()?;
        self.texts.push(None);
        self.missing = Some(number);
        Ok(number)
    }

    fn next(&self) -> Result<u32> {
        let number = u32::try_from(self.texts.len()).ok().filter(|number| *number != UNKNOWN);
        number.ok_or_else(|| DataFusionError::ResourcesExhausted("too many groups".to_owned()))
    }

    /// The texts of some groups, as a column with its own dictionary.
    pub(super) fn texts(&self, from: usize, count: usize) -> Result<ArrayRef> {
        let texts = &self.texts[from..from + count];
        let present: StringArray = texts.iter().flatten().map(|text| Some(&**text)).collect();
        let mut next = 0;
        let codes: UInt32Array = texts
            .iter()
            .map(|text| {
                text.as_ref()?;
                next += 1;
                Some(next - 1)
            })
            .collect();
        Ok(Arc::new(DictionaryArray::<UInt32Type>::try_new(codes, Arc::new(present))?))
    }
}
