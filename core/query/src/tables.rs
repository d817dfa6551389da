//! The tables of a generation as plans: the stored columns, and those that the manifest gives to all
//! rows alike. As plans, and not as copies, so that a filter or a choice of columns reaches the files.

use std::sync::Arc;

use core_store::{Table, TableKind};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::functions::datetime::expr_fn::date_trunc;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, cast, lit,
};

use crate::format::with_unique_names;
use crate::withheld::{ColumnView, Withholding};

/// The columns of the table `entities`, and of `relationships`.
const ENTITIES: [&str; 5] = ["_key", "_type", "_class", "name", "displayName"];
const RELATIONSHIPS: [&str; 6] =
    ["_key", "_type", "_class", "displayName", "_fromEntityKey", "_toEntityKey"];

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// The kind of its rows.
    pub content: ContentKind,
    /// The number of its rows.
    pub rows: u64,
    /// True if rows may be missing or carried over from an earlier generation.
    pub partial: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnInfo>,
}

/// The kind of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// Entities of one type.
    Entity,
    /// Relationships of one type.
    Relationship,
    /// All entities.
    AllEntities,
    /// All relationships.
    AllRelationships,
    /// The rows of one type in several generations.
    History,
    /// The changes between two generations.
    Changes,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, in plain words: text, integer, number, boolean, timestamp, list of text.
    pub data_type: String,
}

/// Returns the columns of an answer, for people, each with the name that its values have in JSON.
pub fn columns(schema: &Schema) -> Vec<ColumnInfo> {
    column_infos(&with_unique_names(schema))
}

/// The columns of a plan or file, for people.
pub(crate) fn column_infos(schema: &Schema) -> Vec<ColumnInfo> {
    let fields = schema.fields().iter();
    fields
        .map(|field| ColumnInfo {
            name: field.name().clone(),
            data_type: type_name(field.data_type()),
        })
        .collect()
}

/// The name of a type, in plain words.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Dictionary(_, values) => type_name(values),
        DataType::List(field) | DataType::LargeList(field) => {
            format!("list of {}", type_name(field.data_type()))
        }
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        integer if integer.is_integer() => "integer".to_owned(),
        float if float.is_floating() => "number".to_owned(),
        other => other.to_string(),
    }
}

/// The plan of one type's table over its stored files, without the columns that are withheld. `name` is the name of the
/// table that the files are read for: it differs from that of the type for a history, so that a plan tells which of the
/// two it reads.
pub(crate) fn type_plan(
    table: &Table,
    name: &str,
    stored: Arc<dyn TableProvider>,
    mut withholding: Option<&mut Withholding>,
) -> Result<LogicalPlan, DataFusionError> {
    let stored_names: Vec<_> =
        stored.schema().fields().iter().map(|field| field.name().clone()).collect();
    let scan = LogicalPlanBuilder::scan(name, provider_as_source(stored), None)?;
    let column = |column: &str| Expr::Column(Column::new(Some(name), column));

    let mut columns = match table.kind {
        TableKind::Entity => vec![column("_key")],
        TableKind::Relationship => vec![relationship_key(table, &column).alias("_key")],
    };
    columns.push(lit(ScalarValue::Utf8View(Some(table.name.clone()))).alias("_type"));
    columns.push(lit(class_list(&table.class)).alias("_class"));
    if table.kind == TableKind::Relationship {
        let class = table.class.first().cloned();
        columns.push(lit(ScalarValue::Utf8View(class)).alias("displayName"));
    }
    for name in stored_names.iter().filter(|name| *name != "_key") {
        let view = withholding
            .as_ref()
            .map_or(ColumnView::Stored, |withholding| withholding.view(&table.name, name));
        match (view, &mut withholding) {
            (ColumnView::Withheld, Some(withholding)) => {
                withholding.note(&table.name, name);
            }
            (ColumnView::Day, _) => columns.push(date_trunc(lit("day"), column(name)).alias(name)),
            _ => columns.push(column(name)),
        }
    }
    scan.project(columns)?.build()
}

/// The plan with further columns that have one value in all rows.
pub(crate) fn tagged(
    plan: LogicalPlan,
    tags: &[(String, String)],
) -> Result<LogicalPlan, DataFusionError> {
    if tags.is_empty() {
        return Ok(plan);
    }
    let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    columns.extend(
        tags.iter()
            .map(|(name, value)| lit(ScalarValue::Utf8View(Some(value.clone()))).alias(name)),
    );
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// `from|class|to`, the class in lower case.
fn relationship_key(table: &Table, column: &impl Fn(&str) -> Expr) -> Expr {
    let class = table.class.first().map(|class| class.to_lowercase()).unwrap_or_default();
    let middle = lit(ScalarValue::Utf8View(Some(format!("|{class}|"))));
    let from = cast(column("_fromEntityKey"), DataType::Utf8View);
    let to = cast(column("_toEntityKey"), DataType::Utf8View);
    let start = binary_expr(from, Operator::StringConcat, middle);
    binary_expr(start, Operator::StringConcat, to)
}

fn class_list(classes: &[String]) -> ScalarValue {
    let classes: Vec<_> =
        classes.iter().map(|class| ScalarValue::Utf8(Some(class.clone()))).collect();
    ScalarValue::List(ScalarValue::new_list(&classes, &DataType::Utf8, true))
}

/// The plan of `entities` or `relationships`: the common columns of all types of a kind. Without any type, it has its
/// columns and no rows.
pub(crate) fn union_plan(
    kind: TableKind,
    types: &[LogicalPlan],
) -> Result<LogicalPlan, DataFusionError> {
    let names: &[&str] = match kind {
        TableKind::Entity => &ENTITIES,
        TableKind::Relationship => &RELATIONSHIPS,
    };
    let nothing = LogicalPlanBuilder::empty(false).build()?;
    let mut types = types.iter().chain(types.is_empty().then_some(&nothing));

    let first = types.next().expect("there is the empty plan if no other");
    let mut union = LogicalPlanBuilder::from(first.clone()).project(common(first, names))?;
    for plan in types {
        let branch = LogicalPlanBuilder::from(plan.clone()).project(common(plan, names))?;
        union = union.union(branch.build()?)?;
    }
    union.build()
}

/// The common columns of one type; null where it has none of that name.
fn common(plan: &LogicalPlan, names: &[&str]) -> Vec<Expr> {
    let expression = |name: &&str| {
        let data_type = match *name {
            "_class" => class_list(&[]).data_type(),
            _ => DataType::Utf8View,
        };
        let fields = plan.schema().iter();
        let found = fields.into_iter().find(|(_, field)| field.name() == name);
        let value = match found {
            Some((qualifier, _)) => Expr::Column(Column::new(qualifier.cloned(), *name)),
            None => lit(ScalarValue::Null),
        };
        cast(value, data_type).alias(*name)
    };
    names.iter().map(expression).collect()
}
