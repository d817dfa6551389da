//! The statements of a delivery. Names are always quoted, and values are never part of a statement.

use std::fmt::Write as _;

use arrow_schema::{DataType, Schema};
use core_store::TableKind;

use crate::error::PostgresError;

/// The longest name that Postgres does not cut, in bytes.
const LONGEST_NAME: usize = 63;

/// The table with the state of the schema.
pub(crate) const DELIVERY: &str = "_delivery";
/// The table of tables.
pub(crate) const TYPES: &str = "_types";

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type, as Postgres writes it.
    pub(crate) sql_type: &'static str,
    /// True if it may be null.
    pub(crate) nullable: bool,
}

/// A table of a type, as it is written in statements.
#[derive(Debug, Clone)]
pub(crate) struct TypeTable<'a> {
    /// The schema.
    pub(crate) schema: &'a str,
    /// The `_type`.
    pub(crate) name: &'a str,
    /// Entities or relationships.
    pub(crate) kind: TableKind,
    /// The columns, in order.
    pub(crate) columns: Vec<Column>,
}

/// Quotes a name, whatever it holds.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a table of a schema.
pub(crate) fn quote_table(schema: &str, name: &str) -> String {
    format!("{}.{}", quote(schema), quote(name))
}

/// The type of a column in Postgres; `None` for a type that no generation has.
pub(crate) fn column_type(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Utf8 => Some("text"),
        DataType::Int64 => Some("bigint"),
        DataType::Boolean => Some("boolean"),
        DataType::Timestamp(..) => Some("timestamp with time zone"),
        DataType::List(item) if *item.data_type() == DataType::Utf8 => Some("text[]"),
        DataType::Dictionary(keys, values) if **keys == DataType::UInt32 => column_type(values),
        _ => None,
    }
}

