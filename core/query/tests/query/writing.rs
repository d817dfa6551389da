//! The formats, on the same answer.

use std::error::Error;
use std::io::{self, Write};

use core_query::{Format, ParquetWriter, QueryError, QuerySession, ResultWriter};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{Checked, answer, estate};

const ALL: &str = "select _key, _class, name, lastSeenOn, memory, score, \"tag.AccountName\" tag \
                   from nexthink_device order by 1";

#[tokio::test]
async fn a_table_is_aligned_and_shows_what_would_steer_the_terminal() -> Checked {
    let (_place, session) = estate().await?;
    let expected = r#"
┌──────┬───────────────────┬───────────────┬──────────────────────────┬────────┬───────┬────────────┐
│ _key │ _class            │ name          │ lastSeenOn               │ memory │ score │ tag        │
├──────┼───────────────────┼───────────────┼──────────────────────────┼────────┼───────┼────────────┤
│ d1   │ ["Device","Host"] │ DEV-1         │ 2026-01-01T00:00:00Z     │     16 │   0.5 │ acme, "eu" │
│ d2   │ ["Device","Host"] │ =DEV\u{1b}[2J │                          │        │       │            │
│ d3   │ ["Device","Host"] │ 東京          │ 2026-01-01T00:00:00.123Z │     -8 │   2.0 │ x\ny       │
└──────┴───────────────────┴───────────────┴──────────────────────────┴────────┴───────┴────────────┘
"#;
    assert_eq!(answer(&session, Format::Table, ALL).await?, expected.trim_start());
    Ok(())
}

const OBJECTS: [&str; 3] = [
    r#"{"_key":"d1","_class":["Device","Host"],"name":"DEV-1","lastSeenOn":"2026-01-01T00:00:00Z","memory":16,"score":0.5,"tag":"acme, \"eu\""}"#,
    r#"{"_key":"d2","_class":["Device","Host"],"name":"=DEV\u001b[2J","lastSeenOn":null,"memory":null,"score":null,"tag":null}"#,
    r#"{"_key":"d3","_class":["Device","Host"],"name":"東京","lastSeenOn":"2026-01-01T00:00:00.123Z","memory":-8,"score":2.0,"tag":"x\ny"}"#,
];

/// Writes an answer as Parquet, and returns the rows of the file as lines of JSON.
async fn through_parquet(session: &QuerySession, sql: &str) -> Result<String, Box<dyn Error>> {
    let mut result = session.sql(sql)?;
    let mut writer = ParquetWriter::new(&result.schema(), tempfile::tempfile()?)?;
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(writer.finish()?)?;
    let mut lines = ResultWriter::new(Format::Ndjson, reader.schema(), Vec::new())?;
    for batch in reader.build()? {
        lines.write(&batch?)?;
    }
    Ok(String::from_utf8(lines.finish()?)?)
}

#[tokio::test]
async fn parquet_holds_the_same_rows_with_their_types() -> Checked {
    let (_place, session) = estate().await?;
    assert_eq!(through_parquet(&session, ALL).await?, OBJECTS.join("\n") + "\n");
    let twice = "select a.n, b.n from (select 1 n) a, (select 'x' n) b";
    assert_eq!(through_parquet(&session, twice).await?, "{\"n\":1,\"n_2\":\"x\"}\n");
    assert_eq!(through_parquet(&session, "select 1 a where false").await?, "");
    let error = through_parquet(&session, "select interval '1 day' a").await.err();
    let error = error.ok_or("Parquet has no such type")?.to_string();
    assert!(error.contains("cast it to text"), "{error}");
    Ok(())
}

#[tokio::test]
async fn json_is_one_array() -> Checked {
    let (_place, session) = estate().await?;
    let expected = format!("[\n{}\n]\n", OBJECTS.join(",\n"));
    assert_eq!(answer(&session, Format::Json, ALL).await?, expected);
    Ok(())
}

#[tokio::test]
async fn ndjson_is_an_object_a_line() -> Checked {
    let (_place, session) = estate().await?;
    let expected = format!("{}\n", OBJECTS.join("\n"));
    assert_eq!(answer(&session, Format::Ndjson, ALL).await?, expected);
    Ok(())
}

#[tokio::test]
async fn csv_is_quoted_and_runs_no_formula() -> Checked {
    let (_place, session) = estate().await?;
    let expected = [
        "_key,_class,name,lastSeenOn,memory,score,tag",
        r#"d1,"[""Device"",""Host""]",DEV-1,2026-01-01T00:00:00Z,16,0.5,"acme, ""eu""""#,
        "d2,\"[\"\"Device\"\",\"\"Host\"\"]\",'=DEV\u{1b}[2J,,,,",
        "d3,\"[\"\"Device\"\",\"\"Host\"\"]\",東京,2026-01-01T00:00:00.123Z,-8,2.0,\"x\ny\"",
        "",
    ];
    assert_eq!(answer(&session, Format::Csv, ALL).await?, expected.join("\r\n"));
    Ok(())
}

#[tokio::test]
async fn an_answer_without_rows_is_whole_in_every_format() -> Checked {
    let (_place, session) = estate().await?;
    let table =
        [(Format::Table, ""), (Format::Json, "[]\n"), (Format::Ndjson, ""), (Format::Csv, "n\r\n")];
    for (format, expected) in table {
        let text =
            answer(&session, format, "select name n from nexthink_device where false").await?;
        assert_eq!(text, expected, "{format:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_comes_twice_is_numbered_in_json() -> Checked {
    let (_place, session) = estate().await?;
    let sql =
        "select d._key, p._key from nexthink_device d, nexthink_package p order by 1, 2 limit 1";
    assert_eq!(
        answer(&session, Format::Ndjson, sql).await?,
        "{\"_key\":\"d1\",\"_key_2\":\"p1\"}\n"
    );
    Ok(())
}

#[test]
fn formats_are_known_by_their_names() {
    let known = ["table", "json", "ndjson", "csv"].map(str::parse);
    assert_eq!(known, [Ok(Format::Table), Ok(Format::Json), Ok(Format::Ndjson), Ok(Format::Csv)]);
    assert_eq!(
        "xml".parse::<Format>(),
        Err("\"xml\" is not a format: use table, json, ndjson or csv".to_owned())
    );
}

/// The answer as it is written for a terminal.
async fn on_terminal(
    session: &QuerySession,
    format: Format,
    columns: usize,
    sql: &str,
) -> Result<String, Box<dyn Error>> {
    let mut result = session.sql(sql)?;
    let writer = ResultWriter::new(format, &result.schema(), Vec::new())?;
    let mut writer = writer.for_terminal(columns);
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    Ok(String::from_utf8(writer.finish()?)?)
}

#[tokio::test]
async fn a_table_is_no_wider_than_the_terminal() -> Checked {
    let (_place, session) = estate().await?;
    let expected = r#"
┌──────┬───────────────────┬───────────────┬───────────────────────┬──────┐
│ _key │ _class            │ name          │ lastSeenOn            │ tag  │
├──────┼───────────────────┼───────────────┼───────────────────────┼──────┤
│ d2   │ ["Device","Host"] │ =DEV\u{1b}[2J │                       │      │
│ d3   │ ["Device","Host"] │ 東京          │ 2026-01-01T00:00:00.… │ x\ny │
└──────┴───────────────────┴───────────────┴───────────────────────┴──────┘
"#;
    let sql = "select _key, _class, name, lastSeenOn, \"tag.AccountName\" tag from nexthink_device \
               where _key > 'd1' order by 1";
    assert_eq!(on_terminal(&session, Format::Table, 75, sql).await?, expected.trim_start());
    Ok(())
}

#[tokio::test]
async fn records_are_below_each_other_where_columns_do_not_fit() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select _key, _type, _class, name, displayName, memory, score from nexthink_device \
               where _key = 'd2'";
    let expected = [
        "── row 1 ──",
        "_key         d2",
        "_type        nexthink_device",
        "_class       [\"Device\",\"Host\"]",
        "name         =DEV\\u{1b}[2J",
        "displayName  DEV-2",
        "memory",
        "score",
        "",
    ];
    assert_eq!(on_terminal(&session, Format::Table, 40, sql).await?, expected.join("\n"));
    let nothing = "select * from nexthink_device where false";
    assert_eq!(on_terminal(&session, Format::Table, 40, nothing).await?, "");
    Ok(())
}

#[tokio::test]
async fn q6_csv_on_a_terminal_does_not_steer_it() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select name from nexthink_device where _key = 'd2'";
    assert_eq!(on_terminal(&session, Format::Csv, 80, sql).await?, "name\r\n'=DEV\\u{1b}[2J\r\n");
    Ok(())
}

#[tokio::test]
async fn q1_a_table_shows_the_first_rows_and_says_how_many_more_there_are() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select value, repeat('x', 100) x from generate_series(1, 300000)";
    let table = answer(&session, Format::Table, sql).await?;
    let shown = table.lines().filter(|line| line.starts_with('│')).count() - 1;
    let last = table.lines().last().unwrap_or_default();
    let more = 300_000 - shown;
    assert!((30_000..300_000).contains(&shown), "{shown}");
    assert_eq!(last, format!("… and {more} more rows: --output csv, json or ndjson writes all"));
    let table = answer(&session, Format::Table, "select repeat('long ', 500) x").await?;
    assert!(table.contains("long …"), "{table}");
    assert!(table.len() < 20_000, "{table}");
    Ok(())
}

/// A pipe whose reader has gone.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_told_apart_in_every_format() -> Checked {
    let (_place, session) = estate().await?;
    for format in [Format::Table, Format::Json, Format::Ndjson, Format::Csv] {
        let result = session.sql(ALL)?;
        let schema = result.schema();
        let mut writer = ResultWriter::new(format, &schema, ClosedPipe)?;
        let mut outcome = Ok(());
        for batch in result.collect().await? {
            outcome = outcome.and_then(|()| writer.write(&batch));
        }
        match outcome.and_then(|()| writer.finish().map(|_| ())) {
            Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => return Err(format!("{format:?}: {other:?}").into()),
        }
    }
    Ok(())
}
