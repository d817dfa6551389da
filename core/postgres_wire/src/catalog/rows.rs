//! The rows of the catalog's tables.

use super::batch::{Row, Value};
use super::types::TYPES;
use super::{
    Catalog, DATABASE_OIDS, INFORMATION_SCHEMA, PG_CATALOG, PG_CATALOG_OID, PG_CLASS_OID, PUBLIC,
    PUBLIC_OID, ROLE_OID, Relation, SCHEMAS,
};
use crate::kind::Kind;

/// The number of the function that reads a list in binary: clients find the types of lists by it.
const ARRAY_RECEIVE: u32 = 2_400;

/// The same for other types.
const RECEIVE: u32 = 2_406;

/// The numbers of the one access method and of the one table space.
const HEAP: u32 = 2;
const TABLE_SPACE: u32 = 1_663;

/// Makes a row of columns and their values.
macro_rules! row {
    ($($name:ident: $value:expr),* $(,)?) => {
        vec![$((stringify!($name), Value::from($value))),*]
    };
}

impl Catalog {
    /// Returns the rows of a table.
    pub(super) fn rows(&self, schema: &str, name: &str) -> Vec<Row> {
        match (schema, name) {
            (PG_CATALOG, "pg_am") => vec![row! { oid: HEAP, amname: "heap", amtype: "t" }],
            (PG_CATALOG, "pg_attribute") => self.attributes(),
            (PG_CATALOG, "pg_roles") => vec![self.role()],
            (PG_CATALOG, "pg_class") => self.relations.iter().map(class).collect(),
            (PG_CATALOG, "pg_database") => self.databases(),
            (PG_CATALOG, "pg_stat_database") => self.used_databases(),
            (PG_CATALOG, "pg_description") => self.descriptions(),
            (PG_CATALOG, "pg_namespace") => schemas(),
            (PG_CATALOG, "pg_proc") => procedures(),
            (PG_CATALOG, "pg_settings") => self.settings(),
            (PG_CATALOG, "pg_stat_user_tables" | "pg_stat_all_tables") => self.statistics(),
            (PG_CATALOG, "pg_tables") => self.tables_of_users(),
            (PG_CATALOG, "pg_tablespace") => {
                vec![row! { oid: TABLE_SPACE, spcname: "pg_default", spcowner: ROLE_OID }]
            }
            (PG_CATALOG, "pg_type") => types(),
            (PG_CATALOG, "pg_user") => vec![row! { usename: &self.facts.user, usesysid: ROLE_OID }],
            (INFORMATION_SCHEMA, "character_sets") => vec![row! {
                character_set_name: "UTF8", default_collate_name: "C",
            }],
            (INFORMATION_SCHEMA, "columns") => self.columns(),
            (INFORMATION_SCHEMA, "applicable_roles") => {
                vec![row! { role_name: &self.facts.user, grantee: &self.facts.user }]
            }
            (INFORMATION_SCHEMA, "enabled_roles") => vec![row! { role_name: &self.facts.user }],
            (INFORMATION_SCHEMA, "schemata") => self.schemata(),
            (INFORMATION_SCHEMA, "tables") => self.information_tables(),
            (INFORMATION_SCHEMA, "role_table_grants" | "table_privileges") => self.privileges(),
            _ => Vec::new(),
        }
    }

    fn user_tables(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(|relation| relation.schema == PUBLIC_OID)
    }

    fn attributes(&self) -> Vec<Row> {
        let rows = self.relations.iter().flat_map(|relation| {
            relation.columns.iter().zip(1_i64..).map(|((name, kind), number)| {
                let is_value = kind.length() > 0 && kind.length() <= 8;
                row! {
                    attrelid: relation.oid, attname: name, atttypid: kind.oid(),
                    attlen: i64::from(kind.length()), attnum: number, atttypmod: -1_i64,
                    attstattarget: -1_i64, attcacheoff: -1_i64, attbyval: is_value, attislocal: true,
                    attstorage: "p", attalign: "i", attnotnull: is_key(name),
                    attndims: i64::from(matches!(kind, Kind::Texts | Kind::Integers)),
                }
            })
        });
        rows.collect()
    }

