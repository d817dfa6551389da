//! The events of the audit trail as tables.

use core_audit::{Coverage, Span};
use core_engine::Failure;
use core_engine::audit::Notes;
use core_engine::settings::Settings;
use core_model::declared;
use core_query::{EventOwner, EventTables};
use core_store::EventLog;

use crate::reader::Reader;

/// Returns the events as tables: each belongs to the account, as the steps declare.
pub(crate) fn tables(reader: &Reader<'_>, log: &EventLog) -> Result<EventTables, Failure> {
    let now_ms = reader.host.now_ms();
    let notes = Notes::of(log)?;
    let partial = notes.trails.values().any(|coverage| lacks_events(coverage, now_ms));
    let mut from_key = String::new();
    declared::account_type().write_key(reader.tenant.name(), &mut from_key);
    let event = declared::event_type();
    let [class] = event.class else { unreachable!("an event has one class") };
    let tags = reader.settings.map(Settings::tags).unwrap_or_default();
    let owner = declared::account_has_event();
    Ok(EventTables {
        name: event.type_name.to_owned(),
        class: class.name().to_owned(),
        log: log.clone(),
        partial,
        tags: tags.into_iter().map(|tag| (tag.name, tag.value)).collect(),
        from: Some(EventOwner {
            name: owner.type_name.to_owned(),
            class: owner.class.name().to_owned(),
            from_type: declared::account_type().type_name.to_owned(),
            from_key,
        }),
    })
}

/// Returns true if events of a trail are missing, other than those since it was last read.
fn lacks_events(coverage: &Coverage, now_ms: i64) -> bool {
    let end_ms = coverage.final_until_ms(now_ms);
    let is_since_last_read =
        |gap: &Span| gap.to_ms >= end_ms && coverage.has_read(gap.from_ms.saturating_sub(1));
    !coverage.lost().is_empty() || !coverage.gaps(now_ms).iter().all(is_since_last_read)
}

#[cfg(test)]
mod tests {
    use core_audit::{HOUR_MS, WindowSettings};

    use super::*;

    const NOON_MS: i64 = 1_772_359_200_000;

    fn begun() -> Coverage {
        let mut coverage = Coverage::default();
        let settings = WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() };
        coverage.begin(NOON_MS, &settings);
        coverage
    }

    #[test]
    fn a_trail_that_was_not_asked_for_lacks_nothing() {
        assert!(!lacks_events(&Coverage::default(), NOON_MS));
    }

    #[test]
    fn a_trail_that_was_wanted_and_never_read_lacks_events() {
        assert!(lacks_events(&begun(), NOON_MS));
        assert!(lacks_events(&begun(), NOON_MS + 48 * HOUR_MS), "also days later");
    }
}
