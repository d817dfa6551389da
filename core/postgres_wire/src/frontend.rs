//! Messages of a client. Every length is checked before anything is read by it.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest message of a client that has not logged in. Bytes.
pub(crate) const MAX_EARLY_BYTES: usize = 16 * 1024;

/// The longest message of a client that has. Bytes.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most parameters of a query, and the most formats of columns.
const MAX_ITEMS: usize = 4_096;

/// The numbers with which a first message begins.
const CANCEL: i32 = 80_877_102;
const TLS: i32 = 80_877_103;
const GSS: i32 = 80_877_104;

/// The version of the protocol that is spoken: 3.0.
pub(crate) const VERSION: i32 = 3 << 16;

/// A message that is none of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It is too long.
    TooLong,
    /// Its content is not what its kind has.
    Content,
    /// Its text is not UTF-8.
    Encoding,
    /// It is of an unknown kind.
    Kind(u8),
    /// The protocol is another version.
    Version,
}

/// The first message on a connection, or the first one over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum First {
    /// Asks for TLS.
    Tls,
    /// Asks for encryption by GSSAPI.
    Gss,
    /// Asks to end the query of another connection.
    Cancel {
        /// The number of that connection.
        process: i32,
        /// Its secret.
        secret: i32,
    },
    /// Begins a session.
    Startup {
        /// The parameters, in the order in which they were sent.
        parameters: Vec<(String, String)>,
        /// True if the client wants a newer minor version, or has options of the protocol: it is told what it gets.
        is_newer: bool,
    },
}

/// A message in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Password(String),
    Query(String),
    Parse {
        name: String,
        query: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe {
        target: Target,
        name: String,
    },
    Execute {
        portal: String,
        max_rows: u32,
    },
    Close {
        target: Target,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    /// A part of a copy into the database, which is none of ours.
    Copy,
}

/// The object that a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// Values for a prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    /// The formats of the values: none, one for all, or one for each.
    pub(crate) formats: Vec<i16>,
    pub(crate) values: Vec<Option<Bytes>>,
    /// The formats of the columns, in the same form.
    pub(crate) result_formats: Vec<i16>,
}

/// Takes a first message from the start of a buffer; nothing if it is not whole yet.
pub(crate) fn first(buffer: &mut BytesMut) -> Result<Option<First>, Malformed> {
    let Some(mut body) = frame(buffer, 0, MAX_EARLY_BYTES)? else { return Ok(None) };
    let first = match number(&mut body)? {
        TLS => First::Tls,
        GSS => First::Gss,
        CANCEL => First::Cancel { process: number(&mut body)?, secret: number(&mut body)? },
        version if version >> 16 == VERSION >> 16 => {
            let mut parameters = Vec::new();
            loop {
                let name = text(&mut body)?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, text(&mut body)?));
            }
            let has_options = parameters.iter().any(|(name, _)| name.starts_with("_pq_."));
            First::Startup { parameters, is_newer: version != VERSION || has_options }
        }
        _ => return Err(Malformed::Version),
    };
    if body.is_empty() { Ok(Some(first)) } else { Err(Malformed::Content) }
}

/// Takes a message from the start of a buffer; nothing if it is not whole yet.
pub(crate) fn message(
    buffer: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<Message>, Malformed> {
    let Some(kind) = buffer.first().copied() else { return Ok(None) };
    let Some(mut body) = frame(buffer, 1, max_bytes)? else { return Ok(None) };
    let message = match kind {
        b'p' => Message::Password(text(&mut body)?),
        b'Q' => Message::Query(text(&mut body)?),
        b'P' => {
            let (name, query) = (text(&mut body)?, text(&mut body)?);
            let types = items(&mut body, |body| Ok(number(body)?.cast_unsigned()))?;
            Message::Parse { name, query, types }
        }
        b'B' => Message::Bind(Bind {
            portal: text(&mut body)?,
            statement: text(&mut body)?,
            formats: items(&mut body, short)?,
            values: items(&mut body, value)?,
            result_formats: items(&mut body, short)?,
        }),
        b'D' => Message::Describe { target: target(&mut body)?, name: text(&mut body)? },
        b'C' => Message::Close { target: target(&mut body)?, name: text(&mut body)? },
        b'E' => {
            let (portal, max_rows) = (text(&mut body)?, number(&mut body)?);
            Message::Execute { portal, max_rows: u32::try_from(max_rows).unwrap_or(0) }
        }
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'd' | b'c' | b'f' => {
            body.clear();
            Message::Copy
        }
        kind => return Err(Malformed::Kind(kind)),
    };
    if body.is_empty() { Ok(Some(message)) } else { Err(Malformed::Content) }
}

/// Takes a message with its length from a buffer, whose length follows so many bytes; nothing if it is not whole.
fn frame(
    buffer: &mut BytesMut,
    before: usize,
    max_bytes: usize,
) -> Result<Option<Bytes>, Malformed> {
    let Some(length) = buffer.get(before..before + 4) else { return Ok(None) };
    let length = <[u8; 4]>::try_from(length).map_or(0, i32::from_be_bytes);
    let length = usize::try_from(length).map_err(|_| Malformed::Content)?;
    if length < 4 {
        return Err(Malformed::Content);
    }
    if length > max_bytes {
        return Err(Malformed::TooLong);
    }
    if buffer.len() < before + length {
        return Ok(None);
    }
    let mut whole = buffer.split_to(before + length).freeze();
    whole.advance(before + 4);
    Ok(Some(whole))
}

/// Takes a text, which ends with a zero.
fn text(body: &mut Bytes) -> Result<String, Malformed> {
    let end = body.iter().position(|byte| *byte == 0).ok_or(Malformed::Content)?;
    let text = body.split_to(end);
    body.advance(1);
    String::from_utf8(text.into()).map_err(|_| Malformed::Encoding)
}

fn number(body: &mut Bytes) -> Result<i32, Malformed> {
    body.try_get_i32().map_err(|_| Malformed::Content)
}

fn short(body: &mut Bytes) -> Result<i16, Malformed> {
    body.try_get_i16().map_err(|_| Malformed::Content)
}

fn value(body: &mut Bytes) -> Result<Option<Bytes>, Malformed> {
    let length = number(body)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| Malformed::Content)?;
    if length > body.len() {
        return Err(Malformed::Content);
    }
    Ok(Some(body.split_to(length)))
}

fn target(body: &mut Bytes) -> Result<Target, Malformed> {
    match body.try_get_u8() {
        Ok(b'S') => Ok(Target::Statement),
        Ok(b'P') => Ok(Target::Portal),
        _ => Err(Malformed::Content),
    }
}

/// Takes a list, whose length comes first.
fn items<T>(
    body: &mut Bytes,
    mut item: impl FnMut(&mut Bytes) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = usize::from(short(body)?.cast_unsigned());
    if count > MAX_ITEMS {
        return Err(Malformed::TooLong);
    }
    (0..count).map(|_| item(body)).collect()
}

#[cfg(test)]
mod tests;
