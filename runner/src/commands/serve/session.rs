//! Sessions on a generation as a role may see it.

use core_explorer::Role;
use core_query::{QuerySession, QuerySettings};
use core_store::{Generation, TenantStore};

use crate::cli::Global;
use crate::commands::{audit, query, rules};
use crate::exit::{Exit, Failure};

/// What a viewer is told who asks for personal data.
pub(super) const REMEDY: &str = "sign in with a token of the role `analyst` to see it";

/// Opens a generation and the events, as far as there are any. A viewer sees no personal columns; `remedy` says how
/// to see them.
pub(super) async fn open(
    global: &Global,
    tenant: &TenantStore,
    generation: Option<&Generation>,
    role: Role,
    remedy: &str,
    settings: QuerySettings,
) -> Result<QuerySession, Failure> {
    let internal = |error| query::failure(error, Exit::Internal);
    let session = QuerySession::empty(settings).map_err(internal)?;
    let mut session = session.with_volatile(super::super::diff::volatile());
    if role == Role::Viewer {
        session = session.withholding(crate::withheld::personal_columns(remedy));
    }
    if let Some(generation) = generation {
        session.add_generation(generation).await.map_err(internal)?;
    }
    audit::add_events(global, &mut session, tenant).await?;
    if let Some(book) = rules::read_book(tenant)? {
        session.add_table(rules::findings_table::table(&book)?).map_err(internal)?;
    }
    Ok(session)
}
