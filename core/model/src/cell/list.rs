//! Lists: how Nexthink writes one into an export is not documented, so every certain form is read.

/// The inside of a cell that is enclosed in brackets, which proves that it is a list.
pub fn enclosed_list(cell: &str) -> Option<&str> {
    cell.trim().strip_prefix('[')?.strip_suffix(']')
}

/// The items of a cell, between commas or semicolons, without the brackets around the list and without the
/// quotes around an item. An apostrophe inside an item belongs to it.
///
/// Only [`enclosed_list`] and quotes prove that the cell is a list. Without them the caller decides by the
/// items: a comma may be a part of a single value.
pub fn list_items(cell: &str) -> impl Iterator<Item = &str> {
    let mut rest = enclosed_list(cell).unwrap_or(cell);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|it: char| it.is_whitespace() || is_separator(it));
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

/// An item in quotes and what follows it. The closing quote is the first one that ends the item: that of
/// `'o'neill@acme.example'` is the last.
fn quoted_item(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
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
    fn g18_a_list_is_read_in_every_certain_form_and_an_item_is_never_split() {
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
