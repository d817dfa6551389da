//! `privacy retrieve`: everything that is known of a person or device.

use core_engine::ledger::{self, Event};
use core_engine::{erasure, privacy};
use core_erasure::subject::{self, AllPseudonyms};
use core_erasure::{damage, page};

use crate::cli::{Global, RetrievalFormat, RetrieveArguments};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::system;
use crate::{commands, output};

/// Prints it, and tells the ledger first.
pub(super) fn retrieve(global: &Global, arguments: &RetrieveArguments) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let (kind, typed) = super::erase::subject_of(&arguments.subject);
    let pseudonyms = if config.privacy.key_file.exists() {
        let keys = privacy::load_keys(engine(&config))?;
        AllPseudonyms::new(&keys, &privacy::tenant_name(engine(&config)))
    } else {
        AllPseudonyms::none()
    };
    let subject = subject::find(&tenant, kind, typed, &pseudonyms)?;
    let now = system::now().to_rfc3339();
    let retrieval = erasure::retrieve(engine(&config), &tenant, kind, &subject, now)?;
    let (rows, events) = (retrieval.rows(), retrieval.audit_events.len());
    let event = Event::Retrieval { kind: kind.name(), rows, events };
    ledger::record(host(), &tenant, &event)?;
    match arguments.output {
        RetrievalFormat::Json => {
            output::result(&serde_json::to_string_pretty(&retrieval).map_err(anyhow::Error::new)?);
        }
        RetrievalFormat::Html => output::result(&page::html(&retrieval)),
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
