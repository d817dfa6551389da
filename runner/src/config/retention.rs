//! How long everything in the store is kept.

use core_store::{RetentionPolicy, Windows};

use super::flat::Values;

/// A hundred years: as good as for ever, and far from any overflow.
const MAX_DAYS: u64 = 36_500;

/// Reads the windows; each has a default.
pub(super) fn read(values: &mut Values) -> Windows {
    let defaults = Windows::default();
    let mut read = |name: &str, default: u64| {
        values.integer(&format!("retention.{name}"), 1..=MAX_DAYS).unwrap_or(default)
    };
    let generations = RetentionPolicy {
        keep_days: read("generations_days", defaults.generations.keep_days),
        keep_all_days: read("every_generation_days", defaults.generations.keep_all_days),
    };
    Windows {
        generations,
        staging_hours: read("staging_hours", defaults.staging_hours),
        ledger_days: read("ledger_days", defaults.ledger_days),
        events_days: read("audit_days", defaults.events_days),
        // Nothing writes quarantined rows or logs into the store today, so that no setting governs them.
        ..defaults
    }
}
