//! The arguments of `store`.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};

use crate::{Output, ReportFormat};

/// `store` and what follows it.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Compare every stored file with its checksum
    #[command(after_help = "\
Example:
  nexthink-graph store verify

It reads all generations and all events, and ends with exit code 5 if a file is damaged. Restore damaged
files from a backup.")]
    Verify {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Copy a tenant to another folder or to a bucket
    #[command(after_help = "\
Examples:
  nexthink-graph store copy --dry-run nexthink-graph-store backup-store
  nexthink-graph store copy nexthink-graph-store backup-store
  nexthink-graph store copy nexthink-graph-store s3://backups/nexthink
  nexthink-graph store copy s3://backups/nexthink restored-store

It makes TO what FROM is: it sends what TO lacks, compares every file with its checksum on both sides, \
removes what FROM does not have any more, and shows all of it at once. The next copy goes on where a \
stopped one ended. TO must be an earlier state of the same store, or empty.

Buckets need a program that was built with `--features bucket`, and credentials in variables: \
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL for s3://BUCKET/FOLDER, \
AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY for az://CONTAINER/FOLDER.")]
    Copy(CopyArguments),
}

/// The arguments of `store copy`.
#[derive(Debug, Args)]
pub struct CopyArguments {
    /// Copy from this store: a folder, or the address of one in a bucket
    pub from: String,
    /// Copy to this store
    pub to: String,
    /// Say what would be sent and removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept a bucket that keeps deleted objects for this many days
    #[arg(long, value_name = "DAYS")]
    pub deleted_objects_kept_days: Option<NonZeroU32>,
    /// Write the result in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}
