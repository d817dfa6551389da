//! Writes the record of processing as a page of Markdown, in which no configured text can be markup.

use std::fmt::Write as _;

use super::Record;

/// The page.
pub(super) fn page(record: &Record) -> String {
    let mut page = format!(
        "# Record of processing\n\nTenant {} of region {}, {}.\n",
        escape(&record.tenant),
        escape(&record.region),
        record.printed_at
    );
    let facts = [
        ("Controller", record.controller.clone().into_iter().collect(), "controller"),
        ("Data protection officer", record.officer.clone().into_iter().collect(), "officer"),
        ("Purposes", record.purposes.clone(), "purposes"),
        ("Legal basis", record.legal_basis.clone().into_iter().collect(), "legal_basis"),
        ("Data subjects", record.subjects.clone(), "subjects"),
    ];
    for (title, texts, setting) in facts {
        section(&mut page, title, &texts, &format!("missing: set `privacy.record.{setting}`"));
    }
    section(&mut page, "Privacy profile", &privacy(record), "");
    categories(&mut page, record);
    let recipients: Vec<String> = record
        .recipients
        .iter()
        .map(|recipient| {
            let region = recipient.region.as_deref().unwrap_or("unknown");
            format!(
                "{}, account {}, at {}, region {region}",
                recipient.name, recipient.account, recipient.host
            )
        })
        .collect();
    section(&mut page, "Recipients", &recipients, "none: the data stays in the store");
    let transfers: Vec<String> = record.transfer_warning.clone().into_iter().collect();
    section(&mut page, "Transfers to other regions", &transfers, "none known");
    let kept = record.retention.iter().map(|kept| format!("{}: {}", kept.what, kept.window));
    section(&mut page, "How long it is kept", &kept.collect::<Vec<_>>(), "");
    section(&mut page, "Measures", &record.measures, "");
    page
}

/// Returns the profile, the key and the columns that differ from the profile.
fn privacy(record: &Record) -> Vec<String> {
    let key = match &record.key {
        Some(key) => format!("pseudonyms are made with key {key}"),
        None => "no pseudonyms are published".to_owned(),
    };
    let columns =
        record.columns.iter().map(|(column, action)| format!("column {column}: {action}"));
    [format!("profile {}", record.profile), key].into_iter().chain(columns).collect()
}

fn section(page: &mut String, title: &str, texts: &[String], otherwise: &str) {
    let _ = write!(page, "\n## {title}\n\n");
    for text in texts {
        let _ = writeln!(page, "- {}", escape(text));
    }
    if texts.is_empty() {
        let _ = writeln!(page, "{otherwise}");
    }
}

fn categories(page: &mut String, record: &Record) {
    let counted = match &record.generation {
        Some(generation) => format!("The objects are those of generation {generation}."),
        None => "No generation was published yet.".to_owned(),
    };
    let _ = write!(
        page,
        "\n## Categories of personal data\n\n{counted}\n\n| Type | Objects | Names a person | Points at \
         one with other data |\n| --- | --- | --- | --- |\n"
    );
    for category in &record.categories {
        let objects =
            category.objects.map_or_else(|| "–".to_owned(), |objects| objects.to_string());
        let _ = writeln!(
            page,
            "| `{}` | {objects} | {} | {} |",
            category.type_name,
            category.direct.join(", "),
            category.indirect.join(", ")
        );
    }
}

/// Returns a text in one line, with all Markdown escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '#' | '|' | '&' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            control if control.is_control() => escaped.push(' '),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_texts_are_no_markup() {
        assert_eq!(escape("a\n# b"), "a \\# b");
        assert_eq!(escape("![x](http://y)|<script>"), "\\!\\[x\\](http://y)\\|\\<script\\>");
    }
}
