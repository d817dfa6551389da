//! `[privacy.record]`: the part of the record of processing that only people know.

use core_engine::processing::WrittenPart;
use core_settings::Values;

/// Reads the table; all of it may be left out.
pub(crate) fn read(values: &mut Values) -> WrittenPart {
    let path = |name: &str| format!("privacy.record.{name}");
    WrittenPart {
        controller: values.text(&path("controller")),
        officer: values.text(&path("officer")),
        purposes: values.texts_or_default(&path("purposes")),
        legal_basis: values.text(&path("legal_basis")),
        subjects: values.texts(&path("subjects")).unwrap_or_default(),
        measures: values.texts_or_default(&path("measures")),
    }
}
