//! The kept generations that a question about the past is answered from.

use core_engine::Failure;
use core_store::{Generation, GenerationId, TenantStore};
use core_terminal::count;
use jiff::Timestamp;

/// The kept generations up to one.
#[derive(Debug)]
pub struct Past {
    /// Those that can be read, the newest first.
    pub generations: Vec<Generation>,
    /// The number of those that cannot, or that an erasure has not been through yet.
    pub unreadable: usize,
}

impl Past {
    /// Finds the generations up to one that were made at or after a time.
    ///
    /// # Errors
    ///
    /// The history cannot be read.
    pub fn up_to(
        tenant: &TenantStore,
        last: &GenerationId,
        since: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let mut past = Self { generations: Vec::new(), unreadable: 0 };
        for entry in tenant.history()? {
            if entry.id > *last {
                continue;
            }
            let Ok(manifest) = entry.manifest else {
                past.unreadable += 1;
                continue;
            };
            let created_at = manifest.created_at.parse::<Timestamp>().ok();
            if since.is_none_or(|since| created_at.is_some_and(|at| at >= since)) {
                past.generations.push(tenant.generation(&entry.id)?);
            }
        }
        Ok(past)
    }

    /// Returns the remark about what is missing, if anything is.
    pub fn remark(&self) -> Option<String> {
        (self.unreadable > 0).then(|| {
            format!(
                "the history lacks {}, which cannot be read: `history` says why",
                count(self.unreadable, "generation")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, IDS};

    #[test]
    fn the_past_begins_at_a_time_and_ends_with_a_generation_both_included() {
        let fixture = Fixture::new(3);
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let [first, second, third] = IDS;
        for (last, since, expected) in [
            (third, None, vec![third, second, first]),
            (second, None, vec![second, first]),
            (third, at("2026-03-02T08:00:00Z"), vec![third, second]),
            (third, at("2026-03-02T08:00:01Z"), vec![third]),
            (first, at("2026-03-02T08:00:00Z"), vec![]),
        ] {
            let last = last.parse().expect("it is an ID");
            let past = Past::up_to(&fixture.tenant, &last, since);
            let past = past.unwrap_or_else(|failure| panic!("{:#}", failure.error));
            let ids: Vec<_> = past.generations.iter().map(|held| held.id().as_str()).collect();
            assert_eq!(ids, expected, "{last} {since:?}");
            assert_eq!(past.remark(), None);
        }
    }

    #[test]
    fn generations_that_cannot_be_read_are_counted_up_to_the_last() {
        let fixture = Fixture::new(3);
        for id in &IDS[..2] {
            let manifest = format!("store/acme/generations/{id}/manifest.json");
            let manifest = fixture.folder.path().join(manifest);
            core_files::replace_file(&manifest, b"{").expect("it is ours");
        }
        for (last, unreadable) in
            [(IDS[2], "lacks 2 generations,"), (IDS[0], "lacks 1 generation,")]
        {
            let last = last.parse().expect("it is an ID");
            let past = Past::up_to(&fixture.tenant, &last, None);
            let past = past.unwrap_or_else(|failure| panic!("{:#}", failure.error));
            assert!(past.remark().is_some_and(|told| told.contains(unreadable)), "{past:?}");
        }
    }
}
