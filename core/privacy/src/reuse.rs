//! Identifiers that change hands: the rule by which an erasure does not suppress the next owner.
//!
//! A uid and a SID are *lasting*: no other person or device ever gets them. A login name, an address and
//! the name of a device are *reusable*: a successor may get them. A person who has the same address under
//! another uid may be the same one, on a device whose Collector was installed anew. Another SID is another
//! account.
//!
//! | Suppressed is | A row | A text, an event |
//! | --- | --- | --- |
//! | by a lasting identifier | until the erasure is lifted | until the erasure is lifted |
//! | by a login or device name, where the erasure knows a uid or SID in clear | for [`REUSABLE_DAYS`] days, unless the row has another uid or SID | for [`REUSABLE_DAYS`] days |
//! | by an address, where it knows one | for [`REUSABLE_DAYS`] days, unless the row has another SID and the erasure knows one | for [`REUSABLE_DAYS`] days |
//! | by a reusable one, where it knows none | until the erasure is lifted | until the erasure is lifted |
//!
//! A pseudonym of a uid does not count as one in clear, since the next key makes another one of it.
//! `privacy erase --dry-run` says which identifiers are reusable, and which of the cases holds.

use core_model::column::Family;

/// How long a reusable identifier is suppressed where the owner is known by a lasting one, in days: as
/// long as anything from before the erasure may still be exported.
pub const REUSABLE_DAYS: u32 = 365;

/// A set of families, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Families(u16);

impl Families {
    /// A set of these families.
    pub fn new(families: impl IntoIterator<Item = Family>) -> Self {
        families.into_iter().fold(Self::default(), Self::with)
    }

    /// The set with one family more.
    #[must_use]
    pub fn with(self, family: Family) -> Self {
        Self(self.0 | 1 << family as u16)
    }

    /// The families of both sets.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a family is in the set.
    pub fn has(self, family: Family) -> bool {
        self.overlaps(Self::default().with(family))
    }

    /// Whether two sets have a family in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Whether no other person or device ever gets an identifier of this family.
pub fn is_lasting(family: Family) -> bool {
    matches!(family, Family::Sid | Family::UserUid | Family::DeviceUid)
}

/// Whether a row with this reusable identifier is the next owner's if it has another lasting one than the
/// person who was erased.
pub fn proves_another_owner(reusable: Family, lasting: Family) -> bool {
    match reusable {
        Family::Login | Family::DeviceName => is_lasting(lasting),
        Family::Address => lasting == Family::Sid,
        _ => false,
    }
}

/// Whether somebody else may get an identifier of this family later.
pub fn is_reusable(family: Family) -> bool {
    matches!(family, Family::Login | Family::Address | Family::DeviceName)
}
