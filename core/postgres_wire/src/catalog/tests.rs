//! The catalog of two tables, and its functions.

use arrow_array::Array as _;
use core_query::ColumnInfo;

use super::*;

fn catalog() -> Catalog {
    let column = |name: &str, data_type: &str| ColumnInfo {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
    };
    let table = |name: &str, content, partial, columns| TableInfo {
        name: name.to_owned(),
        content,
        rows: 3,
        partial,
        columns,
    };
    Catalog::new(Facts {
        database: "acme".to_owned(),
        databases: vec!["acme".to_owned(), "zeta".to_owned()],
        user: "desk".to_owned(),
        tables: vec![
            table(
                "nexthink_device",
                ContentKind::Entity,
                true,
                vec![
                    column("_key", "text"),
                    column("lastSeenOn", "timestamp"),
                    column("_class", "list of text"),
                ],
            ),
            table("entities", ContentKind::AllEntities, false, vec![column("_key", "text")]),
        ],
        settings: BTreeMap::from([("TimeZone".to_owned(), "UTC".to_owned())]),
    })
}

fn rows(catalog: &Catalog, schema: &str, name: &str) -> usize {
    let tables = catalog.tables(schema, &BTreeSet::from([name.to_owned()]));
    tables[0].1.num_rows()
}

#[test]
fn every_declared_table_can_be_made_and_those_that_are_told_to_be_empty_are() {
    let catalog = catalog();
    for (schema, text) in
        [(PG_CATALOG, tables::PG_CATALOG), (INFORMATION_SCHEMA, tables::INFORMATION_SCHEMA)]
    {
        for (name, columns) in tables::declared(text) {
            let (known, is_empty) = find(Some(schema), name).expect("it is declared");
            assert_eq!(known, schema);
            let made = catalog.tables(schema, &BTreeSet::from([name.to_owned()]));
            let (_, batch) = &made[0];
            assert_eq!(batch.num_columns(), columns.len(), "{name}");
            assert_eq!(batch.num_rows() == 0, is_empty, "{name}");
            // A value under a name that is not declared would be lost.
            for row in catalog.rows(schema, name) {
                let is_declared =
                    |column: &str| columns.iter().any(|(declared, _)| *declared == column);
                let lost = row.iter().find(|(column, _)| !is_declared(column));
                assert!(lost.is_none(), "{name}: {lost:?}");
            }
        }
    }
}

#[test]
fn a_table_has_the_same_number_whatever_else_there_is() {
    let mut taken = BTreeSet::new();
    let first = oid("nexthink_device", &TABLE_OIDS, &mut taken);
    let again = oid("nexthink_device", &TABLE_OIDS, &mut taken);
    assert_eq!(again, first + 1, "and no two have the same");
    assert_eq!(catalog().relation_named("nexthink_device").map(|found| found.oid), Some(first));
    assert!(TABLE_OIDS.contains(&first) && first < 1 << 31);
}

#[test]
fn names_are_found_with_and_without_a_schema_and_quotes() {
    let catalog = catalog();
    for (name, is_there) in [
        ("nexthink_device", true),
        ("public.nexthink_device", true),
        ("public.\"nexthink_device\"", true),
        ("pg_catalog.nexthink_device", false),
        ("pg_class", true),
        ("nothing", false),
    ] {
        assert_eq!(catalog.relation_named(name).is_some(), is_there, "{name}");
    }
}

#[test]
fn tables_have_the_columns_that_the_session_shows_and_a_remark_where_rows_may_be_missing() {
    let catalog = catalog();
    assert_eq!(rows(&catalog, PG_CATALOG, "pg_database"), 2);
    assert_eq!(rows(&catalog, PG_CATALOG, "pg_description"), 1);
    let attributes = catalog.rows(PG_CATALOG, "pg_attribute");
    let device = catalog.relation_named("nexthink_device").expect("it is there").oid;
    let of_device = attributes.iter().filter(|row| row.contains(&("attrelid", device.into())));
    let types: Vec<_> = of_device
        .filter_map(|row| {
            row.iter().find(|(name, _)| *name == "atttypid").map(|(_, oid)| oid.clone())
        })
        .collect();
    assert_eq!(types, [25_u32, 1184, 1009].map(batch::Value::from));
    let columns = catalog.rows(INFORMATION_SCHEMA, "columns");
    let of_device = |row: &&batch::Row| row.contains(&("table_name", "nexthink_device".into()));
    assert_eq!(columns.iter().filter(of_device).count(), 3);
}

#[test]
fn functions_answer_about_tables_types_and_rights() {
    let functions = functions(&catalog(), "0.1.0");
    let device = catalog().relation_named("nexthink_device").expect("it is there").oid.to_string();
    let answer = |name: &str, arguments: &[&str]| {
        let function = functions.iter().find(|function| function.name == name).expect(name);
        let columns: Vec<arrow_array::ArrayRef> = arguments
            .iter()
            .map(|text| std::sync::Arc::new(arrow_array::StringArray::from(vec![*text])) as _)
            .collect();
        let answer = (function.evaluate)(&columns, 1);
        assert_eq!((answer.len(), answer.data_type()), (1, &function.returns), "{name}");
        let batch =
            arrow_array::RecordBatch::try_from_iter([("value", answer)]).expect("one column");
        crate::encode::Rows::new(&batch).expect("it is in range").text(0, 0)
    };
    for (name, arguments, expected) in [
        ("version", &[][..], Some("PostgreSQL 15.0 (Nexthink Graph 0.1.0)")),
        ("pg_current_database", &[], Some("acme")),
        ("pg_current_user", &[], Some("desk")),
        ("current_schemas", &["true"], Some("{pg_catalog,public}")),
        ("format_type", &["1184", ""], Some("timestamp with time zone")),
        ("format_type", &["1009", ""], Some("text[]")),
        ("to_regtype", &["bigint"], Some("20")),
        ("to_regtype", &["_int8"], Some("1016")),
        ("to_regtype", &["hstore"], None),
        ("to_regclass", &["nexthink_device"], Some(device.as_str())),
        ("pg_class_name", &[&device], Some("nexthink_device")),
        ("pg_class_name", &["0"], Some("0")),
        ("pg_table_is_visible", &[&device], Some("t")),
        ("has_table_privilege", &["nexthink_device", "SELECT"], Some("t")),
        ("has_table_privilege", &["nexthink_device", "SELECT, UPDATE"], Some("f")),
        ("has_schema_privilege", &["public", "CREATE"], Some("f")),
        ("quote_ident", &["displayName"], Some("\"displayName\"")),
        ("obj_description", &[&device, "pg_class"], Some(PARTIAL)),
        ("pg_get_expr", &["", "0"], None),
    ] {
        assert_eq!(answer(name, arguments).as_deref(), expected, "{name}{arguments:?}");
    }
}