/// The columns of a table of a type.
pub(crate) fn columns(type_name: &str, schema: &Schema) -> Result<Vec<Column>, PostgresError> {
    let column = |field: &arrow_schema::FieldRef| {
        check_name(field.name())?;
        let sql_type = column_type(field.data_type()).ok_or_else(|| PostgresError::Column {
            type_name: type_name.to_owned(),
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        Ok(Column { name: field.name().clone(), sql_type, nullable: field.is_nullable() })
    };
    schema.fields().iter().map(column).collect()
}

/// Refuses a name that Postgres would cut, since two names could become one.
pub(crate) fn check_name(name: &str) -> Result<(), PostgresError> {
    if name.len() > LONGEST_NAME {
        return Err(PostgresError::LongName { name: name.to_owned() });
    }
    Ok(())
}

/// The statements that make the tables with the state of the schema.
pub(crate) fn create_state(schema: &str) -> String {
    let (delivery, types) = (quote_table(schema, DELIVERY), quote_table(schema, TYPES));
    format!(
        "CREATE TABLE {delivery} (\
         format integer NOT NULL, tenant text NOT NULL, generation text NOT NULL, generation_at text NOT NULL, \
         delivered_at timestamptz NOT NULL DEFAULT now(), erasures text[] NOT NULL, is_vacuumed boolean NOT NULL);\
         CREATE TABLE {types} (\
         type text PRIMARY KEY, kind text NOT NULL, class text[] NOT NULL, from_type text, to_type text, \
         rows bigint NOT NULL, is_partial boolean NOT NULL, is_exact boolean NOT NULL, mark text NOT NULL, \
         columns text[]);\
         COMMENT ON TABLE {delivery} IS 'The generation that the tables of this schema have';\
         COMMENT ON TABLE {types} IS 'The tables of this schema; rows of partial types may be missing or old'"
    )
}

/// Notes the columns of all tables of types that have no such note, as those that the program has made: earlier versions
/// wrote none, and removed every other column with the next change of its type.
pub(crate) fn note_columns(schema: &str) -> String {
    format!(
        "UPDATE {} SET columns = (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1::text AND c.relname = type AND a.attnum > 0 AND NOT a.attisdropped) \
         WHERE columns IS NULL",
        quote_table(schema, TYPES)
    )
}

impl TypeTable<'_> {
    /// The table, quoted.
    pub(crate) fn quoted(&self) -> String {
        quote_table(self.schema, self.name)
    }

    /// The names of the columns that identify a row.
    fn keys(&self) -> &'static [&'static str] {
        match self.kind {
            TableKind::Entity => &["_key"],
            TableKind::Relationship => &["_fromEntityKey", "_toEntityKey"],
        }
    }

    fn contents(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.keys().contains(&column.name.as_str()))
    }

    fn quoted_columns(&self) -> String {
        self.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
    }

    fn definitions(&self) -> String {
        let definition = |column: &Column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{null}", quote(&column.name), column.sql_type)
        };
        self.columns.iter().map(definition).collect::<Vec<_>>().join(", ")
    }

    /// Makes the table, without its key.
    pub(crate) fn create(&self) -> String {
        format!("CREATE TABLE {} ({})", self.quoted(), self.definitions())
    }

    /// Keeps the values of these columns out of the statistics, which erasing rows would not reach; `None` if the table
    /// has none of them.
    pub(crate) fn without_statistics(&self, names: &[String]) -> Option<String> {
        let personal = self.columns.iter().filter(|column| names.contains(&column.name));
        let clauses: Vec<String> = personal
            .map(|column| format!("ALTER COLUMN {} SET STATISTICS 0", quote(&column.name)))
            .collect();
        let alter = || format!("ALTER TABLE {} {}", self.quoted(), clauses.join(", "));
        (!clauses.is_empty()).then(alter)
    }

    /// Adds what makes look-ups fast, once the rows are there.
    pub(crate) fn create_keys(&self) -> String {
        let table = self.quoted();
        let keys: Vec<String> = self.keys().iter().map(|key| quote(key)).collect();
        let mut text = format!("ALTER TABLE {table} ADD PRIMARY KEY ({})", keys.join(", "));
        if self.kind == TableKind::Relationship {
            write!(text, "; CREATE INDEX ON {table} ({})", keys[1]).expect("a text takes it");
        }
        text
    }

    /// Makes the temporary table that rows are loaded into before they are compared.
    pub(crate) fn create_load(&self, load: &str) -> String {
        format!("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP", quote(load), self.definitions())
    }

    /// Takes rows into a table, already quoted.
    pub(crate) fn copy_into(&self, quoted: &str) -> String {
        format!("COPY {quoted} ({}) FROM STDIN (FORMAT binary)", self.quoted_columns())
    }

    /// Adds a column that the table does not have yet.
    pub(crate) fn add_column(&self, column: &Column) -> String {
        // Not null only once every row has a value: of the key no new column is made.
        let (table, name) = (self.quoted(), quote(&column.name));
        format!("ALTER TABLE {table} ADD COLUMN {name} {}", column.sql_type)
    }

    /// Removes a column that the generation does not have any more.
    pub(crate) fn drop_column(&self, name: &str) -> String {
        format!("ALTER TABLE {} DROP COLUMN {}", self.quoted(), quote(name))
    }

    /// Returns the columns that the program `made` in the table, that are still `there`, each with its type, and that the
    /// generation does not have.
    pub(crate) fn surplus_columns<'a>(
        &'a self,
        there: &'a [(String, String)],
        made: &'a [String],
    ) -> impl Iterator<Item = &'a str> {
        let is_wanted = |name: &str| self.columns.iter().any(|column| column.name == name);
        let names = there.iter().map(|(name, _)| name);
        let surplus = names.filter(move |name| made.contains(name) && !is_wanted(name));
        surplus.map(String::as_str)
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let equal = |key: &&str| format!("{one}.{key} = {other}.{key}", key = quote(key));
        self.keys().iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    /// Removes the rows that were not loaded.
    pub(crate) fn delete_missing(&self, load: &str) -> String {
        format!(
            "DELETE FROM {} t WHERE NOT EXISTS (SELECT FROM {} l WHERE {})",
            self.quoted(),
            quote(load),
            self.same_key("l", "t")
        )
    }

    /// Counts the rows that were not loaded.
    pub(crate) fn count_missing(&self, load: &str) -> String {
        format!(
            "SELECT count(*) FROM {} t WHERE NOT EXISTS (SELECT FROM {} l WHERE {})",
            self.quoted(),
            quote(load),
            self.same_key("l", "t")
        )
    }

    /// Writes the rows that are there with other values; `None` if a row is nothing but its key.
    pub(crate) fn update_changed(&self, load: &str) -> Option<String> {
        let names: Vec<String> = self.contents().map(|column| quote(&column.name)).collect();
        if names.is_empty() {
            return None;
        }
        let of = |table: &str| {
            let columns = names.iter().map(|name| format!("{table}.{name}"));
            columns.collect::<Vec<_>>().join(", ")
        };
        let set = names.iter().map(|name| format!("{name} = l.{name}")).collect::<Vec<_>>();
        Some(format!(
            "UPDATE {} t SET {} FROM {} l WHERE {} AND ROW({}) IS DISTINCT FROM ROW({})",
            self.quoted(),
            set.join(", "),
            quote(load),
            self.same_key("l", "t"),
            of("t"),
            of("l")
        ))
    }

    /// Adds the rows that are not there yet.
    pub(crate) fn insert_new(&self, load: &str) -> String {
        let table = self.quoted();
        let columns = self.quoted_columns();
        format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {} l WHERE NOT EXISTS (SELECT FROM {table} t \
             WHERE {})",
            quote(load),
            self.same_key("l", "t")
        )
    }
}

