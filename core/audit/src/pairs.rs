//! The `key=value` and `key="value, with commas"` pairs of a message.

/// A message in its parts: the sentence, and the pairs in their order.
pub(crate) fn pairs(message: &str) -> (String, Vec<(String, String)>) {
    let mut sentence = String::new();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = message;
    let mut is_first = true;
    while !rest.is_empty() || is_first {
        is_first = false;
        let (segment, after) = next_segment(rest);
        rest = after;
        match pair(segment.trim()) {
            Some(pair) => pairs.push(pair),
            // A value without quotes may have a comma in it too.
            None => match pairs.last_mut() {
                Some((_, value)) => append(value, segment),
                None => append(&mut sentence, segment),
            },
        }
    }
    (sentence.trim().to_owned(), pairs)
}

fn append(text: &mut String, segment: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(segment);
}

/// The text up to the next comma that is in no quoted value, and what follows the comma.
fn next_segment(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut in_quotes = false;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if in_quotes => i += 1,
            b'"' if in_quotes => in_quotes = false,
            // Quotes elsewhere are only words of the sentence.
            b'"' if i > 0 && bytes[i - 1] == b'=' => in_quotes = true,
            b',' if !in_quotes => return (&text[..i], &text[i + 1..]),
            _ => {}
        }
        i += 1;
    }
    (text, "")
}

fn pair(segment: &str) -> Option<(String, String)> {
    let (key, value) = segment.split_once('=')?;
    let mut characters = key.chars();
    let is_key = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    is_key.then(|| (key.to_owned(), unquoted(value)))
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
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
        let table: [(&str, &str, &[Pair]); 9] = [
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
        ];
        for (message, sentence, expected) in table {
            let (found, pairs) = pairs(message);
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!((found.as_str(), pairs.as_slice()), (sentence, expected), "{message}");
        }
    }
}