    fn role(&self) -> Row {
        row! {
            oid: ROLE_OID, rolname: &self.facts.user, rolinherit: true, rolcanlogin: true,
            rolconnlimit: -1_i64,
        }
    }

    fn databases(&self) -> Vec<Row> {
        let names = self.facts.databases.iter().zip(DATABASE_OIDS);
        let rows = names.map(|(name, oid)| {
            row! {
                oid: oid, datname: name, datdba: ROLE_OID, encoding: 6_i64,
                datlocprovider: "c", datallowconn: true, datconnlimit: -1_i64,
                dattablespace: TABLE_SPACE, datcollate: "C", datctype: "C",
            }
        });
        rows.collect()
    }

    fn used_databases(&self) -> Vec<Row> {
        let names = self.facts.databases.iter().zip(DATABASE_OIDS);
        names.map(|(name, oid)| row! { datid: oid, datname: name }).collect()
    }

    fn descriptions(&self) -> Vec<Row> {
        let commented = self
            .relations
            .iter()
            .filter_map(|relation| Some((relation, relation.comment.as_ref()?)));
        let rows = commented.map(|(relation, comment)| {
            row! { objoid: relation.oid, classoid: PG_CLASS_OID, description: comment }
        });
        rows.collect()
    }

    fn settings(&self) -> Vec<Row> {
        let rows = self.facts.settings.iter().map(|(name, value)| {
            row! {
                name: name, setting: value, category: "", short_desc: "", context: "user",
                vartype: "string", source: "session", boot_val: value, reset_val: value,
            }
        });
        rows.collect()
    }

    fn statistics(&self) -> Vec<Row> {
        let rows = self.user_tables().map(|relation| {
            row! {
                relid: relation.oid, schemaname: PUBLIC, relname: &relation.name,
                n_live_tup: number_of_rows(relation),
            }
        });
        rows.collect()
    }

    fn tables_of_users(&self) -> Vec<Row> {
        let tables = self.relations.iter().filter(|relation| relation.kind == "r");
        let rows = tables.map(|relation| {
            row! {
                schemaname: schema_name(relation.schema), tablename: &relation.name,
                tableowner: &self.facts.user,
            }
        });
        rows.collect()
    }

    fn schemata(&self) -> Vec<Row> {
        let rows = SCHEMAS.iter().map(|(_, name)| {
            row! {
                catalog_name: &self.facts.database, schema_name: *name,
                schema_owner: &self.facts.user,
            }
        });
        rows.collect()
    }

    fn information_tables(&self) -> Vec<Row> {
        let rows = self.relations.iter().map(|relation| {
            row! {
                table_catalog: &self.facts.database, table_schema: schema_name(relation.schema),
                table_name: &relation.name,
                table_type: if relation.kind == "v" { "VIEW" } else { "BASE TABLE" },
                is_insertable_into: "NO", is_typed: "NO",
            }
        });
        rows.collect()
    }

    fn privileges(&self) -> Vec<Row> {
        let rows = self.user_tables().map(|relation| {
            row! {
                grantor: &self.facts.user, grantee: &self.facts.user,
                table_catalog: &self.facts.database, table_schema: PUBLIC,
                table_name: &relation.name, privilege_type: "SELECT", is_grantable: "NO",
            }
        });
        rows.collect()
    }

    fn columns(&self) -> Vec<Row> {
        let rows = self.relations.iter().flat_map(|relation| {
            relation.columns.iter().zip(1_i64..).map(|((name, kind), number)| {
                let (data_type, udt) = information_type(*kind);
                let mut row = row! {
                    table_catalog: &self.facts.database, table_schema: schema_name(relation.schema),
                    table_name: &relation.name, column_name: name, ordinal_position: number,
                    is_nullable: if is_key(name) { "NO" } else { "YES" }, data_type: data_type,
                    udt_catalog: &self.facts.database, udt_schema: PG_CATALOG, udt_name: udt,
                    is_self_referencing: "NO", is_identity: "NO", is_generated: "NEVER",
                    is_updatable: "NO",
                };
                row.extend(precision(*kind));
                row
            })
        });
        rows.collect()
    }
}

