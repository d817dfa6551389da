//! `privacy retrieve`: everything that is known of a person or device.

use core_cli::{Global, RetrievalFormat, RetrieveArguments};
use core_engine::erasure;
use core_erasure::{damage, page, summary};

use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::{commands, output};

/// Prints it, and tells the ledger first.
pub(super) fn retrieve(global: &Global, arguments: &RetrieveArguments) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let (kind, typed) = super::erase::subject_of(&arguments.subject);
    let (subject, retrieval) = erasure::answer(engine(&config), &tenant, kind, typed)?;
    let events = retrieval.audit_events.len();
    match arguments.output {
        RetrievalFormat::Json => output::json(&retrieval)?,
        RetrievalFormat::Html => output::result(&page::html(&retrieval)),
    }
    for damaged in &subject.damaged {
        output::note(&format!(
            "generation {} cannot be read, so it is not known whether it has something",
            damage::describe(damaged)
        ));
    }
    output::notes(&Vec::from_iter(summary::possible_findings_remark(&retrieval)));
    if subject.keys.is_empty() && !global.quiet {
        output::note(if events == 0 {
            "nothing is known of it"
        } else {
            "no generation has it: it is known from the audit trail alone"
        });
    }
    Ok(Exit::Complete)
}
