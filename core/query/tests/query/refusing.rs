//! The queries that cannot be asked, and the messages about them.

use std::fs;

use arrow::array::RecordBatch;
use core_query::{QueryError, QuerySession, QuerySettings};
use core_store::StoreError;

use crate::support::{Checked, Place, entity, estate, rows, text};

/// Returns the reason why a query gets no answer, whether it is refused before it runs or fails while it runs.
async fn refusal(
    session: &QuerySession,
    sql: &str,
) -> Result<QueryError, Box<dyn std::error::Error>> {
    let outcome = match session.sql(sql) {
        Ok(result) => result.collect().await.map(|_| ()),
        Err(error) => Err(error),
    };
    outcome.err().ok_or_else(|| format!("not refused: {sql}").into())
}

#[tokio::test]
async fn statements_that_change_something_are_refused() -> Checked {
    let (place, session) = estate().await?;
    let table = [
        ("create table t as select 1", "CREATE"),
        ("create view v as select 1", "CREATE"),
        ("create external table t stored as csv location '/etc/passwd'", "CREATE"),
        ("create database d", "CREATE"),
        ("drop table nexthink_device", "DROP"),
        ("insert into nexthink_device (_key) values ('d9')", "INSERT"),
        ("update nexthink_device set name = 'x'", "UPDATE"),
        ("delete from nexthink_device", "DELETE"),
        ("truncate table nexthink_device", "TRUNCATE"),
        ("alter table nexthink_device add column x int", "ALTER"),
        ("copy nexthink_device to '/tmp/out.csv'", "COPY"),
        ("copy (select 1) to '/tmp/out.csv'", "COPY"),
        ("set datafusion.execution.batch_size = 1", "SET"),
        ("reset datafusion.execution.batch_size", "RESET"),
        ("prepare p as select 1", "PREPARE"),
        ("begin", "BEGIN"),
        ("explain copy nexthink_device to '/tmp/out.csv'", "COPY"),
        ("explain analyze insert into nexthink_device (_key) values ('d9')", "INSERT"),
        ("select * into t from nexthink_device", "a query that writes"),
    ];
    for (sql, expected) in table {
        match refusal(&session, sql).await? {
            QueryError::ReadOnly { statement } => {
                assert!(statement.starts_with(expected), "{sql}: {statement}");
            }
            other => return Err(format!("{sql}: {other}").into()),
        }
    }
    assert_eq!(
        refusal(&session, "drop table nexthink_device").await?.to_string(),
        "DROP is refused, a generation is read-only: \
         use SELECT, EXPLAIN, DESCRIBE or SHOW TABLES"
    );
    drop(place);
    Ok(())
}

