//! The reference of all settings, a part of `docs/configuration.md`.

use std::fmt::Write as _;

use crate::setting::{Absent, Kind, SECRET_PARTS, Setting};
use crate::table::{FLEET, TABLES};

/// Writes a section for each table of the configuration: what it is for, and its settings as they are
/// written in the file.
pub fn page() -> String {
    let mut page = String::new();
    for table in TABLES.iter().chain([&FLEET]) {
        let _ = write!(page, "### `[{}]`\n\n{}.\n\n", table.path, table.sentence);
        page.push_str("| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n");
        for setting in table.settings {
            let name = &setting.path[table.path.len() + 1..];
            let name = name.replace("**", "\"<column>\"").replace('*', "<name>");
            let written = format!("{name} = {}", setting.example);
            row(&mut page, &written, &type_of(setting), &absent(setting.absent), setting.sentence);
        }
        page.push('\n');
    }
    page.push_str("### Secrets\n\nA secret is a table with one of the first three:\n\n");
    page.push_str("| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n");
    for part in &SECRET_PARTS {
        row(&mut page, part.name, &kind(&part.kind), &absent(part.absent), part.sentence);
    }
    page
}

fn row(page: &mut String, written: &str, kind: &str, absent: &str, sentence: &str) {
    let _ = writeln!(page, "| `{written}` | {kind} | {absent} | {sentence} |");
}

fn type_of(setting: &Setting) -> String {
    match setting.unit {
        Some(unit) => format!("{} {unit}", kind(&setting.kind)),
        None => kind(&setting.kind),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Path => "path".to_owned(),
        Kind::Secret => "[secret](#secrets)".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Integer { least, most } => format!("{least} to {most}"),
        Kind::Texts => "list of texts".to_owned(),
    }
}

fn absent(absent: Absent) -> String {
    match absent {
        Absent::Required => "**required**".to_owned(),
        Absent::Default(value) => format!("`{value}`"),
        Absent::Otherwise(phrase) => phrase.to_owned(),
    }
}
