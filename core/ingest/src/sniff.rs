//! Detection of files that are not CSV by their first bytes: the answers of proxies and storage
//! services, and the files of spreadsheet programs.

use crate::rejection::RejectionReason;

/// The number of leading bytes that are examined.
pub const FIRST_BYTES: usize = 512;

/// The UTF-8 byte order mark.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The error codes of Amazon S3 that a results link can return (S3 API reference, error responses).
/// Only these appear in messages: the rest of an error document may hold anything.
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

/// Returns the reason to reject a file that is not CSV; `None` for one that may be. `first_bytes`
/// are the first [`FIRST_BYTES`], or all of a shorter file.
pub fn sniff(first_bytes: &[u8]) -> Option<RejectionReason> {
    if is_utf16(first_bytes) {
        return Some(RejectionReason::Utf16);
    }
    let text = first_bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first_bytes).trim_ascii_start();
    match text {
        [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(RejectionReason::CompressedTwice),
        [b'<', ..] if is_xml(text) => Some(RejectionReason::Xml { code: s3_code(text) }),
        [b'<', ..] => Some(RejectionReason::Html),
        [b'{' | b'[', ..] => Some(RejectionReason::Json),
        [b'%', b'P', b'D', b'F', ..] => Some(RejectionReason::Pdf),
        _ => None,
    }
}

/// Checks for a byte order mark, else for a zero byte in each of the first two characters: a header
/// begins with ASCII.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] => *a != 0 && *b != 0,
        _ => false,
    }
}

/// Returns true for XML that is not an HTML page, which may begin as XML too.
fn is_xml(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    (text.starts_with(b"<?xml") || text.starts_with(b"<error>")) && !has(b"<html")
}

fn s3_code(text: &[u8]) -> Option<&'static str> {
    let text = str::from_utf8(text).unwrap_or_else(|error| {
        str::from_utf8(&text[..error.valid_up_to()]).expect("valid up to here")
    });
    let (_, code) = text.split_once("<Code>")?;
    let (code, _) = code.split_once("</Code>")?;
    S3_CODES.into_iter().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e16_a_file_that_is_not_csv_is_named() {
        let xml = |code| Some(RejectionReason::Xml { code });
        let table: &[(&[u8], Option<RejectionReason>)] = &[
            (b"<!DOCTYPE html><title>Sign in</title>", Some(RejectionReason::Html)),
            (b"\xEF\xBB\xBF\n  <HTML>", Some(RejectionReason::Html)),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", Some(RejectionReason::Html)),
            (
                b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>",
                xml(Some("AccessDenied")),
            ),
            (b"<Error><Code>NoSuchKey</Code></Error>", xml(Some("NoSuchKey"))),
            // An unknown code may hold anything.
            (b"<Error><Code>jane.doe</Code></Error>", xml(None)),
            (b"<Error><Code>NoSuch", xml(None)),
            (b"<?xml?>\xC3", xml(None)),
            (b" {\"message\": \"no\"}", Some(RejectionReason::Json)),
            (b"[]", Some(RejectionReason::Json)),
            (b"%PDF-1.7", Some(RejectionReason::Pdf)),
            (b"\x1F\x8B\x08", Some(RejectionReason::CompressedTwice)),
            (b"\x28\xB5\x2F\xFD", Some(RejectionReason::CompressedTwice)),
            (b"device.uid\n1\n", None),
            (b"\"device.uid\"\n", None),
            (b"", None),
        ];
        for (file, expected) in table {
            assert_eq!(sniff(file), *expected, "{:?}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn f6_utf_16_is_detected_with_and_without_a_byte_order_mark() {
        for file in [&b"\xFF\xFEd\0"[..], b"\xFE\xFF\0d", b"\xFF\xFE", b"d\0e\0v\0", b"\0d\0e\0v"] {
            assert_eq!(sniff(file), Some(RejectionReason::Utf16), "{file:?}");
        }
        for file in [&b"d\0"[..], b"\0\0\0\0", b"d\0\0\0", b"de\0\0"] {
            assert_eq!(sniff(file), None, "{file:?}");
        }
    }
}
