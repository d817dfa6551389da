//! The shipped questions: each finds the rows that are planted for it and none of the near misses.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use core_query::questions::{QuestionError, Questions};
use core_query::{Format, QueryError, QuerySession, QuerySettings, ResultWriter};
use core_store::{Generation, TableDeclaration, TableKind};

use crate::support::{Checked, Place, entity, rows, text};

type TableToWrite = (TableDeclaration, RecordBatch, bool);

const DAY_MS: i64 = 86_400_000;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// A column of texts; `-` is no value.
fn words(values: &str) -> ArrayRef {
    let values = values.split('|').map(|value| (value != "-").then_some(value));
    text(&values.collect::<Vec<_>>())
}

/// Times that many days before now, and an hour.
fn days_ago(now_ms: i64, days: &[Option<i64>]) -> ArrayRef {
    let times = days.iter().map(|days| days.map(|days| now_ms - days * DAY_MS - DAY_MS / 24));
    Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

fn addresses(values: &[Option<&str>]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        match value {
            Some(address) => builder.append_value([Some(*address)]),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn edges(name: &str, class: &str, from: &str, to: &str, ends: &[(&str, &str)]) -> TableToWrite {
    let end = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let rows = batch(vec![
        ("_fromEntityKey", end(ends.iter().map(|end| end.0).collect())),
        ("_toEntityKey", end(ends.iter().map(|end| end.1).collect())),
    ]);
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        ends: Some((from.to_owned(), to.to_owned())),
        schema: rows.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, rows, false)
}

fn devices(now_ms: i64) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("d1|d2|d3|d4")),
        ("displayName", words("DEV-1|DEV-2|DEV-3|DEV-4")),
        ("osType", words("windows|windows|macos|windows")),
        ("osName", words("Windows 11|Windows 10|macOS 15|Windows 11")),
        ("osVersion", words("10.0.22631.10|10.0.19045.1|15.1|unknown")),
        ("osDetails", words("W11|W10|M15|W11")),
        ("serial", words("S1|S2|S1|-")),
        ("entity", words("Zurich|Geneva|Zurich|-")),
        ("category", words("laptop|laptop|laptop|server")),
        ("hardwareType", words("laptop|laptop|laptop|server")),
        ("make", words("HP|HP|Apple|HP")),
        ("model", words("A|A|M|S")),
        ("licenseType", words("standard|standard|standard|server")),
        (
            "ipv4Addresses",
            addresses(&[Some("10.1.2.3"), Some("192.168.1.1"), None, Some("11.0.0.1")]),
        ),
        // The second is silent, and new, for a day less than asked for.
        ("lastSeenOn", days_ago(now_ms, &[Some(1), Some(29), Some(40), None])),
        ("createdOn", days_ago(now_ms, &[Some(400), Some(8), Some(3), None])),
    ]);
    entity("nexthink_device", &["Device"], rows)
}

fn packages(keys: usize) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("p1|p2|p3|p4|p5")),
        ("name", words("Acme Agent|Acme Agent|TeamViewer|Editor|Agent Acme")),
        (
            "displayName",
            words("Acme Agent 2.0|Acme Agent 1.5|TeamViewer 15.0|Editor|Agent Acme 1.0"),
        ),
        ("version", words("2.0|1.5|15.0|latest|1.0")),
        ("publisher", words("Acme|Acme|TeamViewer|Foo|Other")),
    ]);
    entity("nexthink_package", &["Application"], rows.slice(0, keys))
}

fn users(now_ms: i64) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("u1|u2|u3")),
        ("displayName", words("anna|ben|cleo")),
        ("userType", words("domain|domain|local")),
        ("department", words("IT|IT|-")),
        ("lastSeenOn", days_ago(now_ms, &[Some(2), Some(89), Some(100)])),
    ]);
    entity("nexthink_user", &["User"], rows)
}

fn alerts(now_ms: i64) -> TableToWrite {
    let open = BooleanArray::from(vec![true, true, false, true]);
    let rows = batch(vec![
        ("_key", words("a1|a2|a3|a4")),
        ("displayName", words("M1|M1|M2|M2")),
        ("monitorName", words("M1|M1|M2|M3")),
        ("monitorOrigin", words("custom|custom|library|library")),
        ("severity", words("critical|low|critical|critical")),
        ("open", Arc::new(open)),
        ("createdOn", days_ago(now_ms, &[Some(8), Some(6), Some(20), Some(1)])),
    ]);
    entity("nexthink_alert", &["Alert", "Finding"], rows)
}

