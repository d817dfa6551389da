//! The shipped questions: each finds the rows that are planted for it and none of the near misses.

mod cases;
mod mutants;
mod planted;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use core_j1ql::Environment;
use core_j1ql::syntax::{Item, Returns};
use core_query::questions::{Language, Question, QuestionError, Questions};
use core_query::{Format, QueryError, QueryResult, ResultWriter};

use self::cases::{CASES, MORE_CASES};
use self::planted::{Planted, estate};
use crate::j1ql::estate::cells;
use crate::j1ql::rewrite::fill;
use crate::j1ql::twin;
use crate::support::{Checked, Place};

/// The answer to a shipped question, each row as the values of some columns, in order.
async fn answer(
    planted: &Planted,
    id: &str,
    given_text: &str,
    columns: &str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let questions = Questions::shipped()?;
    let question = questions.find(id)?;
    let given = given(question, given_text);
    if let (Some(recorder), Language::J1ql) = (&planted.recorder, question.language) {
        let environment = Environment { now_ms: planted.now_ms, parameters: &given };
        let compiled = planted.session.compile_j1ql(&question.query, environment)?;
        let rows = cells(&planted.session, &compiled).await?;
        recorder.add(&question.query, &compiled.sql, &rows[1..])?;
    }
    rows_of(planted.session.ask(question, &given, planted.now_ms)?, columns).await
}

/// Reads `name=value;name=value`. A name that the question writes in another way is given in its own.
fn given(question: &Question, pairs: &str) -> BTreeMap<String, String> {
    let plain = |name: &str| name.replace([' ', '-'], "_");
    let pairs = pairs.split(';').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| {
        let known = question.parameters.iter().find(|known| plain(&known.name) == plain(name));
        (known.map_or(name, |known| &known.name).to_owned(), value.to_owned())
    });
    pairs.collect()
}

async fn rows_of(mut result: QueryResult, columns: &str) -> Result<Vec<String>, Box<dyn Error>> {
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
        let cells = places.iter().map(|place| record.get(*place).unwrap_or_default());
        rows.push(cells.collect::<Vec<_>>().join(" ").trim().to_owned());
    }
    rows.sort();
    Ok(rows)
}

/// The answer of the plain evaluator to a question in J1QL.
fn twin_answer(
    planted: &Planted,
    question: &Question,
    given_text: &str,
    columns: &str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let (mut query, _) = core_j1ql::parse(&question.query)?;
    fill(&mut query, planted.now_ms, &given(question, given_text));
    let rows = twin::answer(&planted.graph, &query);
    let mut shown = Vec::new();
    for row in rows {
        let cells: Result<Vec<String>, String> = columns
            .split(' ')
            .map(|column| match &query.returns {
                Some(Returns::Items(items)) => {
                    let is_it = |item: &Item| item.alias.as_deref() == Some(column);
                    let place = items.iter().position(is_it).ok_or("no such column")?;
                    Ok(row[place].clone())
                }
                _ => Ok(planted.graph.text_of(&row[0], column)),
            })
            .collect();
        shown.push(cells?.join(" ").trim().to_owned());
    }
    shown.sort();
    Ok(shown)
}

