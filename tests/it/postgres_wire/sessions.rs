//! Prepared statements, values in both forms, cursors, copies, settings.

use std::time::SystemTime;

use tokio_postgres::Error;
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::Type;

use super::{Server, scene, told};

#[test]
fn values_go_both_ways_in_binary() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let wait = |sql, values: &[&(dyn tokio_postgres::types::ToSql + Sync)]| {
        let rows = server.runtime.block_on(client.query(sql, values));
        rows.unwrap_or_else(|error| panic!("{sql}: {}", told(&error)))
    };
    let rows = wait(
        "select name, \"lastSeenOn\", _class, 1.5::double precision as n, name is null as b, null as nothing \
         from nexthink_device where name <> $1 and \"lastSeenOn\" > $2 order by name limit $3",
        &[&"nothing", &SystemTime::UNIX_EPOCH, &2_i64],
    );
    let types: Vec<_> = rows[0].columns().iter().map(|column| column.type_().clone()).collect();
    assert_eq!(
        types,
        [Type::TEXT, Type::TIMESTAMPTZ, Type::TEXT_ARRAY, Type::FLOAT8, Type::BOOL, Type::TEXT]
    );
    assert_eq!(rows.len(), 2);
    let name: String = rows[0].get(0);
    assert!(rows[0].get::<_, SystemTime>(1) > SystemTime::UNIX_EPOCH);
    assert_eq!(rows[0].get::<_, Vec<String>>(2), ["Device"]);
    assert!((rows[0].get::<_, f64>(3) - 1.5).abs() < f64::EPSILON && !rows[0].get::<_, bool>(4));
    assert_eq!(rows[0].get::<_, Option<String>>(5), None);
    let names = vec![name.clone(), "nothing".to_owned()];
    let found = wait("select name from nexthink_device where name = any($1)", &[&names]);
    assert_eq!(found.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), [name]);
    // The same as in text, down to the list and the time.
    let texts = server.texts(&client, "select _class from nexthink_device limit 1");
    assert_eq!(texts.expect("it can be asked"), ["{Device}"]);
    let counted = wait("select count(*), sum(1), avg(2), current_date from nexthink_device", &[]);
    assert_eq!((counted[0].get::<_, i64>(0), counted[0].get::<_, i64>(1)), (30, 30));
    assert_eq!(counted[0].columns()[3].type_(), &Type::DATE);
}

#[test]
fn an_answer_comes_in_parts_and_other_queries_meanwhile() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let mut client = server.analyst();
    server.runtime.block_on(async {
        let transaction = client.transaction().await.expect("it begins");
        let sql = "select name from nexthink_device order by name";
        let portal = transaction.bind(sql, &[]).await.expect("it can be asked");
        let first = transaction.query_portal(&portal, 10).await.expect("it goes on");
        let other = transaction.query("select count(*) from nexthink_user", &[]).await;
        assert_eq!(other.expect("it can be asked")[0].get::<_, i64>(0), 12);
        let second = transaction.query_portal(&portal, 10).await.expect("it goes on");
        let rest = transaction.query_portal(&portal, 0).await.expect("it goes on");
        assert_eq!((first.len(), second.len(), rest.len()), (10, 10, 10));
        let whole = transaction.query(sql, &[]).await.expect("it can be asked");
        let names = |rows: &[tokio_postgres::Row]| -> Vec<String> {
            rows.iter().map(|row| row.get(0)).collect()
        };
        assert_eq!([names(&first), names(&second), names(&rest)].concat(), names(&whole));
    });
    let texts = |sql: &str| server.texts(&client, sql).expect(sql);
    assert_eq!(server.code(&client, "declare c cursor for select 1"), "25P01");
    let cursor = "begin; declare c cursor for select name from nexthink_device; fetch 7 from c; fetch all c; fetch c";
    assert_eq!(texts(cursor).len(), 30);
    assert_eq!(server.code(&client, "fetch backward 1 from c"), "0A000");
    texts("rollback");
    assert_eq!(
        server.code(&client, "fetch 1 from c"),
        "34000",
        "it has ended with its transaction"
    );
}

