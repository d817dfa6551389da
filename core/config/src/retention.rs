//! The retention of everything in the store.

use core_settings::Values;
use core_store::{RetentionPolicy, Windows};

/// Reads the windows; each has a default.
pub(crate) fn read(values: &mut Values) -> Windows {
    let mut read = |name: &str| values.integer_or_default(&format!("retention.{name}"));
    let generations = RetentionPolicy {
        keep_days: read("generations_days"),
        keep_all_days: read("every_generation_days"),
    };
    Windows {
        generations,
        staging_hours: read("staging_hours"),
        ledger_days: read("ledger_days"),
        events_days: read("audit_days"),
        // Nothing writes quarantined rows or logs into the store today, so that no setting governs them.
        ..Windows::default()
    }
}
