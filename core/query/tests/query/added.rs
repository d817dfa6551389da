//! Schemas and functions that a caller adds, and queries that are described before they are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use core_query::{AddedFunction, ParameterValue, QueryError};

use crate::support::{Checked, estate, rows};

fn named(names: &[&str]) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
    RecordBatch::try_from_iter([("name", names)]).expect("one column has one length")
}

#[tokio::test]
async fn tables_of_another_schema_are_asked_by_their_whole_names_beside_those_of_the_generation()
-> Checked {
    let (_place, session) = estate().await?;
    session.add_schema("pg_catalog", vec![("pg_class".to_owned(), named(&["a", "DEV-1"]))])?;
    let joined =
        "select c.name from pg_catalog.pg_class c join nexthink_device d on d.name = c.name";
    assert_eq!(rows(&session, joined).await?, ["DEV-1"]);
    let engines = "select count(*) > 0 from information_schema.tables";
    assert_eq!(rows(&session, engines).await?, ["true"]);
    session.add_schema("information_schema", vec![("tables".to_owned(), named(&["mine"]))])?;
    let own = "select name from information_schema.tables";
    assert_eq!(rows(&session, own).await?, ["mine"], "it takes the place of the engine's");
    Ok(())
}

#[tokio::test]
async fn an_added_function_gets_its_arguments_as_columns_and_replaces_one_of_its_name() -> Checked {
    let (_place, session) = estate().await?;
    let count = |columns: &[ArrayRef], rows: usize| {
        let count = i64::try_from(columns.len()).expect("there are few");
        Arc::new(Int64Array::from(vec![count; rows])) as ArrayRef
    };
    for name in ["arguments", "version"] {
        let evaluate = Arc::new(count);
        session.add_function(AddedFunction {
            name: name.to_owned(),
            returns: DataType::Int64,
            evaluate,
        });
    }
    let sql = "select arguments(), arguments(name, 1), version() from nexthink_device limit 1";
    assert_eq!(rows(&session, sql).await?, ["0,2,0"]);
    Ok(())
}

#[tokio::test]
async fn a_query_is_described_with_the_types_of_its_parameters_and_answered_with_nulls_and_lists()
-> Checked {
    let (_place, session) = estate().await?;
    let sql = "select $2 as n, name from nexthink_device where name = $1";
    let declared = BTreeMap::from([("2".to_owned(), DataType::Int64)]);
    let described = session.describe(sql, &declared)?;
    let types: Vec<_> = described.parameters.into_iter().collect();
    assert_eq!(types[1], ("2".to_owned(), Some(DataType::Int64)));
    assert!(types[0].1.as_ref().is_some_and(|known| known.to_string().contains("Utf8")));
    let columns = described.schema.fields().iter();
    let columns: Vec<_> = columns.map(|field| (field.name().as_str(), field.data_type())).collect();
    assert_eq!((columns[0], columns[1].0), (("n", &DataType::Int64), "name"));
    let refused = session.describe("delete from nexthink_device", &BTreeMap::new());
    assert!(matches!(refused, Err(QueryError::ReadOnly { .. })));

    let lists = "select count(*) from nexthink_device where array_has($1, name) or name = $2";
    let values = BTreeMap::from([
        ("1".to_owned(), ParameterValue::Texts(vec![Some("DEV-1".to_owned()), None])),
        ("2".to_owned(), ParameterValue::Null),
    ]);
    let batches = session.sql_with(lists, &values)?.collect().await?;
    let counted = batches[0].column(0).as_any().downcast_ref::<Int64Array>();
    assert_eq!(counted.map(|counts| counts.value(0)), Some(1));
    Ok(())
}
