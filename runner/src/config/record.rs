//! What the record of processing says that only its controller knows.

use core_settings::Values;

/// The part of the record of processing that is written by people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordOfProcessing {
    /// Name and contact of the controller.
    pub(crate) controller: Option<String>,
    /// Contact of the data protection officer, if there is one.
    pub(crate) officer: Option<String>,
    /// What the data is processed for.
    pub(crate) purposes: Vec<String>,
    /// Why that is lawful.
    pub(crate) legal_basis: Option<String>,
    /// Whom the data is about; employees if nothing else is said.
    pub(crate) subjects: Vec<String>,
    /// Technical and organisational measures besides this program's own.
    pub(crate) measures: Vec<String>,
}

/// Reads `[privacy.record]`; all of it may be left out.
pub(super) fn read(values: &mut Values) -> RecordOfProcessing {
    let path = |name: &str| format!("privacy.record.{name}");
    RecordOfProcessing {
        controller: values.text(&path("controller")),
        officer: values.text(&path("officer")),
        purposes: values.texts_or_default(&path("purposes")),
        legal_basis: values.text(&path("legal_basis")),
        subjects: values.texts(&path("subjects")).unwrap_or_default(),
        measures: values.texts_or_default(&path("measures")),
    }
}
