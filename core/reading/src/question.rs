//! A query in SQL or J1QL, or a saved question: from its text to the rows of its answer.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use core_engine::{Failure, FailureKind};
use core_query::{
    Compiled, Format, ParameterValue, QueryError, QueryResult, QuerySession, questions,
};
use core_store::GenerationId;

use crate::answer_file::{AnswerFile, Printed};
use crate::failure::{of_query, of_question};
use crate::progress::Progress;
use crate::reader::Reader;

/// A question to a session.
pub enum Question<'a> {
    /// SQL as a user or this program wrote it, and the values of its parameters.
    Sql(&'a str, BTreeMap<String, ParameterValue>),
    /// A translated J1QL query.
    J1ql(Compiled),
    /// A saved question, and the values that are given for its parameters.
    Saved(&'a questions::Question, &'a BTreeMap<String, String>),
}

impl<'a> Question<'a> {
    /// Reads a query. Without a language, its first words tell which it is.
    ///
    /// # Errors
    ///
    /// It is J1QL and wrong, or has no parameter of a name that a value is given for.
    pub fn read(
        reader: &Reader<'_>,
        session: &QuerySession,
        text: &'a str,
        is_j1ql: Option<bool>,
        parameters: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        if is_j1ql.unwrap_or_else(|| core_query::is_j1ql(text)) {
            return Ok(Self::J1ql(reader.translate(session, text, &parameters)?));
        }
        let written = |(name, value)| (name, ParameterValue::Written(value));
        Ok(Self::Sql(text, parameters.into_iter().map(written).collect()))
    }

    /// Returns the SQL that it is.
    ///
    /// # Errors
    ///
    /// A saved question is not understood.
    pub fn sql(&self, reader: &Reader<'_>, session: &QuerySession) -> Result<String, Failure> {
        match self {
            Self::Sql(sql, _) => Ok((*sql).to_owned()),
            Self::J1ql(compiled) => Ok(compiled.sql.clone()),
            Self::Saved(question, given) => {
                session.question_sql(question, given, reader.host.now_ms()).map_err(of_question)
            }
        }
    }

    /// Adds the history that it reads: that of the generations up to `last`, made since a time if one is given.
    ///
    /// # Errors
    ///
    /// A time is given and no table of history is read, or a generation cannot be read.
    pub async fn add_history(
        &self,
        reader: &Reader<'_>,
        session: &mut QuerySession,
        last: Option<&GenerationId>,
        since: Option<&str>,
    ) -> Result<(), Failure> {
        // `_createdOn` needs the whole history: if it began later, every older object would seem new.
        if since.is_some() && matches!(self, Self::J1ql(_)) {
            return Err(Failure::configuration(
                "--since is for tables of history in SQL; in J1QL compare _createdOn: \
                 FIND Device WITH _createdOn > date.now - 7 days",
            ));
        }
        // What cannot be understood is explained when it is asked.
        let types = match self {
            Self::Sql(sql, _) => session.types_with_history(sql).unwrap_or_default(),
            Self::J1ql(compiled) => compiled.history.iter().cloned().collect(),
            Self::Saved(question, given) => {
                let types = session.question_history(question, given, reader.host.now_ms());
                types.unwrap_or_default()
            }
        };
        let has_history = reader.add_history(session, last, since, types).await?;
        if since.is_some() && !has_history {
            return Err(Failure::configuration(
                "--since is for tables of history, such as nexthink_device_history",
            ));
        }
        Ok(())
    }

    /// Asks it.
    ///
    /// # Errors
    ///
    /// It is not understood, or cannot be answered.
    pub fn ask(&self, reader: &Reader<'_>, session: &QuerySession) -> Result<QueryResult, Failure> {
        let refused = |error: QueryError| of_query(error, FailureKind::Configuration);
        match self {
            Self::Sql(sql, parameters) => session.sql_with(sql, parameters).map_err(|error| {
                error.render(sql).map_or_else(|| refused(error), Failure::configuration)
            }),
            Self::J1ql(compiled) => session.j1ql(compiled).map_err(refused),
            Self::Saved(question, given) => {
                let now_ms = reader.host.now_ms();
                if let Ok(Some(compiled)) = session.compiled_question(question, given, now_ms) {
                    reader.tell_warnings(&compiled, &question.query);
                }
                let result = session.ask(question, given, now_ms).map_err(of_question)?;
                reader.tell_left_out(&result);
                Ok(result)
            }
        }
    }
}

/// The place and form of an answer.
pub struct AnswerTarget<'a> {
    /// The file to write; none to print.
    pub file: Option<&'a Path>,
    /// The form of the rows; none for Parquet.
    pub format: Option<Format>,
    /// The place where it is printed.
    pub printed: Printed,
}

/// Writes an answer, and tells which of its tables are partial. A reader that goes away is no failure.
///
/// # Errors
///
/// The query fails while it is answered, or the answer cannot be written.
pub async fn write_answer(
    reader: &Reader<'_>,
    result: QueryResult,
    target: AnswerTarget<'_>,
    progress: &Progress,
) -> Result<(), Failure> {
    // The other formats say it themselves, and programs read them.
    let is_table = target.format == Some(Format::Table);
    match write(result, target, progress).await {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(of_query(error, FailureKind::Configuration)),
        Ok(Written { partial_tables, is_empty }) => {
            if is_empty && is_table {
                reader.remark("no rows");
            }
            if !partial_tables.is_empty() {
                reader.remark(&format!(
                    "the answer is made from partial tables, which may lack rows or hold older ones: {}",
                    partial_tables.join(", ")
                ));
            }
            Ok(())
        }
    }
}

/// An answer that has been written.
struct Written {
    /// The partial tables that it is made from.
    partial_tables: Vec<String>,
    /// True if it has no rows.
    is_empty: bool,
}

async fn write(
    mut result: QueryResult,
    target: AnswerTarget<'_>,
    progress: &Progress,
) -> Result<Written, QueryError> {
    // The first rows come before anything is printed: until then a failure can be mended by asking again.
    let mut batch = result.next().await?;
    progress.is_printed.set(true);
    let AnswerTarget { file, format, printed } = target;
    let mut answer = AnswerFile::open(file, format, &result.schema(), printed)?;
    let mut is_empty = true;
    while let Some(rows) = batch {
        is_empty &= rows.num_rows() == 0;
        answer.write(&rows)?;
        batch = result.next().await?;
    }
    answer.finish()?;
    Ok(Written { partial_tables: result.partial_tables().to_vec(), is_empty })
}
