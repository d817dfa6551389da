//! `privacy retrieve`: everything that is known of a person or device.

use core_cli::{Global, RetrievalFormat, RetrieveArguments};
use core_engine::erasure;
use core_erasure::{damage, page};
use core_terminal::count;

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
    let possible = retrieval.possible_findings.len();
    if possible > 0 {
        output::note(&format!(
            "{} may name it by a word that may mean something else: possibleFindings has the IDs",
            count(possible, "text of findings and silences")
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
