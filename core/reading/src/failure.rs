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
    let makers: Vec<_> = steps.filter(|step| step.type_names().any(|made| made == name)).collect();
    let condition = match makers.iter().find_map(|step| step.query()) {
        Some(query) => format!("`queries.{}` names a query", query.config_field),
        None if makers.iter().any(|step| step.makes_events()) => {
            "`[audit]` is configured".to_owned()
        }
        None => return None,
    };
    Some(format!("there is no table {name} yet: it is made once {condition} and a run has read it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown_table(name: &str) -> QueryError {
        QueryError::UnknownTable { name: name.to_owned(), suggestion: None, tables: Vec::new() }
    }

    #[test]
    fn damage_is_a_refusal_of_data_whatever_the_caller_makes_of_other_errors() {
        let damage = || StoreError::Damaged { owner: "g".to_owned(), findings: Vec::new() };
        for otherwise in [FailureKind::Configuration, FailureKind::Internal] {
            let failure = of_query(QueryError::Store(damage()), otherwise);
            assert_eq!(failure.kind, FailureKind::DataRefused);
        }
        let failure = internal(QueryError::Store(StoreError::InvalidLocation));
        assert_eq!(failure.kind, FailureKind::Internal, "other errors are what the caller says");
    }

    #[test]
    fn a_table_that_a_step_would_make_names_the_setting_of_its_query() {
        for (table, setting) in [
            ("nexthink_package", "queries.packages"),
            ("nexthink_device_installed_package", "queries.packages"),
            ("nexthink_user", "queries.users"),
            ("nexthink_audit_event", "[audit]"),
        ] {
            let failure = of_query(unknown_table(table), FailureKind::Configuration);
            let text = failure.error.to_string();
            assert!(text.starts_with(&format!("there is no table {table} yet: ")), "{text}");
            assert!(text.contains(&format!("`{setting}`")), "{text}");
        }
    }

    #[test]
    fn a_table_that_no_step_makes_stays_an_error_of_the_query() {
        let failure = of_query(unknown_table("nexthink_packges"), FailureKind::Configuration);
        assert!(!failure.error.to_string().contains("yet"), "{:#}", failure.error);
        assert!(failure.error.downcast_ref::<QueryError>().is_some());
    }

    #[test]
    fn a_question_that_fails_in_its_query_fails_like_a_query() {
        let damage = StoreError::Damaged { owner: "g".to_owned(), findings: Vec::new() };
        let failure = of_question(QuestionError::Query(QueryError::Store(damage)));
        assert_eq!(failure.kind, FailureKind::DataRefused);
        let source = std::io::ErrorKind::PermissionDenied.into();
        let unreadable = QuestionError::Unreadable { path: "questions".into(), source };
        let failure = of_question(unreadable);
        assert_eq!(failure.kind, FailureKind::Configuration);
        assert!(failure.error.to_string().contains("questions"), "{:#}", failure.error);
    }
}
