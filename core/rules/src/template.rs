//! The text of a finding: a template over the columns of its row.
//!
//! A text is one line of plain characters. Each channel escapes it as needed.

use core_terminal::is_hidden;
use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

/// The steps that one rendering may take, so that a loop in a template ends.
const FUEL: u64 = 20_000;
/// The characters of a text.
const MAX_CHARS: usize = 1_000;
/// Name of the one template of an environment.
const NAME: &str = "message";
/// The text for a missing value.
const MISSING: &str = "unknown";

/// Returns an environment whose templates end after `fuel` steps, refuse names that do not exist, and escape nothing
/// by themselves.
pub(crate) fn bounded_environment(fuel: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(fuel));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// A template that was compiled.
#[derive(Debug)]
pub struct MessageTemplate(Environment<'static>);

impl MessageTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// The mistake, without the line, for a template of one line.
    pub fn new(source: &str) -> Result<Self, String> {
        let mut environment = bounded_environment(FUEL);
        environment.set_formatter(|out, _, value| {
            if value.is_none() {
                return out.write_str(MISSING).map_err(minijinja::Error::from);
            }
            write!(out, "{value}").map_err(minijinja::Error::from)
        });
        environment.add_filter("date", |value: &Value| time(value, "%Y-%m-%d"));
        environment.add_filter("time", |value: &Value| time(value, "%Y-%m-%d %H:%M UTC"));
        let added = environment.add_template_owned(NAME, source.to_owned());
        added.map_err(|error| reason(&error))?;
        Ok(Self(environment))
    }

    /// Renders a row.
    ///
    /// # Errors
    /// A column that the row does not have, or a template without end. No value is part of the message.
    pub fn render(&self, row: &impl serde::Serialize) -> Result<String, String> {
        let template = self.0.get_template(NAME).map_err(|error| reason(&error))?;
        let text = template.render(Value::from(Serde(row))).map_err(|error| reason(&error))?;
        Ok(one_line(&text, MAX_CHARS))
    }
}

/// The kind of an error: the rest of its message may show a cell.
fn reason(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    match error.kind() {
        ErrorKind::UndefinedError => "it names a column that the row does not have".to_owned(),
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        ErrorKind::SyntaxError => error.detail().unwrap_or("it is no template").to_owned(),
        kind => kind.to_string(),
    }
}

/// A time in a format; another text stays as it is.
fn time(value: &Value, format: &str) -> String {
    let timestamp = match value.as_str() {
        Some(text) => text.parse::<Timestamp>().ok(),
        None => value.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
    };
    match timestamp {
        Some(timestamp) => timestamp.strftime(format).to_string(),
        None if value.is_none() => MISSING.to_owned(),
        None => value.to_string(),
    }
}

/// Returns a text as one line: control characters, line breaks, characters that change the direction of writing and
/// others that cannot be seen become spaces, and it is cut after `max_chars` characters.
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(text.len().min(4 * max_chars));
    let mut characters = text.trim().chars();
    for character in characters.by_ref().take(max_chars) {
        line.push(if is_hidden(character) { ' ' } else { character });
    }
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_becomes_one_line() {
        let row = json!({ "name": "A\nB\u{61c}\u{202e}❤\u{fe0f}", "seen": "2026-03-01T10:20:30Z", "ms": 0, "none": null });
        let table = [
            ("{{ name }} since {{ seen | date }}", Ok("A B  ❤\u{fe0f} since 2026-03-01")),
            ("{{ seen | time }} {{ ms | date }}", Ok("2026-03-01 10:20 UTC 1970-01-01")),
            ("{{ none }} {{ none | date }}", Ok("unknown unknown")),
            ("{{ nme }}", Err("it names a column that the row does not have")),
            ("{% for i in range(99999) %}{{ i }}{% endfor %}", Err("it takes too many steps")),
        ];
        for (source, expected) in table {
            let rendered = MessageTemplate::new(source).and_then(|template| template.render(&row));
            assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{source}");
        }
        assert!(MessageTemplate::new("{{ name").is_err());
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }
}
