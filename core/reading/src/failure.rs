//! Failures of queries, in the kinds that a caller decides by.

use core_engine::{Failure, FailureKind};
use core_model::step::Step;
use core_query::QueryError;
use core_query::questions::QuestionError;
use core_store::StoreError;

/// Returns the failure for an error of a query: damage of the store, or else `otherwise`.
pub fn of_query(error: QueryError, otherwise: FailureKind) -> Failure {
    match error {
        QueryError::Store(error @ StoreError::Damaged { .. }) => error.into(),
        error => match missing_type(&error) {
            Some(message) => Failure::new(otherwise, anyhow::Error::msg(message)),
            None => Failure::new(otherwise, error),
        },
    }
}

/// Returns the failure for an error of a saved question.
pub fn of_question(error: QuestionError) -> Failure {
    match error {
        QuestionError::Query(error) => of_query(error, FailureKind::Configuration),
        error => Failure::new(FailureKind::Configuration, error),
    }
}

/// The failure of this program or machine for an error of a query.
pub(crate) fn internal(error: QueryError) -> Failure {
    of_query(error, FailureKind::Internal)
}

/// Returns the message about a table that a step would make; none for other errors.
fn missing_type(error: &QueryError) -> Option<String> {
    let QueryError::UnknownTable { name, .. } = error else { return None };
    let steps = Step::all().into_iter();
    let mut makers = steps.filter(|step| step.type_names().any(|made| made == name));
    let setting = makers.find_map(Step::query)?.config_field;
    Some(format!(
        "there is no table {name} yet: it is made once `queries.{setting}` names a query and a run has read it"
    ))
}
