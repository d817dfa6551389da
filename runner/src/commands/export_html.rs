//! `export html`: the overview and an answer as one page to send on.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use core_explorer::{
    AnswerFormat, AnsweredQuestion, Asked, QueryAnswer, Role, SNAPSHOT_MARK, WorkerRequest,
};
use core_reading::explorer_answer::{Terms, answered};
use core_reading::{Reader, of_question};

use super::opened::Opened;
use super::serve::explorer_host;
use crate::cli::{self, Global, HtmlArguments};
use crate::exit::{Exit, Failure};
use crate::output;

/// The rows of an answer that a page has. More are of no use to a reader, and slow a browser down.
const MAX_ROWS: usize = 2_000;

/// Writes the page.
pub(super) async fn export(global: &Global, arguments: &HtmlArguments) -> Result<Exit, Failure> {
    let HtmlArguments { file, with_personal, .. } = arguments;
    check_file(file)?;
    let opened = Opened::new(global)?;
    let reader = Reader { is_quiet: true, ..opened.reader() };
    reader.generation(None)?;
    let question = answer(&reader, arguments).await?;
    let (host, tenant) = (explorer_host(global)?, &opened.tenant);
    let page = core_explorer::snapshot(&host, tenant, question.as_ref(), *with_personal);
    let page =
        page.map_err(|error| Failure { exit: Exit::Internal, error: anyhow::anyhow!(error) })?;
    core_files::replace_file(file, page.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    if !global.quiet {
        let shown =
            if *with_personal { "personal data included" } else { "personal data left out" };
        output::note(&format!("wrote {} ({shown})", file.display()));
    }
    Ok(Exit::Complete)
}

/// Asks the question, if there is one.
async fn answer(
    reader: &Reader<'_>,
    arguments: &HtmlArguments,
) -> Result<Option<AnsweredQuestion>, Failure> {
    let Some(id) = &arguments.question else { return Ok(None) };
    let questions = reader.questions()?;
    let question = questions.find(id).map_err(of_question)?;
    let parameters = cli::values(&arguments.parameters).map_err(Failure::usage)?;
    let request = WorkerRequest {
        tenant: reader.tenant.name().to_owned(),
        query: Asked::Question(question.id.clone()),
        parameters,
        as_of: None,
        compare_with: None,
        format: AnswerFormat::Json { limit: MAX_ROWS },
        user: "export html".to_owned(),
        role: if arguments.with_personal { Role::Analyst } else { Role::Viewer },
    };
    let memory_limit_bytes = arguments.limits.memory_limit_bytes();
    let terms = Terms { memory_limit_bytes, remedy: "add --with-personal" };
    let mut written = Vec::new();
    answered(reader, terms, &request, &mut written).await?;
    // The first line only says that there is an answer.
    let body = written.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let answer: QueryAnswer = serde_json::from_slice(body).map_err(anyhow::Error::new)?;
    let (title, description) = (question.title.clone(), question.description.clone());
    Ok(Some(AnsweredQuestion { title, description, answer }))
}

/// Refuses to replace what is not such a page.
fn check_file(path: &Path) -> Result<(), Failure> {
    let mut begin = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(file) => file.take(SNAPSHOT_MARK.len() as u64).read_to_end(&mut begin),
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    if begin == SNAPSHOT_MARK.as_bytes() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is there already, and `export html` did not write it: choose another name",
        path.display()
    )))
}
