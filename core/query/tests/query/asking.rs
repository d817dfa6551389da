//! The queries that can be asked, and that a filter reaches the files.

use arrow::array::RecordBatch;
use core_query::{ContentKind, QuerySession, QuerySettings};

use crate::support::{Checked, Place, entity, estate, rows, text};

#[tokio::test]
async fn names_keep_their_case_in_a_join() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select d.name, count(*) n from nexthink_device d \
               join nexthink_device_installed_package r on r._fromEntityKey = d._key \
               group by 1 order by n desc limit 5";
    assert_eq!(rows(&session, sql).await?, ["DEV-1,2", "'=DEV\u{1b}[2J,1"]);
    Ok(())
}

#[tokio::test]
async fn entities_have_their_type_and_classes() -> Checked {
    let (_place, session) = estate().await?;
    assert_eq!(
        rows(&session, "select _key, _type, _class from nexthink_device order by 1 limit 1")
            .await?,
        [r#"d1,nexthink_device,"[""Device"",""Host""]""#]
    );
    assert_eq!(
        rows(&session, "select _key, _type, name, displayName from entities order by 1").await?,
        [
            "d1,nexthink_device,DEV-1,DEV-1",
            "d2,nexthink_device,'=DEV\u{1b}[2J,DEV-2",
            "d3,nexthink_device,東京,",
            "p1,nexthink_package,,Editor",
            "p2,nexthink_package,,",
        ]
    );
    assert_eq!(
        rows(&session, "select count(*) from entities where array_has(_class, 'Host')").await?,
        ["3"]
    );
    Ok(())
}

/// Found by random queries: the engine rejected its own plan, since one part of the union has twice the same
/// column and is in order by the first of them alone.
#[tokio::test]
async fn a_union_is_ordered_by_columns_that_are_one_in_some_of_its_parts() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select a, b from (select _key a, _key b from nexthink_device \
               union all select _fromEntityKey, _toEntityKey from nexthink_device_installed_package) \
               order by a, b limit 4";
    assert_eq!(rows(&session, sql).await?, ["d1,d1", "d1,p1", "d1,p2", "d2,d2"]);
    Ok(())
}