#[tokio::test]
async fn files_outside_the_generation_cannot_be_named() -> Checked {
    let (_place, session) = estate().await?;
    for sql in ["select * from '/etc/passwd'", "select * from \"file:///etc/passwd\""] {
        assert!(matches!(refusal(&session, sql).await?, QueryError::UnknownTable { .. }), "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_table_is_answered_with_the_tables_there_are() -> Checked {
    let (_place, session) = estate().await?;
    let error = refusal(&session, "with x as (select 1) select * from x, nexthink_Devices").await?;
    assert_eq!(
        error.to_string(),
        "there is no table nexthink_Devices, did you mean nexthink_device?"
    );
    assert_eq!(
        refusal(&session, "select * from zzz").await?.to_string(),
        "there is no table zzz; the tables are nexthink_device, nexthink_package, \
         nexthink_device_installed_package, entities, relationships"
    );
    Ok(())
}

#[tokio::test]
async fn frequent_mistakes_are_told_with_the_way_to_mend_them() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        ("slect 1", "found: slect; begin with SELECT, or with FIND for J1QL"),
        ("", "begin with SELECT, or with FIND for J1QL"),
        (
            "select * form nexthink_device",
            "found: form; a word before it may be misspelt or missing",
        ),
        ("select name from nexthink_device where lastSeenOn > 5", "a time is compared with a time"),
        (
            "select name, count(*) from nexthink_device",
            "nexthink_device.name must be in GROUP BY, or within a function such as count or min",
        ),
        ("select 1; select 2", "it has several statements; ask one at a time"),
        ("select cont(*) from nexthink_device", "there is no function cont, did you mean count?"),
        (
            "select date_trunk('day', lastSeenOn) from nexthink_device",
            "there is no function date_trunk, did you mean date_trunc?",
        ),
        (
            "select row_number() from nexthink_device",
            "row_number needs OVER, such as row_number(…) over (order by name)",
        ),
        ("select d.* from nexthink_device", "there is no table or alias d in it"),
        (
            "select (select name from nexthink_device)",
            "a query in place of a value has several rows; limit 1 or a function such as max makes it one",
        ),
        (
            "select sum(name) from nexthink_device",
            "there is no sum(text): check the number and the types of its values; cast(x as double) makes a number of a \
             text, cast(x as timestamp) a time",
        ),
        (
            "select name + 1 from nexthink_device",
            "it cannot calculate text + whole number; cast(x as double) makes a number of a text",
        ),
        (
            "select displayName from nexthink_device d join nexthink_package p on d._key = p._key",
            "several tables have a column displayName: write the table or its alias before it, as in alias.displayName",
        ),
    ];
    for (sql, expected) in table {
        let told = refusal(&session, sql).await?.to_string();
        assert!(
            told.ends_with(expected) || told.contains(&format!("{expected}, such as")),
            "{sql}: {told}"
        );
        assert!(!told.contains("sql parser error") && !told.contains("Line: "), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_column_is_answered_with_one_like_it_or_with_the_columns_there_are() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        ("select d.nam from nexthink_device d", "there is no column d.nam, did you mean d.name?"),
        (
            "select displayname from nexthink_package",
            "there is no column displayname, did you mean displayName?",
        ),
        (
            "select zzz from nexthink_package",
            "there is no column zzz; the columns are _key, _type, _class, displayName",
        ),
        (
            "select p.zzz from nexthink_package p",
            "there is no column p.zzz; the columns are p._key, p._type, p._class, p.displayName",
        ),
        (
            "select nexthink_package.displayName from nexthink_package p",
            "there is no column nexthink_package.displayName, did you mean p.displayName?",
        ),
        (
            "select zzz from (select 1 as \"a b\")",
            "there is no column zzz; the columns are \"a b\"",
        ),
        ("select zzz", "there is no column zzz: the query reads no table, add FROM"),
    ];
    for (sql, expected) in table {
        assert_eq!(refusal(&session, sql).await?.to_string(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn an_invalid_query_is_answered_with_what_is_wrong() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        (
            "selec 1",
            "Expected: an SQL statement, found: selec; begin with SELECT, or with FIND for J1QL",
        ),
        ("select 1; select 2", "it has several statements"),
        ("", "it is empty"),
        ("select nosuch(1)", "there is no function nosuch"),
    ];
    for (sql, expected) in table {
        let text = refusal(&session, sql).await?.to_string();
        assert!(text.starts_with("the query is not valid: "), "{text}");
        assert!(text.contains(expected), "{sql}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_failing_query_does_not_show_the_cell() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        ("select cast(name as int) from nexthink_device", "a value cannot be converted"),
        ("select to_timestamp(name) from nexthink_device", "the query failed: "),
        ("select 1 / (memory - 16) from nexthink_device", "it divides by zero"),
    ];
    for (sql, expected) in table {
        let error = refusal(&session, sql).await?;
        assert!(error.to_string().contains(expected), "{sql}: {error}");
        assert!(!format!("{error:?}").contains("DEV"), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_query_that_needs_too_much_memory_fails() -> Checked {
    let place = Place::new()?;
    let keys: Vec<_> = (0..20_000).map(|n| format!("device number {n}")).collect();
    let column = text(&keys.iter().map(|key| Some(key.as_str())).collect::<Vec<_>>());
    let batch = RecordBatch::try_from_iter([("_key", column)])?;
    let generation = place.publish(vec![entity("nexthink_device", &["Device"], batch)])?;
    let settings = QuerySettings { memory_limit_bytes: 100_000 };
    let session = QuerySession::open(&generation, settings).await?;
    let sql = "select _key from nexthink_device order by reverse(_key)";
    assert!(matches!(
        refusal(&session, sql).await?,
        QueryError::MemoryLimit { limit_bytes: 100_000 }
    ));
    Ok(())
}

#[tokio::test]
async fn q1_a_function_does_not_return_more_than_its_share_of_the_limit() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        "select length(repeat(name, 100000000)) from nexthink_device",
        "select repeat('a', 2000000000)",
        "select lpad('a', 2000000000, 'b')",
        "select rpad(name, 2000000000, 'b') from nexthink_device",
        "select range(1, 3000000000)",
        "select generate_series(1, 3000000000)",
        "select array_repeat(1, 2000000000)",
        "select array_repeat(array_repeat(1, 100000), 100000)",
        "select array_resize([1], 2000000000, 1)",
        "select replace(repeat('a', 1000000), 'a', repeat('b', 10000))",
        "select length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 10000), 'g'))",
    ];
    for sql in table {
        let error = refusal(&session, sql).await?;
        assert!(matches!(error, QueryError::MemoryLimit { .. }), "{sql}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_could_be_too_large_and_is_not_is_answered() -> Checked {
    let (_place, session) = estate().await?;
    // Estimated at more than the limit, since each character could be a match.
    let sql = "select count(*), min(length(x)), max(length(x)) from (select regexp_replace( \
               lpad(cast(value as varchar), 2000, 'x'), '[0-9]+', repeat('y', 30)) x \
               from generate_series(1, 8192))";
    assert_eq!(rows(&session, sql).await?, ["8192,2026,2029"]);
    let sql = "select repeat('ab', 3), lpad('a', 3, 'xy'), replace('aba', 'a', 'cd'), \
               array_resize([1], 2, 7), range(3), array_repeat('x', 2), repeat(null, 3)";
    assert_eq!(
        rows(&session, sql).await?,
        [r#"ababab,xya,cdbcd,"[1,7]","[0,1,2]","[""x"",""x""]","#]
    );
    Ok(())
}

#[tokio::test]
async fn q4_a_query_that_is_too_deep_or_too_long_is_refused() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        format!("select 1{}", "::int".repeat(1_000)),
        format!("select 'a'{}", " like 'a'".repeat(15_000)),
        format!("select 1{}", "+1".repeat(15_000)),
        format!("select 'a'{}", "||'a'".repeat(20_000)),
        format!("select 1{}", " union all select 1".repeat(5_000)),
        format!("select {}1", "- ".repeat(20_000)),
    ];
    for sql in table {
        let error = refusal(&session, &sql).await?;
        assert!(matches!(error, QueryError::TooComplex { .. }), "{}: {error}", &sql[..20]);
    }
    let error = refusal(&session, &format!("select '{}'", "x".repeat(2_000_000))).await?;
    assert!(matches!(error, QueryError::TooLong { bytes: 2_000_009 }), "{error}");
    let error = refusal(&session, &format!("select {}1", "(".repeat(20_000))).await?;
    assert!(matches!(error, QueryError::Invalid { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn q4_the_deepest_query_that_is_let_pass_is_planned() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        (format!("select 1{}", "+1".repeat(990)), "991"),
        (format!("select 1{}", "::int".repeat(490)), "1"),
        (format!("select 1 where true{}", " and true".repeat(490)), "1"),
        (format!("select length('a'{})", "||'a'".repeat(990)), "991"),
        (format!("select count(*) from (select 1{})", " union all select 1".repeat(320)), "321"),
    ];
    for (sql, expected) in table {
        assert_eq!(rows(&session, &sql).await?, [expected], "{}", &sql[..20]);
    }
    Ok(())
}

#[tokio::test]
async fn j7_damaged_files_are_not_read() -> Checked {
    let place = Place::new()?;
    let batch = RecordBatch::try_from_iter([("_key", text(&[Some("key-one")]))])?;
    let generation = place.publish(vec![
        entity("nexthink_device", &["Device"], batch.clone()),
        entity("nexthink_user", &["User"], batch),
    ])?;
    let path = generation.folder().join("entities/nexthink_device/part-00000.parquet");
    let mut bytes = fs::read(&path)?;
    bytes[20] ^= 1;
    fs::write(&path, bytes)?;
    let session = QuerySession::open(&generation, QuerySettings::default()).await?;
    let table = [
        "select count(*) from nexthink_device",
        "select 1 from nexthink_user where exists (select 1 from nexthink_device)",
        "select _key from entities",
        "explain select _key from nexthink_device",
    ];
    for sql in table {
        let error = refusal(&session, sql).await?;
        assert!(matches!(error, QueryError::Store(StoreError::Damaged { .. })), "{sql}: {error}");
    }
    assert_eq!(rows(&session, "select count(*) from nexthink_user").await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_missing_or_cut_off_is_found_when_opening() -> Checked {
    let place = Place::new()?;
    let batch = RecordBatch::try_from_iter([("_key", text(&[Some("a")]))])?;
    let generation = place.publish(vec![entity("nexthink_device", &["Device"], batch)])?;
    let path = generation.folder().join("entities/nexthink_device/part-00000.parquet");
    fs::write(&path, "PAR1")?;
    let outcome = QuerySession::open(&generation, QuerySettings::default()).await;
    assert!(matches!(outcome, Err(QueryError::Store(StoreError::Damaged { .. }))));
    fs::remove_file(&path)?;
    let outcome = QuerySession::open(&generation, QuerySettings::default()).await;
    assert!(matches!(outcome, Err(QueryError::Store(StoreError::Damaged { .. }))));
    Ok(())
}

#[tokio::test]
async fn a_type_named_like_a_common_table_is_refused() -> Checked {
    let place = Place::new()?;
    let batch = RecordBatch::try_from_iter([("_key", text(&[Some("a")]))])?;
    let generation = place.publish(vec![entity("entities", &["Device"], batch)])?;
    let outcome = QuerySession::open(&generation, QuerySettings::default()).await;
    assert!(matches!(outcome, Err(QueryError::DuplicateTable { name }) if name == "entities"));
    Ok(())
}

#[tokio::test]
async fn errors_in_sql_have_a_caret_under_the_place() -> Checked {
    let (_place, session) = estate().await?;
    let table = [
        ("select 1 from «nexthink_devise»", "there is no table nexthink_devise"),
        ("select d.name,\n  «d.nam»\nfrom nexthink_device d", "there is no column d.nam"),
        ("select 'ö', «displayname» from nexthink_package", "there is no column displayname"),
        ("select «nosuch»(1)", "there is no function nosuch"),
        ("select «sum»(name) from nexthink_device", "there is no sum(text)"),
        ("select «d».* from nexthink_device", "there is no table or alias d in it"),
        (
            "select d._key, «_key» from nexthink_device d join nexthink_package p on d._key = p._key",
            "several tables have a column _key",
        ),
        ("«selec» 1", "Expected: an SQL statement"),
        ("select * from «'/etc/passwd'»", "there is no table /etc/passwd"),
    ];
    for (marked, message) in table {
        let sql = marked.replace(['«', '»'], "");
        let rendered =
            refusal(&session, &sql).await?.render(&sql).ok_or(format!("no place: {sql}"))?;
        assert!(rendered.contains(message), "{rendered}");
        let before = marked.split('«').next().unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let width = marked.split(['«', '»']).nth(1).unwrap_or_default().chars().count();
        let caret = format!("| {}{}", " ".repeat(column), "^".repeat(width));
        assert_eq!(
            rendered.lines().last().map(|line| line[line.find('|').unwrap_or(0)..].to_owned()),
            Some(caret),
            "{rendered}"
        );
    }
    assert_eq!(refusal(&session, "drop table x").await?.render("drop table x"), None);
    let sql = "select name from nexthink_device where name = \"DEV\"";
    let rendered = refusal(&session, sql).await?.render(sql).ok_or("no place")?;
    assert!(rendered.ends_with("= help: a text has single quotes: 'DEV'"), "{rendered}");
    Ok(())
}

#[tokio::test]
async fn nothing_that_writes_or_reads_files_is_planned() -> Checked {
    let (place, session) = estate().await?;
    let out = place.path().join("out.csv");
    let passwd = "/etc/passwd";
    let statements = [
        // Files as tables, and functions of other engines that read them.
        format!("select * from '{passwd}'"),
        format!("select * from \"{passwd}\""),
        format!("select * from `{passwd}`"),
        format!("select * from \"file://{passwd}\""),
        "select * from 'https://example.com/x.parquet'".to_owned(),
        "select * from \"s3://bucket/x.parquet\"".to_owned(),
        format!("select * from read_csv('{passwd}')"),
        format!("select * from read_csv_auto('{passwd}')"),
        "select * from read_parquet('x.parquet')".to_owned(),
        "select * from read_json('x.json')".to_owned(),
        format!("select * from read_text('{passwd}')"),
        format!("select read_text('{passwd}')"),
        format!("select pg_read_file('{passwd}')"),
        format!("select load_file('{passwd}')"),
        "select * from glob('/etc/*')".to_owned(),
        "select * from parquet_metadata('x.parquet')".to_owned(),
        "select * from parquet_scan('x.parquet')".to_owned(),
        format!("with x as (select * from '{passwd}') select * from x"),
        format!("select (select count(*) from '{passwd}')"),
        format!("select 1 where exists (select 1 from \"{passwd}\")"),
        // What writes.
        format!("copy nexthink_device to '{}'", out.display()),
        format!("copy (select 1) to '{}' stored as parquet", out.display()),
        format!("explain copy (select 1) to '{}'", out.display()),
        format!("explain analyze copy (select 1) to '{}'", out.display()),
        format!("select * from nexthink_device into outfile '{}'", out.display()),
        "select * into t from nexthink_device".to_owned(),
        "with x as (select 1 a) insert into nexthink_device (_key) select 'x' from x".to_owned(),
        "insert overwrite nexthink_device select * from nexthink_device".to_owned(),
        "replace into nexthink_device (_key) values ('x')".to_owned(),
        "merge into nexthink_device d using nexthink_package p on d._key = p._key when matched then delete".to_owned(),
        format!("create external table t stored as csv location '{passwd}'"),
        format!("create unbounded external table t stored as csv location '{passwd}'"),
        "create or replace view nexthink_device as select 1".to_owned(),
        "create temporary table t as select 1".to_owned(),
        "create function f(int) returns int return 1".to_owned(),
        "create schema s".to_owned(),
        "create index i on nexthink_device (_key)".to_owned(),
        "drop view entities".to_owned(),
        "attach 'x.db'".to_owned(),
        "install httpfs".to_owned(),
        "load 'x.so'".to_owned(),
        "set datafusion.catalog.location = '/etc'".to_owned(),
        "execute p".to_owned(),
        "grant select on nexthink_device to x".to_owned(),
        "vacuum".to_owned(),
        "select 1; drop table nexthink_device".to_owned(),
    ];
    assert!(statements.len() >= 40);
    for sql in &statements {
        // Refused by the parser or the plan, before anything runs.
        assert!(session.sql(sql).is_err(), "{sql}");
    }
    assert!(!out.exists());
    assert_eq!(rows(&session, "select count(*) from nexthink_device").await?, ["3"]);
    Ok(())
}
