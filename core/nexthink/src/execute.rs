//! Runs a saved query at once, to see its columns: that costs no export.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::client::{Client, check_query};
use crate::error::{Endpoint, NexthinkError};
use crate::identity::QueryId;
use crate::nql::QueryLimits;
use crate::transport::{ApiCall, Execute};

/// The result of a query that is run at once, without any cell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteAnswer {
    /// The names of the columns, as Nexthink wrote them: escape them before they are shown.
    pub columns: Vec<String>,
    /// The number of rows; Nexthink gives 1,000 at most.
    pub rows: u64,
    /// The parts that the text that was run leaves out, if Nexthink told the text and it can be read.
    pub limits: Option<QueryLimits>,
}

impl Client {
    /// Runs a saved query at once (Nexthink NQL API 1.2.0, `execute` v1). Nexthink stops after
    /// about five seconds and 1,000 rows.
    ///
    /// It does not count against the daily number of exports. An answer of more than 16 MiB is
    /// refused; cells are skipped and never kept.
    ///
    /// # Errors
    /// [`NexthinkError::Forbidden`] and [`NexthinkError::QueryNotFound`] concern the query; the
    /// others the credential, the network or the answer.
    pub async fn execute(
        &self,
        query: &QueryId,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ExecuteAnswer, NexthinkError> {
        const AT: Endpoint = Endpoint::Execute;

        let body = Execute { query_id: query, parameters };
        let answer = self.call(ApiCall::Execute(&body), AT).await?;
        check_query(&answer, query, AT)?;
        let RowsAnswer { headers, data, executed_query } = answer.json(AT)?;
        let limits = executed_query.as_ref().and_then(Value::as_str).and_then(QueryLimits::parse);
        Ok(ExecuteAnswer { columns: headers, rows: data.len() as u64, limits })
    }
}

/// The answer; its rows take no memory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowsAnswer {
    headers: Vec<String>,
    data: Vec<IgnoredAny>,
    executed_query: Option<Value>,
}
