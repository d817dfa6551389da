//! Finds the generation that the user means: by its ID, as `previous`, or as what was published by a time.

use core_engine::Failure;
use core_store::{Generation, GenerationId, TenantStore};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// The name of a generation.
#[derive(Debug, PartialEq, Eq)]
enum AsOf {
    Id(GenerationId),
    /// The published one.
    Current,
    /// The one before the published one.
    Previous,
    /// The newest one from before a time.
    Before(Timestamp),
}

/// Returns the generations that texts name, without those of which there is none.
pub fn named_generations(tenant: &TenantStore, texts: &[&str]) -> Vec<GenerationId> {
    let opened = texts.iter().filter_map(|text| open(tenant, text).ok());
    opened.map(|generation| generation.id().clone()).collect()
}

/// Opens the generation that a text names.
///
/// # Errors
///
/// The text names none, or none that is kept.
pub fn open(tenant: &TenantStore, text: &str) -> Result<Generation, Failure> {
    let as_of = AsOf::parse(text)?;
    if let AsOf::Id(id) = &as_of {
        // Most callers name a generation by its ID; the manifests of all others need not be read for that.
        return Ok(tenant.generation(id)?);
    }
    // Newer ones than the published one are being published, or never were.
    let entries = tenant.history()?.into_iter().skip_while(|entry| !entry.is_current);
    let generations: Vec<(GenerationId, Option<Timestamp>)> = entries
        .map(|entry| {
            let created_at =
                entry.manifest.ok().and_then(|manifest| manifest.created_at.parse().ok());
            (entry.id, created_at)
        })
        .collect();
    if as_of == AsOf::Previous && generations.len() < 2 {
        return Err(Failure::configuration("there is no generation before the published one"));
    }
    match as_of.choose(&generations) {
        Some(id) => Ok(tenant.generation(&id)?),
        None => Err(Failure::configuration(format!(
            "there is no generation from {text} or before: `history` lists those that are kept"
        ))),
    }
}

impl AsOf {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "current" => return Ok(Self::Current),
            "previous" => return Ok(Self::Previous),
            _ => {}
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let end_of_day = |day: Date| day.checked_add(1.day())?.to_zoned(TimeZone::UTC);
        let day = || text.parse::<Date>().and_then(end_of_day).map(|end| end.timestamp());
        let utc = |time: DateTime| TimeZone::UTC.to_timestamp(time);
        let time = text.parse::<Timestamp>().or_else(|_| text.parse::<DateTime>().and_then(utc));
        // A time belongs to what was published by it; generations are dated to the second.
        let time = time.and_then(|time| time.checked_add(1.second()));
        // A day can be read from a time too, and a time from a day.
        let is_day = text.len() == "2026-03-01".len();
        let end = if is_day { day() } else { time };
        end.map(Self::Before).map_err(|_| {
            Failure::configuration(format!(
                "`{text}` names no generation: write an ID that `history` lists, `previous`, `current`, or a day \
                 such as 2026-03-01"
            ))
        })
    }

    /// Chooses among the published generation and those before it, the newest first.
    fn choose(self, generations: &[(GenerationId, Option<Timestamp>)]) -> Option<GenerationId> {
        match self {
            Self::Id(id) => Some(id),
            Self::Current => generations.first().map(|(id, _)| id.clone()),
            Self::Previous => generations.get(1).map(|(id, _)| id.clone()),
            Self::Before(end) => {
                let is_before = |created_at: &Option<Timestamp>| {
                    created_at.is_some_and(|created_at| created_at < end)
                };
                generations.iter().find(|(_, at)| is_before(at)).map(|(id, _)| id.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "01JNBX1M80000000000000000C";
    const OLD: &str = "01JN9Y1M80000000000000000B";
    const OLDEST: &str = "01JN7Z1M80000000000000000A";

    #[test]
    fn a_generation_is_named_by_its_id_as_previous_or_by_a_time() -> anyhow::Result<()> {
        let generations = [
            (NEW.parse()?, Some("2026-03-03T08:00:00Z".parse()?)),
            (OLD.parse()?, None),
            (OLDEST.parse()?, Some("2026-03-01T08:00:00Z".parse()?)),
        ];
        let table = [
            (OLD, Some(OLD)),
            ("previous", Some(OLD)),
            ("current", Some(NEW)),
            ("2026-03-04", Some(NEW)),
            ("2026-03-03", Some(NEW)),
            ("2026-03-02", Some(OLDEST)),
            ("2026-03-01", Some(OLDEST)),
            ("2026-02-28", None),
            ("2026-03-03T08:00:00Z", Some(NEW)),
            ("2026-03-03T07:59:59Z", Some(OLDEST)),
            ("2026-03-03T09:30:00+02:00", Some(OLDEST)),
            // Without a zone, it is UTC.
            ("2026-03-03T08:00:00", Some(NEW)),
            ("2026-03-03T07:59", Some(OLDEST)),
            ("2026-03-03 07:59:59", Some(OLDEST)),
        ];
        for (text, id) in table {
            let as_of = AsOf::parse(text).map_err(|failure| failure.error)?;
            let chosen = as_of.choose(&generations);
            assert_eq!(chosen.as_ref().map(GenerationId::as_str), id, "{text}");
        }
        for text in ["", "yesterday", "2026-02-30", "2026-03-01T25:00", "../CURRENT"] {
            assert!(AsOf::parse(text).is_err(), "{text}");
        }
        Ok(())
    }
}