#[tokio::test]
async fn every_shipped_question_finds_what_is_planted_and_no_near_miss() -> Checked {
    let place = Place::new()?;
    let planted = estate(&place).await?;
    let questions = Questions::shipped()?;
    let mut failures = Vec::new();
    let (mut found_rows, mut by_twin) = (BTreeSet::new(), 0);
    for (id, given, columns, expected) in CASES.iter().chain(&MORE_CASES) {
        let found = answer(&planted, id, given, columns).await;
        let found = found.map_err(|error| format!("{id}: {error}"))?;
        let mut expected: Vec<String> = expected.iter().map(|row| row.trim().to_owned()).collect();
        expected.sort();
        if !expected.is_empty() {
            found_rows.insert(*id);
        }
        if found != expected {
            failures.push(format!("{id} {given}: {found:?} instead of {expected:?}"));
        }
        let question = questions.find(id)?;
        if question.language == Language::J1ql {
            by_twin += 1;
            let twin = twin_answer(&planted, question, given, columns)?;
            if twin != expected {
                failures.push(format!("{id} {given}: the twin finds {twin:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let shipped: BTreeSet<&str> = questions.list().map(|question| question.id.as_str()).collect();
    // A question without a planted row is not tested at all.
    assert_eq!(found_rows, shipped);
    assert!(shipped.len() >= 30 && by_twin >= 15, "{} {by_twin}", shipped.len());
    Ok(())
}

#[tokio::test]
async fn values_of_parameters_have_the_form_that_the_question_declares() -> Checked {
    let place = Place::new()?;
    let planted = estate(&place).await?;
    for (id, given, expected) in [
        ("silent-devices", "days=soon", "the parameter days has to be a whole number from 0"),
        ("silent-devices", "days=-5", "the parameter days has to be a whole number from 0"),
        ("software-by-devices", "count=0", "the parameter count has to be a whole number from 1"),
        (
            "devices-in-network",
            "network=abc",
            "the parameter network has to be an address or network such as 10.0.0.0/8",
        ),
        (
            "devices-in-network",
            "network=10.0.0.0/99",
            "the parameter network has to be an address or network such as 10.0.0.0/8",
        ),
        (
            "unsupported-os-builds",
            "build=abc",
            "the parameter build has to be a version such as 10.0.22631",
        ),
    ] {
        let error = answer(&planted, id, given, "deviceName").await.err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected), "{given}");
    }
    Ok(())
}

#[tokio::test]
async fn parameters_are_checked_and_stay_values() -> Checked {
    let place = Place::new()?;
    let planted = estate(&place).await?;
    let session = &planted.session;
    let error = async |id: &str, given: &str| {
        answer(&planted, id, given, "deviceName").await.err().map(|error| error.to_string())
    };
    let table = [
        (
            "silent-devices",
            "day=3",
            "the question silent-devices has no parameter day; its parameters are days",
        ),
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
    let found =
        answer(&planted, "package-below-version", "package=x' or '1'='1;version=2", "deviceName");
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
fn the_file_of_a_shipped_question_is_a_question_of_the_user() -> Checked {
    let folder = tempfile::tempdir()?;
    for question in Questions::shipped()?.list() {
        let file = question.file()?;
        std::fs::write(folder.path().join("mine.toml"), &file)?;
        let read = Questions::load(folder.path())?;
        let expected = Question { is_shipped: false, ..question.clone() };
        assert_eq!(read.find(&question.id)?, &expected, "{file}");
    }
    Ok(())
}

#[test]
fn questions_of_the_user_come_first_and_faults_are_named() -> Checked {
    let folder = tempfile::tempdir()?;
    let mine = "[[question]]\nid = \"silent-devices\"\ntitle = \"Mine\"\nlanguage = \"sql\"\nquery = \"select 1\"\n";
    std::fs::write(folder.path().join("mine.toml"), mine)?;
    std::fs::write(folder.path().join("notes.txt"), "not read")?;
    std::fs::write(folder.path().join("empty.toml"), "")?;
    let questions = Questions::load(folder.path())?;
    assert_eq!(questions.find("silent-devices")?.title, "Mine");
    assert!(questions.find("noisy-monitors")?.is_shipped);
    let software = questions.grouped(Some("software"))?;
    assert!(software.len() < questions.grouped(None)?.len());
    assert!(software.iter().all(|question| question.tags.contains(&"software".to_owned())));
    let error = questions.grouped(Some("sofware")).expect_err("no question has it").to_string();
    assert!(error.contains("no question with the tag sofware: the tags are"), "{error}");
    assert_eq!(
        Questions::load(&folder.path().join("none"))?.list().count(),
        Questions::shipped()?.list().count()
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
        (
            &*format!(
                "{mine}[[question.parameters]]\nname = \"n\"\ntype = \"text\"\nminimum = 1\n"
            ),
            "n has a minimum and is no integer",
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
