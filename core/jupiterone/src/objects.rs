//! The two kinds of objects, by JupiterOne's names, and the frame that a list of them stands in.

use core_store::TableKind;

/// The kind of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Entities,
    Relationships,
}

/// The end of a list of objects.
pub(crate) const LIST_END: &[u8] = b"]}";

impl ObjectKind {
    /// The name of the list.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Relationships => "relationships",
        }
    }

    /// Returns the beginning of a list of objects.
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
