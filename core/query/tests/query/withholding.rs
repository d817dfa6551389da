//! Columns that are withheld are nowhere.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use core_query::{
    ColumnView, Environment, QueryError, QuerySession, QuerySettings, TableInfo, Withholding,
};

use crate::support::{Checked, Place, entity, rows, text};

const REMEDY: &str = "set mcp.personal = true";

/// Users whose names are withheld and whose times are cut to the day, beside packages that are shown.
async fn estate() -> Result<(Place, QuerySession), Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let seen = arrow::array::TimestampMillisecondArray::from(vec![1_767_225_600_123]);
    let users = RecordBatch::try_from_iter([
        ("_key", text(&[Some("nexthink_user:1")])),
        ("name", text(&[Some("Jane Doe")])),
        ("displayName", text(&[Some("Jane Doe")])),
        ("department", text(&[Some("Sales")])),
        ("lastSeenOn", std::sync::Arc::new(seen.with_timezone("UTC")) as _),
        ("userType", text(&[Some("local")])),
    ])?;
    let packages = RecordBatch::try_from_iter([
        ("_key", text(&[Some("nexthink_package:1")])),
        ("name", text(&[Some("Editor")])),
        ("displayName", text(&[Some("Editor 1")])),
    ])?;
    let generation = place.publish(vec![
        entity("nexthink_package", &["Application"], packages),
        entity("nexthink_user", &["User"], users),
    ])?;
    let rule = |type_name: &str, column: &str| match (type_name, column) {
        ("nexthink_user", "lastSeenOn") => ColumnView::Day,
        ("nexthink_user", "userType") | ("nexthink_package", _) => ColumnView::Stored,
        _ => ColumnView::Withheld,
    };
    let withholding = Withholding::new(rule, REMEDY);
    let mut session = QuerySession::empty(QuerySettings::default())?.withholding(withholding);
    session.add_generation(&generation).await?;
    Ok((place, session))
}

#[tokio::test]
async fn what_is_withheld_is_in_no_table_and_no_union() -> Checked {
    let (_place, session) = estate().await?;
    assert_eq!(
        rows(&session, "select * from nexthink_user").await?,
        ["nexthink_user:1,nexthink_user,\"[\"\"User\"\"]\",2026-01-01T00:00:00Z,local"]
    );
    assert_eq!(
        rows(&session, "select _key, name, displayName from entities order by 1").await?,
        ["nexthink_package:1,Editor,Editor 1", "nexthink_user:1,,"]
    );
    let names = |table: &TableInfo| -> Vec<String> {
        table.columns.iter().map(|column| column.name.clone()).collect()
    };
    let users = session.tables().iter().find(|table| table.name == "nexthink_user");
    let columns = users.map(names).ok_or("users are a table")?;
    assert_eq!(columns, ["_key", "_type", "_class", "lastSeenOn", "userType"]);
    let sql =
        "select column_name from information_schema.columns where table_name = 'nexthink_user'";
    assert!(!rows(&session, sql).await?.iter().any(|column| column == "department"));
    Ok(())
}

#[tokio::test]
async fn nothing_can_be_inferred_and_the_error_says_what_to_set() -> Checked {
    let (_place, session) = estate().await?;
    for sql in [
        "select name from nexthink_user",
        "select count(*) from nexthink_user where name like 'Jane%'",
        "select count(*) from nexthink_user u where u.department = 'Sales'",
        "select 1 from nexthink_package p where exists (select 1 from nexthink_user u where u.name = p.name)",
        "select _key from nexthink_user order by department",
        "select max(department) from nexthink_user",
    ] {
        match session.sql(sql) {
            Err(error @ QueryError::Withheld { .. }) => {
                assert!(error.to_string().ends_with(REMEDY), "{error}");
            }
            other => return Err(format!("{sql}: {:?}", other.err()).into()),
        }
    }
    // The day is all that there is of a time.
    let sql = "select count(*) from nexthink_user where lastSeenOn > '2026-01-01T00:00:00Z'";
    assert_eq!(rows(&session, sql).await?, ["0"]);
    // A column that no table has is no secret.
    assert!(matches!(
        session.sql("select shoeSize from nexthink_user"),
        Err(QueryError::UnknownColumn { .. })
    ));
    Ok(())
}

#[tokio::test]
async fn j1ql_says_that_a_property_is_withheld() -> Checked {
    let (_place, session) = estate().await?;
    let parameters = BTreeMap::new();
    let environment = Environment { now_ms: 0, parameters: &parameters };
    for query in [
        "FIND User WITH department = 'Sales'",
        "FIND User AS u RETURN u.department",
        "FIND User AS u WHERE u.name ~= 'Jane' RETURN u._key",
        "FIND User ORDER BY department",
    ] {
        let error = session.compile_j1ql(query, environment).expect_err(query);
        assert!(error.message.ends_with("is withheld here"), "{query}: {error}");
        assert_eq!(error.help.as_deref(), Some(REMEDY), "{query}");
    }
    // The names of packages are shown, and those of users must not look undefined.
    for query in ["FIND (Application|User) AS x RETURN x.name", "FIND * WITH name = 'Jane Doe'"] {
        let warnings = session.compile_j1ql(query, environment)?.warnings;
        assert_eq!(warnings.len(), 1, "{query}: {warnings:?}");
        let expected =
            "name of nexthink_user is withheld and counts as undefined: set mcp.personal";
        assert!(warnings[0].message.starts_with(expected), "{query}: {warnings:?}");
    }
    let compiled = session.compile_j1ql("FIND 'jane'", environment)?;
    let found: usize =
        session.j1ql(&compiled)?.collect().await?.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(found, 0, "a search for a text does not look into what is withheld");
    Ok(())
}
