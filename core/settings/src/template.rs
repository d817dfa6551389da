//! A new configuration file: the answers of a user with what each means, and comments that show what
//! else there is.

use std::fmt::Write as _;

use crate::setting::{Kind, Setting, Table};
use crate::table::TABLES;

/// A setting of the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The path of the setting.
    pub path: String,
    /// Its value, as TOML.
    pub value: String,
    /// True if the line is a comment.
    pub is_off: bool,
}

/// Returns a text as TOML writes it.
pub fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Writes a configuration file with these settings, in their order within each table.
pub fn template(answers: &[Answer]) -> String {
    let mut file = String::from(
        "# The configuration of Nexthink Graph. A variable of the environment overrides a setting:\n\
         # NEXTHINK_GRAPH__QUERIES__DEVICES is queries.devices.\n",
    );
    for table in &TABLES {
        let below = format!("{}.", table.path);
        let answers = answers.iter().filter(|answer| answer.path.starts_with(&below));
        let answers: Vec<&Answer> = answers.collect();
        if answers.is_empty() {
            write_starters(&mut file, table);
        } else {
            write_answers(&mut file, table, &answers);
        }
    }
    file
}

fn write_answers(file: &mut String, table: &Table, answers: &[&Answer]) {
    let _ = write!(file, "\n# {}\n[{}]\n", table.sentence, table.path);
    for answer in answers {
        if let Some(setting) = table.settings.iter().find(|setting| setting.path == answer.path) {
            let _ = writeln!(file, "# {}", comment(setting));
        }
        let name = &answer.path[table.path.len() + 1..];
        let off = if answer.is_off { "# " } else { "" };
        let _ = writeln!(file, "{off}{name} = {}", answer.value);
    }
}

/// Shows the first settings of a table as comments.
fn write_starters(file: &mut String, table: &Table) {
    let starters = table.settings.iter().filter(|setting| table.starters.contains(&setting.path));
    for (place, setting) in starters.enumerate() {
        if place == 0 {
            let _ = write!(file, "\n# {}\n# [{}]\n", table.sentence, table.path);
        }
        let name = &setting.path[table.path.len() + 1..];
        let _ = writeln!(file, "# {name} = {}", setting.example);
    }
}

fn comment(setting: &Setting) -> String {
    match setting.kind {
        Kind::Secret => {
            format!(
                "{}: a reference, never the secret itself (env, file, command)",
                setting.sentence
            )
        }
        _ => setting.sentence.to_owned(),
    }
}