#[test]
fn an_error_tells_its_position_in_the_text_that_was_sent() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    // The text from the position on, in the protocol for texts and in that for prepared statements.
    for (sql, expected) in [
        ("selct 1", "selct 1"),
        ("select 'ü',\n  nam from nexthink_device", "nam from nexthink_device"),
        ("select name from nexthink_devic", "nexthink_devic"),
        ("select name as nam from nexthink_device d where d.nam > 'a'", "d.nam > 'a'"),
        ("select nothing(1)", "nothing(1)"),
        ("select name from", ""),
        ("select 1 2", "2"),
    ] {
        let rest = |error: Error| match error.as_db_error()?.position()? {
            ErrorPosition::Original(position) => {
                Some(sql.chars().skip(*position as usize - 1).collect::<String>())
            }
            ErrorPosition::Internal { .. } => None,
        };
        let text = server.texts(&client, sql).expect_err("it is wrong");
        assert_eq!(rest(text).as_deref(), Some(expected), "{sql}");
        let prepared = server.rows(&client, sql).expect_err("it is wrong");
        assert_eq!(rest(prepared).as_deref(), Some(expected), "{sql}");
    }
    let second = server.texts(&client, "select 1; select nam from nexthink_device");
    let position =
        second.expect_err("it is wrong").as_db_error().and_then(|error| error.position().cloned());
    assert_eq!(position, Some(ErrorPosition::Original(18)));
    // This query is not in the text as it is.
    let copied = server.texts(&client, "copy (select nam from nexthink_device) to stdout");
    assert_eq!(
        copied.expect_err("it is wrong").as_db_error().and_then(|error| error.position().cloned()),
        None
    );
}

#[test]
fn settings_are_kept_and_a_session_can_be_used_again() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.viewer();
    let texts = |sql: &str| server.texts(&client, sql).expect(sql);
    texts("set application_name = 'report'; set statement_timeout to '5s'");
    assert_eq!(
        texts("show application_name; select current_setting('statement_timeout')"),
        ["report", "5s"]
    );
    texts("discard all");
    assert_eq!(texts("show statement_timeout"), ["0"]);
    assert_eq!(texts("select current_user; select current_database()"), ["viewer", "acme"]);
    assert_eq!(texts("-- nothing"), [""; 0]);
    let copied = server.runtime.block_on(async {
        use futures::TryStreamExt as _;
        let lines = client.copy_out("copy (select 'a,b' as x, 1 as y) to stdout csv header").await;
        let lines = lines.expect("it can be copied");
        lines
            .try_fold(Vec::new(), |all, line| async move { Ok([all, line.to_vec()].concat()) })
            .await
    });
    assert_eq!(copied.expect("it goes on"), b"x,y\n\"a,b\",1\n");
    // After an error within a series of messages, the rest of the series is skipped and the session goes on.
    let refused = server.runtime.block_on(client.query("select $1::bigint + 1", &[&"text"]));
    assert!(refused.is_err());
    assert_eq!(texts("select 1"), ["1"]);
}

#[test]
fn settings_of_a_transaction_end_with_it() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.viewer();
    let texts = |sql: &str| server.texts(&client, sql).expect(sql);
    let timeout = "show statement_timeout";
    for (statements, expected) in [
        ("begin; set statement_timeout = '1s'; rollback", "0"),
        ("begin; set statement_timeout = '2s'; commit", "2s"),
        ("begin; set local statement_timeout = '3s'; show statement_timeout; commit", "2s"),
        ("begin; set statement_timeout = '4s'; set local statement_timeout = '5s'; commit", "4s"),
        ("set local statement_timeout = '6s'", "4s"),
        ("begin; begin; reset statement_timeout; rollback", "4s"),
        ("begin; select set_config('statement_timeout', '7s', true); commit", "4s"),
        ("select set_config('statement_timeout', '8s', false)", "8s"),
    ] {
        texts(statements);
        assert_eq!(texts(timeout), [expected], "{statements}");
        let current = "select current_setting('statement_timeout')";
        assert_eq!(texts(current), [expected], "{statements}");
    }
    assert_eq!(texts("begin; set local statement_timeout = '3s'; show statement_timeout"), ["3s"]);
    assert_eq!(server.code(&client, "select nothing"), "42703");
    texts("commit");
    assert_eq!(texts(timeout), ["8s"], "a transaction that has failed is rolled back");
    assert_eq!(texts("select set_config('statement_timeout', '9s', false)"), ["9s"]);
}

