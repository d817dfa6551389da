//! What is wrong with a file or with one row of it, and where; never what a cell holds.

use std::fmt;

/// How many quarantined rows are kept with their line; all are counted.
const MAX_QUARANTINED_LISTED: usize = 100;

/// Rows that were set aside, with the reason but never with their cells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// How many there are.
    pub rows: u64,
    /// Some of them.
    pub listed: Vec<QuarantinedRow>,
}

/// One row that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// The file of the export, counted from 1.
    pub file: usize,
    /// The line on which the row begins, counted from 1.
    pub line: u64,
    /// Why it was set aside.
    pub reason: QuarantineReason,
}

/// Why a row was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineReason {
    /// It has another number of cells than the header.
    Width {
        /// The number of cells.
        cells: usize,
        /// That of the header.
        expected: usize,
    },
    /// It is not valid UTF-8.
    Encoding,
    /// It is a header: that of the file again, or of another table within it.
    RepeatedHeader,
    /// The cell that identifies its entity is empty.
    NoKey,
    /// The cell that identifies its entity has more than 256 bytes.
    LongKey,
    /// The cell that identifies its entity has a character that cannot be seen or is no text, so that two
    /// keys could look like one.
    InvisibleKey,
}

/// Why a file was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: u64,
    /// The cell within its row, counted from 1.
    pub column: usize,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// It has no byte at all, or only blank lines.
    Empty,
    /// It is UTF-16.
    Utf16,
    /// It is a page of the web.
    Html,
    /// It is XML.
    Xml {
        /// The code of an error of Amazon S3, where it is a known one.
        code: Option<&'static str>,
    },
    /// It is JSON.
    Json,
    /// It is a PDF document.
    Pdf,
    /// Within its compression it is compressed again.
    CompressedTwice,
    /// A quote inside a cell that does not begin with one.
    StrayQuote,
    /// Something other than a separator after the quote that ends a cell.
    TextAfterQuote,
    /// The file ends inside quotes: it was cut.
    Unterminated,
    /// A carriage return without a line feed.
    LoneCarriageReturn,
    /// A cell has more than 1 MiB.
    CellTooLong,
    /// A row has more than 16 MiB.
    RowTooLong,
    /// The header has more than 1,024 cells.
    TooManyColumns,
    /// The header is not valid UTF-8, has a NUL, or names a column with nothing. The last name may be empty.
    BadHeader,
    /// Two columns have one name.
    DuplicateColumn,
    /// Something other than commas separates the columns.
    Delimiter {
        /// What.
        found: &'static str,
    },
}

impl Quarantine {
    pub(crate) fn add(&mut self, row: QuarantinedRow) {
        self.rows += 1;
        if self.listed.len() < MAX_QUARANTINED_LISTED {
            self.listed.push(row);
        }
    }

    /// Adds rows of the same files that were set aside elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.listed.extend(other.listed);
        self.listed.sort_by_key(|row| (row.file, row.line));
        self.listed.truncate(MAX_QUARANTINED_LISTED);
    }
}

impl fmt::Display for QuarantineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width { cells, expected } => {
                write!(f, "{cells} cells, the header has {expected}")
            }
            Self::Encoding => f.write_str("not UTF-8"),
            Self::RepeatedHeader => f.write_str("the header again"),
            Self::NoKey => f.write_str("the key is empty"),
            Self::LongKey => f.write_str("the key has more than 256 bytes"),
            Self::InvisibleKey => f.write_str("the key has an invisible character"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => {
                "the file is empty, without even a header; run again, and if it stays so, look at \
                 the query in Nexthink"
            }
            Self::Utf16 => "the file is UTF-16, an export is UTF-8",
            Self::Html => {
                "the file is a page of the web; a proxy or a page to sign in answered in place of \
                 the storage"
            }
            Self::Xml { code: Some(code) } => {
                return write!(
                    f,
                    "the file is XML, the storage's error {code}; run again for a new results link"
                );
            }
            Self::Xml { code: None } => {
                "the file is XML; a storage or a proxy answered with an error in place of the export"
            }
            Self::Json => {
                "the file is JSON; save the query for exports, and let no proxy change answers"
            }
            Self::Pdf => "the file is a PDF document; a proxy may have put it there",
            Self::CompressedTwice => {
                "the file is compressed twice, and one layer is taken off; a proxy may have added \
                 the other"
            }
            Self::StrayQuote => "a quote inside a cell that does not begin with one",
            Self::TextAfterQuote => "text after the quote that ends a cell",
            Self::Unterminated => "the file ends inside quotes, so it was cut",
            Self::LoneCarriageReturn => "a carriage return without a line feed",
            Self::CellTooLong => "a cell of more than 1 MiB",
            Self::RowTooLong => "a row of more than 16 MiB",
            Self::TooManyColumns => "a header of more than 1,024 columns",
            Self::BadHeader => "a column name that is empty or no text",
            Self::DuplicateColumn => "a column name that stands twice",
            Self::Delimiter { found } => {
                return write!(
                    f,
                    "the columns are separated by {found}, an export has commas; a program for \
                     spreadsheets may have saved the file"
                );
            }
        })
    }
}

impl std::error::Error for Refusal {}
