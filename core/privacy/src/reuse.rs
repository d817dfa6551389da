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

use core_model::column::Family;

/// The number of days for which a reusable identifier is suppressed if the owner is known by a
/// lasting one: as long as older data may still be exported.
pub const REUSABLE_DAYS: u32 = 365;

/// A set of families, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Families(u16);

impl Families {
    /// Makes a set of these families.
    pub fn new(families: impl IntoIterator<Item = Family>) -> Self {
        families.into_iter().fold(Self::default(), Self::with)
    }

    /// Returns the set with one more family.
    #[must_use]
    pub fn with(self, family: Family) -> Self {
        Self(self.0 | 1 << family as u16)
    }

    /// Returns the union of both sets.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns true if a family is in the set.
    pub fn has(self, family: Family) -> bool {
        self.overlaps(Self::default().with(family))
    }

    /// Returns true if two sets have a family in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Returns true if no other person or device ever gets an identifier of this family.
pub fn is_lasting(family: Family) -> bool {
    matches!(family, Family::Sid | Family::UserUid | Family::DeviceUid)
}

/// Returns true if a row with this reusable identifier belongs to the next owner if its lasting
/// identifier differs from the erased person's.
pub fn proves_another_owner(reusable: Family, lasting: Family) -> bool {
    match reusable {
        Family::Login | Family::DeviceName => is_lasting(lasting),
        Family::Address => lasting == Family::Sid,
        _ => false,
    }
}

/// Returns true if another person or device may get an identifier of this family later.
pub fn is_reusable(family: Family) -> bool {
    matches!(family, Family::Login | Family::Address | Family::DeviceName)
}