#[test]
fn a_cursor_from_before_an_erasure_gives_out_no_more_rows() {
    let scene = scene();
    let made = scene.program(&["privacy", "key", "new"]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let texts = |sql: &str| server.texts(&client, sql).expect(sql);
    let users = "select upn from nexthink_user where upn is not null order by upn desc";
    let names = texts(users);
    let last = names.last().expect("there are users");
    texts(&format!("begin; declare c cursor with hold for {users}; commit"));
    assert_eq!(texts("fetch 1 from c"), names[..1]);
    let erase = ["privacy", "erase", "--user", last, "--yes", "--reason", "request"];
    let erased = scene.program(&erase);
    assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
    let refused =
        server.texts(&client, "fetch all from c").expect_err("it may still have the person");
    assert!(told(&refused).contains("erased since this answer began"), "{}", told(&refused));
    assert!(!texts(users).contains(last), "a new query does not have the person");
}

#[test]
fn a_client_that_asks_for_much_before_it_reads_gets_all_of_it() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let many = "show all;".repeat(20_000);
    let messages = server.runtime.block_on(client.simple_query(&many)).expect("each is answered");
    let ends = messages.iter().filter(|message| {
        matches!(message, tokio_postgres::SimpleQueryMessage::CommandComplete(_))
    });
    assert_eq!(ends.count(), 20_000);
}

#[test]
fn a_query_of_the_user_comes_before_the_catalog() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let sql = "with pg_class as (select 42 as x) select x from pg_class";
    assert_eq!(server.texts(&client, sql).expect("it can be asked"), ["42"]);
    let catalog = "select count(*) > 5 from pg_class";
    assert_eq!(server.texts(&client, catalog).expect("it can be asked"), ["t"]);
}

#[test]
fn a_query_in_place_of_a_value_keeps_its_order_its_limit_and_its_errors() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let texts = |sql: &str| server.texts(&client, sql).map_err(|error| told(&error));
    let names = texts("select name from nexthink_device order by name").expect("it can be asked");
    let last = "select (select name from nexthink_device order by name desc limit 1)";
    assert_eq!(texts(last), Ok(names[29..].to_vec()));
    let listed = "select unnest(array(select name from nexthink_device order by name limit 3))";
    assert_eq!(texts(listed), Ok(names[..3].to_vec()));
    let all = "select unnest(array(select name from nexthink_device order by name))";
    assert_eq!(texts(all), Ok(names.clone()));
    let several = texts("select (select name from nexthink_device)").expect_err("it has 30 rows");
    assert!(several.contains("several rows"), "{several}");
    for (sql, expected) in [
        ("select (select case when count(*) > 5 then 'many' end from nexthink_device)", "many"),
        ("select (select stddev(x) from (values (1.0), (1.0)) v(x))", "0"),
        ("select (select median(x) from (values (1), (2), (9)) v(x))", "2"),
        (
            "select (select extract(year from max(t)) from (values (date '2026-01-02')) v(t))",
            "2026",
        ),
        ("select case when count(*) = 0 then 'none' else 'some' end from pg_index", "none"),
        ("select array_length(array(select 1 union select 2), 1)", "2"),
    ] {
        assert_eq!(texts(sql), Ok(vec![expected.to_owned()]), "{sql}");
    }
}
