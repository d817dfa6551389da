//! Schemas of tables beside those of a generation, and functions, that a caller adds to a session: the catalog that
//! clients of a database expect.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use crate::error::QueryError;
use crate::session::QuerySession;

/// Computes a function: gets its arguments as columns and the number of rows, and returns a column of that many rows.
type Evaluate = dyn Fn(&[ArrayRef], usize) -> ArrayRef + Send + Sync;

/// A function of SQL that takes any arguments. Its results depend on them alone.
#[derive(Clone)]
pub struct AddedFunction {
    /// Its name, in lower case.
    pub name: String,
    /// The type of its results.
    pub returns: DataType,
    /// Computes the results.
    pub evaluate: Arc<Evaluate>,
}

impl QuerySession {
    /// Adds a schema with tables that are held in memory, by name. A schema `information_schema` replaces that of the
    /// engine.
    ///
    /// # Errors
    /// [`QueryError::Execution`] when the engine takes a table or the schema not.
    pub fn add_schema(
        &self,
        name: &str,
        tables: Vec<(String, RecordBatch)>,
    ) -> Result<(), QueryError> {
        let add = || -> Result<()> {
            let schema = MemorySchemaProvider::new();
            for (name, rows) in tables {
                let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
                schema.register_table(name, Arc::new(table))?;
            }
            let state = self.context.state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            let catalog = options.catalog.default_catalog.clone();
            if name == "information_schema" {
                options.catalog.information_schema = false;
            }
            drop(state);
            let catalog = self.context.catalog(&catalog).ok_or_else(|| {
                DataFusionError::Internal("the session has no catalog".to_owned())
            })?;
            catalog.register_schema(name, Arc::new(schema))?;
            Ok(())
        };
        add().map_err(|error| self.error(&error))
    }

    /// Adds a function. It replaces one of the same name.
    pub fn add_function(&self, function: AddedFunction) {
        let signature = Signature::one_of(
            vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
            Volatility::Immutable,
        );
        self.context.register_udf(ScalarUDF::new_from_impl(Added { function, signature }));
    }
}

/// An added function as the engine calls it.
struct Added {
    function: AddedFunction,
    signature: Signature,
}

// A session has one function of a name.
impl PartialEq for Added {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Added {}

impl Hash for Added {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Added").field("name", &self.function.name).finish_non_exhaustive()
    }
}

impl ScalarUDFImpl for Added {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        Ok(ColumnarValue::Array((self.function.evaluate)(&columns, args.number_rows)))
    }
}
