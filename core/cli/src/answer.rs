//! The form of an answer, and where it goes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::RowFormat;

/// The pager if `PAGER` names none: it ends by itself with a text that fits, and leaves the text on the screen.
const DEFAULT_PAGER: &str = "less -FRX";

/// The form of the answers of `query` and `ask`.
#[derive(Debug, Clone, Args)]
pub struct AnswerOutput {
    /// Print the rows in this form
    #[arg(long, short, value_enum, default_value_t = AnswerFormat::Table)]
    pub output: AnswerFormat,
    /// Write the answer to this new file instead
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Print a long table without a pager
    #[arg(long)]
    pub no_pager: bool,
}

impl AnswerOutput {
    /// Refuses an answer that cannot be written, before anything is asked. `is_there` says whether a file is there, and
    /// `to_terminal` whether what is printed goes to a terminal.
    ///
    /// # Errors
    ///
    /// It would replace a file, or show Parquet on a terminal.
    pub fn check(&self, is_there: impl Fn(&Path) -> bool, to_terminal: bool) -> Result<(), String> {
        match &self.out {
            Some(path) if !self.force && is_there(path) => Err(format!(
                "{} exists: name another file for --out, or replace it with --force",
                path.display()
            )),
            None if self.output == AnswerFormat::Parquet && to_terminal => {
                Err("a terminal cannot show Parquet: write it into a file with --out FILE"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The pager for the answer, from the variables `PAGER` and `TERM`. None if the answer goes elsewhere than to a
    /// terminal, is not for people, or if the user wants no pager: `--no-pager`, or `PAGER` is empty or `cat`.
    pub fn pager(
        &self,
        to_terminal: bool,
        pager: Option<&str>,
        terminal: Option<&str>,
    ) -> Option<String> {
        let is_table = self.output == AnswerFormat::Table && self.out.is_none();
        let can_page = to_terminal && terminal != Some("dumb");
        let pager = pager.unwrap_or(DEFAULT_PAGER).trim();
        let is_wanted = is_table && can_page && !self.no_pager && !matches!(pager, "" | "cat");
        is_wanted.then(|| pager.to_owned())
    }

    /// The form of a list, which is always printed.
    ///
    /// # Errors
    ///
    /// It is to be Parquet or to go into a file.
    pub fn list_format(&self) -> Result<RowFormat, &'static str> {
        let format = self.output.of_rows().filter(|_| self.out.is_none());
        format.ok_or("a list is printed as table, json, ndjson or csv: leave out --out and Parquet")
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
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
    pub fn of_rows(self) -> Option<RowFormat> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn output(format: AnswerFormat, out: Option<&str>, force: bool) -> AnswerOutput {
        AnswerOutput { output: format, out: out.map(PathBuf::from), force, no_pager: false }
    }

    #[test]
    fn an_answer_replaces_no_file_unasked_and_is_nothing_that_a_terminal_cannot_show() {
        let is_there = |path: &Path| path == Path::new("old.csv");
        for (answer, to_terminal, expected) in [
            (output(AnswerFormat::Csv, Some("new.csv"), false), true, None),
            (
                output(AnswerFormat::Csv, Some("old.csv"), false),
                true,
                Some("old.csv exists: name another file for --out, or replace it with --force"),
            ),
            (output(AnswerFormat::Csv, Some("old.csv"), true), true, None),
            (output(AnswerFormat::Parquet, Some("new.csv"), false), true, None),
            (
                output(AnswerFormat::Parquet, None, false),
                true,
                Some("a terminal cannot show Parquet: write it into a file with --out FILE"),
            ),
            (output(AnswerFormat::Parquet, None, false), false, None),
        ] {
            let refused = answer.check(is_there, to_terminal).err();
            assert_eq!(refused.as_deref(), expected, "{answer:?} {to_terminal}");
        }
    }

    #[test]
    fn the_pager_is_the_users_or_less_or_none() {
        let table = output(AnswerFormat::Table, None, false);
        for (variable, expected) in [
            (None, Some("less -FRX")),
            (Some(""), None),
            (Some("cat"), None),
            (Some("more -s"), Some("more -s")),
        ] {
            assert_eq!(table.pager(true, variable, None).as_deref(), expected, "{variable:?}");
        }
        for (answer, to_terminal, terminal) in [
            (output(AnswerFormat::Json, None, false), true, Some("xterm")),
            (output(AnswerFormat::Table, Some("a"), false), true, Some("xterm")),
            (AnswerOutput { no_pager: true, ..table.clone() }, true, Some("xterm")),
            (table.clone(), false, Some("xterm")),
            (table.clone(), true, Some("dumb")),
        ] {
            let pager = answer.pager(to_terminal, None, terminal);
            assert_eq!(pager, None, "{answer:?} {to_terminal} {terminal:?}");
        }
    }

    #[test]
    fn a_list_is_printed_as_rows() {
        for (answer, expected) in [
            (output(AnswerFormat::Table, None, false), Some(RowFormat::Table)),
            (output(AnswerFormat::Ndjson, None, false), Some(RowFormat::Ndjson)),
            (output(AnswerFormat::Parquet, None, false), None),
            (output(AnswerFormat::Json, Some("a"), false), None),
        ] {
            assert_eq!(answer.list_format().ok(), expected, "{answer:?}");
        }
    }
}