fn account() -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("acme")),
        ("displayName", words("Acme")),
        ("region", words("eu")),
    ]);
    entity("nexthink_account", &["Account"], rows)
}

/// Whose rows the questions are asked of, and a generation from before.
async fn estate(place: &Place) -> Result<(i64, QuerySession), Box<dyn Error>> {
    let empty = QuerySession::empty(QuerySettings::default())?;
    let now = rows(&empty, "select cast(to_unixtime(now()) as bigint) * 1000").await?;
    let now_ms: i64 = now[0].parse()?;
    let time = async |days: u32| {
        let sql = format!("select to_timestamp_seconds(now() - interval '{days} days')");
        let time = rows(&empty, &sql).await?.remove(0);
        Ok::<_, Box<dyn Error>>(format!("{}Z", time.trim_end_matches('Z')))
    };
    let before = vec![packages(3)];
    let before = place.publish_as("01JN7Z1M80000000000000000A", &time(10).await?, before)?;
    let device = "nexthink_device";
    let (package, user, alert) = ("nexthink_package", "nexthink_user", "nexthink_alert");
    let installed =
        [("d1", "p1"), ("d1", "p3"), ("d2", "p2"), ("d2", "p4"), ("d3", "p4"), ("d3", "p5")];
    let tables = vec![
        account(),
        devices(now_ms),
        packages(5),
        users(now_ms),
        alerts(now_ms),
        edges(
            "nexthink_account_has_device",
            "HAS",
            "nexthink_account",
            device,
            &[("acme", "d1"), ("acme", "d2"), ("acme", "d3"), ("acme", "d4")],
        ),
        edges(
            "nexthink_account_has_user",
            "HAS",
            "nexthink_account",
            user,
            &[("acme", "u1"), ("acme", "u2"), ("acme", "u3")],
        ),
        edges("nexthink_device_installed_package", "INSTALLED", device, package, &installed),
        edges(
            "nexthink_user_uses_device",
            "USES",
            user,
            device,
            &[("u1", "d1"), ("u1", "d2"), ("u2", "d2")],
        ),
        edges(
            "nexthink_device_has_alert",
            "HAS",
            device,
            alert,
            &[("d1", "a1"), ("d1", "a2"), ("d2", "a3")],
        ),
        edges("nexthink_user_has_alert", "HAS", user, alert, &[("u1", "a3"), ("u2", "a4")]),
    ];
    let now = place.publish_as("01JN7Z1M80000000000000000B", &time(0).await?, tables)?;
    let mut session = QuerySession::open(&now, QuerySettings::default()).await?;
    let generations: [Generation; 2] = [now, before];
    session.add_history(package, &generations).await?;
    Ok((now_ms, session))
}

/// The answer to a shipped question, each row as the values of some columns.
async fn answer(
    session: &QuerySession,
    now_ms: i64,
    id: &str,
    given: &str,
    columns: &str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let questions = Questions::shipped()?;
    let given = given.split(';').filter_map(|pair| pair.split_once('='));
    let given: BTreeMap<String, String> =
        given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut result = session.ask(questions.find(id)?, &given, now_ms)?;
    let schema = result.schema();
    let places: Vec<usize> =
        columns.split(' ').map(|name| schema.index_of(name)).collect::<Result<_, _>>()?;
    let mut writer = ResultWriter::new(Format::Csv, &schema, Vec::new())?;
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    let text = writer.finish()?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells: Vec<&str> =
            places.iter().map(|place| record.get(*place).unwrap_or_default()).collect();
        rows.push(cells.join(" "));
    }
    Ok(rows)
}

