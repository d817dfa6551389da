//! Drawings of a plan: text for a terminal, DOT for Graphviz, Mermaid for Markdown, JSON for
//! programs.

use std::fmt::Write as _;

use petgraph::Direction;
use serde_json::{Value, json};

use crate::plan::{Decision, Plan, PlannedStep, SkipReason};

/// The header of a table of steps.
pub const STEPS_HEADER: [&str; 4] = ["step", "query ID", "entities", "relationships"];

/// Returns the steps of a plan for people: the ID, the suggested query ID, and the types, a line each.
pub fn step_cells(plan: &Plan) -> impl Iterator<Item = [String; 4]> {
    plan.steps().iter().map(|planned| {
        let step = planned.step;
        let entities: Vec<_> = step.entities.iter().map(|entity| entity.type_name).collect();
        let relationships: Vec<_> =
            step.relationships.iter().map(|relationship| relationship.type_name).collect();
        let query = step.query().map_or("", |query| query.suggested_id);
        [step.id.into(), query.into(), entities.join("\n"), relationships.join("\n")]
    })
}

/// Draws the plan as text, one line per step: its wave, its ID, and the steps before it.
pub fn text(plan: &Plan) -> String {
    let width = plan.steps().iter().map(|planned| planned.step.id.len()).max().unwrap_or(0);
    let mut drawing = String::new();
    for planned in plan.steps() {
        let (wave, id) = (planned.wave + 1, planned.step.id);
        let _ = writeln!(drawing, "{wave}  {id:width$}  {}", remark(planned));
    }
    drawing
}

/// Draws the plan in the DOT language.
pub fn dot(plan: &Plan) -> String {
    let mut drawing = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
    for planned in plan.steps() {
        let style = if planned.runs() { "" } else { ", style=dashed" };
        let _ = writeln!(
            drawing,
            "  \"{}\" [label=\"{}\"{style}];",
            planned.step.id, planned.step.name
        );
    }
    for (from, to) in edges(plan) {
        let _ = writeln!(drawing, "  \"{from}\" -> \"{to}\";");
    }
    drawing.push_str("}\n");
    drawing
}

/// Draws the plan as a Mermaid flow chart.
pub fn mermaid(plan: &Plan) -> String {
    let mut drawing = String::from("flowchart LR\n");
    for planned in plan.steps() {
        let _ = writeln!(drawing, "  {}[\"{}\"]", planned.step.id, planned.step.name);
    }
    for (from, to) in edges(plan) {
        let _ = writeln!(drawing, "  {from} --> {to}");
    }
    drawing
}

/// Returns the plan as a JSON array of steps in run order.
pub fn json(plan: &Plan) -> Value {
    let steps = plan.steps().iter().map(|planned| {
        let step = planned.step;
        let reason = match &planned.decision {
            Decision::Run => Value::Null,
            Decision::Skip(reason) => reason.to_string().into(),
        };
        json!({
            "id": step.id,
            "name": step.name,
            "wave": planned.wave,
            "dependsOn": step.depends_on.iter().map(|dependency| dependency.id).collect::<Vec<_>>(),
            "runs": planned.runs(),
            "skipReason": reason,
            "entityTypes": step.entities.iter().map(|entity| entity.type_name).collect::<Vec<_>>(),
            "relationshipTypes":
                step.relationships.iter().map(|relationship| relationship.type_name).collect::<Vec<_>>(),
        })
    });
    Value::Array(steps.collect())
}

fn remark(planned: &PlannedStep) -> String {
    match &planned.decision {
        Decision::Skip(reason @ SkipReason::Off { .. }) => reason.to_string(),
        Decision::Skip(reason) => format!("skipped: {reason}"),
        Decision::Run if planned.step.depends_on.is_empty() => "runs first".to_owned(),
        Decision::Run => {
            let before: Vec<_> =
                planned.step.depends_on.iter().map(|dependency| dependency.id).collect();
            format!("after {}", before.join(" and "))
        }
    }
}

/// The edges in run order of their targets.
fn edges(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    let incoming_edges = |planned: &PlannedStep| {
        let id = planned.step.id;
        plan.graph().neighbors_directed(id, Direction::Incoming).map(move |before| (before, id))
    };
    plan.steps().iter().flat_map(incoming_edges).collect()
}
