//! The history of a type over many generations.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use core_query::{ColumnView, Format, QuerySession, QuerySettings, Withholding};
use core_store::{Generation, TableDeclaration};

use crate::support::{Checked, Place, answer, entity, rows, text};

/// Some generations of one type, the newest first.
struct Kept {
    place: Place,
    generations: Vec<Generation>,
}

impl Kept {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { place: Place::new()?, generations: Vec::new() })
    }

    /// Publishes the next generation, a day after the one before.
    fn publish(&mut self, columns: Vec<(&str, ArrayRef)>, class: &[&str]) -> Checked {
        self.publish_table(entity("d", class, RecordBatch::try_from_iter(columns)?))
    }

    /// Publishes the next generation with a table of the type.
    fn publish_table(&mut self, table: (TableDeclaration, RecordBatch, bool)) -> Checked {
        let number = self.generations.len() + 1;
        let (id, day) = (id(number), format!("2026-03-{number:02}T08:00:00Z"));
        let generation = self.place.publish_as(&id, &day, vec![table])?;
        self.generations.insert(0, generation);
        Ok(())
    }

    async fn session(&self) -> Result<QuerySession, Box<dyn Error>> {
        self.session_with(QuerySession::empty(QuerySettings::default())?).await
    }

    async fn session_with(&self, session: QuerySession) -> Result<QuerySession, Box<dyn Error>> {
        let mut session = session;
        session.add_generation(&self.generations[0]).await?;
        assert!(session.add_history("d", &self.generations, false).await?);
        Ok(session)
    }
}

fn id(number: usize) -> String {
    format!("01JN7Z1M8000000000000000{number:02}")
}

fn systems(names: &[&str]) -> Vec<(&'static str, ArrayRef)> {
    let keys: Vec<_> = (0..names.len()).map(|number| format!("d:{number}")).collect();
    let keys: Vec<_> = keys.iter().map(|key| Some(key.as_str())).collect();
    let names: Vec<_> = names.iter().copied().map(Some).collect();
    vec![("_key", text(&keys)), ("osName", text(&names))]
}

/// The engine's plan for a query.
async fn explained(session: &QuerySession, sql: &str) -> Result<String, Box<dyn Error>> {
    answer(session, Format::Csv, &format!("explain {sql}")).await
}

#[tokio::test]
async fn many_generations_are_one_scan_and_a_filter_chooses_their_files() -> Checked {
    let mut kept = Kept::new()?;
    for number in 1..=12 {
        kept.publish(systems(&["10", if number < 7 { "10" } else { "11" }]), &["Device"])?;
    }
    let session = kept.session().await?;
    let all = "select \"osName\", count(*) from d_history group by 1 order by 1";
    assert_eq!(rows(&session, all).await?, ["10,18", "11,6"]);
    let plan = explained(&session, all).await?;
    assert_eq!(plan.matches("DataSourceExec").count(), 1, "{plan}");
    assert!(!plan.contains("UnionExec"), "{plan}");
    // What is read at once holds batches and groups of its own, so it must not grow with the generations.
    let at_once = plan.split("file_groups={").nth(1).and_then(|rest| rest.split(' ').next());
    let at_once: usize = at_once.ok_or("it reads files")?.parse()?;
    assert!(at_once <= std::thread::available_parallelism()?.get(), "{plan}");

    let third = id(3);
    for (filter, expected) in [
        (format!("_generation = '{third}'"), &["03"][..]),
        ("_createdAt < '2026-03-03'".to_owned(), &["02", "01"]),
        (format!("_generation in ('{third}', 'none')"), &["03"]),
        ("_createdAt > '2027-01-01'".to_owned(), &[]),
        ("_createdAt between '2026-03-11' and '2026-04-01'".to_owned(), &["12", "11"]),
    ] {
        let sql = format!("select distinct substr(_generation, 25) from d_history where {filter}");
        let found: BTreeSet<String> = rows(&session, &sql).await?.into_iter().collect();
        assert_eq!(found, expected.iter().map(|&number| number.to_owned()).collect(), "{filter}");
        let plan = explained(&session, &sql).await?;
        assert_eq!(plan.matches("entities/d").count(), expected.len(), "{filter}: {plan}");
    }
    Ok(())
}