#[tokio::test]
async fn relationships_have_their_key_type_class_and_name() -> Checked {
    let (_place, session) = estate().await?;
    let expected = [
        "d1|installed|p1,nexthink_device_installed_package,\"[\"\"INSTALLED\"\"]\",INSTALLED,d1,p1",
        "d1|installed|p2,nexthink_device_installed_package,\"[\"\"INSTALLED\"\"]\",INSTALLED,d1,p2",
        "d2|installed|p1,nexthink_device_installed_package,\"[\"\"INSTALLED\"\"]\",INSTALLED,d2,p1",
    ];
    let columns = "_key, _type, _class, displayName, _fromEntityKey, _toEntityKey";
    for table in ["relationships", "nexthink_device_installed_package"] {
        let sql = format!("select {columns} from {table} order by 1");
        assert_eq!(rows(&session, &sql).await?, expected, "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn names_with_a_dot_need_quotes() -> Checked {
    let (_place, session) = estate().await?;
    let sql = r#"select "tag.AccountName" from nexthink_device where _key = 'd1'"#;
    assert_eq!(rows(&session, sql).await?, [r#""acme, ""eu""""#]);
    Ok(())
}

#[tokio::test]
async fn functions_are_found_in_any_case() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "SELECT COUNT(*), Upper('a'), round(avg(score), 1), \
               date_trunc('day', max(lastSeenOn)), regexp_like('abc', 'b') FROM nexthink_device";
    assert_eq!(rows(&session, sql).await?, ["3,A,1.3,2026-01-01T00:00:00Z,true"]);
    Ok(())
}

/// The line of a plan that reads files.
async fn scan_of(session: &QuerySession, sql: &str) -> Result<String, Box<dyn std::error::Error>> {
    let plan = rows(session, &format!("explain format indent {sql}")).await?;
    let scans: Vec<_> = plan.into_iter().filter(|line| line.contains("DataSourceExec")).collect();
    match scans.as_slice() {
        [scan] => Ok(scan.clone()),
        other => Err(format!("expected one scan: {other:#?}").into()),
    }
}

#[tokio::test]
async fn filters_and_chosen_columns_reach_the_files() -> Checked {
    let (_place, session) = estate().await?;
    let scan = scan_of(&session, "select memory from nexthink_device where _key = 'd1'").await?;
    assert!(scan.contains("projection=[_key, memory]"), "{scan}");
    assert!(scan.contains("predicate=_key@0 = d1"), "{scan}");

    let sql = "select version from nexthink_device_installed_package where _fromEntityKey = 'd1'";
    let scan = scan_of(&session, sql).await?;
    assert!(scan.contains("projection=[_fromEntityKey, version]"), "{scan}");
    assert!(scan.contains("predicate=_fromEntityKey@0 = d1"), "{scan}");

    // Only one of the two types can have rows of this type, so only its file is read.
    let sql = "select _key from entities where _type = 'nexthink_package' and _key = 'p1'";
    let scan = scan_of(&session, sql).await?;
    assert!(scan.contains("/nexthink_package/"), "{scan}");
    assert!(scan.contains("p1"), "{scan}");
    Ok(())
}

#[tokio::test]
async fn tables_say_what_they_hold() -> Checked {
    let (_place, session) = estate().await?;
    let summary: Vec<_> = session
        .tables()
        .iter()
        .map(|table| (table.name.as_str(), table.content, table.rows, table.partial))
        .collect();
    assert_eq!(
        summary,
        [
            ("nexthink_device", ContentKind::Entity, 3, false),
            ("nexthink_package", ContentKind::Entity, 2, false),
            ("nexthink_device_installed_package", ContentKind::Relationship, 3, true),
            ("entities", ContentKind::AllEntities, 5, false),
            ("relationships", ContentKind::AllRelationships, 3, true),
        ]
    );
    let columns = |table: usize| -> Vec<_> {
        let columns = session.tables()[table].columns.iter();
        columns.map(|column| format!("{} {}", column.name, column.data_type)).collect()
    };
    assert_eq!(
        columns(0),
        [
            "_key text",
            "_type text",
            "_class list of text",
            "name text",
            "displayName text",
            "lastSeenOn timestamp",
            "memory integer",
            "score number",
            "tag.AccountName text",
        ]
    );
    assert_eq!(
        columns(2),
        [
            "_key text",
            "_type text",
            "_class list of text",
            "displayName text",
            "_fromEntityKey text",
            "_toEntityKey text",
            "version text",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn describe_and_show_tables_answer() -> Checked {
    let (_place, session) = estate().await?;
    let described = rows(&session, "describe nexthink_package").await?;
    assert_eq!(described.len(), 4);
    assert!(described[0].starts_with("_key,"), "{described:?}");
    let shown = rows(&session, "show tables").await?;
    assert!(
        shown.iter().any(|line| line.contains("nexthink_device_installed_package")),
        "{shown:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_empty_generation_has_the_common_tables_without_rows() -> Checked {
    let place = Place::new()?;
    let session = QuerySession::open(&place.publish(Vec::new())?, QuerySettings::default()).await?;
    for table in ["entities", "relationships"] {
        let sql = format!("select count(*), count(_class), count(displayName) from {table}");
        assert_eq!(rows(&session, &sql).await?, ["0,0,0"], "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn q5_a_store_can_be_asked_whatever_its_folder_is_called() -> Checked {
    let mut names: Vec<std::ffi::OsString> =
        ["tab\there", "new\nline", "😀 & <b>", "a?b*c[d]#e%2F", "\u{202e}"].map(Into::into).into();
    #[cfg(unix)]
    names.push(std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9".to_vec()));
    for name in names {
        let place = Place::named(&name)?;
        let batch = RecordBatch::try_from_iter([("_key", text(&[Some("a")]))])?;
        let generation = place.publish(vec![entity("nexthink_device", &["Device"], batch)])?;
        let session = QuerySession::open(&generation, QuerySettings::default()).await?;
        assert_eq!(rows(&session, "select count(*) from entities").await?, ["1"], "{name:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_names_the_partial_tables_that_it_is_made_from() -> Checked {
    let (_place, session) = estate().await?;
    let installed = "nexthink_device_installed_package";
    let table = [
        ("select count(*) from nexthink_device", vec![]),
        ("select count(*) from nexthink_device_installed_package", vec![installed]),
        (
            "select 1 from nexthink_device where exists (select 1 from relationships)",
            vec![installed],
        ),
    ];
    for (sql, partial) in table {
        assert_eq!(session.sql(sql)?.partial_tables(), partial, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn versions_networks_and_ages_have_functions() -> Checked {
    let (_place, session) = estate().await?;
    let sql = "select version_compare('1.10', 'v1.9'), version_lt(version, '1.1'), \
               version_lt(version, lower('SOON')) is null \
               from nexthink_device_installed_package order by version";
    assert_eq!(rows(&session, sql).await?, ["1,true,true", "1,false,true", "1,false,true"]);
    let sql = "select ip_in('10.1.2.3', '10.0.0.0/8'), ip_in(['11.1.1.1', '10.1.1.1'], '10.0.0.0/8'), \
               ip_in(null, '10.0.0.0/8') is null";
    assert_eq!(rows(&session, sql).await?, ["true,true,true"]);
    for (sql, expected) in [
        (
            "select ip_in(name, 'abc') from nexthink_device",
            "`abc` is no address or network such as",
        ),
        (
            "select 1 where exists (select 1 from nexthink_device where ip_in('10.0.0.1', '10.0.0.0/99'))",
            "`10.0.0.0/99` is no address or network",
        ),
        (
            "select version_lt(version, 'soon') from nexthink_device_installed_package",
            "`soon` is no version such as 10.0.22631",
        ),
    ] {
        let error = session.sql(sql).err().ok_or(sql)?;
        let shown = error.render(sql).ok_or(sql)?;
        assert!(shown.starts_with(expected) && shown.contains("^^^^^"), "{shown}");
    }
    let sql = "select days_since(now() - interval '3 days'), \
               days_since(cast(to_unixtime(now() - interval '50 hours') * 1000 as bigint)), \
               days_since(lastSeenOn) > 300, days_since(null) is null \
               from nexthink_device where _key = 'd1'";
    assert_eq!(rows(&session, sql).await?, ["3,2,true,true"]);
    let sql = "select count(*) from nexthink_device where days_since(lastSeenOn) > 30";
    assert_eq!(rows(&session, sql).await?, ["2"]);
    Ok(())
}
