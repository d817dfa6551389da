//! Patterns of times as Postgres writes them, for `to_char`: the engine has those of strftime, and would return
//! `YYYY-MM` as it stands.

/// The parts of a Postgres pattern, each before those that it begins with, and the same for strftime.
const PARTS: [(&str, &str); 26] = [
    ("IYYY", "%G"),
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MONTH", "%B"),
    ("Month", "%B"),
    ("month", "%B"),
    ("MON", "%b"),
    ("Mon", "%b"),
    ("mon", "%b"),
    ("MM", "%m"),
    ("MI", "%M"),
    ("MS", "%3f"),
    ("IW", "%V"),
    ("DDD", "%j"),
    ("DD", "%d"),
    ("DAY", "%A"),
    ("Day", "%A"),
    ("day", "%A"),
    ("DY", "%a"),
    ("Dy", "%a"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%I"),
    ("SS", "%S"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// Returns a pattern for strftime; none if it has a letter that stands for nothing known. One with `%` is one already.
pub(crate) fn for_strftime(pattern: &str) -> Option<String> {
    if pattern.contains('%') {
        return Some(pattern.to_owned());
    }
    let (mut rest, mut translated) = (pattern, String::new());
    while let Some(first) = rest.chars().next() {
        let known = PARTS.iter().find(|(part, _)| {
            let beginning = rest.get(..part.len());
            // Numbers are written in either case; the case of a name says how it is to be shown.
            beginning
                .is_some_and(|beginning| beginning == *part || beginning == part.to_lowercase())
        });
        if let Some((part, strftime)) = known {
            translated.push_str(strftime);
            rest = &rest[part.len()..];
        } else if let Some((literal, after)) = quoted(rest) {
            translated.push_str(literal);
            rest = after;
        } else if first.is_alphanumeric() {
            return None;
        } else {
            translated.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(translated)
}

/// Returns the text in quotation marks at the beginning, and what follows it. `T` between a day and a time needs none.
fn quoted(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('"') {
        Some(rest) => rest.split_once('"'),
        None => text.starts_with('T').then(|| text.split_at(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_postgres_is_one_of_strftime() {
        for (pattern, expected) in [
            ("YYYY-MM", Some("%Y-%m")),
            ("yyyy-mm-dd", Some("%Y-%m-%d")),
            ("YYYY-MM-DD HH24:MI:SS.MS", Some("%Y-%m-%d %H:%M:%S.%3f")),
            ("DD Mon YYYY, HH:MI AM", Some("%d %b %Y, %I:%M %p")),
            ("IYYY-\"W\"IW", Some("%G-W%V")),
            ("YYYY-MM-DDTHH24:MI", Some("%Y-%m-%dT%H:%M")),
            ("Day", Some("%A")),
            ("%Y-%m", Some("%Y-%m")),
            ("", Some("")),
            ("Q", None),
            ("YYYY-W", None),
            ("999D99", None),
        ] {
            assert_eq!(for_strftime(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
