//! The generations that are open for look-ups: one for each role, until a newer one is published or someone is erased.
//!
//! Look-ups run in this process, unlike queries: their plans are ours, so that they have a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as BlockingMutex, PoisonError};

use core_query::graph::SearchIndex;
use core_query::questions::Question;
use core_query::{QueryError, QuerySession};
use core_store::{Generation, Manifest};
use tokio::sync::{Mutex, OnceCell};

use crate::Explorer;
use crate::access::Role;
use crate::error::ApiError;
use crate::host::Host;

/// The most generations that are open at once: the published one for both roles, and one before it.
const MAX_OPEN: usize = 3;

/// An open generation.
pub(crate) struct OpenGeneration {
    /// An erasure changes the manifest of a generation, and with it what is to be seen.
    manifest: Manifest,
    role: Role,
    pub(crate) session: QuerySession,
    index: OnceCell<SearchIndex>,
    /// The reasons for which questions cannot be asked, by their queries; none for those that can.
    unavailable: BlockingMutex<HashMap<String, Option<String>>>,
}

impl OpenGeneration {
    /// The names to search, read when they are first asked for.
    pub(crate) async fn index(&self) -> Result<&SearchIndex, QueryError> {
        self.index.get_or_try_init(|| SearchIndex::load(&self.session)).await
    }

    /// Returns the reason why a question cannot be asked of this generation by this role; none if it can.
    pub(crate) fn unavailability(&self, host: &dyn Host, question: &Question) -> Option<String> {
        let query = &question.query;
        // The process that answers it has tables that are not here.
        if host.tables_on_demand().iter().any(|table| query.contains(table)) {
            return None;
        }
        let mut known = self.unavailable.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry(query.clone()).or_insert_with(|| {
            let now_ms = i64::try_from(host.now_ms()).unwrap_or(i64::MAX);
            self.session.unavailability(question, now_ms)
        });
        found.clone()
    }

    pub(crate) fn id(&self) -> &str {
        self.manifest.id.as_str()
    }
}

/// The open generations, the most recently used one at the end.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Vec<Arc<OpenGeneration>>>);

impl Explorer {
    /// Opens a generation for a role, unless it is open.
    pub(crate) async fn open(
        &self,
        generation: &Generation,
        role: Role,
    ) -> Result<Arc<OpenGeneration>, ApiError> {
        let manifest = generation.manifest();
        // Held while one is opened, so that it is opened once.
        let mut open = self.sessions.0.lock().await;
        let place = open.iter().position(|known| known.manifest == *manifest && known.role == role);
        if let Some(place) = place {
            let found = open.remove(place);
            open.push(Arc::clone(&found));
            return Ok(found);
        }
        // What was read before an erasure.
        let is_same = |known: &OpenGeneration| {
            (&known.manifest.tenant, &known.manifest.id) == (&manifest.tenant, &manifest.id)
        };
        open.retain(|known| !is_same(known) || known.manifest == *manifest);
        let session = self.host.open_session(generation, role).await?;
        let (index, unavailable) = (OnceCell::new(), BlockingMutex::default());
        let manifest = manifest.clone();
        let opened = Arc::new(OpenGeneration { manifest, role, session, index, unavailable });
        if open.len() >= MAX_OPEN {
            open.remove(0);
        }
        open.push(Arc::clone(&opened));
        Ok(opened)
    }
}
