//! Characters that editors and shells add to a secret without showing them. A secret with such an addition is refused
//! by the host that it is sent to, and no one can see why.

use anyhow::bail;
use zeroize::Zeroizing;

/// Decodes a secret.
///
/// # Errors
///
/// A message that names the encoding, and nothing of the secret.
pub(crate) fn decode(bytes: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("it is UTF-16, as `>` in Windows PowerShell writes it; save it as UTF-8");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            bail!("it is not UTF-8 from byte {} on; save it as UTF-8", error.valid_up_to() + 1)
        }
    }
}

/// The first character of a secret that does not belong into one, and its place: `has …`.
pub(crate) fn flaw(secret: &str) -> Option<String> {
    let (at, character) =
        secret.chars().enumerate().find(|(_, character)| name(*character).is_some())?;
    let (code, name) = (u32::from(character), name(character)?);
    Some(format!("has {name} (U+{code:04X}) as its character {}", at + 1))
}

/// The name of a character that cannot be seen.
fn name(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{feff}' => "a byte order mark (BOM)",
        '\n' | '\r' => "a line break",
        '\t' => "a tab",
        '\0' => "a NUL, as in UTF-16 text,",
        '\u{fffd}' => "the mark of a character that was lost",
        ' ' => return None,
        it if it.is_control() => "a control character",
        it if it.is_whitespace() => "a space of another kind",
        it if core_terminal::is_invisible(it) => "an invisible character",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p6_what_cannot_be_seen_in_a_secret_is_named_and_nothing_else_of_it() {
        let table = [
            ("\u{feff}canary", Some("has a byte order mark (BOM) (U+FEFF) as its character 1")),
            ("canary\u{200b}", Some("has an invisible character (U+200B) as its character 7")),
            ("can\u{ad}ary", Some("has an invisible character (U+00AD) as its character 4")),
            ("can\u{a0}ary", Some("has a space of another kind (U+00A0) as its character 4")),
            ("can\nary", Some("has a line break (U+000A) as its character 4")),
            ("c\0a\0", Some("has a NUL, as in UTF-16 text, (U+0000) as its character 2")),
            ("can\u{1b}ary", Some("has a control character (U+001B) as its character 4")),
            (
                "can\u{fffd}ary",
                Some("has the mark of a character that was lost (U+FFFD) as its character 4"),
            ),
            ("can ary-~!\"'é漢", None),
        ];
        for (secret, expected) in table {
            assert_eq!(flaw(secret).as_deref(), expected, "{secret:?}");
        }
    }

    #[test]
    fn p6_a_secret_in_another_encoding_is_refused_by_the_name_of_the_encoding() {
        let utf16 = [0xff, 0xfe, b'c', 0, b'a', 0];
        let error = decode(&utf16).map(drop).expect_err("it is UTF-16").to_string();
        assert!(error.starts_with("it is UTF-16"), "{error}");
        let error = decode(b"can\xe9ary").map(drop).expect_err("it is Latin-1").to_string();
        assert!(error.starts_with("it is not UTF-8 from byte 4 on"), "{error}");
        assert_eq!(decode("canary\r\n".as_bytes()).expect("it is UTF-8").as_str(), "canary\r\n");
    }
}
