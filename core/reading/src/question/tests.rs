//! Questions to a few devices, and where their answers go.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::reader::Opening;
use crate::testing::Fixture;

/// A writer that a test can look into, and that may be closed.
#[derive(Clone, Default)]
struct Shared {
    written: Arc<Mutex<Vec<u8>>>,
    is_closed: bool,
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.written.lock().expect("no test panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        let written = self.written.lock().expect("no test panics with it").clone();
        String::from_utf8(written).expect("it is text")
    }

    fn csv(&self) -> AnswerTarget<'static> {
        let printed = Printed { writer: Box::new(self.clone()), columns: None };
        AnswerTarget { file: None, format: Some(Format::Csv), printed }
    }
}

async fn session(reader: &Reader<'_>) -> QuerySession {
    let opened = reader.open(Opening::default()).await.map_err(|failure| failure.error);
    opened.expect("there is a generation").1
}

/// The rows of an answer as CSV, or why there are none.
async fn answer(
    reader: &Reader<'_>,
    text: &str,
    is_j1ql: Option<bool>,
    parameters: &[(&str, &str)],
) -> Result<Vec<String>, String> {
    let said = |failure: Failure| format!("{:#}", failure.error);
    let session = session(reader).await;
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let question = Question::read(reader, &session, text, is_j1ql, parameters.collect());
    let result = question.and_then(|question| question.ask(reader, &session)).map_err(said)?;
    let shared = Shared::default();
    write_answer(reader, result, shared.csv(), &Progress::default()).await.map_err(said)?;
    Ok(shared.text().lines().skip(1).map(str::to_owned).collect())
}

#[tokio::test]
async fn the_first_words_tell_the_language_unless_it_is_named() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let j1ql = "FIND nexthink_device AS d RETURN d._key ORDER BY d._key";
    let sql = "select _key from nexthink_device order by 1";
    let keys = ["d1", "d2", "d3"].map(str::to_owned).to_vec();
    for (text, language, is_understood) in [
        (j1ql, None, true),
        (j1ql, Some(true), true),
        (j1ql, Some(false), false),
        (sql, None, true),
        (sql, Some(false), true),
        (sql, Some(true), false),
    ] {
        let answer = answer(&reader, text, language, &[]).await;
        assert_eq!(answer.clone().ok(), is_understood.then(|| keys.clone()), "{text} {answer:?}");
    }
}

#[tokio::test]
async fn values_of_parameters_reach_sql_and_sql_that_is_wrong_shows_its_place() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let text = "select _key from nexthink_device where name = $name order by 1";
    let rows = answer(&reader, text, None, &[("name", "LAP-2")]).await;
    assert_eq!(rows, Ok(vec!["d2".to_owned(), "d3".to_owned()]));
    let wrong =
        answer(&reader, "select _key\nfrom nexthink_device where nam = 'x'", None, &[]).await;
    let wrong = wrong.expect_err("there is no such column");
    assert!(wrong.contains("nam") && wrong.contains("name"), "{wrong}");
}

#[tokio::test]
async fn the_sql_of_each_question_can_be_shown() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let session = session(&reader).await;
    let sql = |question: Question<'_>| {
        let sql = question.sql(&reader, &session);
        sql.map_err(|failure| failure.error).expect("it is understood")
    };
    let text = "select 1";
    assert_eq!(sql(Question::Sql(text, BTreeMap::new())), text);
    let j1ql = Question::read(&reader, &session, "FIND nexthink_device", None, BTreeMap::new());
    let j1ql = sql(j1ql.map_err(|failure| failure.error).expect("it is understood"));
    assert!(j1ql.to_lowercase().contains("select") && j1ql.contains("nexthink_device"), "{j1ql}");
}

