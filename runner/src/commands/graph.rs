//! `show`, `neighbors`, `path` and `search`: single entities of a generation and what they are related to.

use core_cli::{
    Global, GraphRead, NeighborsArguments, PathArguments, ReportFormat, SearchArguments,
    ShowArguments,
};
use core_query::graph::{Lookup, texts};
use core_reading::Reader;
use core_reading::graph::{NotFound, OpenGraph};
use serde::Serialize;

use super::opened::Opened;
use super::query::REMEDY;
use crate::exit::{Exit, Failure};
use crate::output::{self, terminal_columns};

async fn open<'a>(reader: &'a Reader<'a>, read: &GraphRead) -> Result<OpenGraph<'a>, Failure> {
    let remedy = read.without_personal.then_some(REMEDY);
    Ok(OpenGraph::new(reader, read.as_of.as_deref(), remedy).await?)
}

/// Shows an entity with its neighbors by type, its alerts and its history.
pub(super) async fn show(global: &Global, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let ShowArguments { entity, read } = arguments;
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let shown = open(&reader, read).await?.show(entity).await;
    print(read, shown, texts::overview)
}

/// Lists the entities around one.
pub(super) async fn neighbors(
    global: &Global,
    arguments: &NeighborsArguments,
) -> Result<Exit, Failure> {
    let NeighborsArguments { entity, depth, limit, read } = arguments;
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let around = open(&reader, read).await?.neighbors(entity, *depth, *limit).await;
    print(read, around, texts::neighborhood)
}

/// Shows a shortest path between two entities.
pub(super) async fn path(global: &Global, arguments: &PathArguments) -> Result<Exit, Failure> {
    let PathArguments { from, to, max_length, through_account, read } = arguments;
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let path = open(&reader, read).await?.path(from, to, *max_length, *through_account).await;
    match path {
        Ok(Err(none)) if read.output == ReportFormat::Table => {
            output::result(&none);
            Ok(Exit::Complete)
        }
        // No path is `null`.
        path => print(read, path.map(Result::ok), |path, columns| {
            path.as_ref().map_or_else(String::new, |path| texts::path(path, columns))
        }),
    }
}

/// Finds entities by their names and identifiers.
pub(super) async fn search(global: &Global, arguments: &SearchArguments) -> Result<Exit, Failure> {
    let SearchArguments { text, types, limit, read } = arguments;
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let page = open(&reader, read).await?.search(text, types, *limit).await?;
    print(read, Ok(page), texts::hits)
}

/// Prints an answer, or the candidates where a name does not say which entity is meant.
fn print<Answer: Serialize>(
    read: &GraphRead,
    answer: Result<Answer, NotFound>,
    text: impl FnOnce(&Answer, Option<usize>) -> String,
) -> Result<Exit, Failure> {
    match (answer, read.output) {
        (Ok(answer), ReportFormat::Table) => output::result(&text(&answer, terminal_columns())),
        (Ok(answer), ReportFormat::Json) => output::json(&answer)?,
        (Err(NotFound::Failed(failure)), _) => return Err(failure.into()),
        (Err(NotFound::Unclear { lookup, failure }), format) => {
            match (&*lookup, format) {
                (Lookup::Ambiguous(page) | Lookup::NotFound(page), ReportFormat::Table) => {
                    output::result(&texts::candidates(page, terminal_columns()));
                }
                (lookup, _) => output::json(lookup)?,
            }
            return Err(failure.into());
        }
    }
    Ok(Exit::Complete)
}