/// Returns true for the columns that no row lacks.
fn is_key(name: &str) -> bool {
    matches!(name, "_key" | "_type" | "_class" | "_fromEntityKey" | "_toEntityKey")
}

fn number_of_rows(relation: &Relation) -> i64 {
    i64::try_from(relation.rows).unwrap_or(i64::MAX)
}

pub(super) fn schema_name(oid: u32) -> &'static str {
    SCHEMAS.iter().find(|(known, _)| *known == oid).map_or(PUBLIC, |(_, name)| *name)
}

fn class(relation: &Relation) -> Row {
    row! {
        oid: relation.oid, relname: &relation.name, relnamespace: relation.schema,
        relowner: ROLE_OID, relam: if relation.kind == "r" { HEAP } else { 0 },
        relpersistence: "p", relkind: relation.kind, relispopulated: true, relreplident: "n",
        reltuples: number_of_rows(relation),
        relnatts: i64::try_from(relation.columns.len()).unwrap_or(0),
    }
}

fn schemas() -> Vec<Row> {
    let rows =
        SCHEMAS.iter().map(|(oid, name)| row! { oid: *oid, nspname: *name, nspowner: ROLE_OID });
    rows.collect()
}

fn procedures() -> Vec<Row> {
    let rows = [(ARRAY_RECEIVE, "array_recv"), (RECEIVE, "recv")].map(|(oid, name)| {
        row! {
            oid: oid, proname: name, pronamespace: PG_CATALOG_OID, proowner: ROLE_OID,
            prolang: 12_u32, prokind: "f", provolatile: "i", proparallel: "s",
        }
    });
    rows.into()
}

/// The types, and those of lists of them.
fn types() -> Vec<Row> {
    let mut rows = Vec::new();
    for known in &TYPES {
        rows.push(row! {
            oid: known.oid, typname: known.name, typnamespace: PG_CATALOG_OID, typowner: ROLE_OID,
            typlen: i64::from(known.length), typbyval: known.length > 0 && known.length <= 8,
            typtype: known.kind, typcategory: known.category, typisdefined: true, typdelim: ",",
            typarray: known.array, typreceive: RECEIVE, typinput: RECEIVE, typoutput: RECEIVE,
            typalign: "i", typstorage: "p", typtypmod: -1_i64,
        });
        if known.array != 0 {
            let name = format!("_{}", known.name);
            rows.push(row! {
                oid: known.array, typname: &name, typnamespace: PG_CATALOG_OID,
                typowner: ROLE_OID, typlen: -1_i64, typtype: "b", typcategory: "A",
                typisdefined: true, typdelim: ",", typelem: known.oid,
                typreceive: ARRAY_RECEIVE, typinput: ARRAY_RECEIVE, typoutput: ARRAY_RECEIVE,
                typalign: "i", typstorage: "x", typtypmod: -1_i64,
            });
        }
    }
    rows
}

/// Returns a type as `information_schema` names it, and its name in the catalog.
fn information_type(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Texts => ("ARRAY", "_text"),
        Kind::Integers => ("ARRAY", "_int8"),
        kind => {
            let known = TYPES.iter().find(|known| known.oid == kind.oid());
            (kind.sql_name(), known.map_or("text", |known| known.name))
        }
    }
}

/// Returns the precision of a type.
fn precision(kind: Kind) -> Row {
    let bits = |bits: i64| row! { numeric_precision: bits, numeric_precision_radix: 2_i64 };
    let whole = |number: i64| {
        let mut row = bits(number);
        row.push(("numeric_scale", Value::from(0_i64)));
        row
    };
    match kind {
        Kind::Int2 => whole(16),
        Kind::Int4 => whole(32),
        Kind::Int8 => whole(64),
        Kind::Float4 => bits(24),
        Kind::Float8 => bits(53),
        Kind::Timestamp | Kind::TimestampTz | Kind::Interval => {
            row! { datetime_precision: 6_i64 }
        }
        Kind::Date => row! { datetime_precision: 0_i64 },
        _ => Vec::new(),
    }
}
