//! The narrow door between a delivery and a database: statements in, rows out.

use crate::bolt::Rows;
use crate::error::Neo4jError;
use crate::statement::Statement;

/// A database that runs statements, each in a transaction of its own. The tests have one in memory.
pub(crate) trait Session {
    /// Runs a statement.
    async fn run(&mut self, statement: Statement<'_>) -> Result<Rows, Neo4jError>;

    /// Runs a statement that answers one number; 0 if it answers nothing.
    async fn number(&mut self, statement: Statement<'_>) -> Result<u64, Neo4jError> {
        let rows = self.run(statement).await?;
        let number = rows.first().and_then(|row| row.first()?.as_integer());
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default())
    }
}
