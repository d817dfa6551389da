//! What a file is that is no CSV, by its first bytes: what a proxy, a storage service or a program
//! for spreadsheets gives instead of an export.

use crate::refusal::RefusalReason;

/// How many of the first bytes of a file are looked at.
pub const FIRST_BYTES: usize = 512;

/// The mark that a UTF-8 file may begin with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The error codes of Amazon S3 that a results link can give (S3 API reference, error responses).
/// Only these are repeated to people: what else stands in an error document is not for a message.
const S3_CODES: [&str; 10] = [
    "AccessDenied",
    "ExpiredToken",
    "InternalError",
    "InvalidRequest",
    "NoSuchBucket",
    "NoSuchKey",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
];

/// What a file is if it is not CSV; `None` for one that may be. `first_bytes` are the first
/// [`FIRST_BYTES`], or all of a shorter file.
pub fn recognize(first_bytes: &[u8]) -> Option<RefusalReason> {
    if is_utf16(first_bytes) {
        return Some(RefusalReason::Utf16);
    }
    let text = first_bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first_bytes).trim_ascii_start();
    match text {
        [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(RefusalReason::CompressedTwice),
        [b'<', ..] if is_xml(text) => Some(RefusalReason::Xml { code: s3_code(text) }),
        [b'<', ..] => Some(RefusalReason::Html),
        [b'{' | b'[', ..] => Some(RefusalReason::Json),
        [b'%', b'P', b'D', b'F', ..] => Some(RefusalReason::Pdf),
        _ => None,
    }
}

/// By its mark, else by the empty half of its first two characters: a header begins with ASCII.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] => *a != 0 && *b != 0,
        _ => false,
    }
}

/// Whether markup is XML rather than a page, which may begin as XML too.
fn is_xml(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let has = |part: &[u8]| text.windows(part.len()).any(|it| it == part);
    (text.starts_with(b"<?xml") || text.starts_with(b"<error>")) && !has(b"<html")
}

fn s3_code(text: &[u8]) -> Option<&'static str> {
    let text = str::from_utf8(text).unwrap_or_else(|error| {
        str::from_utf8(&text[..error.valid_up_to()]).expect("valid up to here")
    });
    let (_, code) = text.split_once("<Code>")?;
    let (code, _) = code.split_once("</Code>")?;
    S3_CODES.into_iter().find(|it| *it == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e16_what_is_no_csv_is_named() {
        let xml = |code| Some(RefusalReason::Xml { code });
        let table: &[(&[u8], Option<RefusalReason>)] = &[
            (b"<!DOCTYPE html><title>Sign in</title>", Some(RefusalReason::Html)),
            (b"\xEF\xBB\xBF\n  <HTML>", Some(RefusalReason::Html)),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", Some(RefusalReason::Html)),
            (
                b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>",
                xml(Some("AccessDenied")),
            ),
            (b"<Error><Code>NoSuchKey</Code></Error>", xml(Some("NoSuchKey"))),
            // What is no known code may be anything.
            (b"<Error><Code>jane.doe</Code></Error>", xml(None)),
            (b"<Error><Code>NoSuch", xml(None)),
            (b"<?xml?>\xC3", xml(None)),
            (b" {\"message\": \"no\"}", Some(RefusalReason::Json)),
            (b"[]", Some(RefusalReason::Json)),
            (b"%PDF-1.7", Some(RefusalReason::Pdf)),
            (b"\x1F\x8B\x08", Some(RefusalReason::CompressedTwice)),
            (b"\x28\xB5\x2F\xFD", Some(RefusalReason::CompressedTwice)),
            (b"device.uid\n1\n", None),
            (b"\"device.uid\"\n", None),
            (b"", None),
        ];
        for (file, expected) in table {
            assert_eq!(recognize(file), *expected, "{:?}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn f6_utf_16_is_known_with_and_without_a_mark() {
        for file in [&b"\xFF\xFEd\0"[..], b"\xFE\xFF\0d", b"\xFF\xFE", b"d\0e\0v\0", b"\0d\0e\0v"] {
            assert_eq!(recognize(file), Some(RefusalReason::Utf16), "{file:?}");
        }
        for file in [&b"d\0"[..], b"\0\0\0\0", b"d\0\0\0", b"de\0\0"] {
            assert_eq!(recognize(file), None, "{file:?}");
        }
    }
}
