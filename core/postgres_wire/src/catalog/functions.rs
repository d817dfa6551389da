//! The functions of the catalog.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Int32Array, Int64Array, StringArray, UInt32Array,
};
use arrow_cast::cast;
use arrow_schema::DataType;
use core_query::AddedFunction;

use super::rows::schema_name;
use super::{Catalog, PG_CATALOG, PUBLIC, PUBLIC_OID, SERVER_VERSION, types};

/// Functions that take the place of casts: `'t'::regclass`, `oid::regclass::text`, `'int8'::regtype`.
pub(crate) const CLASS_OID: &str = "to_regclass";
pub(crate) const CLASS_NAME: &str = "pg_class_name";
pub(crate) const TYPE_OID: &str = "to_regtype";

/// The beginning of the names of functions that are called without parentheses: `current_user`.
pub(crate) const WORD_PREFIX: &str = "pg_";

/// Functions about objects that there are none of, and about sizes that are not told.
const NULL_TEXTS: [&str; 21] = [
    "col_description",
    "inet_client_addr",
    "inet_server_addr",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_function_arg_default",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_result",
    "pg_get_function_sqlbody",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_ruledef",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef_columns",
    "pg_get_triggerdef",
    "pg_size_pretty",
    "pg_tablespace_location",
    "shobj_description",
];

const NULL_NUMBERS: [&str; 11] = [
    "inet_client_port",
    "inet_server_port",
    "pg_advisory_unlock_all",
    "pg_database_size",
    "pg_indexes_size",
    "pg_relation_size",
    "pg_stat_get_live_tuples",
    "pg_stat_get_numscans",
    "pg_table_size",
    "pg_total_relation_size",
    "txid_current",
];

/// Functions with one answer, whatever they are asked about.
const TRUTHS: [(&str, bool); 14] = [
    ("has_any_column_privilege", true),
    ("has_function_privilege", true),
    ("has_language_privilege", true),
    ("has_tablespace_privilege", true),
    ("has_type_privilege", true),
    ("pg_collation_is_visible", true),
    ("pg_function_is_visible", true),
    ("pg_has_role", true),
    ("pg_is_in_recovery", false),
    ("pg_is_other_temp_schema", false),
    ("pg_operator_is_visible", true),
    ("pg_opclass_is_visible", true),
    ("pg_relation_is_publishable", false),
    ("pg_type_is_visible", true),
];

/// Functions whose last argument is a privilege, of which a reader has those to read.
const PRIVILEGES: [&str; 6] = [
    "has_column_privilege",
    "has_database_privilege",
    "has_foreign_data_wrapper_privilege",
    "has_schema_privilege",
    "has_sequence_privilege",
    "has_table_privilege",
];

/// Returns the functions of a catalog.
pub(crate) fn functions(catalog: &Catalog, program_version: &str) -> Vec<AddedFunction> {
    let facts = &catalog.facts;
    let mut functions = vec![
        constant(
            "version",
            &format!("PostgreSQL {SERVER_VERSION} (Nexthink Graph {program_version})"),
        ),
        constant(&format!("{WORD_PREFIX}current_schema"), PUBLIC),
        constant("getdatabaseencoding", "UTF8"),
        constant("pg_client_encoding", "UTF8"),
    ];
    for name in ["current_database", "current_catalog"] {
        functions.push(constant(&format!("{WORD_PREFIX}{name}"), &facts.database));
    }
    for name in ["current_user", "session_user", "current_role", "user"] {
        functions.push(constant(&format!("{WORD_PREFIX}{name}"), &facts.user));
    }
    functions.extend(NULL_TEXTS.map(|name| text(name, |_| None)));
    functions.extend(NULL_NUMBERS.map(|name| {
        let nulls = |_: &[ArrayRef], rows| Arc::new(Int64Array::from(vec![None; rows])) as ArrayRef;
        added(name, DataType::Int64, nulls)
    }));
    functions.extend(TRUTHS.map(|(name, truth)| condition(name, move |_| truth)));
    functions.extend(PRIVILEGES.map(|name| condition(name, may_read)));
    functions.extend([
        text("format_type", |cells| Some(type_name(number(cells, 0)?))),
        text("pg_encoding_to_char", |_| Some("UTF8".to_owned())),
        text("quote_ident", |cells| Some(quoted(cell(cells, 0)?, '"'))),
        text("quote_literal", |cells| Some(quoted(cell(cells, 0)?, '\''))),
        text("set_config", |cells| cell(cells, 1).map(str::to_owned)),
        oid(TYPE_OID, |cells| types::oid(cell(cells, 0)?)),
        integer("pg_backend_pid", |_| Some(1)),
        integer("pg_char_to_encoding", |_| Some(6)),
        oid("pg_my_temp_schema", |_| Some(0)),
        current_schemas(),
    ]);
    functions.extend(about_objects(catalog));
    functions
}

