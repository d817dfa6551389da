//! A statement that is being answered, in one part or in several.

use bytes::{Bytes, BytesMut};
use core_explorer::ErasureWatch;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::command::{Command, Text};
use crate::process::Process;
use crate::request::{Action, Output};

/// A statement with the values of its parameters.
pub(super) struct Portal {
    pub(super) command: Command,
    /// The text of the query.
    pub(super) query: Text,
    /// The types of its parameters, by their numbers.
    pub(super) types: Vec<u32>,
    pub(super) values: Vec<Option<Vec<u8>>>,
    pub(super) formats: Vec<i16>,
    pub(super) result_formats: Vec<i16>,
    /// The columns that the client was told of before.
    pub(super) expected: Option<Bytes>,
    /// The columns, once the answer has begun.
    pub(super) columns: Option<Bytes>,
    pub(super) running: Option<Running>,
    pub(super) is_done: bool,
    /// True for a cursor that lives longer than its transaction.
    pub(super) is_held: bool,
}

/// An answer that is not over.
pub(super) struct Running {
    pub(super) process: Process,
    /// Messages of the answer that were not looked at yet.
    pub(super) rest: Bytes,
    pub(super) since: Instant,
    /// Notices erasures since the answer began.
    pub(super) erasures: ErasureWatch,
    /// Since when it waits for the client to read on, and its place among all that do.
    pub(super) paused: Option<(Instant, OwnedSemaphorePermit)>,
}

impl Portal {
    /// A statement without parameters.
    pub(super) fn new(command: Command, text: Text) -> Self {
        let query = match &command {
            Command::Copy { query, .. } | Command::Declare { query, .. } => {
                Text::made(query.clone())
            }
            _ => text,
        };
        Self {
            command,
            query,
            types: Vec::new(),
            values: Vec::new(),
            formats: Vec::new(),
            result_formats: Vec::new(),
            expected: None,
            columns: None,
            running: None,
            is_done: false,
            is_held: false,
        }
    }

    /// Returns since when a part of the answer waits to be read; none if nothing waits.
    pub(super) fn paused_since(&self) -> Option<Instant> {
        self.running.as_ref()?.paused.as_ref().map(|(since, _)| *since)
    }

    /// Returns the number of bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let values: usize = self.values.iter().flatten().map(Vec::len).sum();
        let numbers = size_of_val(&*self.types)
            + size_of_val(&*self.formats)
            + size_of_val(&*self.result_formats);
        self.query.text.len() + values + numbers
    }

    /// Returns what the process of the query has to do.
    pub(super) fn action(&self) -> Action {
        Action::Execute {
            values: self.values.clone(),
            formats: self.formats.clone(),
            result_formats: self.result_formats.clone(),
            output: match &self.command {
                Command::Copy { format, .. } => Output::Copy(format.clone()),
                _ => Output::Rows,
            },
        }
    }
}

/// Returns the columns of a message without the formats of their values, as they are told before these are known.
pub(super) fn without_formats(columns: &[u8]) -> BytesMut {
    /// The bytes of a column after its name, and those of them that tell the format.
    const FACTS: usize = 18;
    const FORMAT: usize = 2;
    let mut columns = BytesMut::from(columns);
    // The kind, the length and the number of columns come first.
    let mut at = 7;
    while let Some(name) =
        columns.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0))
    {
        at += name + 1 + FACTS;
        if let Some(format) = columns.get_mut(at - FORMAT..at) {
            format.fill(0);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Column};
    use crate::kind::Kind;

    #[test]
    fn columns_are_the_same_whatever_form_their_values_have() {
        let told = |is_binary: bool, name: &str, kind: Kind| {
            let columns = [
                Column { name: "_key".to_owned(), kind: Kind::Text, is_binary },
                Column { name: name.to_owned(), kind, is_binary: !is_binary },
            ];
            let mut out = BytesMut::new();
            backend::row_description(&mut out, &columns);
            without_formats(&out)
        };
        assert_eq!(told(true, "n", Kind::Int8), told(false, "n", Kind::Int8));
        assert_ne!(told(true, "n", Kind::Int8), told(true, "n", Kind::Text));
        assert_ne!(told(true, "n", Kind::Int8), told(true, "m", Kind::Int8));
    }
}
