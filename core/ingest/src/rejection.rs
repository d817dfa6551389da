//! Rejections of a file and quarantine of a row: the reason and the place, never the content of a
//! cell.

use std::fmt;

/// The most quarantined rows that are listed with their line; all are counted.
const MAX_QUARANTINED_LISTED: usize = 100;

/// Quarantined rows, with their reasons but never with their cells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The number of quarantined rows.
    pub rows: u64,
    /// The first of them.
    pub listed: Vec<QuarantinedRow>,
}

/// One quarantined row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// The file of the export, counted from 1.
    pub file: usize,
    /// The line on which the row begins, counted from 1.
    pub line: u64,
    /// The reason for the quarantine.
    pub reason: QuarantineReason,
}

/// The reason why a row was quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineReason {
    /// The row's width differs from the header's.
    Width {
        /// The number of cells.
        cells: usize,
        /// The number of cells in the header.
        expected: usize,
    },
    /// The row is not valid UTF-8.
    Encoding,
    /// The row is a header: that of the file again, or that of another table within the file.
    RepeatedHeader,
    /// The key cell is empty.
    NoKey,
    /// The key cell has more than 256 bytes.
    LongKey,
    /// The key cell has an invisible character or one that is not text, so that two keys could look
    /// equal.
    InvisibleKey,
}

/// The rejection of a file, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The line, counted from 1.
    pub line: u64,
    /// The cell within its row, counted from 1.
    pub column: usize,
    /// The reason.
    pub reason: RejectionReason,
}

/// The reason why a file was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectionReason {
    /// The file is empty, or has only blank lines.
    Empty,
    /// The file is UTF-16.
    Utf16,
    /// The file is an HTML page.
    Html,
    /// The file is XML.
    Xml {
        /// The error code of Amazon S3, if it is a known one.
        code: Option<&'static str>,
    },
    /// The file is JSON.
    Json,
    /// The file is a PDF document.
    Pdf,
    /// The file is compressed twice.
    CompressedTwice,
    /// A quote inside a cell that does not begin with a quote.
    StrayQuote,
    /// Text between a closing quote and the next separator.
    TextAfterQuote,
    /// The file ends inside quotes: it was truncated.
    Unterminated,
    /// A carriage return without a line feed.
    LoneCarriageReturn,
    /// A cell of more than 1 MiB.
    CellTooLong,
    /// A row of more than 16 MiB.
    RowTooLong,
    /// A header of more than 1,024 cells.
    TooManyColumns,
    /// The header is not valid UTF-8, has a NUL, or has an empty name. The last name may be empty.
    BadHeader,
    /// Two columns have the same name.
    DuplicateColumn,
    /// The columns are not separated by commas.
    Delimiter {
        /// The delimiter's name.
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

    /// Merges quarantined rows of the same files.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.listed.extend(other.listed);
        self.listed.sort_by_key(|row| (row.file, row.line));
        self.listed.truncate(MAX_QUARANTINED_LISTED);
    }
}

impl fmt::Display for QuarantineReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width { cells, expected } => {
                write!(formatter, "{cells} cells, the header has {expected}")
            }
            Self::Encoding => formatter.write_str("not UTF-8"),
            Self::RepeatedHeader => formatter.write_str("the header again"),
            Self::NoKey => formatter.write_str("the key is empty"),
            Self::LongKey => formatter.write_str("the key has more than 256 bytes"),
            Self::InvisibleKey => formatter.write_str("the key has an invisible character"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
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
                    formatter,
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
                    formatter,
                    "the columns are separated by {found}, an export has commas; a program for \
                     spreadsheets may have saved the file"
                );
            }
        })
    }
}

impl std::error::Error for Rejection {}