/// A question, what is given, the columns that are compared, and the rows in their order. Rows of a
/// question without an order are sorted.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const CASES: [Case; 37] = [
    ("account-overview-devices", "", "region accountName devices", &["eu Acme 4"]),
    ("account-overview-users", "", "region accountName users", &["eu Acme 3"]),
    ("devices-not-seen", "", "deviceName", &["DEV-3"]),
    ("new-devices", "", "deviceName", &["DEV-3"]),
    ("devices-without-user", "", "displayName", &["DEV-3", "DEV-4"]),
    ("devices-without-alert", "", "displayName", &["DEV-3", "DEV-4"]),
    ("os-versions", "", "osDetails devices", &["M15 1", "W10 1", "W11 1", "W11 1"]),
    ("devices-by-model", "", "model devices", &["A 2", "M 1", "S 1"]),
    ("devices-of-entity", "entity=Zur", "deviceName", &["DEV-1", "DEV-3"]),
    ("silent-devices", "", "deviceName days", &["DEV-3 40"]),
    ("silent-devices", "days=28", "deviceName days", &["DEV-3 40", "DEV-2 29"]),
    ("devices-missing-software", "software=acme agent", "deviceName", &["DEV-3", "DEV-4"]),
    ("unsupported-os-builds", "", "deviceName unknown", &["DEV-2 false", "DEV-4 true"]),
    ("devices-in-network", "", "deviceName", &["DEV-1"]),
    ("shared-serials", "", "serial devices", &["S1 2"]),
    ("devices-by-last-seen", "", "devices", &["1", "1"]),
    ("software-versions", "software_name=Acme", "version devices", &["1.0 1", "1.5 1", "2.0 1"]),
    (
        "devices-with-package",
        "package name=Acme Agent",
        "deviceName version",
        &["DEV-1 2.0", "DEV-2 1.5"],
    ),
    (
        "packages-by-publisher",
        "",
        "publisher packages",
        &["Acme 2", "Foo 1", "Other 1", "TeamViewer 1"],
    ),
    ("unwanted-publisher", "publisher=Team", "deviceName packageName", &["DEV-1 TeamViewer"]),
    (
        "vulnerable-version",
        "package-name=Acme Agent;version-begins-with=1.",
        "deviceName version",
        &["DEV-2 1.5"],
    ),
    ("remote-control-software", "", "deviceName packageName", &["DEV-1 TeamViewer"]),
    (
        "package-below-version",
        "package=Acme Agent;version=2",
        "deviceName version unknown",
        &["DEV-2 1.5 false"],
    ),
    (
        "package-below-version",
        "package=Editor;version=2",
        "deviceName version unknown",
        &["DEV-2 latest true", "DEV-3 latest true"],
    ),
    ("new-software", "", "packageName devices", &["Editor 2", "Agent Acme 1.0 1"]),
    ("new-software", "days=11", "packageName devices", &[]),
    (
        "software-by-devices",
        "count=2",
        "packageName devices versions",
        &["Acme Agent 2 2", "Editor 2 1"],
    ),
    (
        "publishers-by-devices",
        "",
        "publisher devices",
        &["Acme 2", "Foo 2", "Other 1", "TeamViewer 1"],
    ),
    (
        "rare-software",
        "",
        "packageName devices",
        &["Acme Agent 1.5 1", "Acme Agent 2.0 1", "Agent Acme 1.0 1", "TeamViewer 15.0 1"],
    ),
    ("critical-alerts-by-device", "", "deviceName alerts", &["DEV-1 1"]),
    ("critical-alerts-by-user", "", "userName alerts", &["ben 1"]),
    (
        "alerts-by-monitor",
        "",
        "monitorName severity alerts",
        &["M1 critical 1", "M1 low 1", "M3 critical 1"],
    ),
    ("long-open-alerts", "", "monitorName deviceName", &["M1 DEV-1"]),
    ("noisy-monitors", "", "monitorName alerts open", &["M1 2 2"]),
    ("open-critical-alerts", "", "alerts", &["2"]),
    ("users-by-department", "", "department users", &["  1", "IT 2"]),
    ("users-without-alert", "", "displayName", &["cleo"]),
];

const MORE_CASES: [Case; 3] = [
    ("users-not-seen", "", "userName", &["cleo"]),
    ("users-with-several-devices", "", "userName devices", &["anna 2"]),
    ("devices-with-several-users", "", "deviceName users", &["DEV-2 2"]),
];

