//! Texts of others inside the documents of receivers: each form has its own way to stay a text.

use minijinja::value::Serde;
use minijinja::{Environment, Value};

use crate::template::bounded_environment;

/// The steps that one rendering may take.
const FUEL: u64 = 100_000;
const NAME: &str = "body";

/// Escapes a text for Slack's `text`, so that a mention, link or command is shown as text.
pub fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Breaks the functions that adaptive cards would evaluate in a text, such as `{{DATE(…)}}`.
pub fn card(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    let mut before = ' ';
    for character in text.chars() {
        if character == '{' && matches!(before, '{' | '$') {
            broken.push('\u{200a}');
        }
        broken.push(character);
        before = character;
    }
    broken
}

/// A JSON document as a template. Every value that it inserts is the inside of a JSON text, so that it
/// cannot leave the quotes around it.
#[derive(Debug)]
pub struct JsonTemplate(Environment<'static>);

impl JsonTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// The mistake.
    pub fn new(source: &str) -> Result<Self, String> {
        let mut environment = bounded_environment(FUEL);
        environment.set_formatter(|out, _, value| {
            let text = if value.is_none() { String::new() } else { value.to_string() };
            let json = serde_json::Value::from(text).to_string();
            out.write_str(&json[1..json.len() - 1]).map_err(minijinja::Error::from)
        });
        let added = environment.add_template_owned(NAME, source.to_owned());
        added.map_err(|error| format!("the template is not valid: {error}"))?;
        Ok(Self(environment))
    }

    /// Renders a document.
    ///
    /// # Errors
    /// The kind of mistake, without a value; also if the result is not JSON.
    pub fn render(&self, values: &impl serde::Serialize) -> Result<Vec<u8>, String> {
        let failed = |error: minijinja::Error| format!("the template fails: {}", error.kind());
        let template = self.0.get_template(NAME).map_err(failed)?;
        let text = template.render(Value::from(Serde(values))).map_err(failed)?;
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|_| "what the template makes is not JSON".to_owned())?;
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_stays_inside_its_quotes() {
        let template = JsonTemplate::new(r#"{"a": "{{ name }}", "n": {{ n }}}"#).expect("valid");
        let hostile = "x\", \"urgency\": \"1\\\n\u{1}";
        let body = template.render(&json!({ "name": hostile, "n": 3 })).expect("JSON");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, json!({ "a": hostile, "n": 3 }));
        assert!(template.render(&json!({ "name": "x", "n": "}" })).is_err());
        assert!(template.render(&json!({ "name": "x" })).is_err());
    }

    #[test]
    fn no_two_braces_follow_each_other_in_a_card() {
        for text in ["{{DATE(x)}}", "{{{DATE(x)}}}", "{{{{a}}}}", "${a}", "$${{a}", "a { b", "{"] {
            let broken = card(text);
            assert!(!broken.contains("{{") && !broken.contains("${"), "{broken}");
            assert_eq!(broken.replace('\u{200a}', ""), text);
        }
    }
}
