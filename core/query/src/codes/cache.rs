//! A cache of a fact about each code of a dictionary, as long as rows with this dictionary come.

use datafusion::arrow::array::types::UInt32Type;
use datafusion::arrow::array::{
    Array as _, ArrayData, ArrayRef, AsArray as _, DictionaryArray, StringArray,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::projection::ProjectionExec;

/// Returns whether a column is of the type in which keys of relationships are read.
pub(super) fn is_coded(data_type: &DataType) -> bool {
    let DataType::Dictionary(codes, texts) = data_type else { return false };
    (&**codes, &**texts) == (&DataType::UInt32, &DataType::Utf8)
}

/// Returns the coded column that a projected column is the text of, and the type of this text.
pub(super) fn coded_column(
    projection: &ProjectionExec,
    key: &Column,
) -> Option<(Column, DataType)> {
    let cast = projection.expr().get(key.index())?.expr.downcast_ref::<CastExpr>()?;
    let column = cast.expr().downcast_ref::<Column>()?;
    let text = cast.cast_type().clone();
    let is_text = matches!(text, DataType::Utf8 | DataType::Utf8View);
    let schema = projection.input().schema();
    let is_ours = is_text && is_coded(schema.field(column.index()).data_type());
    is_ours.then(|| (column.clone(), text))
}

/// Returns the codes of a column and the texts that they stand for.
pub(super) fn coded(column: &ArrayRef) -> Result<(&DictionaryArray<UInt32Type>, &StringArray)> {
    let column = column.as_dictionary_opt::<UInt32Type>();
    let texts = column.and_then(|column| column.values().as_string_opt::<i32>());
    let both = column.zip(texts);
    both.ok_or_else(|| DataFusionError::Internal("the column has no codes of texts".to_owned()))
}

/// A value for each code of the dictionary that came last.
#[derive(Default)]
pub(super) struct CodeCache<T> {
    /// It is kept alive, so that no other one gets its address.
    dictionary: Option<ArrayData>,
    pub(super) by_code: Vec<T>,
}

impl<T: Clone> CodeCache<T> {
    /// Forgets all values if this is another dictionary than the last one, and returns whether it is.
    pub(super) fn enter(&mut self, texts: &StringArray, unknown: T) -> bool {
        let data = texts.to_data();
        if self.dictionary.as_ref().is_some_and(|known| known.ptr_eq(&data)) {
            return false;
        }
        self.by_code.clear();
        self.by_code.resize(texts.len(), unknown);
        self.dictionary = Some(data);
        true
    }

    /// Returns its size in memory. Bytes.
    pub(super) fn size(&self) -> usize {
        self.by_code.capacity() * size_of::<T>()
    }
}
