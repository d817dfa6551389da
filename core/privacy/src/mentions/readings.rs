//! What a text says once it is decoded: percent-encoding, HTML entities, JSON escapes, base64 and
//! hexadecimal digits, compatible and invisible characters, one inside the other.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use unicode_normalization::UnicodeNormalization as _;

/// How many readings of a text are looked at.
const MAX_READINGS: usize = 16;

/// The shortest word that is taken for an encoded one.
const MIN_ENCODED: usize = 8;

/// The named entities of HTML that can stand in an identifier or beside one.
const ENTITIES: [(&str, char); 17] = [
    ("amp", '&'),
    ("apos", '\''),
    ("bsol", '\\'),
    ("colon", ':'),
    ("commat", '@'),
    ("equals", '='),
    ("gt", '>'),
    ("hyphen", '-'),
    ("lowbar", '_'),
    ("lt", '<'),
    ("nbsp", ' '),
    ("num", '#'),
    ("period", '.'),
    ("plus", '+'),
    ("quot", '"'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
];

/// Whether readings count that are only possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// `\n` in a path is no line end, so such a reading is left out.
    Excluded,
    /// All readings.
    Included,
}

/// The text itself, and what it says in each encoding that it may have.
pub fn readings(text: &str, doubt: Doubt) -> Vec<String> {
    let mut readings = vec![text.to_owned()];
    let mut place = 0;
    while place < readings.len() && readings.len() < MAX_READINGS {
        let reading = std::mem::take(&mut readings[place]);
        for decoded in decoded(&reading, doubt) {
            if decoded != reading && !readings.contains(&decoded) {
                readings.push(decoded);
            }
        }
        readings[place] = reading;
        place += 1;
    }
    readings.truncate(MAX_READINGS);
    readings
}

/// Whether a text has a sign of an encoding that may hide an identifier from a search for its bytes.
pub fn may_be_encoded(text: &[u8]) -> bool {
    memchr::memchr3(b'%', b'&', b'\\', text).is_some() || !text.is_ascii()
}

fn decoded(text: &str, doubt: Doubt) -> Vec<String> {
    let mut decoded = Vec::new();
    if !text.is_ascii() {
        decoded.push(text.nfkc().filter(|it| !is_invisible(*it)).collect());
    }
    if text.contains('%') {
        decoded.extend(without_percents(text));
    }
    if text.contains('&') {
        decoded.push(without_entities(text));
    }
    if text.contains('\\') {
        decoded.extend(without_escapes(text, doubt));
        if text.contains("\\\\") {
            decoded.push(with_single_backslashes(text));
        }
    }
    // All in one, so that a long text with many words is one reading more and not hundreds.
    let of_words: Vec<String> =
        words(text).filter(|it| it.len() >= MIN_ENCODED).flat_map(of_digits).collect();
    if !of_words.is_empty() {
        decoded.push(of_words.join("\n"));
    }
    decoded
}

