//! Reused identifiers: the rule by which an erasure does not suppress the next owner.
//!
//! A uid and a SID are *lasting*: no other person or device ever gets them. A login name, an
//! address and the name of a device are *reusable*: a successor may get them. A person who has the
//! same address under another uid may be the same one, on a device whose Collector was reinstalled.
//! Another SID is another account.
//!
//! | Suppressed | A row | A text, an event |
//! | --- | --- | --- |
//! | by a lasting identifier | until the erasure is lifted | until the erasure is lifted |
//! | by a login or device name, where the erasure knows a uid or SID in clear | for [`REUSABLE_DAYS`] days, unless the row has another uid or SID | for [`REUSABLE_DAYS`] days |
//! | by an address, where it knows one | for [`REUSABLE_DAYS`] days, unless the row has another SID and the erasure knows one | for [`REUSABLE_DAYS`] days |
//! | by a reusable one, where it knows none | until the erasure is lifted | until the erasure is lifted |
//!
//! A pseudonym of a uid does not count as one in clear, since the next key makes another pseudonym
//! of it. `privacy erase --dry-run` shows which identifiers are reusable, and which of the cases
//! applies.

use core_model::column::IdentifierKind;

/// The number of days for which a reusable identifier is suppressed if the owner is known by a
/// lasting one: as long as older data may still be exported.
pub const REUSABLE_DAYS: u32 = 365;

/// A set of kinds, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentifierKinds(u16);

impl IdentifierKinds {
    /// Makes a set of these kinds.
    pub fn new(identifier_kinds: impl IntoIterator<Item = IdentifierKind>) -> Self {
        identifier_kinds.into_iter().fold(Self::default(), Self::with)
    }

    /// Returns the set with one more kind.
    #[must_use]
    pub fn with(self, identifier_kind: IdentifierKind) -> Self {
        Self(self.0 | 1 << identifier_kind as u16)
    }

    /// Returns the kinds that are in both sets.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns true if a kind is in the set.
    pub fn has(self, identifier_kind: IdentifierKind) -> bool {
        self.overlaps(Self::default().with(identifier_kind))
    }

    /// Returns true if two sets have a kind in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Returns true if no other person or device ever gets an identifier of this kind.
pub fn is_lasting(identifier_kind: IdentifierKind) -> bool {
    matches!(
        identifier_kind,
        IdentifierKind::Sid | IdentifierKind::UserUid | IdentifierKind::DeviceUid
    )
}

/// Returns true if a row with this reusable identifier belongs to the next owner if its lasting
/// identifier differs from the erased person's.
pub fn proves_another_owner(reusable: IdentifierKind, lasting: IdentifierKind) -> bool {
    match reusable {
        IdentifierKind::Login | IdentifierKind::DeviceName => is_lasting(lasting),
        IdentifierKind::Address => lasting == IdentifierKind::Sid,
        _ => false,
    }
}

/// Returns true if another person or device may get an identifier of this kind later.
pub fn is_reusable(identifier_kind: IdentifierKind) -> bool {
    matches!(
        identifier_kind,
        IdentifierKind::Login | IdentifierKind::Address | IdentifierKind::DeviceName
    )
}
