//! Values and comparisons that Postgres has in another way than the engine.

use std::time::{Duration, SystemTime};

use super::{Server, scene, told};

#[test]
fn times_with_and_without_a_zone_are_those_of_postgres() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let texts = |sql: &str| server.texts(&client, sql).map_err(|error| told(&error));
    for (sql, expected) in [
        ("'2026-11-09 23:30:00+02'::timestamptz", "2026-11-09 21:30:00+00"),
        ("timestamptz '2026-11-09 23:30:00+02'", "2026-11-09 21:30:00+00"),
        ("cast('2026-11-09 23:30:00+02' as timestamp with time zone)", "2026-11-09 21:30:00+00"),
        ("to_timestamp(0)", "1970-01-01 00:00:00+00"),
        ("timestamp '2026-11-09 23:30:00' at time zone 'Europe/Zurich'", "2026-11-09 22:30:00+00"),
        (
            "timestamptz '2026-11-09 23:30:00+00' at time zone 'Europe/Zurich'",
            "2026-11-10 00:30:00",
        ),
        ("timezone('Europe/Zurich', timestamptz '2026-11-09 23:30:00+00')", "2026-11-10 00:30:00"),
        (
            "date_trunc('day', timestamptz '2026-11-30 23:30:00+00' at time zone 'Europe/Zurich')",
            "2026-12-01 00:00:00",
        ),
        ("(timestamptz '2026-11-30 23:30:00+00' at time zone 'Europe/Zurich')::date", "2026-12-01"),
        (
            "to_char(timestamptz '2026-11-30 23:30:00+00' at time zone 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI')",
            "2026-12-01 08:30",
        ),
        (
            "timestamp '2026-11-09 23:30:00' at time zone 'Asia/Tokyo' at time zone 'Europe/Zurich'",
            "2026-11-09 15:30:00",
        ),
        ("now() > '2026-01-01'::timestamptz and now() - interval '1 day' < current_timestamp", "t"),
    ] {
        assert_eq!(texts(&format!("select {sql}")), Ok(vec![expected.to_owned()]), "{sql}");
    }
    let local = "select count(*) from nexthink_device where (\"lastSeenOn\" at time zone 'Asia/Tokyo')::timestamp \
                 = \"lastSeenOn\"::timestamp + interval '9 hours'";
    let seen = "select count(*) from nexthink_device where \"lastSeenOn\" is not null";
    assert_eq!(texts(local), texts(seen));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let sql = "select $1::timestamptz, now()";
    let rows = server.runtime.block_on(client.query(sql, &[&time]));
    let rows = rows.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(rows[0].get::<_, SystemTime>(0), time);
    assert!(rows[0].get::<_, SystemTime>(1) > time);
}

#[test]
fn numbers_and_patterns_are_those_of_postgres() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    for (sql, expected) in [
        ("16777217::float", "16777217"),
        ("16777217::float(25)", "16777217"),
        ("float '16777217'", "16777217"),
        ("'a!b' like 'a!!b' escape '!'", "t"),
        ("'a%b' like 'a!%b' escape '!' and not 'axb' like 'a!%b' escape '!'", "t"),
        ("'a\\b' like p escape '!' from (values ('a\\b')) v(p)", "t"),
        ("'a!%' like p escape '!' from (values ('a!!!%')) v(p)", "t"),
        ("'a!x' like p escape '!' from (values ('a!!!%')) v(p)", "f"),
    ] {
        let answer = server.texts(&client, &format!("select {sql}"));
        assert_eq!(answer.map_err(|error| told(&error)), Ok(vec![expected.to_owned()]), "{sql}");
    }
}
