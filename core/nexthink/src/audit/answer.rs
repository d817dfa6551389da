//! Tells whether the body of a success is a trail. A status alone proves nothing: login pages, captive portals
//! and Nexthink's own error array come with HTTP 200 too.

use reqwest::header::{CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Response, Version};

/// The number of bytes after white space that tell the kind of a body.
const TELLING: usize = 16;
/// The white space that may come before them, in bytes.
const MAX_HEAD: usize = 4 << 10;

/// The kind of a body that is no trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// HTML, XHTML or other markup.
    Page,
    /// JSON, which may be the documented error array.
    Json,
    /// Compressed bytes, a picture and the like.
    Binary,
}

impl Foreign {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Page => "a web page instead of a trail",
            Self::Json => "JSON instead of a trail",
            Self::Binary => "a file of another kind instead of a trail",
        }
    }

    /// Judges by the media type, in whatever case it is written. Nexthink documents none, so that only
    /// types are refused which text never has.
    pub(super) fn by_media_type(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        let suffix = subtype.rsplit('+').next().unwrap_or(subtype);
        match (kind, suffix) {
            (_, "html" | "xml") => Some(Self::Page),
            (_, "json") => Some(Self::Json),
            ("image" | "audio" | "video" | "font" | "multipart", _) | (_, "pdf" | "zip") => {
                Some(Self::Binary)
            }
            _ => None,
        }
    }

    /// Judges by the first bytes, if they tell already; `is_all` says that no more come.
    pub(super) fn by_first_bytes(head: &[u8], is_all: bool) -> Judgement {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        if text.len() < TELLING && head.len() < MAX_HEAD && !is_all {
            return Judgement::Undecided;
        }
        let next =
            |text: &[u8]| text.get(1..).and_then(|rest| rest.trim_ascii_start().first().copied());
        let found = match text {
            [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [b'P', b'K', 3, 4, ..] => {
                Some(Self::Binary)
            }
            // A line may begin with the priority of syslog, `<34>`.
            [b'<', second, ..] if !second.is_ascii_digit() => Some(Self::Page),
            [b'{', ..] if matches!(next(text), Some(b'"' | b'}')) => Some(Self::Json),
            // A line begins with `[source|` or `[2026-`.
            [b'[', ..] if matches!(next(text), Some(b'{' | b'"' | b']')) => Some(Self::Json),
            _ => None,
        };
        found.map_or(Judgement::Trail, Judgement::Foreign)
    }
}

/// The kind that the first bytes of a body tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing yet.
    Undecided,
    /// It may be a trail.
    Trail,
    /// It is something else.
    Foreign(Foreign),
}

/// Returns whether the end of a body is proven: by an announced length, by the last chunk, or by the end of
/// an HTTP/2 stream. A body that ends with its connection may have been cut anywhere.
pub(super) fn is_end_proven(response: &Response) -> bool {
    let is_chunked = || {
        let codings = response.headers().get_all(TRANSFER_ENCODING).iter().next_back();
        let last =
            codings.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
        last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
    };
    response.content_length().is_some() || response.version() >= Version::HTTP_2 || is_chunked()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn l11_media_types_are_recognised_in_any_case() {
        for (value, expected) in [
            ("text/plain; charset=utf-8", None),
            ("application/octet-stream", None),
            ("text/csv", None),
            ("nonsense", None),
            ("text/html", Some(Foreign::Page)),
            ("Text/HTML; Charset=UTF-8", Some(Foreign::Page)),
            (" text/html ;charset=utf-8", Some(Foreign::Page)),
            ("application/xhtml+xml", Some(Foreign::Page)),
            ("APPLICATION/XML", Some(Foreign::Page)),
            ("application/json", Some(Foreign::Json)),
            ("application/problem+JSON", Some(Foreign::Json)),
            ("image/png", Some(Foreign::Binary)),
            ("application/pdf", Some(Foreign::Binary)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(Foreign::by_media_type(&headers), expected, "{value}");
        }
        assert_eq!(Foreign::by_media_type(&HeaderMap::new()), None);
    }

    #[test]
    fn l11_first_bytes_tell_a_page_and_json_from_lines() {
        use Judgement::{Foreign as Is, Trail, Undecided};
        let table: [(&[u8], bool, Judgement); 22] = [
            (b"", false, Undecided),
            (b"", true, Trail),
            (b"\n  \r\n", false, Undecided),
            (b"<!DOC", false, Undecided),
            (b"<!DOCTYPE html><title>Sign in", false, Is(Foreign::Page)),
            (b"\xEF\xBB\xBF\n\n<HTML><body>....", false, Is(Foreign::Page)),
            (b"<?xml version='1.0'?>", true, Is(Foreign::Page)),
            (b"<!-- a page -->......", false, Is(Foreign::Page)),
            (b"<form>", true, Is(Foreign::Page)),
            (b"<34>1 2026-03-01T10:00:00Z host", false, Trail),
            (b"{\"error\":\"log in again\"}", true, Is(Foreign::Json)),
            (b"{}", true, Is(Foreign::Json)),
            (b"{\n  \"error\": \"log in\"}", true, Is(Foreign::Json)),
            (b"[{\"error\":\"unknown\"}]", true, Is(Foreign::Json)),
            (b"[]", true, Is(Foreign::Json)),
            (b"[ \"unknown or unreachable\"]", true, Is(Foreign::Json)),
            (b"[Portal|LOGIN|20101|anna] in", true, Trail),
            (b"[2026-03-01 10:00:00] [Portal|", true, Trail),
            (b"2026-03-01 10:00:00 [Portal|", true, Trail),
            (b"cut off: 0101|anna] User", true, Trail),
            (b"\x1F\x8B\x08\x00\x00\x00\x00\x00", true, Is(Foreign::Binary)),
            (b"PK\x03\x04\x14\x00\x00\x00", true, Is(Foreign::Binary)),
        ];
        for (head, is_all, expected) in table {
            let shown = String::from_utf8_lossy(head);
            assert_eq!(Foreign::by_first_bytes(head, is_all), expected, "{shown}");
        }
        // Blank lines without end are a trail: they are counted, and are no events.
        assert_eq!(Foreign::by_first_bytes(&[b'\n'; MAX_HEAD], false), Trail);
    }
}
