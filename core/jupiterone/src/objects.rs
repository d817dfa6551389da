//! The two kinds of objects, by JupiterOne's names, and the frame that a list of them stands in.

use core_store::TableKind;

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Entities,
    Relationships,
}

/// What ends a list of objects.
pub(crate) const LIST_END: &[u8] = b"]}";

impl ObjectKind {
    /// The name of the list.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Relationships => "relationships",
        }
    }

    /// What begins a list of objects.
    pub(crate) fn list_start(self) -> &'static [u8] {
        match self {
            Self::Entities => b"{\"entities\":[",
            Self::Relationships => b"{\"relationships\":[",
        }
    }

    /// The tables that hold the objects.
    pub(crate) fn tables(self) -> TableKind {
        match self {
            Self::Entities => TableKind::Entity,
            Self::Relationships => TableKind::Relationship,
        }
    }
}
