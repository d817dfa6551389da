//! The effects of a file operation.

use std::path::Path;

use super::Operation;

/// The effect of an operation on names and bytes: a simulated loss of power undoes what was not made durable.
#[cfg_attr(not(feature = "fault-injection"), expect(dead_code, reason = "only faults look at it"))]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect<'a> {
    CreateFile(&'a Path),
    CreateFolder(&'a Path),
    Open(&'a Path),
    Write(&'a Path),
    SyncFile(&'a Path),
    SyncFolder(&'a Path),
    Rename { from: &'a Path, to: &'a Path },
    Exchange { one: &'a Path, other: &'a Path },
    Remove(&'a Path),
}

#[cfg_attr(not(feature = "fault-injection"), expect(dead_code, reason = "only faults look at it"))]
impl<'a> Effect<'a> {
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::CreateFile(_) | Self::CreateFolder(_) => Operation::Create,
            Self::Open(_) => Operation::Open,
            Self::Write(_) => Operation::Write,
            Self::SyncFile(_) | Self::SyncFolder(_) => Operation::Sync,
            Self::Rename { .. } | Self::Exchange { .. } => Operation::Rename,
            Self::Remove(_) => Operation::Remove,
        }
    }

    /// The path that is named in the log.
    pub(super) fn path(self) -> &'a Path {
        match self {
            Self::CreateFile(path)
            | Self::CreateFolder(path)
            | Self::Open(path)
            | Self::Write(path)
            | Self::SyncFile(path)
            | Self::SyncFolder(path)
            | Self::Rename { to: path, .. }
            | Self::Exchange { other: path, .. }
            | Self::Remove(path) => path,
        }
    }
}
