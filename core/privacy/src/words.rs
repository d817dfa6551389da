//! The words of a free text that may be identifiers, and what they say if they are encoded: the way
//! back from most of the forms of `traces`.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

/// The shortest word that is taken for an encoded one.
const MIN_ENCODED: usize = 8;

/// The pieces of a text that may be identifiers.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    pieces(text, |it| it.is_whitespace() || separates(it))
}

/// The same with the white space in them: some login names have it.
pub(crate) fn phrases(text: &str) -> impl Iterator<Item = &str> {
    pieces(text, separates).filter(|it| it.contains(char::is_whitespace))
}

fn pieces(text: &str, separates: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let pieces = text.split(separates).map(|it| it.trim().trim_end_matches(['.', '!', '?']));
    pieces.filter(|it| !it.is_empty())
}

fn separates(it: char) -> bool {
    matches!(it, '"' | '\'' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
        || matches!(it, '=' | ';' | ',' | ':' | '|' | '`' | '*')
}

/// What a word says once it is decoded: escaped as in JSON or in addresses, in hexadecimal digits, in
/// base64, and there in UTF-8 or UTF-16. Nothing for most words.
pub(crate) fn readings(word: &str) -> Vec<String> {
    let mut readings = Vec::new();
    if word.contains('\\') {
        readings.extend(serde_json::from_str::<String>(&format!("\"{word}\"")));
    }
    if word.contains('%') {
        readings.extend(unescaped(word));
    }
    if word.len() >= MIN_ENCODED {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let base64 = if word.contains(['-', '_']) { BASE64URL_NOPAD } else { BASE64_NOPAD };
        let decoded =
            [HEXLOWER_PERMISSIVE.decode(digits.as_bytes()), base64.decode(word.as_bytes())];
        readings.extend(decoded.into_iter().flatten().flat_map(texts));
    }
    readings.retain(|it| it != word);
    readings
}

/// The bytes of a word in which `%40` stands for `@`, if they are a text.
fn unescaped(word: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut pieces = word.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The texts that bytes may be. Nearly all bytes are something in UTF-16, so there has to be a letter
/// or digit of ASCII in it.
fn texts(bytes: Vec<u8>) -> Vec<String> {
    let mut texts = Vec::new();
    for of in [u16::from_le_bytes, u16::from_be_bytes] {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|it| of([it[0], it[1]])).collect();
        texts.extend(String::from_utf16(&units));
    }
    texts.retain(|it| {
        bytes.len().is_multiple_of(2) && it.contains(|it: char| it.is_ascii_alphanumeric())
    });
    texts.extend(String::from_utf8(bytes));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_stands_between_separators() {
        let text = "User \"ACME\\jdoe\" (jane.doe@acme.example), id=u-1.";
        let expected = ["User", "ACME\\jdoe", "jane.doe@acme.example", "id", "u-1"];
        assert_eq!(words(text).collect::<Vec<_>>(), expected);
        assert_eq!(words(" ... ").count(), 0);
        let text = "User \"ACME\\Jane Doe\", twice";
        assert_eq!(phrases(text).collect::<Vec<_>>(), ["ACME\\Jane Doe"]);
    }

    #[test]
    fn an_encoded_word_is_read() {
        let name = "zoé/quux@acme.example";
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let table = [
            BASE64_NOPAD.encode(name.as_bytes()),
            BASE64URL_NOPAD.encode(name.as_bytes()),
            BASE64_NOPAD.encode(&wide),
            BASE64_NOPAD.encode(&big),
            HEXLOWER_PERMISSIVE.encode(name.as_bytes()),
            HEXLOWER_PERMISSIVE.encode(name.as_bytes()).to_uppercase(),
            "zo%C3%A9%2Fquux%40acme.example".to_owned(),
            "zo\\u00e9\\/quux@acme.example".to_owned(),
        ];
        for word in table {
            assert!(readings(&word).iter().any(|it| it == name), "{word}");
        }
        assert!(readings("%4").is_empty() && readings("%zz").is_empty());
        assert!(readings("Microsoft Teams").is_empty());
    }
}
