//! SQL before and after.

use super::*;

fn names() -> Names {
    Names::new(["nexthink_device", "displayName", "_key", "name", "osName"].into_iter())
}

fn rewritten(sql: &str) -> String {
    rewrite(sql, &names()).map_or_else(|error| error.message, |rewritten| rewritten.sql)
}

#[test]
fn names_are_those_that_differ_in_upper_and_lower_case_alone() {
    for (sql, expected) in [
        ("select displayName from nexthink_device", "SELECT displayName FROM nexthink_device"),
        ("SELECT DISPLAYNAME FROM Nexthink_Device", "SELECT displayName FROM nexthink_device"),
        (
            "select \"displayName\" from public.nexthink_device D where D.OSNAME = 'X'",
            "SELECT \"displayName\" FROM public.nexthink_device d WHERE d.osName = 'X'",
        ),
        (
            "select acme.public.nexthink_device.name from acme.public.nexthink_device",
            "SELECT nexthink_device.name FROM public.nexthink_device",
        ),
        ("select 1 as TABLE_CAT", "SELECT 1 AS table_cat"),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
}

#[test]
fn what_the_engine_lacks_becomes_what_it_has() {
    for (sql, expected) in [
        (
            "select c.relname operator(pg_catalog.~) E'^(a)$' collate pg_catalog.default from pg_class c",
            "SELECT c.relname ~ '^(a)$' AS \"?column?\" FROM pg_catalog.pg_class c",
        ),
        (
            "select 'nexthink_device'::regclass, $1::regclass::oid, c.oid::pg_catalog.regclass::pg_catalog.text from pg_class c",
            "SELECT to_regclass('nexthink_device') AS \"regclass\", to_regclass($1)::BIGINT AS \"regclass:#1\", \
             pg_class_name(c.oid)::TEXT AS \"oid\" FROM pg_catalog.pg_class c",
        ),
        (
            "select name from nexthink_device where name = any('{a,\"b c\"}'::text[])",
            "SELECT name FROM nexthink_device WHERE array_has(make_array(CAST('a' AS TEXT), CAST('b c' AS TEXT)), name)",
        ),
        (
            "select name from nexthink_device where name <> all($1)",
            "SELECT name FROM nexthink_device WHERE NOT array_has($1, name)",
        ),
        (
            "select name from nexthink_device where name = any('{a,b}')",
            "SELECT name FROM nexthink_device WHERE name IN ('a', 'b')",
        ),
        (
            "select name not like 'a/_%' escape '/', name like $1 escape '\\' from nexthink_device",
            "SELECT name NOT LIKE 'a\\_%' AS \"?column?\", name LIKE $1 AS \"?column?:#1\" FROM nexthink_device",
        ),
        (
            "select name like 'a!!!%!x\\%' escape '!', name like osname escape '_'",
            "SELECT name LIKE 'a!\\%x\\\\%' AS \"?column?\", name LIKE replace(replace(replace(replace(osName, '\\', '\\\\'), \
             '__', '\u{1}'), '_', '\\'), '\u{1}', '\\_') AS \"?column?:#1\"",
        ),
        (
            "select x::float, x::float(24), x::float(25), x::double precision from t",
            "SELECT x::DOUBLE AS \"x\", x::FLOAT(24) AS \"x:#1\", x::DOUBLE AS \"x:#2\", x::DOUBLE PRECISION AS \"x:#3\" \
             FROM t",
        ),
        ("select current_user", "SELECT pg_current_user() AS \"current_user\""),
        ("select x::\"char\", y::name from t", "SELECT x::TEXT AS \"x\", y::TEXT AS \"y\" FROM t"),
        (
            "select (select n.nspname from pg_namespace n where n.oid = c.relnamespace) from pg_class c",
            "SELECT (SELECT first_value(n.nspname) FROM pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace) AS \
             \"nspname\" FROM pg_catalog.pg_class c",
        ),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
}

#[test]
fn a_time_in_a_zone_is_a_local_time_and_a_local_time_in_a_zone_is_a_time() {
    for (sql, expected) in [
        (
            "select name at time zone 'Asia/Tokyo', timezone('UTC', name) from nexthink_device",
            "SELECT to_local_time(arrow_cast(name, 'Timestamp(ns, \"UTC\")') AT TIME ZONE 'Asia/Tokyo') AS \"timezone\", \
             to_local_time(arrow_cast(name, 'Timestamp(ns, \"UTC\")') AT TIME ZONE 'UTC') AS \"timezone:#1\" FROM \
             nexthink_device",
        ),
        (
            "select x::timestamp at time zone 'UTC' at time zone 'Asia/Tokyo' as t",
            "SELECT to_local_time(arrow_cast(x::TIMESTAMP AT TIME ZONE 'UTC', 'Timestamp(ns, \"UTC\")') AT TIME ZONE \
             'Asia/Tokyo') AS t",
        ),
        (
            "select date_trunc('day', x at time zone 'UTC') at time zone 'UTC' as t",
            "SELECT date_trunc('day', to_local_time(arrow_cast(x, 'Timestamp(ns, \"UTC\")') AT TIME ZONE 'UTC')) AT TIME ZONE \
             'UTC' AS t",
        ),
        (
            "select timestamptz '2026-03-01' as a, '2026-03-01'::timestamp with time zone as b, now() as c, $1::timestamptz as d",
            "SELECT arrow_cast('2026-03-01', 'Timestamp(ns, \"UTC\")') AS a, arrow_cast('2026-03-01', 'Timestamp(ns, \"UTC\")') \
             AS b, arrow_cast(now(), 'Timestamp(ns, \"UTC\")') AS c, arrow_cast($1::TIMESTAMPTZ, 'Timestamp(ns, \"UTC\")') AS d",
        ),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
    let zoned =
        rewrite("select $1::timestamptz, $2::timestamp", &names()).expect("it is SQL").zoned;
    assert_eq!(zoned.into_iter().collect::<Vec<_>>(), ["1"]);
}

#[test]
fn a_query_in_place_of_a_value_is_changed_only_if_it_reads_the_catalog() {
    for (sql, expected) in [
        (
            "select (select name from nexthink_device order by name desc limit 1)",
            "SELECT (SELECT name FROM nexthink_device ORDER BY name DESC LIMIT 1) AS \"name\"",
        ),
        (
            "select (select c.relname from pg_class c, nexthink_device)",
            "SELECT (SELECT c.relname FROM pg_catalog.pg_class c, nexthink_device) AS \"relname\"",
        ),
        (
            "select (select c.relname as r from pg_class c where c.oid = a.attrelid order by r, 1, c.oid desc limit 1) \
             from pg_attribute a",
            "SELECT (SELECT first_value(c.relname ORDER BY c.relname, c.relname, c.oid DESC) AS r FROM pg_catalog.pg_class c \
             WHERE c.oid = a.attrelid) AS \"r\" FROM pg_catalog.pg_attribute a",
        ),
        (
            "select (select relname from pg_class limit 1 offset 1), (select row_number() over () from pg_class)",
            "SELECT (SELECT relname FROM pg_catalog.pg_class LIMIT 1 OFFSET 1) AS \"relname\", (SELECT row_number() OVER () \
             FROM pg_catalog.pg_class) AS \"row_number\"",
        ),
        (
            "select (select case when median(oid) > 5 then 'many' end from pg_class)",
            "SELECT (SELECT CASE WHEN median(oid) > 5 THEN 'many' END FROM pg_catalog.pg_class) AS \"case\"",
        ),
        (
            "select array(select relname from pg_class order by 1)",
            "SELECT (SELECT array_agg(relname ORDER BY relname) FROM pg_catalog.pg_class) AS \"array\"",
        ),
        (
            "select array(select name from nexthink_device order by osname desc nulls last, name limit 3)",
            "SELECT (SELECT array_agg(item ORDER BY key0 DESC NULLS LAST, item) FROM (SELECT name, osName AS key0 FROM \
             nexthink_device ORDER BY osName DESC NULLS LAST, name LIMIT 3) AS items (item, key0)) AS \"array\"",
        ),
        (
            "select array(select 1 union select 2 order by 1)",
            "SELECT (SELECT array_agg(item ORDER BY item) FROM (SELECT 1 UNION SELECT 2 ORDER BY 1) AS items (item)) AS \
             \"array\"",
        ),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
}

#[test]
fn a_part_that_needs_a_row_of_an_empty_table_has_no_rows() {
    for (sql, expected) in [
        (
            "select 1 from information_schema.tables where table_schema in (select s[i] from generate_series(array_lower(x, 1), \
             array_upper(x, 1)) as i, y as s)",
            "SELECT 1 AS \"?column?\" FROM information_schema.tables WHERE array_has(current_schemas(false), table_schema)",
        ),
        (
            "select array_to_string(array(select 'x' || y from pg_catalog.unnest(c.reloptions) y), ',') from pg_class c",
            "SELECT array_to_string(CAST(NULL AS TEXT[]), ',') AS \"array_to_string\" FROM pg_catalog.pg_class c",
        ),
        (
            "select i.indkey, c2.relname as name, (x).n from pg_index i join pg_class c2 on true order by i.indkey",
            "SELECT NULL AS \"indkey\", NULL AS name, NULL AS \"?column?\" WHERE false",
        ),
        (
            "select relname from pg_class c where exists (select 1 from pg_trigger t where t.tgrelid = c.oid)",
            "SELECT relname FROM pg_catalog.pg_class c WHERE false",
        ),
        (
            "select relname from pg_class c where not exists (select from pg_inherits)",
            "SELECT relname FROM pg_catalog.pg_class c WHERE true",
        ),
        (
            "select (select pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d) x from pg_class",
            "SELECT NULL AS x FROM pg_catalog.pg_class",
        ),
        ("select count(*) from pg_index", "SELECT count(*) AS \"count\" FROM pg_catalog.pg_index"),
        (
            "select case when count(*) = 0 then 'none' end from pg_index",
            "SELECT CASE WHEN count(*) = 0 THEN 'none' END AS \"case\" FROM pg_catalog.pg_index",
        ),
        (
            "select 1 from pg_index having count(*) = 0",
            "SELECT 1 AS \"?column?\" FROM pg_catalog.pg_index HAVING count(*) = 0",
        ),
        (
            "select (select count(*) from pg_class) from pg_index",
            "SELECT NULL AS \"count\" WHERE false",
        ),
        (
            "select c.relname, i.indkey from pg_class c left join pg_index i on i.indrelid = c.oid",
            "SELECT c.relname, i.indkey FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid",
        ),
        (
            "select array(select conname from pg_constraint)",
            "SELECT CAST(NULL AS TEXT[]) AS \"array\"",
        ),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
}

#[test]
fn columns_are_named_as_postgres_does_and_none_has_the_name_of_another() {
    for (sql, expected) in [
        (
            "select 1, count(*), max(a), max(b), a, a from t",
            "SELECT 1 AS \"?column?\", count(*) AS \"count\", max(a) AS \"max\", max(b) AS \"max:#3\", a, a AS \"a:#5\" FROM t",
        ),
        ("select t.oid, t.*, 1 as x from t", "SELECT t.oid AS \"oid:#0\", t.*, 1 AS x FROM t"),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
    for (name, shown) in [("max:#3", "max"), ("max", "max"), ("a:#b", "a:#b"), ("a:b:#12", "a:b")] {
        assert_eq!(shown_name(name), shown);
    }
}

#[test]
fn tables_of_the_catalog_are_told_with_their_schemas() {
    let sql =
        "select 1 from pg_class, information_schema.tables, nexthink_device, generate_series(1, 2)";
    let catalog = rewrite(sql, &names()).expect("it is SQL").catalog;
    let told: Vec<_> = catalog.iter().map(|(schema, names)| (*schema, names.len())).collect();
    assert_eq!(told, [("information_schema", 1), ("pg_catalog", 1)]);
}

#[test]
fn parameters_are_told_also_when_their_part_of_the_query_has_no_rows() {
    let sql = "select $1 from pg_class where relname = any($2) and exists (select 1 from pg_index where indrelid = $3)";
    let rewritten = rewrite(sql, &names()).expect("it is SQL");
    let told = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(told(&rewritten.parameters), "1 2 3");
    assert_eq!(told(&rewritten.kept), "1 2");
    assert_eq!(told(&rewritten.lists), "2");
    let limited = rewrite("select name from nexthink_device limit $1 offset $2", &names());
    assert_eq!(told(&limited.expect("it is SQL").counts), "1 2");
}

#[test]
fn what_is_no_statement_is_refused_with_its_place() {
    for (sql, expected) in [
        ("selec 1", "the query is not valid: "),
        ("select 'open", "the query is not valid: "),
        ("select 1; select 2", "there is something after the end"),
    ] {
        let refused = rewrite(sql, &names()).expect_err(sql);
        assert_eq!(refused.state, "42601");
        assert!(refused.message.starts_with(expected), "{}", refused.message);
    }
}