#[tokio::test]
async fn every_shipped_question_finds_what_is_planted_and_no_near_miss() -> Checked {
    let place = Place::new()?;
    let (now_ms, session) = estate(&place).await?;
    let mut failures = Vec::new();
    for (id, given, columns, expected) in CASES.iter().chain(&MORE_CASES) {
        let found = answer(&session, now_ms, id, given, columns).await;
        let mut found = found.map_err(|error| format!("{id}: {error}"))?;
        let mut expected: Vec<String> = expected.iter().map(|row| row.trim().to_owned()).collect();
        for row in &mut found {
            *row = row.trim().to_owned();
        }
        found.sort();
        expected.sort();
        if found != expected {
            failures.push(format!("{id} {given}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let tried: BTreeSet<&str> = CASES.iter().chain(&MORE_CASES).map(|case| case.0).collect();
    let questions = Questions::shipped()?;
    let shipped: BTreeSet<&str> =
        questions.list(None).map(|question| question.id.as_str()).collect();
    assert_eq!(tried, shipped);
    assert!(shipped.len() >= 30, "{}", shipped.len());
    Ok(())
}

#[tokio::test]
async fn parameters_are_checked_and_stay_values() -> Checked {
    let place = Place::new()?;
    let (now_ms, session) = estate(&place).await?;
    let error = async |id: &str, given: &str| {
        answer(&session, now_ms, id, given, "deviceName").await.err().map(|error| error.to_string())
    };
    let table = [
        (
            "silent-devices",
            "day=3",
            "the question silent-devices has no parameter day; its parameters are days",
        ),
        ("silent-devices", "days=soon", "the parameter days has to be a whole number"),
        (
            "devices-missing-software",
            "",
            "the question devices-missing-software needs a value for software: --param \"software=VALUE\"",
        ),
        (
            "silent-device",
            "",
            "there is no question silent-device, did you mean silent-devices?; `ask` lists them",
        ),
        (
            "devices-not-seen",
            "days=3",
            "the question devices-not-seen has no parameter days: it takes none",
        ),
    ];
    for (id, given, expected) in table {
        assert_eq!(error(id, given).await.as_deref(), Some(expected));
    }
    let found = answer(
        &session,
        now_ms,
        "package-below-version",
        "package=x' or '1'='1;version=2",
        "deviceName",
    );
    assert_eq!(found.await?, Vec::<String>::new());

    let values =
        BTreeMap::from([("days".to_owned(), core_query::ParameterValue::Written("28".to_owned()))]);
    let sql = "select count(*) from nexthink_device where days_since(lastSeenOn) > $days";
    assert_eq!(session.sql_with(sql, &values)?.collect().await?.len(), 1);
    for (sql, values, expected) in [
        ("select $days", BTreeMap::new(), "the parameter days has no value"),
        (
            "select 1",
            values.clone(),
            "the query has no parameter days: write $days in SQL, or '{{days}}' in J1QL",
        ),
    ] {
        let error = session.sql_with(sql, &values).err().map(|error| error.to_string());
        assert!(error.as_deref().is_some_and(|error| error.starts_with(expected)), "{error:?}");
    }
    let soon = BTreeMap::from([(
        "days".to_owned(),
        core_query::ParameterValue::Written("soon".to_owned()),
    )]);
    let error = session.sql_with(sql, &soon).err();
    assert!(matches!(error, Some(QueryError::InvalidParameter { .. })), "{error:?}");
    Ok(())
}

#[test]
fn questions_of_the_user_come_first_and_faults_are_named() -> Checked {
    let folder = tempfile::tempdir()?;
    let mine = "[[question]]\nid = \"silent-devices\"\ntitle = \"Mine\"\nlanguage = \"sql\"\nquery = \"select 1\"\n";
    std::fs::write(folder.path().join("mine.toml"), mine)?;
    std::fs::write(folder.path().join("notes.txt"), "not read")?;
    let questions = Questions::load(folder.path())?;
    assert_eq!(questions.find("silent-devices")?.title, "Mine");
    assert!(questions.find("noisy-monitors")?.is_shipped);
    assert!(questions.tags().contains("software"));
    assert!(
        questions
            .list(Some("software"))
            .all(|question| question.tags.contains(&"software".to_owned()))
    );
    assert_eq!(
        Questions::load(&folder.path().join("none"))?.list(None).count(),
        Questions::shipped()?.list(None).count()
    );
    for (text, expected) in [
        ("[[question]]\nid = \"a\"\n", "missing field"),
        (&*mine.replace("Mine", " "), "question silent-devices: it needs a title"),
        (&*mine.replace("silent-devices", "a b"), "its id has to be letters"),
        (&*format!("{mine}\n{mine}"), "there are two questions silent-devices"),
        (&*mine.replace("title", "titel"), "unknown field"),
        (
            &*format!(
                "{mine}[[question.parameters]]\nname = \"n\"\ntype = \"integer\"\ndefault = \"x\"\n"
            ),
            "the default",
        ),
    ] {
        std::fs::write(folder.path().join("mine.toml"), text)?;
        let error = Questions::load(folder.path()).err();
        assert!(matches!(error, Some(QuestionError::Invalid { .. })), "{error:?}");
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected) && message.contains("mine.toml"), "{message}");
    }
    Ok(())
}