/// Removes the relationships of a table that lack one of their ends.
pub(crate) fn delete_dangling(schema: &str, name: &str, from: &str, to: &str) -> String {
    let table = quote_table(schema, name);
    let is_gone = |end: &str, key: &str| {
        format!(
            "NOT EXISTS (SELECT FROM {} e WHERE e.\"_key\" = t.{})",
            quote_table(schema, end),
            quote(key)
        )
    };
    format!(
        "DELETE FROM {table} t WHERE {} OR {}",
        is_gone(from, "_fromEntityKey"),
        is_gone(to, "_toEntityKey")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: TableKind, names: &[&str]) -> TypeTable<'static> {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            sql_type: "text",
            nullable: !name.starts_with('_'),
        };
        let columns = names.iter().map(column).collect();
        TypeTable { schema: "graph", name: "device", kind, columns }
    }

    #[test]
    fn the_statements_of_an_entity() {
        let table = table(TableKind::Entity, &["_key", "osName", "a\"b"]);
        let statements = [
            table.create(),
            table.without_statistics(&["osName".to_owned()]).expect("it has the column"),
            table.create_keys(),
            table.create_load("load"),
            table.copy_into(&quote("load")),
            table.delete_missing("load"),
            table.update_changed("load").expect("it has contents"),
            table.insert_new("load"),
            table.count_missing("load"),
            table.drop_column("x\"; DROP TABLE y"),
        ];
        insta::assert_snapshot!(statements.join("\n"));
    }

    #[test]
    fn only_columns_that_the_program_made_are_removed_from_a_table() {
        let table = table(TableKind::Entity, &["_key", "osName"]);
        let there = ["_key", "osName", "osVersion", "theirs"];
        let there = there.map(|name| (name.to_owned(), "text".to_owned()));
        let made = ["_key", "osName", "osVersion", "gone"].map(str::to_owned);
        let surplus = table.surplus_columns(&there, &made).collect::<Vec<_>>();
        assert_eq!(surplus, ["osVersion"]);
    }

    #[test]
    fn the_statements_of_a_relationship() {
        let table = table(TableKind::Relationship, &["_fromEntityKey", "_toEntityKey"]);
        let statements = [
            table.create(),
            table.create_keys(),
            table.delete_missing("load"),
            table.insert_new("load"),
            delete_dangling("graph", "uses", "user", "device"),
        ];
        insta::assert_snapshot!(statements.join("\n"));
        assert_eq!(table.update_changed("load"), None);
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused() {
        assert!(check_name(&"a".repeat(63)).is_ok());
        let error = check_name(&"ä".repeat(32)).expect_err("it has 64 bytes");
        assert!(error.to_string().contains("63 bytes"), "{error}");
    }

    #[test]
    fn a_quoted_name_stays_one_name() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_table("s.t", "\";--"), "\"s.t\".\"\"\";--\"");
    }
}
