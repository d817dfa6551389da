//! `privacy retrieve`: everything that is known of a person or device.

use crate::cli::{Global, RetrievalFormat, RetrieveArguments};
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::privacy::retrieval;
use crate::privacy::subject::{self, AllPseudonyms};
use crate::system::Moment;
use crate::{commands, output, privacy};

/// Prints it, and tells the ledger first.
pub(super) fn retrieve(global: &Global, arguments: &RetrieveArguments) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let (kind, typed) = super::erase::subject_of(&arguments.subject);
    let pseudonyms = if config.privacy.key_file.exists() {
        let keys = privacy::load_keys(&config.privacy.key_file)?;
        AllPseudonyms::new(&keys, &privacy::tenant_name(&config))
    } else {
        AllPseudonyms::none()
    };
    let subject = subject::find(&tenant, kind, typed, &pseudonyms)?;
    let now = Moment::now().to_rfc3339();
    let retrieval = retrieval::retrieve(&config, &tenant, kind, &subject, now)?;
    let event = Event::Retrieval { kind: kind.name(), rows: retrieval.rows() };
    ledger::record(&tenant, &event)?;
    match arguments.output {
        RetrievalFormat::Json => {
            output::result(&serde_json::to_string_pretty(&retrieval).map_err(anyhow::Error::new)?);
        }
        RetrievalFormat::Html => output::result(&privacy::page::html(&retrieval)),
    }
    if subject.keys.is_empty() && !global.quiet {
        output::note("nothing is known of it");
    }
    Ok(Exit::Complete)
}