/// Returns the functions that look up objects.
fn about_objects(catalog: &Catalog) -> Vec<AddedFunction> {
    let catalog = Arc::new(catalog.clone());
    let shared = || Arc::clone(&catalog);
    let (by_name, by_oid, visible, described, view, settings) =
        (shared(), shared(), shared(), shared(), shared(), shared());
    let user = catalog.facts.user.clone();
    vec![
        text("pg_get_userbyid", move |_| Some(user.clone())),
        oid(CLASS_OID, move |cells| {
            let name = cell(cells, 0)?;
            let known = by_name.relation_named(name).map(|relation| relation.oid);
            known.or_else(|| name.parse().ok())
        }),
        text(CLASS_NAME, move |cells| {
            let relation = by_oid.relation(number(cells, 0)?);
            let relation = relation.map(|relation| match relation.schema {
                PUBLIC_OID => quoted(&relation.name, '"'),
                schema if schema_name(schema) == PG_CATALOG => relation.name.clone(),
                schema => format!("{}.{}", schema_name(schema), relation.name),
            });
            relation.or_else(|| cell(cells, 0).map(str::to_owned))
        }),
        condition("pg_table_is_visible", move |cells| {
            let relation = number(cells, 0).and_then(|oid| visible.relation(oid));
            relation
                .is_some_and(|relation| schema_name(relation.schema) != super::INFORMATION_SCHEMA)
        }),
        text("obj_description", move |cells| {
            described.relation(number(cells, 0)?)?.comment.clone()
        }),
        text("pg_get_viewdef", move |cells| {
            let relation = view.relation(number(cells, 0)?)?;
            (relation.kind == "v").then(|| format!(" SELECT * FROM {}", relation.name))
        }),
        text("current_setting", move |cells| {
            let name = cell(cells, 0)?.to_ascii_lowercase();
            let mut settings = settings.facts.settings.iter();
            settings
                .find(|(known, _)| known.eq_ignore_ascii_case(&name))
                .map(|(_, value)| value.clone())
        }),
    ]
}

/// The arguments of a call in one row, as texts.
type Cells<'a> = &'a [Option<&'a str>];

fn cell<'a>(cells: &[Option<&'a str>], place: usize) -> Option<&'a str> {
    cells.get(place).copied().flatten()
}

fn number(cells: Cells<'_>, place: usize) -> Option<u32> {
    cell(cells, place)?.parse().ok()
}

fn type_name(oid: u32) -> String {
    types::sql_name(oid).unwrap_or_else(|| if oid == 0 { "-".to_owned() } else { "???".to_owned() })
}

/// Returns true if all of the privileges, which are the last argument, only read.
fn may_read(cells: Cells<'_>) -> bool {
    let privileges = cells.last().copied().flatten().unwrap_or_default();
    privileges.split(',').all(|privilege| {
        ["select", "usage", "connect"].contains(&privilege.trim().to_ascii_lowercase().as_str())
    })
}

/// Returns a text in quotes, unless it is a plain name.
fn quoted(text: &str, quote: char) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if quote == '"' && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

fn added(
    name: &str,
    returns: DataType,
    evaluate: impl Fn(&[ArrayRef], usize) -> ArrayRef + Send + Sync + 'static,
) -> AddedFunction {
    AddedFunction { name: name.to_owned(), returns, evaluate: Arc::new(evaluate) }
}

/// Calls a function for each row. An argument that has no form as a text counts as missing.
fn each<T>(columns: &[ArrayRef], rows: usize, call: impl Fn(Cells<'_>) -> T) -> Vec<T> {
    let columns: Vec<Option<StringArray>> = columns
        .iter()
        .map(|column| Some(cast(column, &DataType::Utf8).ok()?.as_string::<i32>().clone()))
        .collect();
    let row = |row: usize| {
        let cells: Vec<Option<&str>> = columns
            .iter()
            .map(|column| {
                column
                    .as_ref()
                    .filter(|column| column.is_valid(row))
                    .map(|column| column.value(row))
            })
            .collect();
        call(&cells)
    };
    (0..rows).map(row).collect()
}

fn constant(name: &str, value: &str) -> AddedFunction {
    let value = value.to_owned();
    text(name, move |_| Some(value.clone()))
}

fn text(
    name: &str,
    call: impl Fn(Cells<'_>) -> Option<String> + Send + Sync + 'static,
) -> AddedFunction {
    added(name, DataType::Utf8, move |columns, rows| {
        Arc::new(StringArray::from(each(columns, rows, &call)))
    })
}

fn condition(
    name: &str,
    call: impl Fn(Cells<'_>) -> bool + Send + Sync + 'static,
) -> AddedFunction {
    added(name, DataType::Boolean, move |columns, rows| {
        Arc::new(BooleanArray::from(each(columns, rows, &call)))
    })
}

fn oid(
    name: &str,
    call: impl Fn(Cells<'_>) -> Option<u32> + Send + Sync + 'static,
) -> AddedFunction {
    added(name, DataType::UInt32, move |columns, rows| {
        Arc::new(UInt32Array::from(each(columns, rows, &call)))
    })
}

fn integer(
    name: &str,
    call: impl Fn(Cells<'_>) -> Option<i32> + Send + Sync + 'static,
) -> AddedFunction {
    added(name, DataType::Int32, move |columns, rows| {
        Arc::new(Int32Array::from(each(columns, rows, &call)))
    })
}

/// `current_schemas(implicit)`: the schemas in which names are looked up.
fn current_schemas() -> AddedFunction {
    added("current_schemas", DataType::new_list(DataType::Utf8, true), |columns, rows| {
        let implicit = each(columns, rows, |cells| cell(cells, 0) == Some("true"));
        let mut lists = ListBuilder::new(StringBuilder::new());
        for is_implicit in implicit {
            let schemas = [is_implicit.then_some(PG_CATALOG), Some(PUBLIC)];
            lists.append_value(schemas.into_iter().flatten().map(Some));
        }
        Arc::new(lists.finish())
    })
}
