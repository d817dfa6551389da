//! `export html`: the overview and an answer as one page to send on.

use anyhow::Context as _;
use core_cli::{Global, HtmlArguments, parameters_by_name};
use core_reading::Reader;
use core_reading::snapshot::{self, SnapshotQuestion};

use super::opened::Opened;
use super::serve::explorer_host;
use crate::exit::{Exit, Failure};
use crate::output;

/// Writes the page.
pub(super) async fn export(global: &Global, arguments: &HtmlArguments) -> Result<Exit, Failure> {
    let HtmlArguments { file, with_personal, .. } = arguments;
    snapshot::check_file(file)?;
    let opened = Opened::new(global)?;
    let reader = Reader { is_quiet: true, ..opened.reader() };
    reader.generation(None)?;
    let parameters = parameters_by_name(&arguments.parameters).map_err(Failure::usage)?;
    let question = match &arguments.question {
        Some(id) => {
            let question = SnapshotQuestion {
                id,
                parameters: &parameters,
                has_personal: *with_personal,
                memory_limit_bytes: arguments.limits.memory_limit_bytes(),
            };
            Some(snapshot::answer(&reader, question).await?)
        }
        None => None,
    };
    let (host, tenant) = (explorer_host(global)?, &opened.tenant);
    let page = core_explorer::snapshot(&host, tenant, question.as_ref(), *with_personal);
    let page =
        page.map_err(|error| Failure { exit: Exit::Internal, error: anyhow::anyhow!(error) })?;
    core_files::replace_output_file(file, page.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    if !global.quiet {
        let shown =
            if *with_personal { "personal data included" } else { "personal data left out" };
        output::note(&format!("wrote {} ({shown})", file.display()));
    }
    Ok(Exit::Complete)
}
