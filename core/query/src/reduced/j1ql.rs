//! J1QL without withheld properties.

use std::collections::BTreeMap;

use core_j1ql::syntax::{Expression, Item, Path, Query, Returns, Spanned};
use core_j1ql::{Compiled, Environment, J1qlError, Span, Warning};

use super::KEY;
use crate::session::QuerySession;

impl QuerySession {
    /// Returns a query without the properties that this session withholds, and the names of the columns that were left
    /// out.
    pub(crate) fn reduced_j1ql(
        &self,
        text: &str,
        now_ms: i64,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(Compiled, Vec<String>), J1qlError> {
        let (mut query, warnings) = core_j1ql::parse(text)?;
        let mut left_out = Vec::new();
        loop {
            let environment = Environment { now_ms, parameters };
            let compiled =
                core_j1ql::compile_parsed(&query, warnings.clone(), self.graph(), environment);
            let place = self.withheld_place(&compiled);
            match place.and_then(|place| leave_out(&mut query, place)) {
                Some(names) => left_out.extend(names),
                None => return Ok((self.without_withheld(compiled)?, left_out)),
            }
        }
    }

    /// The place of a property that is withheld.
    fn withheld_place(&self, compiled: &Result<Compiled, J1qlError>) -> Option<Span> {
        let withholding = self.withholding.as_ref()?;
        let is_withheld = |property: &Option<String>| {
            property.as_deref().is_some_and(|property| withholding.withholds(property))
        };
        match compiled {
            Ok(compiled) => {
                let mut warnings = compiled.warnings.iter();
                let found =
                    warnings.find(|warning: &&Warning| is_withheld(&warning.unknown_property));
                found.map(|warning| warning.span)
            }
            Err(error) => is_withheld(&error.unknown_property).then_some(error.span),
        }
    }
}

/// Leaves out the columns of the answer, or the parts of its order, that have a place in them. Returns the names of the
/// columns; none if nothing can be left out there.
fn leave_out(query: &mut Query, place: Span) -> Option<Vec<String>> {
    let has_place = |span: Span| span.start <= place.start && place.end <= span.end;
    let parts = query.order.len();
    query.order.retain(|order| !has_place(order.expression.span));
    if query.order.len() < parts {
        return Some(Vec::new());
    }
    let Some(Returns::Items(items)) = &mut query.returns else { return None };
    let at = items.iter().position(|item| has_place(item.expression.span))?;
    let is_grouped = items.iter().any(|item| is_aggregate(&item.expression.value));
    let item = items.remove(at);
    let selector = selector_at(&item.expression, place)?;
    let is_key = |item: &Item| matches!(&item.expression.value, Expression::Selector(path) if *path == key_of(&selector));
    let has_key = items.iter().any(is_key);
    let is_grouped_still = items.iter().any(|item| is_aggregate(&item.expression.value));
    let is_group = !is_aggregate(&item.expression.value);
    if is_grouped && (!is_grouped_still || is_group && !has_key) {
        // The groups would be others, or there would be none.
        return None;
    }
    if !is_grouped && !has_key {
        let expression =
            Spanned { value: Expression::Selector(key_of(&selector)), span: item.expression.span };
        let (alias, text) = (Some(super::key_name(&selector)), format!("{selector}.{KEY}"));
        items.insert(at, Item { expression, alias, text });
    }
    if items.is_empty() {
        return None;
    }
    let name = item.alias.unwrap_or(item.text);
    let shown = item.expression.value;
    let is_gone = |value: &Expression| {
        *value == shown
            || matches!(value, Expression::Selector(path) if path.parts == [name.clone()])
    };
    query.order.retain(|order| !is_gone(&order.expression.value));
    Some(vec![name])
}

fn key_of(selector: &str) -> Path {
    Path { parts: vec![selector.to_owned(), KEY.to_owned()] }
}

fn is_aggregate(expression: &Expression) -> bool {
    match expression {
        Expression::Call { function, arguments } => {
            function.is_aggregate()
                || arguments.iter().any(|argument| is_aggregate(&argument.value))
        }
        Expression::Binary { left, right, .. } => {
            is_aggregate(&left.value) || is_aggregate(&right.value)
        }
        Expression::Selector(_) | Expression::All(_) | Expression::Value(_) => false,
    }
}

/// The name before the property at a place.
fn selector_at(expression: &Spanned<Expression>, place: Span) -> Option<String> {
    let is_here = expression.span.start <= place.start && place.end <= expression.span.end;
    if !is_here {
        return None;
    }
    match &expression.value {
        Expression::Selector(path) => path.parts.first().cloned(),
        Expression::Call { arguments, .. } => {
            arguments.iter().find_map(|argument| selector_at(argument, place))
        }
        Expression::Binary { left, right, .. } => {
            selector_at(left, place).or_else(|| selector_at(right, place))
        }
        Expression::All(_) | Expression::Value(_) => None,
    }
}
