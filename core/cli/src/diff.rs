//! The arguments of `diff`.

use clap::{Args, ValueEnum};

use crate::RowFormat;

/// The arguments of `diff`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct DiffArguments {
    /// The older generation: an ID that `history` lists, a day such as 2026-03-01 (UTC), `previous` or `current`
    #[arg(default_value = "previous", value_name = "BEFORE")]
    pub before: String,
    /// The newer generation
    #[arg(default_value = "current", value_name = "AFTER")]
    pub after: String,
    /// Count the changes of each type and property (the default)
    #[arg(long, group = "detail")]
    pub summary: bool,
    /// List each object that differs
    #[arg(long, group = "detail")]
    pub names: bool,
    /// List each value that differs, before and after
    #[arg(long, group = "detail")]
    pub rows: bool,
    /// Compare only this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Compare only this property, even a volatile one; may be repeated
    #[arg(long = "property", value_name = "PROPERTY")]
    pub properties: Vec<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub without_personal: bool,
    /// End with exit code 10 if anything differs, 7 if that is not certain
    #[arg(long)]
    pub exit_code: bool,
    /// Print the changes in this form
    #[arg(long, short, value_enum, default_value_t = DiffFormat::Table)]
    pub output: DiffFormat,
}

impl DiffArguments {
    /// The detail of each change.
    pub fn detail(&self) -> DiffDetail {
        match (self.names, self.rows) {
            (true, _) => DiffDetail::Names,
            (_, true) => DiffDetail::Rows,
            _ => DiffDetail::Summary,
        }
    }
}

/// The detail of each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffDetail {
    /// Counts alone.
    Summary,
    /// Each object that differs.
    Names,
    /// Each value that differs.
    Rows,
}

/// The form in which changes are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// Aligned columns
    Table,
    /// One object, or one array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values; cells that a spreadsheet would run begin with '
    Csv,
    /// A page that loads nothing from elsewhere
    Html,
}

impl DiffFormat {
    /// The form of rows; none for a page.
    pub fn of_rows(self) -> Option<RowFormat> {
        match self {
            Self::Table => Some(RowFormat::Table),
            Self::Json => Some(RowFormat::Json),
            Self::Ndjson => Some(RowFormat::Ndjson),
            Self::Csv => Some(RowFormat::Csv),
            Self::Html => None,
        }
    }
}
