//! Decoded readings of a text: percent-encoding, HTML entities, JSON escapes, base64 and
//! hexadecimal digits, compatible and invisible characters, also nested.

use core_terminal::is_invisible;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use unicode_normalization::UnicodeNormalization as _;

/// The most readings of a text.
const MAX_READINGS: usize = 16;

/// The shortest word that is decoded.
const MIN_ENCODED: usize = 8;

/// The named HTML entities that can occur in an identifier or beside one.
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

/// The treatment of uncertain readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// They are left out: `\n` in a path is no line end.
    Excluded,
    /// All readings count.
    Included,
}

/// Returns the text itself, and its content in each encoding that it may have.
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

/// Returns true if a text has a sign of an encoding that may hide an identifier from a search for
/// its bytes.
pub fn may_be_encoded(text: &[u8]) -> bool {
    memchr::memchr3(b'%', b'&', b'\\', text).is_some() || !text.is_ascii()
}

fn decoded(text: &str, doubt: Doubt) -> Vec<String> {
    let mut decoded = Vec::new();
    if !text.is_ascii() {
        // First without invisible characters, since one between a letter and its accent keeps them apart.
        decoded.push(text.chars().filter(|character| !is_invisible(*character)).nfkc().collect());
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
    // Joined into one text, so that a long text with many words adds one reading and not hundreds.
    let decoded_words: Vec<String> =
        words(text).filter(|word| word.len() >= MIN_ENCODED).flat_map(decode_word).collect();
    if !decoded_words.is_empty() {
        decoded.push(decoded_words.join("\n"));
    }
    decoded
}

/// Decodes percent-encoding (`%40` to `@`); `None` if the result is not a text.
fn without_percents(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let digits =
            piece.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
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

/// Decodes HTML entities (`&#64;` and `&commat;` to `@`).
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
    ENTITIES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, character)| *character)
}

/// Decodes JSON escapes; `None` if the text has other escapes. A text with only `\n` and the like
/// may be a path as well.
fn without_escapes(text: &str, doubt: Doubt) -> Option<String> {
    let is_json = |escape: &str| text.contains(escape);
    if doubt == Doubt::Excluded
        && !["\\\\", "\\\"", "\\/", "\\u"].iter().any(|escape| is_json(escape))
    {
        return None;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut is_escaped = false;
    for character in text.chars() {
        match character {
            '"' if !is_escaped => quoted.push_str("\\\""),
            character if character.is_control() => quoted.push(' '),
            character => quoted.push(character),
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    serde_json::from_str(&format!("\"{quoted}\"")).ok()
}

/// Replaces double backslashes by single ones.
fn with_single_backslashes(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\\' || !single.ends_with('\\') {
            single.push(character);
        }
    }
    single
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| {
        !character.is_ascii_alphanumeric() && !matches!(character, '+' | '/' | '_' | '-')
    })
}

/// Decodes a word of hexadecimal digits or base64, in UTF-8 or UTF-16; empty for most words.
fn decode_word(word: &str) -> Vec<String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let base64 = if word.contains(['-', '_']) { BASE64URL_NOPAD } else { BASE64_NOPAD };
    let bytes = [HEXLOWER_PERMISSIVE.decode(digits.as_bytes()), base64.decode(word.as_bytes())];
    bytes.into_iter().flatten().flat_map(texts).collect()
}

/// Returns the texts that bytes may be, if they have characters of an identifier.
fn texts(bytes: Vec<u8>) -> Vec<String> {
    let mut texts = Vec::new();
    if bytes.len().is_multiple_of(2) {
        for from_bytes in [u16::from_le_bytes, u16::from_be_bytes] {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| from_bytes([pair[0], pair[1]])).collect();
            texts.extend(String::from_utf16(&units));
        }
    }
    texts.extend(String::from_utf8(bytes));
    let is_text =
        |character: char| character.is_ascii_alphanumeric() || character.is_ascii_punctuation();
    texts.retain(|text| {
        text.chars().filter(|character| is_text(*character)).count() * 2 > text.chars().count()
    });
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_text_is_decoded() {
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
            "zoe\u{34f}\u{301}/quux@acme.example".to_owned(),
        ];
        for text in table {
            let readings = readings(&text, Doubt::Excluded);
            assert!(readings.iter().any(|reading| reading.contains(name)), "{text}: {readings:?}");
        }
    }

    #[test]
    fn a_text_without_encoding_has_one_reading() {
        for text in
            ["", "Microsoft Teams", "C:\\Users\\nzoe", "50 % & more", "ACME\\bob", "%4", "%zz"]
        {
            assert_eq!(readings(text, Doubt::Excluded), [text], "{text}");
        }
        let doubtful = readings("C:\\nzoe@acme.example", Doubt::Included);
        assert!(doubtful.iter().any(|reading| reading == "C:\nzoe@acme.example"), "{doubtful:?}");
    }

    #[test]
    fn the_number_of_readings_is_bounded() {
        let text = "%26amp;%2526%2525\\\\u0025".repeat(500);
        assert!(readings(&text, Doubt::Included).len() <= MAX_READINGS);
    }
}
