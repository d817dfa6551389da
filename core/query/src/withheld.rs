//! Columns that a session withholds from its reader, such as personal ones.
//!
//! A withheld column is left out of the plan of its table. So it is in no table, no union, no `select *` and no J1QL
//! query, and no condition can test it. The caller passes the rules, since this crate does not know the meaning of
//! columns.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use core_j1ql::{J1qlError, Lacking, Warning};

use crate::error::QueryError;

/// The display of a column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnView {
    /// As it is stored.
    Stored,
    /// A time as the day that it is in, UTC.
    Day,
    /// Not at all.
    Withheld,
}

/// Says how a column is shown: the type, then the column.
type Rule = dyn Fn(&str, &str) -> ColumnView + Send + Sync;

/// The columns that a session withholds.
#[derive(Clone)]
pub struct Withholding {
    rule: Arc<Rule>,
    remedy: String,
    /// The columns that were left out.
    withheld: BTreeSet<String>,
    /// The same with their types.
    withheld_in: BTreeSet<(String, String)>,
}

impl Withholding {
    /// Withholds columns by a rule, which gets the type and the column. Columns whose names begin with `_` are the
    /// structure of the graph; the rule is not called for them. `remedy` says how the user can see the withheld
    /// columns.
    pub fn new(
        rule: impl Fn(&str, &str) -> ColumnView + Send + Sync + 'static,
        remedy: impl Into<String>,
    ) -> Self {
        let (withheld, withheld_in) = (BTreeSet::new(), BTreeSet::new());
        Self { rule: Arc::new(rule), remedy: remedy.into(), withheld, withheld_in }
    }

    /// The display of a column.
    pub(crate) fn view(&self, type_name: &str, column: &str) -> ColumnView {
        if column.starts_with('_') { ColumnView::Stored } else { (self.rule)(type_name, column) }
    }

    /// Notes that a column was left out.
    pub(crate) fn note(&mut self, type_name: &str, column: &str) {
        self.withheld.insert(column.to_owned());
        self.withheld_in.insert((type_name.to_owned(), column.to_owned()));
    }

    /// Returns whether a column of a type was left out.
    pub(crate) fn withholds_in(&self, type_name: &str, column: &str) -> bool {
        self.withheld_in.contains(&(type_name.to_owned(), column.to_owned()))
    }

    /// Warns that a property is withheld for some of the types that it is asked of.
    pub(crate) fn warn(&self, lacking: &Lacking) -> Option<Warning> {
        let Lacking { property, types, span } = lacking;
        let types = types.iter().filter(|name| self.withholds_in(name, property));
        let types: Vec<&str> = types.map(String::as_str).collect();
        let (types, remedy) = (types.join(", "), &self.remedy);
        let message =
            format!("{property} of {types} is withheld and counts as undefined: {remedy}");
        let (unknown_property, is_mistake) = (None, false);
        (!types.is_empty()).then_some(Warning {
            message,
            span: *span,
            unknown_property,
            is_mistake,
        })
    }

    /// Replaces the error for a missing column by one that says that the column is withheld.
    pub(crate) fn explain(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::UnknownColumn { name, .. } if self.withholds(&name) => {
                QueryError::Withheld { name, remedy: self.remedy.clone() }
            }
            error => error,
        }
    }

    /// The same for J1QL.
    pub(crate) fn explain_j1ql(&self, error: J1qlError) -> J1qlError {
        match &error.unknown_property {
            Some(name) if self.withholds(name) => {
                let message = format!("{name} is withheld here");
                J1qlError::new(error.span, message).with_help(self.remedy.clone())
            }
            _ => error,
        }
    }

    /// Returns whether a column with this name, with or without a table before it, was left out.
    pub(crate) fn withholds(&self, name: &str) -> bool {
        let column = name.rsplit('.').next().unwrap_or(name);
        self.withheld.contains(name) || self.withheld.contains(column)
    }
}

impl fmt::Debug for Withholding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Withholding")
            .field("remedy", &self.remedy)
            .field("withheld", &self.withheld)
            .finish_non_exhaustive()
    }
}
