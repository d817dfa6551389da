//! J1QL: the same questions as in JupiterOne, over the tables of a session.

use core_j1ql::{
    Compiled, EntityTable, Environment, Graph, J1qlError, Kind, Property, RelationshipTable,
};
use core_store::{Table, TableKind};
use datafusion::arrow::datatypes::{DataType, Schema};

use crate::session::QuerySession;

impl QuerySession {
    /// Translates a J1QL query into SQL over this session's tables.
    ///
    /// # Errors
    ///
    /// [`J1qlError`] with the place of what is no J1QL, what the tables do not have or what the session
    /// withholds.
    pub fn compile_j1ql(
        &self,
        query: &str,
        environment: Environment<'_>,
    ) -> Result<Compiled, J1qlError> {
        self.without_withheld(core_j1ql::compile(query, &self.graph, environment))
    }

    /// Refuses a query that names a withheld column.
    pub(crate) fn without_withheld(
        &self,
        compiled: Result<Compiled, J1qlError>,
    ) -> Result<Compiled, J1qlError> {
        let Some(withholding) = &self.withholding else { return compiled };
        let mut compiled = compiled.map_err(|error| withholding.explain_j1ql(error))?;
        // A property that does not exist is undefined, and only causes a warning. A withheld property exists.
        for warning in &compiled.warnings {
            let property = warning.unknown_property.as_deref();
            if property.is_some_and(|property| withholding.withholds(property)) {
                let error = J1qlError::new(warning.span, warning.message.as_str());
                let unknown_property = warning.unknown_property.clone();
                return Err(withholding.explain_j1ql(J1qlError { unknown_property, ..error }));
            }
        }
        let warnings = compiled.lacking.iter().filter_map(|lacking| withholding.warn(lacking));
        compiled.warnings.extend(warnings);
        Ok(compiled)
    }

    /// The types of entities and relationships that can be asked for.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

/// Adds a table to the graph that J1QL queries are checked against. Only tables of a generation have a history.
pub(crate) fn describe(graph: &mut Graph, table: &Table, schema: &Schema, has_history: bool) {
    let properties = schema.fields().iter().filter_map(|field| {
        let kind = kind(field.data_type())?;
        Some(Property { name: field.name().clone(), kind })
    });
    let properties = properties.collect();
    match (table.kind, &table.from_type, &table.to_type) {
        (TableKind::Relationship, Some(from), Some(to)) => {
            graph.relationships.push(RelationshipTable {
                name: table.name.clone(),
                class: table.class.first().cloned().unwrap_or_default(),
                from: from.clone(),
                to: to.clone(),
                properties,
                has_history,
            });
        }
        (TableKind::Relationship, ..) => {}
        (TableKind::Entity, ..) => graph.entities.push(EntityTable {
            name: table.name.clone(),
            classes: table.class.clone(),
            properties,
            has_history,
        }),
    }
}

/// Returns the type of the values of a column; nothing for a type that J1QL has no values of.
fn kind(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Kind::Text),
        DataType::Dictionary(_, values) => kind(values),
        DataType::List(item) | DataType::LargeList(item) => {
            (kind(item.data_type()) == Some(Kind::Text)).then_some(Kind::TextList)
        }
        DataType::Timestamp(..) => Some(Kind::Time),
        DataType::Boolean => Some(Kind::Boolean),
        number if number.is_numeric() => Some(Kind::Number),
        _ => None,
    }
}
