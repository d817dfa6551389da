//! The form of an answer, and where it goes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RowFormat;

/// The form of the answers of `query` and `ask`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AnswerOutput {
    /// Print the rows in this form
    #[arg(long, short, value_enum, default_value_t = AnswerFormat::Table)]
    pub(crate) output: AnswerFormat,
    /// Write the answer to this new file instead
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Print a long table without a pager
    #[arg(long)]
    pub(crate) no_pager: bool,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// Aligned columns
    Table,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values; cells that a spreadsheet would run begin with '
    Csv,
    /// A Parquet file, for --out or a redirection
    Parquet,
}

impl AnswerFormat {
    /// The form of rows as text; none for Parquet.
    pub(crate) fn of_rows(self) -> Option<RowFormat> {
        match self {
            Self::Table => Some(RowFormat::Table),
            Self::Json => Some(RowFormat::Json),
            Self::Ndjson => Some(RowFormat::Ndjson),
            Self::Csv => Some(RowFormat::Csv),
            Self::Parquet => None,
        }
    }
}

impl From<RowFormat> for AnswerOutput {
    fn from(format: RowFormat) -> Self {
        let output = match format {
            RowFormat::Table => AnswerFormat::Table,
            RowFormat::Json => AnswerFormat::Json,
            RowFormat::Ndjson => AnswerFormat::Ndjson,
            RowFormat::Csv => AnswerFormat::Csv,
        };
        Self { output, out: None, force: false, no_pager: false }
    }
}
