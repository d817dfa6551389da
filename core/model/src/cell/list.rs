//! Lists. Nexthink does not document how an export writes them, so every unambiguous form is read.

/// Returns the content of a cell in brackets, which prove that it is a list.
pub fn enclosed_list(cell: &str) -> Option<&str> {
    cell.trim().strip_prefix('[')?.strip_suffix(']')
}

/// Iterates over the items of a cell, separated by commas or semicolons, without the brackets of
/// the list and without the quotes of an item. An apostrophe inside an item belongs to the item.
///
/// Only brackets, see [`enclosed_list`], and quotes prove that the cell is a list. Without them the
/// caller decides by the items: a comma may be part of a single value.
pub fn list_items(cell: &str) -> impl Iterator<Item = &str> {
    let mut rest = enclosed_list(cell).unwrap_or(cell);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|character: char| {
                character.is_whitespace() || is_separator(character)
            });
            if rest.is_empty() {
                return None;
            }
            let (item, after) = quoted_item(rest).unwrap_or_else(|| {
                let end = rest.find(is_separator).unwrap_or(rest.len());
                (rest[..end].trim_end(), &rest[end..])
            });
            rest = after;
            if !item.is_empty() {
                return Some(item);
            }
        }
    })
}

/// Returns an item in quotes and the text after it. The closing quote is the first one at the end
/// of the item: in `'o'neill@acme.example'` that is the last one.
fn quoted_item(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|character| matches!(character, '\'' | '"'))?;
    let content = &text[1..];
    content.match_indices(quote).find_map(|(end, _)| {
        let after = content[end + 1..].trim_start();
        let ends_item = after.is_empty() || after.starts_with(is_separator);
        ends_item.then(|| (content[..end].trim(), after))
    })
}

fn is_separator(character: char) -> bool {
    matches!(character, ',' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g18_a_list_is_read_in_every_unambiguous_form_and_an_item_is_never_split() {
        let table: &[(&str, &[&str])] = &[
            ("a,b", &["a", "b"]),
            ("a; b", &["a", "b"]),
            ("['a', 'b']", &["a", "b"]),
            ("[\"a\",\"b\"]", &["a", "b"]),
            ("[a, b]", &["a", "b"]),
            ("'a', 'b'", &["a", "b"]),
            (" a ,\n b; ", &["a", "b"]),
            ("a b", &["a b"]),
            ("o'neill", &["o'neill"]),
            ("['o'neill', 'd'arcy']", &["o'neill", "d'arcy"]),
            ("\"Doe, Jane\", \"Roe; Jim\"", &["Doe, Jane", "Roe; Jim"]),
            ("'t Hooft", &["'t Hooft"]),
            ("\"john smith\"@acme", &["\"john smith\"@acme"]),
            ("[]", &[]),
            ("['']", &[]),
            ("", &[]),
        ];
        for (cell, expected) in table {
            assert_eq!(list_items(cell).collect::<Vec<_>>(), *expected, "{cell}");
        }
    }
}