#[tokio::test]
async fn a_filter_may_compare_the_generation_with_an_answer_or_with_a_column() -> Checked {
    let mut kept = Kept::new()?;
    for names in [["10", "10"], ["10", "11"], ["11", "12"]] {
        kept.publish(systems(&names), &["Device"])?;
    }
    let session = kept.session().await?;
    for (sql, expected) in [
        (
            "select _key from d_history where _createdAt = (select max(_createdAt) from d_history) \
             order by 1",
            &["d:0", "d:1"][..],
        ),
        (
            "select a._key from d_history a where a._createdAt = (select min(b._createdAt) \
             from d_history b where b._key = a._key and b.\"osName\" = '11') order by 1",
            &["d:0", "d:1"],
        ),
        (
            "select _key from d_history where _createdAt > '2026-03-03' or \"osName\" = '11' \
             order by 1",
            &["d:0", "d:1", "d:1"],
        ),
        (
            "select _key from d_history where substr(_generation, 26) || \"osName\" = '211'",
            &["d:1"],
        ),
        ("select count(*) from d_history where _generation is null", &["0"]),
    ] {
        assert_eq!(rows(&session, sql).await?, expected, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_history_is_partial_if_a_generation_that_is_read_of_it_is() -> Checked {
    let mut kept = Kept::new()?;
    for is_partial in [false, true, false] {
        let rows = RecordBatch::try_from_iter(systems(&["10"]))?;
        let (declaration, rows, _) = entity("d", &["Device"], rows);
        kept.publish_table((declaration, rows, is_partial))?;
    }
    let session = kept.session().await?;
    let second = id(2);
    for (sql, is_partial) in [
        ("select _key from d".to_owned(), false),
        ("select _key from d_history".to_owned(), true),
        (format!("select _key from d_history where _generation = '{second}'"), true),
        (format!("select _key from d_history where _generation <> '{second}'"), false),
        ("select _key from d_history where _createdAt >= '2026-03-03'".to_owned(), false),
        ("select _key from d_history where _createdAt >= '2026-03-02'".to_owned(), true),
        (
            "select _key from d where _key not in (select _key from d_history \
             where _createdAt < '2026-03-02')"
                .to_owned(),
            false,
        ),
        (
            "select _key from d_history where _createdAt = (select max(_createdAt) from d_history)"
                .to_owned(),
            true,
        ),
    ] {
        let expected: &[&str] = if is_partial { &["d_history"] } else { &[] };
        assert_eq!(session.sql(&sql)?.partial_tables(), expected, "{sql}");
    }
    let environment = core_query::Environment { now_ms: 0, parameters: &BTreeMap::new() };
    let query = "FIND d WITH _createdOn > date(2026-03-02) AS x RETURN x._key";
    let compiled = session.compile_j1ql(query, environment)?;
    assert_eq!(session.j1ql(&compiled)?.partial_tables(), ["d_history"]);
    Ok(())
}

#[tokio::test]
async fn a_history_that_lacks_generations_is_partial_whatever_is_read_of_it() -> Checked {
    let mut kept = Kept::new()?;
    kept.publish(systems(&["10"]), &["Device"])?;
    for (are_some_missing, expected) in [(false, &[][..]), (true, &["d_history"])] {
        let mut session = QuerySession::empty(QuerySettings::default())?;
        session.add_generation(&kept.generations[0]).await?;
        session.add_history("d", &kept.generations, are_some_missing).await?;
        let sql = "select _key from d_history where _createdAt > '2026-03-01'";
        assert_eq!(session.sql(sql)?.partial_tables(), expected);
        assert_eq!(session.sql("select _key from d")?.partial_tables(), [""; 0]);
    }
    Ok(())
}

#[tokio::test]
async fn generations_with_other_columns_are_read_with_the_columns_of_all() -> Checked {
    let mut kept = Kept::new()?;
    let memory = |size: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![size])) };
    kept.publish(vec![("_key", text(&[Some("d:0")]))], &["Device"])?;
    kept.publish(
        vec![("_key", text(&[Some("d:0")])), ("memory", text(&[Some("8")]))],
        &["Device"],
    )?;
    kept.publish(vec![("_key", text(&[Some("d:0")])), ("memory", memory(16))], &["Device"])?;
    kept.publish(vec![("_key", text(&[Some("d:0")])), ("memory", memory(32))], &["Host"])?;
    let session = kept.session().await?;
    let sql = "select * from d_history order by _createdAt";
    assert_eq!(
        rows(&session, sql).await?,
        [
            format!("{},2026-03-01T08:00:00Z,d:0,d,\"[\"\"Device\"\"]\",", id(1)),
            format!("{},2026-03-02T08:00:00Z,d:0,d,\"[\"\"Device\"\"]\",8", id(2)),
            format!("{},2026-03-03T08:00:00Z,d:0,d,\"[\"\"Device\"\"]\",16", id(3)),
            format!("{},2026-03-04T08:00:00Z,d:0,d,\"[\"\"Host\"\"]\",32", id(4)),
        ]
    );
    let old = "select sum(memory) from d_history where _createdAt < '2026-03-04'";
    assert_eq!(rows(&session, old).await?, ["24"]);
    Ok(())
}

#[tokio::test]
async fn files_of_the_same_size_and_time_are_told_apart() -> Checked {
    let mut kept = Kept::new()?;
    for name in ["10", "11", "12"] {
        kept.publish(systems(&[name, name]), &["Device"])?;
    }
    // As a copy leaves them that keeps no times.
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_001);
    let mut sizes = BTreeSet::new();
    for generation in &kept.generations {
        for file in generation.manifest().tables.iter().flat_map(|table| &table.files) {
            File::open(generation.folder().join(&file.file.path))?.set_modified(time)?;
            sizes.insert(file.file.bytes);
        }
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    let session = kept.session().await?;
    // Each file has the smallest and largest value of this column at its end.
    for name in ["10", "11", "12"] {
        let sql = format!("select count(*) from d_history where \"osName\" = '{name}'");
        assert_eq!(rows(&session, &sql).await?, ["2"], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn withheld_columns_are_in_no_history() -> Checked {
    let mut kept = Kept::new()?;
    for name in ["10", "11"] {
        kept.publish(systems(&[name]), &["Device"])?;
    }
    let withholding = Withholding::new(|_, _| ColumnView::Withheld, "ask for it");
    let session = QuerySession::empty(QuerySettings::default())?.withholding(withholding);
    let session = kept.session_with(session).await?;
    assert_eq!(
        rows(&session, "select * from d_history where _createdAt > '2026-03-02'").await?,
        [format!("{},2026-03-02T08:00:00Z,d:0,d,\"[\"\"Device\"\"]\"", id(2))]
    );
    let refused = session.sql("select \"osName\" from d_history").err().ok_or("it is withheld")?;
    assert!(refused.to_string().contains("osName"), "{refused}");
    Ok(())
}
