//! The tables of `pg_catalog` and `information_schema` with those of their columns that clients ask for.
//!
//! They are in text files. Each line is a table and its columns, each with a letter for its type: `o` an object's number,
//! `n` a whole number, `s` a small one, `l` a large one, `f` a number, `b` true or false, `t` text, `c` a letter, `a` a
//! list of texts, `i` a list of whole numbers.

/// `pg_catalog`.
pub(super) const PG_CATALOG: &str = include_str!("../../catalog/pg_catalog.txt");

/// `information_schema`.
pub(super) const INFORMATION_SCHEMA: &str = include_str!("../../catalog/information_schema.txt");

/// The tables that have rows here. All others are always empty, so that queries that need a row of one need no plan.
pub(super) const FILLED: [&str; 24] = [
    "pg_am",
    "pg_attribute",
    "pg_class",
    "pg_database",
    "pg_description",
    "pg_namespace",
    "pg_proc",
    "pg_roles",
    "pg_settings",
    "pg_stat_user_tables",
    "pg_tables",
    "pg_tablespace",
    "pg_type",
    "pg_user",
    "character_sets",
    "columns",
    "enabled_roles",
    "role_table_grants",
    "schemata",
    "table_privileges",
    "tables",
    "pg_stat_all_tables",
    "pg_stat_database",
    "applicable_roles",
];

/// A declared table: its name, and its columns with the letters of their types.
pub(super) type Declared = (&'static str, Vec<(&'static str, u8)>);

/// Returns the tables that a text declares.
pub(super) fn declared(text: &'static str) -> impl Iterator<Item = Declared> {
    text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let name = words.next().filter(|name| !name.is_empty())?;
        let columns = words.filter_map(|word| {
            let (name, letter) = word.split_once(':')?;
            Some((name, *letter.as_bytes().first()?))
        });
        Some((name, columns.collect()))
    })
}