/// Characters that show nothing, and so hide nothing from a reader.
fn is_invisible(it: char) -> bool {
    matches!(it, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(it, '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text in which `%40` stands for `@`; none if that makes no text.
fn without_percents(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let digits = piece.get(..2).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            bytes.extend_from_slice(&piece.as_bytes()[2..]);
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(piece.as_bytes());
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text in which `&#64;` and `&commat;` stand for `@`.
fn without_entities(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    decoded.extend(pieces.next());
    for piece in pieces {
        let entity = piece.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        if let Some((character, rest)) = entity {
            decoded.push(character);
            decoded.push_str(rest);
        } else {
            decoded.push('&');
            decoded.push_str(piece);
        }
    }
    decoded
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    ENTITIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, it)| *it)
}

/// The text without the escapes of JSON; none if it has other ones. One that has no escape but `\n` and
/// its like may be a path as well.
fn without_escapes(text: &str, doubt: Doubt) -> Option<String> {
    let is_json = |escape: &str| text.contains(escape);
    if doubt == Doubt::Excluded && !["\\\\", "\\\"", "\\/", "\\u"].iter().any(|it| is_json(it)) {
        return None;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut is_escaped = false;
    for it in text.chars() {
        match it {
            '"' if !is_escaped => quoted.push_str("\\\""),
            it if it.is_control() => quoted.push(' '),
            it => quoted.push(it),
        }
        is_escaped = it == '\\' && !is_escaped;
    }
    serde_json::from_str(&format!("\"{quoted}\"")).ok()
}

/// The text in which backslashes are not doubled.
fn with_single_backslashes(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    for it in text.chars() {
        if it != '\\' || !single.ends_with('\\') {
            single.push(it);
        }
    }
    single
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && !matches!(it, '+' | '/' | '_' | '-'))
}

/// What a word says in hexadecimal digits or in base64, and there in UTF-8 or UTF-16; nothing for most.
fn of_digits(word: &str) -> Vec<String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let base64 = if word.contains(['-', '_']) { BASE64URL_NOPAD } else { BASE64_NOPAD };
    let bytes = [HEXLOWER_PERMISSIVE.decode(digits.as_bytes()), base64.decode(word.as_bytes())];
    bytes.into_iter().flatten().flat_map(texts).collect()
}

/// The texts that bytes may be, if there is anything in them that an identifier has.
fn texts(bytes: Vec<u8>) -> Vec<String> {
    let mut texts = Vec::new();
    if bytes.len().is_multiple_of(2) {
        for of in [u16::from_le_bytes, u16::from_be_bytes] {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|it| of([it[0], it[1]])).collect();
            texts.extend(String::from_utf16(&units));
        }
    }
    texts.extend(String::from_utf8(bytes));
    let is_text = |it: char| it.is_ascii_alphanumeric() || it.is_ascii_punctuation();
    texts.retain(|it| it.chars().filter(|it| is_text(*it)).count() * 2 > it.chars().count());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_text_is_read() {
        let name = "zoé/quux@acme.example";
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let table = [
            BASE64_NOPAD.encode(name.as_bytes()),
            BASE64URL_NOPAD.encode(name.as_bytes()),
            format!("token={}==", BASE64_NOPAD.encode(name.as_bytes())),
            BASE64_NOPAD.encode(&wide),
            BASE64_NOPAD.encode(&big),
            HEXLOWER_PERMISSIVE.encode(name.as_bytes()),
            HEXLOWER_PERMISSIVE.encode(name.as_bytes()).to_uppercase(),
            "zo%C3%A9%2Fquux%40acme.example".to_owned(),
            "100 % of zo%c3%a9%2fquux%2540acme.example".to_owned(),
            "zo\\u00e9\\/quux@acme.example".to_owned(),
            "zo&eacute &lt;zo&#xE9;/quux&commat;acme&#46;example&gt;".to_owned(),
            "zo\u{200b}é/quux＠acme.example".to_owned(),
        ];
        for text in table {
            let readings = readings(&text, Doubt::Excluded);
            assert!(readings.iter().any(|it| it.contains(name)), "{text}: {readings:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_encoded_is_read_as_it_is() {
        for text in
            ["", "Microsoft Teams", "C:\\Users\\nzoe", "50 % & more", "ACME\\bob", "%4", "%zz"]
        {
            assert_eq!(readings(text, Doubt::Excluded), [text], "{text}");
        }
        let doubtful = readings("C:\\nzoe@acme.example", Doubt::Included);
        assert!(doubtful.iter().any(|it| it == "C:\nzoe@acme.example"), "{doubtful:?}");
    }

    #[test]
    fn the_number_of_readings_is_bounded() {
        let text = "%26amp;%2526%2525\\\\u0025".repeat(500);
        assert!(readings(&text, Doubt::Included).len() <= MAX_READINGS);
    }
}
