//! Arithmetic of whole numbers: exact, or an error.

use core_query::{QueryError, QuerySession};
use proptest::prelude::*;

use crate::support::{Checked, estate, rows};

/// Columns of whole numbers at the ends of their types, of no type that the engine could evaluate while it plans.
const ENDS: &str = "(select cast(9223372036854775807 - length(_key) + length(_key) as bigint) as most, \
                    cast(-9223372036854775807 - length(_key) + length(_key) - 1 as bigint) as least, \
                    cast(2147483647 - length(_key) + length(_key) as int) as most_of_32 \
                    from nexthink_device where _key = 'd1') as t";

async fn failure(session: &QuerySession, sql: &str) -> Result<String, Box<dyn std::error::Error>> {
    match session.sql(sql)?.collect().await {
        Err(QueryError::Execution { reason }) => Ok(reason.to_owned()),
        Err(other) => Err(format!("{sql}: {other}").into()),
        Ok(_) => Err(format!("not refused: {sql}").into()),
    }
}

#[tokio::test]
async fn a_result_that_exceeds_its_type_fails() -> Checked {
    let (_place, session) = estate().await?;
    let expressions = [
        "most + 1",
        "1 + most",
        "least - 1",
        "most - least",
        "most * 2",
        "least * -1",
        "-least",
        "most_of_32 + cast(1 as int)",
        "most_of_32 * cast(2 as int)",
        "abs(least)",
    ];
    for expression in expressions {
        let reason = failure(&session, &format!("select {expression} from {ENDS}")).await?;
        assert!(reason.contains("exceeds its type"), "{expression}: {reason}");
    }
    let places = [
        format!("select 1 from {ENDS} where most + 1 > 0"),
        format!("select max(most + 1) from {ENDS}"),
        format!("select count(*) from {ENDS} group by most + 1"),
        format!("select most from {ENDS} order by most * 2"),
        format!("select (select max(most * 2) from {ENDS})"),
        "select 9223372036854775807 + 1".to_owned(),
        "select -(-9223372036854775807 - 1)".to_owned(),
    ];
    for sql in places {
        let reason = failure(&session, &sql).await?;
        assert!(reason.contains("exceeds its type"), "{sql}: {reason}");
    }
    Ok(())
}

#[tokio::test]
async fn a_result_that_is_not_needed_does_not_fail() -> Checked {
    let (_place, session) = estate().await?;
    let sql = format!("select case when most < 0 then most + 1 else 0 end from {ENDS}");
    assert_eq!(rows(&session, &sql).await?, ["0"]);
    let sql = format!(
        "select cast(most as double) + 1 > 9e18, null + 1 is null, most + null is null from {ENDS}"
    );
    assert_eq!(rows(&session, &sql).await?, ["true,true,true"]);
    Ok(())
}

#[tokio::test]
async fn columns_groups_and_times_are_as_without_the_check() -> Checked {
    let (_place, session) = estate().await?;
    let batches =
        session.sql("select 1 + length(_key), -length(_key) from nexthink_device limit 1")?;
    let names: Vec<_> =
        batches.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names,
        ["Int64(1) + length(nexthink_device._key)", "(- length(nexthink_device._key))"]
    );
    let sql = "select length(_key) * 2 as n, count(*) from nexthink_device group by length(_key) * 2 \
               having length(_key) * 2 > 1 order by length(_key) * 2";
    assert_eq!(rows(&session, sql).await?, ["4,3"]);
    let sql =
        "select now() - interval '1 day' < now(), date '2026-03-02' - date '2026-03-01', 1.5 * 2";
    assert_eq!(rows(&session, sql).await?, ["true,1,3.0"]);
    let sql = "select d._key from nexthink_device d where 1 + 1 = (select count(*) * 1 from \
               nexthink_device_installed_package r where r._fromEntityKey = d._key)";
    assert_eq!(rows(&session, sql).await?, ["d1"]);
    Ok(())
}

/// A term of whole numbers, as SQL and as its value, if that fits at each of its operations.
fn term() -> impl Strategy<Value = (String, Option<i64>)> {
    let ends = prop_oneof![
        Just(i64::MAX),
        Just(i64::MIN + 1),
        Just(i64::from(i32::MAX)),
        -3..4_i64,
        any::<i64>().prop_filter("has no literal", |number| *number != i64::MIN),
    ];
    let leaf = ends.prop_map(|number| (format!("({number})"), Some(number)));
    leaf.prop_recursive(4, 16, 2, |inner| {
        let operation = prop_oneof![Just('+'), Just('-'), Just('*')];
        prop_oneof![
            (inner.clone(), operation, inner.clone()).prop_map(|(left, operator, right)| {
                let operands = left.1.zip(right.1);
                let value = operands.and_then(|(left, right)| match operator {
                    '+' => left.checked_add(right),
                    '-' => left.checked_sub(right),
                    _ => left.checked_mul(right),
                });
                (format!("({} {operator} {})", left.0, right.0), value)
            }),
            inner.prop_map(|(sql, value)| {
                (format!("(-{sql})"), value.and_then(i64::checked_neg))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn terms_have_their_value_or_fail((sql, expected) in term()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let answer = runtime.block_on(async {
            let (_place, session) = estate().await.ok()?;
            Some(rows(&session, &format!("select {sql}")).await.ok())
        });
        let expected = expected.map(|value| vec![value.to_string()]);
        prop_assert_eq!(answer, Some(expected));
    }
}
