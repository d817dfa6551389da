//! Commands that show what the program is made of: `plan`, `steps`, `nql`, `docs`, `completions`.

use std::borrow::Borrow;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use clap::CommandFactory as _;
use clap_complete::Shell;
use core_engine::run;
use core_engine::saved_queries;
use core_jupiterone::Extras;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;
use core_model::{documentation, drawing};
use core_query::{Format, ResultWriter};
use serde_json::{Value, json};

use crate::cli::{Cli, DocsFormat, Global, Page, PlanFormat, RowFormat};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;

/// The release notes of the page in JupiterOne's documentation.
const RELEASE_NOTES: &str = include_str!("../../../CHANGELOG.md");
/// The rows of CSV that are made at once.
const CSV_ROWS: usize = 1024;

/// Draws the plan, with the configuration's skipped steps and what a run would cost where there is
/// one.
pub(super) fn plan(global: &Global, format: PlanFormat) -> Result<Exit, Failure> {
    let (plan, cost) = match config::find(global.config.as_deref()) {
        Some(source) => {
            let config = config::load(&source)?;
            let plan = run::plan(engine(&config), &[])?;
            let cost = run::cost(&plan, engine(&config), None)?;
            (plan, Some(cost))
        }
        None => (whole_plan()?, None),
    };
    output::result(&match format {
        PlanFormat::Text => {
            let cost = cost.map_or_else(String::new, |cost| format!("\n{cost}\n"));
            format!("{}{cost}", drawing::text(&plan))
        }
        PlanFormat::Dot => drawing::dot(&plan),
        PlanFormat::Mermaid => drawing::mermaid(&plan),
        PlanFormat::Json => {
            let exports = cost.map(run::Cost::to_json);
            pretty(&json!({ "steps": drawing::json(&plan), "exports": exports }))?
        }
    });
    Ok(Exit::Complete)
}

/// Lists the steps.
pub(super) fn steps(format: RowFormat) -> Result<Exit, Failure> {
    let plan = whole_plan()?;
    if format != RowFormat::Table {
        let Value::Array(steps) = drawing::json(&plan) else { return Ok(Exit::Complete) };
        return rows(steps, format);
    }
    let table = plan.steps().iter().map(|planned| {
        let step = planned.step;
        let entities: Vec<_> = step.entities.iter().map(|entity| entity.type_name).collect();
        let relationships: Vec<_> =
            step.relationships.iter().map(|relationship| relationship.type_name).collect();
        let query = step.query().map_or("", |query| query.suggested_id);
        [step.id.into(), query.into(), entities.join("\n"), relationships.join("\n")]
    });
    let header = ["step", "query ID", "entities", "relationships"];
    output::result(&output::table(header, table, header.len()));
    Ok(Exit::Complete)
}

/// Prints the query texts to save, for the wholes or for their parts, under the configured IDs where
/// there are any.
pub(super) fn nql(global: &Global, fields: &[String], partitioned: bool) -> Result<Exit, Failure> {
    let config = config::find(global.config.as_deref()).map(|source| config::load(&source));
    // The texts are of use before the configuration is right.
    let config = config.and_then(Result::ok);
    let settings = config.as_deref();
    let of_parts =
        partitioned.then(|| core_settings::default_text("queries.*.partition.parameter"));
    output::result(&saved_queries::texts(settings, fields, of_parts.as_deref())?);
    Ok(Exit::Complete)
}

/// Prints a generated page, or checks that a file is one.
pub(super) fn docs(
    page: Option<Page>,
    format: Option<DocsFormat>,
    check: Option<&Path>,
) -> Result<Exit, Failure> {
    let plan = whole_plan()?;
    let text = match (page, format) {
        (Some(Page::DataModel), _) => documentation::data_model(&plan),
        (Some(Page::Authorization), _) => documentation::authorization(&plan),
        (Some(Page::PersonalData), _) => {
            documentation::personal_data(&plan) + &core_privacy::page::columns_and_rights()
        }
        (None, Some(DocsFormat::Sdk)) => {
            core_jupiterone::sdk_section(&Step::integration_steps(), Extras::default())
                .unwrap_or_default()
        }
        (None, _) => {
            // What JupiterOne's own page has.
            let plan = plan_of(&Step::integration_steps())?;
            documentation::integration_page(&plan, RELEASE_NOTES)
        }
    };
    let Some(path) = check else {
        output::result(&text);
        return Ok(Exit::Complete);
    };
    let shown = path.display();
    let is = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    // JupiterOne's tool replaces a section of a page and leaves the rest alone.
    let ought = match format {
        Some(DocsFormat::Sdk) => {
            core_jupiterone::document(&is, &Step::integration_steps(), Extras::default()).ok()
        }
        _ => Some(text),
    };
    if ought.is_some_and(|page| page.trim_end() == is.trim_end()) {
        return Ok(Exit::Complete);
    }
    Err(Failure::usage(format!(
        "{shown} differs from the generated page: write it again, without --check"
    )))
}

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nexthink-graph", &mut script);
    output::result(&String::from_utf8_lossy(&script));
    Exit::Complete
}

/// Prints JSON objects as rows, one after the other: there may be hundreds of thousands.
pub(super) fn rows<Object: Borrow<Value>>(
    objects: impl IntoIterator<Item = Object>,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let objects = objects.into_iter();
    let out = output::escaping_writer();
    match format {
        RowFormat::Ndjson => write_ndjson(objects, out)?,
        RowFormat::Json | RowFormat::Table => write_json(objects, out)?,
        RowFormat::Csv => write_csv(objects, out)?,
    }
    Ok(Exit::Complete)
}

/// No rows are no lines: not even an empty one, which a reader would take for a row.
fn write_ndjson<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    mut out: impl Write,
) -> anyhow::Result<()> {
    for object in objects {
        writeln!(out, "{}", object.borrow())?;
    }
    Ok(out.flush()?)
}

/// An array, indented as `serde_json` does it.
fn write_json<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let mut before = "[";
    for object in objects {
        let text = serde_json::to_string_pretty(object.borrow())?.replace('\n', "\n  ");
        write!(out, "{before}\n  {text}")?;
        before = ",";
    }
    out.write_all(if before == "[" { b"[]\n" } else { b"\n]\n" })?;
    Ok(out.flush()?)
}

/// Objects with the same members as lines; a list is one cell, and what is nested deeper is JSON.
fn write_csv<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    out: impl Write,
) -> anyhow::Result<()> {
    let mut objects = objects.peekable();
    let names: Vec<String> = match objects.peek().and_then(|first| first.borrow().as_object()) {
        Some(first) => first.keys().cloned().collect(),
        None => return Ok(()),
    };
    let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = ResultWriter::new(Format::Csv, &schema, out)?;
    while objects.peek().is_some() {
        let piece: Vec<Object> = objects.by_ref().take(CSV_ROWS).collect();
        let columns = names.iter().map(|name| {
            let cells = piece.iter().map(|object| csv_cell(&object.borrow()[name.as_str()]));
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
        });
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns.collect())?)?;
    }
    writer.finish()?;
    Ok(())
}

fn csv_cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        other => Some(other.to_string()),
    }
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(anyhow::Error::new)?)
}

fn whole_plan() -> Result<Plan, Failure> {
    plan_of(&Step::all())
}

fn plan_of(steps: &[&'static Step]) -> Result<Plan, Failure> {
    Plan::new(steps, |_| Decision::Run).map_err(|error| Failure::new(Exit::Internal, error))
}
