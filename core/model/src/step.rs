//! A step, and the registry that collects the linked steps.

use crate::entity::EntityType;
use crate::relationship::RelationshipType;

/// One step of a run: the smallest unit that is enabled, ordered, fails, and is reported on.
///
/// A step is a table. It does no I/O and never sees a row.
#[derive(Debug)]
pub struct Step {
    /// The stable name, for example `fetch-devices`: in logs, in reports, on the command line.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// The steps whose rows are applied first. References, so that a wrong name does not compile.
    pub depends_on: &'static [&'static Step],
    /// The source of the rows.
    pub source: Source,
    /// The entity types that the step creates.
    pub entities: &'static [&'static EntityType],
    /// The relationship types that the step creates.
    pub relationships: &'static [&'static RelationshipType],
}

inventory::collect!(&'static Step);

/// The source of a step's rows.
#[derive(Debug)]
pub enum Source {
    /// One row that the run makes from its configuration.
    Configuration,
    /// The export of a query that is saved in Nexthink.
    Export(Query),
    /// The audit trail. Its rows are events: they are only ever added, and are stored beside the
    /// generations.
    AuditTrail,
}

/// A query that an administrator saves in Nexthink and names in the configuration.
#[derive(Debug)]
pub struct Query {
    /// The configuration field that holds the query ID; blank there skips the step.
    pub config_field: &'static str,
    /// The ID that the documentation suggests.
    pub suggested_id: &'static str,
    /// The NQL table.
    pub table: &'static str,
    /// Aliases that some tenants have for columns: the declared column, and the alias. An alias is
    /// read if the declared column is missing, and never listed in the query to save.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The column by whose values the query is split into parts if the whole has more rows than
    /// Nexthink exports: no row lacks it, and its values spread evenly.
    pub partition_column: &'static str,
    /// True for a step beyond JupiterOne's own integration: it is off unless its field has a query
    /// ID, and nothing depends on it.
    pub is_extra: bool,
    /// The age at which the objects leave the table, if it is a table of events.
    pub expiry: Option<Expiry>,
}

/// The age at which Nexthink removes events (Nexthink, data resolution and retention).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The property with the time of an event.
    pub property: &'static str,
    /// The days for which an event is kept.
    pub days: u16,
}

/// The widest line of a query text, in characters.
const NQL_LINE_WIDTH: usize = 76;

impl Step {
    /// Returns all steps that are linked into this program, by ID: the registry itself has no
    /// order.
    pub fn all() -> Vec<&'static Self> {
        let mut steps: Vec<&'static Self> = inventory::iter::<&'static Self>().copied().collect();
        steps.sort_unstable_by_key(|step| step.id);
        steps
    }

    /// Returns the steps that make a generation: all except those of events.
    pub fn generation_steps() -> Vec<&'static Self> {
        Self::all().into_iter().filter(|step| !step.makes_events()).collect()
    }

    /// Returns the steps of a generation whose types JupiterOne's own integration makes too.
    pub fn integration_steps() -> Vec<&'static Self> {
        Self::generation_steps().into_iter().filter(|step| !step.is_extra()).collect()
    }

    /// Returns true if the step is off unless it is configured; see [`Query::is_extra`].
    pub fn is_extra(&self) -> bool {
        self.query().is_some_and(|query| query.is_extra)
    }

    /// Iterates over the types that the step makes: entities, then relationships.
    pub fn type_names(&self) -> impl Iterator<Item = &'static str> {
        let entities = self.entities.iter().map(|entity| entity.type_name);
        entities.chain(self.relationships.iter().map(|relationship| relationship.type_name))
    }

    /// Returns true if the step makes events, which are stored beside the generations.
    pub const fn makes_events(&self) -> bool {
        matches!(self.source, Source::AuditTrail)
    }

    /// The saved query, if the step reads an export.
    pub const fn query(&self) -> Option<&Query> {
        match &self.source {
            Source::Export(query) => Some(query),
            Source::Configuration | Source::AuditTrail => None,
        }
    }

    /// Returns the columns that the step reads, each once: first those that only name the ends of
    /// edges, then those of the properties.
    pub fn columns(&self) -> Vec<&'static str> {
        let property_columns = || {
            let properties = self.entities.iter().flat_map(|entity| entity.properties);
            properties.flat_map(|property| property.columns.iter().copied())
        };
        let mut columns: Vec<&'static str> = Vec::new();
        let ends = self
            .relationships
            .iter()
            .flat_map(|relationship| [&relationship.from, &relationship.to]);
        let end_columns = ends.filter_map(|end| end.column);
        for column in end_columns
            .filter(|column| !property_columns().any(|property_column| property_column == *column))
        {
            push_once(&mut columns, column);
        }
        for column in property_columns() {
            push_once(&mut columns, column);
        }
        columns
    }

    /// The aliases of columns.
    pub const fn aliases(&self) -> &'static [(&'static str, &'static str)] {
        match &self.source {
            Source::Export(query) => query.aliases,
            Source::Configuration | Source::AuditTrail => &[],
        }
    }

    /// Returns the columns of derived keys that are read if present and never listed in the query
    /// to save.
    pub fn unlisted_columns(&self) -> Vec<&'static str> {
        let listed = self.columns();
        let mut columns = Vec::new();
        let fallback_columns =
            self.entities.iter().flat_map(|entity| entity.fallback_key_columns());
        for column in fallback_columns.filter(|column| !listed.contains(column)) {
            push_once(&mut columns, column);
        }
        columns
    }

    /// Returns the columns without which the export is rejected: the keys of the step's entities.
    pub fn key_columns(&self) -> Vec<&'static str> {
        let mut columns = Vec::new();
        for entity in self.entities {
            push_once(&mut columns, entity.key_column);
        }
        columns
    }

    /// Returns the NQL text to save in Nexthink; `None` for a step that reads no export.
    pub fn nql(&self) -> Option<String> {
        let query = self.query()?;
        Some(format!("{}\n{}", query.table, self.nql_list()))
    }

    /// Returns the NQL text to save as another query for an export in parts: each part requests the
    /// values of [`Query::partition_column`] that match one pattern.
    ///
    /// `parameter` is the name of the query's parameter, without its `$`.
    pub fn partitioned_nql(&self, parameter: &str) -> Option<String> {
        let query = self.query()?;
        let (table, column) = (query.table, query.partition_column);
        Some(format!("{table}\n| where {column} == ${parameter}\n{}", self.nql_list()))
    }

    fn nql_list(&self) -> String {
        let mut text = String::new();
        let mut line = String::from("| list ");
        let columns = self.columns();
        for (i, column) in columns.iter().enumerate() {
            let comma = if i + 1 < columns.len() { "," } else { "" };
            if i > 0 && line.len() + 1 + column.len() + comma.len() > NQL_LINE_WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = String::from("      ");
            }
            if i > 0 {
                line.push(' ');
            }
            line.push_str(column);
            line.push_str(comma);
        }
        text.push_str(&line);
        text
    }
}

fn push_once(columns: &mut Vec<&'static str>, column: &'static str) {
    if !columns.contains(&column) {
        columns.push(column);
    }
}
