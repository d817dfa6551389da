//! Search over the names and identifiers of entities.

use super::GraphReader;
use super::answers::{Lookup, SearchHit, SearchPage};
use super::names::{Found, Matches, SEARCHED, SearchIndex};
use crate::error::QueryError;

/// The entities of an answer, at most.
const MAX_HITS: usize = 1_000;

impl SearchIndex {
    /// Searches the names and identifiers of entities for a text, in any case: whole values first, then
    /// beginnings, then the others. At most `limit` entities, and at most 1,000; only of some types, if
    /// any are named.
    pub fn search(&self, text: &str, types: &[String], limit: usize) -> SearchPage {
        let Matches { best, total, .. } = self.find(text, types, limit.min(MAX_HITS));
        page(self, &best, total)
    }
}

impl GraphReader<'_> {
    /// Returns the entity that a key or a name stands for. Several entities with the same name are
    /// answered with all of them. The index must be of the same generation.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn find(
        self,
        index: &SearchIndex,
        text: &str,
        limit: usize,
    ) -> Result<Lookup, QueryError> {
        if let Some(entity) = self.entity(text).await? {
            return Ok(Lookup::Found(Box::new(entity)));
        }
        let Matches { mut best, total, exact } = index.find(text, &[], limit.clamp(1, MAX_HITS));
        match exact {
            0 => {
                best.truncate(limit);
                Ok(Lookup::NotFound(page(index, &best, total)))
            }
            1 => {
                let entity = self.entity(index.key(best[0].entity)).await?;
                let entity = entity.ok_or(QueryError::Execution {
                    reason: "the names that are searched are those of another generation",
                })?;
                Ok(Lookup::Found(Box::new(entity)))
            }
            _ => {
                let shown = usize::try_from(exact).unwrap_or(usize::MAX).min(limit);
                best.truncate(shown);
                Ok(Lookup::Ambiguous(page(index, &best, exact)))
            }
        }
    }
}

/// The hits of a page, with their total number.
fn page(index: &SearchIndex, shown: &[Found<'_>], total: u64) -> SearchPage {
    let hits = shown.iter().map(|found| {
        let entity = index.reference(found.entity);
        let property = SEARCHED[usize::from(found.property)];
        let original = match property {
            "_key" => Some(&entity.key),
            "name" => entity.name.as_ref(),
            "displayName" => entity.display_name.as_ref(),
            _ => None,
        };
        let value = original.map_or(found.value, String::as_str).to_owned();
        SearchHit { property: property.to_owned(), value, kind: found.kind, entity }
    });
    SearchPage { hits: hits.collect(), more: total - shown.len() as u64 }
}