#[tokio::test]
async fn a_saved_question_is_asked_with_the_values_that_are_given() {
    let fixture = Fixture::estate();
    let own = fixture.folder.path().join("own");
    fs::create_dir_all(own.join("questions")).expect("it is ours");
    let text = "[[question]]\nid = 'named'\ntitle = 'Which?'\nlanguage = 'sql'\n\
        query = \"select _key from nexthink_device where name = $name order by 1\"\n\
        [[question.parameters]]\nname = 'name'\ntype = 'text'\n";
    fs::write(own.join("questions/own.toml"), text).expect("it is ours");
    let reader = fixture.reader(Some(&own));
    let questions = reader.questions().map_err(|failure| failure.error).expect("they are valid");
    let saved = questions.find("named").expect("it is there");
    let session = session(&reader).await;
    let shared = Shared::default();
    let given = BTreeMap::from([("name".to_owned(), "LAP-1".to_owned())]);
    let asked = Question::Saved(saved, &given).ask(&reader, &session);
    let result = asked.map_err(|failure| failure.error).expect("it is understood");
    let written = write_answer(&reader, result, shared.csv(), &Progress::default()).await;
    assert!(written.is_ok());
    assert_eq!(shared.text().lines().collect::<Vec<_>>(), ["_key", "d1"]);
    let none = BTreeMap::new();
    let failed = Question::Saved(saved, &none).ask(&reader, &session).map(drop);
    let text = failed.expect_err("it needs a value").error.to_string();
    assert!(text.contains("--param \"name=VALUE\""), "{text}");
}

#[tokio::test]
async fn a_time_since_which_history_is_asked_needs_a_question_about_history() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let last = crate::testing::ESTATE.parse().expect("it is an ID");
    let added = async |sql: &str, since| {
        let mut session = session(&reader).await;
        let question = Question::Sql(sql, BTreeMap::new());
        let added = question.add_history(&reader, &mut session, Some(&last), since).await;
        added.map_err(|failure| failure.error.to_string())
    };
    let now = "select _key from nexthink_device";
    let past = "select _key from nexthink_device_history";
    assert_eq!(added(now, None).await, Ok(()));
    assert_eq!(added(past, Some("7d")).await, Ok(()));
    let refused = added(now, Some("7d")).await.expect_err("it asks for no history");
    assert!(refused.starts_with("--since is for tables of history, such as "), "{refused}");
}

#[tokio::test]
async fn no_time_cuts_the_history_that_created_on_is_made_of() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let last = crate::testing::ESTATE.parse().expect("it is an ID");
    for text in ["FIND Device WITH _createdOn > date.now - 7 days", "FIND Device"] {
        let mut session = session(&reader).await;
        let question = Question::read(&reader, &session, text, None, BTreeMap::new());
        let question = question.map_err(|failure| failure.error).expect("it is understood");
        let mut added = async |since| {
            let added = question.add_history(&reader, &mut session, Some(&last), since).await;
            added.map_err(|failure| failure.error.to_string())
        };
        let refused = added(Some("7d")).await.expect_err("everything would seem new");
        assert!(refused.contains("WITH _createdOn > date.now - 7 days"), "{refused}");
        assert_eq!(added(None).await, Ok(()), "{text}");
    }
}

#[tokio::test]
async fn an_answer_goes_into_a_file_if_one_is_named_and_to_a_reader_who_may_go_away() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let ask = async |target: AnswerTarget<'_>| {
        let session = session(&reader).await;
        let question = Question::Sql("select 'a' as letter from nexthink_package", BTreeMap::new());
        let asked = question.ask(&reader, &session);
        let result = asked.map_err(|failure| failure.error).expect("it is understood");
        let progress = Progress::default();
        let written = write_answer(&reader, result, target, &progress).await;
        (written.map_err(|failure| failure.error.to_string()), progress.is_printed.get())
    };
    let (printed, file) = (Shared::default(), fixture.folder.path().join("answer.csv"));
    let target = AnswerTarget { file: Some(&file), ..printed.csv() };
    assert_eq!(ask(target).await, (Ok(()), true));
    assert_eq!(fs::read_to_string(&file).expect("it is written").lines().last(), Some("a"));
    assert_eq!(printed.text(), "");
    let gone = Shared { is_closed: true, ..Shared::default() };
    assert_eq!(ask(gone.csv()).await, (Ok(()), true));
    let target = AnswerTarget { file: Some(fixture.folder.path()), ..printed.csv() };
    assert!(ask(target).await.0.is_err(), "a folder is no file");
}
