//! Commands that show what the program is made of: `plan`, `steps`, `nql`, `docs`, `completions`.

use std::borrow::Borrow;
use std::path::Path;

use core_cli::{DocsFormat, Global, Page, PlanFormat, RowFormat, Shell, completion_script};
use core_config::demo;
use core_engine::{pages, run, saved_queries};
use core_model::drawing;
use core_model::plan::Plan;
use core_model::step::Step;
use core_query::write_objects;
use serde_json::{Value, json};

use crate::config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::{output, typed};

/// The release notes of the page in JupiterOne's documentation.
const RELEASE_NOTES: &str = include_str!("../../../CHANGELOG.md");

/// Draws the plan, with the configuration's skipped steps and what a run would cost where there is
/// one.
pub(super) fn plan(global: &Global, format: PlanFormat) -> Result<Exit, Failure> {
    let (plan, cost) = if let Some(source) = config::find(global.config.as_deref()) {
        let config = config::load(&source)?;
        let plan = run::plan(engine(&config), &[])?;
        let cost = run::cost(&plan, engine(&config), None)?;
        (plan, Some(cost))
    } else {
        // Without a configuration, a run is the demo, whose exports cost nothing.
        if !global.quiet {
            output::note("nothing is configured, so this is the plan of the demo");
        }
        let config = demo::stored(&config::paths(Path::new("")))?;
        (run::plan(engine(&config), &[])?, None)
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
    let Value::Array(objects) = drawing::json(&plan) else { return Ok(Exit::Complete) };
    list(format, objects, drawing::STEPS_HEADER, drawing::step_cells(&plan), 4)
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
    let texts = saved_queries::texts(settings, fields, of_parts.as_deref())?;
    if texts.is_empty() {
        output::note(saved_queries::NOTHING);
    } else {
        output::result(&texts);
    }
    Ok(Exit::Complete)
}

/// Prints a generated page, or checks that a file is one.
pub(super) fn docs(
    page: Option<Page>,
    format: Option<DocsFormat>,
    check: Option<&Path>,
) -> Result<Exit, Failure> {
    let page = match (page, format) {
        (Some(Page::DataModel), _) => pages::Page::DataModel,
        (Some(Page::Authorization), _) => pages::Page::Authorization,
        (Some(Page::PersonalData), _) => pages::Page::PersonalData,
        (None, Some(DocsFormat::Sdk)) => pages::Page::SdkSection,
        (None, _) => pages::Page::Integration { release_notes: RELEASE_NOTES },
    };
    let Some(path) = check else {
        output::result(&page.text()?);
        return Ok(Exit::Complete);
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    if page.is_in(&text)? {
        return Ok(Exit::Complete);
    }
    Err(Failure::usage(format!(
        "{shown} differs from the generated page: write it again, without --check"
    )))
}

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> Exit {
    output::result(&completion_script(shell));
    Exit::Complete
}

/// Prints a list: a table for people, of which so many of the first columns hold texts, or objects.
pub(super) fn list<Object: Borrow<Value>, const WIDTH: usize>(
    format: RowFormat,
    objects: impl IntoIterator<Item = Object>,
    header: [&str; WIDTH],
    cells: impl IntoIterator<Item = [String; WIDTH]>,
    texts: usize,
) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        return rows(objects, format);
    }
    output::result(&output::table(header, cells, texts));
    Ok(Exit::Complete)
}

/// Prints JSON objects as rows, one after the other: there may be hundreds of thousands.
pub(super) fn rows<Object: Borrow<Value>>(
    objects: impl IntoIterator<Item = Object>,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let written = write_objects(typed::format(format), objects, output::escaping_writer());
    written.map_err(anyhow::Error::new)?;
    Ok(Exit::Complete)
}

fn whole_plan() -> Result<Plan, Failure> {
    Ok(pages::plan_of(&Step::all())?)
}
