//! Failures of queries, in the kinds that a caller decides by.

use core_engine::{Failure, FailureKind};
use core_model::step::Step;
use core_query::questions::QuestionError;
use core_query::{PossibleType, QueryError};
use core_store::StoreError;

/// Returns the failure for an error of a query: damage of the store, or else `otherwise`.
pub fn of_query(error: QueryError, otherwise: FailureKind) -> Failure {
    match error {
        QueryError::Store(error @ StoreError::Damaged { .. }) => error.into(),
        QueryError::UnknownTable { name, suggestion, tables, condition } => {
            let condition = condition.or_else(|| {
                let mut possible = possible_types().into_iter();
                possible.find(|possible| possible.name == name).map(|possible| possible.condition)
            });
            let error = QueryError::UnknownTable { name, suggestion, tables, condition };
            Failure::new(otherwise, error)
        }
        error => Failure::new(otherwise, error),
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

/// Returns true if a step makes a property of a type, whether any generation has it yet or not.
pub fn makes_property(type_name: &str, property: &str) -> bool {
    Step::all().into_iter().any(|step| {
        let entities = step.entities.iter().filter(|entity| entity.type_name == type_name);
        let relationships =
            step.relationships.iter().filter(|relationship| relationship.type_name == type_name);
        entities.flat_map(|entity| entity.properties).any(|known| known.name == property)
            || relationships
                .flat_map(|relationship| relationship.properties)
                .any(|known| known.name == property)
    })
}

/// Returns the types that steps make, with the settings that they need.
pub fn possible_types() -> Vec<PossibleType> {
    let types = Step::all().into_iter().filter_map(|step| {
        let condition = match step.query() {
            Some(query) => format!("`queries.{}` names a query", query.config_field),
            None if step.makes_events() => "`[audit]` is configured".to_owned(),
            None => return None,
        };
        let entities = step.entities.iter().map(|entity| {
            let classes = entity.class.iter().map(|class| class.name().to_owned()).collect();
            (entity.type_name, classes, None)
        });
        let relationships = step.relationships.iter().map(|relationship| {
            let ends = [&relationship.from, &relationship.to];
            let [from, to] = ends.map(|end| end.entity.type_name.to_owned());
            (relationship.type_name, vec![relationship.class.name().to_owned()], Some((from, to)))
        });
        Some(entities.chain(relationships).map(move |(name, classes, ends)| PossibleType {
            name: name.to_owned(),
            classes,
            ends,
            condition: condition.clone(),
        }))
    });
    types.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown_table(name: &str) -> QueryError {
        QueryError::UnknownTable {
            name: name.to_owned(),
            suggestion: None,
            tables: Vec::new(),
            condition: None,
        }
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
