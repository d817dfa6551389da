//! Faults of the engine and of its parser, which answers must not have.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch};
use core_query::{QuerySession, QuerySettings};
use core_store::{TableDeclaration, TableKind};

use crate::support::{Checked, Place, entity, estate, rows, text};

/// A relationship type with an edge between the entities of each number.
fn edges(
    name: &str,
    from: char,
    to: char,
    entities: usize,
) -> (TableDeclaration, RecordBatch, bool) {
    let keys = |initial: char| -> ArrayRef {
        let keys: Vec<String> =
            (0..entities).map(|number| format!("{initial}{number:03}")).collect();
        Arc::new(keys.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
    };
    let columns = [("_fromEntityKey", keys(from)), ("_toEntityKey", keys(to))];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: name.to_owned(),
        class: vec!["HAS".to_owned()],
        ends: Some((from.to_string(), to.to_string())),
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch, false)
}

#[tokio::test]
async fn relationships_with_columns_of_equal_names_lose_no_row_in_a_join() -> Checked {
    let place = Place::new()?;
    // The keys of no two types have a value in common, so that a filter of one on the column of another leaves nothing.
    // The engine reads the smaller side of a join first, and filters the other.
    let generation = place.publish(vec![
        edges("first", 'z', 'm', 500),
        edges("second", 'm', 'b', 132),
        edges("third", 's', 'b', 24),
        edges("fourth", 's', 'f', 12),
    ])?;
    let session = QuerySession::open(&generation, QuerySettings::default()).await?;
    let three = "first join second on second._fromEntityKey = first._toEntityKey \
                 join third on third._toEntityKey = second._toEntityKey";
    let four = format!("{three} join fourth on fourth._fromEntityKey = third._fromEntityKey");
    for (from, expected) in [(three, 24), (&*four, 12)] {
        let sql = format!(
            "select first._toEntityKey, second._toEntityKey, third._fromEntityKey from {from}"
        );
        assert_eq!(rows(&session, &sql).await?.len(), expected, "{sql}");
        let sql = format!("select count(*), count(distinct third._fromEntityKey) from {from}");
        assert_eq!(rows(&session, &sql).await?, [format!("{expected},{expected}")], "{sql}");
    }
    Ok(())
}

/// Six alerts, of which some lack a value.
async fn alerts() -> Result<(Place, QuerySession), Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let open = [Some(true), Some(true), Some(false), Some(false), None, None];
    let severity = [Some(1), Some(2), Some(1), None, Some(1), Some(2)];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_key", text(&["a", "b", "c", "d", "e", "f"].map(Some))),
        ("open", Arc::new(BooleanArray::from(open.to_vec()))),
        ("status", text(&[Some("open"), Some("open"), Some("closed"), None, Some("closed"), None])),
        ("severity", Arc::new(Int64Array::from(severity.to_vec()))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let generation = place.publish(vec![entity("nexthink_alert", &["Alert"], batch)])?;
    let session = QuerySession::open(&generation, QuerySettings::default()).await?;
    Ok((place, session))
}

#[tokio::test]
async fn distinct_from_ends_before_and_and_or() -> Checked {
    let (_place, session) = alerts().await?;
    for (condition, expected) in [
        ("open is distinct from true and status = 'closed'", "2"),
        ("open is distinct from true or status = 'open'", "6"),
        ("status is not distinct from null and open or severity = 2", "2"),
    ] {
        let sql = format!("select count(*) from nexthink_alert where {condition}");
        assert_eq!(rows(&session, &sql).await?, [expected], "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn an_undefined_value_is_not_outside_of_a_list() -> Checked {
    let (_place, session) = alerts().await?;
    let count =
        |condition: &str| format!("select count(*) from nexthink_alert a where {condition}");
    let none = "(select 'x')";
    for condition in [
        format!("severity = 9 or status not in {none}"),
        format!("severity = 9 or not (status in {none})"),
        "open or _key not in (select status from nexthink_alert)".to_owned(),
        format!("(status in {none}) is null"),
    ] {
        let error = session.sql(&count(&condition)).err().ok_or("it is refused")?;
        assert!(error.to_string().contains("not exists (select 1"), "{condition}: {error}");
    }
    for (condition, expected) in [
        (format!("status not in {none}"), "4"),
        (format!("not (status in {none})"), "4"),
        ("severity = 9 or status in (select 'open')".to_owned(), "2"),
        (
            "severity = 9 or not exists (select 1 from nexthink_alert b where b.status = a.status)"
                .to_owned(),
            "2",
        ),
    ] {
        assert_eq!(rows(&session, &count(&condition)).await?, [expected], "{condition}");
    }
    let join = |condition: &str| {
        format!("select count(*) from nexthink_alert a join nexthink_alert b on {condition}")
    };
    let condition = format!("a._key = b._key and (a.severity = 9 or a.status not in {none})");
    let error = session.sql(&join(&condition)).err().ok_or("it is refused")?;
    assert!(error.to_string().contains("not exists (select 1"), "{error}");
    Ok(())
}

#[tokio::test]
async fn times_are_written_by_patterns_of_postgres_and_of_strftime() -> Checked {
    let (_place, session) = estate().await?;
    for pattern in ["YYYY-MM", "%Y-%m"] {
        let sql = format!(
            "select to_char(\"lastSeenOn\", '{pattern}') from nexthink_device where _key = 'd1'"
        );
        assert_eq!(rows(&session, &sql).await?, ["2026-01"], "{sql}");
    }
    let error = session.sql("select To_Char(now(), 'Q')").err().ok_or("it is refused")?;
    assert!(error.to_string().contains("cannot read the pattern 'Q'"), "{error}");
    let error = session.sql("select 2 ^ 3").err().ok_or("it is refused")?;
    assert!(error.to_string().contains("write power(2, 3)"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_regular_expression_is_no_damage_of_the_store() -> Checked {
    let (_place, session) = estate().await?;
    for sql in [
        "select name from nexthink_device where name ~ '('",
        "select regexp_replace(name, '(', 'b') from nexthink_device",
        "select regexp_like(name, '(') from nexthink_device",
        "select regexp_match(name, '(') from nexthink_device",
    ] {
        let words = match session.sql(sql) {
            Ok(result) => result.collect().await.err().ok_or(sql)?.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(words.contains("a regular expression in it cannot be read"), "{sql}: {words}");
    }
    Ok(())
}
