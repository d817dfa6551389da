//! Every condition of every shipped question matters: with it always true, or always false, the question
//! finds other rows. So each condition has a planted row that meets it and a near miss that fails it alone.

use std::error::Error;
use std::ops::ControlFlow;

use core_j1ql::syntax::{Element, Filter, Query};
use core_query::questions::{Language, Question, Questions};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Statement, Value, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::cases::{CASES, Case, MORE_CASES};
use super::planted::{Planted, estate};
use super::{given, rows_of};
use crate::j1ql::rewrite::{comparisons, fill};
use crate::j1ql::twin;
use crate::support::{Checked, Place};

#[tokio::test]
async fn every_condition_of_a_shipped_question_has_a_planted_row_and_a_near_miss() -> Checked {
    let place = Place::new()?;
    let planted = estate(&place).await?;
    let questions = Questions::shipped()?;
    let mut failures = Vec::new();
    let mut tried = 0;
    for question in questions.list() {
        let cases = CASES.iter().chain(&MORE_CASES).filter(|case| case.0 == question.id);
        let cases: Vec<&Case> = cases.collect();
        let mutants = match question.language {
            Language::J1ql => j1ql_mutants(&planted, question, &cases)?,
            Language::Sql => sql_mutants(&planted, question, &cases).await?,
        };
        tried += mutants.len();
        let same = mutants.into_iter().filter(|mutant| !mutant.is_noticed);
        failures.extend(same.map(|mutant| format!("{}: {}", question.id, mutant.change)));
    }
    assert!(failures.is_empty(), "no planted row tells these apart:\n{}", failures.join("\n"));
    assert!(tried > 100, "{tried}");
    Ok(())
}

/// A question with a changed condition.
struct Mutant {
    change: String,
    /// True if it finds other rows in one of the cases.
    is_noticed: bool,
}

fn j1ql_mutants(
    planted: &Planted,
    question: &Question,
    cases: &[&Case],
) -> Result<Vec<Mutant>, Box<dyn Error>> {
    let (query, _) = core_j1ql::parse(&question.query)?;
    let is_noticed = |mutant: &Query| {
        cases.iter().any(|case| {
            let [before, after] = [&query, mutant].map(|query| {
                let mut query = query.clone();
                fill(&mut query, planted.now_ms, &given(question, case.1));
                let mut rows = twin::answer(&planted.graph, &query);
                rows.sort();
                rows
            });
            before != after
        })
    };
    let mut mutants = Vec::new();
    for number in 0..comparisons(&mut query.clone()).len() {
        for (constant, nothing) in
            [("true", Filter::And(Vec::new())), ("false", Filter::Or(Vec::new()))]
        {
            let mut mutant = query.clone();
            *comparisons(&mut mutant)[number] = nothing;
            let change = format!("comparison {number} is {constant}");
            mutants.push(Mutant { change, is_noticed: is_noticed(&mutant) });
        }
    }
    for number in 0..query.elements.len() {
        let mut mutant = query.clone();
        if let Element::Step(step) = &mut mutant.elements[number]
            && step.is_negated
        {
            step.is_negated = false;
            let change = format!("step {number} is not negated");
            mutants.push(Mutant { change, is_noticed: is_noticed(&mutant) });
        }
    }
    Ok(mutants)
}

async fn sql_mutants(
    planted: &Planted,
    question: &Question,
    cases: &[&Case],
) -> Result<Vec<Mutant>, Box<dyn Error>> {
    let statement = Parser::parse_sql(&GenericDialect {}, &question.query)?.remove(0);
    let mut mutants = Vec::new();
    for number in 0.. {
        for constant in [true, false] {
            let mut mutant = statement.clone();
            let Some(changed) = force(&mut mutant, number, constant) else { return Ok(mutants) };
            let mut is_noticed = false;
            for (_, given_text, columns, _) in cases {
                let values = question.values(&given(question, given_text))?;
                let mut answers = Vec::new();
                for sql in [statement.to_string(), mutant.to_string()] {
                    let result = planted.session.sql_with(&sql, &values);
                    let result = result.map_err(|error| format!("{sql}: {error}"))?;
                    answers.push(rows_of(result, columns).await?);
                }
                is_noticed |= answers[0] != answers[1];
            }
            mutants.push(Mutant { change: format!("{changed} is {constant}"), is_noticed });
        }
    }
    Ok(mutants)
}

/// Makes a condition of a statement always true or always false; its parameters stay in it. Returns the
/// condition, or none if there are fewer.
fn force(statement: &mut Statement, number: usize, constant: bool) -> Option<String> {
    let mut left = number;
    let mut changed = None;
    let _ = visit_expressions_mut(statement, |expression| {
        if !is_condition(expression) {
            return ControlFlow::Continue(());
        }
        if left > 0 {
            left -= 1;
            return ControlFlow::Continue(());
        }
        changed = Some(expression.to_string());
        let op = if constant { BinaryOperator::Or } else { BinaryOperator::And };
        let condition = Box::new(Expr::Nested(Box::new(expression.clone())));
        let constant = Box::new(Expr::Value(Value::Boolean(constant).into()));
        let forced = Expr::BinaryOp { left: condition, op, right: constant };
        *expression = Expr::Nested(Box::new(forced));
        ControlFlow::Break(())
    });
    changed
}

fn is_condition(expression: &Expr) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    match expression {
        Expr::BinaryOp { op, .. } => matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq),
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsNotFalse(_) | Expr::Exists { .. } => true,
        Expr::Function(function) => {
            ["ip_in", "contains", "starts_with"].contains(&function.name.to_string().as_str())
        }
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|part| part.value == "open"),
        _ => false,
    }
}
