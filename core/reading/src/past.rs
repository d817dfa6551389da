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
                "{} cannot be read and left out of the history: `history` says why",
                count(self.unreadable, "generation")
            )
        })
    }
}
