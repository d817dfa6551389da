//! The files of one type in several generations, as one scan.
//!
//! As a union of one scan for each generation, ninety generations would take longer to plan than to read, and the engine
//! would run all ninety scans at once, each with batches and groups of its own. Here a few partitions read the files one
//! after the other. The columns that name the generation of a row are constants of its file, and a filter on them alone
//! decides which files are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use core_store::{Generation, Table};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{DFSchema, ScalarValue, project_schema};
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::SessionContext;

use super::{CREATED_AT, GENERATION};

/// Tables of one type, in generations that store the same columns in the same folder.
#[derive(Debug)]
pub(super) struct GenerationScan {
    /// The folder that has the folders of the generations.
    folder: PathBuf,
    /// The name of that folder for the engine.
    store: ObjectStoreUrl,
    /// The stored columns, then those that name the generation of a row.
    schema: TableSchema,
    tables: Vec<StoredTable>,
}

/// The table of one generation.
#[derive(Debug)]
struct StoredTable {
    /// The values of the columns that name the generation of a row.
    generation: Vec<ScalarValue>,
    /// True if rows may be missing, or were carried over from an earlier generation.
    partial: bool,
    files: Vec<PartitionedFile>,
}

impl GenerationScan {
    /// Opens the table of one generation; reads the end of its first file.
    ///
    /// DataFusion keeps the ends of files that it has read by their paths alone, whatever store they are in. So the paths
    /// begin with the name of the generation.
    pub(super) async fn open(
        context: &SessionContext,
        generation: &Generation,
        table: &Table,
    ) -> Result<Self> {
        let (folder, name) = place(generation)?;
        let id = generation.id().to_string();
        let store = ObjectStoreUrl::parse(format!("nexthink-graph://{id}-and-others"))?;
        let objects: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
        context.register_object_store(store.as_ref(), Arc::clone(&objects));

        let created_at = ScalarValue::Utf8(Some(generation.manifest().created_at.clone()));
        let values =
            vec![ScalarValue::Utf8View(Some(id)), created_at.cast_to(&generation_columns()[1].1)?];
        let files = table.files.iter().map(|file| {
            let path = format!("{name}/{}", file.file.path);
            PartitionedFile::new(path, file.file.bytes).with_partition_values(values.clone())
        });
        let files: Vec<_> = files.collect();
        let first = files.first().ok_or_else(|| DataFusionError::Plan("no files".to_owned()))?;
        let first = std::slice::from_ref(&first.object_meta);
        let stored = ParquetFormat::new().infer_schema(&context.state(), &objects, first).await?;
        let columns = generation_columns().into_iter();
        let columns = columns.map(|(name, of)| Arc::new(Field::new(name, of, false)));
        let columns: Vec<_> = columns.collect();
        let schema = TableSchema::builder(stored).with_table_partition_cols(columns).build();
        let tables = vec![StoredTable { generation: values, partial: table.partial, files }];
        Ok(Self { folder: folder.to_owned(), store, schema, tables })
    }

    /// Adds the tables of another scan, unless they have other columns or are elsewhere.
    pub(super) fn take_over(&mut self, other: Self) -> Option<Self> {
        if self.folder != other.folder || self.schema.file_schema() != other.schema.file_schema() {
            return Some(other);
        }
        self.tables.extend(other.tables);
        None
    }

    /// Returns true if the rows of a partial table can fulfil filters, as far as these are about the generation alone.
    pub(super) fn reads_partial(&self, state: &dyn Session, filters: &[Expr]) -> Result<bool> {
        // In a logical plan, columns are named with their table.
        let filters = unnormalize_cols(filters.iter().cloned());
        let is_read = self.is_read(state, &filters)?;
        Ok(self.tables.iter().zip(is_read).any(|(table, is_read)| is_read && table.partial))
    }

    /// Returns for each table whether its rows can fulfil filters, as far as these are about the generation alone.
    fn is_read(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<bool>> {
        let filters = filters.iter().filter(|filter| is_about_generation(filter)).cloned();
        let Some(filter) = conjunction(filters) else { return Ok(vec![true; self.tables.len()]) };
        let columns: SchemaRef = Arc::new(Schema::new(self.schema.table_partition_cols().clone()));
        let values = (0..columns.fields().len()).map(|column| {
            ScalarValue::iter_to_array(
                self.tables.iter().map(|table| table.generation[column].clone()),
            )
        });
        let values = RecordBatch::try_new(Arc::clone(&columns), values.collect::<Result<_>>()?)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(columns)?)?;
        let matches = filter.evaluate(&values)?.into_array(self.tables.len())?;
        Ok(as_boolean_array(&matches)?.iter().map(|is_match| is_match == Some(true)).collect())
    }
}

/// The columns that name the generation of a row.
fn generation_columns() -> [(&'static str, DataType); 2] {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    [(GENERATION, DataType::Utf8View), (CREATED_AT, time)]
}

/// Returns whether a filter can be decided for each generation before a row is read.
fn is_about_generation(filter: &Expr) -> bool {
    // The answer of a subquery is not known yet.
    let is_subquery = |part: &Expr| {
        use Expr::{Exists, InSubquery, OuterReferenceColumn, ScalarSubquery, SetComparison};
        Ok(matches!(
            part,
            Exists(_)
                | InSubquery(_)
                | OuterReferenceColumn(..)
                | ScalarSubquery(_)
                | SetComparison(_)
        ))
    };
    expr_applicable_for_cols(&[GENERATION, CREATED_AT], filter)
        && !filter.exists(is_subquery).unwrap_or(true)
}

/// The parent of a generation's folder, and the folder's name.
fn place(generation: &Generation) -> Result<(&Path, &str)> {
    let folder = generation.folder();
    let name = folder.file_name().and_then(|name| name.to_str());
    let place = folder.parent().zip(name);
    place.ok_or_else(|| DataFusionError::Plan("a generation has no folder".to_owned()))
}

#[async_trait]
impl TableProvider for GenerationScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = filters.iter().map(|filter| {
            if is_about_generation(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        });
        Ok(support.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let tables = self.tables.iter().zip(self.is_read(state, filters)?);
        let read = tables.filter_map(|(table, is_read)| is_read.then_some(&table.files));
        let files: FileGroup = read.flatten().cloned().collect();
        if files.is_empty() {
            let schema = project_schema(self.schema.table_schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let format = ParquetFormat::new();
        let source = format.file_source(self.schema.clone());
        let scan = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(files.split_files(state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, scan).await
    }
}
