//! The encodings in which an identifier may remain somewhere: an erasure searches every byte of a
//! store for them at its end.

use std::collections::BTreeSet;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use unicode_normalization::UnicodeNormalization as _;

/// The shortest piece of base64 that is significant; shorter ones occur by chance.
const MIN_BASE64: usize = 8;

/// Returns the encodings of a text: unchanged, composed and decomposed, in upper and lower case,
/// escaped as in JSON and in addresses, in UTF-16 of both byte orders, in hexadecimal digits, and
/// in base64 at any offset of a longer text.
///
/// The search itself ignores the case of ASCII letters.
pub fn forms(text: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = readable_forms(text);
    forms.extend(opaque_forms(text));
    forms
}

/// Returns the encodings that are readable as text: unchanged, and escaped.
pub fn readable_forms(text: &str) -> BTreeSet<Vec<u8>> {
    let mut forms: BTreeSet<Vec<u8>> =
        spellings(text).iter().flat_map(|spelling| escaped(spelling)).collect();
    forms.extend(spellings(text).into_iter().map(String::into_bytes));
    forms
}

/// Returns the encodings that are digits or not UTF-8.
pub fn opaque_forms(text: &str) -> BTreeSet<Vec<u8>> {
    spellings(text).iter().flat_map(|spelling| encoded(spelling)).collect()
}

fn spellings(text: &str) -> BTreeSet<String> {
    let spellings = [text.to_owned(), text.nfc().collect(), text.nfd().collect()];
    let cases = spellings
        .iter()
        .flat_map(|spelling| [spelling.clone(), spelling.to_lowercase(), spelling.to_uppercase()]);
    cases.collect()
}

fn encoded(text: &str) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for shift in 0..3 {
        let shifted = [&vec![0; shift], text.as_bytes()].concat();
        for encoded in [BASE64_NOPAD.encode(&shifted), BASE64URL_NOPAD.encode(&shifted)] {
            // The first and the last characters depend on the neighbouring bytes.
            let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or("");
            if inner.len() >= MIN_BASE64 {
                forms.push(inner.as_bytes().to_vec());
            }
        }
    }
    forms.push(HEXLOWER.encode(text.as_bytes()).into_bytes());
    forms.push(HEXUPPER.encode(text.as_bytes()).into_bytes());
    forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    forms
}

fn escaped(text: &str) -> Vec<Vec<u8>> {
    let in_address = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    let address: String = text.bytes().map(in_address).collect();
    let unicode = text.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    let forms = [
        address.replace("%20", "+"),
        address,
        text.replace('\\', "\\\\").replace('/', "\\/"),
        text.replace('\\', "\\\\"),
        unicode.collect(),
    ];
    forms.into_iter().map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_encoding() {
        let forms = forms("Zoé/quux@acme.example");
        let found = |text: &[u8]| {
            forms.iter().any(|form| {
                text.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form))
            })
        };
        let long = "xZoé/quux@acme.example and more";
        let texts: [Vec<u8>; 10] = [
            long.into(),
            long.replace('é', "e\u{301}").into(),
            long.to_uppercase().into(),
            BASE64_NOPAD.encode(long.as_bytes()).into(),
            BASE64URL_NOPAD.encode(&long.as_bytes()[1..]).into(),
            HEXUPPER.encode(long.as_bytes()).into(),
            b"?q=Zo%C3%A9%2Fquux%40acme.example".to_vec(),
            b"\"Zo\\u00e9/quux@acme.example\"".to_vec(),
            long.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            long.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ];
        for (number, text) in texts.iter().enumerate() {
            assert!(found(text), "form {number}");
        }
        assert!(!found(b"zoe/quux@acme.example"));
    }
}
