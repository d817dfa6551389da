//! Saved questions without the columns that a session withholds.
//!
//! A question that shows a withheld column is answered without it and not refused: the column is removed from the
//! results and from the sort order, and the key of the entity takes its place, so that rows stay distinct. A question
//! that filters, groups or joins by such a column is refused, since its answer would be different or would reveal
//! withheld data.
//!
//! This module does not protect the data: withheld columns are in no plan, so a mistake here leads to an error and
//! never to an answer.

mod j1ql;
mod sql;

use std::collections::BTreeMap;

use core_j1ql::Compiled;

use crate::error::QueryError;
use crate::parameters::ParameterValue;
use crate::questions::{Language, Question, QuestionError};
use crate::session::QuerySession;

/// The column of each entity that takes the place of those that are left out.
const KEY: &str = "_key";

/// The query of a question as a session can answer it.
pub(crate) struct Reduced {
    pub(crate) query: ReducedQuery,
    /// The columns of the answer that are left out.
    pub(crate) left_out: Vec<String>,
}

/// A query of which columns may have been left out.
pub(crate) enum ReducedQuery {
    Sql(String),
    J1ql(Compiled),
}

impl Reduced {
    /// The statement.
    pub(crate) fn into_sql(self) -> String {
        match self.query {
            ReducedQuery::Sql(sql) => sql,
            ReducedQuery::J1ql(compiled) => compiled.sql,
        }
    }
}

/// The name of the key of an entity in an answer: `deviceKey` for `device` and for `nexthink_device`.
fn key_name(entity: &str) -> String {
    let noun = entity.rsplit('_').next().unwrap_or(entity).trim_matches('"');
    let mut letters = noun.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect::<String>() + "Key"
}

impl QuerySession {
    /// Returns the query of a question without the columns that this session withholds.
    ///
    /// # Errors
    /// [`QuestionError::J1ql`] and [`QuestionError::Query`] for what cannot be asked, with or without columns.
    pub(crate) fn reduced(
        &self,
        question: &Question,
        values: &BTreeMap<String, ParameterValue>,
        now_ms: i64,
    ) -> Result<Reduced, QuestionError> {
        match question.language {
            Language::Sql => {
                let (sql, left_out) = self.reduced_sql(&question.query)?;
                Ok(Reduced { query: ReducedQuery::Sql(sql), left_out })
            }
            Language::J1ql => {
                let values = values.iter().map(|(name, value)| (name.clone(), value.to_text()));
                let parameters = values.collect();
                let reduced = self.reduced_j1ql(&question.query, now_ms, &parameters);
                let (compiled, left_out) = reduced.map_err(|error| QuestionError::J1ql {
                    id: question.id.clone(),
                    message: error.render(&question.query),
                })?;
                Ok(Reduced { query: ReducedQuery::J1ql(compiled), left_out })
            }
        }
    }

    /// Returns SQL without the columns that this session withholds, and the names of those that were left out. A
    /// query that cannot be planned for another reason is returned unchanged; running it reports the error.
    pub(crate) fn reduced_sql(&self, text: &str) -> Result<(String, Vec<String>), QueryError> {
        let mut left_out = Vec::new();
        if self.withholding.is_none() {
            return Ok((text.to_owned(), left_out));
        }
        let mut sql = text.to_owned();
        let mut first = None;
        loop {
            let error = match self.check(&sql) {
                Err(QueryError::Withheld { name, remedy }) => {
                    if let Some((shorter, names)) = sql::without(&sql, &name) {
                        sql = shorter;
                        left_out.extend(names);
                        first.get_or_insert(QueryError::Withheld { name, remedy });
                        continue;
                    }
                    QueryError::Withheld { name, remedy }
                }
                Err(error) => error,
                Ok(()) => return Ok((sql, left_out)),
            };
            // Without a needed column, a query may have other errors that its author did not make.
            return match (first, error) {
                (Some(withheld), _) | (None, withheld @ QueryError::Withheld { .. }) => {
                    Err(withheld)
                }
                (None, _) => Ok((text.to_owned(), left_out)),
            };
        }
    }
}
