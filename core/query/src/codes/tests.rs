//! The plans on codes answer as the engine's own do: over several partitions, dictionaries, and rows without a value.

use std::sync::Arc;

use datafusion::arrow::array::types::UInt32Type;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch, StringArray, StringViewArray,
    UInt32Array,
};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::add_rule;

type Checked = Result<(), Box<dyn std::error::Error>>;

/// A row: its text, a number and whether it is marked.
type Row = (Option<u8>, Option<i64>, Option<bool>);

/// Batches of a partition; those that share a dictionary follow each other.
type Partition = Vec<(bool, Vec<Row>)>;

/// The texts of a dictionary. The second one has another order, a text twice and one that is null.
fn dictionary(is_other: bool) -> ArrayRef {
    let texts: StringArray = if is_other {
        [Some("c"), Some("a"), None, Some("é"), Some("a"), Some("")].into_iter().collect()
    } else {
        [Some("a"), Some("b"), Some("c"), Some("d"), Some(""), Some("é")].into_iter().collect()
    };
    Arc::new(texts)
}

fn batches(partition: &Partition) -> Vec<RecordBatch> {
    let dictionaries = [dictionary(false), dictionary(true)];
    let batch = |(is_other, rows): &(bool, Vec<Row>)| {
        let codes: UInt32Array = rows.iter().map(|row| row.0.map(u32::from)).collect();
        let texts = Arc::clone(&dictionaries[usize::from(*is_other)]);
        let keys = DictionaryArray::<UInt32Type>::try_new(codes, texts).expect("codes of texts");
        let numbers: Int64Array = rows.iter().map(|row| row.1).collect();
        let marks: BooleanArray = rows.iter().map(|row| row.2).collect();
        let columns: [(&str, ArrayRef, bool); 3] = [
            ("k", Arc::new(keys), true),
            ("n", Arc::new(numbers), true),
            ("m", Arc::new(marks), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
    };
    partition.iter().map(batch).collect()
}

/// A context over a table, with or without our rule. Batches are small, so that an answer has several.
fn context(partitions: &[Partition], with_codes: bool) -> SessionContext {
    let mut rules = PhysicalOptimizer::new().rules;
    if with_codes {
        add_rule(&mut rules);
    }
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(3);
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    let state = state.with_physical_optimizer_rules(rules).build();
    let context = SessionContext::new_with_state(state);
    crate::sums::register(&context);
    let rows: Vec<Vec<RecordBatch>> = partitions.iter().map(batches).collect();
    let schema = batches(&vec![(false, Vec::new())])[0].schema();
    let table = MemTable::try_new(schema, rows).expect("batches of one schema");
    context.register_table("t", Arc::new(table)).expect("a name");
    let keys: StringViewArray =
        [Some("a"), None, Some("é"), Some("x"), Some("a")].into_iter().collect();
    let names: StringViewArray =
        [Some("1"), Some("1"), None, Some("2"), Some("2")].into_iter().collect();
    let keys: [(&str, ArrayRef); 2] = [("key", Arc::new(keys)), ("name", Arc::new(names))];
    let keys = RecordBatch::try_from_iter(keys).expect("columns of one length");
    context.register_batch("u", keys).expect("a name");
    context
}

const QUERIES: [&str; 24] = [
    "select upper(k), count(*), max(n) from t group by 1",
    "select name, count(*) from t join u on u.key = t.k group by name",
    "select name, key, count(1), count(*) from u join t on u.key = t.k group by key, name",
    "select name, count(*), sum(1), max(7) from t join u on u.key = t.k group by name having count(*) > 1",
    "select name, count(*), sum(n) from t join u on u.key = t.k group by name",
    "select k, n, m from t where exists (select 1 from u where u.key = t.k)",
    "select n from t where k in (select key from u where key > 'b')",
    "select n, k from t where not exists (select 1 from u where u.key = t.k)",
    "select n, k from t where k not in (select key from u where key is not null)",
    "select key, name from u where exists (select 1 from t where u.key = t.k)",
    "select name from u where not exists (select 1 from t where u.key = t.k and n > 0)",
    "select name from u where key in (select k from t where k in (select key from u where name = '2'))",
    "select count(*) from u where key not in (select k from t where k is not null)",
    "select count(distinct k), sum(n) from t where k in (select key from u) and n > 0",
    "select k, count(*) from t where k in (select key from u where key = 'none') group by k",
    "select k, count(*) from t group by k",
    "select k from t group by k",
    "select distinct k from t where n > 0",
    "select k, sum(n), min(n), max(n), count(n), avg(n) from t group by k",
    "select k, count(*) filter (where m), sum(n) filter (where not m) from t group by k",
    "select count(distinct k) from t",
    "select c, count(*) from (select k, count(*) c from t group by k) g group by c",
    "select k, max(m), bool_or(m) from t group by k having count(*) > 1",
    "select upper(k) u, count(distinct n) from t group by k, u",
];

/// The rows of an answer in the order of their texts.
async fn answer(context: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let answer = async { context.sql(sql).await?.collect().await }.await;
    let answer = answer.map_err(|error| error.to_string())?;
    let table = pretty_format_batches(&answer).map_err(|error| error.to_string())?;
    let mut rows: Vec<String> = table.to_string().lines().skip(3).map(str::to_owned).collect();
    rows.sort();
    Ok(rows)
}

fn rows() -> impl Strategy<Value = Vec<Partition>> {
    let row = (
        prop::option::weighted(0.9, 0_u8..6),
        prop::option::weighted(0.8, -2_i64..9),
        prop::option::of(any::<bool>()),
    );
    let batch = (any::<bool>(), prop::collection::vec(row, 0..9));
    prop::collection::vec(prop::collection::vec(batch, 0..5), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn the_answers_are_those_of_the_engine(partitions in rows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let (ours, plain) = (context(&partitions, true), context(&partitions, false));
        for sql in QUERIES {
            let answers = runtime.block_on(async {
                (answer(&ours, sql).await, answer(&plain, sql).await)
            });
            prop_assert_eq!(answers.0, answers.1, "{}", sql);
        }
    }
}

/// Returns the plan of a query as text.
async fn plan(context: &SessionContext, sql: &str) -> Result<String, Box<dyn std::error::Error>> {
    let plan = context.sql(sql).await?.create_physical_plan().await?;
    Ok(displayable(&*plan).indent(false).to_string())
}

#[tokio::test]
async fn what_groups_by_one_coded_column_groups_by_codes_and_nothing_else_does() -> Checked {
    let context = context(&[vec![(false, Vec::new())], Vec::new()], true);
    for (sql, is_ours) in [
        ("select k, count(*) from t group by k", true),
        ("select count(distinct k) from t", true),
        ("select n, count(*) from t group by n", false),
        ("select k, m, count(*) from t group by k, m", false),
        // The text in upper case has codes too.
        ("select upper(k), count(*) from t group by 1", true),
        ("select k, count(distinct n), count(distinct m) from t group by k", false),
    ] {
        let plan = plan(&context, sql).await?;
        assert_eq!(plan.contains("by codes"), is_ours, "{sql}\n{plan}");
    }
    Ok(())
}

#[tokio::test]
async fn a_semi_join_of_a_coded_column_is_one_of_codes() -> Checked {
    let rows = (0..40).map(|n| (Some(n % 6), Some(1), None)).collect();
    let context = context(&[vec![(false, rows)], Vec::new()], true);
    for (sql, is_ours) in [
        ("select n from t where exists (select 1 from u where u.key = t.k)", true),
        ("select n from t where not exists (select 1 from u where u.key = t.k)", true),
        ("select n from t where exists (select 1 from u where u.key = t.k and t.n > 3)", true),
        (
            "select n from t where exists (select 1 from u where u.key = t.k and length(key) > t.n)",
            false,
        ),
        ("select n from t where exists (select 1 from u where u.key = upper(t.k))", false),
        ("select key from u where exists (select 1 from t where u.key = t.k)", false),
    ] {
        let plan = plan(&context, sql).await?;
        assert_eq!(plan.contains("CodeSemiJoinExec"), is_ours, "{sql}\n{plan}");
    }
    Ok(())
}

#[tokio::test]
async fn each_key_is_once_in_a_join_that_only_asks_for_it() -> Checked {
    let rows = vec![(Some(1), Some(1), None), (Some(1), None, None)];
    let context = context(&[vec![(false, rows)], Vec::new()], true);
    // The engine makes its table of the side that it takes for the smaller one.
    let many = "select name from (select u.key, u.name from u, u v, u w, u x) d where";
    for (condition, is_ours) in [
        ("exists (select 1 from t where d.key = t.k)", true),
        ("not exists (select 1 from t where d.key = t.k)", true),
        ("exists (select 1 from t where d.key = t.k and n > 0)", true),
        ("exists (select 1 from t where d.key = t.k and n > length(name))", false),
        ("d.key = (select max(k) from t)", false),
    ] {
        let plan = plan(&context, &format!("{many} {condition}")).await?;
        assert_eq!(plan.contains("by codes"), is_ours, "{condition}\n{plan}");
    }
    Ok(())
}

#[tokio::test]
async fn rows_are_counted_before_a_join_with_all_of_a_table() -> Checked {
    let rows = (0..40).map(|n| (Some(n % 6), Some(1), None)).collect();
    let context = context(&[vec![(false, rows)], Vec::new()], true);
    for (sql, is_ours) in [
        ("select name, count(*) from t join u on u.key = t.k group by name", true),
        ("select name, sum(n) from t join u on u.key = t.k group by name", false),
        ("select name, m, count(*) from t join u on u.key = t.k group by name, m", false),
        (
            "select name, count(*) from t join u on u.key = t.k where name > '1' group by name",
            false,
        ),
        (
            "select name, count(*) from t join u on u.key = t.k and t.n > length(name) group by name",
            false,
        ),
        ("select name, count(*) from t left join u on u.key = t.k group by name", false),
    ] {
        let plan = plan(&context, sql).await?;
        assert_eq!(plan.contains("PartialReduce"), is_ours, "{sql}\n{plan}");
    }
    Ok(())
}

#[tokio::test]
async fn groups_that_need_too_much_memory_fail() -> Checked {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    let texts: ArrayRef =
        Arc::new((0..50_000).map(|n| Some(format!("{n:0>40}"))).collect::<StringArray>());
    let keys = DictionaryArray::<UInt32Type>::try_new((0..50_000).collect(), texts)?;
    let rows = RecordBatch::try_from_iter([("k", Arc::new(keys) as ArrayRef)])?;
    let mut rules = PhysicalOptimizer::new().rules;
    add_rule(&mut rules);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(1 << 20, 1.0).build_arc()?;
    let state = SessionStateBuilder::new().with_default_features().with_runtime_env(runtime);
    let context =
        SessionContext::new_with_state(state.with_physical_optimizer_rules(rules).build());
    context.register_batch("t", rows)?;
    let failed = answer(&context, "select k, count(*) from t group by k").await;
    assert!(failed.as_ref().is_err_and(|error| error.contains("CodeAggregateExec")), "{failed:?}");
    Ok(())
}
