//! The parameters and columns of a query that is not asked yet.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Schema};

use crate::error::QueryError;
use crate::session::QuerySession;
use crate::{complexity, parameters, planning};

/// A query before it is asked.
#[derive(Debug, Clone)]
pub struct DescribedQuery {
    /// Its parameters by name, without the `$`: the type that is declared, or else that the query needs, if it tells one.
    pub parameters: BTreeMap<String, Option<DataType>>,
    /// The columns of its answer.
    pub schema: Schema,
}

impl QuerySession {
    /// Plans a query and does not start it. `declared` has the types of parameters that the caller knows.
    ///
    /// # Errors
    /// As [`QuerySession::sql`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn describe(
        &self,
        sql: &str,
        declared: &BTreeMap<String, DataType>,
    ) -> Result<DescribedQuery, QueryError> {
        complexity::check(sql)?;
        planning::on_deep_stack(|| async {
            let plan = self.plan(sql).await?;
            let mut parameters = parameters::types(&plan)?;
            for (name, known) in &mut parameters {
                if let Some(data_type) = declared.get(name) {
                    *known = Some(data_type.clone());
                }
            }
            let plan = parameters::bind_nulls(plan, &parameters)?;
            Ok(DescribedQuery { parameters, schema: plan.schema().as_arrow().clone() })
        })
    }
}
