//! The catalog that clients read before anything else: the tables and columns that their user may see.

mod batch;
mod functions;
mod rows;
mod tables;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow_array::RecordBatch;
use core_query::{ContentKind, TableInfo};

pub(crate) use self::functions::{CLASS_NAME, CLASS_OID, TYPE_OID, WORD_PREFIX, functions};
use crate::kind::Kind;

/// The schemas of the catalog.
pub(crate) const PG_CATALOG: &str = "pg_catalog";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// The schema of the tables of a generation.
pub(crate) const PUBLIC: &str = "public";

/// The version of Postgres whose catalog this is.
pub(crate) const SERVER_VERSION: &str = "15.0";

/// The numbers of the schemas, of the only role, and of the tenant as a database.
const PG_CATALOG_OID: u32 = 11;
const PUBLIC_OID: u32 = 2200;
const INFORMATION_SCHEMA_OID: u32 = 13_000;
const ROLE_OID: u32 = 10;

/// The numbers of tables and databases. Those of users begin at 16,384 in Postgres, and some clients read them as signed ones.
const CATALOG_OIDS: Range<u32> = 3_000..12_000;
const DATABASE_OIDS: Range<u32> = 12_000..16_384;
const TABLE_OIDS: Range<u32> = 16_384..0x7000_0000;

/// The catalog tables that other catalog tables name by number.
const PG_CLASS_OID: u32 = 1259;

/// The facts that the catalog shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The tenant, which is the database.
    pub(crate) database: String,
    /// All tenants of the store.
    pub(crate) databases: Vec<String>,
    /// The name of the user's token.
    pub(crate) user: String,
    /// The tables of the session, without withheld columns.
    pub(crate) tables: Vec<TableInfo>,
    /// The settings of the session.
    pub(crate) settings: BTreeMap<String, String>,
}

/// A table as the catalog shows it.
#[derive(Debug, Clone)]
struct Relation {
    oid: u32,
    name: String,
    schema: u32,
    /// `r` a table, `v` one made of other tables.
    kind: &'static str,
    rows: u64,
    columns: Vec<(String, Kind)>,
    comment: Option<String>,
}

/// The catalog of a session.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    facts: Facts,
    relations: Vec<Relation>,
}

impl Catalog {
    pub(crate) fn new(facts: Facts) -> Self {
        let mut relations = Vec::new();
        let mut taken = BTreeSet::new();
        for (schema, text) in [
            (PG_CATALOG_OID, tables::PG_CATALOG),
            (INFORMATION_SCHEMA_OID, tables::INFORMATION_SCHEMA),
        ] {
            for (name, columns) in tables::declared(text) {
                let columns = columns
                    .into_iter()
                    .map(|(name, letter)| (name.to_owned(), batch::kind(letter)))
                    .collect();
                relations.push(Relation {
                    oid: oid(name, &CATALOG_OIDS, &mut taken),
                    name: name.to_owned(),
                    schema,
                    kind: "r",
                    rows: 0,
                    columns,
                    comment: None,
                });
            }
        }
        for table in &facts.tables {
            let columns = table.columns.iter();
            let is_union =
                matches!(table.content, ContentKind::AllEntities | ContentKind::AllRelationships);
            relations.push(Relation {
                oid: oid(&table.name, &TABLE_OIDS, &mut taken),
                name: table.name.clone(),
                schema: PUBLIC_OID,
                kind: if is_union { "v" } else { "r" },
                rows: table.rows,
                columns: columns
                    .map(|column| (column.name.clone(), kind(&column.data_type)))
                    .collect(),
                comment: table.partial.then(|| PARTIAL.to_owned()),
            });
        }
        Self { facts, relations }
    }

    /// Makes tables of a schema, those of some names.
    pub(crate) fn tables(
        &self,
        schema: &str,
        names: &BTreeSet<String>,
    ) -> Vec<(String, RecordBatch)> {
        let (text, has_nulls) = match schema {
            PG_CATALOG => (tables::PG_CATALOG, false),
            _ => (tables::INFORMATION_SCHEMA, true),
        };
        tables::declared(text)
            .filter(|(name, _)| names.contains(*name))
            .map(|(name, columns)| {
                let rows = self.rows(schema, name);
                (name.to_owned(), batch::batch(&columns, &rows, has_nulls))
            })
            .collect()
    }

    fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.oid == oid)
    }

    /// Finds a table by its name with or without a schema, with or without quotes.
    fn relation_named(&self, name: &str) -> Option<&Relation> {
        let name = name.replace('"', "");
        let (schema, name) = match name.rsplit_once('.') {
            Some((schema, name)) => (schema_oid(schema), name.to_owned()),
            None => (None, name),
        };
        self.relations.iter().find(|relation| {
            relation.name == name && schema.is_none_or(|schema| schema == relation.schema)
        })
    }
}

/// The comment on a table that may lack rows.
const PARTIAL: &str = "partial: rows may be missing, or be those of an earlier generation";

/// Returns a schema of the catalog that has a table, and whether the table always is empty.
pub(crate) fn find(schema: Option<&str>, name: &str) -> Option<(&'static str, bool)> {
    let has = |text| tables::declared(text).any(|(known, _)| known == name);
    let is_empty = !tables::FILLED.contains(&name);
    match schema {
        None if name.starts_with("pg_") && has(tables::PG_CATALOG) => Some((PG_CATALOG, is_empty)),
        Some(PG_CATALOG) if has(tables::PG_CATALOG) => Some((PG_CATALOG, is_empty)),
        Some(INFORMATION_SCHEMA) if has(tables::INFORMATION_SCHEMA) => {
            Some((INFORMATION_SCHEMA, is_empty))
        }
        _ => None,
    }
}

/// Returns true for a column of the catalog that holds lists: none of them ever has one here.
pub(crate) fn is_list_column(name: &str) -> bool {
    let mut tables = tables::declared(tables::PG_CATALOG);
    tables.any(|(_, columns)| {
        columns.iter().any(|(known, letter)| *known == name && matches!(letter, b'a' | b'i'))
    })
}

fn schema_oid(name: &str) -> Option<u32> {
    SCHEMAS.iter().find(|(_, known)| *known == name).map(|(oid, _)| *oid)
}

const SCHEMAS: [(u32, &str); 3] = [
    (PG_CATALOG_OID, PG_CATALOG),
    (PUBLIC_OID, PUBLIC),
    (INFORMATION_SCHEMA_OID, INFORMATION_SCHEMA),
];

/// Returns the type of a column by its plain words.
fn kind(words: &str) -> Kind {
    match words {
        "integer" => Kind::Int8,
        "number" => Kind::Float8,
        "boolean" => Kind::Bool,
        "timestamp" => Kind::TimestampTz,
        "Date32" => Kind::Date,
        "list of integer" => Kind::Integers,
        words if words.starts_with("list of ") => Kind::Texts,
        _ => Kind::Text,
    }
}

/// Returns a number for a name that depends on the name alone, unless two names have the same: clients remember them
/// from one generation to the next.
fn oid(name: &str, numbers: &Range<u32>, taken: &mut BTreeSet<u32>) -> u32 {
    if name == "pg_class" {
        return PG_CLASS_OID;
    }
    // FNV-1a.
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut oid = numbers.start + hash % (numbers.end - numbers.start);
    while !taken.insert(oid) {
        oid += 1;
    }
    oid
}

#[cfg(test)]
mod tests;
