//! The worker process: runs the queries of rules, and writes their rows.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use core_engine::{Failure, FailureKind};
use core_fleet::TenantSettings;
use core_query::{
    Environment, Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter,
    planning,
};
use core_reading::{Reader, of_query, possible_types};
use core_rules::library::KnownRule;
use core_rules::rule::{Language, Rule, RuleQuery};

use crate::answers::Line;
use crate::asked::AskedQuestions;
use crate::rule_files::load_rules;
use crate::worker::MEMORY_BYTES;
use crate::{mistakes, status_table};

/// The time limit for one rule.
const RULE_DEADLINE: Duration = Duration::from_mins(2);

/// Writes the rows of the rules with these IDs, enabled or not. `schedule` is the tenant's, if it has one. It ends before
/// a rule for which there is no memory left; a new process can answer that one.
///
/// # Errors
///
/// The published generation cannot be read, or the rows cannot be written. A query that fails affects only its own
/// rule.
pub async fn answer_rules(
    reader: &Reader<'_>,
    schedule: Option<&TenantSettings>,
    ids: &[String],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut session = session(reader, schedule).await?;
    let library = load_rules(reader.folder);
    let is_asked = |known: &&KnownRule| ids.contains(&known.rule.id);
    let rules: Vec<&Rule> =
        library.rules.iter().filter(is_asked).map(|known| &known.rule).collect();
    let queries: Vec<&RuleQuery> = rules.iter().map(|rule| &rule.query).collect();
    let questions = AskedQuestions::load(reader.folder);
    // Without history, only the rules that read it fail; they say that the table is missing.
    let _ = questions.add_history(reader, &mut session, &queries).await;
    let now_ms = reader.host.now_ms();
    for rule in rules {
        // If the query ends the process, the parent knows which one it was.
        let line = Line::Start { rule: rule.id.clone() };
        line.write(out).and_then(|()| out.flush()).map_err(anyhow::Error::new)?;
        let answering = async {
            // Without the user's files, only the rules that read them fail.
            let added = reader.add_named(&mut session, rule.query.text()).await;
            added.map_err(|failure| format!("{:#}", failure.error))?;
            let (mut result, missing) = start_query(&session, &questions, rule, now_ms)?;
            write_rows(&mut result, missing, rule, out).await
        };
        let answered = match tokio::time::timeout(RULE_DEADLINE, answering).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("its query took longer than {} s", RULE_DEADLINE.as_secs())),
        };
        let line = match answered {
            Ok(()) => Line::End { rule: rule.id.clone() },
            Err(reason) => Line::Failed { rule: rule.id.clone(), reason },
        };
        line.write(out).map_err(anyhow::Error::new)?;
        if !planning::has_room() {
            break;
        }
    }
    out.flush().map_err(anyhow::Error::new)?;
    Ok(())
}

/// A session on the published generation, the events and the facts about the program's own work.
async fn session(
    reader: &Reader<'_>,
    schedule: Option<&TenantSettings>,
) -> Result<QuerySession, Failure> {
    let settings = QuerySettings { memory_limit_bytes: MEMORY_BYTES };
    let session = match reader.tenant.current()? {
        Some(generation) => QuerySession::open(&generation, settings).await,
        None => QuerySession::empty(settings),
    };
    let failed = |error| of_query(error, FailureKind::Internal);
    let mut session = session.map_err(failed)?.with_possible(possible_types());
    reader.add_events(&mut session).await?;
    session.add_table(status_table::table(reader, schedule)).map_err(failed)?;
    Ok(session)
}

/// Writes the rows of a rule, without its end. `missing` are the properties that the generation does not have yet.
async fn write_rows(
    result: &mut QueryResult,
    missing: Vec<String>,
    rule: &Rule,
    out: &mut impl Write,
) -> Result<(), String> {
    let said = |error: QueryError| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let schema = result.schema();
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let line = Line::Rows {
        rule: rule.id.clone(),
        columns,
        reads: result.tables().to_vec(),
        partial: [result.partial_tables(), &missing].concat(),
    };
    line.write(out).map_err(|error| error.to_string())?;
    let writer = ResultWriter::new(Format::Ndjson, &schema, &mut *out);
    let mut writer = writer.map_err(said)?;
    while let Some(batch) = result.next().await.map_err(said)? {
        writer.write(&batch).map_err(said)?;
    }
    writer.finish().map_err(said)?;
    Ok(())
}

