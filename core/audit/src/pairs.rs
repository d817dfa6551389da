//! The `key=value` and `key="value, with commas"` pairs of a message.

/// Returns the sentence of a message, and its pairs in their order.
///
/// A comma or a line break ends a pair, unless it is within a quoted value. Text after a comma that is no
/// pair itself belongs to the value before it; text after a line break does not: it is a part of the message
/// that has no pairs, such as a stack trace.
pub(crate) fn pairs(message: &str) -> (String, Vec<(String, String)>) {
    let mut sentence = String::new();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = message;
    // True if the segment continues the previous one.
    let mut continues = false;
    loop {
        let (segment, after) = next_segment(rest);
        match pair(segment.trim()) {
            Some(pair) => {
                pairs.push(pair);
                continues = true;
            }
            // A value without quotes may have a comma in it too.
            None => match pairs.last_mut() {
                Some((_, value)) if continues => append(value, segment.trim_end_matches('\r')),
                Some(_) => {}
                None => append(&mut sentence, segment),
            },
        }
        let Some((separator, after)) = after else { break };
        continues &= separator == ',';
        rest = after;
    }
    (sentence.trim().to_owned(), pairs)
}

fn append(text: &mut String, segment: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(segment);
}

/// Returns the text up to the next comma or line break outside quotes, and the rest with its separator.
fn next_segment(text: &str) -> (&str, Option<(char, &str)>) {
    let bytes = text.as_bytes();
    let mut in_quotes = false;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if in_quotes => i += 1,
            b'"' if in_quotes => in_quotes = false,
            // Quotes elsewhere are only words of the sentence, and those that nothing closes too.
            b'"' if i > 0 && bytes[i - 1] == b'=' => in_quotes = true,
            separator @ (b',' | b'\n') if !in_quotes => {
                return (&text[..i], Some((char::from(separator), &text[i + 1..])));
            }
            _ => {}
        }
        i += 1;
    }
    (text, None)
}

fn pair(segment: &str) -> Option<(String, String)> {
    let (key, value) = segment.split_once('=')?;
    let mut characters = key.chars();
    let is_key = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    is_key.then(|| (key.to_owned(), unquoted(value)))
}

/// Returns a value without its quotes; text after the closing quote is dropped.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            // Only these two are escaped: the backslash of a domain\\name is itself.
            '\\' if characters.as_str().starts_with(['"', '\\']) => text.extend(characters.next()),
            '"' => break,
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (&'static str, &'static str);

    #[test]
    fn pairs_are_read_with_and_without_quotes() {
        let table: [(&str, &str, &[Pair]); 16] = [
            ("Portal is starting", "Portal is starting", &[]),
            ("", "", &[]),
            ("User logged in, id=7, name=anna", "User logged in", &[("id", "7"), ("name", "anna")]),
            (
                "Login failed, error=\"Invalid username, password or MFA provided\", id=7",
                "Login failed",
                &[("error", "Invalid username, password or MFA provided"), ("id", "7")],
            ),
            (
                "Role updated, permissions_granted=View, Edit, name=r",
                "Role updated",
                &[("permissions_granted", "View, Edit"), ("name", "r")],
            ),
            ("A, b, then c=d", "A, b, then c=d", &[]),
            ("x, a=\"say \\\"hi\\\", now\"", "x", &[("a", "say \"hi\", now")]),
            ("x, a=\"never closed, b=1", "x", &[("a", "never closed, b=1")]),
            ("said \"a, b\", k=v", "said \"a, b\"", &[("k", "v")]),
            // A line break ends a value as a comma does.
            (
                "x, name=\"Clean disk\"\n  devices: 2\n  reason: slow",
                "x",
                &[("name", "Clean disk")],
            ),
            ("x, id=7\r\n  at one, two\n  b=2", "x", &[("id", "7"), ("b", "2")]),
            ("x\n  name=\"Jane Doe\"\n", "x", &[("name", "Jane Doe")]),
            ("x, a=\"one\ntwo, three\", b=1", "x", &[("a", "one\ntwo, three"), ("b", "1")]),
            ("x, name=\"Jane Doe\" (kiosk), b=1", "x", &[("name", "Jane Doe"), ("b", "1")]),
            ("one\ntwo", "one,two", &[]),
            ("x, name=\"ACME\\jane\", b=1", "x", &[("name", "ACME\\jane"), ("b", "1")]),
        ];
        for (message, sentence, expected) in table {
            let (found, pairs) = pairs(message);
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!((found.as_str(), pairs.as_slice()), (sentence, expected), "{message}");
        }
    }
}
