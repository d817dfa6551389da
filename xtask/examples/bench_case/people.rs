//! The protection under which a case maps.

use anyhow::anyhow;
use core_model::column::Column;
use core_model::step::Step;
use core_privacy::keys::{KeyRing, NEW_RING_BYTES};
use core_privacy::profile::{Policy, Profile};
use core_privacy::protection::Protection;
use core_privacy::suppression::Suppressions;

/// Pseudonyms under fixed keys, which are no one's real keys.
///
/// # Errors
///
/// The profile is rejected.
pub(crate) fn pseudonymous() -> anyhow::Result<Option<Protection>> {
    let keys: Vec<&str> = Step::all().iter().flat_map(|step| step.key_columns()).collect();
    let policy = Policy::new(Profile::Pseudonymous, &Column::all(), &keys, &[]);
    let policy = policy.map_err(|refused| anyhow!("{} overrides are refused", refused.len()))?;
    let ring = KeyRing::new("2026-03-01T08:00:00Z", &[7; NEW_RING_BYTES]);
    Ok(Protection::new(policy, Some(&ring), "acme.eu", Suppressions::default())?)
}
