//! The arguments of `diff`.

use clap::{Args, ValueEnum};
use core_query::{DiffDetail, Format};

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct DiffArguments {
    /// The older generation: an ID that `history` lists, a day such as 2026-03-01 (UTC), `previous` or `current`
    #[arg(default_value = "previous", value_name = "BEFORE")]
    pub(crate) before: String,
    /// The newer generation
    #[arg(default_value = "current", value_name = "AFTER")]
    pub(crate) after: String,
    /// Count the changes of each type and property (the default)
    #[arg(long, group = "detail")]
    pub(crate) summary: bool,
    /// List each object that differs
    #[arg(long, group = "detail")]
    pub(crate) names: bool,
    /// List each value that differs, before and after
    #[arg(long, group = "detail")]
    pub(crate) rows: bool,
    /// Compare only this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Compare only this property, even a volatile one; may be repeated
    #[arg(long = "property", value_name = "PROPERTY")]
    pub(crate) properties: Vec<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub(crate) without_personal: bool,
    /// End with exit code 10 if anything differs, 7 if that is not certain
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print the changes in this form
    #[arg(long, short, value_enum, default_value_t = DiffFormat::Table)]
    pub(crate) output: DiffFormat,
}

impl DiffArguments {
    /// The detail of each change.
    pub(crate) fn detail(&self) -> DiffDetail {
        match (self.names, self.rows) {
            (true, _) => DiffDetail::Names,
            (_, true) => DiffDetail::Rows,
            _ => DiffDetail::Summary,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
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
    pub(crate) fn row_format(self) -> Option<Format> {
        match self {
            Self::Table => Some(Format::Table),
            Self::Json => Some(Format::Json),
            Self::Ndjson => Some(Format::Ndjson),
            Self::Csv => Some(Format::Csv),
            Self::Html => None,
        }
    }
}
