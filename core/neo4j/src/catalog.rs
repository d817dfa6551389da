//! The record that a database has of itself: its tenant, its generation and its types.

use std::collections::{BTreeMap, BTreeSet};

use core_destination::mirror::{Held, OlderCopy};

use crate::error::Neo4jError;
use crate::session::Session;
use crate::statement::{Shape, Statement, TypeEntry};
use crate::value::Value;

/// The version of the graph that this program writes, and the highest that it reads.
pub(crate) const FORMAT: i64 = 1;

/// The state of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// True if a delivery ever began.
    pub(crate) is_ours: bool,
    /// The generation that was delivered last.
    pub(crate) generation: Option<String>,
    /// The generation of a delivery that has not ended.
    pub(crate) delivering: Option<String>,
    /// The erasures that all its objects have been through.
    pub(crate) erasures: BTreeSet<String>,
    /// The number of the delivery that may write.
    pub(crate) writer: i64,
    /// The types, by name.
    pub(crate) types: BTreeMap<String, TypeEntry>,
}

impl Catalog {
    /// Reads the state of a database, and refuses one that has another tenant's graph or a newer one's form.
    pub(crate) async fn read(
        session: &mut impl Session,
        database: &str,
        tenant: &str,
    ) -> Result<Self, Neo4jError> {
        let rows = session.run(Statement::ReadDelivery).await?;
        let Some([format, found, generation, delivering, erasures, writer]) =
            rows.first().map(Vec::as_slice)
        else {
            return Ok(Self::default());
        };
        let database = database.to_owned();
        let format = format.as_integer().unwrap_or(i64::MAX);
        if format > FORMAT {
            return Err(Neo4jError::NewerFormat { database, found: format });
        }
        if found.as_text() != Some(tenant) {
            let found = found.as_text().unwrap_or("(none)").to_owned();
            return Err(Neo4jError::ForeignTenant { database, found, tenant: tenant.to_owned() });
        }
        let text = |value: &Value| value.as_text().map(ToOwned::to_owned);
        let mut catalog = Self {
            is_ours: true,
            generation: text(generation),
            delivering: text(delivering),
            erasures: erasures.texts().map(ToOwned::to_owned).collect(),
            writer: writer.as_integer().unwrap_or_default(),
            types: BTreeMap::new(),
        };
        for row in session.run(Statement::ReadTypes).await? {
            let Some(mut entry) = TypeEntry::read(&row) else { continue };
            // Objects that were removed by hand show by their number, which the database keeps.
            let there = session.number(Statement::Count(&entry.shape)).await?;
            entry.is_exact &= there == entry.rows;
            entry.rows = there;
            catalog.types.insert(entry.shape.name.clone(), entry);
        }
        Ok(catalog)
    }

    /// Refuses a database that has objects of our types that no delivery made.
    pub(crate) async fn refuse_foreign(
        &self,
        session: &mut impl Session,
        database: &str,
        shapes: impl Iterator<Item = Shape>,
    ) -> Result<(), Neo4jError> {
        for shape in shapes.filter(|shape| !self.types.contains_key(&shape.name)) {
            if session.number(Statement::Count(&shape)).await? > 0 {
                let (database, label) = (database.to_owned(), shape.type_name());
                return Err(Neo4jError::ForeignGraph { database, label });
            }
        }
        Ok(())
    }

    /// Refuses a generation that is older than what was delivered, or that has not been through an erasure that the
    /// database has been through: both happen if a store is an old copy.
    pub(crate) fn refuse_older(
        &self,
        database: &str,
        ours: &str,
        erasures: &BTreeSet<String>,
    ) -> Result<(), Neo4jError> {
        let (database, ours) = (database.to_owned(), ours.to_owned());
        let found = self.generation.iter().chain(&self.delivering).max();
        match OlderCopy::find(found.map(String::as_str), &self.erasures, &ours, erasures) {
            Some(OlderCopy::Generation(found)) => {
                Err(Neo4jError::NewerGeneration { database, found, ours })
            }
            Some(OlderCopy::Erasure(erasure)) => {
                Err(Neo4jError::BeforeErasure { database, erasure, ours })
            }
            None => Ok(()),
        }
    }

    /// The types, as the decision about a delivery needs them.
    pub(crate) fn held(&self) -> BTreeMap<String, Held> {
        let held = |entry: &TypeEntry| Held {
            mark: entry.mark.clone(),
            is_exact: entry.is_exact,
            ends: entry.shape.ends.clone(),
            is_partial: entry.is_partial,
        };
        self.types.iter().map(|(name, entry)| (name.clone(), held(entry))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn an_older_generation_or_one_from_before_an_erasure_is_refused() {
        for (generation, delivering, erasures, ours, through, part) in [
            (None, None, &[][..], "b", &[][..], ""),
            (Some("a"), None, &[], "b", &[], ""),
            (Some("b"), None, &[], "b", &[], ""),
            (Some("c"), None, &[], "b", &[], "generation c, which is newer"),
            (Some("a"), Some("c"), &[], "b", &[], "generation c, which is newer"),
            (Some("a"), None, &["e1"], "b", &["e1", "e2"], ""),
            (Some("a"), None, &["e1"], "b", &[], "been through erasure e1"),
            (Some("a"), None, &["e1", "e2"], "b", &["e1"], "been through erasure e2"),
        ] {
            let catalog = Catalog {
                is_ours: true,
                generation: generation.map(ToOwned::to_owned),
                delivering: delivering.map(ToOwned::to_owned),
                erasures: set(erasures),
                ..Catalog::default()
            };
            let refused = catalog.refuse_older("graph", ours, &set(through));
            let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(part) && text.is_empty() == part.is_empty(), "{text}: {part}");
        }
    }
}
