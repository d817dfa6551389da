//! The first words of doc comments: a noun phrase or a verb, no question that the text then leaves open.

use crate::tidy::Violation;
use crate::workspace::SourceFile;

/// The words that begin a question.
const QUESTIONS: [&str; 4] = ["What ", "How ", "Whether ", "Why "];

/// Returns every doc comment that begins with a question.
pub(super) fn check(sources: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in sources {
        let mut is_inside = false;
        for (number, line) in file.text.lines().enumerate() {
            let comment = doc_comment(line);
            let is_first = comment.is_some() && !is_inside;
            is_inside = comment.is_some();
            let text = comment.filter(|_| is_first).unwrap_or_default();
            if let Some(question) = QUESTIONS.iter().find(|question| text.starts_with(**question)) {
                violations.push(Violation {
                    path: format!("{}:{}", file.path, number + 1),
                    what: format!("a doc comment begins with `{}`", question.trim_end()),
                    mend: "begin with a noun phrase or a verb: \"The time that …\", \"Returns …\""
                        .to_owned(),
                });
            }
        }
    }
    violations
}

/// Returns the text of a line of a doc comment.
fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<String> {
        let file = SourceFile { path: "core/a/src/b.rs".to_owned(), text: text.to_owned() };
        check(&[file]).into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn a_doc_comment_begins_with_no_question() {
        for question in QUESTIONS {
            let text = format!("//! {question}it is.\n\n    /// {question}it does.\nfn a() {{}}\n");
            assert_eq!(
                lines_found(&text),
                ["core/a/src/b.rs:1", "core/a/src/b.rs:3"],
                "{question}"
            );
        }
    }

    #[test]
    fn a_later_sentence_a_plain_comment_and_a_longer_word_may_begin_so() {
        for text in [
            "/// A row.\n/// What it lacks is null.\n///\n/// Why: it is short.\n",
            "// Why here: it is the last.\n",
            "/// However it ends.\n",
            "let text = \"/// What\";\n",
        ] {
            assert_eq!(lines_found(text), [] as [&str; 0], "{text}");
        }
    }
}
