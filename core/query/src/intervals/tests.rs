//! Intervals are compared by their lengths, in whatever form they are written, and wherever a query compares.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use super::IntervalLengths;

type Checked = Result<(), Box<dyn std::error::Error>>;

/// A context over three ages of 6 hours, 10 and 40 days, with and without a name.
async fn context() -> Result<SessionContext, Box<dyn std::error::Error>> {
    let state = SessionStateBuilder::new().with_default_features();
    let state = state.with_analyzer_rule(Arc::new(IntervalLengths)).build();
    let context = SessionContext::new_with_state(state);
    let rows = "create view t as select name, timestamp '2026-03-31 00:00:00' as now, seen from (values \
                ('hours', timestamp '2026-03-30 18:00:00'), ('days', timestamp '2026-03-21 00:00:00'), \
                ('month', timestamp '2026-02-19 00:00:00'), ('never', null)) as v(name, seen)";
    context.sql(rows).await?.collect().await?;
    Ok(context)
}

async fn cells(context: &SessionContext, sql: &str) -> Result<String, String> {
    let answer = async { context.sql(sql).await?.collect().await }.await;
    let answer = answer.map_err(|error| format!("{sql}: {error}"))?;
    let table = pretty_format_batches(&answer).map_err(|error| error.to_string())?.to_string();
    let rows = table.lines().skip(3).filter(|line| line.starts_with('|'));
    let rows = rows.map(|row| row.trim_matches(['|', ' ']).replace(' ', ""));
    Ok(rows.collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn intervals_are_compared_by_their_lengths() -> Checked {
    let context = context().await?;
    for (condition, expected) in [
        ("now - seen > interval '30 days'", "month"),
        ("interval '1 month' < now - seen", "month"),
        ("now - seen < interval '7 days'", "hours"),
        ("now - seen <= interval '240 hours'", "days hours"),
        ("now - seen = interval '10 days'", "days"),
        ("now - seen <> interval '10 days'", "hours month"),
        ("now - seen is distinct from interval '10 days'", "hours month never"),
        ("now - seen between interval '1 day' and interval '90 days'", "days month"),
        ("now - seen not between interval '1 day' and interval '20 days'", "hours month"),
        ("now - seen in (interval '10 days', interval '960 hours')", "days month"),
        ("interval '36 hours' > interval '1 day' and name = 'days'", "days"),
        ("case when now - seen > interval '30 days' then true else false end", "month"),
        ("exists (select 1 from t u where u.now - t.seen > interval '30 days')", "month"),
        ("now - seen > interval '100000 years'", ""),
        ("seen < now - interval '30 days'", "month"),
    ] {
        let sql = format!("select name from t where {condition} order by name");
        assert_eq!(cells(&context, &sql).await?, expected, "{condition}");
    }
    Ok(())
}

#[tokio::test]
async fn joins_columns_groups_and_orders_go_by_lengths_too() -> Checked {
    let context = context().await?;
    for (sql, expected) in [
        (
            "select name, now - seen > interval '30 days' as old from t order by name",
            "days|false hours|false month|true never",
        ),
        ("select count(*) filter (where now - seen > interval '7 days') from t", "2"),
        (
            "select now - seen > interval '7 days', count(*) from t group by 1 order by 2, 1",
            "false|1 1 true|2",
        ),
        (
            "select name from t group by name, now, seen having max(now - seen) > interval '30 days'",
            "month",
        ),
        (
            "select t.name from t join t u on t.now - u.seen > interval '30 days' order by 1",
            "days hours month never",
        ),
        (
            "select v from (values ('a', interval '40 days'), ('b', interval '1 month'), ('c', interval '900 hours')) \
          as v(v, i) order by i",
            "b c a",
        ),
    ] {
        assert_eq!(cells(&context, sql).await?, expected, "{sql}");
    }
    Ok(())
}
