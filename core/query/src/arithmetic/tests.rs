//! Queries of every shape have the columns and rows that they have without the check, as long as nothing overflows.

use std::sync::Arc;

use datafusion::arrow::array::{Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use super::CheckedArithmetic;

type Checked = Result<(), Box<dyn std::error::Error>>;

/// A context over two tables, with or without the check.
fn context(is_checked: bool) -> Result<SessionContext, Box<dyn std::error::Error>> {
    let state = SessionStateBuilder::new().with_default_features();
    let state =
        if is_checked { state.with_analyzer_rule(Arc::new(CheckedArithmetic)) } else { state };
    let context = SessionContext::new_with_state(state.build());
    for (table, numbers) in [("t", [Some(3), None, Some(-7), Some(3)]), ("u", [Some(4); 4])] {
        let small = numbers.map(|number| number.and_then(|number| i32::try_from(number).ok()));
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("n", Arc::new(Int64Array::from(numbers.to_vec())) as _, true),
            ("s", Arc::new(Int32Array::from(small.to_vec())) as _, true),
            ("name", Arc::new(StringArray::from(vec!["a", "bb", "bb", ""])) as _, false),
        ])?;
        context.register_batch(table, rows)?;
    }
    Ok(context)
}

const QUERIES: [&str; 25] = [
    "select n + 1, n - s, s * s, -n, - -n, n + n * n - -n from t",
    "select n + 1 as m, n from t where n * 2 > s + 1 or n is null",
    "select n + 1, count(*) from t group by n + 1 having count(*) + 1 > 1",
    "select n + 1, count(*) from t group by rollup(n + 1)",
    "select n + 1, name, sum(s * 2), grouping(n + 1) from t group by cube(n + 1, name)",
    "select n * 2, s - 1, max(n + s) from t group by grouping sets ((n * 2, s - 1), (s - 1), ())",
    "select sum(n * 2), sum(n - 2), sum(n + 2), count(distinct n + s) from t",
    "select count(*) filter (where n + 1 > 3), sum(n + 1) filter (where s * 2 < 0) from t",
    "select distinct n + 1 from t",
    "select distinct on (n + 1) n + 1, name from t order by n + 1, name",
    "select sum(n) over (partition by name order by n - 1, s * 2) + 1 from t",
    "select n from t order by n * -1 nulls last, name limit 1 + 1",
    "select t.n + u.n from t join u on t.n + 1 = u.n * 1 and t.s + u.s > 0",
    "select t.n from t left join u on t.n + 1 = u.n",
    "select n + 1 from t where exists (select 1 from u where u.n - 1 = t.n + 0)",
    "select n from t where n + 1 in (select n * 1 from u) or n + 1 in (4, 5 + 1)",
    "select (select max(n) + 1 from u) + n from t",
    "select n + 1 from t union select n * 2 from u",
    "select x.a + 1 from (select n + 1 as a from t) x where x.a + 1 > 2",
    "with x as (select n * 2 as a from t) select x.a + y.a from x join x y on x.a = y.a",
    "with recursive r as (select 1 as n union all select n * 2 from r where n < 100) select n + 1 from r",
    "select array_agg(n + 1 order by n * 2)[1 + 1], [count(*) + 1, max(n) * 2] from t group by name",
    "select case when n > 0 then n + 1 else n * 2 end, coalesce(n + 1, 2 * 3) from t",
    "select n + 1.5, cast(n as double) * 2, date '2026-03-01' - date '2026-02-01' from t",
    "select * from (values (1 + 1, 2 * 3), (4 - 5, -(6))) as v(a, b)",
];

async fn answer(context: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let answer = async { context.sql(sql).await?.collect().await }.await;
    let answer = answer.map_err(|error| error.to_string())?;
    let table = pretty_format_batches(&answer).map_err(|error| error.to_string())?.to_string();
    let mut rows: Vec<String> = table.lines().map(str::to_owned).collect();
    rows[1..].sort();
    Ok(rows)
}

#[tokio::test]
async fn queries_of_every_shape_answer_as_without_the_check() -> Checked {
    let (checked, plain) = (context(true)?, context(false)?);
    for sql in QUERIES {
        let expected = answer(&plain, sql).await.map_err(|error| format!("{sql}: {error}"))?;
        assert_eq!(answer(&checked, sql).await, Ok(expected), "{sql}");
    }
    Ok(())
}
