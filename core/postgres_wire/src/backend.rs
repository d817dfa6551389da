//! Messages of the server.

use bytes::{BufMut as _, BytesMut};

use crate::error::WireError;
use crate::frontend::VERSION;
use crate::kind::Kind;

/// The severity of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Ends the connection.
    Fatal,
    /// Ends the statement.
    Error,
    /// Ends nothing, and tells that something has no effect.
    Warning,
    /// Ends nothing.
    Notice,
}

impl Severity {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Fatal => b"FATAL",
            Self::Error => b"ERROR",
            Self::Warning => b"WARNING",
            Self::Notice => b"NOTICE",
        }
    }
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// True if its values are sent in binary.
    pub(crate) is_binary: bool,
}

/// Appends a message of a kind, whose length is known once its body is written.
pub(crate) fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_u32(0);
    body(out);
    // A message is limited by the memory of a worker, which is below the 2 GiB of a length.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a text and the zero that ends it. A zero inside would end it early.
pub(crate) fn text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// Asks for the password as it is.
pub(crate) fn ask_for_password(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_u32(3));
}

/// Ends the login.
pub(crate) fn logged_in(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_u32(0));
}

/// Tells a setting of the session.
pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

/// Tells the numbers by which another connection can end a query of this one.
pub(crate) fn key_data(out: &mut BytesMut, process: i32, secret: i32) {
    message(out, b'K', |out| {
        out.put_i32(process);
        out.put_i32(secret);
    });
}

/// Tells that the protocol is 3.0, without the options that the client has named.
pub(crate) fn negotiate_version(out: &mut BytesMut, options: &[&str]) {
    message(out, b'v', |out| {
        out.put_i32(VERSION);
        out.put_i32(i32::try_from(options.len()).unwrap_or(0));
        for option in options {
            text(out, option);
        }
    });
}

/// Tells that the next statement may come: `I` outside of a transaction, `T` in one, `E` in one that has failed.
pub(crate) fn ready(out: &mut BytesMut, status: u8) {
    message(out, b'Z', |out| out.put_u8(status));
}

/// Appends a message without content.
pub(crate) fn bare(out: &mut BytesMut, kind: u8) {
    message(out, kind, |_| {});
}

/// Tells that a statement is done.
pub(crate) fn complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

/// Tells the columns of an answer.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[Column]) {
    message(out, b'T', |out| {
        out.put_i16(i16::try_from(columns.len()).unwrap_or(i16::MAX));
        for column in columns {
            text(out, &column.name);
            // No column is told to be that of a table.
            out.put_u32(0);
            out.put_i16(0);
            out.put_u32(column.kind.oid());
            out.put_i16(column.kind.length());
            out.put_i32(-1);
            out.put_i16(i16::from(column.is_binary));
        }
    });
}

/// Tells the types of parameters.
pub(crate) fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    message(out, b't', |out| {
        out.put_i16(i16::try_from(types.len()).unwrap_or(i16::MAX));
        for oid in types {
            out.put_u32(*oid);
        }
    });
}

/// Appends a row of texts.
pub(crate) fn text_row(out: &mut BytesMut, cells: &[&str]) {
    message(out, b'D', |out| {
        out.put_i16(i16::try_from(cells.len()).unwrap_or(i16::MAX));
        for cell in cells {
            out.put_i32(i32::try_from(cell.len()).unwrap_or(i32::MAX));
            out.put_slice(cell.as_bytes());
        }
    });
}

/// Tells an error or a notice.
pub(crate) fn error(out: &mut BytesMut, severity: Severity, error: &WireError) {
    let kind = match severity {
        Severity::Fatal | Severity::Error => b'E',
        Severity::Warning | Severity::Notice => b'N',
    };
    message(out, kind, |out| {
        for field in *b"SV" {
            out.put_u8(field);
            out.put_slice(severity.word());
            out.put_u8(0);
        }
        out.put_u8(b'C');
        text(out, error.state);
        out.put_u8(b'M');
        text(out, &error.message);
        if let Some(position) = error.position() {
            out.put_u8(b'P');
            text(out, &position.to_string());
        }
        out.put_u8(0);
    });
}
