//! The requests of a session to the process that answers its queries. Each is a length of four bytes and JSON.
//!
//! The process answers with messages of the protocol, which the session hands on, and with three of its own: the
//! generation that is read, and the end of an answer, which is one of two.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use core_explorer::Role;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest request: the values of a message as lists of numbers, in JSON. Bytes.
const MAX_BYTES: u32 = 32 * 1024 * 1024;

/// The message with the ID of the generation that is read.
pub(crate) const GENERATION: u8 = b'g';

/// The message that ends an answer.
pub(crate) const END: u8 = b'z';

/// The message that ends an answer after which the process has too little memory for another one.
pub(crate) const LAST: u8 = b'y';

/// The session that a process works for: its first request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The tenant.
    pub(crate) tenant: String,
    /// All tenants of the store.
    pub(crate) databases: Vec<String>,
    /// Who asks, for the ledger.
    pub(crate) user: String,
    /// Their rights.
    pub(crate) role: Role,
}

/// A query to describe or to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The generation that the transaction reads; none for the published one.
    pub(crate) generation: Option<String>,
    /// The settings of the session.
    pub(crate) settings: BTreeMap<String, String>,
    /// The query.
    pub(crate) query: String,
    /// The number of characters before it in the text that the client has sent; none if the query is not in the text as it
    /// is.
    pub(crate) before: Option<usize>,
    /// The types of its parameters by their numbers; 0 for those that the query tells.
    pub(crate) types: Vec<u32>,
    /// The wanted answer.
    pub(crate) action: Action,
}

/// The wanted answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Tell the types of its parameters and the columns of its answer.
    Describe,
    /// Answer it.
    Execute {
        /// The values of its parameters.
        values: Vec<Option<Vec<u8>>>,
        /// Their formats: none, one for all, or one for each; 1 is binary.
        formats: Vec<i16>,
        /// The formats of the columns, in the same form.
        result_formats: Vec<i16>,
        /// The form of the answer.
        output: Output,
    },
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Output {
    /// Rows.
    Rows,
    /// A copy of the rows as lines of text.
    Copy(CopyFormat),
}

/// The form of the lines of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CopyFormat {
    /// True for CSV.
    pub(crate) is_csv: bool,
    /// The character between values.
    pub(crate) delimiter: char,
    /// True if the first line has the names of the columns.
    pub(crate) has_header: bool,
    /// The text for a value that is missing.
    pub(crate) null: String,
}

/// Returns whether an item is in binary, by formats as the protocol tells them.
pub(crate) fn is_binary(formats: &[i16], place: usize) -> bool {
    let format = if formats.len() == 1 { formats.first() } else { formats.get(place) };
    format == Some(&1)
}

/// Writes a request.
pub(crate) fn write(out: &mut impl Write, request: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(request)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&text)?;
    out.flush()
}

/// Reads a request; none at the end.
pub(crate) fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length as usize];
    input.read_exact(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}
