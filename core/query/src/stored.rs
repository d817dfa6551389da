//! The stored files behind the tables of a session: their addresses for DataFusion, and their verification.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use core_store::{EventLog, Generation, StoreError, TableKind};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::LogicalPlan;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::SessionContext;

/// The place that the files of a table are part of.
#[derive(Debug, Clone)]
pub(crate) enum StoredTable {
    Generation(Generation, TableKind),
    Events(EventLog),
}

impl StoredTable {
    /// Compares the table's files with their checksums.
    pub(crate) fn check(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Generation(generation, kind) => generation.check_table(*kind, name),
            Self::Events(log) => log.check(),
        }
    }
}

/// Opens files of a folder as one table.
///
/// DataFusion addresses files by URLs, whose paths must not contain control characters or bytes that are not UTF-8; a
/// user's folder may have such a name. So the folder becomes a separate object store, and the addresses contain only
/// names that this program makes.
pub(crate) async fn open<'a>(
    context: &SessionContext,
    store: &str,
    folder: &Path,
    files: impl IntoIterator<Item = &'a str>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let url = ObjectStoreUrl::parse(format!("nexthink-graph://{store}"))?;
    context
        .register_object_store(url.as_ref(), Arc::new(LocalFileSystem::new_with_prefix(folder)?));
    let addresses = files.into_iter().map(|file| ListingTableUrl::parse(format!("{url}{file}")));
    let addresses: Vec<_> = addresses.collect::<Result<_, _>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::new()));
    let first = addresses.first().ok_or_else(|| DataFusionError::Plan("no files".to_owned()))?;
    let schema = options.infer_schema(&context.state(), first).await?;
    let config = ListingTableConfig::new_with_multi_paths(addresses)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The names of the stored tables that a plan reads.
pub(crate) fn scanned_tables(plan: &LogicalPlan) -> Result<BTreeSet<String>, DataFusionError> {
    let mut names = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}
