//! `privacy retrieve`: everything that is known of a person or device.

use crate::cli::{Global, RetrievalFormat, RetrieveArguments};
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::privacy::subject::{self, AllPseudonyms};
use crate::privacy::{damage, retrieval};
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
    let (rows, events) = (retrieval.rows(), retrieval.audit_events.len());
    let event = Event::Retrieval { kind: kind.name(), rows, events };
    ledger::record(&tenant, &event)?;
    match arguments.output {
        RetrievalFormat::Json => {
            output::result(&serde_json::to_string_pretty(&retrieval).map_err(anyhow::Error::new)?);
        }
        RetrievalFormat::Html => output::result(&privacy::page::html(&retrieval)),
    }
    for damaged in &subject.damaged {
        output::note(&format!(
            "generation {} cannot be read, so it is not known whether it has something",
            damage::describe(damaged)
        ));
    }
    if subject.keys.is_empty() && !global.quiet {
        output::note(if events == 0 {
            "nothing is known of it"
        } else {
            "no generation has it: it is known from the audit trail alone"
        });
    }
    Ok(Exit::Complete)
}
