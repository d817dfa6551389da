//! Commands that show what the program is made of: `plan`, `steps`, `nql`, `docs`, `completions`.

use std::borrow::Borrow;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use core_engine::run;
use core_engine::saved_queries;
use core_jupiterone::Extras;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;
use core_model::{documentation, drawing};
use core_query::write_objects;
use serde_json::{Value, json};

use crate::cli::{Cli, DocsFormat, Global, Page, PlanFormat, RowFormat};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;

/// The release notes of the page in JupiterOne's documentation.
const RELEASE_NOTES: &str = include_str!("../../../CHANGELOG.md");

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
    let text = match format {
        PlanFormat::Text => {
            let cost = cost.map_or_else(String::new, |cost| format!("\n{cost}\n"));
            format!("{}{cost}", drawing::text(&plan))
        }
        PlanFormat::Dot => drawing::dot(&plan),
        PlanFormat::Mermaid => drawing::mermaid(&plan),
        PlanFormat::Json => {
            let exports = cost.map(run::Cost::to_json);
            output::json(&json!({ "steps": drawing::json(&plan), "exports": exports }))?;
            return Ok(Exit::Complete);
        }
    };
    output::result(&text);
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
    let written = write_objects(format.into(), objects, output::escaping_writer());
    written.map_err(anyhow::Error::new)?;
    Ok(Exit::Complete)
}

fn whole_plan() -> Result<Plan, Failure> {
    plan_of(&Step::all())
}

fn plan_of(steps: &[&'static Step]) -> Result<Plan, Failure> {
    Plan::new(steps, |_| Decision::Run).map_err(|error| Failure::new(Exit::Internal, error))
}
