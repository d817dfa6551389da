//! The words of `docs/glossary.md`: what a term replaces is no name in the sources any more.

use crate::tidy::Violation;
use crate::workspace::SourceFile;

/// The page with the words.
pub(super) const PAGE: &str = "docs/glossary.md";

/// The header of its table.
const HEADER: &str = "| Term | Meaning | Not |";

/// The words before the name in a definition.
const KEYWORDS: &[&str] = &["enum", "fn", "mod", "struct", "trait", "type"];

/// A name that is not used, and the term in its place.
struct Replaced<'a> {
    name: &'a str,
    term: &'a str,
}

/// Returns every definition whose name the page replaces by a term.
pub(super) fn check(page: &str, sources: &[SourceFile]) -> Vec<Violation> {
    let Some((_, table)) = page.split_once(HEADER) else {
        let what = "it has no table of terms".to_owned();
        let mend = format!("write the terms as a table below `{HEADER}`");
        return vec![Violation { path: PAGE.to_owned(), what, mend }];
    };
    let replaced: Vec<Replaced<'_>> = table.lines().flat_map(parse_row).collect();
    let mut violations = Vec::new();
    for file in sources {
        for (number, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for Replaced { name, term } in replaced.iter().filter(|word| defines(line, word.name)) {
                violations.push(Violation {
                    path: format!("{}:{}", file.path, number + 1),
                    what: format!("`{name}` is not a word of {PAGE}"),
                    mend: format!("name it after the term: {term}"),
                });
            }
        }
    }
    violations
}

fn parse_row(line: &str) -> Vec<Replaced<'_>> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [term, _, names] = cells[..] else { return Vec::new() };
    // Every second piece is between backticks.
    names.split('`').skip(1).step_by(2).map(|name| Replaced { name, term }).collect()
}

fn defines(line: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let words = line.split(|character| !is_part(character)).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    words.windows(2).any(|pair| KEYWORDS.contains(&pair[0]) && pair[1] == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::lines;

    const WORDS: &str = "# Words\n\n| Term | Meaning | Not |\n| --- | --- | --- |\n\
                         | retry cause | why a call is made again | `Hiccup`, `hiccup` |\n\
                         | run | one pass | |\n";

    fn found(text: &str) -> Vec<String> {
        let file = SourceFile { path: "core/a/src/b.rs".to_owned(), text: text.to_owned() };
        lines(&check(WORDS, &[file]))
    }

    #[test]
    fn a_definition_of_a_replaced_name_is_found_and_nothing_else() {
        for line in ["pub(crate) struct Hiccup {", "mod hiccup;", "    async fn hiccup<T>() {"] {
            let expected = "core/a/src/b.rs:1: `";
            let found = found(line);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{line}: {found:?}");
            assert!(found[0].ends_with("name it after the term: retry cause"), "{found:?}");
        }
        for line in ["/// struct Hiccup", "let hiccup = 1;", "struct Hiccups;", "enum Run {}"] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn a_page_without_its_table_is_found() {
        assert_eq!(check("# Words\n", &[]).len(), 1);
    }
}