/// Starts the query of a rule. Returns the properties too that the generation does not have yet.
fn start_query(
    session: &QuerySession,
    questions: &AskedQuestions,
    rule: &Rule,
    now_ms: i64,
) -> Result<(QueryResult, Vec<String>), String> {
    // For a table that a step would make, the error names the missing setting.
    let said = |error: QueryError| format!("{:#}", of_query(error, FailureKind::Internal).error);
    match &rule.query {
        RuleQuery::Text { language: Language::Sql, text } => {
            Ok((session.sql(text).map_err(said)?, Vec::new()))
        }
        RuleQuery::Text { language: Language::J1ql, text } => {
            let parameters = BTreeMap::new();
            let environment = Environment { now_ms, parameters: &parameters };
            let compiled = session.compile_j1ql(text, environment);
            let compiled = compiled.map_err(|error| error.render(text))?;
            let missing = mistakes::check(session, &compiled, text)?;
            Ok((session.j1ql(&compiled).map_err(said)?, missing))
        }
        RuleQuery::Question { name, parameters, .. } => {
            questions.ask(session, name, parameters, now_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use core_store::Outcome;

    use super::*;
    use crate::testing::{Scene, keys, rule_text};

    /// Returns the lines that are written for rules.
    async fn written(scene: &Scene, ids: &[&str]) -> Vec<String> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut out = Vec::new();
        let answered = answer_rules(&scene.reader(), None, &ids, &mut out).await;
        answered.map_err(|failure| failure.error).expect("it can be read");
        String::from_utf8(out).expect("it is text").lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn rows_are_between_the_columns_of_their_rule_and_its_end() {
        let scene = Scene::new("");
        scene.publish(Outcome::Complete);
        scene.add_rule("fan", &keys(&["a", "b"]));
        let lines = written(&scene, &["fan"]).await;
        let start = r#"#{"start":{"rule":"fan"}}"#;
        let columns = r#"#{"rows":{"rule":"fan","columns":["_key"],"reads":[],"partial":[]}}"#;
        let end = r#"#{"end":{"rule":"fan"}}"#;
        assert_eq!(lines, [start, columns, r#"{"_key":"a"}"#, r#"{"_key":"b"}"#, end]);
    }

    #[tokio::test]
    async fn a_query_that_fails_ends_its_own_rule_only() {
        let scene = Scene::new("");
        for (id, query) in [("disk", "select nothing from nowhere"), ("fan", &keys(&["a"]))] {
            scene.add_rule(id, query);
        }
        scene.write("rules/noise.toml", &rule_text("noise", "FIND nothing RETURN"));
        let lines = written(&scene, &["disk", "fan"]).await;
        assert!(lines[1].starts_with(r#"#{"failed":{"rule":"disk","reason":""#), "{lines:?}");
        assert!(lines[1].contains("nowhere"), "{lines:?}");
        assert_eq!(lines[5..], [r#"#{"end":{"rule":"fan"}}"#]);
    }

    #[tokio::test]
    async fn rules_in_j1ql_and_saved_questions_are_asked_of_the_same_tables() {
        let scene = Scene::new("");
        scene.publish(Outcome::Complete);
        let j1ql =
            "FIND program_status AS s WHERE s.check = 'last-complete-run' RETURN s._key AS _key";
        scene.write("rules/fan.toml", &(rule_text("fan", j1ql) + "language = 'j1ql'\n"));
        scene.write(
            "questions/own.toml",
            "[[question]]\nid = 'checks'\ntitle = 'Which checks?'\nlanguage = 'sql'\n\
             query = \"select _key from program_status where check = 'last-complete-run'\"\n",
        );
        let asks = rule_text("disk", "").replace("query = ''''''", "question = 'checks'");
        scene.write("rules/disk.toml", &asks);
        let lines = written(&scene, &["fan", "disk"]).await;
        let row = r#"{"_key":"last-complete-run|run"}"#;
        let rows: Vec<_> = lines.iter().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows, [row, row], "{lines:?}");
        assert!(lines[1].contains(r#""reads":["program_status"]"#), "{lines:?}");
    }

    #[tokio::test]
    async fn a_rule_or_question_with_a_misspelt_property_fails_and_says_what_was_meant() {
        let scene = Scene::new("");
        scene.publish(Outcome::Complete);
        let j1ql = "FIND program_status WITH chek = 'a' AS s RETURN s._key AS _key";
        scene.write("rules/fan.toml", &(rule_text("fan", j1ql) + "language = 'j1ql'\n"));
        let question = "[[question]]\nid = 'own'\ntitle = 'Which?'\nlanguage = 'j1ql'\n";
        scene.write("questions/own.toml", &format!("{question}query = \"{j1ql}\"\n"));
        let asks = rule_text("disk", "").replace("query = ''''''", "question = 'own'");
        scene.write("rules/disk.toml", &asks);
        let lines = written(&scene, &["fan", "disk"]).await;
        for (line, rule) in [(1, "disk"), (3, "fan")] {
            let failed = format!(r#"#{{"failed":{{"rule":"{rule}","reason":""#);
            assert!(lines[line].starts_with(&failed), "{lines:?}");
            assert!(lines[line].contains("did you mean check?"), "{lines:?}");
        }
    }

    #[tokio::test]
    async fn a_rule_that_is_off_is_asked_and_one_that_is_not_there_is_left_out() {
        let scene = Scene::new("");
        scene.add_rule("fan", &keys(&["a"]));
        scene.write("rules/switches.toml", "off = ['fan']\n");
        assert_eq!(written(&scene, &["fan"]).await.len(), 4);
        assert_eq!(written(&scene, &["disk"]).await, [""; 0]);
    }
}
