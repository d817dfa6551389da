//! The forms in which commands print.

use clap::{Args, ValueEnum};

/// The option of every command that prints rows.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// Print the rows in this form
    #[arg(long, short, value_enum, default_value_t = RowFormat::Table)]
    pub output: RowFormat,
}

/// The form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Aligned columns
    Table,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values; cells that a spreadsheet would run begin with '
    Csv,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Aligned columns
    #[default]
    Table,
    /// One object
    Json,
}

/// The form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Indented lines
    Text,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    /// For programs
    Json,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line; progress and the error that ends a command stay plain text
    Json,
}

/// The form of the page in JupiterOne's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocsFormat {
    /// The section that JupiterOne's `j1-integration document` writes into a page
    Sdk,
    /// The page of an integration in JupiterOne's documentation
    Page,
}

/// A page of the generated documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// Entities, relationships, queries, properties
    DataModel,
    /// OAuth scopes and endpoints by step
    Authorization,
    /// Properties with personal data
    PersonalData,
}
